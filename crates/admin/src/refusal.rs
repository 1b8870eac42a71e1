//! A request that is not carried out: the problem that the client reads, and the header fields that belong to it.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use peregrine_net::http::{Fault, Problem};
use std::borrow::Cow;

/// Why a request is not carried out. Boxed inside, since refusals are rare and travel through many hands.
#[derive(Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    kind: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    barred: Option<Barred>,
}

/// At which gate a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// `Host` is not one of ours.
    Host,
    /// `Origin` is not ours.
    Origin,
    /// There is no token.
    TokenMissing,
    /// The token is wrong.
    TokenWrong,
    /// Too many tokens were wrong.
    Throttled,
    /// The token is a tenant's, and the call is about more than that tenant.
    TenantToken,
    /// The session is over, or was never one.
    Session,
    /// The role does not allow it.
    Role,
    /// It is about a namespace that the one who asks is not let into.
    Namespace,
}

impl Barred {
    pub(crate) const ALL: [Self; 9] = [
        Self::Host,
        Self::Origin,
        Self::TokenMissing,
        Self::TokenWrong,
        Self::Throttled,
        Self::TenantToken,
        Self::Session,
        Self::Role,
        Self::Namespace,
    ];

    /// The word in problems, logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host_not_allowed",
            Self::Origin => "origin_not_allowed",
            Self::TokenMissing => "token_missing",
            Self::TokenWrong => "token_wrong",
            Self::Throttled => "token_attempts",
            Self::TenantToken => "tenant_token",
            Self::Session => "session_over",
            Self::Role => "role_too_low",
            Self::Namespace => "namespace_limited",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Origin | Self::TenantToken | Self::Role | Self::Namespace => StatusCode::FORBIDDEN,
            Self::TokenMissing | Self::TokenWrong | Self::Session => StatusCode::UNAUTHORIZED,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Problem::new(status, kind).detail(detail);
        Self(Box::new(Inner {
            problem,
            kind,
            headers: Vec::new(),
            barred: None,
        }))
    }

    /// The request is understood and wrong: 400 with its faults.
    #[must_use]
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = match faults.len() {
            1 => "The request has a fault.".into(),
            count => Cow::from(format!("The request has {count} faults.")),
        };
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail).faults(faults)
    }

    /// What it asks about is not there.
    #[must_use]
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// It cannot be done while things stand as they do.
    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// What is to be changed is not what the client saw: 412.
    #[must_use]
    pub fn precondition_failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }

    /// The client must say what it saw: 428.
    #[must_use]
    pub fn precondition_required(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail)
    }

    /// The key was used for another request: 422.
    pub(crate) fn key_of_another() -> Self {
        let detail = "This `Idempotency-Key` came with another request before; a new request takes a new key.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key_of_another_request", detail)
    }

    /// It cannot be done now; later it may.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// Peregrine failed. `detail` is for the client: nothing of the inside.
    #[must_use]
    pub fn failed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }

    pub(crate) fn barred(barred: Barred, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut refusal = Self::new(barred.status(), barred.as_str(), detail);
        refusal.0.barred = Some(barred);
        refusal
    }

    pub(crate) fn no_such_path(path: &str, nearest: Option<&str>) -> Self {
        let path: String = path.chars().take(200).collect();
        let detail = match nearest {
            Some(nearest) => format!("There is no `{path}`; the nearest is `{nearest}`."),
            None => format!("There is no `{path}`."),
        };
        Self::not_found(detail)
    }

    pub(crate) fn wrong_method(allowed: &[Method]) -> Self {
        let words: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let allow = HeaderValue::from_str(&words.join(", ")).expect("methods are visible ASCII");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("This path takes {}.", words.join(" or ")),
        )
        .header(http::header::ALLOW, allow)
    }

    pub(crate) fn wrong_content_type() -> Self {
        let detail = "What changes anything is sent with `Content-Type: application/json`, also without a body.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        let detail = format!("The body is larger than {limit} bytes (`admin.body_max`).");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    pub(crate) fn body_failed(error: peregrine_net::http::BodyError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.fault.as_str(), format!("{error}."))
    }

    /// With a member of its own in the problem.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        let Inner {
            problem,
            kind,
            headers,
            barred,
        } = *self.0;
        let problem = problem.with(name, value);
        self.0 = Box::new(Inner {
            problem,
            kind,
            headers,
            barred,
        });
        self
    }

    /// With faults of the input.
    #[must_use]
    pub fn faults(mut self, faults: Vec<Fault>) -> Self {
        self.0.problem.errors.extend(faults);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.problem.status
    }

    /// The word at the end of the problem's type.
    pub(crate) fn kind(&self) -> &'static str {
        self.0.kind
    }

    pub(crate) fn gate(&self) -> Option<Barred> {
        self.0.barred
    }

    pub(crate) fn into_parts(self) -> (Problem, Vec<(HeaderName, HeaderValue)>) {
        (self.0.problem, self.0.headers)
    }
}

/// One fault of an input.
pub(crate) fn fault(field: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault {
        field: field.into(),
        detail: detail.into(),
    }
}
