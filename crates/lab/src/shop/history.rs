//! Histories of versions, and what they say about an answer.
//!
//! Histories are bounded. About an instant that is forgotten, nothing is held against an answer.

use peregrine_base::Instant;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// When the versions of one thing became current.
#[derive(Debug)]
pub(crate) struct History {
    /// The number of the oldest version that is remembered.
    pub(crate) first: u64,
    pub(crate) since: VecDeque<Instant>,
    max: usize,
}

impl History {
    pub(crate) fn new(at: Instant, max: usize) -> Self {
        Self {
            first: 1,
            since: VecDeque::from([at]),
            max,
        }
    }

    pub(crate) fn bump(&mut self, at: Instant) {
        if self.since.len() == self.max {
            self.since.pop_front();
            self.first += 1;
        }
        self.since.push_back(at);
    }

    pub(crate) fn current(&self) -> u64 {
        self.first + (self.since.len() as u64) - 1
    }

    /// The version that was current at `instant`; `None` when that is forgotten.
    pub(crate) fn version_at(&self, instant: Instant) -> Option<u64> {
        match self.since.partition_point(|since| *since <= instant) {
            0 if self.first > 1 => None,
            count => Some(self.first + (count as u64).max(1) - 1),
        }
    }
}

/// What is to be said about the version of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was current when it was asked for, or became so before it was answered.
    Current,
    /// It was not, but no longer ago than allowed.
    Stale,
    /// It was superseded longer ago than allowed.
    TooOld,
    /// No such version had existed when it was answered.
    NeverExisted,
}

/// Judges `version`, given the version that was current at any instant that is not forgotten.
pub(crate) fn judge(
    version_at: impl Fn(Instant) -> Option<u64>,
    version: u64,
    exchange: &Exchange,
    age_max: Duration,
) -> Verdict {
    let was_current_after = |instant| version_at(instant).is_none_or(|then| version >= then);
    if version == 0 || version_at(exchange.answered).is_some_and(|newest| version > newest) {
        Verdict::NeverExisted
    } else if was_current_after(exchange.asked) {
        Verdict::Current
    } else if was_current_after(exchange.asked.before(age_max)) {
        Verdict::Stale
    } else {
        Verdict::TooOld
    }
}

/// When a request was sent and its answer was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Before its first byte was sent.
    pub asked: Instant,
    /// After the last byte of the answer had come.
    pub answered: Instant,
}

/// When one version became current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// Since when, in nanoseconds of the machine's `CLOCK_BOOTTIME`, which all its processes share.
    pub since_ns: u64,
}

/// The history of a resource as `GET /truth/...` shows it: enough to judge answers in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Path and query.
    pub resource: String,
    /// The current version.
    pub current: u64,
    /// When versions became current, oldest first; version 1 and what is forgotten are left out.
    pub versions: Vec<Version>,
    /// When this was written.
    pub as_of_ns: u64,
}

impl Record {
    /// As [`crate::shop::Truth::judge`]. The exchange must be over before the record is fetched.
    #[must_use]
    pub fn judge(&self, version: u64, exchange: &Exchange, age_max: Duration) -> Verdict {
        judge(|instant| self.version_at(instant), version, exchange, age_max)
    }

    fn version_at(&self, instant: Instant) -> Option<u64> {
        let count = self
            .versions
            .partition_point(|entry| entry.since_ns <= instant.as_nanos());
        let Some(last) = count.checked_sub(1) else {
            // Before the first change there was version 1, unless that change is not the first.
            let is_whole = self.versions.first().is_none_or(|entry| entry.version == 2);
            return is_whole.then_some(1);
        };
        Some(self.versions[last].version)
    }
}
