//! Calls for those who are no proxy: values by name, in a namespace, for a tenant where one is named.
//!
//! A write overtakes the loads of its key that are under way: they end for those who wait for them, and nothing of them is
//! stored over what was written.

use crate::backplane::Stamping;
use crate::engine::Engine;
use crate::entry::{BodyDraft, Draft, Entry, Kind, PACKED_MAX, tags_fit};
use crate::hit::Hit;
use crate::invalidation::Invalidation;
use crate::key::{Key, TEXT_MAX};
use crate::lease::segments;
use crate::ledger::{Position, Target, key_target};
use crate::lookup::{Ask, Lookup};
use crate::namespace::Namespace;
use crate::outcome::{Eviction, NotStored};
use crate::statistics::{NamespaceStatistics, Statistics};
use crate::strategy::Strategy;
use crate::tenants::TenantStatistics;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a value is stored by name.
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    /// Its lifetime; the strategy's where nothing is set.
    pub ttl: Option<Duration>,
    /// The strategy that it is stored by; `default` where nothing is set.
    pub strategy: Option<Arc<Strategy>>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A value that was set by name on this node, for as long as it is on its way to Redis.
pub(crate) struct SetHere {
    pub(crate) key: Key,
    pub(crate) entry: Entry,
    /// The number of its write.
    number: u64,
    engine: Arc<Engine>,
}

impl SetHere {
    /// Whether the key was not written or taken out since.
    pub(crate) fn is_last(&self) -> bool {
        let shard = self.engine.flights.lock(self.key.hash());
        shard.is_last(self.key.text(), self.number)
    }
}

impl Drop for SetHere {
    fn drop(&mut self) {
        self.engine.flights.lock(self.key.hash()).end_setting(self.key.text());
    }
}

impl Engine {
    /// The value named `name`, if one is there that may be served.
    #[must_use]
    pub fn get(self: &Arc<Self>, namespace: &Arc<Namespace>, name: &str) -> Option<Hit> {
        let strategy = self.default_strategy();
        let ask = Ask {
            lead: false,
            // Nobody can wait here: what would have to be verified is not there.
            verified: true,
            ..Ask::plain(self.parts.clock.now(), &strategy)
        };
        match self.lookup(&Key::named(namespace, "", name), &ask) {
            Lookup::Fresh { hit, .. } | Lookup::Stale { hit, .. } => Some(hit),
            Lookup::Lead(_) | Lookup::Follow(_) | Lookup::Bypass(_) | Lookup::Unverified => None,
        }
    }

    /// Stores `value` as `name`, in place of what is there. False where it was not stored: it is too large, has too many
    /// tags, or nothing is cached at all. What was there before is gone in any case.
    pub fn set(self: &Arc<Self>, namespace: &Arc<Namespace>, name: &str, value: Bytes, options: &SetOptions) -> bool {
        self.store_named(&Key::named(namespace, "", name), &value, options)
            .is_some()
    }

    /// As [`Engine::set`], for whoever brings the value to Redis too; with the stamp that it carries there once Redis has heard of it.
    pub(crate) fn store_named(
        self: &Arc<Self>,
        key: &Key,
        value: &Bytes,
        options: &SetOptions,
    ) -> Option<(SetHere, Option<Stamping>)> {
        let stored = self.write(key, value, options);
        let counters = key.namespace().counters();
        match stored {
            Ok(set) => {
                counters.stored.increment();
                self.tell_mirrors_of_key(key);
                Some(set)
            }
            Err(why) => {
                counters.not_stored(why);
                self.take_out(key);
                None
            }
        }
    }

    fn write(
        self: &Arc<Self>,
        key: &Key,
        value: &Bytes,
        options: &SetOptions,
    ) -> Result<(SetHere, Option<Stamping>), NotStored> {
        if value.len() as u64 > self.object_limit(key) {
            return Err(NotStored::TooLarge);
        }
        let enabled = self.limits.enabled.load(crate::sync::Ordering::Relaxed);
        if !enabled || !tags_fit(&options.tags) || key.text().len() > TEXT_MAX {
            return Err(NotStored::NoRoom);
        }
        let strategy = options.strategy.clone().unwrap_or_else(|| self.default_strategy());
        let ttl = options
            .ttl
            .unwrap_or_else(|| strategy.jittered(strategy.ttl(), &*self.parts.random));
        let mut shard = self.flights.lock(key.hash());
        shard.write(key.text());
        // First, so that nobody takes what lies in Redis for good once the new value is here; and under the lock, so that other
        // nodes hear of what is written and taken out in the order in which that happens here.
        let stamping = self.tell_nodes_of_key(key);
        self.keep_written(key);
        self.keep_from_snapshot(key);
        let entry = self
            .value(
                key,
                value,
                &options.tags,
                ttl,
                self.ledger.position(),
                strategy.encryption(),
            )
            .ok_or(NotStored::NoRoom)?;
        self.put(key, key.hash(), &entry)?;
        let set = SetHere {
            entry,
            number: shard.begin_setting(key.text()),
            key: key.clone(),
            engine: Arc::clone(self),
        };
        Ok((set, stamping))
    }

    /// Lets a snapshot that is still to be read bring nothing under `key`: what it holds there was written over or taken out.
    fn keep_from_snapshot(&self, key: &Key) {
        if self.expects_snapshot() {
            let target = Target::Hash(key_target(key.namespace().target_seed(), key.text()));
            self.ledger.raise(false, &[target], &[], &[]);
        }
    }

    /// A value under `key`, in no tier yet.
    pub(crate) fn value(
        &self,
        key: &Key,
        value: &Bytes,
        tags: &[String],
        ttl: Duration,
        position: Position,
        confidential: bool,
    ) -> Option<Entry> {
        let chunks = [value.clone()];
        let body = if value.len() <= PACKED_MAX {
            BodyDraft::Packed(&chunks)
        } else {
            BodyDraft::Segments(segments(value))
        };
        let now = self.parts.clock.now();
        let draft = Draft::empty(Kind::Value, key, "", now, ttl);
        Entry::new(Draft {
            body,
            tags,
            position,
            load_start: Some(now),
            confidential,
            ..draft
        })
    }

    /// Takes the value named `name` out; whether one was there.
    pub fn delete(&self, namespace: &Arc<Namespace>, name: &str) -> bool {
        self.take_out(&Key::named(namespace, "", name)).0
    }

    /// Takes the value under `key` out; whether one was there, and what waits until Redis has heard of it, where there are
    /// other nodes. It is told to them whether somebody waits or not.
    pub(crate) fn take_out(&self, key: &Key) -> (bool, Option<Stamping>) {
        let mut shard = self.flights.lock(key.hash());
        shard.write(key.text());
        self.keep_from_snapshot(key);
        let stamping = self.tell_nodes_of_key(key);
        let was_there = self.take_out_here(key);
        drop(shard);
        self.tell_mirrors_of_key(key);
        (was_there, stamping)
    }

    /// The caller holds the lock of the key's place.
    fn take_out_here(&self, key: &Key) -> bool {
        let namespace = key.namespace();
        let tier = namespace.tier();
        let Some(entry) = tier.peek(key.hash()).filter(|entry| entry.key() == key.text()) else {
            return false;
        };
        if entry.kind() == Kind::Selector {
            // Its variants lie elsewhere; the ledger reaches them.
            self.ledger.raise(
                false,
                &[Target::Hash(key_target(namespace.target_seed(), key.text()))],
                &[],
                &[],
            );
        }
        tier.remove(key.hash(), &entry, Some(Eviction::Removed)) && entry.kind() != Kind::Selector
    }

    /// As [`Engine::get`] for several names, in their order.
    #[must_use]
    pub fn mget(self: &Arc<Self>, namespace: &Arc<Namespace>, names: &[String]) -> Vec<Option<Hit>> {
        names.iter().map(|name| self.get(namespace, name)).collect()
    }

    /// As [`Engine::set`] for several values; how many were stored.
    pub fn mset(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        values: Vec<(String, Bytes)>,
        options: &SetOptions,
    ) -> usize {
        values
            .into_iter()
            .filter(|(name, value)| self.set(namespace, name, value.clone(), options))
            .count()
    }

    /// Empties `namespace`, whatever its entries are: how many there were. Walks its tier; loads that are under way are not
    /// stored.
    pub fn clear(&self, namespace: &Arc<Namespace>) -> u64 {
        let request = Invalidation {
            namespaces: vec![namespace.name().to_owned()],
            ..Invalidation::default()
        };
        drop(self.tell_nodes(&request));
        self.ledger.raise(false, &[], &[namespace.scope()], &[]);
        self.tell_mirrors(&request, None);
        let (tier, mut cleared) = (namespace.tier(), 0);
        tier.iterate(&mut |hash, entry| {
            if entry.namespace() == namespace.id() && tier.remove(hash, entry, Some(Eviction::Removed)) {
                cleared += u64::from(matches!(entry.kind(), Kind::Value | Kind::Part));
            }
            true
        });
        cleared
    }

    /// What happened since the start, and what is held now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let (tenants, other_tenants) = self.directory.tenants().statistics(self.parts.clock.now());
        Statistics {
            tenants,
            other_tenants,
            ..self.statistics_without_tenants()
        }
    }

    /// What `tenant` holds and did, if it has an account of its own.
    #[must_use]
    pub fn statistics_of_tenant(&self, tenant: &str) -> Option<TenantStatistics> {
        self.directory.tenants().statistics_of(tenant, self.parts.clock.now())
    }

    /// As [`Engine::statistics`] without the tenants, of which there may be many: for who asks each second.
    #[must_use]
    pub fn statistics_without_tenants(&self) -> Statistics {
        let named = |namespace: &Arc<Namespace>| {
            let counted = namespace.counters().snapshot();
            (
                namespace.name().to_owned(),
                NamespaceStatistics {
                    memory_max: namespace.memory_max(),
                    ..counted
                },
            )
        };
        let registered = self.registered();
        let namespaces: BTreeMap<String, NamespaceStatistics> = registered.iter().map(named).collect();
        let (mut bytes, mut entries) = (0, 0);
        for usage in self.tiers().iter().map(|tier| tier.usage()) {
            (bytes, entries) = (bytes + usage.bytes, entries + usage.entries);
        }
        let total = NamespaceStatistics {
            bytes,
            entries,
            invalidations: self.invalidations.statistics(),
            ..Statistics::totals(&namespaces)
        };
        Statistics {
            tenants: BTreeMap::new(),
            other_tenants: TenantStatistics::default(),
            total,
            memory_max: self.budget.bounds().memory,
            in_flight_bytes: self.budget.in_flight(),
            loads_under_way: self.flights.count() as u64,
            targets: self.ledger.targets() as u64,
            patterns: registered.iter().map(|namespace| namespace.scope().globs()).sum(),
            routes: self.directory.route_statistics(),
            redis: self.redis.get().map(|tier| tier.statistics()),
            namespaces,
        }
    }
}
