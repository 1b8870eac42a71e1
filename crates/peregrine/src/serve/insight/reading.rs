//! One reading of all rooms. It takes a fraction of a millisecond, and less while nothing happens: what is large about a
//! route, its histograms and its reasons, is read only when it was answered since.

use super::super::program::Program;
use peregrine_admin::Control;
use peregrine_admin::api::health::HealthStatus;
use peregrine_cache::backplane::{BackplaneStatus, NodeStatus};
use peregrine_cache::{InvalidationStatistics, NamespaceStatistics, RouteStatistics};
use peregrine_http::{CacheOutcome, RequestMetrics, Route, Tier};
use peregrine_insight::model::{self, NodeReport};
use peregrine_insight::reading::{
    CacheReading, ConnectionsReading, KeptReading, NamespaceReading, Outcomes, Reading, ReasonReading, RequestsReading,
    RouteReading, SharingReading, TargetReading, TierReading, UpstreamReading,
};
use peregrine_net::config::Balance;
use peregrine_net::upstream::{Health, TargetStatus, Upstream};
use peregrine_telemetry::system::{self, SystemReader};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Reads the rooms again and again.
pub(super) struct Rooms {
    system: SystemReader,
    /// The requests of routes as they were read last, by name.
    requests: HashMap<Arc<str>, Arc<RequestsReading>>,
}

impl Rooms {
    /// A reader that looks at the disk with `state_dir`.
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            system: SystemReader::new(state_dir),
            requests: HashMap::new(),
        }
    }

    /// How everything is now.
    pub(super) fn read(&mut self, program: &Program) -> Reading {
        let clock = Program::clock();
        let (now, at) = (clock.now(), clock.wall());
        let health = program.health();
        let table = program.plane.table();
        let mut statistics = program.engine.statistics_without_tenants();
        let read = |route: &Arc<Route>| self.route(route, statistics.routes.remove(&*route.name));
        let routes: Vec<RouteReading> = table.iter().map(read).collect();
        // Routes that a reload took away are not kept.
        self.requests = routes
            .iter()
            .map(|route| (Arc::clone(&route.name), Arc::clone(&route.did)))
            .collect();
        Reading {
            at,
            now,
            uptime: program.uptime(),
            complaints: health.complaints,
            failing: health.status == HealthStatus::Failing,
            unrouted: program.plane.unrouted(),
            routes,
            upstreams: program
                .upstreams
                .load()
                .values()
                .map(|upstream| upstream_of(upstream))
                .collect(),
            cache: CacheReading {
                bytes: statistics.total.bytes,
                memory_max: statistics.memory_max,
                entries: statistics.total.entries,
                loads_under_way: statistics.loads_under_way,
                invalidations: statistics.total.invalidations.count,
                invalidation_lag: statistics.total.invalidations.lag.map(|lag| lag.all),
                namespaces: statistics.namespaces.into_iter().map(namespace_of).collect(),
            },
            sharing: program
                .sharing
                .as_ref()
                .map(|sharing| sharing_of(sharing.redis.is_up(), &sharing.backplane.status())),
            connections: connections_of(program),
            top_keys: top_keys_of(program),
            system: Some(Arc::new(system_of(self.system.read(now)))),
        }
    }

    fn route(&self, route: &Route, kept: Option<RouteStatistics>) -> RouteReading {
        let metrics = &route.metrics;
        let before = self.requests.get(&route.name);
        RouteReading {
            name: Arc::clone(&route.name),
            strategy: route.strategy.name().into(),
            upstream: Arc::from(&*route.upstream.config().name),
            namespace: route.namespace.name().into(),
            did: requests_of(&metrics.requests, before),
            kept: kept.map(|is| kept_of((is.bytes, is.entries), is.evictions_by_cause, is.invalidations)),
            uncompressed_bytes: metrics
                .uncompressed_bytes()
                .map(|(because, bytes)| (because.as_str(), bytes))
                .collect(),
        }
    }
}

/// What was counted of requests, which is what it was `before` if none ended since.
pub(super) fn requests_of(metrics: &RequestMetrics, before: Option<&Arc<RequestsReading>>) -> Arc<RequestsReading> {
    let (outcomes, origin_requests) = metrics.progress();
    let outcomes = outcomes_of(outcomes);
    let unchanged =
        |before: &&Arc<RequestsReading>| before.outcomes == outcomes && before.origin_requests == origin_requests;
    if let Some(before) = before.filter(unchanged) {
        return Arc::clone(before);
    }
    let mut statuses = [0; 5];
    for (place, (_, count)) in statuses.iter_mut().zip(metrics.statuses()) {
        *place = count;
    }
    Arc::new(RequestsReading {
        outcomes,
        statuses,
        errors: metrics.errors(),
        error_kinds: metrics.error_kinds(),
        reasons: reasons_of(metrics),
        tiers: metrics
            .tiers()
            .map(|(tier, hits)| (tier.as_str(), tier_of(metrics, tier, hits)))
            .collect(),
        duration: metrics.duration(),
        upstream_time: metrics.upstream.snapshot(),
        queue_time: metrics.wait.snapshot(),
        bytes_sent: metrics.bytes_sent(),
        bytes_saved: metrics.bytes_saved(),
        origin_requests,
        origin_micros: micros(metrics.origin_time()),
        saved_requests: metrics.saved_requests(),
        saved_micros: micros(metrics.saved_time()),
    })
}

fn tier_of(metrics: &RequestMetrics, tier: Tier, hits: u64) -> TierReading {
    TierReading {
        hits,
        duration: metrics.duration_from(tier),
        bytes_sent: metrics.bytes_from(tier),
        saved_micros: micros(metrics.saved_by(tier)),
    }
}

/// How many of the keys that are asked for most are shown.
const TOP_KEYS: usize = 20;

fn top_keys_of(program: &Program) -> Vec<model::TopKey> {
    let top = program.recorder.top_keys.top(TOP_KEYS).into_iter();
    let key = |is: peregrine_telemetry::top::TopKey| model::TopKey {
        key: is.key,
        count: is.count,
        error: is.error,
    };
    top.map(key).collect()
}

fn micros(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn outcomes_of(counts: [u64; CacheOutcome::ALL.len()]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (outcome, count) in CacheOutcome::ALL.into_iter().zip(counts) {
        let place = match outcome {
            CacheOutcome::Untouched => &mut outcomes.untouched,
            CacheOutcome::Hit => &mut outcomes.hit,
            CacheOutcome::StaleWhileRevalidate
            | CacheOutcome::StaleIfError
            | CacheOutcome::StaleWhileSlow
            | CacheOutcome::StaleAsked
            | CacheOutcome::Unverified => &mut outcomes.stale,
            CacheOutcome::Revalidated => &mut outcomes.revalidated,
            CacheOutcome::Miss => &mut outcomes.miss,
            CacheOutcome::Collapsed => &mut outcomes.collapsed,
            CacheOutcome::Bypass => &mut outcomes.bypass,
        };
        *place += count;
    }
    outcomes
}

fn reasons_of(metrics: &RequestMetrics) -> Vec<ReasonReading> {
    let reasons = metrics.reasons().into_iter().map(|(reason, count)| ReasonReading {
        word: reason.as_str(),
        sentence: reason.sentence(),
        count,
    });
    reasons.collect()
}

fn upstream_of(upstream: &Upstream) -> UpstreamReading {
    let status = upstream.status();
    let balance = match upstream.config().balance {
        Balance::RoundRobin => "round_robin",
        Balance::LeastLatency => "least_latency",
        Balance::LeastRequests => "least_requests",
    };
    UpstreamReading {
        name: status.name,
        balance: balance.to_owned(),
        targets: status.targets.into_iter().map(target_of).collect(),
    }
}

fn target_of(target: TargetStatus) -> TargetReading {
    let health = match target.health {
        Health::Healthy if target.checks.verdict == "unknown" && target.requests == 0 => "unknown",
        Health::Healthy => "healthy",
        Health::Ejected | Health::Probing => "ejected",
        Health::Failing => "unhealthy",
    };
    TargetReading {
        url: target.target,
        health,
        share: target.share,
        latency_ms: target.latency_ms,
        in_flight: target.in_flight,
        requests: target.requests,
        retries: target.retries,
        errors: target.errors.values().sum(),
        last_error: target.checks.last_error,
        errors_by_kind: target.errors,
    }
}

fn namespace_of((name, is): (String, NamespaceStatistics)) -> (String, NamespaceReading) {
    let is = NamespaceReading {
        hits: is.hits,
        misses: is.misses,
        misses_by_reason: is.misses_by_reason,
        stale_served: is.stale_served,
        coalesced: is.coalesced,
        refreshes: is.refreshes,
        loads: is.loads,
        load_failures: is.load_failures,
        stored: is.stored,
        not_stored_by_reason: is.not_stored_by_reason,
        bytes_served: is.bytes_served,
        load_time_ms: is.load_time_ms,
        load_time_saved_ms: is.load_time_saved_ms,
        kept: kept_of((is.bytes, is.entries), is.evictions_by_cause, is.invalidations),
        memory_max: is.memory_max,
    };
    (name, is)
}

/// What memory holds, in bytes and entries, what left it, and what invalidations reached.
pub(super) fn kept_of(
    (bytes, entries): (u64, u64),
    evictions_by_cause: BTreeMap<&'static str, u64>,
    invalidations: InvalidationStatistics,
) -> KeptReading {
    KeptReading {
        bytes,
        entries,
        evictions_by_cause,
        invalidations: invalidations.count,
        invalidation_lag: invalidations.lag.map(|lag| lag.all),
    }
}

fn sharing_of(up: bool, status: &BackplaneStatus) -> SharingReading {
    // Of a shard that never was in step nobody can say how far behind it is.
    let ages: Option<Vec<u64>> = status.shards.iter().map(|shard| shard.verified_ms_ago).collect();
    let lag_ms = ages.and_then(|ages| ages.into_iter().max()).map(|age| age as f64);
    let cursor = status.shards.iter().map(|shard| shard.cursor).max();
    let node = |node: &NodeStatus| NodeReport {
        name: node.node.clone(),
        own: node.own,
        state: if node.lapsed { "lapsed" } else { "in_step" }.to_owned(),
        silent_s: Some(node.silent_ms as f64 / 1000.0),
        behind: node.behind.map(|behind| behind as f64),
        cursor: cursor.filter(|_| node.own).map(|cursor| cursor as f64),
        verified_age_ms: lag_ms.filter(|_| node.own),
    };
    SharingReading {
        up,
        lag_ms,
        pending: status.pending,
        nodes: status.nodes.iter().map(node).collect(),
    }
}

fn connections_of(program: &Program) -> ConnectionsReading {
    let is = program.server.status();
    let counts = [
        ("accepted", is.connections_accepted),
        ("http2", is.http2_connections),
        ("tunnels", is.tunnels),
        ("tls_handshakes", is.tls_handshakes),
        ("stalled", is.stalled),
        ("idle_closed", is.idle),
        ("cut", is.cut),
        ("accept_failures", is.accept_failures),
        ("refused", is.refused.values().sum()),
        ("arrival_failures", is.arrival_failures.values().sum()),
    ];
    ConnectionsReading {
        open: is.connections_open,
        tunnels_open: is.tunnels_open,
        http2_open: is.http2_open,
        in_flight: u64::try_from(program.recorder.under_way.value()).unwrap_or(0),
        counts: counts.into_iter().collect(),
    }
}

fn system_of(is: system::SystemMetrics) -> model::SystemMetrics {
    let wide = |count: Option<u64>| count.map(|count| count as f64);
    let (process, machine) = (is.process, is.machine);
    model::SystemMetrics {
        process: model::ProcessMetrics {
            cpu_ratio: process.cpu_ratio,
            cpu_seconds: process.cpu_seconds,
            memory_bytes: wide(process.memory_bytes),
            memory_peak_bytes: wide(process.memory_peak_bytes),
            threads: wide(process.threads),
            open_files: wide(process.open_files),
            open_files_max: wide(process.open_files_max),
            started: process
                .started
                .and_then(|started| peregrine_insight::Time::parse(&started))
                .unwrap_or_default(),
        },
        cgroup: is.cgroup.map(|cgroup| model::CgroupMetrics {
            memory_bytes: wide(cgroup.memory_bytes),
            memory_max_bytes: wide(cgroup.memory_max_bytes),
            cpu_max_cores: cgroup.cpu_max_cores,
            throttled_seconds: cgroup.throttled_seconds,
        }),
        machine: model::MachineMetrics {
            cores: wide(machine.cores),
            cpu_ratio: machine.cpu_ratio,
            load: model::Load {
                m1: machine.load.m1,
                m5: machine.load.m5,
                m15: machine.load.m15,
            },
            memory_bytes: wide(machine.memory_bytes),
            memory_available_bytes: wide(machine.memory_available_bytes),
            disk: machine.disk.map(|disk| model::Disk {
                path: disk.path,
                used_bytes: wide(disk.used_bytes),
                free_bytes: wide(disk.free_bytes),
            }),
            disk_read_bytes: wide(machine.disk_read_bytes),
            disk_written_bytes: wide(machine.disk_written_bytes),
            network_in_bytes: wide(machine.network_in_bytes),
            network_out_bytes: wide(machine.network_out_bytes),
        },
    }
}
