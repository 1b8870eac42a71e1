//! Trailer fields (RFC 9110 §6.5), which are passed on both ways where the protocol has a place for them. What decides about
//! framing, routing, authentication, caching, conditions, the meaning of the content or who asks is too late in a trailer, and
//! taken off: §6.5.1 forbids it to senders, and a recipient who merged it into the head would be fooled.

use crate::http::hygiene;
use ::http::{HeaderMap, HeaderName, header};

/// Fields that are never passed on in a trailer.
const FORBIDDEN: [HeaderName; 26] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PRAGMA,
    header::RANGE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

/// Those of `trailers` that may be passed on.
pub(crate) fn permitted(mut trailers: HeaderMap) -> HeaderMap {
    hygiene::strip_hop_by_hop(&mut trailers);
    let is_forbidden = |name: &HeaderName| {
        FORBIDDEN
            .iter()
            .any(|known| hygiene::is_alike(known.as_str(), name.as_str()))
    };
    hygiene::remove_where(&mut trailers, |name| is_forbidden(name) || hygiene::is_claim(name));
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_late_in_a_trailer_is_taken_off() {
        let mut trailers = HeaderMap::new();
        for name in [
            "grpc-status",
            "content-length",
            "transfer-encoding",
            "connection",
            "set-cookie",
            "if-none-match",
            "x-forwarded-for",
            "x_real_ip",
            "if_match",
            "x-request-id",
            "server-timing",
        ] {
            trailers.insert(HeaderName::from_static(name), "x-secret".parse().unwrap());
        }
        trailers.insert("x-secret", "nominated".parse().unwrap());
        let left = permitted(trailers);
        let mut names: Vec<_> = left.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-status", "server-timing"]);
    }
}
