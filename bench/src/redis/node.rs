//! A node in this process, put together as the program does it.

use super::RedisServer;
use bytes::Bytes;
use peregrine_base::{ByteSize, SystemClock, SystemRandom, TokioRuntime};
use peregrine_cache::backplane::{Backplane, BackplaneConfig, ShardState};
use peregrine_cache::{
    CacheConfig, Compression, Engine, Hit, Key, Loaded, Namespace, Parts, RedisTierConfig, RedisTierStatistics,
    Settings, Strategy, Tier,
};
use peregrine_store::{Redis, RedisConfig};
use std::sync::Arc;
use std::time::Duration;

/// How long a node may take to be where it should be.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The freshness bound: the default.
const BOUND: Duration = Duration::from_secs(1);
/// The largest body.
const OBJECT_MAX: ByteSize = ByteSize::mib(1);

/// An engine that shares a Redis.
pub(super) struct Node {
    pub(super) engine: Arc<Engine>,
    pub(super) redis: Arc<Redis>,
    pub(super) backplane: Arc<Backplane>,
    pub(super) namespace: Arc<Namespace>,
    pub(super) strategy: Arc<Strategy>,
}

/// Where a node keeps values, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) tier: Tier,
    pub(super) compression: Compression,
    pub(super) memory: ByteSize,
}

impl Keeping {
    /// In Redis only, as they are.
    pub(super) const IN_REDIS: Self = Self {
        tier: Tier::Redis,
        compression: Compression::Off,
        memory: ByteSize::mib(64),
    };

    /// In memory only.
    pub(super) const fn in_memory(memory: ByteSize) -> Self {
        Self {
            tier: Tier::Memory,
            compression: Compression::Off,
            memory,
        }
    }
}

fn parts() -> Parts {
    Parts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    }
}

/// A client of `server`.
pub(super) async fn client(url: &str) -> Result<Arc<Redis>, String> {
    let parts = peregrine_store::Parts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let redis = Redis::start(&RedisConfig::at(url), parts).map_err(|complaints| format!("{complaints:?}"))?;
    let ready = tokio::time::timeout(PATIENCE, redis.ready()).await;
    ready.map_err(|_| format!("no connection to {url}"))?;
    Ok(redis)
}

impl Node {
    /// A node called `name`, in step with `server` when this returns.
    pub(super) async fn start(server: &RedisServer, name: &str, keeping: Keeping) -> Result<Self, String> {
        let redis = client(&server.url()).await?;
        let mut settings = Settings {
            cache: CacheConfig {
                memory: keeping.memory,
                object_size_max: OBJECT_MAX,
                ..CacheConfig::default()
            },
            redis: true,
            ..Settings::default()
        };
        let strategy = settings.strategies.entry("default".to_owned()).or_default();
        strategy.tiers = Some(vec![keeping.tier]);
        strategy.compression = keeping.compression;
        let engine = Engine::new(parts(), settings).map_err(|error| error.to_string())?;
        let config = BackplaneConfig {
            freshness_bound: BOUND,
            node: name.to_owned(),
            answer_max: RedisConfig::defaults().operation_timeout.get(),
            control_shards: 1,
            replicas_min: None,
            journal: None,
            prefix: "pg".to_owned(),
        };
        let backplane =
            Backplane::start(&engine, Arc::clone(&redis), config, parts()).map_err(|error| error.to_string())?;
        let tier = RedisTierConfig {
            prefix: "pg".to_owned(),
            stored: 1,
            lease: CacheConfig::default().lease.get(),
            told: Duration::from_millis(100),
        };
        engine.attach_redis(Arc::clone(&redis), tier);
        let namespace = engine.namespace("default").ok_or("there is always a default")?;
        let strategy = engine.strategy("default").ok_or("there is always a default")?;
        let node = Self {
            engine,
            redis,
            backplane,
            namespace,
            strategy,
        };
        node.until("it is in step", |node| {
            node.backplane
                .status()
                .shards
                .iter()
                .all(|shard| shard.state == ShardState::InStep)
        })
        .await?;
        Ok(node)
    }

    /// Waits until `holds`.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), String> {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.map_err(|_| format!("a node waited in vain until {what}"))
    }

    pub(super) fn key(&self, name: &str) -> Key {
        Key::named(&self.namespace, "", name)
    }

    /// What is under `name`; where it has to be loaded it is `value` with `tags`.
    pub(super) async fn load(&self, name: &str, value: Bytes, tags: Vec<String>) -> Result<Hit, String> {
        let load = move || async move { Ok(Loaded { value, tags, ttl: None }) };
        let loaded = self.engine.get_or_load(&self.key(name), &self.strategy, load).await;
        loaded.map_err(|failure| format!("{failure:?}"))
    }

    /// What is under `name`, which must be there.
    pub(super) async fn read(&self, name: &str) -> Result<Hit, String> {
        let load = || async { Err(peregrine_cache::LoadFailure::TimedOut) };
        let read = self.engine.get_or_load(&self.key(name), &self.strategy, load).await;
        read.map_err(|_| format!("{name} is not in Redis: {:?}", self.tier()))
    }

    pub(super) fn tier(&self) -> RedisTierStatistics {
        self.engine.statistics().redis.unwrap_or_default()
    }

    /// Waits until so many values lie in Redis.
    pub(super) async fn stored(&self, number: u64) -> Result<(), String> {
        self.until("its values are written", |node| {
            node.tier().writes_by_outcome.get("stored").copied().unwrap_or(0) >= number
        })
        .await
    }
}
