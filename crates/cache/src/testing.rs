//! What the tests of this crate share: an engine whose time stands still until it is told to move.

use crate::promise::{Giver, promise};
use crate::{
    Ask, Engine, Follower, Hit, Key, Lease, Lookup, Meta, Namespace, Parts, Settings, Strategy, StrategyConfig,
};
use bytes::Bytes;
use parking_lot::Mutex;
use peregrine_base::{ByteSize, Clock, Instant, ManualClock, Runtime, SeededRandom, Task};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// An engine with its surroundings.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) time: Arc<TestRuntime>,
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) strategy: Arc<Strategy>,
}

/// Spawns on tokio; sleeps until the test lets time pass.
#[derive(Default)]
pub(crate) struct TestRuntime {
    pub(crate) clock: ManualClock,
    sleepers: Mutex<Vec<(Instant, Giver<()>)>>,
}

/// The clock of a [`TestRuntime`].
struct TestClock(Arc<TestRuntime>);

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.0.clock.now()
    }

    fn wall(&self) -> peregrine_base::WallTime {
        self.0.clock.wall()
    }
}

/// The runtime as the engine holds it.
struct Shared(Arc<TestRuntime>);

impl Runtime for Shared {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        work();
    }

    fn sleep(&self, span: Duration) -> Task {
        let (giver, taken) = promise();
        self.0.sleepers.lock().push((self.0.clock.now().after(span), giver));
        Box::pin(async move {
            taken.await;
        })
    }
}

impl TestRuntime {
    /// Lets `span` pass and wakes whoever slept until then.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
        let now = self.clock.now();
        let due: Vec<_> = {
            let mut sleepers = self.sleepers.lock();
            let (due, later) = sleepers.drain(..).partition(|(until, _)| *until <= now);
            *sleepers = later;
            due
        };
        due.into_iter().for_each(|(_, giver)| giver.give(()));
    }

    /// What runs in it.
    pub(crate) fn parts(self: &Arc<Self>) -> Parts {
        Parts {
            clock: Arc::new(TestClock(Arc::clone(self))),
            runtime: Arc::new(Shared(Arc::clone(self))),
            random: Arc::new(SeededRandom::new(1)),
        }
    }

    /// How many sleep.
    pub(crate) fn sleeping(&self) -> usize {
        self.sleepers.lock().len()
    }
}

impl Bench {
    /// An engine of 8 MiB with default settings.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// An engine with edited settings.
    pub(crate) fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        let time = Arc::new(TestRuntime::default());
        let mut settings = Settings::default();
        settings.cache.memory = ByteSize::mib(8);
        settings.cache.object_size_max = ByteSize::mib(1);
        edit(&mut settings);
        let engine = Engine::new(time.parts(), settings).expect("the settings of a test are good");
        let (namespace, strategy) = (
            engine.namespace("default").expect("it always exists"),
            engine.strategy("default").expect("it always exists"),
        );
        Self {
            engine,
            time,
            namespace,
            strategy,
        }
    }

    /// The engine with an edited default strategy.
    pub(crate) fn strategy(edit: impl FnOnce(&mut StrategyConfig)) -> Self {
        Self::with(|settings| edit(settings.strategies.get_mut("default").expect("it always exists")))
    }

    pub(crate) fn now(&self) -> Instant {
        self.time.clock.now()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.time.advance(Duration::from_secs(seconds));
    }

    /// The key of a path on a host.
    pub(crate) fn key(&self, path: &str) -> Key {
        Key::http(&self.namespace, "", "http", "h", path)
    }

    /// Terms without conditions.
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask::plain(self.now(), &self.strategy)
    }

    pub(crate) fn lookup(&self, path: &str) -> Lookup {
        self.engine.lookup(&self.key(path), &self.ask())
    }

    /// The lease that a lookup gives.
    pub(crate) fn lead(&self, path: &str) -> Lease {
        match self.lookup(path) {
            Lookup::Lead(lease) => lease,
            other => panic!("expected a lease, got {other:?}"),
        }
    }

    /// The follower that a lookup gives.
    pub(crate) fn follow(&self, path: &str) -> Follower {
        match self.lookup(path) {
            Lookup::Follow(follower) => follower,
            other => panic!("expected to follow, got {other:?}"),
        }
    }

    /// What a lookup finds fresh.
    pub(crate) fn hit(&self, path: &str) -> Option<Hit> {
        match self.lookup(path) {
            Lookup::Fresh { hit, .. } => Some(hit),
            _ => None,
        }
    }

    /// Stores a body for a minute.
    pub(crate) fn put(&self, path: &str, body: &str) -> Hit {
        self.put_with(path, body, meta())
    }

    pub(crate) fn put_with(&self, path: &str, body: &str, meta: Meta) -> Hit {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.lead(path)
            .store(meta, &body, &crate::NoVariants)
            .expect("nothing refuses it")
    }

    /// Bytes that the engine accounts for.
    pub(crate) fn accounted(&self) -> u64 {
        let statistics = self.engine.statistics();
        statistics.total.bytes + statistics.in_flight_bytes
    }
}

/// What `future` gives at once: whoever would have to wait for it waits in vain.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it should be there at once"),
    }
}

/// An answer that is fresh for a minute.
pub(crate) fn meta() -> Meta {
    Meta {
        head: Bytes::from_static(b"head"),
        fresh_for: Duration::from_secs(60),
        ..Meta::default()
    }
}

/// As [`meta`], with tags.
pub(crate) fn tagged(tags: &[&str]) -> Meta {
    Meta {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..meta()
    }
}

/// The body of a hit as text.
pub(crate) fn text(hit: &Hit) -> String {
    String::from_utf8(hit.body().to_bytes().to_vec()).expect("tests store text")
}
