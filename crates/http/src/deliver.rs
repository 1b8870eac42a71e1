//! The answer that the client gets: from a stored response, from one that is being stored, or straight from the origin.

use crate::failure::Failure;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::load::Reading;
use crate::outcome::Outcome;
use crate::policy::{self, Condition, RangeAnswer};
use crate::request::RequestFacts;
use crate::route::Route;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use peregrine_base::{Instant, WallTime};
use peregrine_cache::{Hit, Reader};
use peregrine_net::http::Body;
use peregrine_net::http::hygiene;

/// Where the origin's tags stand.
const TAG_FIELDS: [HeaderName; 2] = [HeaderName::from_static("surrogate-key"), HeaderName::from_static("cache-tag")];
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A stored response as the answer: whole, a part of it, or only that nothing changed.
pub(crate) fn stored(asking: &Asking, hit: &Hit, now: Instant, wall: WallTime) -> Result<Response<Body>, Failure> {
    let Some(StoredHead { status, mut headers }) = StoredHead::decode(hit.head()) else {
        return Err(Failure::Load(peregrine_cache::LoadFailure::Broken));
    };
    headers.insert(header::AGE, HeaderValue::from(hit.age(now).as_secs()));
    let request = &asking.facts;
    match policy::evaluate_conditions(&request.method, &request.headers, status, &headers, wall) {
        Condition::Full => {}
        Condition::NotModified => return Ok(bodiless(StatusCode::NOT_MODIFIED, not_modified(headers))),
        Condition::PreconditionFailed => return Ok(bodiless(StatusCode::PRECONDITION_FAILED, HeaderMap::new())),
    }
    let length = hit.length();
    if asking.asked.range && request.method == Method::GET && status == StatusCode::OK {
        match policy::select_range(&request.headers, &headers, length) {
            RangeAnswer::Whole => {}
            RangeAnswer::Part { start, end_exclusive } => return Ok(part(hit, headers, start, end_exclusive, length)),
            RangeAnswer::Unsatisfiable => return Ok(unsatisfiable(length)),
        }
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if request.method == Method::HEAD {
        return Ok(bodiless(status, headers));
    }
    Ok(respond(status, headers, Body::chunks(hit.body().chunks().collect())))
}

/// A response whose body is still arriving.
pub(crate) fn reading(asking: &Asking, reading: Reading, wall: WallTime) -> Response<Body> {
    let Reading { head: StoredHead { status, mut headers }, reader, .. } = reading;
    let request = &asking.facts;
    match policy::evaluate_conditions(&request.method, &request.headers, status, &headers, wall) {
        Condition::Full => {}
        Condition::NotModified => return bodiless(StatusCode::NOT_MODIFIED, not_modified(headers)),
        Condition::PreconditionFailed => return bodiless(StatusCode::PRECONDITION_FAILED, HeaderMap::new()),
    }
    if let Some(length) = reader.length() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    respond(status, headers, Body::stream(ReaderBody::new(reader)))
}

/// A response straight from the origin.
pub(crate) fn direct(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    hygiene::strip_hop_by_hop(&mut head.headers);
    Response::from_parts(head, body)
}

/// What every answer gets on its way out, whoever made it.
pub(crate) fn complete(answer: Result<Response<Body>, Failure>, facts: &RequestFacts, outcome: &mut Outcome) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|failure| {
        outcome.error = Some(failure.as_str());
        failure.answer()
    });
    let headers = response.headers_mut();
    hygiene::add_via(headers, http::Version::HTTP_11);
    if let Some(route) = &outcome.route {
        decorate(headers, route, outcome);
    }
    if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

fn decorate(headers: &mut HeaderMap, route: &Route, outcome: &Outcome) {
    if !route.keep_tags {
        for name in &TAG_FIELDS {
            headers.remove(name);
        }
    }
    if let Some(status) = outcome.cache_status().filter(|_| route.cache_status) {
        headers.append(CACHE_STATUS, status);
    }
    route.response_edits.apply(headers);
}

/// The fields of a 304: those of the 200 without what describes the body that is not there (RFC 9110 §15.4.5).
fn not_modified(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_RANGE] {
        headers.remove(name);
    }
    headers
}

fn part(hit: &Hit, mut headers: HeaderMap, start: u64, end_exclusive: u64, length: u64) -> Response<Body> {
    let range = format!("bytes {start}-{}/{length}", end_exclusive.saturating_sub(1));
    if let Ok(value) = HeaderValue::from_str(&range) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end_exclusive - start));
    respond(StatusCode::PARTIAL_CONTENT, headers, Body::chunks(slice(hit.body().chunks(), start, end_exclusive)))
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

/// A load's body as it arrives.
struct ReaderBody {
    reader: Reader,
    left: Option<u64>,
}

impl ReaderBody {
    fn new(reader: Reader) -> Self {
        let left = reader.length();
        Self { reader, left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_over_chunks_is_exactly_the_range() {
        let chunks = || [Bytes::from_static(b"abc"), Bytes::from_static(b""), Bytes::from_static(b"defg")].into_iter();
        for (start, end, expected) in [(0, 7, "abcdefg"), (2, 4, "cd"), (3, 7, "defg"), (6, 7, "g"), (0, 1, "a"), (4, 4, "")] {
            let joined: Vec<u8> = slice(chunks(), start, end).concat();
            assert_eq!(String::from_utf8(joined).unwrap(), expected, "{start}..{end}");
        }
    }
}
