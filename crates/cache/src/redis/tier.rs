//! What is asked of Redis, one call each, and what the answers mean.

use super::clock::{Readable, Reading, Readings};
use super::counters::{RedisMiss, RedisTierStatistics, TierCounters};
use super::envelope::{self, BEGINNING_BYTES, Content, EnvelopeFault, Front, Payload};
use super::lease::PASS_FOR;
use super::names::Name;
use super::write::Writes;
use crate::backplane::scripts::ControlKeys;
use crate::backplane::{Gen, Stamp};
use crate::engine::Parts;
use crate::key::Key;
use crate::keys::{Keys, Owner, SealFault, Sealer};
use crate::strategy::Strategy;
use bytes::Bytes;
use peregrine_store::{Redis, Reply, Script, StoreError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

static ACQUIRE: Script = Script::new(include_str!("scripts/acquire.lua"));
static EXTEND: Script = Script::new(include_str!("scripts/extend.lua"));
static RELEASE: Script = Script::new(include_str!("scripts/release.lua"));
static PUT: Script = Script::new(include_str!("scripts/put.lua"));
static REMOVE: Script = Script::new(include_str!("scripts/remove.lua"));
static RESTAMP: Script = Script::new(include_str!("../backplane/scripts/restamp.lua"));
static TIME: Script = Script::new(include_str!("scripts/time.lua"));

/// How the tier is called in Redis and what lies there.
#[derive(Clone, Debug)]
pub struct RedisTierConfig {
    /// What all names begin with.
    pub prefix: String,
    /// The form in which the callers of the engine write heads, keys and variants: values of another are not used.
    pub stored: u32,
    /// How long the lease of a load lives when nobody extends it: how long others wait for a leader that is gone.
    pub lease: Duration,
    /// How long a caller who sets or deletes a value waits for Redis to know; after that it goes on in the background.
    pub told: Duration,
}

/// The tier of values in Redis.
pub(crate) struct RedisTier {
    pub(super) redis: Arc<Redis>,
    pub(super) config: RedisTierConfig,
    pub(super) parts: Parts,
    pub(super) counters: TierCounters,
    pub(super) writes: Writes,
    readings: Readings,
    /// What seals and opens.
    keys: Arc<Keys>,
}

/// A value as it lay in Redis.
pub(super) struct Read {
    pub(super) stamp: Stamp,
    /// What tells it from another value under the same name.
    pub(super) beginning: Bytes,
    pub(super) front: Front,
    pub(super) payload: Payload,
}

/// What an asker for the lease gets.
#[derive(Debug)]
pub(super) enum Acquired {
    /// The lease.
    Taken,
    /// A value that came meanwhile.
    Value(Bytes),
    /// Another node has the lease.
    Held,
    /// Another node had it and has nothing to share.
    Passed,
}

/// What became of a value that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Stored,
    Newer,
    LeaseLost,
}

/// Who writes a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writer<'a> {
    /// The holder of the lease.
    Leader(&'a str),
    /// A load that goes without.
    Anybody,
    /// Somebody who sets it by name, whoever loads it meanwhile.
    Setter,
}

impl RedisTier {
    pub(super) fn new(redis: Arc<Redis>, config: RedisTierConfig, parts: Parts, keys: Arc<Keys>) -> Self {
        Self {
            keys,
            redis,
            config,
            parts,
            counters: TierCounters::default(),
            writes: Writes::default(),
            readings: Readings::default(),
        }
    }

    /// What lies under `name`.
    pub(super) async fn get(&self, name: Name, strategy: &Strategy) -> Result<Option<Bytes>, StoreError> {
        let key = name.value(&self.config.prefix);
        let found = self.redis.get_from(&key, strategy.read_from()).await?;
        self.count_read(found.as_ref());
        Ok(found)
    }

    /// What lies under each of `names`, in their order: one round trip for each node of a cluster.
    pub(super) async fn mget(&self, names: &[Name], strategy: &Strategy) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys: Vec<Bytes> = names.iter().map(|name| name.value(&self.config.prefix)).collect();
        let found = self.redis.mget_from(&keys, strategy.read_from()).await?;
        found.iter().for_each(|found| self.count_read(found.as_ref()));
        Ok(found)
    }

    fn count_read(&self, found: Option<&Bytes>) {
        self.counters.bytes_read.add(found.map_or(0, Bytes::len) as u64);
    }

    /// Asks for the lease of `name`; `seen` is the beginning of what lay there and was of no use.
    pub(super) async fn acquire(&self, name: Name, token: &str, seen: &[u8]) -> Result<Acquired, StoreError> {
        let (value, lease) = self.names(name);
        let ttl = millis(self.config.lease);
        let reply = self
            .redis
            .script(&ACQUIRE, &[&value, &lease], &[token.as_bytes(), ttl.as_bytes(), seen])
            .await?;
        Ok(match reply {
            Reply::Int(1) => Acquired::Taken,
            Reply::Int(2) => Acquired::Passed,
            Reply::Bytes(value) => {
                self.count_read(Some(&value));
                Acquired::Value(value)
            }
            _ => Acquired::Held,
        })
    }

    /// Extends a lease. Where that fails, it lapses.
    pub(super) async fn extend(&self, name: Name, token: &str) {
        let (_, lease) = self.names(name);
        let ttl = millis(self.config.lease);
        let _ = self
            .redis
            .script(&EXTEND, &[&lease], &[token.as_bytes(), ttl.as_bytes()])
            .await;
    }

    /// Lets those who wait for a lease load for themselves. Where that fails, it lapses.
    pub(super) async fn pass(&self, name: Name, token: &str) {
        let (_, lease) = self.names(name);
        let note = millis(PASS_FOR);
        let _ = self
            .redis
            .script(&RELEASE, &[&lease], &[token.as_bytes(), note.as_bytes()])
            .await;
    }

    /// Writes a value, unless what lies there is newer.
    pub(super) async fn put(
        &self,
        name: Name,
        writer: Writer<'_>,
        ttl: Duration,
        value: &[u8],
    ) -> Result<Put, StoreError> {
        let (key, lease) = self.names(name);
        let token = match writer {
            Writer::Leader(token) => token,
            Writer::Anybody => "",
            Writer::Setter => "set",
        };
        let ttl = millis(ttl.max(Duration::from_millis(1)));
        let reply = self
            .redis
            .script(&PUT, &[&key, &lease], &[token.as_bytes(), ttl.as_bytes(), value])
            .await?;
        Ok(match reply.bytes().map(|bytes| &bytes[..]) {
            Some(b"stored") => Put::Stored,
            Some(b"newer") => Put::Newer,
            _ => Put::LeaseLost,
        })
    }

    /// Takes out what lies under `name`, and whoever's lease; whether anything lay there.
    pub(super) async fn remove(&self, name: Name) -> Result<bool, StoreError> {
        let (value, lease) = self.names(name);
        let removed = self.redis.script(&REMOVE, &[&value, &lease], &[]).await?;
        Ok(removed.int() == Some(1))
    }

    /// Brings the position of what lies under `name` up to date, if that is still what begins with `seen`: another value with
    /// the same position may have other tags.
    pub(super) async fn restamp(&self, name: Name, seen: &[u8], new: Stamp) {
        let (value, _) = self.names(name);
        let new = new.encode(name.number());
        if let Ok(reply) = self.redis.script(&RESTAMP, &[&value], &[seen, &new]).await
            && reply.int() == Some(1)
        {
            self.counters.restamped.increment();
        }
    }

    /// What the tier did since the start.
    pub(crate) fn statistics(&self) -> RedisTierStatistics {
        let (queued, bytes) = self.writes.waiting();
        self.counters.snapshot(queued, bytes)
    }

    fn names(&self, name: Name) -> (Bytes, Bytes) {
        (name.value(&self.config.prefix), name.lease(&self.config.prefix))
    }

    /// The clock of the server that holds `shard`, for values of `generation`. Mostly it is known; else this asks once.
    pub(super) async fn clock(self: &Arc<Self>, shard: u32, generation: Gen) -> Option<Reading> {
        match self.readings.get(shard, generation, self.parts.clock.now()) {
            Readable::Good(reading) => Some(reading),
            Readable::Ageing(reading) => {
                let tier = Arc::clone(self);
                self.parts.runtime.spawn(Box::pin(async move {
                    tier.read_clock(shard, generation).await;
                }));
                Some(reading)
            }
            Readable::Missing => self.read_clock(shard, generation).await,
        }
    }

    async fn read_clock(&self, shard: u32, generation: Gen) -> Option<Reading> {
        let control = ControlKeys::new(&self.config.prefix, shard);
        let asked = self.parts.clock.now();
        let said = self.redis.script(&TIME, &[control.route()], &[]).await.ok()?.int()?;
        let reading = Reading {
            generation,
            said_ms: u64::try_from(said).ok()?,
            asked,
            heard: self.parts.clock.now(),
        };
        self.readings.put(shard, reading);
        Some(reading)
    }

    /// Takes apart what lay under `name`: whatever it is of `key`, as far as it is of use here.
    pub(super) async fn read(
        &self,
        name: Name,
        bytes: &Bytes,
        key: &Key,
        strategy: &Strategy,
    ) -> Result<Read, RedisMiss> {
        let (stamp, rest) = envelope::read_stamp(bytes, name)?;
        let (front, payload) = envelope::open(name, &rest)?;
        if front.stored != self.config.stored {
            return Err(RedisMiss::Version);
        }
        let payload = if front.is_sealed() {
            self.unseal(name, &front, &payload, Owner::of(key)).await?
        } else if strategy.encryption() {
            return Err(RedisMiss::Plain);
        } else {
            payload
        };
        let payload = Payload::decode(payload)?;
        if payload.key != key.text() {
            return Err(RedisMiss::OtherKey);
        }
        Ok(Read {
            stamp,
            beginning: beginning(bytes),
            front,
            payload,
        })
    }
}

impl RedisTier {
    async fn unseal(
        &self,
        name: Name,
        front: &Front,
        payload: &Bytes,
        owner: Owner<'_>,
    ) -> Result<Bytes, EnvelopeFault> {
        if !self.keys.ready(owner, Some(front.data_key)).await {
            return Err(EnvelopeFault::NoKey);
        }
        let opened = self.keys.open(owner, front.data_key, &front.bound(name), payload);
        opened.map(Bytes::from).map_err(|fault| match fault {
            SealFault::NoKey => EnvelopeFault::NoKey,
            SealFault::Damaged => EnvelopeFault::Damaged,
        })
    }

    /// The envelope of `payload`, sealed where it is confidential; nothing when there is no key for that.
    pub(super) async fn envelope(
        &self,
        name: Name,
        front: Front,
        payload: Vec<u8>,
        owner: Option<Owner<'_>>,
    ) -> Option<Vec<u8>> {
        let Some(owner) = owner else {
            return Some(front.envelope(name, &payload));
        };
        if !self.keys.ready(owner, None).await {
            return None;
        }
        let sealed = self.keys.seal(owner, &front.bound(name), &payload).ok()?;
        let front = Front {
            data_key: sealed.key_id,
            ..front
        };
        Some(front.envelope(name, &sealed.bytes))
    }
}

impl Read {
    /// Whether it is the names by which variants differ.
    pub(super) fn is_selector(&self) -> bool {
        self.front.content == Content::Selector
    }
}

/// What tells a value from another under the same name.
pub(super) fn beginning(bytes: &Bytes) -> Bytes {
    bytes.slice(..BEGINNING_BYTES.min(bytes.len()))
}

fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

impl fmt::Debug for RedisTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTier")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
