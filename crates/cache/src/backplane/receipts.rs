//! What becomes of an invalidation elsewhere: whether Redis took it, and which nodes have heard of it or serve nothing old any
//! more.

use super::generation::{Gen, Stamp};
use super::scripts::NodeSeen;
use crate::invalidation::{Layer, NodeReceipt, NodeState};
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Notify;

/// Where in the log of a shard an invalidation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) shard: u32,
    pub(crate) generation: Gen,
    pub(crate) seq: u64,
}

impl Accepted {
    /// The same for who knows the shard.
    pub(crate) const fn stamp(&self) -> Stamp {
        Stamp {
            generation: self.generation,
            seq: self.seq,
        }
    }
}

/// What is known of an invalidation.
#[derive(Debug, Default)]
struct State {
    /// How many of its marks wait for an answer.
    open: usize,
    /// Where they stand that Redis took: the last one for each shard.
    accepted: BTreeMap<u32, Accepted>,
    /// Whether some are put off: Redis is away.
    put_off: bool,
    /// Whether some of those do not stand in the journal.
    unwritten: bool,
}

/// One invalidation on its way, for whoever waits for its receipt.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    state: Mutex<State>,
    changed: Notify,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Redis has it.
    Accepted(Vec<Accepted>),
    /// Redis does not have it yet.
    PutOff {
        /// Whether what it does not have stands in the journal.
        journaled: bool,
    },
}

impl Ticket {
    /// One more of its marks is on the way.
    pub(crate) fn expect_one(&self) {
        self.state.lock().open += 1;
    }

    /// Redis took one of its marks.
    pub(crate) fn accept(&self, accepted: Accepted) {
        let mut state = self.state.lock();
        let last = state.accepted.entry(accepted.shard).or_insert(accepted);
        // A mark that was told again in a later generation counts there.
        if accepted.generation != last.generation || accepted.seq > last.seq {
            *last = accepted;
        }
        self.close_one(state);
    }

    /// One of its marks has to wait for Redis to come back; whether it stands in the journal.
    pub(crate) fn put_off(&self, journaled: bool) {
        let mut state = self.state.lock();
        state.put_off = true;
        state.unwritten |= !journaled;
        self.close_one(state);
    }

    fn close_one(&self, mut state: impl std::ops::DerefMut<Target = State>) {
        state.open = state.open.saturating_sub(1);
        if state.open == 0 {
            drop(state);
            self.changed.notify_waiters();
        }
    }

    fn settled_now(&self) -> Option<Settled> {
        let state = self.state.lock();
        (state.open == 0).then(|| match state.put_off {
            true => Settled::PutOff {
                journaled: !state.unwritten,
            },
            false => Settled::Accepted(state.accepted.values().copied().collect()),
        })
    }

    /// Whether everything that was put off so far stands in the journal.
    pub(crate) fn is_journaled_so_far(&self) -> bool {
        !self.state.lock().unwritten
    }

    /// Completes when it is known whether Redis took all of it.
    pub(crate) async fn settled(&self) -> Settled {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that what happens after it is not missed.
            changed.as_mut().enable();
            if let Some(settled) = self.settled_now() {
                return settled;
            }
            changed.await;
        }
    }
}

/// How each node stands to an invalidation that Redis took `since` ago, by the rows of the shards that it reached.
pub(crate) struct Standings {
    own: String,
    since: Duration,
    worst: BTreeMap<String, (NodeState, Duration)>,
}

impl Standings {
    /// Of the nodes beside `own`, which heard of it before anybody else.
    pub(crate) fn new(own: &str, since: Duration) -> Self {
        let worst = BTreeMap::from([(own.to_owned(), (NodeState::Confirmed, Duration::ZERO))]);
        Self {
            own: own.to_owned(),
            since,
            worst,
        }
    }

    /// Takes in what the rows of a shard say.
    pub(crate) fn add(&mut self, accepted: &Accepted, rows: &[NodeSeen]) {
        for row in rows.iter().filter(|row| row.name != self.own) {
            let state = state_of(row, accepted, self.since);
            let entry = self.worst.entry(row.name.clone()).or_insert((state, row.bound));
            *entry = (entry.0.max(state), entry.1.max(row.bound));
        }
    }

    /// Takes in nodes of which nothing is known but that they are there.
    pub(crate) fn add_unknown(&mut self, rows: &[NodeSeen]) {
        for row in rows {
            let unknown = (NodeState::Waiting, row.bound);
            self.worst.entry(row.name.clone()).or_insert(unknown);
        }
    }

    /// Until when, counted from when Redis took it, a node may still have to be waited for; nothing when none has.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let waiting = self.worst.values().filter(|(state, _)| *state == NodeState::Waiting);
        waiting.map(|(_, bound)| *bound).max()
    }

    /// The layer of a receipt.
    pub(crate) fn layer(&self, took: Duration) -> Layer {
        let nodes: Vec<NodeReceipt> = self
            .worst
            .iter()
            .map(|(node, (state, _))| NodeReceipt {
                node: node.clone(),
                state: *state,
            })
            .collect();
        let confirmed = nodes.iter().filter(|node| node.state != NodeState::Waiting).count();
        Layer {
            layer: "nodes",
            confirmed: confirmed as u64,
            of: nodes.len() as u64,
            took_ms: millis(took),
            nodes,
        }
    }
}

/// A node that has asked for everything up to the invalidation has heard of it. Any other serves nothing older unlabelled once
/// its bound has passed since Redis took the invalidation. Not sooner, however long it is silent: what it loaded just before
/// that moment it may serve for that long.
fn state_of(row: &NodeSeen, accepted: &Accepted, since: Duration) -> NodeState {
    if row.generation == accepted.generation && row.cursor >= accepted.seq {
        NodeState::Confirmed
    } else if since > row.bound {
        NodeState::Lapsed
    } else {
        NodeState::Waiting
    }
}

/// The layer of a receipt that says what Redis knows.
pub(crate) fn redis_layer(confirmed: usize, of: usize, took: Duration) -> Layer {
    Layer {
        layer: "redis",
        confirmed: confirmed as u64,
        of: of as u64,
        took_ms: millis(took),
        nodes: Vec::new(),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The pauses between looks at the rows of the nodes: 2, 4, 8 … milliseconds, and then as long as the last.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    (1..).map(|exponent: u32| Duration::from_millis(1 << exponent.min(PAUSE_EXPONENT_MAX)))
}

/// The longest pause is 64 ms: nobody notices that much more of a second.
const PAUSE_EXPONENT_MAX: u32 = 6;
