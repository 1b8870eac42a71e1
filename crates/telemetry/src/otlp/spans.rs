//! Spans: one of a server for each request, one inside it for asking the cache, and one of a client for each request to an
//! origin. Attributes are those of OpenTelemetry's conventions for HTTP, and `peregrine.*` for what the cache did.

use super::message::Message;
use crate::access::{Access, without_credentials};
use crate::trace::{SpanId, Trace};
use peregrine_base::Instant;
use std::time::Duration;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u64 = 1;
/// `SPAN_KIND_SERVER`.
const SERVER: u64 = 2;
/// `SPAN_KIND_CLIENT`.
const CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;
/// The flag of the trace that says that it is recorded.
const RECORDED: u32 = 1;
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

/// The numbers of a span's fields (`opentelemetry/proto/trace/v1/trace.proto`).
mod field {
    pub(super) const TRACE_ID: u32 = 1;
    pub(super) const SPAN_ID: u32 = 2;
    pub(super) const PARENT_SPAN_ID: u32 = 4;
    pub(super) const NAME: u32 = 5;
    pub(super) const KIND: u32 = 6;
    pub(super) const START_TIME_UNIX_NANO: u32 = 7;
    pub(super) const END_TIME_UNIX_NANO: u32 = 8;
    pub(super) const ATTRIBUTES: u32 = 9;
    pub(super) const STATUS: u32 = 15;
    pub(super) const FLAGS: u32 = 16;
    /// Of a status.
    pub(super) const STATUS_MESSAGE: u32 = 2;
    pub(super) const STATUS_CODE: u32 = 3;
}

/// Which span is meant, of which trace and kind, and when it was.
struct Of<'a> {
    trace: &'a Trace,
    span: SpanId,
    parent: Option<SpanId>,
    /// Whether the parent is somebody else's.
    is_remote: bool,
    kind: u64,
    start_ns: u64,
    took: Duration,
}

impl<'a> Of<'a> {
    /// A span within the request's, which began and took so long.
    fn within(trace: &'a Trace, span: SpanId, kind: u64, (began, took): (Instant, Duration)) -> Self {
        let arrived = trace.began_wall.as_millis().saturating_mul(1_000_000);
        Self {
            trace,
            span,
            parent: Some(trace.span),
            is_remote: false,
            kind,
            start_ns: arrived.saturating_add(nanos(began.since(trace.began))),
            took,
        }
    }
}

/// What all spans have.
fn begin(span: &mut Message<'_>, of: &Of<'_>, name: &[&str]) {
    span.bytes(field::TRACE_ID, &of.trace.id.0.to_be_bytes());
    span.bytes(field::SPAN_ID, &of.span.0.to_be_bytes());
    if let Some(parent) = of.parent {
        span.bytes(field::PARENT_SPAN_ID, &parent.0.to_be_bytes());
    }
    span.texts(field::NAME, name);
    span.whole(field::KIND, of.kind);
    span.fixed64(field::START_TIME_UNIX_NANO, of.start_ns);
    span.fixed64(field::END_TIME_UNIX_NANO, of.start_ns.saturating_add(nanos(of.took)));
    let parent = if of.is_remote { REMOTE_PARENT } else { LOCAL_PARENT };
    span.fixed32(field::FLAGS, RECORDED | parent);
}

/// Writes the span of a finished request; `target` is path and query without secrets.
pub(super) fn of_request(trace: &Trace, access: &Access<'_>, target: &str, span: &mut Message<'_>) {
    let of = Of {
        trace,
        span: trace.span,
        parent: trace.parent,
        is_remote: trace.parent.is_some(),
        kind: SERVER,
        start_ns: access.time.as_millis().saturating_mul(1_000_000),
        took: access.duration,
    };
    match access.route {
        Some(route) => begin(span, &of, &[access.method, " ", route]),
        None => begin(span, &of, &[access.method]),
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let client = access.client.to_string();
    let texts = [
        ("http.request.method", Some(access.method)),
        ("url.scheme", Some(access.scheme)),
        ("url.path", Some(path)),
        ("url.query", Some(query).filter(|query| !query.is_empty())),
        ("server.address", Some(without_credentials(access.host))),
        ("client.address", Some(&*client)),
        ("http.route", access.route),
        ("peregrine.cache", Some(access.cache)),
        ("peregrine.request_id", Some(access.request_id)),
        ("peregrine.strategy", access.strategy),
        ("peregrine.reason", access.reason),
        ("peregrine.tenant", access.tenant),
        ("error.type", access.error),
    ];
    describe(span, &texts);
    span.whole_attribute(field::ATTRIBUTES, "http.response.status_code", access.status.into());
    span.whole_attribute(field::ATTRIBUTES, "http.response.body.size", access.sent_bytes);
    // An error of the client's is none of the server's span.
    if access.status >= 500 {
        fail(span, access.error);
    }
}

/// Writes the span of asking the cache.
pub(super) fn of_lookup(trace: &Trace, is: &LookedUp<'_>, span: &mut Message<'_>) {
    begin(
        span,
        &Of::within(trace, is.span, INTERNAL, (is.began, is.took)),
        &["lookup"],
    );
    let texts = [
        ("peregrine.lookup", Some(is.found)),
        ("peregrine.namespace", Some(is.namespace)),
        ("peregrine.tier", is.tier),
    ];
    describe(span, &texts);
    span.whole_attribute(field::ATTRIBUTES, "peregrine.lookup.times", is.times.into());
}

/// Writes the span of a request to an origin.
pub(super) fn of_fetch(trace: &Trace, is: &Fetched<'_>, span: &mut Message<'_>) {
    let of = Of::within(trace, is.span, CLIENT, (is.began, is.took));
    begin(span, &of, &[is.method, " ", is.upstream]);
    let texts = [
        ("http.request.method", Some(is.method)),
        ("peregrine.upstream", Some(is.upstream)),
        ("server.address", is.target),
        ("error.type", is.error),
    ];
    describe(span, &texts);
    if let Some(status) = is.status {
        span.whole_attribute(field::ATTRIBUTES, "http.response.status_code", status.into());
    }
    if is.attempts > 1 {
        let again = u64::from(is.attempts - 1);
        span.whole_attribute(field::ATTRIBUTES, "http.request.resend_count", again);
    }
    if is.error.is_some() || is.status.is_some_and(|status| status >= 400) {
        fail(span, is.error);
    }
}

/// The attributes that there are of `texts`.
fn describe(span: &mut Message<'_>, texts: &[(&str, Option<&str>)]) {
    for (key, text) in texts {
        if let Some(text) = text {
            span.text_attribute(field::ATTRIBUTES, key, text);
        }
    }
}

/// Says that it failed, and why.
fn fail(span: &mut Message<'_>, error: Option<&str>) {
    let mut status = Vec::new();
    let mut message = Message(&mut status);
    if let Some(error) = error {
        message.bytes(field::STATUS_MESSAGE, error.as_bytes());
    }
    message.whole(field::STATUS_CODE, ERROR);
    span.bytes(field::STATUS, &status);
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
