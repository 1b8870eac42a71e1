//! A request on its way to an origin, as it is counted and traced: whatever is asked of an upstream is asked here.

use crate::metrics::Tenants;
use crate::policy::Fields;
use crate::request::RequestFacts;
use crate::route::Route;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use peregrine_base::{Clock, Random};
use peregrine_net::http::Body;
use peregrine_net::upstream::{Exchange, Retry, UpstreamError};
use peregrine_telemetry::Recorder;
use peregrine_telemetry::otlp::Fetched;
use peregrine_telemetry::trace::{self, SpanId, Trace, TraceParent};

/// Asks origins.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) recorder: &'a Recorder,
    pub(crate) tenants: &'a Tenants,
}

impl Asker<'_> {
    /// Sends `request`, which `facts` caused, to the upstream of `route`.
    pub(crate) async fn ask(
        &self,
        facts: &RequestFacts,
        route: &Route,
        mut request: Request<Body>,
        retry: Retry,
    ) -> Result<(Response<Body>, Exchange), UpstreamError> {
        let traced = self.recorder.tracer().zip(facts.trace.as_ref());
        let span = traced.map(|(_, trace)| {
            let span = SpanId::new(self.random);
            pass_on(trace, span, request.headers_mut());
            span
        });
        let method = request.method().clone();
        let began = self.clock.now();
        let sent = route.upstream.send_with(request, facts.hop.interim(), retry).await;
        let ended = self.clock.now();
        let took = ended.since(began);
        if sent.as_ref().err().is_none_or(|error| error.asked) {
            route.metrics.requests.asked_origin(took);
            if !facts.tenant.is_empty() {
                self.tenants.asked_origin(&facts.tenant, ended, took);
            }
        }
        if let (Some((tracer, trace)), Some(span)) = (traced, span)
            && trace.sampled
        {
            let answered = sent.as_ref().ok();
            tracer.fetched(
                trace,
                &Fetched {
                    span,
                    began,
                    took,
                    method: method.as_str(),
                    upstream: route.upstream.name(),
                    target: answered.map(|(_, exchange)| &*exchange.target),
                    status: answered.map(|(response, _)| response.status().as_u16()),
                    attempts: answered.map_or(1, |(_, exchange)| exchange.attempts),
                    error: sent.as_ref().err().map(UpstreamError::as_str),
                },
            );
        }
        sent
    }
}

/// Tells the origin of the trace. What vendors added to one that could not be read belongs to none.
fn pass_on(trace: &Trace, span: SpanId, headers: &mut HeaderMap) {
    let parent = TraceParent {
        trace: trace.id,
        span,
        sampled: trace.sampled,
    };
    if let Ok(value) = HeaderValue::from_str(&parent.to_string()) {
        headers.insert(HeaderName::from_static(trace::TRACEPARENT), value);
    }
    if trace.parent.is_none() {
        headers.remove(trace::TRACESTATE);
    }
}

/// The one trace context among `fields`; several are none.
pub(crate) fn traceparent(fields: &impl Fields) -> Option<&[u8]> {
    let mut lines = fields.lines(trace::TRACEPARENT);
    let first = lines.next();
    first.filter(|_| lines.next().is_none())
}
