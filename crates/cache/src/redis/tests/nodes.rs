//! Several engines in one process that share a real Redis, each with a plain backplane of its own: it asks when it is asked to
//! and tells at once.

use crate::backplane::scripts::{Call, ControlKeys, InvalidateReply, SyncReply, Value};
use crate::backplane::wire::{Mark, Shared};
use crate::backplane::{
    Backplane, BackplaneConfig, Confirming, Joining, Outward, PendingId, ShardState, Stamp, Stamping, Telling, Told,
    Verifying,
};
use crate::redis::RedisTierConfig;
use crate::redis::RedisTierStatistics;
use crate::{Engine, Hit, Key, Loaded, Parts, Settings, Strategy, StrategyConfig};
use bytes::Bytes;
use peregrine_base::{Clock, Instant, SystemClock, SystemRandom, TokioRuntime, WallTime};
use peregrine_store::{Redis, RedisConfig, Reply, Script};
use peregrine_test_servers::RedisServer;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How old the knowledge of a node may be in these tests. Longer than a test takes: what a node must learn, it asks for.
const BOUND: Duration = Duration::from_secs(300);

/// A node.
pub(super) struct Node {
    pub(super) engine: Arc<Engine>,
    pub(super) strategy: Arc<Strategy>,
    link: Arc<Link>,
}

/// A clock that is wrong by this much.
struct Shifted(Duration);

impl Clock for Shifted {
    fn now(&self) -> Instant {
        SystemClock.now().after(self.0 * 3)
    }

    fn wall(&self) -> WallTime {
        let wrong = u64::try_from(self.0.as_millis()).expect("it is short");
        WallTime::from_millis(SystemClock.wall().as_millis() + wrong)
    }
}

/// The backplane of a test.
struct Link {
    engine: OnceLock<std::sync::Weak<Engine>>,
    redis: Arc<Redis>,
    /// Whoever holds this keeps Redis from being told.
    telling: tokio::sync::Mutex<()>,
    /// How often it was asked what happened.
    asked: AtomicUsize,
}

fn value(reply: Reply) -> Value {
    match reply {
        Reply::Nil => Value::Nil,
        Reply::Int(number) => Value::Int(number),
        Reply::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Reply::Array(replies) => Value::Array(replies.into_iter().map(value).collect()),
    }
}

impl Link {
    fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.get()?.upgrade()
    }

    async fn call(&self, call: Call) -> Option<Value> {
        // A test runs few scripts, and each lives as long as the process.
        let script: &'static Script = Box::leak(Box::new(Script::new(call.script.text)));
        let keys: Vec<&[u8]> = call.keys.iter().map(Vec::as_slice).collect();
        let args: Vec<&[u8]> = call.args.iter().map(Vec::as_slice).collect();
        self.redis.script(script, &keys, &args).await.ok().map(value)
    }

    async fn sync(&self) -> Option<()> {
        let member = self.engine()?.member(0);
        let control = ControlKeys::new("pg", 0);
        loop {
            let request = member.begin_sync()?;
            let reply = self.call(control.sync(7, "node", &request, BOUND)).await;
            let Some(reply) = reply.and_then(|reply| SyncReply::parse(&reply).ok()) else {
                member.sync_failed(&request);
                return None;
            };
            if !member.sync_reply(&request, reply, true).more {
                return Some(());
            }
        }
    }

    /// Tells Redis of each of `pending`; the stamp of the last.
    async fn invalidate(&self, pending: Vec<(PendingId, Mark)>) -> Option<Stamp> {
        let _telling = self.telling.lock().await;
        let mut last = None;
        for (id, mark) in pending {
            let reply = self.call(ControlKeys::new("pg", 0).invalidate(7, &[mark])).await?;
            let reply = InvalidateReply::parse(&reply).ok()?;
            let Confirming::Confirmed(stamp) = self.engine()?.member(0).invalidate_reply(id, &reply, true) else {
                return None;
            };
            last = Some(stamp);
        }
        last
    }
}

/// An engine, and the Redis that it is to share.
async fn alone(url: &str, wrong: Duration, edit: impl FnOnce(&mut StrategyConfig)) -> (Arc<Engine>, Arc<Redis>, Parts) {
    let mut settings = Settings {
        redis: true,
        ..Settings::default()
    };
    edit(settings.strategies.get_mut("default").expect("it always exists"));
    let parts = Parts {
        clock: Arc::new(Shifted(wrong)),
        runtime: Arc::new(TokioRuntime),
        random: Arc::new(SystemRandom),
    };
    let mut config = RedisConfig::at(url);
    // A machine that is busy with other tests may be slow; a server that is gone is found gone at once.
    config.operation_timeout = peregrine_base::Span::new(Duration::from_secs(20));
    let redis = Redis::start(
        &config,
        peregrine_store::Parts {
            clock: Arc::clone(&parts.clock),
            runtime: Arc::clone(&parts.runtime),
            random: Arc::clone(&parts.random),
        },
    )
    .expect("the configuration is good");
    redis.ready().await;
    let engine = Engine::new(parts.clone(), settings).expect("the settings are good");
    (engine, redis, parts)
}

fn tier_config(stored: u32) -> RedisTierConfig {
    RedisTierConfig {
        prefix: "pg".into(),
        stored,
        lease: Duration::from_secs(3),
        // A machine that is busy with other tests may be slow.
        told: Duration::from_secs(20),
    }
}

/// An engine that takes part by the backplane itself, as in the program.
pub(super) async fn member(
    server: &RedisServer,
    node: &str,
    edit: impl FnOnce(&mut StrategyConfig),
) -> (Arc<Engine>, Arc<Backplane>) {
    let (engine, redis, parts) = alone(&server.url(), Duration::ZERO, edit).await;
    let config = BackplaneConfig {
        freshness_bound: BOUND,
        node: node.to_owned(),
        answer_max: Duration::from_secs(20),
        control_shards: 1,
        replicas_min: Some(0),
        journal: None,
        prefix: "pg".to_owned(),
    };
    let backplane = Backplane::start(&engine, Arc::clone(&redis), config, parts).expect("there is no journal");
    engine.attach_redis(redis, tier_config(1));
    until("the first answer", || {
        backplane.status().shards[0].state == ShardState::InStep
    })
    .await;
    (engine, backplane)
}

/// The link as the engine holds it.
struct Out(Arc<Link>);

impl Outward for Out {
    fn verify(&self, _: u32) -> Verifying {
        let link = Arc::clone(&self.0);
        link.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            link.sync().await;
        })
    }

    fn tell(&self, marks: Vec<Shared>) -> Telling {
        let stamping = self.stamp(marks);
        Box::pin(async move {
            Told {
                journaled: stamping.await.is_none(),
                ..Told::default()
            }
        })
    }

    fn tell_of_write(&self, mark: Shared) -> Stamping {
        self.stamp(vec![mark])
    }
}

impl Out {
    /// Tells Redis of `marks`; the stamp of the last.
    fn stamp(&self, marks: Vec<Shared>) -> Stamping {
        let link = Arc::clone(&self.0);
        let pending = link.engine().map(|engine| {
            let member = engine.member(0);
            let pend = |mark: Mark| (member.pend(vec![mark.clone()]), mark);
            marks.into_iter().map(|shared| pend(shared.mark)).collect()
        });
        let told = tokio::spawn(async move { link.invalidate(pending?).await });
        Box::pin(async move { told.await.ok().flatten() })
    }
}

impl Node {
    /// A node with default settings.
    pub(super) async fn start(server: &RedisServer) -> Self {
        Self::with(&server.url(), Duration::ZERO, |_| {}).await
    }

    /// A node with an edited default strategy, whose clocks are wrong.
    pub(super) async fn with(url: &str, wrong: Duration, edit: impl FnOnce(&mut StrategyConfig)) -> Self {
        Self::begin(url, wrong, 1, edit).await
    }

    /// A node whose callers write heads in this form.
    pub(super) async fn reading(url: &str, stored: u32) -> Self {
        Self::begin(url, Duration::ZERO, stored, |_| {}).await
    }

    async fn begin(url: &str, wrong: Duration, stored: u32, edit: impl FnOnce(&mut StrategyConfig)) -> Self {
        let (engine, redis, _) = alone(url, wrong, edit).await;
        let link = Arc::new(Link {
            engine: OnceLock::new(),
            redis: Arc::clone(&redis),
            telling: tokio::sync::Mutex::default(),
            asked: AtomicUsize::default(),
        });
        link.engine.set(Arc::downgrade(&engine)).expect("it is set once");
        engine.join_backplane(Joining {
            shards: 1,
            bound: BOUND,
            outward: Arc::new(Out(Arc::clone(&link))),
        });
        engine.attach_redis(redis, tier_config(stored));
        let strategy = engine.strategy("default").expect("it always exists");
        let node = Self { engine, strategy, link };
        node.learn().await;
        node
    }

    /// Hears of everything that was invalidated so far.
    pub(super) async fn learn(&self) {
        self.link.sync().await;
    }

    /// How often somebody asked what happened, because of what was found.
    pub(super) fn asked(&self) -> usize {
        self.link.asked.load(Ordering::SeqCst)
    }

    /// Redis is told nothing of this node while this is held.
    pub(super) async fn silence(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.link.telling.lock().await
    }

    pub(super) fn key(&self, path: &str) -> Key {
        let namespace = self.engine.namespace("default").expect("it always exists");
        Key::http(&namespace, "", "http", "h", path)
    }

    /// The value at `path`; where it has to be loaded it is `value`, tagged `t`, and that is counted.
    pub(super) async fn load(&self, path: &str, value: &'static str, loads: &Arc<AtomicUsize>) -> Hit {
        let loads = Arc::clone(loads);
        let load = move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok(Loaded {
                value: Bytes::from_static(value.as_bytes()),
                tags: vec!["t".into()],
                ttl: None,
            })
        };
        self.engine
            .get_or_load(&self.key(path), &self.strategy, load)
            .await
            .expect("it loads")
    }

    pub(super) fn statistics(&self) -> RedisTierStatistics {
        self.engine.statistics().redis.expect("there is a tier")
    }

    /// Waits until so many values were written.
    pub(super) async fn written(&self, outcome: &'static str, count: u64) {
        self.until(outcome, |statistics| {
            statistics.writes_by_outcome.get(outcome).copied().unwrap_or(0) >= count
        })
        .await;
    }

    /// Waits until `holds`.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&RedisTierStatistics) -> bool) {
        until(what, || holds(&self.statistics())).await;
    }
}

/// Waits until `holds`.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {what}");
}

/// The body as text.
pub(super) fn text(hit: &Hit) -> String {
    String::from_utf8(hit.body().to_bytes().to_vec()).expect("tests store text")
}
