//! What happened to one key, and which promises held when it was read. Pure: times come in.

use peregrine_base::Instant;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// How many changes of a key are remembered. A read that is older than all of them breaks whatever they promise.
const CHANGES_MAX: usize = 1024;

/// How many reads of a key are remembered for the history of a violation.
const READS_MAX: usize = 24;

/// A promise that an answer can break. The words are those of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Promise {
    /// The node that invalidated gives no older version afterwards.
    P1,
    /// No node does, one bound after the invalidation was confirmed, unless it says `unverified`.
    P2,
    /// No node does after a receipt in which all of them confirmed.
    #[serde(rename = "receipt")]
    Receipt,
    /// No request fails because of the cache.
    P6,
    /// An answer is of what was asked for, whole, and was true once.
    #[serde(rename = "damaged")]
    Damaged,
}

impl Promise {
    /// The word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::Receipt => "receipt",
            Self::P6 => "P6",
            Self::Damaged => "damaged",
        }
    }
}

/// What came of an invalidation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The node that was asked, where it is one of those that are read.
    pub node: Option<usize>,
    /// When its answer had come.
    #[serde(skip)]
    pub returned: Instant,
    /// Whether every layer has confirmed, so that [`Promise::P2`] is given.
    pub confirmed: bool,
    /// Whether every node that is read has confirmed, none has only lapsed.
    pub everywhere: bool,
    /// The receipt in a few words.
    pub words: String,
}

/// A new version of a key.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number; the one before the first change is 1.
    pub version: u64,
    /// When the origin began to answer with it.
    pub made: Instant,
    /// What came of the invalidation that followed; nothing yet, or nothing was answered.
    pub told: Option<Told>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Read {
    /// The node that gave it.
    pub node: usize,
    /// Before the request was sent.
    pub sent: Instant,
    /// The version that it carries.
    pub version: u64,
    /// Whether it says that nobody could verify it.
    pub unverified: bool,
    /// Its `Cache-Status`.
    pub cache_status: String,
}

/// Everything that is remembered of one key.
#[derive(Debug)]
pub struct History {
    changes: VecDeque<Change>,
    reads: VecDeque<Read>,
    current: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            changes: VecDeque::new(),
            reads: VecDeque::new(),
            current: 1,
        }
    }
}

impl History {
    /// The version that the origin answers with.
    #[must_use]
    pub const fn current(&self) -> u64 {
        self.current
    }

    /// The origin answers with the next version from `made` on; its number.
    pub fn change(&mut self, made: Instant) -> u64 {
        self.current += 1;
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(Change {
            version: self.current,
            made,
            told: None,
        });
        self.current
    }

    /// The invalidation that followed `version` was answered.
    pub fn told(&mut self, version: u64, told: Told) {
        if let Some(change) = self.changes.iter_mut().find(|change| change.version == version) {
            change.told = Some(told);
        }
    }

    /// When the newest confirmed invalidation was answered.
    #[must_use]
    pub fn confirmed_last(&self) -> Option<Instant> {
        let told = self.changes.iter().rev().filter_map(|change| change.told.as_ref());
        told.filter(|told| told.confirmed).map(|told| told.returned).next()
    }

    /// Takes in an answer: for how long its version had been superseded when it was asked for, and the first promise that
    /// it breaks.
    pub fn read(&mut self, read: Read, bound: Duration) -> (Duration, Option<Promise>) {
        let judged = (self.behind(&read), self.broken(&read, bound));
        if self.reads.len() == READS_MAX {
            self.reads.pop_front();
        }
        self.reads.push_back(read);
        judged
    }

    /// The changes that `read` has missed.
    fn missed<'a>(&'a self, read: &Read) -> impl Iterator<Item = &'a Change> {
        let version = read.version;
        self.changes.iter().filter(move |change| change.version > version)
    }

    fn behind(&self, read: &Read) -> Duration {
        let superseded = self.missed(read).next();
        superseded.map_or(Duration::ZERO, |change| read.sent.since(change.made))
    }

    fn broken(&self, read: &Read, bound: Duration) -> Option<Promise> {
        if read.version == 0 || read.version > self.current {
            return Some(Promise::Damaged);
        }
        let told = || self.missed(read).filter_map(|change| change.told.as_ref());
        let holds = |promise: Promise| match promise {
            Promise::P1 => told().any(|told| told.node == Some(read.node) && told.returned < read.sent),
            Promise::Receipt => told().any(|told| told.everywhere && told.returned < read.sent),
            Promise::P2 => {
                !read.unverified && told().any(|told| told.confirmed && told.returned.after(bound) < read.sent)
            }
            Promise::P6 | Promise::Damaged => false,
        };
        [Promise::P1, Promise::Receipt, Promise::P2]
            .into_iter()
            .find(|promise| holds(*promise))
    }

    /// The latest of what happened, in words, in order, in milliseconds since `start`.
    #[must_use]
    pub fn tell(&self, start: Instant, nodes: &[String]) -> Vec<String> {
        let name = |node: Option<usize>| {
            let known = node.and_then(|node| nodes.get(node));
            known.map_or("another address", String::as_str).to_owned()
        };
        let mut events: Vec<(Instant, String)> = Vec::new();
        for change in self.changes.iter().rev().take(READS_MAX / 2) {
            let version = change.version;
            events.push((change.made, format!("the origin has version {version}")));
            if let Some(told) = &change.told {
                let (node, words) = (name(told.node), &told.words);
                events.push((
                    told.returned,
                    format!("invalidated version {} and older through {node}: {words}", version - 1),
                ));
            }
        }
        for read in &self.reads {
            let (node, version, cache) = (name(Some(read.node)), read.version, &read.cache_status);
            events.push((
                read.sent,
                format!("asked {node}, which answered version {version} ({cache})"),
            ));
        }
        events.sort_by_key(|(at, _)| *at);
        let skipped = events.len().saturating_sub(READS_MAX);
        let told = events.into_iter().skip(skipped).map(|(at, words)| {
            let millis = at.since(start).as_secs_f64() * 1e3;
            format!("{millis:>10.1} ms  {words}")
        });
        told.collect()
    }
}
