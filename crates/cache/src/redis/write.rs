//! Writing through: what a load brought into memory is written to Redis behind it, compressed as its strategy says. Until it
//! lies there the load keeps the lease of all nodes. What waits to be written is bounded and charged to the bodies under way;
//! what finds no place is not written: a miss for other nodes.

use super::counters::RedisWrite;
use super::envelope::{Content, Front, Payload};
use super::lease::ClusterLease;
use super::names::Name;
use super::tier::{Put, RedisTier, Writer};
use crate::backplane::Stamp;
use crate::budget::Charge;
use crate::codec;
use crate::config::Compression;
use crate::engine::Engine;
use crate::entry::{Encoding, Entry, Kind};
use crate::hit::Hit;
use crate::key::Key;
use crate::keys::Owner;
use crate::lease::{Held, Variant};
use crate::ledger::Standing;
use crate::operations::SetHere;
use crate::promise::promise;
use crate::selector::Selector;
use crate::sync::{Mutex, Ordering};
use peregrine_base::Instant;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many values wait to be written.
const WAITING_MAX: usize = 1024;
/// How many are being written: enough that a round trip of a millisecond lets 16,000 a second through.
const WRITERS_MAX: usize = 16;
/// How often it is asked what happened before a value was set, with pauses that double from a millisecond. Once is enough,
/// unless Redis or this machine is slow.
const LOOKS_MAX: u32 = 10;
/// How long past every window of grace a value is kept, because the origin may find it unchanged.
const KEPT_FOR_VALIDATION: Duration = Duration::from_secs(600);
/// The longest that anything is kept.
const KEPT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// What waits to be written.
#[derive(Default)]
pub(super) struct Writes(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: u64,
    writers: usize,
}

/// One value to be written.
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) hit: Hit,
    /// The names under which it is a variant.
    pub(super) selector: Option<Selector>,
    pub(super) stamp: Stamp,
    pub(super) load_began: Instant,
    pub(super) compression: Compression,
    pub(super) by: Author,
    /// For the body, which nobody else may hold any more.
    charge: Charge,
}

/// Who brings a value.
pub(super) enum Author {
    /// A load, with the lease if it has it.
    Load(Option<ClusterLease>),
    /// A caller who sets it by name.
    Setter,
}

impl Writes {
    /// How many values wait, and their bytes.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let waiting = self.0.lock();
        (waiting.jobs.len() as u64, waiting.bytes)
    }

    /// Lets `job` wait. Whether another writer is wanted; nothing when too many wait.
    fn submit(&self, job: Job) -> Option<bool> {
        let mut waiting = self.0.lock();
        if waiting.jobs.len() >= WAITING_MAX {
            return None;
        }
        waiting.bytes += job.hit.0.weight();
        waiting.jobs.push_back(job);
        let wanted = waiting.writers < WRITERS_MAX;
        waiting.writers += usize::from(wanted);
        Some(wanted)
    }

    /// The next to be written; nothing ends the writer.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.0.lock();
        let job = waiting.jobs.pop_front();
        match &job {
            Some(job) => waiting.bytes -= job.hit.0.weight(),
            None => waiting.writers -= 1,
        }
        job
    }
}

impl Engine {
    /// Writes what a load brought to Redis too, in the background, where its strategy wants that.
    pub(crate) fn write_through(self: &Arc<Self>, held: &mut Held, variant: &Variant, hit: &Hit) {
        let Some(tier) = self.redis_tier(&held.strategy) else {
            return;
        };
        if hit.0.kind() != Kind::Value {
            return;
        }
        let Some(stamp) = held.flight.position.stamp else {
            tier.counters.written(RedisWrite::NoPosition);
            return;
        };
        let job = Job {
            key: held.key.clone(),
            hit: hit.clone(),
            selector: variant.selector.clone(),
            stamp,
            load_began: held.flight.started,
            compression: held.strategy.compression(),
            by: Author::Load(held.cluster.take()),
            charge: self.charge(),
        };
        self.write_later(&Arc::clone(tier), job);
    }

    /// Writes what a caller set by name, as of `stamp`: where other nodes were told of it. What happened between the call and
    /// that, here or elsewhere, the stamp does not show, so it is looked for; what happens from now on is above the stamp.
    pub(super) async fn write_set(&self, tier: &Arc<RedisTier>, set: &SetHere, stamp: Stamp, compression: Compression) {
        if !self.learn_up_to(stamp, set).await {
            tier.counters.written(RedisWrite::NoPosition);
            return;
        }
        if !set.is_last() || self.standing(&set.entry, set.key.namespace()) != Standing::Valid {
            tier.counters.written(RedisWrite::Overtaken);
            return;
        }
        let job = Job {
            key: set.key.clone(),
            hit: Hit(set.entry.clone()),
            selector: None,
            stamp,
            load_began: self.parts.clock.now(),
            compression,
            by: Author::Setter,
            charge: self.charge(),
        };
        let outcome = self.write_now(tier, job).await;
        tier.counters.written(outcome);
    }

    /// Whether the ledger knows of everything that reached `set` up to `stamp`, asking for it where it does not.
    async fn learn_up_to(&self, stamp: Stamp, set: &SetHere) -> bool {
        let is_known = || {
            let known = self.stamp_of(&set.entry, set.key.namespace());
            known.is_some_and(|known| known.generation == stamp.generation && known.seq >= stamp.seq)
        };
        for look in 0..LOOKS_MAX {
            if is_known() {
                return true;
            }
            self.verify(&set.key).await;
            if !is_known() {
                self.parts.runtime.sleep(Duration::from_millis(1 << look)).await;
            }
        }
        is_known()
    }

    fn write_later(self: &Arc<Self>, tier: &Arc<RedisTier>, mut job: Job) {
        // The body itself, and the envelope of it.
        let has_room = job.charge.grow(job.hit.0.weight().saturating_mul(2));
        match has_room.then(|| tier.writes.submit(job)).flatten() {
            Some(true) => {
                let (engine, tier) = (Arc::clone(self), Arc::clone(tier));
                self.parts.runtime.spawn(Box::pin(async move {
                    while let Some(job) = tier.writes.next() {
                        let outcome = engine.write_now(&tier, job).await;
                        tier.counters.written(outcome);
                    }
                }));
            }
            Some(false) => {}
            None => tier.counters.written(RedisWrite::Crowded),
        }
    }

    async fn write_now(&self, tier: &Arc<RedisTier>, job: Job) -> RedisWrite {
        let name = Name::of(job.key.text(), job.selector.as_ref().map(|_| job.hit.variant()));
        let shard = self.control_shard(job.key.namespace());
        let Some(reading) = tier.clock(shard, job.stamp.generation).await else {
            return RedisWrite::Failed;
        };
        let entry = match self.packed(&job).await {
            Some(entry) => entry,
            None => job.hit.0.clone(),
        };
        let now = self.parts.clock.now();
        let limit = self.limits.redis_object_size_max.load(Ordering::Relaxed);
        let payload = Payload::of(&entry, job.selector.as_ref().map_or("", Selector::as_str));
        if payload.body_length() as u64 > limit {
            return RedisWrite::TooLarge;
        }
        let Some(encoded) = payload.encode() else {
            return RedisWrite::TooLarge;
        };
        let front = Front {
            content: Content::Value,
            rules: entry.flags(),
            softened: false,
            writing: self.parts.random.next_u64(),
            stored: tier.config.stored,
            cost_us: u32::try_from(entry.cost_us()).unwrap_or(u32::MAX),
            data_key: 0,
            made_ms: reading.earliest(now).saturating_sub(millis(entry.age(now))),
            load_began_ms: reading.earliest(job.load_began),
            lifetime_ms: millis(entry.lifetime()),
            stale_while_revalidate_ms: millis(entry.stale_while_revalidate()),
            stale_if_error_ms: millis(entry.stale_if_error()),
        };
        let ttl = kept_for(&entry, now);
        let key = job.key.clone();
        let owner = entry.confidential().then(|| Owner::of(&key));
        let Some(envelope) = tier.envelope(name, front, encoded, owner).await else {
            return RedisWrite::NoKey;
        };
        let value = [&job.stamp.encode(name.number())[..], &envelope].concat();
        let lies = (now, now.after(ttl));
        let tenants = self.directory.tenants();
        if !tenants.write(key.text(), name.number(), value.len() as u64, lies) {
            return RedisWrite::Quota;
        }
        let names = match &job.selector {
            None => None,
            Some(selector) => match names_of(tier, &job, selector, &front, owner).await {
                Some(names) => Some(names),
                None => return RedisWrite::NoKey,
            },
        };
        put(tier, job, name, ttl, &value, names).await
    }

    /// The value with its body compressed as its strategy says, where that gains.
    async fn packed(&self, job: &Job) -> Option<Entry> {
        let length = job.hit.length();
        let size = usize::try_from(length).ok()?;
        let encoding = codec::choose(job.compression, job.hit.0.compressible(), size)?;
        if job.hit.0.encoding() != Encoding::Identity {
            return None;
        }
        let (hit, (giver, packed)) = (job.hit.clone(), promise());
        self.parts.runtime.spawn_blocking(Box::new(move || {
            let body = hit.body();
            let made = match encoding.coding() {
                Some(coding) => codec::pack(coding, || body.chunks(), length, codec::worthwhile(length)),
                None => codec::frames(body.chunks()),
            };
            giver.give(made.and_then(|pieces| hit.0.recoded(encoding, length, pieces)));
        }));
        packed.await.flatten()
    }
}

/// The value with the names by which variants under its key differ, which lies where the key alone leads to.
async fn names_of(
    tier: &RedisTier,
    job: &Job,
    selector: &Selector,
    front: &Front,
    owner: Option<Owner<'_>>,
) -> Option<(Name, Vec<u8>)> {
    let name = Name::of(job.key.text(), None);
    let payload = Payload {
        key: job.key.text().to_owned(),
        selector: selector.as_str().to_owned(),
        ..Payload::default()
    };
    let front = Front {
        content: Content::Selector,
        rules: 0,
        ..*front
    };
    let envelope = tier.envelope(name, front, payload.encode()?, owner).await?;
    Some((name, [&job.stamp.encode(name.number())[..], &envelope].concat()))
}

/// Writes the value, and where it is a variant the names. What the lease was taken for comes last: it gives the lease back, and
/// who waits for that must find everything.
async fn put(
    tier: &RedisTier,
    job: Job,
    name: Name,
    ttl: Duration,
    value: &[u8],
    names: Option<(Name, Vec<u8>)>,
) -> RedisWrite {
    let plain_bytes = job.hit.length();
    let lease = match job.by {
        Author::Load(lease) => Some(lease),
        Author::Setter => None,
    };
    let writer = |of: Name| match &lease {
        None => Writer::Setter,
        Some(Some(lease)) if lease.name == of => Writer::Leader(&lease.token),
        Some(_) => Writer::Anybody,
    };
    let lease_is_for_names = |names: Name| matches!(&lease, Some(Some(lease)) if lease.name == names);
    let put = async |name: Name, value: &[u8]| tier.put(name, writer(name), ttl, value).await;
    let written = match &names {
        None => put(name, value).await,
        Some((plain, names)) if lease_is_for_names(*plain) => match put(name, value).await {
            Ok(written) => put(*plain, names).await.map(|_| written),
            failed => failed,
        },
        Some((plain, names)) => match put(*plain, names).await {
            Ok(_) => put(name, value).await,
            failed => failed,
        },
    };
    match written {
        Ok(Put::Stored) => {
            // One for another variant, as which the answer had been asked for, is given back by dropping it.
            let is_of_names = |lease: &ClusterLease| names.as_ref().is_some_and(|(plain, _)| *plain == lease.name);
            if let Some(Some(lease)) = lease
                && (lease.name == name || is_of_names(&lease))
            {
                lease.fulfilled();
            }
            tier.counters.bytes_written.add(value.len() as u64);
            tier.counters.bytes_written_plain.add(plain_bytes);
            RedisWrite::Stored
        }
        Ok(Put::Newer) => RedisWrite::Newer,
        Ok(Put::LeaseLost) => RedisWrite::LeaseLost,
        Err(error) => {
            tracing::debug!(%error, "a value was not written to Redis");
            RedisWrite::Failed
        }
    }
}

/// How long a value is kept: while it may be served or validated, and never for ever.
fn kept_for(entry: &Entry, now: Instant) -> Duration {
    let grace = entry.stale_while_revalidate().max(entry.stale_if_error());
    let left = entry.until(grace).since(now);
    left.saturating_add(KEPT_FOR_VALIDATION).min(KEPT_MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
