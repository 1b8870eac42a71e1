//! Spans: one of a server for each request, one inside it for asking the cache, and one of a client for each request to an origin. Attributes are those of
//! OpenTelemetry's conventions for HTTP, and `peregrine.*` for what the cache did.

use super::Resource;
use super::wire::{ExportTrace, KeyValue, ResourceSpans, Scope, ScopeSpans, Span, Status};
use crate::access::{Access, without_credentials};
use crate::trace::{SpanId, Trace};
use peregrine_base::Instant;
use prost::Message as _;
use std::time::Duration;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: i32 = 1;
/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;
/// `SPAN_KIND_CLIENT`.
const CLIENT: i32 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;
/// Bit 8 and 9 of a span's flags: it is known whether the parent is remote, and it is.
const REMOTE_PARENT: u32 = 0x300;
/// Bit 8 alone: it is not.
const LOCAL_PARENT: u32 = 0x100;

/// A request to an origin.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// Its span, which the origin was told.
    pub span: SpanId,
    /// When it began.
    pub began: Instant,
    /// How long the head of the answer, or the failure, took.
    pub took: Duration,
    /// The method.
    pub method: &'a str,
    /// The upstream.
    pub upstream: &'a str,
    /// The target that answered.
    pub target: Option<&'a str>,
    /// What it answered.
    pub status: Option<u16>,
    /// How often it was sent.
    pub attempts: u32,
    /// What went wrong.
    pub error: Option<&'static str>,
}

/// How the cache was asked.
#[derive(Clone, Copy, Debug)]
pub struct LookedUp<'a> {
    /// Its span.
    pub span: SpanId,
    /// When it was asked first.
    pub began: Instant,
    /// Until it had said what becomes of the request, another's load that it waited for among it.
    pub took: Duration,
    /// What it said last: `fresh`, `stale`, `lead`, `follow` or `bypass`.
    pub found: &'static str,
    /// How often it was asked.
    pub times: u32,
    /// The namespace that was looked in.
    pub namespace: &'a str,
    /// Where what answered lay, if it answered.
    pub tier: Option<&'a str>,
}

/// The body of a request with `spans`.
pub(super) fn request(resource: &Resource, spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = ScopeSpans {
        scope: Some(Scope::own()),
        spans,
    };
    let resource_spans = ResourceSpans {
        resource: Some(resource.into()),
        scope_spans: vec![scope_spans],
    };
    ExportTrace {
        resource_spans: vec![resource_spans],
    }
    .encode_to_vec()
}

/// The span of a finished request; `target` is path and query without secrets.
pub(super) fn of_request(trace: &Trace, access: &Access<'_>, target: &str) -> Span {
    let start = access.time.as_millis().saturating_mul(1_000_000);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut attributes = vec![
        KeyValue::text("http.request.method", access.method),
        KeyValue::text("url.scheme", access.scheme),
        KeyValue::text("url.path", path),
        KeyValue::text("server.address", without_credentials(access.host)),
        KeyValue::text("client.address", access.client.to_string()),
        KeyValue::whole("http.response.status_code", access.status.into()),
        KeyValue::whole("http.response.body.size", access.sent_bytes),
        KeyValue::text("peregrine.cache", access.cache),
        KeyValue::text("peregrine.request_id", access.request_id),
    ];
    if !query.is_empty() {
        attributes.push(KeyValue::text("url.query", query));
    }
    let named = [
        ("http.route", access.route),
        ("peregrine.strategy", access.strategy),
        ("peregrine.reason", access.reason),
        ("peregrine.tenant", access.tenant),
        ("error.type", access.error),
    ];
    let named = named
        .iter()
        .filter_map(|(key, text)| Some(KeyValue::text(key, (*text)?)));
    attributes.extend(named);
    let is_remote = trace.parent.is_some();
    Span {
        trace_id: trace.id.0.to_be_bytes().to_vec(),
        span_id: trace.span.0.to_be_bytes().to_vec(),
        parent_span_id: trace
            .parent
            .map_or_else(Vec::new, |parent| parent.0.to_be_bytes().to_vec()),
        name: match access.route {
            Some(route) => format!("{} {route}", access.method),
            None => access.method.to_owned(),
        },
        kind: SERVER,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(access.duration)),
        attributes,
        // An error of the client's is none of the server's span.
        status: (access.status >= 500).then(|| failed(access.error)),
        flags: 1 | if is_remote { REMOTE_PARENT } else { LOCAL_PARENT },
    }
}

/// The span of asking the cache.
pub(super) fn of_lookup(trace: &Trace, is: &LookedUp<'_>) -> Span {
    let began = trace.began_wall.as_millis().saturating_mul(1_000_000);
    let start = began.saturating_add(nanos(is.began.since(trace.began)));
    let mut attributes = vec![
        KeyValue::text("peregrine.lookup", is.found),
        KeyValue::text("peregrine.namespace", is.namespace),
        KeyValue::whole("peregrine.lookup.times", is.times.into()),
    ];
    attributes.extend(is.tier.map(|tier| KeyValue::text("peregrine.tier", tier)));
    Span {
        trace_id: trace.id.0.to_be_bytes().to_vec(),
        span_id: is.span.0.to_be_bytes().to_vec(),
        parent_span_id: trace.span.0.to_be_bytes().to_vec(),
        name: "lookup".to_owned(),
        kind: INTERNAL,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(is.took)),
        attributes,
        status: None,
        flags: 1 | LOCAL_PARENT,
    }
}

/// The span of a request to an origin.
pub(super) fn of_fetch(trace: &Trace, is: &Fetched<'_>) -> Span {
    let began = trace.began_wall.as_millis().saturating_mul(1_000_000);
    let start = began.saturating_add(nanos(is.began.since(trace.began)));
    let mut attributes = vec![
        KeyValue::text("http.request.method", is.method),
        KeyValue::text("peregrine.upstream", is.upstream),
    ];
    if let Some(target) = is.target {
        attributes.push(KeyValue::text("server.address", target));
    }
    if let Some(status) = is.status {
        attributes.push(KeyValue::whole("http.response.status_code", status.into()));
    }
    if is.attempts > 1 {
        attributes.push(KeyValue::whole("http.request.resend_count", u64::from(is.attempts - 1)));
    }
    if let Some(error) = is.error {
        attributes.push(KeyValue::text("error.type", error));
    }
    let is_failure = is.error.is_some() || is.status.is_some_and(|status| status >= 400);
    Span {
        trace_id: trace.id.0.to_be_bytes().to_vec(),
        span_id: is.span.0.to_be_bytes().to_vec(),
        parent_span_id: trace.span.0.to_be_bytes().to_vec(),
        name: format!("{} {}", is.method, is.upstream),
        kind: CLIENT,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(is.took)),
        attributes,
        status: is_failure.then(|| failed(is.error)),
        flags: 1 | LOCAL_PARENT,
    }
}

fn failed(error: Option<&str>) -> Status {
    Status {
        message: error.unwrap_or_default().to_owned(),
        code: ERROR,
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
