//! The way of a request through the HTTP plane. [`Plane::serve`] tells it from top to bottom:
//!
//! `receive → route → identify → admit → lookup → fetch → store → deliver → finish`
//!
//! Each step answers with an enum that names its reason; the steps' own files hold what they need. A reload swaps
//! the route table whole.

use crate::failure::Failure;
use crate::finish::Sealing;
use crate::head_update::Checking;
use crate::identify::{Asking, Identity};
use crate::load::{self, Loaded};
use crate::metrics::Tenants;
use crate::origin::traceparent;
use crate::outcome::{CacheOutcome, Outcome, Tier};
use crate::parted::Parted;
use crate::policy::{Decision, Forward, Reason};
use crate::reasons;
use crate::recent::Recent;
use crate::request::RequestFacts;
use crate::route::{BypassRule, Route, RouteTable};
use crate::tenant::{TenantFault, TenantRules};
use crate::{content, decode, deliver, encode, pass, policy, purge, receive};
use arc_swap::ArcSwap;
use http::{Request, Response, StatusCode};
use peregrine_admission::{Admission, Admit, Permit, Verdict};
use peregrine_base::{Clock, Random, Runtime};
use peregrine_cache::{Ask, Bypass, Engine, Followed, Follower, Hit, Lease, LoadFailure, Lookup, PassReason};
use peregrine_net::http::hygiene::TrustedProxies;
use peregrine_net::http::{Answer, Body, Handler, HeadView, Peer};
use peregrine_telemetry::trace::Trace;
use peregrine_telemetry::{Counter, Recorder};
use std::sync::Arc;

/// How often a request looks up again after a load that it could not use, before it loads for itself alone.
const LOOKUPS_MAX: usize = 4;

/// What `Cache-Status` says of an answer that other nodes may have invalidated.
const UNVERIFIED: &str = "unverified";

/// What the plane is made of.
#[derive(Clone)]
pub struct Parts {
    /// The cache.
    pub engine: Arc<Engine>,
    /// What lets requests in.
    pub admit: Arc<dyn Admit>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub random: Arc<dyn Random>,
    /// Spawning and sleeping.
    pub runtime: Arc<dyn Runtime>,
    /// Who takes finished requests.
    pub recorder: Arc<Recorder>,
    /// What each tenant's requests were.
    pub tenants: Arc<Tenants>,
}

/// The caching reverse proxy.
pub struct Plane {
    pub(crate) parts: Parts,
    pub(crate) recent: Recent,
    rules: ArcSwap<Rules>,
    unrouted: Counter,
}

/// What requests are received and routed by. A reload swaps all of it at once.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The routes.
    pub table: Arc<RouteTable>,
    /// Whose forwarded fields are believed.
    pub trusted: TrustedProxies,
    /// Who may PURGE.
    pub purgers: TrustedProxies,
    /// How tenants are told apart.
    pub tenants: TenantRules,
}

impl Rules {
    /// Routes alone: nobody's forwarded fields are believed, nobody may PURGE, and all requests are nobody's.
    #[must_use]
    pub fn of(table: RouteTable) -> Self {
        Self {
            table: Arc::new(table),
            trusted: TrustedProxies::none(),
            purgers: TrustedProxies::none(),
            tenants: TenantRules::default(),
        }
    }
}

impl Handler for Plane {
    fn at_once(&self, head: &HeadView<'_>, peer: &Peer, answer: &mut Answer) -> bool {
        self.answer_at_once(head, peer, answer)
    }

    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        if request.uri().path() == "*" {
            // RFC 9110 §9.3.7: what is asked of the server as a whole is asked of us. It pings, and tells nothing.
            return Response::new(Body::empty());
        }
        let rules = self.rules();
        match receive::receive(request, &peer, &rules.trusted, &rules.tenants, &*self.parts.random) {
            Ok((mut facts, body)) => {
                facts.trace = self.trace(&facts);
                let facts = Arc::new(facts);
                let mut sealing = Sealing::begin(&self.parts, &facts);
                let answer = self.serve(&rules, &facts, body, &mut sealing.outcome).await;
                if matches!(answer, Err(Failure::NoRoute)) {
                    self.unrouted.increment();
                }
                let response = deliver::complete(answer, &facts, &mut sealing.outcome);
                sealing.seal(&self.recent, response)
            }
            Err(problem) => problem.into_response(),
        }
    }
}

impl Plane {
    /// A plane that serves by `rules`.
    #[must_use]
    pub fn new(parts: Parts, rules: Rules) -> Self {
        Self {
            parts,
            recent: Recent::new(),
            rules: ArcSwap::from_pointee(rules),
            unrouted: Counter::new(),
        }
    }

    /// How many requests no route took.
    #[must_use]
    pub fn unrouted(&self) -> u64 {
        self.unrouted.value()
    }

    /// The routes as they are now.
    #[must_use]
    pub fn table(&self) -> Arc<RouteTable> {
        Arc::clone(&self.rules_at_once().table)
    }

    /// The rules as they are now: for one request from its receipt on, whatever is reloaded meanwhile.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The same for the moment, which counts no reference.
    pub(crate) fn rules_at_once(&self) -> arc_swap::Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// Goes on by `rules`; requests under way finish by the old ones.
    pub fn reconfigure(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// What each tenant's requests were.
    #[must_use]
    pub fn tenant_metrics(&self) -> &Tenants {
        &self.parts.tenants
    }

    /// The part of a request in a trace, where requests are traced.
    fn trace(&self, facts: &RequestFacts) -> Option<Trace> {
        let Parts {
            clock,
            random,
            recorder,
            ..
        } = &self.parts;
        let tracer = recorder.tracer()?;
        let began = (clock.now(), clock.wall());
        Some(tracer.begin(traceparent(&facts.headers), &**random, began))
    }

    /// From `route` to `store`: the way of one request up to its answer.
    pub(crate) async fn serve(
        &self,
        rules: &Rules,
        facts: &Arc<RequestFacts>,
        body: Body,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Failure> {
        if let Some(fault) = facts.tenant_fault {
            return Err(Failure::Tenant(fault));
        }
        if facts.method.as_str() == purge::METHOD {
            return purge::answer(self, rules, facts).await;
        }
        let route = rules.table.find(facts).cloned().ok_or(Failure::NoRoute)?;
        outcome.route = Some(Arc::clone(&route));
        if route.wants_tenant && facts.tenant.is_empty() {
            return Err(Failure::Tenant(TenantFault::Missing));
        }
        outcome.permit = Some(self.admit(&route, &facts.tenant)?);
        let (content, body) = content::take(facts, &route, body).await;
        match Identity::of(facts, &route, content, &body) {
            Identity::Cached(asking) => self.lookup(&asking, outcome).await,
            Identity::Past { why, decision, rule } => {
                outcome.detail = rule.map(BypassRule::as_str);
                outcome.forwarded(CacheOutcome::Bypass, why);
                outcome.decision = Some(decision);
                pass::forward(self, facts, &route, body, outcome).await
            }
        }
    }

    pub(crate) fn admit(&self, route: &Route, tenant: &str) -> Result<Permit, Failure> {
        let request = Admission {
            route: &route.name,
            tenant,
            namespace: route.namespace.name(),
        };
        match self.parts.admit.admit(&request) {
            Verdict::Admit(permit) => Ok(permit),
            Verdict::Throttle { retry_after, .. } => Err(Failure::Throttled { retry_after }),
            Verdict::Shed(reason) => Err(Failure::Shed(reason)),
            Verdict::Open { retry_after } => Err(Failure::Open { retry_after }),
        }
    }

    /// Asks the cache until it answers; a request that could not use several loads in a row loads for itself.
    async fn lookup(&self, asking: &Arc<Asking>, outcome: &mut Outcome) -> Result<Response<Body>, Failure> {
        let variants = asking.variants();
        let lies_in = |hit: &Hit| asking.lies_in(hit);
        let (arrived, mut verified) = (self.parts.clock.now(), false);
        let asked = |verified| Ask {
            arrived,
            verified,
            ..asking.ask(&variants, &lies_in, self.parts.clock.now())
        };
        if let Some(answer) = decode::answer(&self.parts, asking, &asked(verified), outcome) {
            self.looked_up(arrived, "fresh", outcome);
            return Ok(answer);
        }
        for _ in 0..LOOKUPS_MAX {
            let ask = asked(verified);
            match self.parts.engine.lookup(&asking.key, &ask) {
                Lookup::Fresh { hit, refresh } => {
                    self.looked_up(arrived, "fresh", outcome);
                    self.refresh(asking, refresh);
                    if let Some(answer) = self.hit(asking, hit, CacheOutcome::Hit, outcome) {
                        return answer;
                    }
                }
                Lookup::Stale { hit, why, refresh } => {
                    self.looked_up(arrived, "stale", outcome);
                    self.refresh(asking, refresh);
                    if let Some(answer) = self.hit(asking, hit, CacheOutcome::of_stale(why), outcome) {
                        return answer;
                    }
                }
                Lookup::Lead(lease) => {
                    self.looked_up(arrived, "lead", outcome);
                    if let Some(answer) = self.lead(asking, lease, outcome).await {
                        return answer;
                    }
                }
                Lookup::Follow(follower) => {
                    self.looked_up(arrived, "follow", outcome);
                    if let Some(answer) = self.follow(asking, follower, outcome).await {
                        return answer;
                    }
                }
                Lookup::Bypass(reason) => {
                    self.looked_up(arrived, "bypass", outcome);
                    return self.past(asking, reason, outcome).await;
                }
                Lookup::Unverified => {
                    self.parts.engine.verify(&asking.key).await;
                    verified = true;
                }
            }
        }
        let ask = asked(verified);
        let lease = self.parts.engine.lead_alone(&asking.key, &ask);
        self.looked_up(arrived, "lead", outcome);
        let answer = self.lead(asking, lease, outcome).await;
        answer.unwrap_or(Err(Failure::Load(LoadFailure::Abandoned)))
    }

    /// Renews an entry in the background; its answer reaches nobody but the cache.
    fn refresh(&self, asking: &Arc<Asking>, lease: Option<Lease>) {
        if let Some(lease) = lease {
            drop(load::start(&self.parts, asking, lease));
        }
    }

    /// A stored response answers; nothing where it is a part that does not.
    fn hit(
        &self,
        asking: &Asking,
        hit: Hit,
        how: CacheOutcome,
        outcome: &mut Outcome,
    ) -> Option<Result<Response<Body>, Failure>> {
        let now = self.parts.clock.now();
        outcome.answered_by(&hit, how, &asking.route, now);
        encode::prepare(&self.parts.engine, asking, &hit);
        deliver::stored(asking, &hit, (now, self.parts.clock.wall()), &*self.parts.random)
    }

    /// What another node loaded answers.
    fn recalled(&self, asking: &Asking, hit: Hit, outcome: &mut Outcome) -> Option<Result<Response<Body>, Failure>> {
        (outcome.decision, outcome.forward) = (None, None);
        let response = self.hit(asking, hit, CacheOutcome::Hit, outcome);
        outcome.tier = Tier::Redis;
        outcome.detail = outcome.detail.or(Some("redis"));
        response
    }

    /// This request's load answers, for itself and for its followers; nothing when it has to look up again.
    async fn lead(
        &self,
        asking: &Arc<Asking>,
        lease: Lease,
        outcome: &mut Outcome,
    ) -> Option<Result<Response<Body>, Failure>> {
        let stale = lease.stale().cloned();
        let why = reasons::of_miss(lease.why(), &asking.asked);
        outcome.decision = Some(Decision::new(why));
        outcome.forwarded(CacheOutcome::Miss, why.forward().unwrap_or(Forward::Miss));
        let loading = load::start(&self.parts, asking, lease);
        let Some(loaded) = self.within_soft_limit(asking, stale.as_ref(), loading).await else {
            // It goes on. Where the stale answer is none any more, this request waits for it after all.
            let why = LoadFailure::TimedOut.as_str();
            return self.stale(asking, stale, (CacheOutcome::StaleWhileSlow, why), outcome);
        };
        Some(match loaded {
            Loaded::Reading(reading) => {
                outcome.loaded(reading.facts);
                let reading_now = deliver::reading(asking, reading.head, reading.reader, true, self.parts.clock.wall());
                let Some(response) = reading_now else {
                    return Some(Err(Failure::Load(LoadFailure::Broken)));
                };
                // What comes after the whole says nothing about a part of it.
                let is_whole = !response.body().is_empty() && response.status() != StatusCode::PARTIAL_CONTENT;
                Ok(match reading.trailers.filter(|_| is_whole) {
                    Some(trailers) => response.map(|body| trailers.follow(body)),
                    None => response,
                })
            }
            Loaded::Renewed { hit, aside, facts } => {
                outcome.loaded(facts);
                let answer = self.hit(asking, hit, CacheOutcome::Revalidated, outcome)?;
                answer.map(|mut response| {
                    response.headers_mut().extend(aside);
                    response
                })
            }
            Loaded::Confirmed { hit, head, age, facts } => {
                outcome.loaded(facts);
                outcome.cache = CacheOutcome::Revalidated;
                let times = (age, self.parts.clock.wall());
                match deliver::under(asking, head, &hit, times, &*self.parts.random) {
                    Some(answer) => Ok(answer),
                    None => {
                        let bypass = Bypass::HitForMiss(PassReason::Partial);
                        self.past(asking, bypass, outcome).await
                    }
                }
            }
            Loaded::Recalled(hit) => self.recalled(asking, hit, outcome)?,
            Loaded::Again => return None,
            Loaded::Direct { response, facts } => {
                outcome.loaded(facts);
                Ok(deliver::loaded(asking, response, self.parts.clock.wall()))
            }
            Loaded::Failed(failure, recalled) => {
                let stale = stale.or(recalled);
                self.stale_or(asking, stale, CacheOutcome::StaleIfError, failure, outcome)
            }
        })
    }

    /// Another request's load answers; nothing when this request has to look up again.
    async fn follow(
        &self,
        asking: &Arc<Asking>,
        mut follower: Follower,
        outcome: &mut Outcome,
    ) -> Option<Result<Response<Body>, Failure>> {
        let stale = follower.stale().cloned();
        let variants = asking.variants();
        let waiting = async { follower.wait(&variants).await };
        let Some(followed) = self.within_soft_limit(asking, stale.as_ref(), waiting).await else {
            // It goes on. Where the stale answer is none any more, this request waits for it after all.
            let why = LoadFailure::TimedOut.as_str();
            return self.stale(asking, stale, (CacheOutcome::StaleWhileSlow, why), outcome);
        };
        self.waited(outcome);
        let why = reasons::of_miss(follower.why(), &asking.asked);
        outcome.forwarded(CacheOutcome::Collapsed, why.forward().unwrap_or(Forward::Miss));
        Some(match followed {
            Followed::Stream(reader) => {
                let reading = load::Reading::following(reader, self.parts.clock.now())?;
                let wall = self.parts.clock.wall();
                Ok(deliver::reading(asking, reading.head, reading.reader, false, wall)?)
            }
            Followed::Serve(hit) => self.hit(asking, hit, CacheOutcome::Collapsed, outcome)?,
            Followed::Recalled(hit) => self.recalled(asking, hit, outcome)?,
            Followed::Again => return None,
            Followed::Passed(PassReason::Validation) if stale.is_some() => {
                // What lies there may be right for this request too: the origin only has to say so. What is rare stands apart.
                let lies_in = |hit: &Hit| asking.lies_in(hit);
                let ask = asking.ask(&variants, &lies_in, self.parts.clock.now());
                let lease = self.parts.engine.lead_alone(&asking.key, &ask);
                return Box::pin(self.lead(asking, lease, outcome)).await;
            }
            Followed::Passed(reason) => {
                // The one who loaded would have no stale answer, or may not have one; this one may.
                let is_failure = reason == PassReason::OriginError;
                let how = (CacheOutcome::StaleIfError, LoadFailure::Status.as_str());
                match self.stale(asking, stale.filter(|_| is_failure), how, outcome) {
                    Some(answer) => answer,
                    None => self.past(asking, Bypass::HitForMiss(reason), outcome).await,
                }
            }
            Followed::Failed(failure) => self.stale_or(
                asking,
                stale,
                CacheOutcome::StaleIfError,
                Failure::Load(failure),
                outcome,
            ),
        })
    }

    /// The request goes past the cache after the cache was asked.
    async fn past(
        &self,
        asking: &Arc<Asking>,
        bypass: Bypass,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Failure> {
        let decision = Decision::new(reasons::of_bypass(bypass, &asking.asked));
        if asking.asked.only_if_cached {
            outcome.decision = Some(Decision::new(Reason::OnlyIfCached));
            return Err(Failure::OnlyIfCached);
        }
        let why = match bypass {
            Bypass::NotAllowed(_) => decision.reason.forward().unwrap_or(Forward::Miss),
            Bypass::HitForMiss(_) if !asking.leads => Forward::Miss,
            _ => Forward::Bypass,
        };
        outcome.forwarded(CacheOutcome::Bypass, why);
        outcome.decision = Some(decision);
        outcome.detail = matches!(bypass, Bypass::HitForMiss(_)).then_some("hit_for_miss");
        let checking = Checking::begin(&self.parts, asking);
        let parted = matches!(bypass, Bypass::NotAllowed(_)).then(|| Parted::begin(&self.parts, asking));
        let sent = pass::forward(self, &asking.facts, &asking.route, asking.body(), outcome).await;
        let failed = match &sent {
            Err(failure) => Some(failure.as_str()),
            Ok(response) => policy::stale_if_error_status(response.status()).then_some(LoadFailure::Status.as_str()),
        };
        if let Some(why) = failed.filter(|_| matches!(bypass, Bypass::NotAllowed(_) | Bypass::CrowdedOut))
            && let Some(answer) = self.stale_now(asking, why, outcome)
        {
            return answer;
        }
        let mut response = sent?;
        if let Some(checking) = checking {
            outcome.stored = checking.answered(response.status(), response.headers());
        }
        if matches!(bypass, Bypass::NotAllowed(_)) {
            // It asked for what others get from the cache.
            encode::announce(asking, &mut response);
        }
        if let Some(parted) = parted.flatten() {
            response = parted.answered(response);
        }
        Ok(response)
    }

    /// Waits for a load; nothing once the strategy's soft limit has passed and a stale answer may stand in for it.
    async fn within_soft_limit<T>(
        &self,
        asking: &Asking,
        stale: Option<&Hit>,
        loading: impl Future<Output = T>,
    ) -> Option<T> {
        let limit = asking
            .route
            .strategy
            .load_soft_limit()
            .filter(|_| stale.is_some_and(|hit| asking.stale_allowed_for_now(hit, self.parts.clock.now())));
        let Some(limit) = limit else { return Some(loading.await) };
        tokio::select! {
            loaded = loading => Some(loaded),
            () = self.parts.runtime.sleep(limit) => None,
        }
    }

    /// A stale answer where one is allowed, else the failure (RFC 5861 §4).
    fn stale_or(
        &self,
        asking: &Asking,
        stale: Option<Hit>,
        how: CacheOutcome,
        failure: Failure,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Failure> {
        let answer = self.stale(asking, stale, (how, failure.as_str()), outcome);
        answer.unwrap_or(Err(failure))
    }

    /// A stale answer to a request that could not be answered otherwise, where one is there and allowed.
    fn stale_now(
        &self,
        asking: &Asking,
        why: &'static str,
        outcome: &mut Outcome,
    ) -> Option<Result<Response<Body>, Failure>> {
        let (variants, lies_in) = (asking.variants(), |hit: &Hit| asking.lies_in(hit));
        let ask = asking.ask(&variants, &lies_in, self.parts.clock.now());
        let there = self.parts.engine.peek(&asking.key, &ask).hit;
        self.stale(asking, there, (CacheOutcome::StaleIfError, why), outcome)
    }

    /// A stale answer where one is allowed; `how` it comes to answer, and why.
    fn stale(
        &self,
        asking: &Asking,
        stale: Option<Hit>,
        (how, why): (CacheOutcome, &'static str),
        outcome: &mut Outcome,
    ) -> Option<Result<Response<Body>, Failure>> {
        let now = self.parts.clock.now();
        let allowed = |hit: &Hit| match how {
            CacheOutcome::StaleWhileSlow => asking.stale_allowed_for_now(hit, now),
            _ => asking.stale_allowed(hit, now),
        };
        // An invalidation may have come while this request waited.
        let kept = |hit: &Hit| allowed(hit) && !self.parts.engine.is_gone(&asking.key, hit);
        let hit = stale.filter(kept)?;
        // What other nodes may have invalidated says so, whatever else is to be said.
        let trusted = self.parts.engine.is_trusted(&asking.key, &hit);
        outcome.detail = Some(if trusted { why } else { UNVERIFIED });
        self.hit(asking, hit, how, outcome)
    }
}
