//! A finished request as the tail keeps it: its own texts, bounded and without secrets.

use crate::access::{Access, Redaction, TARGET_MAX_BYTES, TEXT_MAX_BYTES, cut, without_credentials};
use crate::time::Rfc3339;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// A finished request, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestEvent {
    /// When it arrived (RFC 3339).
    pub at: String,
    /// The request id that the client and the origin see too.
    pub request_id: String,
    /// Who asked, as far as trusted proxies say.
    pub client: String,
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port that were asked for.
    pub host: String,
    /// Path and query, secrets hidden.
    pub target: String,
    /// The status that the client got.
    pub status: u16,
    /// From the request's head to the end of the answer.
    pub duration_ms: f64,
    /// How long the upstream took, where it was asked.
    pub upstream_ms: Option<f64>,
    /// The upstream's target that answered.
    pub upstream: Option<String>,
    /// The route.
    pub route: Option<String>,
    /// The strategy.
    pub strategy: Option<String>,
    /// Whose request it was.
    pub tenant: Option<String>,
    /// What the cache did.
    pub cache: String,
    /// Why it did so.
    pub reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Bytes of the answer's body that were sent.
    pub sent_bytes: u64,
    /// The trace that it belongs to, where it is traced.
    pub trace_id: Option<String>,
}

impl RequestEvent {
    /// `access` without what `redaction` hides.
    pub(super) fn of(access: &Access<'_>, redaction: &Redaction) -> Self {
        let text = |text: &str| cut(text, TEXT_MAX_BYTES).to_owned();
        Self {
            at: Rfc3339(access.time).to_string(),
            request_id: text(access.request_id),
            client: access.client.to_string(),
            method: text(access.method),
            scheme: access.scheme.to_owned(),
            host: text(without_credentials(access.host)),
            target: redaction.apply(cut(access.target, TARGET_MAX_BYTES)).into_owned(),
            status: access.status,
            duration_ms: millis(access.duration),
            upstream_ms: access.upstream_duration.map(millis),
            upstream: access.upstream.map(text),
            route: access.route.map(text),
            strategy: access.strategy.map(text),
            tenant: access.tenant.map(text),
            cache: access.cache.to_owned(),
            reason: access.reason.map(text),
            error: access.error.map(text),
            sent_bytes: access.sent_bytes,
            trace_id: access.trace.map(|trace| trace.to_string()),
        }
    }
}

/// Milliseconds with three decimals.
pub(super) fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
