//! The figures of a span of time: of everything, or of one route, strategy, tier or tenant.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Quantiles and mean of a time, in milliseconds. A quantile is the upper edge of its bucket: at most 12.5% too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// Half of all took at most this.
    pub p50: Option<f64>,
    /// 95 of a hundred took at most this.
    pub p95: Option<f64>,
    /// 99 of a hundred took at most this.
    pub p99: Option<f64>,
    /// The arithmetic mean, exact.
    pub mean: Option<f64>,
}

/// Which part of the requests that could have been answered from the cache was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HitRatio {
    /// From any tier, fresh or stale, or by another's load.
    pub total: Option<f64>,
    /// From memory, without those that Redis answered.
    pub memory: Option<f64>,
    /// From Redis.
    pub redis: Option<f64>,
}

/// The figures of a span of time. What is a matter of the whole program (connections, the processor) is `null` in the figures
/// of anything less. So are evictions and invalidations where they are not counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// Requests that were answered.
    pub requests: Option<f64>,
    /// The same for each second.
    pub requests_per_s: Option<f64>,
    /// Answers of class 5xx, made here or by the origin, of all.
    pub error_ratio: Option<f64>,
    /// From the parsed request to the end of the answer.
    pub latency_ms: Latency,
    /// From the request to the origin until its first byte.
    pub upstream_ms: Latency,
    /// How long requests that the origin answered had waited for a connection: for one to be made, or for one of the most there
    /// may be. Those that got none are among the errors.
    #[serde(default)]
    pub queue_ms: Latency,
    /// Answers from the cache of all requests that asked it.
    pub hit_ratio: HitRatio,
    /// Stale answers of all requests that asked the cache.
    pub stale_ratio: Option<f64>,
    /// Requests that went past the cache, of all.
    pub bypass_ratio: Option<f64>,
    /// Requests that another's load answered.
    pub coalesced: Option<f64>,
    /// Requests that the origin answered.
    pub origin_requests: Option<f64>,
    /// Time until the origin's first bytes, added up.
    pub origin_seconds: Option<f64>,
    /// Time that the origin was spared: what the loads of the answers had taken that came from the cache, added up.
    pub origin_seconds_saved: Option<f64>,
    /// Bytes of bodies sent to clients.
    pub bytes_sent: Option<f64>,
    /// Bytes of bodies that the origin did not send.
    pub bytes_saved: Option<f64>,
    /// Entries that left memory for want of room.
    pub evictions: Option<f64>,
    /// Invalidations; of a route, a strategy, an upstream or a tenant those that reached something of it in memory.
    pub invalidations: Option<f64>,
    /// Connections of clients, now.
    pub connections_open: Option<f64>,
    /// Requests under way, now.
    pub in_flight: Option<f64>,
    /// The process's processor time of what it may use.
    pub cpu_ratio: Option<f64>,
    /// Resident memory of the process, now.
    pub memory_bytes: Option<f64>,
    /// The same of the limit of its cgroup or machine.
    pub memory_ratio: Option<f64>,
}

/// What this node's memory holds of something, what left it, and which invalidations reached it, all since the start. A
/// strategy's and an upstream's are those of its routes added up: what reached two of them counts twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    /// Bytes of memory.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Entries that left memory, by cause.
    pub evictions_by_cause: BTreeMap<String, u64>,
    /// Invalidations that reached some of them, as far as that was counted for a receipt, and those of writes.
    pub invalidations: u64,
    /// From the request for these invalidations until they held in every layer and on every node.
    pub invalidation_ms: Latency,
}

/// The figures of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteFigures {
    /// Its name.
    pub route: String,
    /// The name of its strategy.
    pub strategy: String,
    /// The name of its upstream.
    pub upstream: String,
    /// The name of its namespace.
    pub namespace: String,
    /// Its part of the time of all origins.
    pub share_of_origin_time: Option<f64>,
    /// What it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Why, since the start; only in the metrics of the application.
    pub causes: Option<Causes>,
    /// What it stored; only in the metrics of the application.
    pub kept: Option<Kept>,
}

/// The figures of all routes with a strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StrategyFigures {
    /// Its name.
    pub strategy: String,
    /// What they did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Why.
    pub causes: Causes,
    /// What they stored.
    pub kept: Kept,
}

/// The figures of all routes to an upstream: what was asked of it, and what was answered in its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamFigures {
    /// Its name.
    pub upstream: String,
    /// What they did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Why.
    pub causes: Causes,
    /// What they stored.
    pub kept: Kept,
}

/// The figures of what a tier of the cache answered: how often and how fast, its part of all that asked the cache, bytes, time
/// saved, and what left it, where this node knows. The others are `null`. Who got another's load, or something
/// stale because the origin failed or was slow, was answered by no tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierFigures {
    /// Its name: `memory` or `redis`.
    pub tier: String,
    /// What it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// What it holds; nothing of Redis, which does not tell.
    pub kept: Option<Kept>,
}

/// The figures of a tenant, as far as they are counted by tenant. One that has an account in the cache and no counters has the hit
/// ratio of its lookups alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantFigures {
    /// Its name.
    pub tenant: String,
    /// What it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Why; nothing while it has no counters of its own.
    pub causes: Option<Causes>,
    /// What is stored for it; nothing while it has no account in the cache.
    pub kept: Option<Kept>,
}

/// What stands behind the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Causes {
    /// How often each thing went wrong, by kind; clients that left are among them.
    pub errors: BTreeMap<String, u64>,
    /// How often each caching decision was made, by its reason.
    pub reasons: BTreeMap<String, u64>,
}
