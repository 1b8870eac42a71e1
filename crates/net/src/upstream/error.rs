//! Why a request got no response from an upstream.

use crate::http::{BodyError, BodyFault, Problem};
use ::http::StatusCode;
use peregrine_base::{Blame, Party};
use std::borrow::Cow;
use std::sync::Arc;

/// What went wrong, where, and in the system's own words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{}{}", .kind.sentence(), at(.target.as_deref()), because(.cause.as_deref()))]
pub struct UpstreamError {
    /// What went wrong.
    pub kind: UpstreamErrorKind,
    /// The target that was tried last; `None` when none was.
    pub target: Option<Arc<str>>,
    /// Whether a target got something of the request, as far as is known, be it in an earlier attempt.
    pub asked: bool,
    /// What the system or the library said. For logs only: it may hold addresses.
    pub cause: Option<Arc<str>>,
}

fn at(target: Option<&str>) -> String {
    target.map(|target| format!(" ({target})")).unwrap_or_default()
}

fn because(cause: Option<&str>) -> String {
    cause.map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// What can go wrong before the head of a response is there. What happens to its body is a [`BodyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamErrorKind {
    /// The name of the target has no address.
    Resolve,
    /// The target refused the connection, or there is no way to it.
    Connect,
    /// No connection within the limit.
    ConnectTimeout,
    /// TLS failed: the certificate is not trusted or not for this name, or no common version.
    Tls,
    /// The connection broke before the head of a response was there.
    Broken,
    /// No head of a response within the limit.
    FirstByteTimeout,
    /// The exchange took longer than it may in total.
    TotalTimeout,
    /// As many requests as allowed wait for a connection already.
    TooManyWaiting,
    /// No connection became free within the limit.
    WaitTimeout,
    /// Every target is left out after failures.
    NoHealthyTarget,
    /// What came back is no HTTP, or not of the version that was asked for.
    Protocol,
    /// The answer says in more than one way where its body ends, or in none that counts.
    Framing,
    /// The head of the answer is larger than allowed, or has more fields.
    HeadTooLarge,
    /// More interim responses than allowed came before the answer.
    TooManyInterim,
    /// Bytes came before anything was asked.
    Unsolicited,
    /// The request could not be sent because its own body failed.
    RequestBody(BodyFault),
}

impl UpstreamErrorKind {
    /// All of them in a fixed order; those of a request body count as one.
    pub(crate) const WORDS: [&'static str; 16] = [
        "resolve",
        "connect",
        "connect_timeout",
        "tls",
        "broken",
        "first_byte_timeout",
        "total_timeout",
        "too_many_waiting",
        "wait_timeout",
        "no_healthy_target",
        "protocol",
        "request_body",
        "response_framing",
        "response_head_too_large",
        "too_many_interim",
        "unsolicited_response",
    ];

    /// Its place in [`UpstreamErrorKind::WORDS`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Resolve => 0,
            Self::Connect => 1,
            Self::ConnectTimeout => 2,
            Self::Tls => 3,
            Self::Broken => 4,
            Self::FirstByteTimeout => 5,
            Self::TotalTimeout => 6,
            Self::TooManyWaiting => 7,
            Self::WaitTimeout => 8,
            Self::NoHealthyTarget => 9,
            Self::Protocol => 10,
            Self::RequestBody(_) => 11,
            Self::Framing => 12,
            Self::HeadTooLarge => 13,
            Self::TooManyInterim => 14,
            Self::Unsolicited => 15,
        }
    }

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self.index()]
    }

    /// What the client is answered when nothing better is at hand.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::TotalTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::TooManyWaiting | Self::WaitTimeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::RequestBody(BodyFault::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestBody(BodyFault::IdleTimeout | BodyFault::TotalTimeout) => StatusCode::REQUEST_TIMEOUT,
            Self::RequestBody(_) => StatusCode::BAD_REQUEST,
            Self::Resolve
            | Self::Connect
            | Self::Tls
            | Self::Broken
            | Self::NoHealthyTarget
            | Self::Protocol
            | Self::Framing
            | Self::HeadTooLarge
            | Self::TooManyInterim
            | Self::Unsolicited => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether the target got something of the request before that, as far as is known.
    pub(crate) const fn was_asked(self) -> bool {
        !matches!(
            self,
            Self::Resolve
                | Self::Connect
                | Self::ConnectTimeout
                | Self::Tls
                | Self::NoHealthyTarget
                | Self::TooManyWaiting
                | Self::WaitTimeout
        )
    }

    /// Whether it tells against the target: such failures in a row leave it out.
    pub(crate) const fn is_failure_of_target(self) -> bool {
        matches!(
            self,
            Self::Resolve
                | Self::Connect
                | Self::ConnectTimeout
                | Self::Tls
                | Self::Broken
                | Self::FirstByteTimeout
                | Self::Protocol
                | Self::Framing
                | Self::HeadTooLarge
                | Self::TooManyInterim
                | Self::Unsolicited
        )
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Resolve => "the origin's name has no address",
            Self::Connect => "the origin cannot be reached",
            Self::ConnectTimeout => "the origin did not take the connection in time",
            Self::Tls => "no secure connection to the origin is possible",
            Self::Broken => "the origin closed the connection without an answer",
            Self::FirstByteTimeout => "the origin did not answer in time",
            Self::TotalTimeout => "the exchange with the origin took too long",
            Self::TooManyWaiting => "too many requests wait for the origin",
            Self::WaitTimeout => "no connection to the origin became free in time",
            Self::NoHealthyTarget => "the origin is left out after failures",
            Self::Protocol => "what the origin answered is not valid",
            Self::Framing => "the origin's answer leaves in doubt where its body ends",
            Self::HeadTooLarge => "the head of the origin's answer is larger than allowed",
            Self::TooManyInterim => "the origin sent too many interim responses",
            Self::Unsolicited => "the origin sent something before it was asked",
            Self::RequestBody(BodyFault::TooLarge) => "the request body is larger than allowed",
            Self::RequestBody(BodyFault::IdleTimeout | BodyFault::TotalTimeout) => {
                "the request body stalled for too long"
            }
            Self::RequestBody(_) => "the request body did not arrive whole",
        }
    }
}

impl UpstreamError {
    pub(crate) const fn new(kind: UpstreamErrorKind) -> Self {
        Self {
            kind,
            target: None,
            asked: false,
            cause: None,
        }
    }

    pub(crate) fn because(kind: UpstreamErrorKind, cause: impl std::fmt::Display) -> Self {
        Self {
            kind,
            target: None,
            asked: false,
            cause: Some(cause.to_string().into()),
        }
    }

    pub(crate) fn at(mut self, target: &Arc<str>) -> Self {
        self.target = Some(Arc::clone(target));
        self
    }

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.kind.as_str()
    }

    /// What the client is answered when nothing better is at hand.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The problem that the client reads.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem::new(self.status(), self.as_str()).detail(self.public())
    }
}

impl From<BodyError> for UpstreamErrorKind {
    fn from(error: BodyError) -> Self {
        Self::RequestBody(error.fault)
    }
}

impl Blame for UpstreamError {
    fn party(&self) -> Party {
        match self.kind {
            UpstreamErrorKind::RequestBody(_) => Party::Downstream,
            UpstreamErrorKind::TooManyWaiting | UpstreamErrorKind::WaitTimeout => Party::Peregrine,
            _ => Party::Upstream,
        }
    }

    fn retry_helps(&self) -> bool {
        !matches!(self.kind, UpstreamErrorKind::RequestBody(BodyFault::TooLarge))
    }

    fn public(&self) -> Cow<'static, str> {
        self.kind.sentence().into()
    }
}
