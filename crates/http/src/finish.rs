//! The end of a request: its outcome is sealed into one event, once its answer has been sent or the client has gone.

use crate::outcome::{CacheOutcome, Outcome};
use crate::plane::Parts;
use crate::recent::{Recent, Remembered};
use crate::request::{RequestFacts, field};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use peregrine_net::http::{Body, BodyError};
use peregrine_telemetry::access::Access;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request on its way to its end. Dropping it seals the outcome, so that it happens exactly once, whoever ends it.
pub(crate) struct Sealing {
    parts: Parts,
    facts: Arc<RequestFacts>,
    outcome: Outcome,
    status: StatusCode,
    bytes_sent: u64,
    broken: Option<BodyError>,
}

/// Puts the end of `response` under watch; an answer whose bytes are at hand is sealed at once.
pub(crate) fn seal(
    parts: &Parts,
    recent: &Recent,
    facts: Arc<RequestFacts>,
    outcome: Outcome,
    response: Response<Body>,
) -> Response<Body> {
    remember(recent, &facts, &outcome, response.status(), response.headers());
    let mut sealing = Sealing {
        parts: parts.clone(),
        status: response.status(),
        facts,
        outcome,
        bytes_sent: 0,
        broken: None,
    };
    if response.body().is_at_hand() || sealing.facts.method == Method::HEAD {
        sealing.bytes_sent = if sealing.facts.method == Method::HEAD {
            0
        } else {
            response.body().length().unwrap_or(0)
        };
        return response;
    }
    response.map(|body| Body::stream(Watched { body, sealing }))
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
        let duration = self.parts.clock.now().since(self.outcome.started);
        let route = self.outcome.route.as_deref();
        if let Some(error) = self.broken {
            self.outcome.error = Some(error.fault.as_str());
        }
        if let Some(route) = route {
            route
                .metrics
                .record(&self.outcome, self.status, duration, self.bytes_sent);
        }
        let facts = &self.facts;
        let agent = field(&facts.headers, &header::USER_AGENT);
        self.parts.access_log.record(&Access {
            time: self.outcome.started_wall,
            request_id: &facts.request_id,
            client: facts.client,
            method: facts.method.as_str(),
            scheme: facts.scheme,
            host: &facts.authority,
            target: &facts.target,
            status: self.status.as_u16(),
            received_bytes: facts.body_length.unwrap_or(0),
            sent_bytes: self.bytes_sent,
            duration,
            upstream_duration: self.outcome.upstream_time(),
            route: route.map(|route| &*route.name),
            strategy: route.map(|route| route.strategy.name()),
            cache: self.outcome.cache.as_str(),
            reason: self.outcome.reason().map(crate::policy::Reason::as_str),
            upstream: self.outcome.exchange.as_ref().map(|exchange| &*exchange.target),
            error: self.outcome.error,
            user_agent: (!agent.is_empty()).then_some(agent.as_bytes()),
        });
    }
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
                self.sealing.bytes_sent += frame.data_ref().map_or(0, |data| data.len() as u64)
            }
            Poll::Ready(Some(Err(error))) => self.sealing.broken = Some(*error),
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
