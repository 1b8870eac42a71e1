//! What a route counts. Handles are made once with the route and survive a reload under its name.

use crate::outcome::{CacheOutcome, Outcome};
use crate::policy::Reason;
use peregrine_cache::Coding;
use peregrine_telemetry::{Counter, Histogram};
use std::time::Duration;

/// The counters of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    outcomes: [Counter; CacheOutcome::ALL.len()],
    reasons: Vec<Counter>,
    statuses: [Counter; 5],
    encoded: [Counter; Coding::ALL.len()],
    /// Requests that ended in an error of the upstream's or Peregrine's.
    pub errors: Counter,
    /// From the parsed request to the end of the answer.
    pub duration: Histogram,
    /// From the request to the origin until its first byte.
    pub upstream: Histogram,
    /// Bytes of bodies sent to clients.
    pub bytes_sent: Counter,
    /// Bytes of bodies that clients got without the origin sending them.
    pub bytes_saved: Counter,
}

impl Default for RouteMetrics {
    fn default() -> Self {
        Self {
            outcomes: std::array::from_fn(|_| Counter::new()),
            reasons: Reason::ALL.iter().map(|_| Counter::new()).collect(),
            statuses: std::array::from_fn(|_| Counter::new()),
            encoded: std::array::from_fn(|_| Counter::new()),
            errors: Counter::new(),
            duration: Histogram::new(),
            upstream: Histogram::new(),
            bytes_sent: Counter::new(),
            bytes_saved: Counter::new(),
        }
    }
}

impl RouteMetrics {
    /// Counts one finished request.
    pub(crate) fn record(&self, outcome: &Outcome, status: u16, duration: Duration, bytes: u64) {
        self.outcomes[outcome.cache as usize].increment();
        if let Some(counter) = outcome.reason().and_then(|reason| self.reasons.get(reason as usize)) {
            counter.increment();
        }
        if let Some(counter) = self.statuses.get(usize::from(status / 100).wrapping_sub(1)) {
            counter.increment();
        }
        if outcome.error.is_some() {
            self.errors.increment();
        }
        self.duration.record(duration);
        if let Some(time) = outcome.upstream_time() {
            self.upstream.record(time);
        }
        self.bytes_sent.add(bytes);
        if outcome.cache.spares_the_body() && outcome.error.is_none() {
            self.bytes_saved.add(bytes);
        }
    }

    /// Counts an answer in a coding that was made here.
    pub(crate) fn encoded(&self, coding: Coding) {
        self.encoded[coding as usize].increment();
    }

    /// How many answers went out in each coding that was made here.
    pub fn encodings(&self) -> impl Iterator<Item = (Coding, u64)> {
        Coding::ALL
            .into_iter()
            .map(|coding| (coding, self.encoded[coding as usize].value()))
    }

    /// How often each outcome happened.
    pub fn outcomes(&self) -> impl Iterator<Item = (CacheOutcome, u64)> {
        CacheOutcome::ALL
            .iter()
            .map(|outcome| (*outcome, self.outcomes[*outcome as usize].value()))
    }

    /// How often each reason was given, the common ones first; reasons that were never given are left out.
    #[must_use]
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        let counted = Reason::ALL
            .iter()
            .zip(&self.reasons)
            .map(|(reason, counter)| (*reason, counter.value()));
        let mut reasons: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }

    /// How often each class of status was answered: "1xx" to "5xx".
    pub fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["1xx", "2xx", "3xx", "4xx", "5xx"]
            .into_iter()
            .zip(self.statuses.iter().map(Counter::value))
    }
}
