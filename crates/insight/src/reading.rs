//! What the program reads from all rooms at one moment. Counters are cumulative: the core takes differences, and notices by
//! itself when one began anew. Gauges are what they are now. What a room cannot say is `None`.

use crate::model::{SystemMetrics, TopKey};
use peregrine_base::{Instant, WallTime};
use peregrine_telemetry::HistogramSnapshot;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The tiers of the cache, by their names.
pub(crate) const TIERS: [&str; 2] = [MEMORY, REDIS];
/// This node's memory.
pub(crate) const MEMORY: &str = "memory";
/// What all nodes share.
pub(crate) const REDIS: &str = "redis";

/// The numbers of all rooms at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Civil time, which dates the point.
    pub at: WallTime,
    /// Monotonic time, from which spans are computed.
    pub now: Instant,
    /// Since the start of the program.
    pub uptime: Duration,
    /// What is not well, for people; the first says why the program is not `ok`.
    pub complaints: Vec<String>,
    /// Whether it cannot serve at all, beside complaining.
    pub failing: bool,
    /// Requests that no route took, since the start.
    pub unrouted: u64,
    /// Each route, by its name at most once.
    pub routes: Vec<RouteReading>,
    /// Each upstream, by its name at most once.
    pub upstreams: Vec<UpstreamReading>,
    /// The engine.
    pub cache: CacheReading,
    /// Redis and the other nodes, where there is a Redis.
    pub sharing: Option<SharingReading>,
    /// The client's side.
    pub connections: ConnectionsReading,
    /// The keys that were asked for most, as far as they are counted.
    pub top_keys: Vec<TopKey>,
    /// The process and its machine.
    pub system: Option<Arc<SystemMetrics>>,
}

/// What a route counted since the start.
#[derive(Clone, Debug)]
pub struct RouteReading {
    /// Its name.
    pub name: Arc<str>,
    /// The name of its strategy.
    pub strategy: Arc<str>,
    /// The name of its upstream.
    pub upstream: Arc<str>,
    /// The name of its namespace.
    pub namespace: Arc<str>,
    /// Its requests.
    pub did: Arc<RequestsReading>,
    /// Its entries; nothing where there are too many routes to tell them apart.
    pub kept: Option<KeptReading>,
    /// Bytes of stored answers that compress well and were sent as they are to clients that take a coding, by the parameter
    /// of the strategy that does not offer one.
    pub uncompressed_bytes: BTreeMap<&'static str, u64>,
}

/// What was counted of the requests of a route, or of a tenant.
#[derive(Clone, Debug, Default)]
pub struct RequestsReading {
    /// How the cache took part.
    pub outcomes: Outcomes,
    /// Answers by class of status, 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Requests that ended in an error of the upstream's or Peregrine's own.
    pub errors: u64,
    /// What went wrong, by kind.
    pub error_kinds: BTreeMap<&'static str, u64>,
    /// Decisions by reason.
    pub reasons: Vec<ReasonReading>,
    /// Answers from the cache, by the tier that had them.
    pub tiers: BTreeMap<&'static str, TierReading>,
    /// From the parsed request to the end of the answer.
    pub duration: HistogramSnapshot,
    /// From the request to the origin until its first byte.
    pub upstream_time: HistogramSnapshot,
    /// How long requests waited for a connection to the origin.
    pub queue_time: HistogramSnapshot,
    /// Bytes of bodies sent.
    pub bytes_sent: u64,
    /// Bytes of bodies that the origin did not send.
    pub bytes_saved: u64,
    /// Requests that the origin got, renewals in the background and failed ones included.
    pub origin_requests: u64,
    /// Time that it took for them, in microseconds.
    pub origin_micros: u64,
    /// Requests that the origin was spared.
    pub saved_requests: u64,
    /// Time that it was spared, in microseconds: for each of them what the load of that very entry took.
    pub saved_micros: u64,
}

/// What memory holds of a route, a tenant or a namespace, what left it, and which invalidations reached it since the start.
#[derive(Clone, Debug, Default)]
pub struct KeptReading {
    /// Bytes that its entries occupy.
    pub bytes: u64,
    /// How many entries there are.
    pub entries: u64,
    /// Entries that left memory, by cause.
    pub evictions_by_cause: BTreeMap<&'static str, u64>,
    /// Invalidations that reached some of them.
    pub invalidations: u64,
    /// How long these took until they held everywhere; nothing before the first that did.
    pub invalidation_lag: Option<HistogramSnapshot>,
}

/// What a tier answered.
#[derive(Clone, Debug, Default)]
pub struct TierReading {
    /// Answers that came from it.
    pub hits: u64,
    /// From the parsed request to the end of the answer.
    pub duration: HistogramSnapshot,
    /// Bytes of their bodies.
    pub bytes_sent: u64,
    /// Time that the origin was spared, in microseconds.
    pub saved_micros: u64,
}

impl RequestsReading {
    /// Answers that came from Redis.
    #[must_use]
    pub fn redis_hits(&self) -> u64 {
        self.tiers.get(REDIS).map_or(0, |tier| tier.hits)
    }
}

/// How often a caching decision was made for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonReading {
    /// The reason's name.
    pub word: &'static str,
    /// What it means.
    pub sentence: &'static str,
    /// How often it was given.
    pub count: u64,
}

/// Requests by how the cache took part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Answers of Peregrine's own.
    pub untouched: u64,
    /// A fresh entry answered.
    pub hit: u64,
    /// A stale entry answered, whatever let it.
    pub stale: u64,
    /// The origin confirmed a stored entry.
    pub revalidated: u64,
    /// The origin answered, and the cache had been asked.
    pub miss: u64,
    /// Another request's load answered.
    pub collapsed: u64,
    /// The request went past the cache.
    pub bypass: u64,
}

/// What an upstream counted since it was made, and how it is.
#[derive(Clone, Debug, Default)]
pub struct UpstreamReading {
    /// Its name.
    pub name: Arc<str>,
    /// How its balancer is called.
    pub balance: String,
    /// Its targets.
    pub targets: Vec<TargetReading>,
}

/// What a target counted since its upstream was made, and how it is.
#[derive(Clone, Debug, Default)]
pub struct TargetReading {
    /// Its URL.
    pub url: Arc<str>,
    /// How it is: `healthy`, `unhealthy`, `ejected` or `unknown`.
    pub health: &'static str,
    /// In how many of the choices it takes part.
    pub share: f64,
    /// The recent time to the first byte, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Attempts.
    pub requests: u64,
    /// Attempts that were made again.
    pub retries: u64,
    /// Failures of all kinds.
    pub errors: u64,
    /// Why the last health check failed; `None` when it passed.
    pub last_error: Option<Arc<str>>,
    /// Failures by kind.
    pub errors_by_kind: BTreeMap<&'static str, u64>,
}

/// What the engine counted since the start and holds now.
#[derive(Clone, Debug, Default)]
pub struct CacheReading {
    /// Each namespace.
    pub namespaces: BTreeMap<String, NamespaceReading>,
    /// Bytes that it holds.
    pub bytes: u64,
    /// The bound of the memory in bytes.
    pub memory_max: u64,
    /// Entries that it holds.
    pub entries: u64,
    /// Loads under way.
    pub loads_under_way: u64,
    /// Invalidations that were told to this node or by it.
    pub invalidations: u64,
    /// How long those took that this node was asked for, until they held everywhere; nothing before the first that did.
    pub invalidation_lag: Option<HistogramSnapshot>,
}

/// What a namespace counted since the start.
#[derive(Clone, Debug, Default)]
pub struct NamespaceReading {
    /// Lookups that found something fresh.
    pub hits: u64,
    /// Lookups that found nothing to serve at once.
    pub misses: u64,
    /// The misses by reason.
    pub misses_by_reason: BTreeMap<&'static str, u64>,
    /// Lookups that served something stale.
    pub stale_served: u64,
    /// Misses that another's load answered.
    pub coalesced: u64,
    /// Loads that renewed an entry in the background.
    pub refreshes: u64,
    /// Loads that came to an end.
    pub loads: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Answers that were stored.
    pub stored: u64,
    /// Bodies that were to be stored and are not, by reason.
    pub not_stored_by_reason: BTreeMap<&'static str, u64>,
    /// Bytes of bodies served from memory.
    pub bytes_served: u64,
    /// Time that loads took together, in milliseconds.
    pub load_time_ms: u64,
    /// Time that hits would have taken as loads, in milliseconds.
    pub load_time_saved_ms: u64,
    /// Its entries.
    pub kept: KeptReading,
    /// Its own part of the memory, if it has one.
    pub memory_max: Option<u64>,
}

/// Redis and the other nodes.
#[derive(Clone, Debug, Default)]
pub struct SharingReading {
    /// Whether Redis answers.
    pub up: bool,
    /// How long ago this node last knew that it had missed nothing, in milliseconds; of the shard that is worst.
    pub lag_ms: Option<f64>,
    /// Invalidations that Redis has not confirmed.
    pub pending: u64,
    /// The nodes of the cluster, this one among them.
    pub nodes: Vec<crate::model::NodeReport>,
}

/// The client's side.
#[derive(Clone, Debug, Default)]
pub struct ConnectionsReading {
    /// Open connections.
    pub open: u64,
    /// Open connections that changed their protocol.
    pub tunnels_open: u64,
    /// Connections that speak HTTP/2 and are open.
    pub http2_open: u64,
    /// Requests whose answer is not all there yet.
    pub in_flight: u64,
    /// Counts by name, for people: accepted, refused and so on.
    pub counts: BTreeMap<&'static str, u64>,
}

/// What a tenant did since the start.
#[derive(Clone, Debug, Default)]
pub struct TenantReading {
    /// Its requests; nothing while it has no counters of its own.
    pub did: Option<Arc<RequestsReading>>,
    /// Lookups that found something fresh.
    pub hits: u64,
    /// Lookups that found nothing to serve at once.
    pub misses: u64,
    /// Its entries; nothing where it has no account.
    pub kept: Option<KeptReading>,
}
