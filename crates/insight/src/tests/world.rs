//! A program that a test makes up: routes that count, and a clock.

use crate::config::InsightConfig;
use crate::insight::Insight;
use crate::reading::{
    CacheReading, KeptReading, MEMORY, NamespaceReading, Outcomes, Reading, ReasonReading, RequestsReading,
    RouteReading, TargetReading, TierReading, UpstreamReading,
};
use crate::store::{Store, StoreFault, Write};
use parking_lot::Mutex;
use peregrine_base::{Instant, WallTime};
use peregrine_telemetry::Histogram;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// When time begins: a whole day, so that spans begin with it.
pub(super) const START: u64 = 1_800_000_000 / 86_400 * 86_400;

/// The defaults, written once more: the table has them as TOML.
pub(crate) fn config() -> InsightConfig {
    InsightConfig {
        enabled: true,
        persist: true,
        sample_interval: "30s".parse().unwrap(),
        retention: "30d".parse().unwrap(),
        report_interval: "5m".parse().unwrap(),
        routes_max: 32,
        upstreams_max: 32,
        apdex_threshold: "500ms".parse().unwrap(),
        origin_second_cost: None,
        gigabyte_cost: None,
        currency: "EUR".to_owned(),
    }
}

/// A route as it counts.
#[derive(Default)]
pub(crate) struct Route {
    pub(crate) outcomes: Outcomes,
    pub(crate) failed: u64,
    pub(crate) bytes: u64,
    pub(crate) origin_micros: u64,
    /// Requests that the origin got from the cache itself.
    pub(crate) renewals: u64,
    pub(crate) saved_micros: u64,
    pub(crate) reasons: Vec<ReasonReading>,
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    pub(crate) kept: Option<KeptReading>,
    pub(crate) uncompressed: BTreeMap<&'static str, u64>,
    duration: Histogram,
    hits: Histogram,
    origin: Histogram,
    queue: Histogram,
}

/// The program.
pub(crate) struct World {
    pub(crate) at: u64,
    started: u64,
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) namespace: NamespaceReading,
    pub(crate) memory_max: u64,
    pub(crate) health: &'static str,
    pub(crate) insight: Insight,
}

impl World {
    pub(crate) fn new(config: InsightConfig) -> Self {
        Self::at(START, config)
    }

    /// One that starts `at`.
    pub(crate) fn at(at: u64, config: InsightConfig) -> Self {
        Self {
            at,
            started: at,
            routes: BTreeMap::new(),
            namespace: NamespaceReading::default(),
            memory_max: 1 << 20,
            health: "healthy",
            insight: Insight::new(config, "0.0.0", "node-1"),
        }
    }

    pub(crate) fn route(&mut self, name: &str) -> &mut Route {
        self.routes.entry(name.to_owned()).or_default()
    }

    /// A request on `route` that the cache answered.
    pub(crate) fn hit(&mut self, route: &str, took: Duration) {
        let route = self.route(route);
        route.outcomes.hit += 1;
        route.bytes += 1000;
        route.duration.record(took);
        route.hits.record(took);
    }

    /// A request on `route` that the origin answered.
    pub(crate) fn miss(&mut self, route: &str, took: Duration) {
        let route = self.route(route);
        route.outcomes.miss += 1;
        route.bytes += 1000;
        route.duration.record(took);
        route.origin.record(took);
        route.queue.record(took * 2);
        route.origin_micros += u64::try_from(took.as_micros()).unwrap();
    }

    /// A second passes, and insight is told.
    pub(crate) fn second(&mut self) {
        self.at += 1;
        self.insight.tick(self.reading());
    }

    pub(crate) fn seconds(&mut self, count: u64) {
        (0..count).for_each(|_| self.second());
    }

    pub(crate) fn reading(&self) -> Reading {
        let route = |(name, route): (&String, &Route)| RouteReading {
            name: name.as_str().into(),
            strategy: "default".into(),
            upstream: "api".into(),
            namespace: "default".into(),
            did: Arc::new(RequestsReading {
                outcomes: route.outcomes,
                statuses: [0, route.outcomes.total() - route.failed, 0, 0, route.failed],
                errors: route.failed,
                error_kinds: route.kinds.clone(),
                reasons: route.reasons.clone(),
                tiers: BTreeMap::from([(MEMORY, memory_of(route))]),
                duration: route.duration.snapshot(),
                upstream_time: route.origin.snapshot(),
                queue_time: route.queue.snapshot(),
                bytes_sent: route.bytes,
                bytes_saved: route.outcomes.hit * 1000,
                origin_requests: route.outcomes.of_origin() + route.renewals,
                origin_micros: route.origin_micros,
                saved_requests: route.outcomes.spared(),
                saved_micros: route.saved_micros,
            }),
            kept: route.kept.clone(),
            uncompressed_bytes: route.uncompressed.clone(),
        };
        Reading {
            at: WallTime::from_millis(self.at * 1000 + 3),
            now: Instant::from_nanos(self.at * 1_000_000_000),
            uptime: Duration::from_secs(self.at - self.started),
            routes: self.routes.iter().map(route).collect(),
            upstreams: vec![UpstreamReading {
                name: "api".into(),
                balance: "round_robin".to_owned(),
                targets: vec![TargetReading {
                    url: "http://a".into(),
                    health: self.health,
                    share: 1.0,
                    requests: self.routes.values().map(|route| route.outcomes.of_origin()).sum(),
                    ..TargetReading::default()
                }],
            }],
            cache: CacheReading {
                namespaces: BTreeMap::from([("default".to_owned(), self.namespace.clone())]),
                bytes: self.namespace.kept.bytes,
                memory_max: self.memory_max,
                ..CacheReading::default()
            },
            ..Reading::default()
        }
    }
}

fn memory_of(route: &Route) -> TierReading {
    TierReading {
        hits: route.outcomes.hit,
        duration: route.hits.snapshot(),
        bytes_sent: route.outcomes.hit * 1000,
        saved_micros: route.saved_micros,
    }
}

/// A store in memory, which forgets nothing that it was told.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Values>);

/// Values by table and key.
type Values = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

impl Kept {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Makes every value shorter by a byte.
    pub(crate) fn damage(&self) {
        for value in self.0.lock().values_mut() {
            value.pop();
        }
    }
}

impl Store for Kept {
    fn apply(&self, writes: &[Write]) -> Result<(), StoreFault> {
        let mut kept = self.0.lock();
        for write in writes {
            match write.clone() {
                Write::Put { table, key, value } => drop(kept.insert((table, key), value)),
                Write::Remove { table, key } => drop(kept.remove(&(table, key))),
                Write::RemoveRange { table, from, until } => {
                    kept.retain(|(of, key), _| *of != table || *key < from || *key >= until);
                }
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        table: &'static str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let kept = self.0.lock();
        let range = (
            Bound::Included((table, from.to_vec())),
            Bound::Excluded((table, until.to_vec())),
        );
        for ((_, key), value) in kept.range(range) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}
