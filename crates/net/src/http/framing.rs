//! Requests whose framing or target is in doubt. The codec refuses what it cannot read; this refuses what it reads but a
//! strict proxy must not pass on, because the next server might read it differently (RFC 9112 §3.2, §6.3, §11.2).

use crate::http::Problem;
pub(crate) use crate::http::codec::is_host;
use ::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::request::Parts;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

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
            Self::Malformed => "The head of the request is not HTTP/1.1.",
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

/// What a request may be at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) uri_length_max: usize,
    pub(crate) body_max: u64,
}

/// Brings `head` to the form that [`crate::http::Handler`] promises, or says why not.
pub(crate) fn admit(head: &mut Parts, bounds: &Bounds) -> Result<(), Refusal> {
    admit_target(head, bounds)?;
    admit_host(&head.headers, head.version)?;
    admit_framing(&head.headers, bounds)
}

/// RFC 9112 §3.2: origin form, absolute form (whose authority replaces `Host`) and `*` for OPTIONS.
fn admit_target(head: &mut Parts, bounds: &Bounds) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    if let Some(authority) = head.uri.authority() {
        let http = head
            .uri
            .scheme_str()
            .is_some_and(|scheme| scheme == "http" || scheme == "https");
        if !http || !is_host(authority.as_str()) {
            return Err(Refusal::Target);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Target)?;
        // The Host field of an absolute target is ignored, but two of them still put the message in doubt.
        if head.headers.get_all(HOST).iter().count() > 1 {
            return Err(Refusal::HostTwice);
        }
        head.headers.insert(HOST, host);
        let path = head
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::from(path);
    }
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() > bounds.uri_length_max {
        return Err(Refusal::UriTooLong);
    }
    let asterisk = target == "*" && head.method == Method::OPTIONS;
    if asterisk || target.starts_with('/') {
        Ok(())
    } else {
        Err(Refusal::Target)
    }
}

/// RFC 9112 §3.2: exactly one valid `Host`; HTTP/1.0 may do without.
fn admit_host(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(Refusal::HostMissing),
        (Some(_), Some(_)) => Err(Refusal::HostTwice),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err(Refusal::HostInvalid),
    }
}

/// RFC 9112 §6.1 and §6.3: one way only to tell where the body ends.
fn admit_framing(headers: &HeaderMap, bounds: &Bounds) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (Some(value), None) if !chunked(value) => return Err(Refusal::TransferEncoding),
        (Some(_), Some(_)) => return Err(Refusal::TransferEncoding),
        (Some(_), None) if headers.contains_key(CONTENT_LENGTH) => return Err(Refusal::TransferEncoding),
        _ => {}
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > bounds.body_max) {
        Err(Refusal::BodyTooLarge)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
