//! The answer that the client gets: from a stored response, from one that is being stored, or straight from the origin.

use crate::encode::{Answer, Content, Offer, tags};
use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outcome::Outcome;
use crate::policy::{self, Condition, EditFields, RangeAnswer};
use crate::ranges::{self, Arriving};
use crate::request::RequestFacts;
use crate::route::Route;
use crate::trailers::Trailers;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use peregrine_base::{Instant, Party, Random, WallTime};
use peregrine_cache::{Hit, LoadFailure, Reader};
use peregrine_net::http::hygiene;
use peregrine_net::http::{Body, BodyError, BodyFault};
use std::task::Poll;
use std::time::Duration;

/// Where the origin's tags stand.
static TAG_FIELDS: [HeaderName; 2] = [
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("cache-tag"),
];
/// The longest body that is unpacked at once.
const UNPACKED_BYTES_MAX: u64 = 256 << 10;
static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A stored response as the answer: whole, a part of it, or only that nothing changed. Nothing where only a part of it is held
/// and that does not answer.
pub(crate) fn stored(
    asking: &Asking,
    hit: &Hit,
    (now, wall): (Instant, WallTime),
    chance: &dyn Random,
) -> Option<Result<Response<Body>, Failure>> {
    match StoredHead::decode(hit.head()) {
        Some(head) => under(asking, head, hit, (hit.age(now), wall), chance).map(Ok),
        None => Some(Err(Failure::Load(LoadFailure::Broken))),
    }
}

/// The body of `hit` under `head`. A part is never the answer to who gets the whole (RFC 9111 §3.3): nothing then.
pub(crate) fn under(
    asking: &Asking,
    head: StoredHead,
    hit: &Hit,
    (age, wall): (Duration, WallTime),
    chance: &dyn Random,
) -> Option<Response<Body>> {
    let StoredHead {
        status,
        mut headers,
        trailers,
    } = head;
    headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    let request = &asking.facts;
    let offer = Offer::stored(asking, hit);
    offer.announce(&mut headers);
    let (mut headers, content) = match offer.answer(asking, status, headers, hit, wall) {
        Answer::Current(headers) => return Some(bodiless(StatusCode::NOT_MODIFIED, headers)),
        Answer::Whole(headers, content) => (headers, content),
    };
    let length = content.length();
    if asking.ranges.is_some() && offer.allows_range(&request.headers) {
        let complete = hit.parts().map_or(length, |parts| parts.complete);
        match ranges::select(asking, status, &headers, complete) {
            RangeAnswer::Whole => {}
            RangeAnswer::Unsatisfiable => return Some(ranges::unsatisfiable(complete)),
            // Each part would unpack the content up to its place. Who asks for many little ones gets all of it once (§17.15).
            RangeAnswer::Parts(parts) if parts.len() > 1 && !content.is_at_hand() => {}
            RangeAnswer::Parts(parts) => {
                if let Some(answer) = ranges::of_stored(&content, &headers, &parts, complete, chance) {
                    return Some(answer);
                }
            }
        }
    }
    if hit.parts().is_some() {
        return None;
    }
    let follow = !trailers.is_empty() && request.hop.wants_trailers() && matches!(content, Content::Plain(_));
    if follow && request.method != Method::HEAD {
        return Some(trailed(status, headers, &content, trailers));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if request.method == Method::HEAD {
        return Some(bodiless(status, headers));
    }
    match &content {
        Content::Coded(coded) => asking.route.metrics.encoded(coded.coding()),
        Content::Plain(hit) => asking.route.count_withheld(&request.headers, (status, &headers), hit),
    }
    Some(respond(status, headers, body_of(&content, content.pieces(), length)))
}

/// The whole of `content`, and what came after it. There is a place for that only behind chunks and streams.
fn trailed(status: StatusCode, mut headers: HeaderMap, content: &Content, trailers: HeaderMap) -> Response<Body> {
    headers.remove(header::CONTENT_LENGTH);
    for name in trailers.keys() {
        headers.append(header::TRAILER, HeaderValue::from(name.clone()));
    }
    let (mut pieces, mut left) = (content.pieces(), content.length());
    // Nothing promises a length here, so what cannot be unpacked says so itself.
    let body = Body::from_poll(None, move |_| {
        let next = pieces.next();
        left = left.saturating_sub(next.as_ref().map_or(0, Bytes::len) as u64);
        Poll::Ready(match next {
            None if left > 0 => Some(Err(BodyError::new(BodyFault::Truncated, Party::Upstream))),
            next => next.map(Ok),
        })
    });
    respond(status, headers, Trailers::stored(trailers).follow(body))
}

/// A response whose body is still arriving; nothing when it is another part than the one that was asked for. `own` tells that it
/// is this request's own load.
pub(crate) fn reading(
    asking: &Asking,
    head: StoredHead,
    reader: Reader,
    own: bool,
    wall: WallTime,
) -> Option<Response<Body>> {
    let StoredHead {
        status, mut headers, ..
    } = head;
    hygiene::strip_hop_by_hop(&mut headers);
    let length = reader.length();
    // A part is of the one representation that the origin chose.
    let answered = if reader.part().is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        status
    };
    let offer = Offer::arriving(asking, answered, &headers, length);
    offer.announce(&mut headers);
    if let Some(headers) = offer.current(asking, status, &headers, &headers, wall) {
        return Some(bodiless(StatusCode::NOT_MODIFIED, headers));
    }
    if reader.part().is_some() || (asking.ranges.is_some() && offer.allows_range(&asking.facts.headers)) {
        match ranges::of_arriving(asking, &headers, status, &reader, own) {
            Arriving::Whole => {}
            Arriving::Part(span, complete) => return Some(ranges::of_reader(headers, span, complete, reader)),
            Arriving::Unsatisfiable(complete) => return Some(ranges::unsatisfiable(complete)),
            Arriving::Other => return None,
        }
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Some(respond(status, headers, of_reader(reader, length)))
}

/// What `reader` reads, as a body of `length` bytes.
pub(crate) fn of_reader(mut reader: Reader, length: Option<u64>) -> Body {
    Body::from_poll(length, move |context| {
        reader
            .poll_next(context)
            .map(|next| next.map(|chunk| chunk.map_err(|failure| BodyError::new(fault_of(failure), Party::Upstream))))
    })
}

/// The whole response of a load that is not stored. The conditions that the load left out are evaluated here, as the origin
/// would have done: a Date says something of when it was modified only in what is stored (RFC 9110 §13.1.3, RFC 9111 §4.3.2).
pub(crate) fn loaded(asking: &Asking, response: Response<Body>, wall: WallTime) -> Response<Body> {
    let (request, status) = (&asking.facts, response.status());
    let mut response = direct(response);
    if status == StatusCode::NOT_MODIFIED {
        tags::give_back(&request.headers, response.headers_mut());
    }
    let has_tags = request.headers.contains_key(header::IF_NONE_MATCH);
    if !has_tags && !response.headers().contains_key(header::LAST_MODIFIED) {
        return response;
    }
    match policy::evaluate_conditions(&request.method, &request.headers, status, response.headers(), wall) {
        Condition::NotModified => bodiless(
            StatusCode::NOT_MODIFIED,
            policy::not_modified_headers(response.headers()),
        ),
        Condition::Full => response,
    }
}

/// A response straight from the origin.
pub(crate) fn direct(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    hygiene::strip_hop_by_hop(&mut head.headers);
    Response::from_parts(head, body)
}

/// What a failed load means for a body of which a part has been sent.
pub(crate) const fn fault_of(failure: LoadFailure) -> BodyFault {
    match failure {
        LoadFailure::TimedOut => BodyFault::TotalTimeout,
        LoadFailure::Stalled => BodyFault::IdleTimeout,
        LoadFailure::Abandoned | LoadFailure::Refused => BodyFault::Abandoned,
        _ => BodyFault::Truncated,
    }
}

/// What every answer gets on its way out, whoever made it.
pub(crate) fn complete(
    answer: Result<Response<Body>, Failure>,
    facts: &RequestFacts,
    outcome: &mut Outcome,
) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|failure| {
        outcome.error = Some(failure.as_str());
        failure.answer()
    });
    let status = response.status();
    complete_head(response.headers_mut(), status, &facts.request_id, outcome);
    response
}

/// What every head gets on its way out.
pub(crate) fn complete_head(head: &mut impl EditFields, status: StatusCode, request_id: &str, outcome: &Outcome) {
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: nothing may be said about the length of no content.
        head.remove(&header::CONTENT_LENGTH);
    }
    let received = outcome
        .exchange
        .as_ref()
        .map_or(Version::HTTP_11, |exchange| exchange.version);
    head.append(&header::VIA, hygiene::via(received).as_bytes());
    if let Some(route) = &outcome.route {
        decorate(head, route, outcome, status.as_u16());
    }
    head.insert(&hygiene::X_REQUEST_ID, request_id.as_bytes());
}

fn decorate(head: &mut impl EditFields, route: &Route, outcome: &Outcome, status: u16) {
    if !route.keep_tags {
        for name in &TAG_FIELDS {
            head.remove(name);
        }
    }
    if route.rules.targeted_fields.contains(&policy::SURROGATE_CONTROL) {
        head.remove(&policy::SURROGATE_CONTROL);
    }
    if let Some(status) = outcome.cache_status(status).filter(|_| route.cache_status) {
        head.append_text(&CACHE_STATUS, status);
    }
    route.response_edits.apply(head);
}

/// The `length` bytes in `pieces` of `content`. A long body that has to be unpacked is so piece by piece as the client takes
/// it: many slow clients must not hold it unpacked.
pub(crate) fn body_of(
    content: &Content,
    pieces: impl Iterator<Item = Bytes> + Send + Unpin + 'static,
    length: u64,
) -> Body {
    if content.is_at_hand() || content.length() <= UNPACKED_BYTES_MAX {
        let body = Body::chunks(pieces);
        return match body.length() == Some(length) {
            true => body,
            // It could not be unpacked. Without what was promised it does not look whole.
            false => Body::from_poll(Some(length), |_| Poll::Ready(None)),
        };
    }
    let mut pieces = pieces;
    Body::from_poll(Some(length), move |_| Poll::Ready(pieces.next().map(Ok)))
}

/// The bytes from `start` to `end_exclusive` of a body in chunks, without a copy.
pub(crate) fn slice(
    chunks: impl Iterator<Item = Bytes>,
    start: u64,
    end_exclusive: u64,
) -> impl Iterator<Item = Bytes> {
    let mut offset = 0u64;
    let within = move |mut chunk: Bytes| {
        let length = chunk.len() as u64;
        let from = start.saturating_sub(offset).min(length);
        let left = end_exclusive.checked_sub(offset).filter(|left| *left > 0)?;
        offset += length;
        chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        Some(chunk.split_off(usize::try_from(from).map_or(chunk.len(), |from| from.min(chunk.len()))))
    };
    chunks.map_while(within).filter(|chunk| !chunk.is_empty())
}

pub(crate) fn bodiless(status: StatusCode, headers: HeaderMap) -> Response<Body> {
    respond(status, headers, Body::empty())
}

pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_net::upstream::Exchange;

    #[test]
    fn a_slice_over_chunks_is_exactly_the_range() {
        let chunks = || {
            [
                Bytes::from_static(b"abc"),
                Bytes::from_static(b""),
                Bytes::from_static(b"defg"),
            ]
            .into_iter()
        };
        for (start, end, expected) in [
            (0, 7, "abcdefg"),
            (2, 4, "cd"),
            (3, 7, "defg"),
            (6, 7, "g"),
            (0, 1, "a"),
            (4, 4, ""),
        ] {
            let joined: Vec<u8> = slice(chunks(), start, end).collect::<Vec<_>>().concat();
            assert_eq!(String::from_utf8(joined).unwrap(), expected, "{start}..{end}");
        }
    }

    #[test]
    fn via_names_the_version_in_which_the_origin_answered() {
        let facts = crate::request::facts_for_tests("GET", "http://a/", &[]);
        let mut outcome = Outcome::begin(Instant::ZERO, WallTime::default());
        let mut answered = |version| {
            outcome.exchange = Some(Exchange {
                target: "origin".into(),
                reused: false,
                attempts: 1,
                version,
                connect: Duration::ZERO,
                first_byte: Duration::ZERO,
            });
            complete(Ok(Response::new(Body::empty())), &facts, &mut outcome).headers()["via"].clone()
        };
        assert_eq!(answered(Version::HTTP_2), "2.0 peregrine");
        assert_eq!(answered(Version::HTTP_10), "1.0 peregrine");
    }
}
