//! Recall: the leader of a load asks Redis before the origin. A good value is put into memory and answers everybody who waits;
//! one that is stale serves for its validators, or in place of a failure. Where there is none, the leader asks for the lease of
//! all nodes: whoever has it loads, the others look again every few milliseconds whether its value is there. A leader that is
//! gone stops extending its lease, which lapses, and one of those who wait takes it.
//!
//! Nothing here can make a load fail or wait without a limit: when Redis is away or slow, the load goes to the origin without.

use super::counters::{RedisLease, RedisMiss};
use super::envelope::Front;
use super::lease::ClusterLease;
use super::names::Name;
use super::tier::{Acquired, Read, RedisTier, beginning};
use crate::backplane::scripts::TARGETS_KEPT;
use crate::backplane::{NotGood, Stamp, ValueStanding};
use crate::config::Tier;
use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::find::usable;
use crate::flight::Closed;
use crate::hit::Hit;
use crate::key::Key;
use crate::lease::{Held, Lease};
use crate::ledger::{Position, Standing};
use crate::lookup::{Meta, Usable};
use crate::outcome::MissReason;
use crate::selector::{Selector, Variants};
use crate::strategy::Strategy;
use bytes::Bytes;
use peregrine_base::Instant;
use peregrine_store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// A load waits for that of another node for so many lives of a lease. Longer than most loads take, and shorter than people
/// wait.
const WAIT_LEASES: u32 = 4;
/// How long before it looks again, first and at most. One look costs Redis a few microseconds.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How often what lies there may turn out to be something else before the load goes on without.
const LOOKS_MAX: usize = 8;

/// What came of asking Redis.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Recalled {
    /// Redis had it, and it is good on the leader's terms. It is in memory, where the strategy keeps anything there, and
    /// those who waited have it.
    Found(Hit),
    /// Redis had it, stale, within a window in which it may be served while it is renewed. It is in memory, and those who
    /// waited look again, as the leader should: one of them renews it.
    Again(Hit),
    /// Redis has nothing that may be served: the leader loads. [`Lease::stale`] may be there now.
    Load(Lease),
}

impl Lease {
    /// Asks Redis for what is to be loaded, and for the lease of all nodes. To be called before the origin is asked. Where there
    /// is no Redis, or the strategy does not keep anything there, this is over at once.
    pub async fn recall(self, variants: &dyn Variants) -> Recalled {
        let held = self.held();
        let tier = held.engine.redis_tier(&held.strategy).cloned();
        match tier {
            Some(tier) if !held.alone => {
                let recalling = Recalling {
                    variant: held.variant.clone(),
                    began: held.engine.parts.clock.now(),
                    tier,
                    lease: self,
                    variants,
                };
                Box::pin(recalling.run()).await
            }
            _ => Recalled::Load(self),
        }
    }
}

struct Recalling<'a> {
    tier: Arc<RedisTier>,
    lease: Lease,
    variants: &'a dyn Variants,
    /// The variant that is looked for, where it is known that there are any.
    variant: Option<String>,
    began: Instant,
}

/// What is made of a value in Redis.
enum Considered {
    /// It answers.
    Found(Hit),
    /// It answers while it is renewed.
    Again(Hit),
    /// There are variants: look for the right one.
    Elsewhere,
    /// It does not answer.
    Useless,
}

/// A value from Redis as an entry of this node.
pub(super) struct Judged {
    pub(super) entry: Entry,
    /// Whether a soft invalidation reached it.
    pub(super) softened: bool,
    /// It may only be validated.
    pub(super) doubtful: bool,
}

impl Recalling<'_> {
    async fn run(mut self) -> Recalled {
        let mut seen = Bytes::new();
        let mut waited = false;
        let mut found = self.get().await;
        for _ in 0..LOOKS_MAX {
            match found {
                Err(_) => return self.without(RedisMiss::Away, RedisLease::Away),
                Ok(Some(bytes)) => match self.consider(&bytes).await {
                    Considered::Found(hit) => {
                        if waited {
                            self.tier.counters.leased(RedisLease::Waited);
                        }
                        return Recalled::Found(hit);
                    }
                    Considered::Again(hit) => return Recalled::Again(hit),
                    Considered::Elsewhere => {
                        seen = Bytes::new();
                        found = self.get().await;
                        continue;
                    }
                    Considered::Useless => seen = beginning(&bytes),
                },
                Ok(None) if !waited => self.tier.counters.missed(RedisMiss::Absent),
                Ok(None) => {}
            }
            if !self.shares() {
                return Recalled::Load(self.lease);
            }
            match self.acquire(&seen).await {
                Ok(Some(value)) => {
                    waited = true;
                    found = Ok(Some(value));
                }
                Ok(None) => return Recalled::Load(self.lease),
                Err(how) => {
                    self.tier.counters.leased(how);
                    return Recalled::Load(self.lease);
                }
            }
        }
        Recalled::Load(self.lease)
    }

    fn without(self, why: RedisMiss, how: RedisLease) -> Recalled {
        self.tier.counters.missed(why);
        self.tier.counters.leased(how);
        Recalled::Load(self.lease)
    }

    async fn get(&self) -> Result<Option<Bytes>, StoreError> {
        self.tier.get(self.name(), &self.lease.held().strategy).await
    }

    fn name(&self) -> Name {
        Name::of(self.lease.held().key.text(), self.variant.as_deref())
    }

    /// Whether another's load would do. One that began before this asker came is no answer to who wants the origin's word,
    /// and a part of a value is not written to Redis.
    fn shares(&self) -> bool {
        let terms = &self.lease.held().terms;
        !terms.validate && !terms.is_part
    }

    /// Waits for the lease or for a value: the value, or nothing where the load now has the lease.
    async fn acquire(&mut self, seen: &[u8]) -> Result<Option<Bytes>, RedisLease> {
        let (runtime, clock) = (&self.tier.parts.runtime, &self.tier.parts.clock);
        let random = &self.tier.parts.random;
        let token = format!("{:016x}{:016x}", random.next_u64(), random.next_u64());
        let name = self.name();
        let wait_max = self.tier.config.lease * WAIT_LEASES;
        let limit = self.lease.held().strategy.load_hard_limit().min(wait_max);
        let mut pause = PAUSE_MIN;
        loop {
            let acquired = self.tier.acquire(name, &token, seen).await;
            let is_unknown = acquired.as_ref().is_err_and(StoreError::maybe_executed);
            if is_unknown || matches!(acquired, Ok(Acquired::Taken)) {
                // One that was taken and not heard of would stand in everybody's way until it lapses.
                self.lease.held_mut().cluster = Some(ClusterLease::keep(&self.tier, name, token.clone()));
            }
            match acquired.map_err(|_| RedisLease::Away)? {
                Acquired::Taken => {
                    self.tier.counters.leased(RedisLease::Taken);
                    return Ok(None);
                }
                Acquired::Value(value) => return Ok(Some(value)),
                Acquired::Passed => return Err(RedisLease::Passed),
                Acquired::Held if clock.now().since(self.began) >= limit => return Err(RedisLease::TimedOut),
                Acquired::Held => {
                    // Spread, or all who wait ask at the same moments.
                    runtime.sleep(pause.mul_f64(0.5 + random.next_unit())).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn consider(&mut self, bytes: &Bytes) -> Considered {
        let held = self.lease.held();
        let read = self.tier.read(self.name(), bytes, &held.key, &held.strategy).await;
        let read = match read {
            Ok(read) => read,
            Err(why) => return self.useless(why),
        };
        if read.is_selector() {
            return self.consider_names(&read);
        }
        if read.payload.variant != self.variant.as_deref().unwrap_or_default() {
            return self.useless(RedisMiss::OtherKey);
        }
        match held.engine.judge(&self.tier, &held.key, &read, &mut false).await {
            Ok(judged) => self.settle(&read, judged),
            Err(why) => self.useless(why),
        }
    }

    fn useless(&self, why: RedisMiss) -> Considered {
        self.tier.counters.missed(why);
        Considered::Useless
    }

    /// The answers under the key differ: which one is this asker's?
    fn consider_names(&mut self, read: &Read) -> Considered {
        let names = Selector::from_text(&read.payload.selector);
        if self.variant.is_some() || !names.fits() {
            return self.useless(RedisMiss::Damaged);
        }
        let mut text = String::new();
        self.variants.variant(&names, &mut text);
        self.variant = Some(text);
        Considered::Elsewhere
    }

    /// Puts a value into memory and gives it to those who wait, where it does on the leader's terms; else keeps it at hand.
    fn settle(&mut self, read: &Read, judged: Judged) -> Considered {
        let held = self.lease.held();
        let now = self.tier.parts.clock.now();
        let hit = Hit(judged.entry);
        let usable = match judged.doubtful {
            true => Err(MissReason::Invalidated),
            false => usable(&hit.0, judged.softened, &held.terms.ask(now, &held.strategy)),
        };
        let usable = usable
            .ok()
            .filter(|usable| held.stale.is_none() || is_newer(held, &hit, *usable, now));
        let stale_serves = held.strategy.keeps_in(Tier::Memory) && held.stale.is_none();
        match usable {
            Some(Usable::Fresh) => self.promote(read, hit, true),
            Some(Usable::Stale(_)) if stale_serves => self.promote(read, hit, false),
            _ => {
                if !judged.doubtful {
                    self.tier.counters.missed(RedisMiss::Stale);
                }
                let held = self.lease.held_mut();
                let fresher = |stale: &Hit| stale.0.fresh_until() >= hit.0.fresh_until();
                if !held.stale.as_ref().is_some_and(fresher) {
                    held.stale = Some(hit);
                }
                Considered::Useless
            }
        }
    }

    fn promote(&mut self, read: &Read, hit: Hit, is_fresh: bool) -> Considered {
        let held = self.lease.held();
        let engine = Arc::clone(&held.engine);
        let mut shard = engine.flights.lock(held.key.hash());
        let now = self.tier.parts.clock.now();
        let fresh_for = hit.0.fresh_until().since(now);
        let past_that = |until: Instant| until.since(now).saturating_sub(fresh_for);
        let meta = Meta {
            selector: (!read.payload.selector.is_empty()).then(|| Selector::from_text(&read.payload.selector)),
            fresh_for,
            swr: past_that(hit.stale_while_revalidate_until()),
            sie: past_that(hit.stale_if_error_until()),
            ..Meta::default()
        };
        let variant = held.settle_variant(&mut shard, &meta, self.variants);
        // By names that came to be known here meanwhile it may be another variant than the asker's.
        let Some(variant) = variant.filter(|variant| variant.text == hit.variant()) else {
            drop(shard);
            return self.useless(RedisMiss::OtherKey);
        };
        if held.flight.is_overtaken() || engine.standing(&hit.0, held.key.namespace()) == Standing::Gone {
            drop(shard);
            return self.useless(RedisMiss::Invalidated);
        }
        if held.strategy.keeps_in(Tier::Memory) {
            let asked = held.flight.started;
            engine.keep_recalled(&held.key, variant.hash(&held.key), &hit.0, asked);
        }
        engine.flights.unlist(&mut shard, held.key.text(), &held.flight);
        drop(shard);
        self.tier.counters.hits.increment();
        if !is_fresh {
            held.flight.close(Closed::Again);
            self.lease.over();
            return Considered::Again(hit);
        }
        engine.count_served(&held.key, &hit.0);
        held.flight.close(Closed::Recalled(hit.clone(), variant.selector));
        self.lease.over();
        Considered::Found(hit)
    }
}

/// Whether what Redis has spares the renewal of what this node has: it is fresh, and not due itself.
fn is_newer(held: &Held, hit: &Hit, usable: Usable, now: Instant) -> bool {
    usable == Usable::Fresh && !past_its_share(&held.strategy, &hit.0, now)
}

fn past_its_share(strategy: &Strategy, entry: &Entry, now: Instant) -> bool {
    let share = strategy.refresh_ahead();
    share > 0.0 && entry.age(now) >= entry.lifetime().mul_f64(share)
}

impl Engine {
    /// The Redis tier, where there is one and `strategy` keeps its entries there.
    pub(crate) fn redis_tier(&self, strategy: &Strategy) -> Option<&Arc<RedisTier>> {
        self.redis.get().filter(|_| strategy.keeps_in(Tier::Redis))
    }

    /// Puts what Redis had into memory, unless what is there is newer, as what was loaded since Redis was `asked` is. The caller
    /// holds the lock of the key's place.
    pub(super) fn keep_recalled(&self, key: &Key, hash: u64, entry: &Entry, asked: Instant) {
        let now = self.parts.clock.now();
        let newer = |there: &Entry| {
            let lasts_longer = || there.position() >= entry.position() && there.fresh_until() > entry.fresh_until();
            let began_later = || there.load_start(now).is_some_and(|start| start > asked);
            there.kind() == Kind::Value
                && (lasts_longer() || began_later())
                && self.standing(there, key.namespace()) == Standing::Valid
        };
        if !key.namespace().tier().peek(hash).as_ref().is_some_and(newer) {
            // Where it is refused it answers all the same, and the next asks Redis again.
            let _ = self.put(key, hash, entry);
        }
    }

    /// What a value in Redis is worth here: whether anything reached it since its load began, and how old it is. Unless that was
    /// `asked` for already, the check may ask once, for at most 100 ms, what was invalidated lately.
    pub(super) async fn judge(
        &self,
        tier: &Arc<RedisTier>,
        key: &Key,
        read: &Read,
        asked: &mut bool,
    ) -> Result<Judged, RedisMiss> {
        let check = || self.check_value(key, read.payload.tags.iter().map(String::as_str), read.stamp);
        let mut standing = check();
        if standing == ValueStanding::No(NotGood::Unverified) && !std::mem::replace(asked, true) {
            self.verify(key).await;
            standing = check();
        }
        let now = tier.parts.clock.now();
        let (position, softened) = match standing {
            ValueStanding::Good(position) => (position, false),
            ValueStanding::Soft(position) => (position, true),
            ValueStanding::No(NotGood::Invalidated | NotGood::Pending) => return Err(RedisMiss::Invalidated),
            ValueStanding::No(doubt) => {
                tier.counters.missed(match doubt {
                    NotGood::OtherGeneration => RedisMiss::OtherGeneration,
                    NotGood::BelowFloor => RedisMiss::BelowFloor,
                    _ => RedisMiss::Unverified,
                });
                return doubtful(key, read, now);
            }
        };
        if let Some(stamp) = position
            .stamp
            .filter(|now| !softened && is_far_behind(read.stamp, *now))
        {
            let (tier, name) = (Arc::clone(tier), Name::of(key.text(), variant_of(read)));
            let seen = read.beginning.to_vec();
            self.parts.runtime.spawn(Box::pin(async move {
                tier.restamp(name, &seen, stamp).await;
            }));
        }
        let reading = tier
            .clock(self.control_shard(key.namespace()), read.stamp.generation)
            .await;
        let now = tier.parts.clock.now();
        let reading = reading.ok_or(RedisMiss::NoClock)?;
        // Made later than now: the clock there was set back, and how old it is nobody knows.
        let age = reading.latest(now).checked_sub(read.front.made_ms);
        let age = age.map(Duration::from_millis).ok_or(RedisMiss::NoClock)?;
        let entry = read.payload.entry(key, &read.front, position, now, age)?;
        if Hit(entry.clone()).length() > self.object_limit(key) {
            return Err(RedisMiss::NoRoom);
        }
        let softened = softened || read.front.softened;
        if softened {
            entry.soften();
        }
        Ok(Judged {
            entry,
            softened,
            doubtful: false,
        })
    }
}

/// Whether a value that was found good knows so little of late invalidations that it may soon be below the floor.
fn is_far_behind(stamp: Stamp, now: Stamp) -> bool {
    stamp.generation == now.generation && now.seq.saturating_sub(stamp.seq) > u64::from(TARGETS_KEPT / 4)
}

fn variant_of(read: &Read) -> Option<&str> {
    (!read.payload.selector.is_empty()).then_some(&*read.payload.variant)
}

/// A value of which nobody knows whether it still holds: the origin may say so. Its position is before everything, so that
/// whatever this node knows of reaches it, and where nothing does it is as doubtful as it was.
fn doubtful(key: &Key, read: &Read, now: Instant) -> Result<Judged, RedisMiss> {
    let front = Front {
        lifetime_ms: 0,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        ..read.front
    };
    let entry = read
        .payload
        .entry(key, &front, Position::default(), now, Duration::ZERO)?;
    Ok(Judged {
        entry,
        softened: true,
        doubtful: true,
    })
}
