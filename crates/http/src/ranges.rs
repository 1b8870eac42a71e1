//! The parts of a response that a client asked for (RFC 9110 §14): cut out of what is stored, or out of a body that is still
//! arriving.

use crate::deliver::{self, bodiless, respond};
use crate::encode::Content;
use crate::identify::Asking;
use crate::policy::multipart::{Multipart, content_range};
use crate::policy::{self, RangeAnswer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use peregrine_base::{Party, Random};
use peregrine_cache::{ByteSpan, Reader};
use peregrine_net::http::{Body, BodyError};
use std::task::{Context, Poll};

/// Which bytes of a response with `headers` and `length` bytes the client gets. Range means nothing but for a 200 (§14.2).
pub(crate) fn select(asking: &Asking, status: StatusCode, headers: &HeaderMap, length: u64) -> RangeAnswer {
    match &asking.ranges {
        Some(ranges) if status == StatusCode::OK && policy::if_range_holds(&asking.facts.headers, headers) => {
            ranges.select(length)
        }
        _ => RangeAnswer::Whole,
    }
}

/// The bytes of a stretch of what is stored.
type Stored = Box<dyn Iterator<Item = Bytes> + Send>;

/// The bytes of `content` in `span`, where they are held.
fn stretch(content: &Content, span: ByteSpan) -> Option<Stored> {
    match content {
        Content::Plain(hit) => Some(Box::new(hit.slice(span)?)),
        Content::Coded(coded) => Some(Box::new(deliver::slice(coded.chunks(), span.start, span.end))),
    }
}

/// `parts` of a stored value of `complete` bytes; nothing when they are not held.
pub(crate) fn of_stored(
    content: &Content,
    headers: &HeaderMap,
    parts: &[ByteSpan],
    complete: u64,
    chance: &dyn Random,
) -> Option<Response<Body>> {
    let mut headers = headers.clone();
    if let [span] = parts {
        let bytes = stretch(content, *span)?;
        describe(&mut headers, *span, complete);
        let body = deliver::body_of(content, bytes, span.length());
        return Some(respond(StatusCode::PARTIAL_CONTENT, headers, body));
    }
    let frame = Multipart::new(&headers, parts, complete, [chance.next_u64(), chance.next_u64()]);
    let length = frame.length(parts.iter().map(|part| part.length()).sum());
    headers.insert(header::CONTENT_TYPE, frame.content_type());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    policy::remove_digests(&mut headers);
    say_that_ranges_are_served(&mut headers);
    let slices: Option<Vec<_>> = parts.iter().map(|part| stretch(content, *part)).collect();
    let framed = frame.before.into_iter().zip(slices?);
    let bytes = framed.flat_map(|(before, slice)| std::iter::once(Bytes::from(before)).chain(slice));
    let bytes = bytes.chain(std::iter::once(Bytes::from(frame.end)));
    let body = deliver::body_of(content, bytes, length);
    Some(respond(StatusCode::PARTIAL_CONTENT, headers, body))
}

/// What the client gets of a body that is still arriving.
pub(crate) enum Arriving {
    /// These bytes of it.
    Part(ByteSpan, u64),
    /// All of it, as a 200.
    Whole,
    /// 416.
    Unsatisfiable(u64),
    /// What arrives is another part than the one that was asked for.
    Other,
}

/// What of the body that `reader` reads is for the client. `own` tells that its own load brings it: then it gets what the origin
/// sent, whatever part that is.
pub(crate) fn of_arriving(
    asking: &Asking,
    headers: &HeaderMap,
    status: StatusCode,
    reader: &Reader,
    own: bool,
) -> Arriving {
    let Some(part) = reader.part() else {
        let Some(length) = reader.length() else {
            return Arriving::Whole;
        };
        return match select(asking, status, headers, length) {
            RangeAnswer::Unsatisfiable => Arriving::Unsatisfiable(length),
            RangeAnswer::Parts(parts) if parts.len() == 1 => Arriving::Part(parts[0], length),
            RangeAnswer::Parts(_) | RangeAnswer::Whole => Arriving::Whole,
        };
    };
    let end = part.start.saturating_add(reader.length().unwrap_or(0));
    let Some(given) = ByteSpan::new(part.start, end) else {
        return Arriving::Other;
    };
    // The origin has evaluated If-Range.
    let asked = asking.ranges.as_ref().map(|ranges| ranges.select(part.complete));
    match asked {
        Some(RangeAnswer::Parts(parts)) if parts.len() == 1 && given.contains(parts[0]) => {
            Arriving::Part(parts[0], part.complete)
        }
        _ if own => Arriving::Part(given, part.complete),
        _ => Arriving::Other,
    }
}

/// `span` of a value of `complete` bytes, as `reader` brings it.
pub(crate) fn of_reader(mut headers: HeaderMap, span: ByteSpan, complete: u64, reader: Reader) -> Response<Body> {
    let start = reader.part().map_or(0, |part| part.start);
    if start == span.start && reader.length() == Some(span.length()) && headers.contains_key(header::CONTENT_RANGE) {
        // The whole answer of the origin: in its own words.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(span.length()));
    } else {
        describe(&mut headers, span, complete);
    }
    let mut stretch = Stretch {
        reader: Some(reader),
        skip: span.start.saturating_sub(start),
        left: span.length(),
    };
    let body = Body::from_poll(Some(span.length()), move |context| stretch.poll_next(context));
    respond(StatusCode::PARTIAL_CONTENT, headers, body)
}

/// 416 for a value of `complete` bytes (§15.5.17).
pub(crate) fn unsatisfiable(complete: u64) -> Response<Body> {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{complete}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    say_that_ranges_are_served(&mut headers);
    bodiless(StatusCode::RANGE_NOT_SATISFIABLE, headers)
}

/// The fields of a 206 with one part.
fn describe(headers: &mut HeaderMap, span: ByteSpan, complete: u64) {
    if let Ok(value) = HeaderValue::from_str(&content_range(span, complete)) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(span.length()));
    policy::remove_digests(headers);
    say_that_ranges_are_served(headers);
}

fn say_that_ranges_are_served(headers: &mut HeaderMap) {
    headers
        .entry(header::ACCEPT_RANGES)
        .or_insert(HeaderValue::from_static("bytes"));
}

/// A stretch of a body that arrives. Whoever has read it leaves its place to others.
struct Stretch {
    reader: Option<Reader>,
    skip: u64,
    left: u64,
}

impl Stretch {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(reader) = self.reader.as_mut().filter(|_| self.left > 0) else {
                self.reader = None;
                return Poll::Ready(None);
            };
            let mut chunk = match std::task::ready!(reader.poll_next(context)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(failure)) => {
                    return Poll::Ready(Some(Err(BodyError::new(deliver::fault_of(failure), Party::Upstream))));
                }
                None => {
                    self.reader = None;
                    return Poll::Ready(None);
                }
            };
            let skip = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
            self.skip -= skip as u64;
            let mut rest = chunk.split_off(skip);
            rest.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            if !rest.is_empty() {
                self.left -= rest.len() as u64;
                return Poll::Ready(Some(Ok(rest)));
            }
        }
    }
}
