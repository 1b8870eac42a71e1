//! What happened within a span: the difference of two readings. Tallies of neighbouring spans add up to the tally of both,
//! so that every point of every resolution, and the figures of every range, come from differences of cumulative numbers.
//!
//! A counter that is smaller than before began anew (the program started again, or a reload made its room anew): all that
//! it counts is new.

use crate::reading::{Outcomes, Reading, RequestsReading, RouteReading, SharingReading, UpstreamReading};
use crate::spread::Spread;
use peregrine_telemetry::HistogramSnapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What happened within a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How long it is, in seconds.
    pub seconds: f64,
    /// All routes together, those without a history of their own among them.
    pub all: RouteTally,
    /// Each route that has a history of its own and did something.
    pub routes: BTreeMap<Arc<str>, RouteTally>,
    /// Each upstream that has a history of its own.
    pub upstreams: BTreeMap<Arc<str>, UpstreamTally>,
    /// Counters of the whole program, by [`COUNTERS`].
    pub counters: [f64; COUNTERS],
    /// Gauges of the whole program, by [`GAUGES`].
    pub gauges: [Mean; GAUGES],
}

/// Counters of the whole program: their places.
pub mod counter {
    /// Entries that left memory for want of room.
    pub const EVICTIONS: usize = 0;
    /// Invalidations.
    pub const INVALIDATIONS: usize = 1;
    /// Attempts that were made again.
    pub const RETRIES: usize = 2;
    /// Bytes read from block devices.
    pub const DISK_READ: usize = 3;
    /// Bytes written to block devices.
    pub const DISK_WRITTEN: usize = 4;
    /// Bytes from the network.
    pub const NETWORK_IN: usize = 5;
    /// Bytes to the network.
    pub const NETWORK_OUT: usize = 6;
}

/// How many counters there are.
pub const COUNTERS: usize = 7;

/// Gauges of the whole program, in the order of `gauges`.
pub const GAUGE_NAMES: [&str; GAUGES] = [
    "invalidation_lag_ms",
    "cache_bytes",
    "cache_entries",
    "cache_used_ratio",
    "connections_open",
    "tunnels_open",
    "http2_connections",
    "in_flight",
    "origin_in_flight",
    "targets_unhealthy",
    "dependencies_down",
    "cpu_ratio",
    "machine_cpu_ratio",
    "load_1m",
    "memory_bytes",
    "memory_ratio",
    "machine_memory_ratio",
    "disk_used_ratio",
    "open_files",
    "open_files_ratio",
];

/// How many gauges there are.
pub const GAUGES: usize = 20;

/// The mean of a gauge over the seconds in which it was known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// All values together.
    pub sum: f64,
    /// How many there were.
    pub count: u32,
}

impl Mean {
    /// The mean, if there was a value.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }

    fn of(value: Option<f64>) -> Self {
        let value = value.filter(|value| value.is_finite());
        Self {
            sum: value.unwrap_or(0.0),
            count: u32::from(value.is_some()),
        }
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count = self.count.saturating_add(other.count);
    }
}

/// What a route did within a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTally {
    /// Requests by how the cache took part.
    pub outcomes: Outcomes,
    /// Answers by class of status.
    pub statuses: [u64; 5],
    /// Requests that ended in an error.
    pub errors: u64,
    /// Bytes of bodies sent.
    pub bytes_sent: u64,
    /// Bytes of bodies that the origin did not send.
    pub bytes_saved: u64,
    /// Answers that came from Redis.
    pub redis_hits: u64,
    /// Requests that the origin got.
    pub origin_requests: u64,
    /// Time that it took for them, in microseconds.
    pub origin_micros: u64,
    /// Requests that it was spared.
    pub saved_requests: u64,
    /// Time that it was spared, in microseconds.
    pub saved_micros: u64,
    /// How long requests took.
    pub duration: Spread,
    /// How long the origin took to its first byte.
    pub upstream_time: Spread,
    /// How long requests waited for a connection to the origin.
    pub queue_time: Spread,
}

/// What an upstream did within a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamTally {
    /// Attempts.
    pub requests: u64,
    /// Failures.
    pub errors: u64,
    /// Attempts that were made again.
    pub retries: u64,
    /// The recent time to the first byte, in milliseconds.
    pub latency_ms: Mean,
    /// Requests under way.
    pub in_flight: Mean,
    /// Which part of its targets gets requests.
    pub healthy_ratio: Mean,
}

impl Outcomes {
    /// The seven counts, in the order of the fields.
    #[must_use]
    pub const fn counts(&self) -> [u64; 7] {
        let Self {
            untouched,
            hit,
            stale,
            revalidated,
            miss,
            collapsed,
            bypass,
        } = *self;
        [untouched, hit, stale, revalidated, miss, collapsed, bypass]
    }

    /// What [`Outcomes::counts`] gave.
    #[must_use]
    pub const fn of_counts(counts: [u64; 7]) -> Self {
        let [untouched, hit, stale, revalidated, miss, collapsed, bypass] = counts;
        Self {
            untouched,
            hit,
            stale,
            revalidated,
            miss,
            collapsed,
            bypass,
        }
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// Requests that asked the cache.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.hit + self.stale + self.revalidated + self.miss + self.collapsed
    }

    /// Requests that were answered without the origin working for them.
    #[must_use]
    pub const fn spared(&self) -> u64 {
        self.hit + self.stale + self.collapsed
    }

    /// Requests that the origin answered.
    #[must_use]
    pub const fn of_origin(&self) -> u64 {
        self.miss + self.revalidated + self.bypass
    }
}

/// What a counter counted since it stood at `old`.
const fn more(new: u64, old: u64) -> u64 {
    if new >= old { new - old } else { new }
}

fn each_more<const N: usize>(new: [u64; N], old: [u64; N]) -> [u64; N] {
    std::array::from_fn(|index| more(new[index], old[index]))
}

impl RouteTally {
    /// What `new` counted that `old` had not.
    #[must_use]
    pub fn between(new: &RouteReading, old: Option<&RouteReading>) -> Self {
        match old {
            // The program hands in the same reading as long as nothing was counted.
            Some(old) if Arc::ptr_eq(&new.did, &old.did) => Self::default(),
            old => Self::of_requests(&new.did, old.map(|old| &*old.did)),
        }
    }

    /// What `new` counted of requests that `old` had not.
    #[must_use]
    pub fn of_requests(new: &RequestsReading, old: Option<&RequestsReading>) -> Self {
        // All of these counters are made together, so they begin anew together.
        let old = old.filter(|old| old.outcomes.total() <= new.outcomes.total());
        let before = |of: fn(&RequestsReading) -> u64| old.map_or(0, of);
        let counts = old.map_or([0; 7], |old| old.outcomes.counts());
        let spread = |of: fn(&RequestsReading) -> &HistogramSnapshot| Spread::between(of(new), old.map(of));
        Self {
            outcomes: Outcomes::of_counts(each_more(new.outcomes.counts(), counts)),
            statuses: each_more(new.statuses, old.map_or([0; 5], |old| old.statuses)),
            errors: more(new.errors, before(|old| old.errors)),
            bytes_sent: more(new.bytes_sent, before(|old| old.bytes_sent)),
            bytes_saved: more(new.bytes_saved, before(|old| old.bytes_saved)),
            redis_hits: more(new.redis_hits(), before(RequestsReading::redis_hits)),
            origin_requests: more(new.origin_requests, before(|old| old.origin_requests)),
            origin_micros: more(new.origin_micros, before(|old| old.origin_micros)),
            saved_requests: more(new.saved_requests, before(|old| old.saved_requests)),
            saved_micros: more(new.saved_micros, before(|old| old.saved_micros)),
            duration: spread(|of| &of.duration),
            upstream_time: spread(|of| &of.upstream_time),
            queue_time: spread(|of| &of.queue_time),
        }
    }

    /// Adds what `other` did.
    pub fn merge(&mut self, other: &Self) {
        let (own, others) = (self.outcomes.counts(), other.outcomes.counts());
        self.outcomes = Outcomes::of_counts(std::array::from_fn(|index| own[index].saturating_add(others[index])));
        for (own, other) in self.statuses.iter_mut().zip(other.statuses) {
            *own = own.saturating_add(other);
        }
        self.errors = self.errors.saturating_add(other.errors);
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_saved = self.bytes_saved.saturating_add(other.bytes_saved);
        self.redis_hits = self.redis_hits.saturating_add(other.redis_hits);
        self.origin_requests = self.origin_requests.saturating_add(other.origin_requests);
        self.origin_micros = self.origin_micros.saturating_add(other.origin_micros);
        self.saved_requests = self.saved_requests.saturating_add(other.saved_requests);
        self.saved_micros = self.saved_micros.saturating_add(other.saved_micros);
        self.duration.merge(&other.duration);
        self.upstream_time.merge(&other.upstream_time);
        self.queue_time.merge(&other.queue_time);
    }

    /// Requests that failed: answers of class 5xx, made here or by the origin.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.statuses[4]
    }

    /// Time that the origin took, in seconds.
    #[must_use]
    pub fn origin_seconds(&self) -> f64 {
        Duration::from_micros(self.origin_micros).as_secs_f64()
    }

    /// Time that the origin was spared, in seconds.
    #[must_use]
    pub fn seconds_saved(&self) -> f64 {
        Duration::from_micros(self.saved_micros).as_secs_f64()
    }
}

impl UpstreamTally {
    fn between(new: &UpstreamReading, old: Option<&UpstreamReading>) -> Self {
        let mut tally = Self::default();
        let mut healthy = 0u32;
        for target in &new.targets {
            let before = old.and_then(|old| old.targets.iter().find(|before| before.url == target.url));
            let before = before.filter(|before| before.requests <= target.requests);
            tally.requests += more(target.requests, before.map_or(0, |before| before.requests));
            tally.errors += more(target.errors, before.map_or(0, |before| before.errors));
            tally.retries += more(target.retries, before.map_or(0, |before| before.retries));
            healthy += u32::from(matches!(target.health, "healthy" | "unknown"));
        }
        let latencies: Vec<f64> = new.targets.iter().filter_map(|target| target.latency_ms).collect();
        let targets = new.targets.len() as f64;
        let mean = (!latencies.is_empty()).then(|| latencies.iter().sum::<f64>() / latencies.len() as f64);
        tally.latency_ms = Mean::of(mean);
        tally.in_flight = Mean::of(Some(
            new.targets.iter().map(|target| target.in_flight).sum::<u64>() as f64
        ));
        tally.healthy_ratio = Mean::of((targets > 0.0).then(|| f64::from(healthy) / targets));
        tally
    }

    fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.retries = self.retries.saturating_add(other.retries);
        self.latency_ms.merge(other.latency_ms);
        self.in_flight.merge(other.in_flight);
        self.healthy_ratio.merge(other.healthy_ratio);
    }
}

impl Tally {
    /// What happened from `old` to `new`; since the start of the program if there is no `old`. Routes and upstreams for
    /// which `tracked` says no are in the totals only.
    #[must_use]
    pub fn between(new: &Reading, old: Option<&Reading>, tracked: &mut dyn Tracked) -> Self {
        let seconds = match old {
            Some(old) => new.now.since(old.now),
            None => new.uptime,
        };
        let mut tally = Self {
            seconds: seconds.as_secs_f64(),
            counters: counters(new, old),
            gauges: gauges(new).map(Mean::of),
            ..Self::default()
        };
        for route in &new.routes {
            let before = old.and_then(|old| old.routes.iter().find(|before| before.name == route.name));
            let did = RouteTally::between(route, before);
            // What the origin got counts before its answer has ended, and without one for whoever renews in the background.
            if did == RouteTally::default() {
                continue;
            }
            tally.all.merge(&did);
            if tracked.route(&route.name) {
                tally.routes.insert(Arc::clone(&route.name), did);
            }
        }
        for upstream in &new.upstreams {
            let before = old.and_then(|old| old.upstreams.iter().find(|before| before.name == upstream.name));
            let did = UpstreamTally::between(upstream, before);
            tally.counters[counter::RETRIES] += did.retries as f64;
            if tracked.upstream(&upstream.name) {
                tally.upstreams.insert(Arc::clone(&upstream.name), did);
            }
        }
        // What no route took was answered here, without the cache.
        let unrouted = more(new.unrouted, old.map_or(0, |old| old.unrouted));
        tally.all.outcomes.untouched = tally.all.outcomes.untouched.saturating_add(unrouted);
        tally.all.statuses[3] = tally.all.statuses[3].saturating_add(unrouted);
        tally
    }

    /// Adds what `other` tells.
    pub fn merge(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.all.merge(&other.all);
        for (name, route) in &other.routes {
            self.routes.entry(Arc::clone(name)).or_default().merge(route);
        }
        for (name, upstream) in &other.upstreams {
            self.upstreams.entry(Arc::clone(name)).or_default().merge(upstream);
        }
        for (own, other) in self.counters.iter_mut().zip(other.counters) {
            *own += other;
        }
        for (own, other) in self.gauges.iter_mut().zip(other.gauges) {
            own.merge(other);
        }
    }

    /// The mean of the gauge `name`.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<f64> {
        let place = GAUGE_NAMES.iter().position(|known| *known == name)?;
        self.gauges[place].value()
    }
}

/// Which routes and upstreams have a history of their own.
pub trait Tracked {
    /// Whether this route has.
    fn route(&mut self, name: &Arc<str>) -> bool;
    /// Whether this upstream has.
    fn upstream(&mut self, name: &Arc<str>) -> bool;
}

/// How many entries left for want of room; the other causes are no reason to worry.
pub(crate) fn for_room(evictions_by_cause: &BTreeMap<&'static str, u64>) -> u64 {
    let of = |cause| evictions_by_cause.get(cause).copied().unwrap_or(0);
    of("capacity") + of("quota")
}

fn counters(new: &Reading, old: Option<&Reading>) -> [f64; COUNTERS] {
    let between = |of: &dyn Fn(&Reading) -> Option<f64>| {
        let now = of(new)?;
        let before = match old {
            None => 0.0,
            Some(old) => of(old)?,
        };
        Some(if now >= before { now - before } else { now })
    };
    let sum = |of: fn(&crate::reading::NamespaceReading) -> u64| {
        move |reading: &Reading| Some(reading.cache.namespaces.values().map(of).sum::<u64>() as f64)
    };
    // Of a machine, what was before the program's start is nobody's news.
    let of_machine = |of: fn(&crate::model::MachineMetrics) -> Option<f64>| {
        old?;
        between(&move |reading: &Reading| of(&reading.system.as_ref()?.machine))
    };
    let mut counters = [0.0; COUNTERS];
    let evicted = sum(|of| for_room(&of.kept.evictions_by_cause));
    counters[counter::EVICTIONS] = between(&evicted).unwrap_or(0.0);
    counters[counter::INVALIDATIONS] = between(&|reading| Some(reading.cache.invalidations as f64)).unwrap_or(0.0);
    counters[counter::DISK_READ] = of_machine(|machine| machine.disk_read_bytes).unwrap_or(0.0);
    counters[counter::DISK_WRITTEN] = of_machine(|machine| machine.disk_written_bytes).unwrap_or(0.0);
    counters[counter::NETWORK_IN] = of_machine(|machine| machine.network_in_bytes).unwrap_or(0.0);
    counters[counter::NETWORK_OUT] = of_machine(|machine| machine.network_out_bytes).unwrap_or(0.0);
    counters
}

fn gauges(reading: &Reading) -> [Option<f64>; GAUGES] {
    let ratio = |part: Option<f64>, of: Option<f64>| of.filter(|of| *of > 0.0).and_then(|of| Some(part? / of));
    let system = reading.system.as_deref();
    let (process, machine) = (
        system.map(|system| &system.process),
        system.map(|system| &system.machine),
    );
    let cgroup = system.and_then(|system| system.cgroup.as_ref());
    let targets = || reading.upstreams.iter().flat_map(|upstream| &upstream.targets);
    let unhealthy = targets()
        .filter(|target| matches!(target.health, "unhealthy" | "ejected"))
        .count();
    let memory = process.and_then(|process| process.memory_bytes);
    let machine_memory = machine.and_then(|machine| machine.memory_bytes);
    let available = machine.and_then(|machine| machine.memory_available_bytes);
    let disk = machine.and_then(|machine| machine.disk.as_ref());
    let (used, free) = (
        disk.and_then(|disk| disk.used_bytes),
        disk.and_then(|disk| disk.free_bytes),
    );
    let limit = cgroup.and_then(|cgroup| cgroup.memory_max_bytes);
    // Against a limit of the group counts what the group has, not this process alone.
    let held = limit
        .and_then(|_| cgroup.and_then(|cgroup| cgroup.memory_bytes))
        .or(memory);
    let cache = &reading.cache;
    [
        reading.sharing.as_ref().and_then(|sharing| sharing.lag_ms),
        Some(cache.bytes as f64),
        Some(cache.entries as f64),
        ratio(Some(cache.bytes as f64), Some(cache.memory_max as f64)),
        Some(reading.connections.open as f64),
        Some(reading.connections.tunnels_open as f64),
        Some(reading.connections.http2_open as f64),
        Some(reading.connections.in_flight as f64),
        Some(targets().map(|target| target.in_flight).sum::<u64>() as f64),
        Some(unhealthy as f64),
        Some(f64::from(dependencies_down(reading))),
        process.and_then(|process| process.cpu_ratio),
        machine.and_then(|machine| machine.cpu_ratio),
        machine.and_then(|machine| machine.load.m1),
        memory,
        ratio(held, limit.or(machine_memory)),
        ratio(machine_memory.and_then(|all| Some(all - available?)), machine_memory),
        ratio(used, used.and_then(|used| Some(used + free?))),
        process.and_then(|process| process.open_files),
        ratio(
            process.and_then(|process| process.open_files),
            process.and_then(|process| process.open_files_max),
        ),
    ]
}

/// What Peregrine needs and does not have: Redis, and upstreams none of whose targets gets requests.
fn dependencies_down(reading: &Reading) -> u32 {
    let is_down = |upstream: &&UpstreamReading| {
        let left_out = |health: &str| matches!(health, "unhealthy" | "ejected");
        !upstream.targets.is_empty() && upstream.targets.iter().all(|target| left_out(target.health))
    };
    let upstreams = reading.upstreams.iter().filter(is_down).count();
    let redis = reading.sharing.as_ref().is_some_and(|SharingReading { up, .. }| !up);
    u32::try_from(upstreams)
        .unwrap_or(u32::MAX)
        .saturating_add(u32::from(redis))
}
