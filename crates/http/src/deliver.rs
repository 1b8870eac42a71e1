//! The answer that the client gets: from a stored response, from one that is being stored, or straight from the origin.

use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::outcome::Outcome;
use crate::policy::{self, Condition, RangeAnswer};
use crate::request::RequestFacts;
use crate::route::Route;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use peregrine_base::{Instant, Party, WallTime};
use peregrine_cache::{Hit, LoadFailure, Reader};
use peregrine_net::http::hygiene;
use peregrine_net::http::{Body, BodyError, BodyFault};
use std::time::Duration;

/// Where the origin's tags stand.
const TAG_FIELDS: [HeaderName; 2] = [
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("cache-tag"),
];
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A stored response as the answer: whole, a part of it, or only that nothing changed.
pub(crate) fn stored(asking: &Asking, hit: &Hit, now: Instant, wall: WallTime) -> Result<Response<Body>, Failure> {
    match StoredHead::decode(hit.head()) {
        Some(head) => Ok(under(asking, head, hit, hit.age(now), wall)),
        None => Err(Failure::Load(LoadFailure::Broken)),
    }
}

/// The body of `hit` under `head`.
pub(crate) fn under(asking: &Asking, head: StoredHead, hit: &Hit, age: Duration, wall: WallTime) -> Response<Body> {
    let StoredHead { status, mut headers } = head;
    headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    let request = &asking.facts;
    if policy::evaluate_conditions(&request.method, &request.headers, status, &headers, wall) == Condition::NotModified
    {
        return bodiless(StatusCode::NOT_MODIFIED, policy::not_modified_headers(&headers));
    }
    let length = hit.length();
    if asking.asked.range && request.method == Method::GET && status == StatusCode::OK {
        match policy::select_range(&request.headers, &headers, length) {
            RangeAnswer::Whole => {}
            RangeAnswer::Part { start, end_exclusive } => return part(hit, headers, start, end_exclusive, length),
            RangeAnswer::Unsatisfiable => return unsatisfiable(length),
        }
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if request.method == Method::HEAD {
        return bodiless(status, headers);
    }
    respond(status, headers, Body::chunks(hit.body().chunks()))
}

/// A response whose body is still arriving.
pub(crate) fn reading(asking: &Asking, head: StoredHead, mut reader: Reader, wall: WallTime) -> Response<Body> {
    let StoredHead { status, mut headers } = head;
    hygiene::strip_hop_by_hop(&mut headers);
    let request = &asking.facts;
    if policy::evaluate_conditions(&request.method, &request.headers, status, &headers, wall) == Condition::NotModified
    {
        return bodiless(StatusCode::NOT_MODIFIED, policy::not_modified_headers(&headers));
    }
    let length = reader.length();
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = Body::from_poll(length, move |context| {
        reader
            .poll_next(context)
            .map(|next| next.map(|chunk| chunk.map_err(|failure| BodyError::new(fault_of(failure), Party::Upstream))))
    });
    respond(status, headers, body)
}

/// The whole response of a load that is not stored. The conditions that the load left out are evaluated here, as the origin
/// would have done.
pub(crate) fn loaded(asking: &Asking, response: Response<Body>, wall: WallTime) -> Response<Body> {
    let (request, status) = (&asking.facts, response.status());
    let response = direct(response);
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
const fn fault_of(failure: LoadFailure) -> BodyFault {
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
    let headers = response.headers_mut();
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: nothing may be said about the length of no content.
        headers.remove(header::CONTENT_LENGTH);
    }
    hygiene::add_via(headers, http::Version::HTTP_11);
    if let Some(route) = &outcome.route {
        decorate(headers, route, outcome, status.as_u16());
    }
    if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
        headers.insert(hygiene::X_REQUEST_ID, id);
    }
    response
}

fn decorate(headers: &mut HeaderMap, route: &Route, outcome: &Outcome, status: u16) {
    if !route.keep_tags {
        for name in &TAG_FIELDS {
            headers.remove(name);
        }
    }
    if let Some(status) = outcome.cache_status(status).filter(|_| route.cache_status) {
        headers.append(CACHE_STATUS, status);
    }
    route.response_edits.apply(headers);
}

fn part(hit: &Hit, mut headers: HeaderMap, start: u64, end_exclusive: u64, length: u64) -> Response<Body> {
    let range = format!("bytes {start}-{}/{length}", end_exclusive.saturating_sub(1));
    if let Ok(value) = HeaderValue::from_str(&range) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end_exclusive - start));
    respond(
        StatusCode::PARTIAL_CONTENT,
        headers,
        Body::chunks(slice(hit.body().chunks(), start, end_exclusive)),
    )
}

/// The bytes from `start` to `end_exclusive` of a body in chunks, without a copy.
fn slice(chunks: impl Iterator<Item = Bytes>, start: u64, end_exclusive: u64) -> Vec<Bytes> {
    let mut offset = 0u64;
    let mut parts = Vec::new();
    for chunk in chunks {
        let length = chunk.len() as u64;
        let from = start.saturating_sub(offset).min(length);
        let to = end_exclusive.saturating_sub(offset).min(length);
        if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to))
            && from < to
        {
            parts.push(chunk.slice(from..to));
        }
        offset += length;
    }
    parts
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    bodiless(StatusCode::RANGE_NOT_SATISFIABLE, headers)
}

fn bodiless(status: StatusCode, headers: HeaderMap) -> Response<Body> {
    respond(status, headers, Body::empty())
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let joined: Vec<u8> = slice(chunks(), start, end).concat();
            assert_eq!(String::from_utf8(joined).unwrap(), expected, "{start}..{end}");
        }
    }
}
