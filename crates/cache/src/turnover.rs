//! What left memory and what invalidations reached, by whose entries they were: a namespace's, a route's, a tenant's.

use crate::engine::Engine;
use crate::entry::Entry;
use crate::key::tenant_of;
use crate::lingering::Lingering;
use crate::namespace::NAMESPACES_MAX;
use crate::outcome::Eviction;
use crate::statistics::{Counters, PerReason, Tally};
use crate::sync::Mutex;
use crate::tenants::{Account, Tenants};
use peregrine_telemetry::{Gauge, HistogramSnapshot, RareHistogram};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use utoipa::ToSchema;

/// The most routes that are told apart; what further ones store is no route's.
const ROUTES_MAX: usize = 1024;

/// A route of a plane, as [`Engine::route`] knows it: whoever stores something says by it for which route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteId(u16);

/// What left memory, and which invalidations reached something.
#[derive(Debug, Default)]
pub(crate) struct Turnover {
    evictions: PerReason<Eviction>,
    pub(crate) invalidations: Invalidations,
}

/// Invalidations, and how long they took.
#[derive(Debug, Default)]
pub(crate) struct Invalidations {
    count: Tally,
    lag: RareHistogram,
}

/// What a route's entries are counted by.
#[derive(Debug)]
struct RouteCounters {
    name: Box<str>,
    bytes: Gauge,
    entries: Gauge,
    turnover: Turnover,
}

/// Whose entries there are, for who holds entries and nothing else. Reading it takes no lock but that of the tenants.
#[derive(Clone)]
pub(crate) struct Directory {
    namespaces: Arc<[OnceLock<Arc<Counters>>]>,
    /// By the numbers in [`RouteId`], less one.
    routes: Arc<[OnceLock<RouteCounters>]>,
    /// Held while a route gets its number.
    naming: Arc<Mutex<BTreeMap<Box<str>, RouteId>>>,
    tenants: Arc<Tenants>,
    lingering: Arc<Lingering>,
}

/// Whose entries an invalidation reached.
#[derive(Default)]
pub(crate) struct Touched {
    namespaces: BTreeMap<u16, Arc<Counters>>,
    routes: BTreeSet<RouteId>,
    accounts: HashMap<usize, Arc<Account>>,
}

/// Invalidations that reached something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidationStatistics {
    /// How many.
    pub count: u64,
    /// How long they took, of those that came to hold in every layer and on every node.
    pub lag: Option<LagStatistics>,
}

/// How long invalidations took from the request until they held in every layer and on every node, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LagStatistics {
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 95% of them took no longer.
    pub p95_us: u64,
    /// 99% of them took no longer.
    pub p99_us: u64,
    /// All of them.
    #[serde(skip)]
    pub all: HistogramSnapshot,
}

/// What a route stored: what is left of it, and what became of the rest since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RouteStatistics {
    /// Bytes that its entries occupy.
    pub bytes: u64,
    /// How many entries there are, with markers and selectors.
    pub entries: u64,
    /// Entries that left memory, by cause.
    pub evictions_by_cause: BTreeMap<&'static str, u64>,
    /// Invalidations that reached some of them, where they were counted for a receipt, and those of writes that changed what it
    /// reads.
    pub invalidations: InvalidationStatistics,
}

impl RouteId {
    /// Where it stands in an entry.
    pub(crate) const fn to_bytes(self) -> [u8; 2] {
        self.0.to_ne_bytes()
    }

    /// As [`RouteId::to_bytes`] gave it.
    pub(crate) const fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_ne_bytes(bytes))
    }
}

impl Invalidations {
    /// There was one more.
    pub(crate) fn count(&self) {
        self.count.increment();
    }

    /// One of them came to hold everywhere, and took so long.
    pub(crate) fn took(&self, lag: Duration) {
        self.lag.record(lag);
    }

    pub(crate) fn value(&self) -> u64 {
        self.count.value()
    }

    pub(crate) fn statistics(&self) -> InvalidationStatistics {
        InvalidationStatistics {
            count: self.count.value(),
            lag: self.lag.snapshot().map(LagStatistics::of),
        }
    }
}

impl LagStatistics {
    fn of(all: HistogramSnapshot) -> Self {
        let micros = |quantile| u64::try_from(all.quantile(quantile).as_micros()).unwrap_or(u64::MAX);
        Self {
            p50_us: micros(0.5),
            p95_us: micros(0.95),
            p99_us: micros(0.99),
            all,
        }
    }
}

impl Turnover {
    pub(crate) fn evicted(&self, why: Eviction) {
        self.evictions.increment(why);
    }

    pub(crate) fn evictions_by_cause(&self) -> BTreeMap<&'static str, u64> {
        self.evictions.by_word()
    }
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            namespaces: (0..NAMESPACES_MAX).map(|_| OnceLock::new()).collect(),
            routes: (0..ROUTES_MAX).map(|_| OnceLock::new()).collect(),
            naming: Arc::new(Mutex::new(BTreeMap::new())),
            tenants: Arc::new(Tenants::new()),
            lingering: Arc::default(),
        }
    }

    /// What left while it was read.
    pub(crate) fn lingering(&self) -> &Lingering {
        &self.lingering
    }

    /// The accounts of tenants.
    pub(crate) fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The counters of namespace `id`, made when they are first asked for; nothing past the last number.
    pub(crate) fn counters(&self, id: u16) -> Option<&Arc<Counters>> {
        self.namespaces
            .get(usize::from(id))
            .map(|slot| slot.get_or_init(Arc::default))
    }

    fn route(&self, id: RouteId) -> Option<&RouteCounters> {
        self.routes.get(usize::from(id.0).checked_sub(1)?)?.get()
    }

    /// The number of the route `name`; none once all are given away.
    fn name_route(&self, name: &str) -> RouteId {
        let mut naming = self.naming.lock();
        if let Some(id) = naming.get(name) {
            return *id;
        }
        let Some(slot) = self.routes.get(naming.len()) else {
            return RouteId::default();
        };
        slot.get_or_init(|| RouteCounters {
            name: name.into(),
            bytes: Gauge::new(),
            entries: Gauge::new(),
            turnover: Turnover::default(),
        });
        let id = RouteId(u16::try_from(naming.len() + 1).unwrap_or(0));
        naming.insert(name.into(), id);
        id
    }

    /// What each route stored.
    pub(crate) fn route_statistics(&self) -> BTreeMap<String, RouteStatistics> {
        let wide = |gauge: &Gauge| u64::try_from(gauge.value()).unwrap_or(0);
        let known = self.routes.iter().map_while(OnceLock::get);
        known
            .map(|route| {
                let statistics = RouteStatistics {
                    bytes: wide(&route.bytes),
                    entries: wide(&route.entries),
                    evictions_by_cause: route.turnover.evictions_by_cause(),
                    invalidations: route.turnover.invalidations.statistics(),
                };
                (route.name.to_string(), statistics)
            })
            .collect()
    }

    fn account(&self, entry: &Entry, direction: i64) {
        let bytes = direction * i64::try_from(entry.weight()).unwrap_or(i64::MAX);
        if let Some(counters) = self.counters(entry.namespace()) {
            counters.bytes.add(bytes);
            counters.entries.add(direction);
        }
        if let Some(route) = self.route(entry.route()) {
            route.bytes.add(bytes);
            route.entries.add(direction);
        }
    }

    /// `entry` is about to enter a tier.
    pub(crate) fn entered(&self, entry: &Entry) {
        self.account(entry, 1);
        self.tenants.entered(entry);
    }

    /// `entry` is in no tier any more, or did not enter it after all; `why`, unless it only moves. `new` took its place.
    pub(crate) fn left(&self, entry: &Entry, why: Option<Eviction>, new: Option<&Entry>) {
        self.account(entry, -1);
        if let Some(why) = why {
            if let Some(counters) = self.counters(entry.namespace()) {
                counters.turnover.evicted(why);
            }
            if let Some(route) = self.route(entry.route()) {
                route.turnover.evicted(why);
            }
            self.lingering.left(entry, new);
        }
        self.tenants.left(entry, why);
    }
}

impl Touched {
    /// Those whose reads a write changes.
    pub(crate) fn of_write(
        namespaces: impl Iterator<Item = u16>,
        route: RouteId,
        tenant: Option<&str>,
        directory: &Directory,
    ) -> Self {
        let mut touched = Self::default();
        namespaces.for_each(|id| touched.add_namespace(id, directory));
        touched.routes.insert(route);
        touched.add_tenant(tenant.unwrap_or_default(), directory);
        touched
    }

    /// `entry`, a value or a part, was reached.
    pub(crate) fn add(&mut self, entry: &Entry, directory: &Directory) {
        self.add_namespace(entry.namespace(), directory);
        self.routes.insert(entry.route());
        self.add_tenant(tenant_of(entry.key()), directory);
    }

    fn add_namespace(&mut self, id: u16, directory: &Directory) {
        if let Some(counters) = directory.counters(id) {
            self.namespaces.entry(id).or_insert_with(|| Arc::clone(counters));
        }
    }

    /// The invalidation is `tenant`'s own, or reached something of it.
    pub(crate) fn add_tenant(&mut self, tenant: &str, directory: &Directory) {
        if !tenant.is_empty() {
            directory.tenants().with_account(tenant, |account| {
                let known = self.accounts.entry(Arc::as_ptr(account).addr());
                known.or_insert_with(|| Arc::clone(account));
            });
        }
    }

    /// Counts the invalidation for all of them.
    pub(crate) fn count(&self, directory: &Directory) {
        self.invalidations(directory).for_each(Invalidations::count);
    }

    /// It came to hold everywhere, and took so long.
    pub(crate) fn took(&self, lag: Duration, directory: &Directory) {
        self.invalidations(directory).for_each(|of| of.took(lag));
    }

    fn invalidations<'a>(&'a self, directory: &'a Directory) -> impl Iterator<Item = &'a Invalidations> {
        let namespaces = self.namespaces.values().map(|counters| &counters.turnover);
        let routes = self.routes.iter().filter_map(|id| directory.route(*id));
        let routes = routes.map(|route| &route.turnover);
        let accounts = self.accounts.values().map(|account| account.turnover());
        let all = namespaces.chain(routes).chain(accounts);
        all.map(|turnover| &turnover.invalidations)
    }
}

impl Engine {
    /// The route `name`, for who stores on it. It is the same for as long as the engine lives.
    #[must_use]
    pub fn route(&self, name: &str) -> RouteId {
        self.directory.name_route(name)
    }
}
