//! Parts of a response (RFC 9110 §15.3.7, RFC 9111 §3.3 and §3.4): where the content of a 206 belongs, and what tells that two
//! parts are of the same version.

use super::decision::Decision;
use super::etag::EntityTag;
use super::fields::Fields;
use super::range::{modified_is_strong, number};
use super::reason::Reason;
use http::HeaderValue;
use http::header::{self, HeaderMap};
use peregrine_cache::ByteSpan;

/// Where the content of a 206 belongs in the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its positions.
    pub span: ByteSpan,
    /// The length of the whole.
    pub complete: u64,
    /// Whether Content-Range claims more than the content has. Then the first position and the content are believed, and the
    /// part is put together with nothing.
    pub is_doubtful: bool,
}

/// What tells a version from every other, byte by byte (RFC 9110 §8.8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrongValidator {
    /// The value of If-Range that asks for a part of this version only.
    pub if_range: HeaderValue,
    /// A text that no other validator has.
    pub text: Vec<u8>,
}

/// The strong validator of a response: its ETag, or its Last-Modified where there is no ETag and the date is surely of one
/// version (RFC 9110 §8.8.2.2).
#[must_use]
pub fn strong_validator(headers: &HeaderMap) -> Option<StrongValidator> {
    let named = |kind: u8, value: &HeaderValue| StrongValidator {
        if_range: value.clone(),
        text: [&[kind], value.as_bytes().trim_ascii()].concat(),
    };
    match headers.get(header::ETAG) {
        Some(etag) => EntityTag::read(etag.as_bytes()).is_strong().then(|| named(b'e', etag)),
        None => headers
            .get(header::LAST_MODIFIED)
            .filter(|_| modified_is_strong(headers))
            .map(|modified| named(b'm', modified)),
    }
}

/// Where the content of a 206 belongs; `length` is that of the content, where it is announced.
///
/// # Errors
/// Its place is not certain: several parts in one (multipart/byteranges), no or no readable Content-Range, a whole of unknown
/// length, or a content that is longer than its range.
pub fn place_part(headers: &impl Fields, length: Option<u64>) -> Result<Placed, Decision> {
    let unplaced = || Decision::new(Reason::Partial);
    let mut lines = headers.lines(header::CONTENT_RANGE.as_str());
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(unplaced());
    };
    let (span, complete) = content_range(line).ok_or_else(unplaced)?;
    match length {
        Some(length) if length > span.length() => Err(unplaced()),
        // An origin that counts its last position wrong. What it sent begins where it says and, where it claims to send up to
        // the end, ends there.
        Some(length) if length < span.length() => {
            let short = ByteSpan::new(span.start, span.start + length).ok_or_else(unplaced)?;
            let complete = if span.end == complete { short.end } else { complete };
            if short.length() == complete {
                // Nothing doubtful is ever taken for the whole.
                return Err(unplaced());
            }
            Ok(Placed {
                span: short,
                complete,
                is_doubtful: true,
            })
        }
        _ => Ok(Placed {
            span,
            complete,
            is_doubtful: false,
        }),
    }
}

/// Reads `bytes 0-4/10` (RFC 9110 §14.4): first position, last position, complete length.
pub(super) fn content_range(line: &[u8]) -> Option<(ByteSpan, u64)> {
    let line = line.trim_ascii();
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (unit, range) = line.split_at(space);
    let range = range.trim_ascii();
    let slash = range.iter().position(|byte| *byte == b'/')?;
    let (positions, complete) = (range.get(..slash)?, number(range.get(slash + 1..)?)?);
    let hyphen = positions.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (number(positions.get(..hyphen)?)?, number(positions.get(hyphen + 1..)?)?);
    // A last position before the first, or beyond the complete length, makes it invalid.
    let is_valid = unit.eq_ignore_ascii_case(b"bytes") && first <= last && last < complete;
    is_valid
        .then(|| ByteSpan::new(first, last + 1))
        .flatten()
        .map(|span| (span, complete))
}

/// The head of a 206 as that of the 200 that it is a part of: without the fields that are about the part.
#[must_use]
pub fn part_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::CONTENT_RANGE);
    headers.remove(header::CONTENT_LENGTH);
    remove_digests(&mut headers);
    headers
}

/// Takes off what holds of the very bytes that were sent with it (RFC 9530 §2, RFC 1864), for others of the same
/// representation. `Repr-Digest` stays, which is about all of that.
pub fn remove_digests(headers: &mut HeaderMap) {
    headers.remove("content-digest");
    headers.remove("content-md5");
}
