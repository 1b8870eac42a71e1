//! What each tenant's requests were: how many, how they ended, what they got and how long they took.
//!
//! A tenant's name comes from requests, so there is a limit: so many have counters of their own, and all others share some.
//! Once there is no more room, who comes new takes the place of one that has asked for nothing in [`IDLE`], if there is one.
//! Who is known already is counted without a lock.

#[cfg(test)]
mod tests;

use crate::{Counters, Exposition, Histogram, HistogramSnapshot};
use arc_swap::ArcSwap;
use peregrine_base::Instant;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

/// After so long without a request a tenant's place may be given away.
pub const IDLE: Duration = Duration::from_secs(600);
/// How long who comes new shares counters after no place was found for another: looking for one takes a while.
const PAUSE: Duration = Duration::from_secs(1);
/// The label of all who share counters; no tenant is called so.
pub const OTHERS: &str = "(others)";
/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Where the bytes are, behind the classes.
const SENT_BYTES: usize = CLASSES.len();

type Table = HashMap<Box<str>, Arc<Traffic>>;

/// The tenants and their counters.
#[derive(Debug, Default)]
pub struct Tenants {
    table: ArcSwap<Table>,
    others: Arc<Traffic>,
    max: AtomicUsize,
    /// Until when nobody is looked for who could make room. Held while the table changes.
    making: Mutex<Instant>,
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

impl Tenants {
    /// From now on at most `max` tenants have counters of their own; who has some already keeps them.
    pub fn keep(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Counts a request of `tenant` that ended at `now`.
    pub fn record(&self, tenant: &str, now: Instant, status: u16, sent_bytes: u64, duration: Duration) {
        let table = self.table.load();
        match table.get(tenant) {
            Some(known) => known.record(now, status, sent_bytes, duration),
            None => self.newcomer(tenant, now).record(now, status, sent_bytes, duration),
        }
    }

    /// The counters for a tenant that had none a moment ago.
    fn newcomer(&self, tenant: &str, now: Instant) -> Arc<Traffic> {
        // A thread that panicked left it whole.
        let mut pause = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.table.load();
        if let Some(known) = table.get(tenant) {
            return Arc::clone(known);
        }
        let is_full = table.len() >= self.max.load(Ordering::Relaxed);
        if is_full && now < *pause {
            return Arc::clone(&self.others);
        }
        let mut next = Table::clone(&table);
        if is_full {
            next.retain(|_, known| now.since(known.asked()) < IDLE);
            if next.len() >= self.max.load(Ordering::Relaxed) {
                *pause = now.after(PAUSE);
                return Arc::clone(&self.others);
            }
        }
        let made = Arc::new(Traffic::default());
        next.insert(tenant.into(), Arc::clone(&made));
        self.table.store(Arc::new(next));
        made
    }

    /// What `tenant` did, if it has counters of its own.
    #[must_use]
    pub fn traffic(&self, tenant: &str) -> Option<TenantTraffic> {
        self.table.load().get(tenant).map(|known| known.told())
    }

    /// What every tenant with counters of its own did, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, TenantTraffic> {
        let table = self.table.load();
        table.iter().map(|(name, is)| (name.to_string(), is.told())).collect()
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        let table = self.table.load();
        let mut known: Vec<(&str, &Arc<Traffic>)> = table.iter().map(|(name, is)| (&**name, is)).collect();
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
        cells.add(SENT_BYTES, sent_bytes);
        self.duration.record(duration);
        self.asked.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn asked(&self) -> Instant {
        Instant::from_nanos(self.asked.load(Ordering::Relaxed))
    }

    fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let classes = CLASSES.into_iter().enumerate();
        classes.map(|(place, class)| (class, self.counters.value(place)))
    }

    fn requests(&self) -> u64 {
        self.statuses().map(|(_, count)| count).sum()
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
