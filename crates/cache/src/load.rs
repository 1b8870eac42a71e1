//! Loading for callers who are no proxy: [`Engine::get_or_load`] is the whole way in one call.

use crate::engine::Engine;
use crate::follower::{Followed, Follower};
use crate::hit::Hit;
use crate::key::Key;
use crate::lease::Lease;
use crate::ledger::Position;
use crate::lookup::{Ask, Lookup, Meta};
use crate::outcome::LoadFailure;
use crate::promise::{Promise, promise};
use crate::redis::Recalled;
use crate::selector::NoVariants;
use crate::strategy::Strategy;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How many loads of others a caller tries to share before it loads for itself alone.
const SHARED_MAX: usize = 4;

/// What a load brings.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The value.
    pub value: Bytes,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its lifetime; the strategy's where nothing is set.
    pub ttl: Option<Duration>,
}

/// A load that was not begun.
type Load = Pin<Box<dyn Future<Output = Result<Loaded, LoadFailure>> + Send>>;

impl Engine {
    /// The value under `key`: from memory, from a load that somebody else has begun, or from `load`, which runs in a task of
    /// its own and goes on when the caller leaves. Past the strategy's soft limit, and in place of a failure, a stale value is
    /// served while its window of grace lasts; past the hard limit the load is over.
    ///
    /// # Errors
    /// The load failed and nothing stale may be served. The cache itself never makes this fail: what cannot be stored is
    /// returned all the same.
    pub async fn get_or_load<F, Fut>(
        self: &Arc<Self>,
        key: &Key,
        strategy: &Arc<Strategy>,
        load: F,
    ) -> Result<Hit, LoadFailure>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded, LoadFailure>> + Send + 'static,
    {
        let load: Load = Box::pin(async move { load().await });
        let (arrived, mut verified) = (self.parts.clock.now(), false);
        for _ in 0..SHARED_MAX {
            let ask = Ask {
                arrived,
                verified,
                ..Ask::plain(self.parts.clock.now(), strategy)
            };
            match self.lookup(key, &ask) {
                Lookup::Fresh { hit, refresh } | Lookup::Stale { hit, refresh, .. } => {
                    if let Some(lease) = refresh {
                        drop(self.start(lease, strategy, load));
                    }
                    return Ok(hit);
                }
                Lookup::Lead(lease) => return self.lead_load(lease, strategy, load).await,
                Lookup::Follow(follower) => {
                    if let Some(answer) = self.follow_load(follower, strategy).await {
                        return answer;
                    }
                }
                Lookup::Bypass(_) => return self.load_unstored(key, strategy, load).await,
                Lookup::Unverified => {
                    self.verify(key).await;
                    verified = true;
                }
            }
        }
        let lease = self.lead_alone(key, &Ask::plain(self.parts.clock.now(), strategy));
        self.lead_load(lease, strategy, load).await
    }

    /// Begins `load` in a task of its own.
    fn start(
        self: &Arc<Self>,
        lease: Lease,
        strategy: &Arc<Strategy>,
        load: Load,
    ) -> Promise<Result<Hit, LoadFailure>> {
        let (giver, taken) = promise();
        let (engine, strategy) = (Arc::clone(self), Arc::clone(strategy));
        self.parts.runtime.spawn(Box::pin(async move {
            let lease = match lease.recall(&NoVariants).await {
                Recalled::Found(hit) | Recalled::Again(hit) => return giver.give(Ok(hit)),
                Recalled::Load(lease) => lease,
            };
            let stale = lease.stale().cloned();
            let loaded = engine.within_hard_limit(&strategy, load).await;
            let concluded = engine.conclude(lease, &strategy, loaded);
            giver.give(concluded.or_else(|failure| engine.stale_or(stale, failure)));
        }));
        taken
    }

    async fn within_hard_limit(&self, strategy: &Strategy, mut load: Load) -> Result<Loaded, LoadFailure> {
        let mut limit = self.parts.runtime.sleep(strategy.load_hard_limit());
        poll_fn(|cx| match load.as_mut().poll(cx) {
            Poll::Ready(loaded) => Poll::Ready(loaded),
            Poll::Pending => limit.as_mut().poll(cx).map(|()| Err(LoadFailure::TimedOut)),
        })
        .await
    }

    fn conclude(
        &self,
        lease: Lease,
        strategy: &Strategy,
        loaded: Result<Loaded, LoadFailure>,
    ) -> Result<Hit, LoadFailure> {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => {
                lease.fail(failure);
                return Err(failure);
            }
        };
        let key = lease.key().clone();
        let meta = Meta {
            tags: loaded.tags,
            fresh_for: loaded.ttl.unwrap_or_else(|| strategy.ttl()),
            jitter: loaded.ttl.is_none(),
            swr: strategy.stale_while_revalidate(),
            sie: strategy.stale_if_error(),
            compressible: true,
            ..Meta::default()
        };
        lease
            .store(meta, &loaded.value, &NoVariants)
            .or_else(|_| self.detached(&key, &loaded.value))
    }

    /// A value that is in no tier.
    fn detached(&self, key: &Key, value: &Bytes) -> Result<Hit, LoadFailure> {
        let whole = self.value(key, value, &[], Duration::ZERO, Position::default(), false);
        // A key that is too long for an entry has none there either.
        let nameless = || {
            self.value(
                &Key::named(key.namespace(), "", ""),
                value,
                &[],
                Duration::ZERO,
                Position::default(),
                false,
            )
        };
        whole.or_else(nameless).map(Hit).ok_or(LoadFailure::Refused)
    }

    async fn load_unstored(&self, key: &Key, strategy: &Strategy, load: Load) -> Result<Hit, LoadFailure> {
        let loaded = self.within_hard_limit(strategy, load).await?;
        self.detached(key, &loaded.value)
    }

    async fn lead_load(
        self: &Arc<Self>,
        lease: Lease,
        strategy: &Arc<Strategy>,
        load: Load,
    ) -> Result<Hit, LoadFailure> {
        let stale = lease.stale().cloned();
        let loading = self.start(lease, strategy, load);
        match self.within_soft_limit(strategy, stale.as_ref(), loading).await {
            None => stale.ok_or(LoadFailure::TimedOut),
            Some(None) => self.stale_or(stale, LoadFailure::Abandoned),
            Some(Some(Err(failure))) => self.stale_or(stale, failure),
            Some(Some(Ok(hit))) => Ok(hit),
        }
    }

    /// Waits for another's load; nothing when the caller has to look again.
    async fn follow_load(&self, mut follower: Follower, strategy: &Strategy) -> Option<Result<Hit, LoadFailure>> {
        let stale = follower.stale().cloned();
        let waiting = pin!(async { follower.wait(&NoVariants).await });
        match self.within_soft_limit(strategy, stale.as_ref(), waiting).await {
            None => stale.map(Ok),
            Some(Followed::Serve(hit) | Followed::Recalled(hit)) => Some(Ok(hit)),
            Some(Followed::Failed(failure)) => Some(self.stale_or(stale, failure)),
            Some(Followed::Again | Followed::Passed(_)) => None,
            Some(Followed::Stream(mut reader)) => {
                // It is stored when its end is read; a failure shows at the next look.
                while let Some(Ok(_)) = reader.next().await {}
                None
            }
        }
    }

    /// Waits; nothing once the soft limit has passed and there is something stale to serve.
    async fn within_soft_limit<T>(
        &self,
        strategy: &Strategy,
        stale: Option<&Hit>,
        mut waiting: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        let limit = strategy
            .load_soft_limit()
            .filter(|_| stale.is_some_and(|hit| self.grace(hit)));
        let mut limit = limit.map(|limit| self.parts.runtime.sleep(limit));
        poll_fn(|cx| match Pin::new(&mut waiting).poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => match limit.as_mut() {
                Some(limit) => limit.as_mut().poll(cx).map(|()| None),
                None => Poll::Pending,
            },
        })
        .await
    }

    /// Whether a window of grace lets `hit` stand in for a load.
    fn grace(&self, hit: &Hit) -> bool {
        hit.stale_if_error_until().max(hit.stale_while_revalidate_until()) > self.parts.clock.now()
    }

    fn stale_or(&self, stale: Option<Hit>, failure: LoadFailure) -> Result<Hit, LoadFailure> {
        stale
            .filter(|hit| hit.stale_if_error_until() > self.parts.clock.now())
            .ok_or(failure)
    }
}
