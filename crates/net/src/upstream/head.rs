//! What the head of a response says beyond itself: whether its framing can be trusted, how long the connection stays,
//! and what it means when there is none.

use super::error::{UpstreamError, UpstreamErrorKind};
use super::pool::Cause;
use super::sending::Sending;
use super::wire::HeadFault;
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
        Cause::Http1(error) => {
            let chain = Chain(error).to_string();
            (fault.unwrap_or_else(|| kind_of(error, &chain)), chain)
        }
        Cause::Http2(error) => (fault.unwrap_or_else(|| error.kind()), Chain(error).to_string()),
    };
    UpstreamError::because(kind, chain)
}

fn kind_of(error: &hyper::Error, chain: &str) -> UpstreamErrorKind {
    match head_fault(error) {
        Some(HeadFault::TooLarge) => UpstreamErrorKind::HeadTooLarge,
        Some(HeadFault::TooManyInterim) => UpstreamErrorKind::TooManyInterim,
        Some(HeadFault::Unsolicited) => UpstreamErrorKind::Unsolicited,
        None if error.is_parse_too_large() => UpstreamErrorKind::HeadTooLarge,
        // hyper tells these from other errors by their words alone.
        None if error.is_parse() && (chain.contains("content-length") || chain.contains("transfer-encoding")) => {
            UpstreamErrorKind::Framing
        }
        None if error.is_parse() => UpstreamErrorKind::Protocol,
        None => UpstreamErrorKind::Broken,
    }
}

/// What our own watch over the connection found.
fn head_fault(error: &hyper::Error) -> Option<HeadFault> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(fault) = inner.and_then(|inner| inner.downcast_ref::<HeadFault>()) {
            return Some(*fault);
        }
        cause = error.source();
    }
    None
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The framing is beyond doubt.
    Full,
    /// The response can be passed on, but where it ends may have been meant otherwise.
    Once,
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
    let codings: Vec<&HeaderValue> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    let lengths: Vec<&HeaderValue> = headers.get_all(CONTENT_LENGTH).iter().collect();
    let trust = match codings.as_slice() {
        [] => {
            let Some(length) = length(&lengths)? else {
                return Ok((response, Trust::Full));
            };
            let plain = lengths.len() == 1 && lengths[0].as_bytes().iter().all(u8::is_ascii_digit);
            if status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6: it says nothing here, or it lies.
                headers.remove(CONTENT_LENGTH);
                return Ok((response, if length == 0 { Trust::Full } else { Trust::Once }));
            }
            headers.insert(CONTENT_LENGTH, length.into());
            if plain { Trust::Full } else { Trust::Once }
        }
        [coding] if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
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

/// The one number that all of `lengths` say, which may be lists.
fn length(lengths: &[&HeaderValue]) -> Result<Option<u64>, UpstreamError> {
    let mut found = None;
    for text in lengths
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
    {
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
