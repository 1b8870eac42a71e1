//! A load: one request to the origin on behalf of everybody who asks for the same entry. It runs in a task of its own, so
//! that a client who leaves does not end it for the others, and hands its answer to the client that began it.

use crate::encode;
use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outgoing::{self, Wanted};
use crate::plane::Parts;
use crate::policy::{self, Decision, Plan, Reason, Renewal, Storage, Times};
use crate::reasons;
use crate::request::RequestView as _;
use crate::store;
use http::{HeaderValue, Method, Response, StatusCode, header};
use peregrine_base::{Clock, Instant};
use peregrine_cache::{Engine, Fill, Hit, Lease, LoadFailure, PassReason, Reader};
use peregrine_net::http::Body;
use peregrine_net::upstream::{Exchange, Retry};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a load gives to the client that began it.
pub(crate) enum Loaded {
    /// A response that is being stored; its body is read as it arrives.
    Reading(Reading),
    /// The stored entry, found right by the origin.
    Renewed { hit: Hit, facts: LoadFacts },
    /// The same, but the origin says that it may not be kept: it answers this request, under the head that the origin sent.
    Confirmed {
        hit: Hit,
        head: StoredHead,
        age: Duration,
        facts: LoadFacts,
    },
    /// A response that is not stored.
    Direct { response: Response<Body>, facts: LoadFacts },
    /// No response.
    Failed(Failure),
}

/// A response under way.
pub(crate) struct Reading {
    /// Its status and stored fields.
    pub(crate) head: StoredHead,
    /// Its body.
    pub(crate) reader: Reader,
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
            facts: LoadFacts::default(),
        })
    }
}

/// Starts the load that `lease` stands for. The future may be dropped: the load goes on for the cache.
pub(crate) fn start(parts: &Parts, asking: &Arc<Asking>, lease: Lease) -> impl Future<Output = Loaded> + Send + use<> {
    let (give, take) = oneshot::channel();
    let load = Load {
        asking: Arc::clone(asking),
        clock: Arc::clone(&parts.clock),
        engine: Arc::clone(&parts.engine),
    };
    let limit = parts.runtime.sleep(asking.route.strategy.load_hard_limit());
    parts.runtime.spawn(Box::pin(load.run(lease, limit, give)));
    async {
        take.await
            .unwrap_or(Loaded::Failed(Failure::Load(LoadFailure::Abandoned)))
    }
}

struct Load {
    asking: Arc<Asking>,
    clock: Arc<dyn Clock>,
    engine: Arc<Engine>,
}

/// A response's head and what surrounds it.
struct Arrived {
    response: Response<Body>,
    exchange: Exchange,
    times: Times,
    /// After a 304 about what is stored: its head with the new fields, and how it is kept, if it may be.
    renewal: Option<(StoredHead, Result<Plan, Decision>)>,
}

impl Load {
    async fn run(self, lease: Lease, limit: peregrine_base::Task, give: oneshot::Sender<Loaded>) {
        let arrived = tokio::select! {
            arrived = self.fetch(&lease) => arrived,
            () = limit => Err(Failure::Load(LoadFailure::TimedOut)),
        };
        let mut arrived = match arrived {
            Ok(arrived) => arrived,
            Err(failure) => {
                lease.fail(reasons::load_failure(&failure));
                let _ = give.send(Loaded::Failed(failure));
                return;
            }
        };
        if self.stale_answers_for(arrived.response.status(), lease.stale()) {
            lease.fail(LoadFailure::Status);
            let _ = give.send(Loaded::Failed(Failure::Load(LoadFailure::Status)));
            return;
        }
        if let (Some((head, kept)), Some(stale)) = (arrived.renewal.take(), lease.stale().cloned()) {
            let _ = give.send(self.renew(lease, arrived, stale, head, kept));
            return;
        }
        if let Some((fill, body)) = self.settle(lease, arrived, give)
            && let Some(hit) = store::pump(fill, body).await
        {
            encode::prepare(&self.engine, &self.asking, &hit);
        }
    }

    /// Asks the origin, for a validation where something stale is there.
    async fn fetch(&self, lease: &Lease) -> Result<Arrived, Failure> {
        let Some(mut head) = lease.stale().and_then(|hit| StoredHead::decode(hit.head())) else {
            let wanted = if lease.alone() { Wanted::ByClient } else { Wanted::Whole };
            return self.send(wanted).await;
        };
        let mut arrived = self.send(Wanted::Changed(&head.headers)).await?;
        if arrived.response.status() != StatusCode::NOT_MODIFIED {
            return Ok(arrived);
        }
        let Asking { asked, route, .. } = &*self.asking;
        let fresh = arrived.response.headers();
        arrived.renewal = match policy::decide_renewal(
            asked,
            head.status,
            &mut head.headers,
            fresh,
            &route.rules,
            arrived.times,
        ) {
            Renewal::Renewed(plan) => Some((head, Ok(plan))),
            Renewal::Once(decision) => Some((head, Err(decision))),
            // The 304 is about another version than the stored one and answers nothing (RFC 9111 §4.3.4).
            Renewal::Mismatch(_) => return self.send(Wanted::Whole).await,
        };
        Ok(arrived)
    }

    async fn send(&self, wanted: Wanted<'_>) -> Result<Arrived, Failure> {
        let request = outgoing::load(&self.asking, wanted);
        let started = self.clock.now();
        let retry = match self.asking.facts.method {
            Method::POST => Retry::Never,
            _ => Retry::Safe,
        };
        let sent = self.asking.route.upstream.send(request, retry).await;
        let (response, exchange) = sent.map_err(Failure::Upstream)?;
        let times = Times {
            received: self.clock.wall(),
            delay: self.clock.now().since(started),
        };
        Ok(Arrived {
            response,
            exchange,
            times,
            renewal: None,
        })
    }

    /// Decides what becomes of the response, and gives the client its part. What is left is to fill the entry.
    fn settle(&self, lease: Lease, arrived: Arrived, give: oneshot::Sender<Loaded>) -> Option<(Fill, Body)> {
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
        let (plan, tags) = match self.plan(&response, times) {
            Ok(planned) => planned,
            Err(decision) => {
                pass(lease, status, decision.reason);
                facts.decision = Some(decision);
                let _ = give.send(Loaded::Direct { response, facts });
                return None;
            }
        };
        let headers = policy::headers_to_store(response.headers(), &self.asking.route.rules, times.received);
        let stored = StoredHead { status, headers };
        match store::begin(lease, &self.asking, &stored, &plan, tags, response.body()) {
            Ok(fill) => {
                facts.stored = true;
                facts.ttl_s = i64::try_from(plan.fresh_for.as_secs()).ok();
                facts.decision = Some(plan.decision);
                // The client that asked gets all that was meant for it, fields that are not stored included.
                let reading = Reading {
                    head: StoredHead {
                        status,
                        headers: response.headers().clone(),
                    },
                    reader: fill.reader(),
                    facts,
                };
                let _ = give.send(Loaded::Reading(reading));
                Some((fill, response.into_body()))
            }
            Err(reason) => {
                facts.decision = Some(Decision::new(reasons::of_pass(reason)));
                let _ = give.send(Loaded::Direct { response, facts });
                None
            }
        }
    }

    /// How the response is stored, with its tags.
    fn plan(&self, response: &Response<Body>, times: Times) -> Result<(Plan, Vec<String>), Decision> {
        let Asking {
            asked, route, facts, ..
        } = &*self.asking;
        let (status, headers) = (response.status(), response.headers());
        if route.refuse_path_confusion && policy::is_path_confusion(facts.path(), status, headers) {
            return Err(Reason::PathConfusion.into());
        }
        if policy::is_refusal_of_request(status, &facts.headers) {
            return Err(Reason::StatusOfRequest.into());
        }
        match policy::decide_storage(
            asked,
            &self.asking.load_method(),
            response.status(),
            response.headers(),
            &route.rules,
            times,
        ) {
            Storage::Store(plan) => Ok((plan, policy::tags(response.headers()))),
            Storage::Pass(decision) => Err(decision),
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
        head: StoredHead,
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
        let refused = match kept {
            Ok(plan) => {
                // Of the stored head as the 304 left it. The entry's own tags hold the route's too, which are added anew.
                let tags = policy::tags(&head.headers);
                facts.decision = Some(plan.decision);
                match store::renew(lease, &self.asking, &head, &plan, tags) {
                    Ok(hit) => {
                        facts.stored = true;
                        return Loaded::Renewed { hit, facts };
                    }
                    Err(reason) => Decision::new(reasons::of_pass(reason)),
                }
            }
            Err(decision) => {
                pass(lease, StatusCode::NOT_MODIFIED, decision.reason);
                decision
            }
        };
        facts.decision = Some(refused);
        let age = policy::initial_age(response.headers(), times);
        Loaded::Confirmed {
            hit: stale,
            head,
            age,
            facts,
        }
    }
}

/// Gives up a lease whose answer is not stored. What others can still be served is not given up for an answer that only its
/// asker made unfit, and a failure of the origin says nothing about its next answer.
fn pass(lease: Lease, status: StatusCode, reason: Reason) {
    if lease.stale().is_some() && reasons::is_about_the_asker(reason) {
        drop(lease);
    } else if status.is_server_error() {
        lease.pass(PassReason::OriginError);
    } else {
        lease.pass(reasons::pass_reason(reason));
    }
}
