//! Why a request got no answer from the origin or the cache, and what the client reads instead (RFC 9457).

use crate::tenant::TenantFault;
use http::{HeaderValue, Response, StatusCode, header};
use peregrine_admission::ShedReason;
use peregrine_base::Blame;
use peregrine_cache::LoadFailure;
use peregrine_net::http::{Body, Problem};
use peregrine_net::upstream::UpstreamError;
use std::borrow::Cow;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No route takes it.
    NoRoute,
    /// It is not clear whose it is.
    Tenant(TenantFault),
    /// PURGE, which nobody may use here.
    PurgeOff,
    /// PURGE, which this client may not use.
    PurgeForbidden,
    /// The asker has used up its due.
    Throttled { retry_after: Duration },
    /// There is more work than the origin can carry.
    Shed(ShedReason),
    /// The breaker of the upstream is open.
    Open { retry_after: Duration },
    /// `only-if-cached`, and nothing usable is stored (RFC 9111 §5.2.1.7).
    OnlyIfCached,
    /// The origin, or the way to it, failed.
    Upstream(UpstreamError),
    /// The load that this request waited for failed.
    Load(LoadFailure),
}

impl Failure {
    /// The word for logs and metric labels.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::Tenant(fault) => fault.as_str(),
            Self::PurgeOff => "purge_off",
            Self::PurgeForbidden => "purge_forbidden",
            Self::Throttled { .. } => "throttled",
            Self::Shed(reason) => reason.as_str(),
            Self::Open { .. } => "breaker_open",
            Self::OnlyIfCached => "only_if_cached",
            Self::Upstream(error) => error.as_str(),
            Self::Load(failure) => failure.as_str(),
        }
    }

    /// What the client reads.
    pub(crate) fn answer(self) -> Response<Body> {
        match self {
            Self::NoRoute => problem(
                StatusCode::NOT_FOUND,
                "no_route",
                "No route takes this host, path and method.",
            ),
            Self::Tenant(fault) => {
                let (status, detail) = match fault {
                    TenantFault::Missing => (StatusCode::BAD_REQUEST, "This route wants to know whose a request is."),
                    TenantFault::Invalid => (
                        StatusCode::BAD_REQUEST,
                        "The name of the tenant is no name, or is there twice.",
                    ),
                    TenantFault::Untrusted => (StatusCode::FORBIDDEN, "Only trusted proxies say whose a request is."),
                };
                problem(status, fault.as_str(), detail)
            }
            Self::PurgeOff => {
                let mut response = problem(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "purge_off",
                    "PURGE is not offered here; server.purge_from says who may use it.",
                );
                // RFC 9110 §15.5.6: which methods there are, as far as a proxy knows.
                let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                response.headers_mut().insert(header::ALLOW, allow);
                response
            }
            Self::PurgeForbidden => problem(
                StatusCode::FORBIDDEN,
                "purge_forbidden",
                "This address is not among those that may PURGE (server.purge_from).",
            ),
            Self::Throttled { retry_after } => later(
                problem(
                    StatusCode::TOO_MANY_REQUESTS,
                    "throttled",
                    "Too many requests; ask again later.",
                ),
                retry_after,
            ),
            Self::Shed(_) => later(
                problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "shed",
                    "There is more work than can be done; ask again later.",
                ),
                Duration::from_secs(1),
            ),
            Self::Open { retry_after } => later(
                problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "breaker_open",
                    "The origin is being spared; ask again later.",
                ),
                retry_after,
            ),
            Self::OnlyIfCached => problem(
                StatusCode::GATEWAY_TIMEOUT,
                "only_if_cached",
                "Nothing usable is stored, and the request allows no other answer.",
            ),
            Self::Upstream(error) => at_work(problem(error.status(), error.as_str(), error.public())),
            Self::Load(failure) => {
                let status = match failure {
                    LoadFailure::TimedOut => StatusCode::GATEWAY_TIMEOUT,
                    LoadFailure::Refused => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::BAD_GATEWAY,
                };
                at_work(problem(status, failure.as_str(), failure.public()))
            }
        }
    }
}

/// A problem of one kind.
fn problem(status: StatusCode, kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Response<Body> {
    Problem::new(status, kind).detail(detail).into_response()
}

/// Adds when to ask again where there was too much to do: soon.
fn at_work(response: Response<Body>) -> Response<Body> {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        later(response, Duration::from_secs(1))
    } else {
        response
    }
}

/// Adds when to ask again, in whole seconds, at least one.
fn later(mut response: Response<Body>, after: Duration) -> Response<Body> {
    let seconds = after.as_secs().max(1);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
