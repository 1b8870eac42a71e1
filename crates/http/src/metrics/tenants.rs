//! What each tenant's requests were.
//!
//! A tenant's name comes from requests, so there is a limit: so many have counters of their own, and all others share some.
//! Once there is no more room, who comes new takes the place of the one that has asked for nothing for longest, if that is
//! [`IDLE`]. A tenant's counters take 4 to 6 KB, 7 KB more once the origin answers it, and 10 KB for each further thread
//! that counts for it.

#[cfg(test)]
mod tests;

use super::RequestMetrics;
use crate::outcome::{Outcome, Sent};
use peregrine_base::Instant;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// The most tenants with counters of their own, whatever the configuration allows: who looks for room goes through all of them,
/// and so does whoever asks for metrics.
pub(super) const TENANTS_MAX: usize = 10_000;
/// After so long without a request a tenant's place may be given away.
pub(super) const IDLE: Duration = Duration::from_secs(600);
/// After no place was found nobody looks for one for so long: that takes a while.
const PAUSE: Duration = Duration::from_secs(1);
/// When a tenant asked last is noted as rarely as this, so that threads do not write the same line for each request.
const NOTED: Duration = Duration::from_secs(1);

type Table = HashMap<Box<str>, Arc<TenantMetrics>>;

/// The tenants and their counters.
#[derive(Debug, Default)]
pub struct Tenants {
    table: RwLock<Table>,
    others: RequestMetrics,
    max: AtomicUsize,
    /// Until when nobody looks for room, in nanoseconds.
    pause: AtomicU64,
}

/// The counters of one tenant.
#[derive(Debug, Default)]
pub struct TenantMetrics {
    /// Its requests.
    pub requests: RequestMetrics,
    /// When it asked last, in nanoseconds.
    asked: AtomicU64,
}

impl Tenants {
    /// From now on at most `max` tenants, and never more than 10,000, have counters of their own. Where more have some, those
    /// that asked last keep them.
    pub fn keep(&self, max: usize) {
        let max = max.min(TENANTS_MAX);
        self.max.store(max, Ordering::Relaxed);
        self.pause.store(0, Ordering::Relaxed);
        let mut table = self.write();
        if table.len() > max {
            let mut known: Vec<(Box<str>, Arc<TenantMetrics>)> = table.drain().collect();
            known.sort_by_key(|(_, known)| std::cmp::Reverse(known.asked()));
            known.truncate(max);
            table.extend(known);
        }
    }

    /// Counts a request of `tenant` that ended.
    pub(crate) fn record(&self, tenant: &str, outcome: &Outcome, sent: &Sent) {
        self.count(tenant, sent.now, |requests| requests.record(outcome, sent));
    }

    /// Counts a request that an origin got for `tenant` until `now`, and how long it took to answer.
    pub(crate) fn asked_origin(&self, tenant: &str, now: Instant, took: Duration) {
        self.count(tenant, now, |requests| requests.asked_origin(took));
    }

    fn count(&self, tenant: &str, now: Instant, count: impl FnOnce(&RequestMetrics)) {
        let is_paused = {
            let table = self.read();
            if let Some(known) = table.get(tenant) {
                count(&known.requests);
                return known.note(now);
            }
            self.is_full(&table) && now.as_nanos() < self.pause.load(Ordering::Relaxed)
        };
        let own = if is_paused { None } else { self.place(tenant, now) };
        count(own.as_deref().map_or(&self.others, |own| &own.requests));
    }

    /// The counters for a tenant that had none a moment ago, if there is a place for them.
    fn place(&self, tenant: &str, now: Instant) -> Option<Arc<TenantMetrics>> {
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
        let made = Arc::new(TenantMetrics {
            asked: AtomicU64::new(now.as_nanos()),
            ..TenantMetrics::default()
        });
        table.insert(tenant.into(), Arc::clone(&made));
        Some(made)
    }

    fn is_full(&self, table: &Table) -> bool {
        table.len() >= self.max.load(Ordering::Relaxed)
    }

    /// What `tenant` did, if it has counters of its own.
    #[must_use]
    pub fn get(&self, tenant: &str) -> Option<Arc<TenantMetrics>> {
        self.read().get(tenant).cloned()
    }

    /// What each tenant with counters of its own did, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Box<str>, Arc<TenantMetrics>> {
        let table = self.read();
        let known = table.iter();
        known.map(|(name, known)| (name.clone(), Arc::clone(known))).collect()
    }

    /// What those did who share their counters.
    #[must_use]
    pub fn others(&self) -> &RequestMetrics {
        &self.others
    }

    /// The table. A thread that panicked left it whole.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantMetrics {
    /// It asked for something at `now`.
    fn note(&self, now: Instant) {
        if now.since(self.asked()) >= NOTED {
            self.asked.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    fn asked(&self) -> Instant {
        Instant::from_nanos(self.asked.load(Ordering::Relaxed))
    }
}
