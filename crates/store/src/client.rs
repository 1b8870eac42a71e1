//! The handle that everybody else uses.

use crate::config::{ReadFrom, RedisConfig};
use crate::control::Control;
use crate::core::Core;
use crate::counters::Counters;
use crate::dial::Dialer;
use crate::error::{ErrorKind, StoreError};
use crate::map::{Atlas, Plan, PlannedShard};
use crate::node::Surroundings;
use crate::nudges::Nudges;
use crate::place::Mode;
use crate::reply::Reply;
use crate::script::Script;
use crate::slot::slot_of;
use crate::status::{RedisStatus, State};
use crate::{cluster, sentinel};
use bytes::Bytes;
use parking_lot::Mutex;
use peregrine_base::{Clock, Complaint, Random, Runtime};
use redis::Cmd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;

/// Time, spawning and chance, as the program has them.
#[derive(Clone)]
pub struct Parts {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What runs the supervisors and the connections.
    pub runtime: Arc<dyn Runtime>,
    /// What spreads the attempts to connect.
    pub random: Arc<dyn Random>,
}

/// Redis or Valkey, wherever it is. Dropping the last handle ends every connection.
pub struct Redis {
    pub(crate) core: Arc<Core>,
    prefix: String,
}

impl Redis {
    /// Starts connecting in the background and returns at once: a server that is away is no error here. To be called where
    /// [`Parts::runtime`] can spawn.
    ///
    /// # Errors
    /// A configuration that is wrong, or has no URL; certificates that cannot be read.
    pub fn start(config: &RedisConfig, parts: Parts) -> Result<Arc<Self>, Vec<Complaint>> {
        config.check()?;
        let place = match config.place() {
            Some(Ok(place)) => place,
            Some(Err(bad)) => return Err(vec![Complaint::new("url", bad.problem, bad.help)]),
            None => return Err(vec![Complaint::new("url", "is not set", "set redis.url or REDIS_URL")]),
        };
        let runtime = Arc::clone(&parts.runtime);
        let around = Arc::new(Surroundings {
            dialer: Dialer::new(config, &place, parts)?,
            counters: Counters::default(),
            links: usize::try_from(config.connections).unwrap_or(1).max(1),
            in_flight_max: config.in_flight_max,
            changed: watch::Sender::new(0),
            doubts: watch::Sender::new(0),
        });
        let core = Arc::new(Core {
            atlas: Atlas::new(place.mode, Arc::clone(&around)),
            around,
            read_from: config.read_from,
            place,
            stop: watch::Sender::new(false),
            fault: Mutex::new(None),
            away_since: AtomicU64::new(0),
        });
        runtime.spawn(Box::pin(Arc::clone(&core).keep_state()));
        match core.place.mode {
            Mode::Standalone => core.atlas.redraw(&alone(&core)),
            Mode::Sentinel => sentinel::start(&core),
            Mode::Cluster => runtime.spawn(Box::pin(cluster::watch(Arc::clone(&core)))),
        }
        Ok(Arc::new(Self {
            core,
            prefix: config.prefix.clone(),
        }))
    }

    /// Waits until every primary is connected to. Without a limit of its own.
    pub async fn ready(&self) {
        let mut changed = self.core.around.changed.subscribe();
        while !self.is_up() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether every primary is connected to.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.core.state() == State::Up
    }

    /// What all keys begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How many replicas a primary had when it was connected to; the most of any shard.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        let map = self.core.atlas.map();
        map.primaries().map(|node| node.attached()).max().unwrap_or(0)
    }

    /// The value of `key`, from where `redis.read_from` says.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get_from(key, self.core.read_from).await
    }

    /// The value of `key`. Replicas are asked only where `redis.read_from` allows it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn get_from(&self, key: &[u8], from: ReadFrom) -> Result<Option<Bytes>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(key);
        let from = self.allowed(from);
        let mut reply = self.core.route(slot_of(key), from, &command).await;
        if from == ReadFrom::Replica && is_worth_the_primary(&reply) {
            reply = self.core.route(slot_of(key), ReadFrom::Primary, &command).await;
        }
        self.core
            .around
            .counters
            .ended(reply.and_then(|reply| self.value(reply)))
    }

    /// The values of `keys`, in their order: one round trip to each server that owns some of them, all at the same time. What
    /// only servers know that are away reads as not there; an error comes when no server answered.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mget(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.mget_from(keys, self.core.read_from).await
    }

    /// As [`Redis::mget`]; replicas are asked only where `redis.read_from` allows it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mget_from(&self, keys: &[Bytes], from: ReadFrom) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let from = self.allowed(from);
        let result = if self.core.place.mode == Mode::Cluster {
            self.mget_each(keys, from).await
        } else {
            self.mget_whole(keys, from).await
        };
        self.core.around.counters.ended(result)
    }

    async fn mget_whole(&self, keys: &[Bytes], from: ReadFrom) -> Result<Vec<Option<Bytes>>, StoreError> {
        let command = with_keys("MGET", keys);
        let mut reply = self.core.route(0, from, &command).await;
        if from == ReadFrom::Replica && is_worth_the_primary(&reply) {
            reply = self.core.route(0, ReadFrom::Primary, &command).await;
        }
        match reply? {
            Reply::Array(parts) if parts.len() == keys.len() => {
                parts.into_iter().map(|part| self.value(part)).collect()
            }
            _ => Err(self.unexpected("a value for each key")),
        }
    }

    async fn mget_each(&self, keys: &[Bytes], from: ReadFrom) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut replies = self.core.each("GET", keys, from).await;
        if from == ReadFrom::Replica {
            let places = (0..keys.len()).filter(|place| is_worth_the_primary(&replies[*place]));
            let places: Vec<usize> = places.collect();
            let again: Vec<Bytes> = places.iter().map(|place| keys[*place].clone()).collect();
            let again = self.core.each("GET", &again, ReadFrom::Primary).await;
            for (place, reply) in places.into_iter().zip(again) {
                replies[place] = reply;
            }
        }
        let (mut values, mut failed, mut answered) = (Vec::with_capacity(keys.len()), None, false);
        for reply in replies {
            match reply.and_then(|reply| self.value(reply)) {
                Ok(value) => {
                    answered = true;
                    values.push(value);
                }
                Err(error) => {
                    failed = Some(error);
                    values.push(None);
                }
            }
        }
        match failed {
            Some(error) if !answered => Err(error),
            Some(error) => {
                self.core.around.counters.failed(&error);
                Ok(values)
            }
            None => Ok(values),
        }
    }

    /// Sets `key` for `ttl`, at least a millisecond.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, TTL_MAX_MS);
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("PX").arg(ttl_ms);
        let reply = self.core.route(slot_of(key), ReadFrom::Primary, &command).await;
        self.core.around.counters.ended(reply.map(drop))
    }

    /// Deletes `keys`; how many there were. All of them were asked for, even if some fail.
    ///
    /// # Errors
    /// See [`StoreError`]; the first of those that failed.
    pub async fn delete(&self, keys: &[Bytes]) -> Result<u64, StoreError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let replies = if self.core.place.mode == Mode::Cluster {
            self.core.each("UNLINK", keys, ReadFrom::Primary).await
        } else {
            let command = with_keys("UNLINK", keys);
            vec![self.core.route(0, ReadFrom::Primary, &command).await]
        };
        let counts = replies.into_iter().map(|reply| {
            let count = reply?.int().and_then(|count| u64::try_from(count).ok());
            count.ok_or_else(|| self.unexpected("a count"))
        });
        let sum = counts.sum::<Result<u64, StoreError>>();
        self.core.around.counters.ended(sum)
    }

    /// Runs a script on the primary that owns `keys`, which are all in one slot. The script's text travels only to a server
    /// that does not know it yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn script(&self, script: &Script, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply, StoreError> {
        let slot = slot_of_all(keys);
        let known = script_command("EVALSHA", script.sha(), keys, args);
        let mut reply = self.core.route(slot, ReadFrom::Primary, &known).await;
        if is_unknown(&reply) {
            let told = script_command("EVAL", script.body(), keys, args);
            reply = self.core.route(slot, ReadFrom::Primary, &told).await;
        }
        self.core.around.counters.ended(reply)
    }

    /// Any other command, as `NAME key… arg…`, on the primary that owns `keys`, which are all in one slot. Not for commands
    /// that block or subscribe.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn command(&self, name: &'static str, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply, StoreError> {
        let mut command = redis::cmd(name);
        keys.iter().chain(args).for_each(|word| {
            command.arg(*word);
        });
        let reply = self.core.route(slot_of_all(keys), ReadFrom::Primary, &command).await;
        self.core.around.counters.ended(reply)
    }

    /// A connection of one's own to the primary that owns the slot of `key`. Made when it is first used.
    #[must_use]
    pub fn control(self: &Arc<Self>, key: &[u8]) -> Control {
        Control::new(Arc::clone(&self.core), slot_of(key))
    }

    /// What is published with `SPUBLISH` on `channel`.
    #[must_use]
    pub fn nudges(self: &Arc<Self>, channel: &[u8]) -> Nudges {
        Nudges::start(&self.core, Bytes::copy_from_slice(channel))
    }

    /// A picture of this moment.
    #[must_use]
    pub fn status(&self) -> RedisStatus {
        self.core.status()
    }

    /// Ends supervisors and connections; what is asked for afterwards is away.
    pub fn close(&self) {
        self.core.stop.send_replace(true);
        *self.core.fault.lock() = Some("closed".into());
        self.core.atlas.clear();
    }

    fn allowed(&self, from: ReadFrom) -> ReadFrom {
        match self.core.read_from {
            ReadFrom::Primary => ReadFrom::Primary,
            ReadFrom::Replica => from,
        }
    }

    fn value(&self, reply: Reply) -> Result<Option<Bytes>, StoreError> {
        match reply {
            Reply::Nil => Ok(None),
            Reply::Bytes(bytes) => Ok(Some(bytes)),
            Reply::Int(_) | Reply::Array(_) => Err(self.unexpected("a value")),
        }
    }

    fn unexpected(&self, wanted: &'static str) -> StoreError {
        let map = self.core.atlas.map();
        let server = map
            .primaries()
            .next()
            .map_or_else(|| "redis".into(), |node| node.address.shown());
        StoreError::Unexpected { server, wanted }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.close();
    }
}

/// A longer lifetime than this is refused by servers, whose clocks are 64 bits of milliseconds.
const TTL_MAX_MS: u64 = 100 * 365 * 86_400_000;

/// The plan of one server alone.
fn alone(core: &Core) -> Plan {
    let shards = core.place.hosts.iter().take(1).map(|address| PlannedShard {
        primary: address.clone(),
        replicas: Vec::new(),
    });
    Plan {
        shards: shards.collect(),
        slots: None,
    }
}

fn slot_of_all(keys: &[&[u8]]) -> u16 {
    let slot = keys.first().map_or(0, |key| slot_of(key));
    debug_assert!(
        keys.iter().all(|key| slot_of(key) == slot),
        "the keys of one request share a slot"
    );
    slot
}

fn with_keys(name: &'static str, keys: &[Bytes]) -> Cmd {
    let mut command = redis::cmd(name);
    for key in keys {
        command.arg(&key[..]);
    }
    command
}

/// Whether a replica failed in a way that leaves time to ask the primary.
fn is_worth_the_primary(reply: &Result<Reply, StoreError>) -> bool {
    matches!(reply, Err(error) if error.kind() != ErrorKind::TimedOut)
}

/// `EVALSHA` or `EVAL`.
pub(crate) fn script_command(name: &'static str, what: &str, keys: &[&[u8]], args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(what).arg(keys.len());
    keys.iter().chain(args).for_each(|word| {
        command.arg(*word);
    });
    command
}

/// Whether a server does not know a script yet.
pub(crate) fn is_unknown<T>(reply: &Result<T, StoreError>) -> bool {
    matches!(reply, Err(StoreError::Refused { code, .. }) if &**code == "NOSCRIPT")
}
