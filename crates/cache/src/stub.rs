//! The rest of the interface, for those who build on it.
use crate::*;
use bytes::Bytes;
use peregrine_base::{Clock, Instant, Random, Runtime};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Terms of one lookup.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Now.
    pub now: Instant,
    /// The strategy.
    pub strategy: &'a Arc<Strategy>,
    /// Maximum age.
    pub age_max: Option<Duration>,
    /// Freshness that must be left.
    pub fresh_min: Duration,
    /// Staleness that is accepted; zero-able.
    pub stale_max: Option<Duration>,
    /// no-cache
    pub validate: bool,
    /// Variants.
    pub variants: &'a dyn Variants,
    /// Whether a lease may be handed out.
    pub lead: bool,
}

/// Outcome of a lookup.
#[derive(Debug)]
pub enum Lookup {
    /// Fresh.
    Fresh {
        /// The entry.
        hit: Hit,
        /// refresh-ahead is due.
        refresh: Option<Lease>,
    },
    /// Stale but servable at once.
    Stale {
        /// The entry.
        hit: Hit,
        /// Why it may be served.
        why: StaleWhy,
        /// Renew in the background.
        refresh: Option<Lease>,
    },
    /// Load. A lease with `lease.alone()` has no followers (hit-for-miss): it can still be filled.
    Lead(Lease),
    /// Wait.
    Follow(Follower),
    /// Go past the cache.
    Bypass(Bypass),
}

/// What lies under a key.
#[derive(Debug)]
pub struct Peek {
    /// The entry of the asker's variant.
    pub hit: Option<Hit>,
    /// How it could be used.
    pub usable: Result<Usable, MissReason>,
    /// The names by which variants differ.
    pub selector: Option<Selector>,
    /// The marker.
    pub marker: Option<PassReason>,
    /// Whether a load is under way.
    pub loading: bool,
}

/// How an entry may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usable {
    /// Fresh.
    Fresh,
    /// Stale.
    Stale(StaleWhy),
}

/// Head of an answer.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Opaque head.
    pub head: Bytes,
    /// Tags.
    pub tags: Vec<String>,
    /// Age on arrival.
    pub initial_age: Duration,
    /// Fresh for, from now.
    pub fresh_for: Duration,
    /// swr
    pub swr: Duration,
    /// sie
    pub sie: Duration,
    /// Announced length.
    pub length: Option<u64>,
    /// Type promises a gain.
    pub compressible: bool,
    /// Vary.
    pub selector: Option<Selector>,
    /// Stored no-cache.
    pub must_validate: bool,
    /// must-revalidate: max-stale of an asker does not apply.
    pub never_stale: bool,
    /// Negative answer.
    pub negative: bool,
    /// The lifetime came from the strategy: jitter applies.
    pub jitter: bool,
}

/// Lease.
#[derive(Debug)]
pub struct Lease(());
#[expect(clippy::todo, unused_variables, missing_docs, reason = "replaced within the hour")]
impl Lease {
    pub fn position(&self) -> Position { todo!() }
    pub fn stale(&self) -> Option<&Hit> { todo!() }
    pub fn key(&self) -> &Key { todo!() }
    /// Why the lookup missed.
    pub fn why(&self) -> MissReason { todo!() }
    /// Nobody waits for this load (hit-for-miss, or asked for by `lead_alone`); it may still be filled.
    pub fn alone(&self) -> bool { todo!() }
    pub fn fill(self, meta: Meta, variants: &dyn Variants) -> Result<Fill, Refused> { todo!() }
    /// A whole body at once.
    pub fn store(self, meta: Meta, body: Bytes, variants: &dyn Variants) -> Result<Hit, Refused> { todo!() }
    pub fn renew(self, meta: Meta, variants: &dyn Variants) -> Result<Hit, Refused> { todo!() }
    pub fn pass(self, reason: PassReason) { todo!() }
    pub fn fail(self, failure: LoadFailure) { todo!() }
}
/// Fill.
#[derive(Debug)]
pub struct Fill(());
#[expect(clippy::todo, unused_variables, missing_docs, clippy::unused_async, reason = "replaced within the hour")]
impl Fill {
    pub fn reader(&self) -> Reader { todo!() }
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), Abandoned> { todo!() }
    pub fn finish(self) -> Finished { todo!() }
    pub fn fail(self, failure: LoadFailure) { todo!() }
}
/// How a fill ended.
#[derive(Debug)]
pub enum Finished {
    /// It is stored.
    Stored(Hit),
    /// It is not.
    NotStored(NotStored),
}
/// Reader.
#[derive(Debug)]
pub struct Reader(());
#[expect(clippy::todo, unused_variables, missing_docs, clippy::unused_async, reason = "replaced within the hour")]
impl Reader {
    pub fn head(&self) -> &[u8] { todo!() }
    pub fn length(&self) -> Option<u64> { todo!() }
    pub async fn next(&mut self) -> Option<Result<Bytes, LoadFailure>> { todo!() }
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, LoadFailure>>> { todo!() }
}
/// Follower.
#[derive(Debug)]
pub struct Follower(());
#[expect(clippy::todo, unused_variables, missing_docs, clippy::unused_async, reason = "replaced within the hour")]
impl Follower {
    pub async fn wait(&mut self, variants: &dyn Variants) -> Followed { todo!() }
    pub fn stale(&self) -> Option<&Hit> { todo!() }
}
/// What came of following.
#[derive(Debug)]
pub enum Followed {
    /// Read on.
    Stream(Reader),
    /// A stored value.
    Serve(Hit),
    /// Look up again.
    Again,
    /// Not storable.
    Passed(PassReason),
    /// Failed.
    Failed(LoadFailure),
}
/// What the engine needs from outside.
#[derive(Clone)]
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spawning.
    pub runtime: Arc<dyn Runtime>,
    /// Chance.
    pub random: Arc<dyn Random>,
}
/// Engine.
#[derive(Debug)]
pub struct Engine(());
/// How `set` stores.
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    /// Lifetime; the strategy's where nothing is set.
    pub ttl: Option<Duration>,
    /// The strategy; `default` where nothing is set.
    pub strategy: Option<Arc<Strategy>>,
    /// Tags.
    pub tags: Vec<String>,
}
/// What a load brought.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The value.
    pub value: Bytes,
    /// Its tags.
    pub tags: Vec<String>,
    /// Lifetime; the strategy's where nothing is set.
    pub ttl: Option<Duration>,
}
#[expect(clippy::todo, unused_variables, missing_docs, clippy::unused_async, reason = "replaced within the hour")]
impl Engine {
    pub fn new(parts: Parts, settings: Settings) -> Result<Arc<Self>, SettingsError> { todo!() }
    pub fn reconfigure(&self, settings: Settings) -> Result<(), SettingsError> { todo!() }
    pub fn strategy(&self, name: &str) -> Option<Arc<Strategy>> { todo!() }
    pub fn namespace(&self, name: &str) -> Option<Arc<Namespace>> { todo!() }
    pub fn namespaces(&self) -> Vec<Arc<Namespace>> { todo!() }
    pub fn lookup(self: &Arc<Self>, key: &Key, ask: &Ask<'_>) -> Lookup { todo!() }
    pub fn lead_alone(self: &Arc<Self>, key: &Key, ask: &Ask<'_>) -> Lease { todo!() }
    pub fn peek(&self, key: &Key, ask: &Ask<'_>) -> Peek { todo!() }
    pub async fn invalidate(&self, request: &Invalidation) -> Receipt { todo!() }
    pub fn statistics(&self) -> Statistics { todo!() }
    pub fn run_sweeper(self: &Arc<Self>) { todo!() }
    pub fn get(&self, namespace: &Arc<Namespace>, key: &str) -> Option<Hit> { todo!() }
    pub fn set(&self, namespace: &Arc<Namespace>, key: &str, value: Bytes, options: &SetOptions) -> bool { todo!() }
    pub fn delete(&self, namespace: &Arc<Namespace>, key: &str) -> bool { todo!() }
    pub fn mget(&self, namespace: &Arc<Namespace>, keys: &[String]) -> Vec<Option<Hit>> { todo!() }
    pub fn mset(&self, namespace: &Arc<Namespace>, values: Vec<(String, Bytes)>, options: &SetOptions) -> usize { todo!() }
    pub fn clear(&self, namespace: &Arc<Namespace>) -> u64 { todo!() }
    pub async fn get_or_load<F, Fut>(self: &Arc<Self>, key: &Key, strategy: &Arc<Strategy>, load: F) -> Result<Hit, LoadFailure>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded, LoadFailure>> + Send + 'static,
    { todo!() }
}
#[expect(unused, reason = "stub")]
type Unused = BTreeMap<(), ()>;
