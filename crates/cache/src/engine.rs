//! The engine: [`Engine::lookup`] tells what becomes of a question; the steps are in the files beside it.

use crate::backplane::Membership;
use crate::budget::Budget;
use crate::encoder::Encoder;
use crate::entry::Entry;
use crate::find::Found;
use crate::flight::{Flight, StreamHead};
use crate::follower::Follower;
use crate::hit::Hit;
use crate::invalidation::Invalidation;
use crate::key::{Key, TEXT_MAX};
use crate::keys::Keys;
use crate::lease::{Held, Lease};
use crate::ledger::Ledger;
use crate::lookup::{Ask, Lookup, Peek, Usable};
use crate::memory::MemoryTier;
use crate::namespace::Namespace;
use crate::outcome::{Bypass, MissReason, PassReason, StaleWhy};
use crate::redis::RedisTier;
use crate::strategy::Strategy;
use crate::sweeper::Sweeper;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, RwLock};
use crate::table::{Flights, Listed, Shard};
use crate::turnover::{Directory, Invalidations};
use crate::wheel::Wheel;
use peregrine_base::{Clock, Random, Runtime};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What the engine needs from outside.
#[derive(Clone)]
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spawning and sleeping.
    pub runtime: Arc<dyn Runtime>,
    /// Chance.
    pub random: Arc<dyn Random>,
}

/// Hears of every invalidation when it holds here. Must not wait, and not call the engine.
pub type Mirror = Arc<dyn Fn(&Invalidation) + Send + Sync>;

/// Which [`Mirror`] of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorId(u64);

/// Those who hear of invalidations: as many as there are programs that this one hands over to or takes over from.
#[derive(Default)]
pub(crate) struct Mirrors {
    listening: Vec<(MirrorId, Mirror)>,
    /// How many there ever were.
    count: u64,
}

impl Mirrors {
    pub(crate) fn add(&mut self, mirror: Mirror) -> MirrorId {
        let id = MirrorId(self.count);
        self.count += 1;
        self.listening.push((id, mirror));
        id
    }

    pub(crate) fn remove(&mut self, id: MirrorId) {
        self.listening.retain(|(one, _)| *one != id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listening.is_empty()
    }

    /// All of them, except the one that told of it.
    pub(crate) fn others(&self, by: Option<MirrorId>) -> Vec<Mirror> {
        let others = self.listening.iter().filter(|(id, _)| Some(*id) != by);
        others.map(|(_, mirror)| Arc::clone(mirror)).collect()
    }
}

/// The cache.
pub struct Engine {
    pub(crate) parts: Parts,
    pub(crate) limits: Limits,
    pub(crate) strategies: RwLock<BTreeMap<String, Arc<Strategy>>>,
    pub(crate) namespaces: RwLock<Vec<Registered>>,
    pub(crate) directory: Directory,
    pub(crate) shared: Arc<dyn MemoryTier>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) ledger: Ledger,
    /// What is known of other nodes, where there are any.
    pub(crate) membership: OnceLock<Membership>,
    pub(crate) flights: Flights,
    pub(crate) wheel: Wheel,
    pub(crate) sweeper: Sweeper,
    pub(crate) encoder: Encoder,
    pub(crate) seed: u64,
    pub(crate) receipts: AtomicU64,
    /// How many still may read a snapshot.
    pub(crate) expecting: AtomicUsize,
    /// Who else is told of invalidations.
    pub(crate) mirrors: RwLock<Mirrors>,
    /// Invalidations that held here.
    pub(crate) invalidations: Invalidations,
    /// What seals what leaves memory.
    pub(crate) keys: Arc<Keys>,
    /// Some entries were made before their strategy asked for encryption, and nobody knows which.
    pub(crate) seals_all: AtomicBool,
    /// The values that nodes share.
    pub(crate) redis: OnceLock<Arc<RedisTier>>,
}

/// What a reload changes and a request reads.
pub(crate) struct Limits {
    pub(crate) enabled: AtomicBool,
    pub(crate) object_size_max: AtomicU64,
    pub(crate) loads_max: AtomicUsize,
    pub(crate) redis_object_size_max: AtomicU64,
    pub(crate) reader_stall_max_ms: AtomicU64,
}

/// A namespace, and whether the configuration names it.
pub(crate) struct Registered {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) configured: bool,
}

impl Engine {
    /// What becomes of a question.
    ///
    /// 1. Look what lies under the key, and whether the invalidations since its load began and its deadlines let this asker
    ///    have it.
    /// 2. Fresh: here it is; near its end one asker renews it in the background.
    /// 3. Stale, and allowed: here it is, and one asker renews it in the background.
    /// 4. Other nodes may have invalidated it without this one having heard of it: the asker is to ask them first.
    /// 5. Otherwise there is one load for all: the first asker leads it, the others follow, and none joins a load that an
    ///    invalidation has overtaken.
    ///
    /// A fresh hit takes no lock beyond the tier's own, allocates nothing and reads two shared counters; with other nodes two
    /// more, and the clock. That of a tenant takes a shared lock for the tenant's account.
    pub fn lookup(self: &Arc<Self>, key: &Key, ask: &Ask<'_>) -> Lookup {
        if self.is_off(key) {
            return self.bypass(key, self.why_off(key));
        }
        let mut found = self.find(key, ask);
        if let Some((entry, usable)) = found.take_usable() {
            return self.serve(key, ask, entry, usable, &found);
        }
        if found.is_to_be_verified(ask) {
            return Lookup::Unverified;
        }
        if !ask.lead {
            self.count_missed(key, found.why());
            let why = Bypass::NotAllowed(found.why());
            return self.bypass(key, found.marker.map_or(why, Bypass::HitForMiss));
        }
        self.lead_or_follow(key, ask, found.why())
    }

    /// A lease that nobody else's load stands in the way of and nobody waits for: for an asker who met several loads in a row
    /// that it could not use.
    pub fn lead_alone(self: &Arc<Self>, key: &Key, ask: &Ask<'_>) -> Lease {
        let mut shard = self.flights.lock(key.hash());
        let found = self.find(key, ask);
        let why = found.why();
        self.lead(&mut shard, key, ask, found, why, true)
    }

    /// What lies under `key` and what a lookup would make of it. Counts nothing, changes nothing.
    pub fn peek(&self, key: &Key, ask: &Ask<'_>) -> Peek {
        let found = self.find_quietly(key, ask);
        let loading = self.flights.lock(key.hash()).slot(key.text()).is_some();
        let parts = match &found.entry {
            None => self.parts_at(key, found.variant.as_deref().unwrap_or_default(), found.hash),
            Some(_) => None,
        };
        Peek {
            parts: parts.map(Hit),
            hit: found.entry.map(Hit),
            usable: found.usable,
            selector: found.selector,
            marker: found.marker,
            loading,
        }
    }

    fn count_missed(&self, key: &Key, why: MissReason) {
        key.namespace().counters().missed(why);
        self.directory.tenants().missed(key.text());
    }

    /// Whether nothing is cached under `key`.
    #[inline]
    pub(crate) fn is_off(&self, key: &Key) -> bool {
        !self.limits.enabled.load(Ordering::Relaxed) || key.text().len() > TEXT_MAX
    }

    fn why_off(&self, key: &Key) -> Bypass {
        if key.text().len() > TEXT_MAX {
            Bypass::CrowdedOut
        } else {
            Bypass::Disabled
        }
    }

    fn bypass(&self, key: &Key, why: Bypass) -> Lookup {
        key.namespace().counters().bypassed.increment();
        Lookup::Bypass(why)
    }

    /// Hands out what was found.
    #[inline]
    fn serve(self: &Arc<Self>, key: &Key, ask: &Ask<'_>, entry: Entry, usable: Usable, found: &Found) -> Lookup {
        let counters = key.namespace().counters();
        self.count_served(key, &entry);
        match usable {
            Usable::Fresh => {
                counters.hits.increment();
                let due = self.refresh_ahead_due(&entry, ask);
                let refresh = due.then(|| self.renew(key, ask, &entry, found)).flatten();
                Lookup::Fresh {
                    hit: Hit(entry),
                    refresh,
                }
            }
            Usable::Stale(why) => {
                counters.stale_served(why);
                let over = why != StaleWhy::Unverified || entry.softened() || ask.now >= entry.fresh_until();
                let refresh = (ask.lead && over)
                    .then(|| self.renew(key, ask, &entry, found))
                    .flatten();
                Lookup::Stale {
                    hit: Hit(entry),
                    why,
                    refresh,
                }
            }
        }
    }

    /// Whether `entry` is past the strategy's share of its lifetime.
    pub(crate) fn refresh_ahead_due(&self, entry: &Entry, ask: &Ask<'_>) -> bool {
        let share = ask.strategy.refresh_ahead();
        share > 0.0 && ask.lead && entry.age(ask.now) >= entry.lifetime().mul_f64(share)
    }

    /// The lease to renew what was found, unless somebody has it.
    fn renew(self: &Arc<Self>, key: &Key, ask: &Ask<'_>, entry: &Entry, found: &Found) -> Option<Lease> {
        if !entry.renewal_due(ask.now) {
            return None;
        }
        let mut shard = self.flights.lock(key.hash());
        // Somebody may have begun, or stored a newer one, since the look.
        let mut found = found.clone();
        found.variant = found.selector.as_ref().map(|_| entry.variant().to_owned());
        found.entry = Some(entry.clone());
        let current = key
            .namespace()
            .tier()
            .peek(found.hash)
            .is_some_and(|there| there.same(entry));
        if !current || !entry.renewal_due(ask.now) || self.joinable(&mut shard, key, ask, &found).is_some() {
            return None;
        }
        if self.flights.count() >= self.limits.loads_max.load(Ordering::Relaxed) {
            return None;
        }
        entry.renewing();
        key.namespace().counters().refreshes.increment();
        Some(self.lead(&mut shard, key, ask, found, MissReason::Expired, false))
    }

    /// One load for all who miss.
    fn lead_or_follow(self: &Arc<Self>, key: &Key, ask: &Ask<'_>, missed: MissReason) -> Lookup {
        let mut shard = self.flights.lock(key.hash());
        // A leader stores its value and leaves the table in one step under this lock, so what the first look missed and what
        // is not under way any more is found now.
        let mut found = self.find(key, ask);
        if let Some((entry, usable)) = found.take_usable() {
            drop(shard);
            return self.serve(key, ask, entry, usable, &found);
        }
        if found.is_to_be_verified(ask) {
            return Lookup::Unverified;
        }
        // What the first look found gone is simply not there any more.
        let why = match (missed, found.why()) {
            (MissReason::Invalidated, MissReason::Variant) | (_, MissReason::Absent) => missed,
            (_, why) => why,
        };
        self.count_missed(key, why);
        // That the whole is too large to be kept says nothing about a part of it.
        let is_about_size = |why| matches!(why, PassReason::TooLarge | PassReason::Partial);
        let marked = found
            .marker
            .is_some_and(|why| ask.part.is_none() || !is_about_size(why));
        // Where everybody needs an answer of his own, nobody is to wait for another's.
        let alone = marked || why == MissReason::Validation || brings_own(&mut shard, key);
        if !alone
            && let Some(flight) = self.joinable(&mut shard, key, ask, &found)
            && let Some(seat) = flight.take_seat()
        {
            drop(shard);
            return Lookup::Follow(Follower::new(
                Arc::clone(self),
                key.clone(),
                flight,
                seat,
                found.entry.map(Hit),
                why,
                ask.terms(),
            ));
        }
        if self.flights.count() >= self.limits.loads_max.load(Ordering::Relaxed) {
            drop(shard);
            return self.bypass(key, Bypass::CrowdedOut);
        }
        Lookup::Lead(self.lead(&mut shard, key, ask, found, why, alone))
    }

    /// A load under way that will do for this asker: of its variant, and begun after every invalidation that could reach it.
    /// Those of them that were overtaken are closed to everybody.
    fn joinable(&self, shard: &mut Shard, key: &Key, ask: &Ask<'_>, found: &Found) -> Option<Arc<Flight>> {
        let slot = shard.slot(key.text())?;
        let mut variant = found.variant.clone();
        if let Some(selector) = slot
            .selector
            .as_ref()
            .filter(|selector| Some(*selector) != found.selector.as_ref())
        {
            let mut text = String::new();
            ask.variants.variant(selector, &mut text);
            variant = Some(text);
        }
        // The whole will do for everybody, a part for those who ask for the same.
        let brings = |listed: &Listed| {
            let is_variant = listed.variant.is_none() || variant.is_none() || listed.variant == variant;
            is_variant
                && match &listed.part {
                    None => true,
                    Some(text) => ask.part.is_some_and(|part| part.text == &**text),
                }
        };
        for listed in slot
            .listed
            .iter_mut()
            .filter(|listed| listed.joinable && brings(listed))
        {
            let head = listed.flight.head();
            let is_late = |head: &StreamHead| head.arrived < ask.arrived && !head.will_do(ask);
            if self.is_overtaken(key, &listed.flight) {
                listed.joinable = false;
            } else if head.as_deref().is_some_and(is_late) {
                // It was there before this asker, who may not have what is as old.
            } else {
                return Some(Arc::clone(&listed.flight));
            }
        }
        None
    }

    /// Whether an invalidation reached what `flight` loads, as far as is known of it.
    fn is_overtaken(&self, key: &Key, flight: &Flight) -> bool {
        let head = flight.head();
        let tags = head.as_ref().map_or(&[][..], |head| &head.tags);
        self.reached(key, tags, flight.position)
    }

    /// Begins a load.
    fn lead(
        self: &Arc<Self>,
        shard: &mut Shard,
        key: &Key,
        ask: &Ask<'_>,
        found: Found,
        why: MissReason,
        alone: bool,
    ) -> Lease {
        // Before the load begins: what is invalidated from then on overtakes it. Where something is there that may only have
        // to be confirmed, from before the look, or a renewal could carry it past an invalidation.
        let position = self.position_of_load(key, found.entry.is_some().then_some(found.position));
        let parts = match (&found.entry, ask.part) {
            (None, None) => self.parts_at(key, found.variant.as_deref().unwrap_or_default(), found.hash),
            _ => None,
        };
        let flight = Arc::new(Flight::new(position, ask.now));
        let listed = Listed {
            variant: found.variant.clone(),
            joinable: !alone,
            part: ask.part.map(|part| part.text.into()),
            flight: Arc::clone(&flight),
        };
        self.flights.list(shard, key.text(), listed);
        Lease::new(Held {
            engine: Arc::clone(self),
            flight,
            key: key.clone(),
            variant: found.variant,
            strategy: Arc::clone(ask.strategy),
            stale: found.entry.map(Hit),
            parts: parts.map(Hit),
            why,
            alone,
            terms: ask.terms(),
            cluster: None,
        })
    }

    /// How long a reader of a body that is not stored may hold up the others.
    pub(crate) fn reader_stall_max(&self) -> Duration {
        Duration::from_millis(self.limits.reader_stall_max_ms.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("loads_under_way", &self.flights.count())
            .finish_non_exhaustive()
    }
}

/// Whether a load is under way whose answer is for its asker only.
fn brings_own(shard: &mut Shard, key: &Key) -> bool {
    shard
        .slot(key.text())
        .is_some_and(|slot| slot.listed.iter().any(|listed| listed.flight.is_own()))
}
