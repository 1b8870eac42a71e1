//! What the engine counts, per namespace, and how it shows it. Recording is a handful of additions, on the way of a hit to
//! counters that have a cell per core; nothing here blocks, allocates or looks up a label.

use crate::outcome::{EncodingOutcome, MissReason, NotStored, PassReason, StaleWhy, Word};
use crate::redis::RedisTierStatistics;
use crate::tenants::TenantStatistics;
use crate::turnover::{InvalidationStatistics, RouteStatistics, Turnover};
use peregrine_telemetry::{Counter, Gauge};
use serde::Serialize;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use utoipa::ToSchema;

/// A counter of what is rare enough for one cell.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each of the reasons in an enum.
#[derive(Debug)]
pub(crate) struct PerReason<R>(Box<[Tally]>, PhantomData<fn(R)>);

impl<R: Word> Default for PerReason<R> {
    fn default() -> Self {
        Self(R::ALL.iter().map(|_| Tally::default()).collect(), PhantomData)
    }
}

impl<R: Word> PerReason<R> {
    #[inline]
    pub(crate) fn increment(&self, reason: R) {
        if let Some(counter) = self.0.get(reason.place()) {
            counter.increment();
        }
    }

    /// Those that are not zero, by their words.
    pub(crate) fn by_word(&self) -> BTreeMap<&'static str, u64> {
        let counts = R::ALL
            .iter()
            .map(|reason| reason.word())
            .zip(self.0.iter().map(Tally::value));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(Tally::value).sum()
    }
}

/// The counters of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) coalesced: Tally,
    pub(crate) refreshes: Tally,
    pub(crate) bypassed: Tally,
    pub(crate) loads: Tally,
    pub(crate) load_failures: Tally,
    pub(crate) stored: Tally,
    pub(crate) bytes_served: Counter,
    pub(crate) load_micros: Tally,
    pub(crate) saved_micros: Counter,
    /// Bytes in memory now.
    pub(crate) bytes: Gauge,
    /// Entries in memory now.
    pub(crate) entries: Gauge,
    stale: PerReason<StaleWhy>,
    misses: PerReason<MissReason>,
    passed: PerReason<PassReason>,
    not_stored: PerReason<NotStored>,
    pub(crate) turnover: Turnover,
    encodings: PerReason<EncodingOutcome>,
}

impl Counters {
    pub(crate) fn missed(&self, why: MissReason) {
        self.misses.increment(why);
    }

    pub(crate) fn stale_served(&self, why: StaleWhy) {
        self.stale.increment(why);
    }

    pub(crate) fn passed(&self, why: PassReason) {
        self.passed.increment(why);
    }

    pub(crate) fn not_stored(&self, why: NotStored) {
        self.not_stored.increment(why);
    }

    pub(crate) fn encoded(&self, outcome: EncodingOutcome) {
        self.encodings.increment(outcome);
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.increment();
        self.load_micros
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn snapshot(&self) -> NamespaceStatistics {
        NamespaceStatistics {
            hits: self.hits.value(),
            misses: self.misses.total(),
            misses_by_reason: self.misses.by_word(),
            stale_served: self.stale.total(),
            stale_by_reason: self.stale.by_word(),
            coalesced: self.coalesced.value(),
            refreshes: self.refreshes.value(),
            bypassed: self.bypassed.value(),
            loads: self.loads.value(),
            load_failures: self.load_failures.value(),
            stored: self.stored.value(),
            passed_by_reason: self.passed.by_word(),
            not_stored_by_reason: self.not_stored.by_word(),
            evictions_by_cause: self.turnover.evictions_by_cause(),
            invalidations: self.turnover.invalidations.statistics(),
            encodings_by_outcome: self.encodings.by_word(),
            bytes_served: self.bytes_served.value(),
            load_time_ms: self.load_micros.value() / 1000,
            load_time_saved_ms: self.saved_micros.value() / 1000,
            bytes: u64::try_from(self.bytes.value()).unwrap_or(0),
            entries: u64::try_from(self.entries.value()).unwrap_or(0),
            memory_max: None,
        }
    }
}

/// What happened in a namespace since the start, and what it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NamespaceStatistics {
    /// Lookups that found something fresh.
    pub hits: u64,
    /// Lookups that found nothing that could be served at once.
    pub misses: u64,
    /// The misses by [`MissReason`].
    pub misses_by_reason: BTreeMap<&'static str, u64>,
    /// Lookups that found something stale that could be served at once.
    pub stale_served: u64,
    /// These by [`StaleWhy`].
    pub stale_by_reason: BTreeMap<&'static str, u64>,
    /// Misses that another's load answered.
    pub coalesced: u64,
    /// Loads that renewed an entry in the background.
    pub refreshes: u64,
    /// Lookups that were told to go past the cache.
    pub bypassed: u64,
    /// Loads that came to an end, whatever it was.
    pub loads: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Answers that were stored.
    pub stored: u64,
    /// Answers that could not be stored, by [`PassReason`].
    pub passed_by_reason: BTreeMap<&'static str, u64>,
    /// Bodies that were to be stored and are not, by [`NotStored`].
    pub not_stored_by_reason: BTreeMap<&'static str, u64>,
    /// Entries that left memory, by cause.
    pub evictions_by_cause: BTreeMap<&'static str, u64>,
    /// Invalidations that reached something in it, where that was counted for a receipt, and those of writes; of everything together, all.
    pub invalidations: InvalidationStatistics,
    /// Encodings of stored bodies, by [`EncodingOutcome`].
    pub encodings_by_outcome: BTreeMap<&'static str, u64>,
    /// Bytes of bodies served from memory, as they are before stored compression.
    pub bytes_served: u64,
    /// Time that loads took together, in milliseconds.
    pub load_time_ms: u64,
    /// Time that hits would have taken as loads, by what the load of each entry took, in milliseconds.
    pub load_time_saved_ms: u64,
    /// Bytes that the entries occupy, with everything that belongs to them.
    pub bytes: u64,
    /// How many entries there are, with markers and selectors.
    pub entries: u64,
    /// The namespace's own part of the memory, if it has one.
    pub memory_max: Option<u64>,
}

impl NamespaceStatistics {
    /// Adds `other` to the totals.
    fn add(&mut self, other: &Self) {
        let join = |into: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>| {
            for (word, count) in from {
                *into.entry(word).or_default() += count;
            }
        };
        self.hits += other.hits;
        self.misses += other.misses;
        join(&mut self.misses_by_reason, &other.misses_by_reason);
        self.stale_served += other.stale_served;
        join(&mut self.stale_by_reason, &other.stale_by_reason);
        self.coalesced += other.coalesced;
        self.refreshes += other.refreshes;
        self.bypassed += other.bypassed;
        self.loads += other.loads;
        self.load_failures += other.load_failures;
        self.stored += other.stored;
        join(&mut self.passed_by_reason, &other.passed_by_reason);
        join(&mut self.not_stored_by_reason, &other.not_stored_by_reason);
        join(&mut self.evictions_by_cause, &other.evictions_by_cause);
        join(&mut self.encodings_by_outcome, &other.encodings_by_outcome);
        self.bytes_served += other.bytes_served;
        self.load_time_ms += other.load_time_ms;
        self.load_time_saved_ms += other.load_time_saved_ms;
    }
}

/// What happened in the engine since the start, and what it holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CacheStatistics)]
pub struct Statistics {
    /// Everything together.
    pub total: NamespaceStatistics,
    /// Each namespace.
    pub namespaces: BTreeMap<String, NamespaceStatistics>,
    /// The bound of the memory in bytes.
    pub memory_max: u64,
    /// Bytes of bodies under way.
    pub in_flight_bytes: u64,
    /// Loads under way.
    pub loads_under_way: u64,
    /// Targets of invalidations that are remembered.
    pub targets: u64,
    /// Patterns and prefixes that are remembered.
    pub patterns: u64,
    /// What each route stored, by its name. What a snapshot brought back, and what was set by name, is no route's.
    pub routes: BTreeMap<String, RouteStatistics>,
    /// The tier in Redis, where there is one.
    pub redis: Option<RedisTierStatistics>,
    /// Tenants that have an account of their own, at most `tenants.tracked_max`.
    pub tenants: BTreeMap<String, TenantStatistics>,
    /// All other tenants together.
    pub other_tenants: TenantStatistics,
}

impl Statistics {
    /// The totals of what `namespaces` counted; what is held is the tiers' to say.
    pub(crate) fn totals(namespaces: &BTreeMap<String, NamespaceStatistics>) -> NamespaceStatistics {
        namespaces
            .values()
            .fold(NamespaceStatistics::default(), |mut total, one| {
                total.add(one);
                total
            })
    }
}
