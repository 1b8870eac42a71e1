//! What the head of a response says beyond itself: whether its framing can be trusted, how long the connection stays,
//! and what it means when there is none.

use super::error::{UpstreamError, UpstreamErrorKind};
use super::outgoing::Sending;
use ::http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::time::Duration;

/// How a target says for how long it keeps a connection.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How much earlier than the target we close, so that a request does not meet it closing.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// What an error of hyper before the head of a response says.
pub(crate) fn classify(error: &hyper::Error, sending: Option<&Sending>) -> UpstreamError {
    let fault = sending.and_then(Sending::fault).map(UpstreamErrorKind::RequestBody);
    let malformed = if error.is_parse() {
        UpstreamErrorKind::Protocol
    } else {
        UpstreamErrorKind::Broken
    };
    UpstreamError::because(fault.unwrap_or(malformed), Chain(error))
}

/// An error with its causes, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Refuses a response whose framing is in doubt, and leaves one way only to tell where its body ends (RFC 9112 §6.3).
pub(crate) fn check<B>(mut response: Response<B>) -> Result<Response<B>, UpstreamError> {
    let wrong = |cause: &'static str| Err(UpstreamError::because(UpstreamErrorKind::Protocol, cause));
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return wrong("it switches protocols without being asked");
    }
    let headers = response.headers_mut();
    let codings: Vec<&HeaderValue> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    match codings.as_slice() {
        [] => {
            if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
                headers.insert(CONTENT_LENGTH, length);
            }
        }
        [coding] if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            headers.remove(CONTENT_LENGTH);
        }
        _ => return wrong("its Transfer-Encoding is not chunked"),
    }
    Ok(response)
}

/// How long the target keeps the connection after this response, if it says so.
pub(crate) fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let seconds = parameters
        .filter_map(|parameter| parameter.trim().strip_prefix("timeout=")?.parse().ok())
        .next()?;
    Some(Duration::from_secs(seconds).saturating_sub(KEEP_ALIVE_MARGIN))
}
