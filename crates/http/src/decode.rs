//! Answers for clients that take no coding, made of what the origin encoded for others: without a load of their own, and without
//! a second copy in memory. Only where the two differ in nothing but Accept-Encoding, the coding is known and may be taken off
//! (RFC 9110 §7.7), and the content is not large: it is looked through before its head is sent, so that what is damaged or a
//! bomb costs a load, as before.

use crate::deliver::{bodiless, respond};
use crate::encode;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outcome::{CacheOutcome, Outcome};
use crate::plane::Parts;
use crate::policy::{self, Condition};
use crate::siblings;
use http::{HeaderValue, Method, Response, StatusCode, header};
use peregrine_cache::{Ask, Hit, Selector};
use peregrine_net::http::Body;
use std::task::Poll;

/// The most bytes that content may have when it is decoded. Decoding takes some milliseconds for so many, on an event loop.
const DECODED_BYTES_MAX: u64 = 2 << 20;

/// The answer to `asking`, out of a fresh variant that the origin encoded; nothing where there is none, or one of its own.
pub(crate) fn answer(parts: &Parts, asking: &Asking, ask: &Ask<'_>, outcome: &mut Outcome) -> Option<Response<Body>> {
    let may_be = asking.route.encode.transforms()
        && asking.content.is_none()
        && asking.ranges.is_none()
        && !asking.asked.range
        && encode::takes_no_coding(&asking.facts.headers)
        && !encode::asks_for_the_original(&asking.facts.headers);
    if !may_be {
        return None;
    }
    let hit = parts.engine.fresh_sibling(&asking.key, ask, will_do)?;
    let StoredHead {
        status, mut headers, ..
    } = StoredHead::decode(hit.head())?;
    let decoded = hit.decoded(encode::removable(&headers)?, DECODED_BYTES_MAX)?;

    // From here on this is the answer.
    let (now, wall, request) = (parts.clock.now(), parts.clock.wall(), &asking.facts);
    parts.engine.answered(&asking.key, &hit);
    outcome.answered_by(&hit, CacheOutcome::Hit, &asking.route, now);
    outcome.detail = Some("decoded");
    encode::decode_head(&mut headers);
    headers.insert(header::AGE, HeaderValue::from(hit.age(now).as_secs()));
    if policy::evaluate_conditions(&request.method, &request.headers, status, &headers, wall) == Condition::NotModified
    {
        return Some(bodiless(
            StatusCode::NOT_MODIFIED,
            policy::not_modified_headers(&headers),
        ));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(decoded.length()));
    if request.method == Method::HEAD {
        return Some(bodiless(status, headers));
    }
    let mut pieces = decoded.pieces();
    let body = Body::from_poll(Some(decoded.length()), move |_| Poll::Ready(pieces.next().map(Ok)));
    Some(respond(status, headers, body))
}

/// Whether `other` can be decoded for a request whose variant is `own`.
fn will_do(selector: &Selector, own: &str, other: &Hit) -> bool {
    let encoding = header::ACCEPT_ENCODING;
    let head = StoredHead::decode(other.head());
    siblings::differing(selector, own, other.variant())
        .is_some_and(|mut names| names.all(|name| name == encoding.as_str()))
        && head.is_some_and(|head| head.status == StatusCode::OK && encode::removable(&head.headers).is_some())
}
