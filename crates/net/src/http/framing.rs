//! Why requests are refused: heads that cannot be read, and those that a strict proxy must not pass on because the next
//! server might read them differently (RFC 9112 §3.2, §6.3, §11.2).

use crate::http::Problem;
pub(crate) use crate::http::codec::is_host;
use ::http::StatusCode;

/// Why a request was answered, or its connection closed, before a handler saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There are as many connections as allowed.
    ConnectionsMax,
    /// The head did not arrive in time.
    HeaderTimeout,
    /// The head is no HTTP.
    Malformed,
    /// The head is larger than allowed, or has too many fields.
    HeaderTooLarge,
    /// The request target is longer than allowed.
    UriTooLong,
    /// The request target is in no form that a reverse proxy answers.
    Target,
    /// The method asks for a tunnel.
    Method,
    /// `Host` is missing.
    HostMissing,
    /// `Host` is there more than once.
    HostTwice,
    /// `Host` is no host.
    HostInvalid,
    /// The version is neither 1.0 nor 1.1.
    Version,
    /// `Content-Length` is there more than once, or is no number.
    ContentLength,
    /// `Host` names another host than `:authority` of HTTP/2.
    HostDisagrees,
    /// `Transfer-Encoding` is there more than once, or is anything but `chunked`.
    TransferEncoding,
    /// `Expect` asks for anything but `100-continue`.
    Expectation,
    /// The announced body is larger than allowed.
    BodyTooLarge,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::ConnectionsMax,
        Self::HeaderTimeout,
        Self::Malformed,
        Self::HeaderTooLarge,
        Self::UriTooLong,
        Self::Target,
        Self::Method,
        Self::HostMissing,
        Self::HostTwice,
        Self::HostInvalid,
        Self::Version,
        Self::ContentLength,
        Self::HostDisagrees,
        Self::TransferEncoding,
        Self::Expectation,
        Self::BodyTooLarge,
    ];

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionsMax => "connections_max",
            Self::HeaderTimeout => "header_timeout",
            Self::Malformed => "malformed",
            Self::HeaderTooLarge => "header_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::Target => "target",
            Self::Method => "method",
            Self::HostMissing => "host_missing",
            Self::HostTwice => "host_twice",
            Self::HostInvalid => "host_invalid",
            Self::Version => "version",
            Self::ContentLength => "content_length",
            Self::HostDisagrees => "host_disagrees",
            Self::TransferEncoding => "transfer_encoding",
            Self::Expectation => "expectation",
            Self::BodyTooLarge => "body_too_large",
        }
    }

    /// What the client is answered.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ConnectionsMax => StatusCode::SERVICE_UNAVAILABLE,
            Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed
            | Self::Target
            | Self::HostMissing
            | Self::HostTwice
            | Self::HostInvalid
            | Self::ContentLength
            | Self::HostDisagrees
            | Self::TransferEncoding => StatusCode::BAD_REQUEST,
        }
    }

    /// The problem that the client reads.
    #[must_use]
    pub fn problem(self) -> Problem {
        Problem::new(self.status(), self.as_str()).detail(match self {
            Self::ConnectionsMax => "There are as many connections as this server takes; try again later.",
            Self::HeaderTimeout => "The head of the request did not arrive in time.",
            Self::Malformed => "The head of the request is not well-formed HTTP.",
            Self::HeaderTooLarge => "The head of the request is larger, or has more fields, than this server takes.",
            Self::UriTooLong => "The request target is longer than this server takes.",
            Self::Target => "The request target must be a path that begins with /, or an http or https URL.",
            Self::Method => "This server opens no tunnels.",
            Self::HostMissing => "A request needs a Host field.",
            Self::HostTwice => "A request has exactly one Host field.",
            Self::HostInvalid => "The Host field must be a host name or address with an optional port.",
            Self::Version => "This server speaks HTTP/1.0 and HTTP/1.1 here.",
            Self::ContentLength => "A request has at most one Content-Length, and that is a number of bytes.",
            Self::Expectation => "The only expectation that this server meets is 100-continue.",
            Self::TransferEncoding => {
                "The only Transfer-Encoding that this server takes is one single `chunked`, in HTTP/1.1 and without \
                 Content-Length."
            }
            Self::HostDisagrees => "The Host field names another host than :authority.",
            Self::BodyTooLarge => "The body of the request is larger than this server takes.",
        })
    }

    /// Its place in [`Refusal::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
