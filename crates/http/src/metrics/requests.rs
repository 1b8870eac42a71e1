//! What is counted of requests, whosever they are.

use crate::outcome::{CacheOutcome, Outcome, Sent, Tier};
use crate::policy::Reason;
use parking_lot::Mutex;
use peregrine_telemetry::{Counters, Histogram, HistogramSnapshot};
use std::collections::BTreeMap;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Where an answer can come from: the tiers of the cache, and behind them everything else.
const SOURCES: usize = Tier::ALL.len() + 1;

/// Where each group of counters begins, in the one array that holds them.
const OUTCOMES: usize = 0;
const STATUSES: usize = OUTCOMES + CacheOutcome::ALL.len();
const ANSWERS: usize = STATUSES + CLASSES.len();
const SENT_BYTES: usize = ANSWERS + SOURCES;
const SAVED_MICROS: usize = SENT_BYTES + SOURCES;
const SAVED_REQUESTS: usize = SAVED_MICROS + SOURCES;
const SAVED_BYTES: usize = SAVED_REQUESTS + 1;
const ORIGIN_REQUESTS: usize = SAVED_BYTES + 1;
const ORIGIN_MICROS: usize = ORIGIN_REQUESTS + 1;
const ERRORS: usize = ORIGIN_MICROS + 1;
const REASONS: usize = ERRORS + 1;
const COUNTERS: usize = REASONS + Reason::ALL.len();

/// The requests of a route, or of a tenant.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    counters: Counters<COUNTERS>,
    /// The words are those of the code, so that there is a bounded number of them.
    kinds: Mutex<BTreeMap<&'static str, u64>>,
    /// From the parsed request to the end of the answer, by source: to tell them apart costs nothing more.
    durations: [Histogram; SOURCES],
    /// From the request to the origin until its first byte.
    pub upstream: Histogram,
    /// How long requests waited for a connection to the origin.
    pub wait: Histogram,
}

impl RequestMetrics {
    /// Counts one finished request. How the cache took part comes last: who finds that unchanged has missed nothing. A stale
    /// answer in place of a failed or slow one is none of a tier, which would look as slow as the origin.
    pub(crate) fn record(&self, outcome: &Outcome, sent: &Sent) {
        let source = match outcome.cache.spares_the_origin() {
            true => outcome.tier as usize,
            false => Tier::ALL.len(),
        };
        if let Some(kind) = sent.error {
            *self.kinds.lock().entry(kind).or_default() += 1;
        }
        if let Some(histogram) = self.durations.get(source) {
            histogram.record(sent.duration);
        }
        if let Some(exchange) = &outcome.exchange {
            self.upstream.record(exchange.first_byte);
            self.wait.record(exchange.connect);
        }
        let cells = self.counters.cells();
        if let Some(reason) = outcome.reason() {
            cells.add(REASONS + reason as usize, 1);
        }
        let class = usize::from(sent.status / 100).wrapping_sub(1);
        if class < CLASSES.len() {
            cells.add(STATUSES + class, 1);
        }
        if let Some(cost) = outcome.saved {
            cells.add(SAVED_REQUESTS, 1);
            cells.add(SAVED_MICROS + source, micros(cost));
        }
        if outcome.error.is_some() {
            cells.add(ERRORS, 1);
        } else if outcome.cache.spares_the_body() {
            cells.add(SAVED_BYTES, sent.bytes);
        }
        cells.add(ANSWERS + source, 1);
        cells.add(SENT_BYTES + source, sent.bytes);
        fence(Ordering::Release);
        cells.add(OUTCOMES + outcome.cache as usize, 1);
    }

    /// Counts a request that the origin got, on behalf of a client or of the cache, and how long it took to answer.
    pub(crate) fn asked_origin(&self, took: Duration) {
        let cells = self.counters.cells();
        cells.add(ORIGIN_MICROS, micros(took));
        fence(Ordering::Release);
        cells.add(ORIGIN_REQUESTS, 1);
    }

    /// How often each outcome happened, and how many requests the origin got. What is read later is at least as new.
    #[must_use]
    pub fn progress(&self) -> ([u64; CacheOutcome::ALL.len()], u64) {
        let outcomes = CacheOutcome::ALL.map(|outcome| self.counters.value(OUTCOMES + outcome as usize));
        let asked = self.origin_requests();
        fence(Ordering::Acquire);
        (outcomes, asked)
    }

    /// How often each outcome happened.
    pub fn outcomes(&self) -> impl Iterator<Item = (CacheOutcome, u64)> {
        let count = |outcome| self.counters.value(OUTCOMES + outcome as usize);
        CacheOutcome::ALL
            .into_iter()
            .map(move |outcome| (outcome, count(outcome)))
    }

    /// How many answers came from each tier.
    pub fn tiers(&self) -> impl Iterator<Item = (Tier, u64)> {
        let count = |tier| self.counters.value(ANSWERS + tier as usize);
        Tier::ALL.into_iter().map(move |tier| (tier, count(tier)))
    }

    /// How often each reason was given, the common ones first; reasons that were never given are left out.
    #[must_use]
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        let count = |reason| self.counters.value(REASONS + reason as usize);
        let counted = Reason::ALL.iter().map(|reason| (*reason, count(*reason)));
        let mut reasons: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }

    /// How often each class of status was answered: "1xx" to "5xx".
    pub fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |class| self.counters.value(STATUSES + class);
        CLASSES
            .into_iter()
            .enumerate()
            .map(move |(class, word)| (word, count(class)))
    }

    /// Requests that ended in an error of the upstream's or Peregrine's.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.counters.value(ERRORS)
    }

    /// How often each thing went wrong, clients that left included.
    #[must_use]
    pub fn error_kinds(&self) -> BTreeMap<&'static str, u64> {
        self.kinds.lock().clone()
    }

    /// From the parsed request to the end of the answer.
    #[must_use]
    pub fn duration(&self) -> HistogramSnapshot {
        let mut all = HistogramSnapshot::default();
        for histogram in &self.durations {
            all.merge(&histogram.snapshot());
        }
        all
    }

    /// The same of the answers that came from `tier`.
    #[must_use]
    pub fn duration_from(&self, tier: Tier) -> HistogramSnapshot {
        let histogram = self.durations.get(tier as usize);
        histogram.map_or_else(HistogramSnapshot::default, Histogram::snapshot)
    }

    /// Bytes of bodies sent to clients.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.of_sources(SENT_BYTES)
    }

    /// Those of the answers that came from `tier`.
    #[must_use]
    pub fn bytes_from(&self, tier: Tier) -> u64 {
        self.counters.value(SENT_BYTES + tier as usize)
    }

    /// Bytes of bodies that clients got without the origin sending them.
    #[must_use]
    pub fn bytes_saved(&self) -> u64 {
        self.counters.value(SAVED_BYTES)
    }

    /// Requests that the origin got, renewals in the background and those that it failed included.
    #[must_use]
    pub fn origin_requests(&self) -> u64 {
        self.counters.value(ORIGIN_REQUESTS)
    }

    /// How long they took together until the head of the answer, or the failure, was there.
    #[must_use]
    pub fn origin_time(&self) -> Duration {
        Duration::from_micros(self.counters.value(ORIGIN_MICROS))
    }

    /// Requests that the origin did not get because something stored, or another request's load, answered.
    #[must_use]
    pub fn saved_requests(&self) -> u64 {
        self.counters.value(SAVED_REQUESTS)
    }

    /// How long the loads of what answered them had taken: what the origin would have worked again.
    #[must_use]
    pub fn saved_time(&self) -> Duration {
        Duration::from_micros(self.of_sources(SAVED_MICROS))
    }

    /// The part of that time that `tier` saved.
    #[must_use]
    pub fn saved_by(&self, tier: Tier) -> Duration {
        Duration::from_micros(self.counters.value(SAVED_MICROS + tier as usize))
    }

    fn of_sources(&self, group: usize) -> u64 {
        (0..SOURCES).map(|source| self.counters.value(group + source)).sum()
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
