//! What the head of a response says beyond itself: whether its framing can be trusted, how long the connection stays,
//! and what it means when there is none.

use super::error::{UpstreamError, UpstreamErrorKind};
use super::http1::Fault;
use super::pool::Cause;
use super::sending::Sending;
use ::http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use ::http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::time::Duration;

/// How a target says for how long it keeps a connection.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How much earlier than the target we close, so that a request does not meet it closing.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// What an error before the head of a response says.
pub(crate) fn classify(cause: &Cause, sending: Option<&Sending>) -> UpstreamError {
    let fault = sending.and_then(Sending::fault).map(UpstreamErrorKind::RequestBody);
    let (kind, chain) = match cause {
        Cause::Http1(Fault::Refused(error)) => return error.clone(),
        Cause::Http1(error) => (fault.unwrap_or_else(|| error.kind()), error.to_string()),
        Cause::Http2(error) => (fault.unwrap_or_else(|| error.kind()), Chain(error).to_string()),
    };
    UpstreamError::because(kind, chain)
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

/// Whether the connection of a response may serve another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// The response can be passed on, but where it ends may have been meant otherwise.
    Once,
    /// The framing is beyond doubt, and the connection ends with it.
    Last,
    /// The framing is beyond doubt.
    Full,
}

/// Refuses a response whose framing is in doubt, and leaves one way only to tell where its body ends (RFC 9112 §6.3).
/// `asked` is the protocol that the request offered to change to.
pub(crate) fn check<B>(
    mut response: Response<B>,
    asked: Option<&HeaderValue>,
) -> Result<(Response<B>, Trust), UpstreamError> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return switched(response, asked);
    }
    let headers = response.headers_mut();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let trust = match (codings.next(), codings.next()) {
        (None, _) => {
            let Some(length) = length(headers)? else {
                return Ok((response, Trust::Full));
            };
            let is_plain = has_plain_length(headers);
            if status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6: it says nothing here, or it lies.
                headers.remove(CONTENT_LENGTH);
                return Ok((response, if length == 0 { Trust::Full } else { Trust::Once }));
            }
            if is_plain {
                return Ok((response, Trust::Full));
            }
            headers.insert(CONTENT_LENGTH, length.into());
            Trust::Once
        }
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            // RFC 9112 §6.3: the coding counts and the length goes. Whoever wrote both may not have meant that.
            let both = headers.remove(CONTENT_LENGTH).is_some();
            if both || status == StatusCode::NO_CONTENT {
                Trust::Once
            } else {
                Trust::Full
            }
        }
        _ => return Err(framing("its Transfer-Encoding is not chunked")),
    };
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok((response, trust))
}

/// Whether there is one length, made of digits alone.
fn has_plain_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    first.is_some_and(|length| length.as_bytes().iter().all(u8::is_ascii_digit)) && lengths.next().is_none()
}

/// The one number that all lengths say, which may be lists.
fn length(headers: &HeaderMap) -> Result<Option<u64>, UpstreamError> {
    let mut found = None;
    let lengths = headers.get_all(CONTENT_LENGTH).iter();
    for text in lengths.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let text = text.trim_ascii();
        let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(text)
            .ok()
            .filter(|_| digits)
            .and_then(|text| text.parse::<u64>().ok());
        match (number, found) {
            (None, _) => return Err(framing("its Content-Length is no number")),
            (Some(one), Some(other)) if one != other => return Err(framing("its Content-Lengths differ")),
            (number, _) => found = number,
        }
    }
    Ok(found)
}

/// A response that changes the protocol: only to what was offered (RFC 9110 §7.8).
fn switched<B>(response: Response<B>, asked: Option<&HeaderValue>) -> Result<(Response<B>, Trust), UpstreamError> {
    let Some(asked) = asked else {
        return Err(UpstreamError::because(
            UpstreamErrorKind::Protocol,
            "it switches protocols without being asked",
        ));
    };
    match response.headers().get(UPGRADE) {
        Some(to) if to.as_bytes().trim_ascii().eq_ignore_ascii_case(asked.as_bytes()) => Ok((response, Trust::Once)),
        _ => Err(UpstreamError::because(
            UpstreamErrorKind::Protocol,
            "it switches to a protocol that was not offered",
        )),
    }
}

fn framing(cause: &'static str) -> UpstreamError {
    UpstreamError::because(UpstreamErrorKind::Framing, cause)
}

/// How long the target keeps the connection after this response, if it says so.
pub(crate) fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let seconds = parameters
        .filter_map(|parameter| parameter.trim().strip_prefix("timeout=")?.parse().ok())
        .next()?;
    Some(Duration::from_secs(seconds).saturating_sub(KEEP_ALIVE_MARGIN))
}
