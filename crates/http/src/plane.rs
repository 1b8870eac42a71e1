//! The way of a request through the HTTP plane. [`Plane::serve`] tells it from top to bottom:
//!
//! `receive → route → identify → admit → lookup → fetch → store → deliver → finish`
//!
//! Each step answers with an enum that names its reason; the steps' own files hold what they need. The plane keeps no
//! state of its own beside the route table, which a reload swaps whole.

use crate::failure::Failure;
use crate::identify::Identity;
use crate::load::{self, Loaded};
use crate::outcome::{CacheOutcome, Outcome};
use crate::policy::cache_status::Forward;
use crate::policy::{Decision, Reason, RequestVerdict};
use crate::recent::Recent;
use crate::request::RequestFacts;
use crate::route::{Route, RouteTable};
use crate::{deliver, finish, pass, receive};
use arc_swap::ArcSwap;
use http::{Request, Response};
use peregrine_admission::{Admission, Admit, Permit, Verdict};
use peregrine_base::{Clock, Runtime};
use peregrine_cache::{Bypass, Engine, Followed, Follower, Hit, Lease, Lookup};
use peregrine_net::http::hygiene::TrustedProxies;
use peregrine_net::http::{Body, Handler, Peer};
use peregrine_telemetry::access::AccessLog;
use std::sync::Arc;
use std::time::Duration;

/// How often a request looks up again after a load that it could not use, before it loads for itself alone.
const LOOKUPS_MAX: usize = 4;

/// What the plane is made of.
#[derive(Clone)]
pub struct Parts {
    /// The cache.
    pub engine: Arc<Engine>,
    /// What lets requests in.
    pub admit: Arc<dyn Admit>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Spawning and sleeping.
    pub runtime: Arc<dyn Runtime>,
    /// Where finished requests are written down.
    pub access_log: Arc<AccessLog>,
}

/// The caching reverse proxy.
pub struct Plane {
    pub(crate) parts: Parts,
    pub(crate) recent: Recent,
    table: ArcSwap<RouteTable>,
    trusted: ArcSwap<TrustedProxies>,
}

impl Plane {
    /// A plane that serves `table`.
    #[must_use]
    pub fn new(parts: Parts, table: RouteTable, trusted: TrustedProxies) -> Self {
        Self { parts, recent: Recent::new(), table: ArcSwap::from_pointee(table), trusted: ArcSwap::from_pointee(trusted) }
    }

    /// The routes as they are now.
    #[must_use]
    pub fn table(&self) -> Arc<RouteTable> {
        self.table.load_full()
    }

    /// Swaps routes and trust; requests under way finish by the old ones.
    pub fn reconfigure(&self, table: RouteTable, trusted: TrustedProxies) {
        self.table.store(Arc::new(table));
        self.trusted.store(Arc::new(trusted));
    }

    /// The whole way of one request, up to the answer.
    async fn serve(&self, facts: &Arc<RequestFacts>, body: Body, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        let route = self.route(facts)?;
        outcome.route = Some(Arc::clone(&route));
        let _permit = self.admit(&route)?;
        match Identity::of(facts, &route, &body) {
            Identity::Cached(asking) => self.lookup(&Arc::new(*asking), outcome).await,
            Identity::Past { why, decision } => {
                outcome.forwarded(CacheOutcome::Bypass, why);
                outcome.decision = Some(decision);
                pass::forward(self, facts, &route, body, outcome).await
            }
        }
    }

    fn route(&self, facts: &RequestFacts) -> Result<Arc<Route>, Failure> {
        self.table.load().find(facts).cloned().ok_or(Failure::NoRoute)
    }

    fn admit(&self, route: &Route) -> Result<Permit, Failure> {
        let request = Admission { route: &route.name, tenant: "", namespace: route.namespace.name() };
        match self.parts.admit.admit(&request) {
            Verdict::Admit(permit) => Ok(permit),
            Verdict::Throttle { retry_after, .. } => Err(Failure::Throttled { retry_after }),
            Verdict::Shed(reason) => Err(Failure::Shed(reason)),
            Verdict::Open { retry_after } => Err(Failure::Open { retry_after }),
        }
    }

    /// Asks the cache until it answers; a request that could not use several loads in a row loads for itself.
    async fn lookup(&self, asking: &Arc<Asking>, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        for _ in 0..LOOKUPS_MAX {
            match self.parts.engine.lookup(&asking.key, &asking.ask(self.parts.clock.now())) {
                Lookup::Fresh { hit, refresh } => {
                    self.refresh(asking, refresh);
                    return self.hit(asking, hit, CacheOutcome::Hit, outcome);
                }
                Lookup::Stale { hit, why, refresh } => {
                    self.refresh(asking, refresh);
                    return self.hit(asking, hit, CacheOutcome::of_stale(why), outcome);
                }
                Lookup::Lead(lease) => return self.lead(asking, lease, outcome).await,
                Lookup::Follow(follower) => {
                    if let Some(answer) = self.follow(asking, follower, outcome).await {
                        return answer;
                    }
                }
                Lookup::Bypass(reason) => return self.past(asking, reason, outcome).await,
            }
        }
        self.past(asking, Bypass::Contended, outcome).await
    }

    /// Renews an entry in the background; its answer reaches nobody but the cache.
    fn refresh(&self, asking: &Arc<Asking>, lease: Option<Lease>) {
        if let Some(lease) = lease {
            drop(load::start(&self.parts, asking, lease));
        }
    }

    /// A stored response answers.
    fn hit(&self, asking: &Asking, hit: Hit, how: CacheOutcome, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        let now = self.parts.clock.now();
        outcome.served(how, freshness_left_s(&hit, now));
        deliver::stored(asking, &hit, now, self.parts.clock.wall())
    }

    /// This request's load answers, for itself and for its followers.
    async fn lead(&self, asking: &Arc<Asking>, lease: Lease, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        let stale = lease.stale().cloned();
        let forward = if stale.is_some() { Forward::Stale } else { Forward::UriMiss };
        outcome.forwarded(CacheOutcome::Miss, forward);
        let loading = load::start(&self.parts, asking, lease);
        let Some(loaded) = self.within_soft_limit(asking, stale.as_ref(), loading).await else {
            return self.stale_answer(asking, stale, CacheOutcome::StaleWhileSlow, outcome);
        };
        match loaded {
            Loaded::Reading(reading) => {
                outcome.loaded(&reading.facts);
                Ok(deliver::reading(asking, reading, self.parts.clock.wall()))
            }
            Loaded::Renewed { hit, facts } => {
                outcome.loaded(&facts);
                let answer = self.hit(asking, hit, CacheOutcome::Revalidated, outcome);
                outcome.forward = Some(Forward::Stale);
                answer
            }
            Loaded::Direct { response, facts } => {
                outcome.loaded(&facts);
                Ok(deliver::direct(&asking.route, response))
            }
            Loaded::Failed(failure) => self.stale_or(asking, stale, failure, outcome),
        }
    }

    /// Another request's load answers; nothing when this request has to look up again.
    async fn follow(&self, asking: &Arc<Asking>, mut follower: Follower, outcome: &mut Outcome) -> Option<Result<Response<Body>, Failure>> {
        let stale = follower.stale().cloned();
        let variants = asking.variants();
        let waiting = async { follower.wait(&variants).await };
        let Some(followed) = self.within_soft_limit(asking, stale.as_ref(), waiting).await else {
            return Some(self.stale_answer(asking, stale, CacheOutcome::StaleWhileSlow, outcome));
        };
        outcome.forwarded(CacheOutcome::Collapsed, if stale.is_some() { Forward::Stale } else { Forward::UriMiss });
        Some(match followed {
            Followed::Stream(reader) => match load::Reading::following(reader) {
                Some(reading) => Ok(deliver::reading(asking, reading, self.parts.clock.wall())),
                None => return None,
            },
            Followed::Serve(hit) => self.hit(asking, hit, CacheOutcome::Collapsed, outcome),
            Followed::Again => return None,
            Followed::Passed(reason) => self.past(asking, Bypass::HitForMiss(reason), outcome).await,
            Followed::Failed(failure) => self.stale_or(asking, stale, Failure::Load(failure), outcome),
        })
    }

    /// The request goes past the cache after the cache was asked.
    async fn past(&self, asking: &Asking, bypass: Bypass, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        let decision = Decision::of_bypass(bypass);
        if asking.asked.only_if_cached {
            return Err(Failure::OnlyIfCached(decision));
        }
        outcome.forwarded(CacheOutcome::Bypass, if asking.leads { Forward::Bypass } else { Forward::UriMiss });
        outcome.decision = Some(decision);
        pass::forward(self, &asking.facts, &asking.route, Body::empty(), outcome).await
    }

    /// Waits for a load; nothing once the strategy's soft limit has passed and a stale answer may stand in for it.
    async fn within_soft_limit<T>(&self, asking: &Asking, stale: Option<&Hit>, loading: impl Future<Output = T>) -> Option<T> {
        let limit = asking.route.strategy.load_soft_limit().filter(|_| stale.is_some_and(|hit| asking.stale_allowed(hit, self.parts.clock.now())));
        let Some(limit) = limit else { return Some(loading.await) };
        tokio::select! {
            loaded = loading => Some(loaded),
            () = self.parts.runtime.sleep(limit) => None,
        }
    }

    /// A stale answer where one is allowed, else the failure (RFC 5861 §4).
    fn stale_or(&self, asking: &Asking, stale: Option<Hit>, failure: Failure, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        match stale.filter(|hit| asking.stale_allowed(hit, self.parts.clock.now())) {
            Some(hit) => {
                outcome.error = Some(failure.as_str());
                self.hit(asking, hit, CacheOutcome::StaleIfError, outcome)
            }
            None => Err(failure),
        }
    }
}
