//! Fields that are meant for one connection only (RFC 9110 §7.6.1).

use ::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use ::http::{HeaderMap, HeaderName, HeaderValue};

/// Taken off every message.
pub static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What `Connection` may not nominate: fields for every recipient, without which routing, framing, caching or the origin's
/// idea of the client would change. Naming them is an attack or a mistake; the RFC forbids it to senders.
static NEVER_NOMINATED: [HeaderName; 11] = [
    HOST,
    CONTENT_LENGTH,
    CACHE_CONTROL,
    VIA,
    FORWARDED,
    super::X_FORWARDED_FOR,
    super::X_FORWARDED_HOST,
    super::X_FORWARDED_PROTO,
    super::X_REQUEST_ID,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("set-cookie"),
];

/// Takes off what is meant for one connection only: the fields known for that, and those that `Connection` nominates.
/// `TE` and `Trailer` go too: whoever passes trailers on to the next hop says so anew (RFC 9110 §6.5.1, §10.1.4).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let nominations: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    let options = nominations
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for option in options {
        let option = option.trim_ascii();
        // What nearly every client says is about the connection, and no field's name or one that is off already.
        let is_usual = [&b"keep-alive"[..], b"close"]
            .iter()
            .any(|usual| option.eq_ignore_ascii_case(usual));
        if !is_usual
            && let Ok(name) = HeaderName::from_bytes(option)
            && !NEVER_NOMINATED.contains(&name)
        {
            headers.remove(name);
        }
    }
}
