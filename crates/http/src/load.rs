//! A load: one request to the origin on behalf of everybody who asks for the same entry. It hands its answer to the client
//! that began it, who may leave at any time: that does not end it for the others.

use crate::assembly::Assembly;
use crate::encode;
use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::metrics::Tenants;
use crate::origin::Asker;
use crate::outgoing::{self, Wanted};
use crate::plane::Parts;
use crate::policy::{self, Decision, Plan, Reason, Renewal, StrongValidator, Times};
use crate::reasons;
use crate::siblings::{self, Candidate};
use crate::store;
use crate::trailers::{Trailed, Trailers};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use peregrine_base::{Clock, Instant, Random, Runtime};
use peregrine_cache::{Engine, Fill, Hit, Invalidation, Lease, LoadFailure, PassReason, RangeLoad, Reader, Recalled};
use peregrine_net::http::Body;
use peregrine_net::upstream::{Exchange, Retry};
use peregrine_telemetry::Recorder;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

mod completing;
mod driven;
mod planning;

use driven::Driven;
pub(crate) use planning::{Planned, permits, plan};

/// What a load gives to the client that began it.
pub(crate) enum Loaded {
    /// A response that is being stored; its body is read as it arrives.
    Reading(Reading),
    /// The stored entry, found right by the origin, and what the origin said to the client that asked.
    Renewed {
        hit: Hit,
        aside: HeaderMap,
        facts: LoadFacts,
    },
    /// The same, but the origin says that it may not be kept: it answers this request, under the head that the origin sent.
    Confirmed {
        hit: Hit,
        head: StoredHead,
        age: Duration,
        facts: LoadFacts,
    },
    /// What another node had loaded, from Redis; no origin was asked.
    Recalled(Hit),
    /// The same, but it is stale: the cache is to be asked again, which has it now.
    Again,
    /// A response that is not stored.
    Direct { response: Response<Body>, facts: LoadFacts },
    /// No response; what may stand in for it, where Redis had that.
    Failed(Failure, Option<Hit>),
}

/// A response under way.
pub(crate) struct Reading {
    /// Its status and stored fields.
    pub(crate) head: StoredHead,
    /// Its body.
    pub(crate) reader: Reader,
    /// What comes after its body, for the client whose request loads it.
    pub(crate) trailers: Option<Trailers>,
    /// What its load was like.
    pub(crate) facts: LoadFacts,
}

/// What is known of a load once the head of its response is there.
#[derive(Debug, Default)]
pub(crate) struct LoadFacts {
    /// Why it is or is not stored.
    pub(crate) decision: Option<Decision>,
    /// The way to the origin.
    pub(crate) exchange: Option<Exchange>,
    /// The origin's status.
    pub(crate) status: Option<StatusCode>,
    /// Whether it is being stored.
    pub(crate) stored: bool,
    /// How long it is fresh, in seconds.
    pub(crate) ttl_s: Option<i64>,
}

impl Reading {
    /// The response that another request loads; nothing when its stored head cannot be read.
    pub(crate) fn following(reader: Reader, now: Instant) -> Option<Self> {
        let mut head = StoredHead::decode(reader.head())?;
        let age = reader.age(now).as_secs();
        if age > 0 {
            // What it is for this client, at this moment (RFC 9111 §5.1).
            head.headers.insert(header::AGE, HeaderValue::from(age));
        }
        Some(Self {
            head,
            reader,
            trailers: None,
            facts: LoadFacts::default(),
        })
    }
}

/// Starts the load that `lease` stands for, for who waits for what is returned. That may be dropped: the load goes on for the
/// cache.
pub(crate) fn start(parts: &Parts, asking: &Arc<Asking>, lease: Lease) -> Driven {
    let (give, take) = oneshot::channel();
    let load = Load {
        asking: Arc::clone(asking),
        clock: Arc::clone(&parts.clock),
        random: Arc::clone(&parts.random),
        recorder: Arc::clone(&parts.recorder),
        tenants: Arc::clone(&parts.tenants),
        engine: Arc::clone(&parts.engine),
        runtime: Arc::clone(&parts.runtime),
    };
    Driven::new(Box::pin(load.run(lease, give)), take, &parts.runtime)
}

/// An entry to be filled, with what; and where trailers are kept, its head and those.
type Filling = (Fill, Body, Option<Trailed>);

struct Load {
    asking: Arc<Asking>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    recorder: Arc<Recorder>,
    tenants: Arc<Tenants>,
    engine: Arc<Engine>,
    runtime: Arc<dyn Runtime>,
}

/// The stored head with the fields of a 304, and how it is kept, if it may be.
type Confirmed = (StoredHead, Result<Plan, Decision>);

/// A response's head and what surrounds it.
struct Arrived {
    response: Response<Body>,
    exchange: Exchange,
    times: Times,
    /// After a 304 about what is stored.
    renewal: Option<Confirmed>,
    /// What that is, where it is another variant than the one that was asked for.
    adopted: Option<Hit>,
    /// After the missing part of what is stored came: what it is put together with, and how that is kept.
    completing: Option<(Assembly, Plan)>,
}

impl Load {
    async fn run(self, lease: Lease, give: oneshot::Sender<Loaded>) {
        let mut lease = match lease.recall(&self.asking.variants()).await {
            Recalled::Load(lease) => lease,
            Recalled::Found(hit) => {
                let _ = give.send(Loaded::Recalled(hit));
                return;
            }
            Recalled::Again(_) => {
                let _ = give.send(Loaded::Again);
                return;
            }
        };
        // From here on: waiting for another node's load is not the origin's time.
        let limit = self.runtime.sleep(self.asking.route.strategy.load_hard_limit());
        let arrived = tokio::select! {
            arrived = self.fetch(&lease) => arrived,
            () = limit => Err(Failure::Load(LoadFailure::TimedOut)),
        };
        let mut arrived = match arrived {
            Ok(arrived) => arrived,
            Err(failure) => {
                let stale = lease.stale().cloned();
                lease.fail(reasons::load_failure(&failure));
                let _ = give.send(Loaded::Failed(failure, stale));
                return;
            }
        };
        if self.stale_answers_for(arrived.response.status(), lease.stale()) {
            let stale = lease.stale().cloned();
            lease.fail(LoadFailure::Status);
            let _ = give.send(Loaded::Failed(Failure::Load(LoadFailure::Status), stale));
            return;
        }
        if let Some(adopted) = arrived.adopted.take() {
            lease.adopt(adopted);
        }
        if let (Some((head, kept)), Some(stale)) = (arrived.renewal.take(), lease.stale().cloned()) {
            let _ = give.send(self.renew(lease, arrived, stale, head, kept));
            return;
        }
        if let Some((assembly, plan)) = arrived.completing.take() {
            // What is rare stands apart, here and below: it would make the memory of every load twice as large.
            return Box::pin(self.complete(lease, arrived, assembly, plan, give)).await;
        }
        let validator = self.resumable(&arrived.response);
        if let Some((fill, body, trailed)) = self.settle(lease, arrived, give).await
            && let Some(hit) = store::pump(fill, body, validator, trailed).await
        {
            encode::prepare(&self.engine, &self.asking, &hit);
        }
    }

    /// What names the version of which a beginning is worth keeping, should the body break off.
    fn resumable(&self, response: &Response<Body>) -> Option<StrongValidator> {
        let serves_ranges = response
            .headers()
            .get(header::ACCEPT_RANGES)
            .is_none_or(|units| units != "none");
        let keeps_parts = self.asking.route.strategy.range() == RangeLoad::FetchParts;
        let has_parts = matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        // Nobody can ask for the rest of the answer to a POST: a range is of what GET gets (RFC 9110 §14.2).
        let is_post = self.asking.facts.method == Method::POST;
        (serves_ranges && keeps_parts && has_parts && !is_post)
            .then(|| policy::strong_validator(response.headers()))
            .flatten()
    }

    /// Asks the origin, for a validation where something stale is there.
    async fn fetch(&self, lease: &Lease) -> Result<Arrived, Failure> {
        if let Some(assembly) = Assembly::plan(&self.asking, lease) {
            return Box::pin(self.fetch_rest(assembly)).await;
        }
        let is_part = lease.stale().is_some_and(|hit| hit.parts().is_some());
        // A part that lacks something and cannot be completed is of no use to this request.
        let stale = lease.stale().filter(|hit| !is_part || self.asking.lies_in(hit));
        let Some(head) = stale.and_then(|hit| StoredHead::decode(hit.head())) else {
            return match siblings::candidates(&self.asking, lease) {
                _ if lease.alone() => self.send(Wanted::ByClient).await,
                candidates if candidates.is_empty() => self.send(self.wanted()).await,
                candidates => Box::pin(self.fetch_unless_there(candidates)).await,
            };
        };
        let wanted = if is_part {
            Wanted::Part(Some(&head.headers))
        } else {
            Wanted::Changed(&head.headers)
        };
        let mut arrived = self.send(wanted).await?;
        if arrived.response.status() != StatusCode::NOT_MODIFIED {
            return Ok(arrived);
        }
        match self.confirmed(head, &arrived) {
            Some(renewal) => {
                arrived.renewal = Some(renewal);
                Ok(arrived)
            }
            // The 304 is about another version than the stored one and answers nothing (RFC 9111 §4.3.4).
            None => self.send(self.wanted()).await,
        }
    }

    /// Asks the origin for a variant that is not there, unless one that is there is what it would send.
    async fn fetch_unless_there(&self, candidates: Vec<Candidate>) -> Result<Arrived, Failure> {
        let Some(tags) = siblings::tags(&candidates) else {
            return self.send(self.wanted()).await;
        };
        let mut arrived = self.send(Wanted::Other(&tags)).await?;
        if arrived.response.status() != StatusCode::NOT_MODIFIED {
            return Ok(arrived);
        }
        if let Some(Candidate { hit, head, .. }) = siblings::chosen(candidates, arrived.response.headers())
            && let Some(renewal) = self.confirmed(head, &arrived)
        {
            (arrived.renewal, arrived.adopted) = (Some(renewal), Some(hit));
            return Ok(arrived);
        }
        self.send(self.wanted()).await
    }

    /// The stored `head` as a 304 leaves it, and how it is kept; nothing where that is about another version.
    fn confirmed(&self, mut head: StoredHead, arrived: &Arrived) -> Option<Confirmed> {
        let Asking { asked, route, .. } = &*self.asking;
        let fresh = encode::kept_apart(&head.headers, arrived.response.headers());
        let renewal = policy::decide_renewal(
            asked,
            head.status,
            &mut head.headers,
            &fresh,
            &route.rules,
            arrived.times,
        );
        match renewal {
            Renewal::Renewed(plan) => {
                let kept = permits(&self.asking, &plan, head.status, &head.headers).map(|()| plan);
                Some((head, kept))
            }
            Renewal::Once(decision) => Some((head, Err(decision))),
            Renewal::Mismatch(_) => None,
        }
    }

    /// What is asked for where nothing is stored.
    fn wanted(&self) -> Wanted<'static> {
        if self.asking.part.is_some() {
            Wanted::Part(None)
        } else {
            Wanted::Whole
        }
    }

    async fn send(&self, wanted: Wanted<'_>) -> Result<Arrived, Failure> {
        let request = outgoing::load(&self.asking, wanted);
        let started = self.clock.now();
        let retry = match self.asking.facts.method {
            Method::POST => Retry::Never,
            _ => Retry::Safe,
        };
        let asker = Asker {
            clock: &*self.clock,
            random: &*self.random,
            recorder: &self.recorder,
            tenants: &self.tenants,
        };
        let sent = asker.ask(&self.asking.facts, &self.asking.route, request, retry).await;
        let (mut response, exchange) = sent.map_err(Failure::Upstream)?;
        encode::keep_apart(response.headers_mut());
        let times = Times {
            received: self.clock.wall(),
            delay: self.clock.now().since(started),
        };
        Ok(Arrived {
            response,
            exchange,
            times,
            renewal: None,
            adopted: None,
            completing: None,
        })
    }

    /// Decides what becomes of the response, and gives the client its part. What is left is to fill the entry.
    async fn settle(&self, lease: Lease, arrived: Arrived, give: oneshot::Sender<Loaded>) -> Option<Filling> {
        let Arrived {
            response,
            exchange,
            times,
            ..
        } = arrived;
        let status = response.status();
        let mut facts = LoadFacts {
            exchange: Some(exchange),
            status: Some(status),
            ..LoadFacts::default()
        };
        let (stored, plan, part) = match planning::plan(&self.asking, &response, times) {
            Ok(planned) => planned,
            Err(decision) => {
                pass(lease, status, decision.reason);
                facts.decision = Some(decision);
                let _ = give.send(Loaded::Direct { response, facts });
                return None;
            }
        };
        let status = stored.status;
        let tags = policy::tags(response.headers());
        let length = part
            .as_ref()
            .map_or(response.body().length(), |(length, _)| Some(*length));
        let is_whole = part.is_none();
        let size = (length, part.map(|(_, part)| part));
        match store::begin(lease, &self.asking, &stored, &plan, tags, size) {
            Ok(fill) => {
                facts.stored = true;
                facts.ttl_s = i64::try_from(plan.fresh_for.as_secs()).ok();
                facts.decision = Some(plan.decision);
                let (head, body) = response.into_parts();
                // Only chunks and streams have a place for them.
                let welcome = self.asking.facts.hop.wants_trailers() && body.length().is_none();
                let trailers = welcome.then(Trailers::default);
                // Those of a part say nothing about the whole.
                let kept = trailers.clone().filter(|_| is_whole);
                let trailed = kept.map(|kept| Trailed::new(stored, kept, &head.headers, &self.asking.route.rules));
                let reading = Reading {
                    // The client that asked gets all that was meant for it, fields that are not stored included.
                    head: StoredHead::new(status, head.headers),
                    reader: fill.reader(),
                    trailers: trailers.clone(),
                    facts,
                };
                let _ = give.send(Loaded::Reading(reading));
                let Some(trailers) = trailers else {
                    return Some((fill, body, None));
                };
                Some((fill, trailers.keep(body), trailed))
            }
            Err(reason) => {
                facts.decision = Some(Decision::new(reasons::of_pass(reason)));
                let wants_less = self.asking.ranges.is_some() && self.asking.part.is_none() && status == StatusCode::OK;
                let response = if reason == PassReason::TooLarge && wants_less {
                    // Nobody keeps the whole, so only the part is fetched after all.
                    drop(response);
                    match Box::pin(self.send(Wanted::ByClient)).await {
                        Ok(arrived) => arrived.response,
                        Err(failure) => {
                            let _ = give.send(Loaded::Failed(failure, None));
                            return None;
                        }
                    }
                } else {
                    response
                };
                let _ = give.send(Loaded::Direct { response, facts });
                None
            }
        }
    }

    /// Whether the origin's answer is a failure that a stale entry may hide (RFC 5861 §4).
    fn stale_answers_for(&self, status: StatusCode, stale: Option<&Hit>) -> bool {
        policy::stale_if_error_status(status)
            && stale.is_some_and(|hit| self.asking.stale_allowed(hit, self.clock.now()))
    }

    /// The stored response with the fields of a 304. One that may not be kept any longer still answers this request.
    fn renew(
        &self,
        lease: Lease,
        arrived: Arrived,
        stale: Hit,
        mut head: StoredHead,
        kept: Result<Plan, Decision>,
    ) -> Loaded {
        let Arrived {
            response,
            exchange,
            times,
            ..
        } = arrived;
        let mut facts = LoadFacts {
            exchange: Some(exchange),
            status: Some(StatusCode::NOT_MODIFIED),
            ..LoadFacts::default()
        };
        let aside = policy::for_the_asker(response.headers(), &self.asking.route.rules);
        let refused = match kept {
            Ok(plan) => {
                siblings::renew(&self.asking, &lease, response.headers(), times);
                // Of the stored head as the 304 left it. The entry's own tags hold the route's too, which are added anew.
                let tags = policy::tags(&head.headers);
                facts.decision = Some(plan.decision);
                match store::renew(lease, &self.asking, &head, &plan, tags) {
                    Ok(hit) => {
                        facts.stored = true;
                        return Loaded::Renewed { hit, aside, facts };
                    }
                    Err(reason) => Decision::new(reasons::of_pass(reason)),
                }
            }
            Err(decision) => {
                self.withdraw(decision.reason);
                pass(lease, StatusCode::NOT_MODIFIED, decision.reason);
                decision
            }
        };
        facts.decision = Some(refused);
        head.headers.extend(aside);
        let age = policy::initial_age(response.headers(), times);
        Loaded::Confirmed {
            hit: stale,
            head,
            age,
            facts,
        }
    }
}

impl Load {
    /// The origin says of what it confirms, however fresh that was, that it is not for everybody. Unless it may have said so
    /// because of who asked, nobody gets it any more.
    fn withdraw(&self, reason: Reason) {
        let asked = &self.asking.asked;
        if !(asked.authorization || asked.cookie || reasons::is_about_the_asker(reason)) {
            self.forget();
        }
    }

    /// Invalidates what is stored under the key in every tier and on every node, and what a load under way would store.
    fn forget(&self) {
        let Asking { facts, route, key, .. } = &*self.asking;
        self.engine.invalidate_uncounted(&Invalidation {
            keys: vec![key.text().to_owned()],
            scope: Some(vec![route.namespace.name().to_owned()]),
            tenant: Some(facts.tenant.clone()).filter(|tenant| !tenant.is_empty()),
            ..Invalidation::default()
        });
    }
}

/// Gives up a lease whose answer is not stored. What others can still be served is not given up for an answer that only its
/// asker made unfit, and a failure of the origin says nothing about its next answer.
fn pass(lease: Lease, status: StatusCode, reason: Reason) {
    if matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) {
        // That says nothing about the whole.
        lease.release(reasons::pass_reason(reason));
    } else if lease.stale().is_some() && reasons::is_about_the_asker(reason) {
        drop(lease);
    } else if status.is_server_error() {
        lease.pass(PassReason::OriginError);
    } else {
        lease.pass(reasons::pass_reason(reason));
    }
}
