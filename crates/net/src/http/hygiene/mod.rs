//! What a proxy does to the fields of every message that it passes on (RFC 9110 §7.6): fields meant for one connection come
//! off, `Via` goes on, and whom a request came from is told truthfully.
//!
//! The order for a request is [`strip_hop_by_hop`], then [`Forwarded::read`], [`Forwarded::write`] and [`request_id`], then
//! [`add_via`]; for a response [`strip_hop_by_hop`] and [`add_via`].

mod forwarded;
mod hop_by_hop;

pub use forwarded::{
    CLAIMS, Forwarded, NetworkError, TrustedProxies, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, is_alike,
    is_claim, is_odd_name, remove_where,
};
pub use hop_by_hop::{HOP_BY_HOP, strip_hop_by_hop};

use crate::http::Peer;
use ::http::header::VIA;
use ::http::{HeaderMap, HeaderName, HeaderValue, Version};
use peregrine_base::Random;

/// The name under which this proxy stands in `Via`.
pub const VIA_NAME: &str = "peregrine";
/// The field that names a request in the logs of everyone whom it passes.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is kept.
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// Appends this proxy to `Via` (RFC 9110 §7.6.3); `version` is the one in which the message was received.
pub fn add_via(headers: &mut HeaderMap, version: Version) {
    headers.append(VIA, HeaderValue::from_static(via(version)));
}

/// This proxy in `Via`, for a message that was received in `version`.
#[must_use]
pub const fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "1.0 peregrine",
        Version::HTTP_2 => "2.0 peregrine",
        Version::HTTP_3 => "3.0 peregrine",
        _ => "1.1 peregrine",
    }
}

/// The id of a request, which is then in `headers`: the one it came with when it came from a trusted proxy and reads like
/// an id, else a new one of 32 hexadecimal digits.
pub fn request_id(headers: &mut HeaderMap, peer: &Peer, trusted: &TrustedProxies, random: &dyn Random) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    if trusted.contains(peer.address.ip())
        && let (Some(id), None) = (given.next(), given.next())
        && is_request_id(id.as_bytes())
    {
        return id.clone();
    }
    let mut id = String::with_capacity(32);
    new_request_id(random, &mut id);
    let id = HeaderValue::try_from(id).expect("hexadecimal digits are a field value");
    headers.insert(X_REQUEST_ID, id.clone());
    id
}

/// Makes `id` a new one.
pub fn new_request_id(random: &dyn Random, id: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    let numbers = [random.next_u64().to_be_bytes(), random.next_u64().to_be_bytes()];
    for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(numbers.as_flattened()) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    id.clear();
    id.push_str(std::str::from_utf8(&text).expect("digits are ASCII"));
}

/// Whether `text` may stand in logs as an id: not empty, not long, and nothing that needs escaping.
fn is_request_id(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    !text.is_empty() && text.len() <= REQUEST_ID_LENGTH_MAX && text.iter().all(allowed)
}

#[cfg(test)]
mod tests;
