//! A load: one request to the origin on behalf of everybody who asks for the same entry. It runs in a task of its own, so
//! that a client who leaves does not end it for the others, and hands its answer to the client that began it.

use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outgoing;
use crate::plane::Parts;
use crate::policy::{self, Decision, Plan, Reason, Storage, Times};
use crate::reasons;
use crate::store;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use peregrine_base::{Clock, Instant, WallTime};
use peregrine_cache::{Fill, Hit, Lease, LoadFailure, Reader};
use peregrine_net::http::Body;
use peregrine_net::upstream::{Exchange, Retry, UpstreamError};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a load gives to the client that began it.
pub(crate) enum Loaded {
    /// A response that is being stored; its body is read as it arrives.
    Reading(Reading),
    /// The stored entry, found right by the origin.
    Renewed { hit: Hit, facts: LoadFacts },
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
    pub(crate) fn following(reader: Reader) -> Option<Self> {
        let head = StoredHead::decode(reader.head())?;
        Some(Self { head, reader, facts: LoadFacts::default() })
    }
}

/// Starts the load that `lease` stands for. The future may be dropped: the load goes on for the cache.
pub(crate) fn start(parts: &Parts, asking: &Arc<Asking>, lease: Lease) -> impl Future<Output = Loaded> + Send + use<> {
    let (give, take) = oneshot::channel();
    let load = Load { asking: Arc::clone(asking), clock: Arc::clone(&parts.clock) };
    let limit = parts.runtime.sleep(asking.route.strategy.load_hard_limit());
    parts.runtime.spawn(Box::pin(load.run(lease, limit, give)));
    async { take.await.unwrap_or(Loaded::Failed(Failure::Load(LoadFailure::Abandoned))) }
}

struct Load {
    asking: Arc<Asking>,
    clock: Arc<dyn Clock>,
}

/// A response's head and what surrounds it.
struct Arrived {
    response: Response<Body>,
    exchange: Exchange,
    times: Times,
}

impl Load {
    async fn run(self, lease: Lease, limit: peregrine_base::Task, give: oneshot::Sender<Loaded>) {
        tokio::pin!(limit);
        let arrived = tokio::select! {
            arrived = self.fetch(lease.stale()) => arrived,
            () = &mut limit => Err(Failure::Load(LoadFailure::TimedOut)),
        };
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(failure) => {
                lease.fail(reasons::load_failure(&failure));
                let _ = give.send(Loaded::Failed(failure));
                return;
            }
        };
        let Some((fill, body)) = self.settle(lease, arrived, give) else { return };
        tokio::select! {
            () = store::pump(fill, body) => {}
            () = limit => tracing::debug!(key = self.asking.key.text(), "a load ran into its hard limit"),
        }
    }

    /// Asks the origin, for a validation where something stale is there.
    async fn fetch(&self, stale: Option<&Hit>) -> Result<Arrived, Failure> {
        let stored = stale.and_then(|hit| StoredHead::decode(hit.head()));
        let request = outgoing::load(&self.asking.facts, &self.asking.route, stored.as_ref().map(|head| &head.headers));
        let (requested, started) = (self.clock.wall(), self.clock.now());
        let sent = self.asking.route.upstream.send(request, Retry::Safe).await;
        let (response, exchange) = sent.map_err(Failure::Upstream)?;
        let times = Times { requested, received: self.clock.wall(), delay: self.clock.now().since(started) };
        Ok(Arrived { response, exchange, times })
    }

    /// Decides what becomes of the response, and gives the client its part. What is left is to fill the entry.
    fn settle(&self, lease: Lease, arrived: Arrived, give: oneshot::Sender<Loaded>) -> Option<(Fill, Body)> {
        let status = arrived.response.status();
        if self.stale_answers_for(status, &lease) {
            lease.fail(LoadFailure::Status);
            let _ = give.send(Loaded::Failed(Failure::Load(LoadFailure::Status)));
            return None;
        }
        if status == StatusCode::NOT_MODIFIED && lease.stale().is_some() {
            let _ = give.send(self.renew(lease, arrived));
            return None;
        }
        let Arrived { response, exchange, times } = arrived;
        let mut facts = LoadFacts { exchange: Some(exchange), status: Some(status), ..LoadFacts::default() };
        let (head, body) = response.into_parts();
        let direct = |head, body, facts| Loaded::Direct { response: Response::from_parts(head, body), facts };
        let plan = match self.plan(status, &head.headers, times) {
            Storage::Store(plan) => plan,
            Storage::Pass(decision) => {
                lease.pass(reasons::pass_reason(decision.reason));
                facts.decision = Some(decision);
                let _ = give.send(direct(head, body, facts));
                return None;
            }
        };
        let stored = StoredHead { status, headers: policy::headers_to_store(&head.headers) };
        match store::begin(lease, &self.asking, &stored, &plan, &head.headers, &body) {
            Ok(fill) => {
                facts.stored = true;
                facts.ttl_s = i64::try_from(plan.fresh_for.as_secs()).ok();
                facts.decision = Some(plan.decision);
                let reading = Reading { head: stored, reader: fill.reader(), facts };
                let _ = give.send(Loaded::Reading(reading));
                Some((fill, body))
            }
            Err(reason) => {
                facts.decision = Some(Decision::of(reasons::of_pass(reason)));
                let _ = give.send(direct(head, body, facts));
                None
            }
        }
    }

    /// Whether the origin's answer is a failure that a stale entry may hide (RFC 5861 §4).
    fn stale_answers_for(&self, status: StatusCode, lease: &Lease) -> bool {
        policy::stale_if_error_status(status)
            && lease.stale().is_some_and(|hit| hit.stale_if_error_until() > self.clock.now())
            && !self.asking.asked.validate
    }

    fn plan(&self, status: StatusCode, headers: &HeaderMap, times: Times) -> Storage {
        policy::decide_storage(&self.asking.asked, &self.asking.facts.method, status, headers, &self.asking.route.rules, times)
    }

    /// The stored response with the fields of a 304 (RFC 9111 §4.3.4).
    fn renew(&self, lease: Lease, arrived: Arrived) -> Loaded {
        let Arrived { response, exchange, times } = arrived;
        let Some(mut head) = lease.stale().and_then(|hit| StoredHead::decode(hit.head())) else {
            lease.fail(LoadFailure::Broken);
            return Loaded::Failed(Failure::Load(LoadFailure::Broken));
        };
        policy::refresh_headers(&mut head.headers, response.headers());
        let mut facts = LoadFacts { exchange: Some(exchange), status: Some(StatusCode::NOT_MODIFIED), stored: true, ..LoadFacts::default() };
        let plan = match self.plan(head.status, &head.headers, times) {
            Storage::Store(plan) => plan,
            // The origin says that the stored response is right but may not be kept: it answers this once.
            Storage::Pass(decision) => Plan::once(decision),
        };
        let fresh = response.headers();
        match store::renew(lease, &self.asking, &head, &plan, fresh) {
            Ok(hit) => {
                facts.decision = Some(plan.decision);
                Loaded::Renewed { hit, facts }
            }
            Err(_) => Loaded::Failed(Failure::Load(LoadFailure::Broken)),
        }
    }
}
