//! What each tenant's requests were: how many, how they ended, what they got and how long they took.
//!
//! A tenant's name comes from requests, so there is a limit: so many have counters of their own, and all others share some.
//! Once there is no more room, who comes new takes the place of the one that has asked for nothing for longest, if that is
//! [`IDLE`]. A tenant's counters take some 4 KB, and 2 KB more for each further thread that counts for it.

#[cfg(test)]
mod tests;

use crate::{Counters, Exposition, Histogram, HistogramSnapshot};
use peregrine_base::Instant;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use utoipa::ToSchema;

/// The most tenants with counters of their own, whatever the configuration allows: what looks through all of them each second,
/// and who looks for room among them, must not take long.
pub const TENANTS_MAX: usize = 10_000;
/// After so long without a request a tenant's place may be given away.
pub const IDLE: Duration = Duration::from_secs(600);
/// After no place was found nobody looks for one for so long: that takes a while.
const PAUSE: Duration = Duration::from_secs(1);
/// When a tenant asked last is noted as rarely as this, so that threads do not write the same line for each request.
const NOTED: Duration = Duration::from_secs(1);
/// The label of all who share counters; no tenant is called so.
pub const OTHERS: &str = "(others)";
/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Where the other counters are, behind the classes.
const REQUESTS: usize = CLASSES.len();
const SENT_BYTES: usize = REQUESTS + 1;

type Table = HashMap<Box<str>, Arc<Traffic>>;

/// The tenants and their counters.
#[derive(Debug, Default)]
pub struct Tenants {
    table: RwLock<Table>,
    others: Traffic,
    max: AtomicUsize,
    /// Until when nobody looks for room, in nanoseconds.
    pause: AtomicU64,
}

/// What one tenant, or all who share this, did.
#[derive(Debug, Default)]
struct Traffic {
    counters: Counters<{ SENT_BYTES + 1 }>,
    duration: Histogram,
    /// When it asked last, in nanoseconds.
    asked: AtomicU64,
}

/// What a tenant's requests were since it has counters of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TenantTraffic {
    /// Requests that were answered.
    pub requests: u64,
    /// The same by class of status.
    pub statuses: BTreeMap<&'static str, u64>,
    /// Bytes of bodies sent.
    pub sent_bytes: u64,
    /// Half of the answers were all there after at most so many milliseconds; nothing without requests.
    pub p50_ms: Option<f64>,
    /// 95 of a hundred.
    pub p95_ms: Option<f64>,
    /// 99 of a hundred.
    pub p99_ms: Option<f64>,
}

/// What every tenant did, by name.
pub type All = BTreeMap<String, Arc<TenantTraffic>>;

impl Tenants {
    /// From now on at most `max` tenants, and [`TENANTS_MAX`], have counters of their own. Where more have some, those that
    /// asked last keep them.
    pub fn keep(&self, max: usize) {
        let max = max.min(TENANTS_MAX);
        self.max.store(max, Ordering::Relaxed);
        self.pause.store(0, Ordering::Relaxed);
        let mut table = self.write();
        if table.len() > max {
            let mut known: Vec<(Box<str>, Arc<Traffic>)> = table.drain().collect();
            known.sort_by_key(|(_, traffic)| std::cmp::Reverse(traffic.asked()));
            known.truncate(max);
            table.extend(known);
        }
    }

    /// Counts a request of `tenant` that ended at `now`.
    pub fn record(&self, tenant: &str, now: Instant, status: u16, sent_bytes: u64, duration: Duration) {
        let is_paused = {
            let table = self.read();
            if let Some(known) = table.get(tenant) {
                return known.record(now, status, sent_bytes, duration);
            }
            self.is_full(&table) && now.as_nanos() < self.pause.load(Ordering::Relaxed)
        };
        let own = if is_paused { None } else { self.place(tenant, now) };
        own.as_deref()
            .unwrap_or(&self.others)
            .record(now, status, sent_bytes, duration);
    }

    /// The counters for a tenant that had none a moment ago, if there is a place for them.
    fn place(&self, tenant: &str, now: Instant) -> Option<Arc<Traffic>> {
        let mut table = self.write();
        if let Some(known) = table.get(tenant) {
            return Some(Arc::clone(known));
        }
        if self.is_full(&table) {
            let oldest = table.iter().min_by_key(|(_, known)| known.asked());
            let oldest = oldest.filter(|(_, known)| now.since(known.asked()) >= IDLE);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                self.pause.store(now.after(PAUSE).as_nanos(), Ordering::Relaxed);
                return None;
            };
            table.remove(&oldest);
        }
        let made = Arc::new(Traffic {
            asked: AtomicU64::new(now.as_nanos()),
            ..Traffic::default()
        });
        table.insert(tenant.into(), Arc::clone(&made));
        Some(made)
    }

    fn is_full(&self, table: &Table) -> bool {
        table.len() >= self.max.load(Ordering::Relaxed)
    }

    /// What `tenant` did, if it has counters of its own.
    #[must_use]
    pub fn traffic(&self, tenant: &str) -> Option<TenantTraffic> {
        self.read().get(tenant).map(|known| known.told())
    }

    /// What every tenant with counters of its own did; of those that did nothing since `before` it is the same.
    #[must_use]
    pub fn all(&self, before: &All) -> All {
        let table = self.read();
        let known = table.iter().map(|(name, is)| (&**name, is));
        let told = |(name, is): (&str, &Arc<Traffic>)| {
            let before = before.get(name).filter(|before| before.requests == is.requests());
            (name.to_owned(), before.map_or_else(|| Arc::new(is.told()), Arc::clone))
        };
        known.map(told).collect()
    }

    /// The table. A thread that panicked left it whole.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        let table = self.read();
        let mut known: Vec<(&str, &Traffic)> = table.iter().map(|(name, is)| (&**name, &**is)).collect();
        known.sort_by_key(|(name, _)| *name);
        if self.others.requests() > 0 {
            known.push((OTHERS, &self.others));
        }
        for (tenant, is) in known {
            let labels = [("tenant", tenant)];
            for (class, count) in is.statuses() {
                exposition.counter(
                    "peregrine_tenant_responses_total",
                    &[("tenant", tenant), ("class", class)],
                    count,
                );
            }
            let sent = is.counters.value(SENT_BYTES);
            exposition.counter("peregrine_tenant_sent_bytes_total", &labels, sent);
            exposition.histogram(
                "peregrine_tenant_request_duration_seconds",
                &labels,
                &is.duration.snapshot(),
            );
        }
    }
}

impl Traffic {
    fn record(&self, now: Instant, status: u16, sent_bytes: u64, duration: Duration) {
        let cells = self.counters.cells();
        let class = usize::from(status / 100).wrapping_sub(1);
        if class < CLASSES.len() {
            cells.add(class, 1);
        }
        cells.add(REQUESTS, 1);
        cells.add(SENT_BYTES, sent_bytes);
        self.duration.record(duration);
        if now.since(self.asked()) >= NOTED {
            self.asked.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    fn asked(&self) -> Instant {
        Instant::from_nanos(self.asked.load(Ordering::Relaxed))
    }

    fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let classes = CLASSES.into_iter().enumerate();
        classes.map(|(place, class)| (class, self.counters.value(place)))
    }

    fn requests(&self) -> u64 {
        self.counters.value(REQUESTS)
    }

    fn told(&self) -> TenantTraffic {
        let duration = self.duration.snapshot();
        TenantTraffic {
            requests: self.requests(),
            statuses: self.statuses().collect(),
            sent_bytes: self.counters.value(SENT_BYTES),
            p50_ms: quantile_ms(&duration, 0.5),
            p95_ms: quantile_ms(&duration, 0.95),
            p99_ms: quantile_ms(&duration, 0.99),
        }
    }
}

fn quantile_ms(durations: &HistogramSnapshot, quantile: f64) -> Option<f64> {
    (durations.count > 0).then(|| durations.quantile(quantile).as_secs_f64() * 1e3)
}
