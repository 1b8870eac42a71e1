//! The end of a request: its outcome is sealed into one event, once its answer has been sent or the client has gone, before
//! its answer began or in the middle of it.

use crate::metrics::Tenants;
use crate::origin::traceparent;
use crate::outcome::{CacheOutcome, Outcome, Sent};
use crate::plane::Parts;
use crate::policy::Fields as _;
use crate::recent::{Recent, Remembered};
use crate::request::{RequestFacts, RequestView};
use crate::traced;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use peregrine_base::{Clock, Instant, WallTime};
use peregrine_net::http::{Body, BodyError};
use peregrine_telemetry::Recorder;
use peregrine_telemetry::access::Access;
use peregrine_telemetry::recorder::Ended;
use peregrine_telemetry::trace::TraceParent;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The status in the log of a request whose client left before its answer began. No answer ever has it; other proxies log
/// the same.
const CLIENT_GONE_STATUS: u16 = 499;
/// The word in the log where the client left before the end.
const CLIENT_GONE: &str = "client_gone";

/// A request on its way to its end. Dropping it seals the outcome, so that it happens exactly once, whoever ends it.
pub(crate) struct Sealing {
    /// What happened so far.
    pub(crate) outcome: Outcome,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    tenants: Arc<Tenants>,
    facts: Arc<RequestFacts>,
    /// Nothing before there is an answer.
    status: Option<StatusCode>,
    bytes_sent: u64,
    /// When the head of the answer was there.
    answered: Option<Instant>,
    end: End,
    is_stream: bool,
}

/// How an answer ended.
enum End {
    /// Not yet. Who drops it now is a client that left.
    Open,
    /// It was all there.
    Whole,
    /// Its body failed.
    Broken(BodyError),
}

impl Sealing {
    /// The request has been received.
    pub(crate) fn begin(parts: &Parts, facts: &Arc<RequestFacts>) -> Self {
        parts.recorder.under_way.add(1);
        Self {
            outcome: Outcome {
                trace: facts.trace,
                ..Outcome::begin(parts.clock.now(), parts.clock.wall())
            },
            clock: Arc::clone(&parts.clock),
            recorder: Arc::clone(&parts.recorder),
            tenants: Arc::clone(&parts.tenants),
            facts: Arc::clone(facts),
            status: None,
            bytes_sent: 0,
            answered: None,
            end: End::Open,
            is_stream: false,
        }
    }

    /// Puts the end of `response` under watch; an answer whose bytes are at hand is sealed at once.
    pub(crate) fn seal(mut self, recent: &Recent, response: Response<Body>) -> Response<Body> {
        remember(
            recent,
            &self.facts,
            &self.outcome,
            response.status(),
            response.headers(),
        );
        self.status = Some(response.status());
        self.answered = Some(self.clock.now());
        // Of these nobody asks for a body.
        let is_head_only = self.facts.method == Method::HEAD
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = response.body();
        if !(is_head_only || body.is_at_hand() || body.is_empty()) {
            self.is_stream = true;
            return response.map(|body| Body::stream(Watched { body, sealing: self }));
        }
        self.end = End::Whole;
        if !is_head_only {
            self.bytes_sent = body.length().unwrap_or(0);
        }
        response
    }
}

/// Keeps what `explain` will be asked about: why an answer did not come from the cache.
fn remember(recent: &Recent, facts: &RequestFacts, outcome: &Outcome, status: StatusCode, headers: &HeaderMap) {
    if matches!(outcome.cache, CacheOutcome::Hit | CacheOutcome::Untouched) {
        return;
    }
    recent.remember(Remembered {
        url: facts.url(),
        method: facts.method.clone(),
        when: outcome.started_wall,
        status: status.as_u16(),
        cache: outcome.cache,
        decision: outcome.decision,
        cache_status: headers
            .get("cache-status")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    });
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.recorder.under_way.add(-1);
        if let End::Broken(error) = self.end {
            self.outcome.error = Some(error.fault.as_str());
        }
        let gone = matches!(self.end, End::Open).then_some(CLIENT_GONE);
        let now = match (&self.end, self.answered) {
            // Its bytes were at hand: that was one moment.
            (End::Whole, Some(answered)) if !self.is_stream => answered,
            _ => self.clock.now(),
        };
        let sent = Sent {
            status: self.status.map_or(CLIENT_GONE_STATUS, |status| status.as_u16()),
            bytes: self.bytes_sent,
            now,
            duration: now.since(self.outcome.started),
            began: self.answered.unwrap_or(now).since(self.outcome.started),
            error: self.outcome.error.or(gone),
        };
        record(
            &self.recorder,
            &self.tenants,
            &*self.clock,
            &self.facts,
            &self.outcome,
            &sent,
        );
    }
}

/// The one event from which access log, metrics and the live tail derive.
pub(crate) fn record(
    recorder: &Recorder,
    tenants: &Tenants,
    clock: &dyn Clock,
    request: &impl RequestView,
    outcome: &Outcome,
    sent: &Sent,
) {
    let route = outcome.route.as_deref();
    if let Some(route) = route {
        route.metrics.requests.record(outcome, sent);
    }
    let tenant = request.tenant();
    if !tenant.is_empty() {
        tenants.record(tenant, outcome, sent);
    }
    let wanted = recorder.wanted(&Ended {
        now: sent.now,
        duration: sent.duration,
        began: sent.began,
        status: sent.status,
        failed: sent.error.is_some(),
        traced: outcome.trace.is_some_and(|trace| trace.sampled),
        request_id: request.request_id(),
    });
    if !wanted.is_any() {
        return;
    }
    let time = match outcome.started_wall {
        // Nobody had asked.
        WallTime::UNKNOWN => clock.wall(),
        known => known,
    };
    let part = outcome
        .trace
        .filter(|trace| trace.sampled || outcome.cache != CacheOutcome::Hit);
    let access = Access {
        time,
        request_id: request.request_id(),
        client: request.client(),
        method: request.method().as_str(),
        scheme: request.scheme(),
        host: request.authority(),
        target: request.target(),
        tenant: Some(tenant).filter(|tenant| !tenant.is_empty()),
        status: sent.status,
        received_bytes: request.body_length().unwrap_or(0),
        sent_bytes: sent.bytes,
        duration: sent.duration,
        upstream_duration: outcome.upstream_time(),
        route: route.map(|route| &*route.name),
        strategy: route.map(|route| route.strategy.name()),
        cache: outcome.cache.as_str(),
        reason: outcome.reason().map(crate::policy::Reason::as_str),
        upstream: outcome.exchange.as_ref().map(|exchange| &*exchange.target),
        error: sent.error,
        user_agent: request.fields().first("user-agent").filter(|agent| !agent.is_empty()),
        // A hit has a part only in a trace that is recorded. Whoever traces without us finds the request all the same.
        trace: part.map(|trace| trace.id).or_else(|| {
            let parent = TraceParent::parse(traceparent(request.fields())?)?;
            Some(parent.trace)
        }),
    };
    traced::hand_over(recorder, outcome, sent);
    recorder.record(wanted, sent.now, &access, outcome.trace.as_ref());
}

/// A body that counts what is sent and knows when it is over.
struct Watched {
    body: Body,
    sealing: Sealing,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sealing.bytes_sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.body.is_end_stream() {
                    // Who knows that may not ask again.
                    self.sealing.end = End::Whole;
                }
            }
            Poll::Ready(Some(Err(error))) => self.sealing.end = End::Broken(*error),
            Poll::Ready(None) if matches!(self.sealing.end, End::Open) => self.sealing.end = End::Whole,
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
