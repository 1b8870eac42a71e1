//! Numbers of the process, its machine, the requests and the cache, as they are now and since the start.

use super::figures::{Figures, Kept, RouteFigures, StrategyFigures, TenantFigures, TierFigures, UpstreamFigures};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// When they were read.
    pub at: Time,
    /// The process and its machine.
    pub system: SystemMetrics,
    /// Requests.
    pub application: ApplicationMetrics,
    /// The cache.
    pub cache: CacheMetrics,
}

/// The process and what it runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SystemMetrics {
    /// This process.
    pub process: ProcessMetrics,
    /// Its control group, where it has one.
    pub cgroup: Option<CgroupMetrics>,
    /// The machine.
    pub machine: MachineMetrics,
}

/// This process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProcessMetrics {
    /// Processor time of what it may use, over the last second.
    pub cpu_ratio: Option<f64>,
    /// Processor time since the start.
    pub cpu_seconds: Option<f64>,
    /// Resident memory.
    pub memory_bytes: Option<f64>,
    /// The most that was resident.
    pub memory_peak_bytes: Option<f64>,
    /// Threads.
    pub threads: Option<f64>,
    /// Open file descriptors.
    pub open_files: Option<f64>,
    /// How many may be open.
    pub open_files_max: Option<f64>,
    /// When it started.
    pub started: Time,
}

/// The control group of the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CgroupMetrics {
    /// Memory that is counted for it.
    pub memory_bytes: Option<f64>,
    /// The most memory that it may have; `null` without a limit.
    pub memory_max_bytes: Option<f64>,
    /// Cores that it may use; `null` without a limit.
    pub cpu_max_cores: Option<f64>,
    /// How long it was held back since it was made.
    pub throttled_seconds: Option<f64>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MachineMetrics {
    /// Its cores.
    pub cores: Option<f64>,
    /// Processor time of all cores, over the last second.
    pub cpu_ratio: Option<f64>,
    /// How many wanted to run.
    pub load: Load,
    /// Its memory.
    pub memory_bytes: Option<f64>,
    /// Memory that could be had without swapping.
    pub memory_available_bytes: Option<f64>,
    /// The file system of the state directory.
    pub disk: Option<Disk>,
    /// Bytes read from block devices since it started.
    pub disk_read_bytes: Option<f64>,
    /// Bytes written to block devices since it started.
    pub disk_written_bytes: Option<f64>,
    /// Bytes that came in over the network since it started, loopback left out.
    pub network_in_bytes: Option<f64>,
    /// Bytes that went out over the network since it started, loopback left out.
    pub network_out_bytes: Option<f64>,
}

/// How many wanted to run, on average over 1, 5 and 15 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Load {
    /// Over one minute.
    pub m1: Option<f64>,
    /// Over five minutes.
    pub m5: Option<f64>,
    /// Over fifteen minutes.
    pub m15: Option<f64>,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// A path in it.
    pub path: String,
    /// Bytes in use.
    pub used_bytes: Option<f64>,
    /// Bytes that may still be used.
    pub free_bytes: Option<f64>,
}

/// Requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationMetrics {
    /// Over the last ten seconds.
    pub now: Figures,
    /// Since the start.
    pub total: Figures,
    /// Each route since the start.
    pub routes: Vec<RouteFigures>,
    /// Each strategy since the start.
    pub strategies: Vec<StrategyFigures>,
    /// Each upstream that routes lead to, since the start.
    pub upstreams: Vec<UpstreamFigures>,
    /// Each tier of the cache since the start.
    pub tiers: Vec<TierFigures>,
    /// Each tenant since the start, or since it has counters.
    pub tenants: Vec<TenantFigures>,
    /// Answers by class of status, `1xx` to `5xx`.
    pub statuses: BTreeMap<String, u64>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Caching decisions by reason, the most common first.
    pub reasons: Vec<ReasonCount>,
    /// Connections by what became of them.
    pub connections: BTreeMap<String, u64>,
    /// The keys that were asked for most often, as far as they are counted.
    pub top_keys: Vec<TopKey>,
}

/// How often a reason was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// Its name, as in logs and docs.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// What it means.
    pub sentence: String,
}

/// How often a key was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopKey {
    /// The key.
    pub key: String,
    /// How often, at most.
    pub count: u64,
    /// By how much the count may be too high.
    pub error: u64,
}

/// The cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CacheMetrics {
    /// Bytes that it holds.
    pub bytes: u64,
    /// The most bytes that it may hold.
    pub memory_max: u64,
    /// The first of the second.
    pub used_ratio: Option<f64>,
    /// Entries.
    pub entries: u64,
    /// Answers from the cache of all that asked it, over the last ten seconds.
    pub hit_ratio: super::HitRatio,
    /// Loads under way.
    pub loads_under_way: u64,
    /// Each namespace since the start.
    pub namespaces: Vec<NamespaceMetrics>,
}

/// A namespace since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NamespaceMetrics {
    /// Its name.
    pub namespace: String,
    /// Its entries.
    #[serde(flatten)]
    pub kept: Kept,
    /// Its own part of the memory, if it has one.
    pub memory_max: Option<u64>,
    /// Lookups that found something fresh.
    pub hits: u64,
    /// Lookups that found nothing to serve at once.
    pub misses: u64,
    /// Lookups that served something stale.
    pub stale_served: u64,
    /// Misses that another's load answered.
    pub coalesced: u64,
    /// Loads.
    pub loads: u64,
    /// Loads that failed.
    pub load_failures: u64,
    /// Misses by reason.
    pub misses_by_reason: BTreeMap<String, u64>,
}
