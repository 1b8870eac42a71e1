//! What each tenant holds and did on this node, and how much it may hold.
//!
//! Guarantees: what a tenant holds is counted exactly, in bytes as the memory tiers weigh entries and in entries. Past a quota
//! the tenant's own entries leave, the oldest first but for those that were asked for again; nobody else's do. At most
//! `tenants.tracked_max` tenants have an account of their own at a time; all others share one, with the quota of one.
//!
//! A tenant's name comes from requests, so accounts are made sparingly: once there is no more room, only for who stores
//! something, in the place of one who holds nothing. While others hold something under the shared account nobody gets an own one, so that no entry is counted in
//! one and taken out of another.

use crate::entry::Entry;
use crate::key::tenant_of;
use crate::outcome::Eviction;
use crate::statistics::Tally;
use crate::sync::{AtomicBool, Mutex, Ordering, RwLock};
use crate::turnover::{InvalidationStatistics, Turnover};
use peregrine_base::{ByteSize, Instant};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use utoipa::ToSchema;

/// How many entries that were asked for again are spared while room is made for one.
const SPARED_MAX: usize = 8;
/// How many notes there may be beside one for each entry, before those of entries that are gone are taken out.
const STALE_NOTES_MAX: usize = 1024;
/// The most values in Redis that are remembered of a tenant with a quota of bytes alone, which takes some 100 MB.
const REDIS_ENTRIES_MAX: u64 = 1_000_000;
/// How often those who write to Redis look for a tenant who holds nothing any more, where there are too many.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much a tenant may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantQuota {
    /// Bytes in memory.
    pub memory_max: Option<ByteSize>,
    /// Entries in memory.
    pub entries_max: Option<u64>,
    /// Bytes in Redis, written by this node.
    pub redis_max: Option<ByteSize>,
    /// Values in Redis, written by this node.
    pub redis_entries_max: Option<u64>,
}

impl TenantQuota {
    /// Whether it bounds anything in Redis.
    const fn is_for_redis(&self) -> bool {
        self.redis_max.is_some() || self.redis_entries_max.is_some()
    }
}

/// What `[tenants]` says of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantQuotas {
    /// Bytes in memory, for each.
    pub memory_max: Option<ByteSize>,
    /// Entries in memory, for each.
    pub entries_max: Option<u64>,
    /// Bytes in Redis, written by this node, for each.
    pub redis_max: Option<ByteSize>,
    /// Values in Redis, written by this node, for each.
    pub redis_entries_max: Option<u64>,
    /// How many have an account of their own.
    pub tracked_max: u32,
}

impl Default for TenantQuotas {
    /// The defaults of [`crate::TENANT_PARAMETERS`], for callers without a configuration file.
    fn default() -> Self {
        Self {
            memory_max: None,
            entries_max: None,
            redis_max: None,
            redis_entries_max: None,
            tracked_max: 1000,
        }
    }
}

impl TenantQuotas {
    /// Those of the tenant for whom `own` is set.
    fn of(&self, own: Option<&TenantQuota>) -> TenantQuota {
        let own = own.copied().unwrap_or_default();
        TenantQuota {
            memory_max: own.memory_max.or(self.memory_max),
            entries_max: own.entries_max.or(self.entries_max),
            redis_max: own.redis_max.or(self.redis_max),
            redis_entries_max: own.redis_entries_max.or(self.redis_entries_max),
        }
    }
}

/// What a tenant holds on this node and did since it has an account here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TenantStatistics {
    /// Answers from the cache, be they from memory or from Redis.
    pub hits: u64,
    /// Lookups that found nothing in memory that could be served at once; one that Redis answers is a hit as well.
    pub misses: u64,
    /// Bytes that its entries occupy in memory.
    pub bytes: u64,
    /// Its entries in memory, with markers and selectors.
    pub entries: u64,
    /// Entries that left memory, by cause.
    pub evictions_by_cause: BTreeMap<&'static str, u64>,
    /// Invalidations that were limited to it, those of its writes among them, or reached some of its entries, where that was counted for a receipt.
    pub invalidations: InvalidationStatistics,
    /// Bodies that are larger than all that it may hold.
    pub refused: u64,
    /// Bytes of its values in Redis that this node wrote and that have not ended.
    pub redis_bytes: u64,
    /// How many values those are.
    pub redis_entries: u64,
    /// Values that were not written to Redis, for its quota there.
    pub redis_refused: u64,
    /// The most bytes in memory.
    pub memory_max: Option<u64>,
    /// The most entries in memory.
    pub entries_max: Option<u64>,
    /// The most bytes in Redis.
    pub redis_max: Option<u64>,
    /// The most values in Redis.
    pub redis_entries_max: Option<u64>,
}

/// The accounts of an engine's tenants.
pub(crate) struct Tenants {
    table: RwLock<Table>,
    /// Of all who have none of their own.
    others: Arc<Account>,
    /// Whether there ever was any.
    any: AtomicBool,
    /// Whether any tenant has a quota in memory, and in Redis.
    limits_memory: AtomicBool,
    limits_redis: AtomicBool,
    /// When a value was written to Redis last, in nanoseconds: by then what is remembered of earlier ones may be over.
    latest: AtomicU64,
}

struct Table {
    accounts: HashMap<Box<str>, Arc<Account>>,
    quotas: TenantQuotas,
    named: BTreeMap<String, TenantQuota>,
    /// Until when nobody looks again for one who holds nothing.
    full_until: Instant,
}

/// What one tenant, or all who share this, hold and did.
#[derive(Default)]
pub(crate) struct Account {
    hits: Tally,
    misses: Tally,
    turnover: Turnover,
    refused: Tally,
    redis_refused: Tally,
    bytes: AtomicU64,
    entries: AtomicU64,
    quota: Mutex<TenantQuota>,
    /// Where its entries are, in the order in which they came; only where there is a quota.
    notes: Mutex<VecDeque<Note>>,
    redis: Mutex<Written>,
}

/// Where an entry is.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    pub(crate) namespace: u16,
    pub(crate) hash: u64,
    /// How often it had been asked for when it was looked at last.
    pub(crate) hits: u32,
}

/// What was written to Redis, and until when it lies there.
#[derive(Default)]
struct Written {
    values: HashMap<u128, (Instant, u64)>,
    by_end: BTreeSet<(Instant, u128)>,
    bytes: u64,
}

impl Tenants {
    pub(crate) fn new() -> Self {
        Self {
            table: RwLock::new(Table {
                accounts: HashMap::new(),
                quotas: TenantQuotas::default(),
                named: BTreeMap::new(),
                full_until: Instant::ZERO,
            }),
            others: Arc::new(Account::default()),
            any: AtomicBool::new(false),
            limits_memory: AtomicBool::new(false),
            limits_redis: AtomicBool::new(false),
            latest: AtomicU64::new(0),
        }
    }

    /// From now on these are the quotas; whether those in memory are others than before.
    pub(crate) fn configure(&self, quotas: TenantQuotas, named: &BTreeMap<String, TenantQuota>) -> bool {
        let mut table = self.table.write();
        let changed = table.quotas != quotas || table.named != *named;
        table.quotas = quotas;
        table.named.clone_from(named);
        for (tenant, account) in &table.accounts {
            let quota = quotas.of(named.get(&**tenant));
            *account.quota.lock() = quota;
            if !quota.is_for_redis() {
                *account.redis.lock() = Written::default();
            }
        }
        *self.others.quota.lock() = quotas.of(None);
        let all = || named.values().copied().chain([quotas.of(None)]);
        let in_memory = all().any(|quota| quota.memory_max.is_some() || quota.entries_max.is_some());
        self.limits_memory.store(in_memory, Ordering::Relaxed);
        let in_redis = all().any(|quota| quota.is_for_redis());
        self.limits_redis.store(in_redis, Ordering::Relaxed);
        changed
    }

    /// `entry` is about to enter a tier.
    pub(crate) fn entered(&self, entry: &Entry) {
        let tenant = tenant_of(entry.key());
        if tenant.is_empty() {
            return;
        }
        {
            let table = self.table.read();
            if let Some(account) = table.accounts.get(tenant) {
                return account.entered(entry.weight());
            }
        }
        let mut table = self.table.write();
        self.own_or_shared(&mut table, tenant).entered(entry.weight());
    }

    /// `entry` is in no tier any more, or did not enter it after all; `why`, unless it only moves.
    pub(crate) fn left(&self, entry: &Entry, why: Option<Eviction>) {
        let tenant = tenant_of(entry.key());
        if tenant.is_empty() {
            return;
        }
        // Held while it is taken out, so that the account is not given away meanwhile.
        let table = self.table.read();
        let account = table.accounts.get(tenant).unwrap_or(&self.others);
        account.bytes.fetch_sub(entry.weight(), Ordering::Relaxed);
        account.entries.fetch_sub(1, Ordering::Relaxed);
        if let Some(why) = why {
            account.turnover.evicted(why);
        }
    }

    /// The account of `tenant`, made where it has none and there is room.
    fn own_or_shared<'a>(&'a self, table: &'a mut Table, tenant: &str) -> &'a Arc<Account> {
        self.any.store(true, Ordering::Relaxed);
        let (room, now) = (table.room(), Instant::from_nanos(self.latest.load(Ordering::Relaxed)));
        let shared = self.others.entries.load(Ordering::Relaxed) > 0;
        if !shared && !table.accounts.contains_key(tenant) {
            let is_full = table.accounts.len() >= room;
            if is_full && now >= table.full_until {
                let idle = table.accounts.iter().find(|(_, account)| account.is_empty(now));
                if let Some(idle) = idle.map(|(name, _)| name.clone()) {
                    table.accounts.remove(&idle);
                } else if now > Instant::ZERO {
                    table.full_until = now.after(LOOK_EVERY);
                }
            }
            if table.accounts.len() < room {
                let account = Account::default();
                *account.quota.lock() = table.quotas.of(table.named.get(tenant));
                table.accounts.insert(tenant.into(), Arc::new(account));
            }
        }
        table.accounts.get(tenant).unwrap_or(&self.others)
    }

    /// A tenant was answered from the cache.
    #[inline]
    pub(crate) fn hit(&self, key: &str) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let tenant = tenant_of(key);
        if !tenant.is_empty() {
            let table = self.table.read();
            table.accounts.get(tenant).unwrap_or(&self.others).hits.increment();
        }
    }

    /// A tenant's lookup found nothing in memory.
    pub(crate) fn missed(&self, key: &str) {
        let tenant = tenant_of(key);
        if tenant.is_empty() {
            return;
        }
        {
            let table = self.table.read();
            let known = table.accounts.get(tenant);
            // Only who stores something takes the place of another.
            if known.is_some() || table.accounts.len() >= table.room() {
                return known.unwrap_or(&self.others).misses.increment();
            }
        }
        let mut table = self.table.write();
        self.own_or_shared(&mut table, tenant).misses.increment();
    }

    /// Shows `visit` the account in which what `tenant` does is counted, under a lock.
    pub(crate) fn with_account<T>(&self, tenant: &str, visit: impl FnOnce(&Arc<Account>) -> T) -> T {
        let table = self.table.read();
        visit(table.accounts.get(tenant).unwrap_or(&self.others))
    }

    /// The account of `tenant`, who is about to store something.
    fn of_storing(&self, tenant: &str) -> Arc<Account> {
        let known = self.table.read().accounts.get(tenant).map(Arc::clone);
        known.unwrap_or_else(|| Arc::clone(self.own_or_shared(&mut self.table.write(), tenant)))
    }

    /// The account of `tenant`, where it has a quota in memory.
    pub(crate) fn limited(&self, tenant: &str) -> Option<Arc<Account>> {
        if tenant.is_empty() || !self.limits_memory.load(Ordering::Relaxed) {
            return None;
        }
        let account = self.of_storing(tenant);
        let quota = *account.quota.lock();
        (quota.memory_max.is_some() || quota.entries_max.is_some()).then_some(account)
    }

    /// Whether the node may write `bytes` to Redis for the owner of `key`, under `name`, where they end at `end`; counted if so.
    pub(crate) fn write(&self, key: &str, name: u128, bytes: u64, (now, end): (Instant, Instant)) -> bool {
        let tenant = tenant_of(key);
        if tenant.is_empty() || !self.limits_redis.load(Ordering::Relaxed) {
            return true;
        }
        self.latest.fetch_max(now.as_nanos(), Ordering::Relaxed);
        let account = self.of_storing(tenant);
        let quota = *account.quota.lock();
        // What nothing bounds is not remembered either.
        if !quota.is_for_redis() {
            return true;
        }
        let granted = account.redis.lock().take(name, bytes, &quota, (now, end));
        if !granted {
            account.redis_refused.increment();
        }
        granted
    }

    /// Whether `entry` is counted in `account`.
    pub(crate) fn is_same(&self, account: &Arc<Account>, entry: &Entry) -> bool {
        let table = self.table.read();
        let theirs = table.accounts.get(tenant_of(entry.key())).unwrap_or(&self.others);
        Arc::ptr_eq(theirs, account)
    }

    /// Every account by its tenant, and what all others share.
    pub(crate) fn statistics(&self, now: Instant) -> (BTreeMap<String, TenantStatistics>, TenantStatistics) {
        // Not under the lock: there may be many, and whoever lets an entry in or out waits for it.
        let known: Vec<(String, Arc<Account>)> = {
            let table = self.table.read();
            let accounts = table.accounts.iter();
            accounts
                .map(|(tenant, account)| (tenant.to_string(), Arc::clone(account)))
                .collect()
        };
        let named = known
            .into_iter()
            .map(|(tenant, account)| (tenant, account.statistics(now)));
        (named.collect(), self.others.statistics(now))
    }

    /// The account of `tenant`, if it has one of its own.
    pub(crate) fn statistics_of(&self, tenant: &str, now: Instant) -> Option<TenantStatistics> {
        let account = self.table.read().accounts.get(tenant).map(Arc::clone)?;
        Some(account.statistics(now))
    }

    /// Forgets where entries are, because they are about to be noted anew.
    pub(crate) fn forget_notes(&self) {
        // Not under the lock: who holds the notes of one may wait for others.
        for account in self.all() {
            account.notes.lock().clear();
        }
    }

    /// All accounts.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        let table = self.table.read();
        table.accounts.values().chain([&self.others]).map(Arc::clone).collect()
    }
}

impl Table {
    /// How many accounts there may be.
    fn room(&self) -> usize {
        usize::try_from(self.quotas.tracked_max).unwrap_or(usize::MAX)
    }
}

impl Account {
    fn entered(&self, weight: u64) {
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    fn is_empty(&self, now: Instant) -> bool {
        let lies_in_redis = || {
            let mut redis = self.redis.lock();
            redis.end(now);
            !redis.values.is_empty()
        };
        self.entries.load(Ordering::Relaxed) == 0 && !lies_in_redis()
    }

    /// Whether an entry of `weight` may be held at all; counted where not.
    pub(crate) fn takes(&self, weight: u64) -> bool {
        let takes = self.quota.lock().memory_max.is_none_or(|most| weight <= most.as_u64());
        if !takes {
            self.refused.increment();
        }
        takes
    }

    /// Whether it holds more than it may.
    pub(crate) fn is_over(&self) -> bool {
        let quota = *self.quota.lock();
        let (bytes, entries) = (self.bytes.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed));
        quota.memory_max.is_some_and(|most| bytes > most.as_u64())
            || quota.entries_max.is_some_and(|most| entries > most)
    }

    /// Whether one more entry of `weight` keeps it below its quota.
    pub(crate) fn has_room(&self, weight: u64) -> bool {
        let quota = *self.quota.lock();
        let (bytes, entries) = (self.bytes.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed));
        quota.memory_max.is_none_or(|most| bytes + weight <= most.as_u64())
            && quota.entries_max.is_none_or(|most| entries < most)
    }

    /// Notes where an entry is; whether there are many notes of entries that are gone.
    pub(crate) fn note(&self, note: Note) -> bool {
        let mut notes = self.notes.lock();
        notes.push_back(note);
        let entries = usize::try_from(self.entries.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        notes.len() > entries.saturating_mul(2).saturating_add(STALE_NOTES_MAX)
    }

    /// The oldest entry.
    pub(crate) fn oldest(&self) -> Option<Note> {
        self.notes.lock().pop_front()
    }

    /// Keeps the last note of each entry that `is_there`.
    pub(crate) fn tidy(&self, is_there: impl Fn(&Note) -> bool) {
        let mut known = std::collections::HashSet::new();
        let mut notes = self.notes.lock();
        let mut kept: VecDeque<Note> = VecDeque::with_capacity(notes.len() / 2);
        while let Some(note) = notes.pop_back() {
            if known.insert((note.namespace, note.hash)) && is_there(&note) {
                kept.push_front(note);
            }
        }
        *notes = kept;
    }

    pub(crate) const fn turnover(&self) -> &Turnover {
        &self.turnover
    }

    fn statistics(&self, now: Instant) -> TenantStatistics {
        let quota = *self.quota.lock();
        let mut redis = self.redis.lock();
        redis.end(now);
        TenantStatistics {
            hits: self.hits.value(),
            misses: self.misses.value(),
            bytes: self.bytes.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            evictions_by_cause: self.turnover.evictions_by_cause(),
            invalidations: self.turnover.invalidations.statistics(),
            refused: self.refused.value(),
            redis_bytes: redis.bytes,
            redis_entries: redis.values.len() as u64,
            redis_refused: self.redis_refused.value(),
            memory_max: quota.memory_max.map(ByteSize::as_u64),
            entries_max: quota.entries_max,
            redis_max: quota.redis_max.map(ByteSize::as_u64),
            redis_entries_max: quota.redis_entries_max,
        }
    }
}

impl Written {
    /// Takes what ended out of the account.
    fn end(&mut self, now: Instant) {
        while let Some((end, name)) = self.by_end.first().copied().filter(|(end, _)| *end <= now) {
            self.by_end.remove(&(end, name));
            if let Some((_, bytes)) = self.values.remove(&name) {
                self.bytes -= bytes;
            }
        }
    }

    /// Counts a value in the place of what had its name; not where that is more than `quota`.
    fn take(&mut self, name: u128, bytes: u64, quota: &TenantQuota, (now, end): (Instant, Instant)) -> bool {
        self.end(now);
        let before = self.values.get(&name).copied();
        let without = self.bytes - before.map_or(0, |(_, bytes)| bytes);
        let values = self.values.len() as u64 + u64::from(before.is_none());
        let too_large = quota
            .redis_max
            .is_some_and(|most| without.saturating_add(bytes) > most.as_u64());
        if too_large || values > quota.redis_entries_max.unwrap_or(REDIS_ENTRIES_MAX) {
            return false;
        }
        if let Some((end, _)) = before {
            self.by_end.remove(&(end, name));
        }
        self.bytes = without + bytes;
        self.values.insert(name, (end, bytes));
        self.by_end.insert((end, name));
        true
    }
}

impl crate::engine::Engine {
    /// Puts back below its quota who holds more than that after `newest` came.
    pub(crate) fn keep_to_quota(&self, account: &Arc<Account>, newest: u64) {
        let mut spared = 0;
        while account.is_over() {
            let Some(note) = account.oldest() else { return };
            let Some(namespace) = self
                .namespaces
                .read()
                .get(usize::from(note.namespace))
                .map(|one| Arc::clone(&one.namespace))
            else {
                continue;
            };
            let Some(entry) = namespace.tier().peek(note.hash) else {
                continue;
            };
            if !self.directory.tenants().is_same(account, &entry) {
                continue;
            }
            let wanted = entry.hits() > note.hits || note.hash == newest;
            if wanted && spared < SPARED_MAX {
                spared += 1;
                account.note(Note {
                    hits: entry.hits(),
                    ..note
                });
            } else {
                namespace.tier().remove(note.hash, &entry, Some(Eviction::Quota));
            }
        }
    }

    /// Takes out the notes of entries that are gone.
    pub(crate) fn tidy_notes(&self, account: &Account) {
        let namespaces = self.registered();
        account.tidy(|note| {
            let namespace = namespaces.get(usize::from(note.namespace));
            namespace.is_some_and(|namespace| namespace.tier().peek(note.hash).is_some())
        });
    }

    /// Lets new quotas hold for what is there already.
    pub(crate) fn apply_quotas(&self) {
        let tenants = self.directory.tenants();
        tenants.forget_notes();
        for tier in self.tiers() {
            tier.iterate(&mut |hash, entry| {
                if let Some(account) = tenants.limited(tenant_of(entry.key())) {
                    account.note(Note {
                        namespace: entry.namespace(),
                        hash,
                        hits: entry.hits(),
                    });
                }
                true
            });
        }
        for account in tenants.all() {
            self.keep_to_quota(&account, 0);
        }
    }
}
