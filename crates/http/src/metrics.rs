//! What a route counts. Handles are made once with the route and survive a reload under its name. A route has one strategy,
//! one upstream and one namespace: their sums are made of those of their routes when somebody asks.

use crate::encode::Withheld;
use crate::outcome::{CacheOutcome, Outcome, Tier};
use crate::policy::Reason;
use parking_lot::Mutex;
use peregrine_cache::Coding;
use peregrine_telemetry::{Counter, Counters, Histogram};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where each group of counters begins, in the one array that holds them.
const OUTCOMES: usize = 0;
const STATUSES: usize = OUTCOMES + CacheOutcome::ALL.len();
const CODINGS: usize = STATUSES + CLASSES.len();
const TIERS: usize = CODINGS + Coding::ALL.len();
const ORIGIN_REQUESTS: usize = TIERS + Tier::ALL.len();
const ORIGIN_MICROS: usize = ORIGIN_REQUESTS + 1;
const SAVED_REQUESTS: usize = ORIGIN_MICROS + 1;
const SAVED_MICROS: usize = SAVED_REQUESTS + 1;
const WITHHELD: usize = SAVED_MICROS + 1;
const REASONS: usize = WITHHELD + Withheld::ALL.len();
const COUNTERS: usize = REASONS + Reason::ALL.len();

/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    counters: Counters<COUNTERS>,
    /// The words are those of the code, so that there is a bounded number of them.
    kinds: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests that ended in an error of the upstream's or Peregrine's.
    pub errors: Counter,
    /// From the parsed request to the end of the answer.
    pub duration: Histogram,
    /// From the request to the origin until its first byte.
    pub upstream: Histogram,
    /// How long requests waited for a connection to the origin.
    pub wait: Histogram,
    /// Bytes of bodies sent to clients.
    pub bytes_sent: Counter,
    /// Bytes of bodies that clients got without the origin sending them.
    pub bytes_saved: Counter,
}

impl RouteMetrics {
    /// Counts one finished request; `error` is the word for what went wrong, with the client or before.
    pub(crate) fn record(
        &self,
        outcome: &Outcome,
        status: u16,
        duration: Duration,
        bytes: u64,
        error: Option<&'static str>,
    ) {
        let cells = self.counters.cells();
        cells.add(OUTCOMES + outcome.cache as usize, 1);
        if let Some(reason) = outcome.reason() {
            cells.add(REASONS + reason as usize, 1);
        }
        let class = usize::from(status / 100).wrapping_sub(1);
        if class < CLASSES.len() {
            cells.add(STATUSES + class, 1);
        }
        if outcome.cache.is_hit() {
            cells.add(TIERS + outcome.tier as usize, 1);
        }
        if let Some(cost) = outcome.saved {
            cells.add(SAVED_REQUESTS, 1);
            cells.add(SAVED_MICROS, micros(cost));
        }
        if let Some(kind) = error {
            *self.kinds.lock().entry(kind).or_default() += 1;
        }
        if outcome.error.is_some() {
            self.errors.increment();
        }
        self.duration.record(duration);
        if let Some(exchange) = &outcome.exchange {
            self.upstream.record(exchange.first_byte);
            self.wait.record(exchange.connect);
        }
        self.bytes_sent.add(bytes);
        if outcome.cache.spares_the_body() && outcome.error.is_none() {
            self.bytes_saved.add(bytes);
        }
    }

    /// Counts a request that the origin got, on behalf of a client or of the cache, and how long it took to answer.
    pub(crate) fn asked_origin(&self, took: Duration) {
        let cells = self.counters.cells();
        cells.add(ORIGIN_REQUESTS, 1);
        cells.add(ORIGIN_MICROS, micros(took));
    }

    /// Counts an answer in a coding that was made here.
    pub(crate) fn encoded(&self, coding: Coding) {
        self.counters.cells().add(CODINGS + coding as usize, 1);
    }

    /// Counts `bytes` that were sent as they are though they compress well and their client takes a coding.
    pub(crate) fn withheld(&self, because: Withheld, bytes: u64) {
        self.counters.cells().add(WITHHELD + because as usize, bytes);
    }

    /// How many of these bytes there were, by the parameter that kept them from being offered in a coding.
    pub fn uncompressed_bytes(&self) -> impl Iterator<Item = (Withheld, u64)> {
        let count = |because| self.counters.value(WITHHELD + because as usize);
        Withheld::ALL.into_iter().map(move |because| (because, count(because)))
    }

    /// How many answers went out in each coding that was made here.
    pub fn encodings(&self) -> impl Iterator<Item = (Coding, u64)> {
        let count = |coding| self.counters.value(CODINGS + coding as usize);
        Coding::ALL.into_iter().map(move |coding| (coding, count(coding)))
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
        let count = |tier| self.counters.value(TIERS + tier as usize);
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

    /// How often each thing went wrong, clients that left included.
    #[must_use]
    pub fn error_kinds(&self) -> BTreeMap<&'static str, u64> {
        self.kinds.lock().clone()
    }

    /// Requests that the origin got, renewals in the background and failed ones included.
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
        Duration::from_micros(self.counters.value(SAVED_MICROS))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
