//! What fuzzers call and nobody else: the head of a response on the way that it takes from an origin's bytes to the plane,
//! with `httparse` in the place of hyper, which uses it.

use super::head;
use super::wire::{HeadRule, Scan};
use ::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use ::http::{Response, StatusCode};

const RULE: HeadRule = HeadRule {
    bytes_max: 8 << 10,
    fields_max: 64,
    interim_max: 4,
};

/// What the watch over a connection says of `pieces`; nothing where it ends the connection.
#[must_use]
pub fn watched(pieces: &[&[u8]]) -> Option<bool> {
    let (mut scan, mut doubtful) = (Scan::new(), false);
    for piece in pieces {
        doubtful |= scan.read(piece, RULE).ok()?;
    }
    Some(doubtful)
}

/// The fields that say where the body of the response in `bytes` ends, once it was let through; nothing where it was not.
#[must_use]
pub fn framing(bytes: &[u8]) -> Option<(Vec<HeaderValue>, Vec<HeaderValue>)> {
    let mut room = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut room);
    let complete = parsed.parse(bytes).ok()?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(parsed.code?).ok()?;
    for field in complete.is_complete().then_some(parsed.headers)? {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        response
            .headers_mut()
            .append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    let (response, _) = head::check(response, None).ok()?;
    let all = |headers: &HeaderMap, name| headers.get_all(name).iter().cloned().collect();
    Some((
        all(response.headers(), CONTENT_LENGTH),
        all(response.headers(), TRANSFER_ENCODING),
    ))
}
