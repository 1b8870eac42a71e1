//! Validation in both directions (RFC 9111 §4.3): what to send to the origin to have a stored response confirmed, and
//! whether a client's own copy is current (RFC 9110 §13).

use super::date;
use super::etag::EntityTag;
use super::fields::{EditFields, Fields};
use super::range::modified_is_strong;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use peregrine_base::WallTime;

/// Fields that say of content what a 304 does not have.
static OF_CONTENT: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
];

/// What a client with preconditions gets for a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The response, or the part of it that was asked for.
    Full,
    /// 304: the client's own copy is current.
    NotModified,
}

/// The fields that ask the origin to confirm a stored response (§4.3.1); empty if it has no validator. They are sent as
/// the origin wrote them.
#[must_use]
pub fn validators(stored: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let etag = stored
        .get(header::ETAG)
        .map(|etag| (header::IF_NONE_MATCH, etag.clone()));
    let modified = stored
        .get(header::LAST_MODIFIED)
        .map(|modified| (header::IF_MODIFIED_SINCE, modified.clone()));
    etag.into_iter().chain(modified).collect()
}

/// Whether a response can be validated.
pub(super) fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

/// Whether a 304 confirms the stored response (§4.3.4). A 304 without validators does: it answers the question that was
/// asked about this one.
pub(super) fn confirms(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    let tag = |headers: &HeaderMap, same: &dyn Fn(EntityTag<'_>) -> bool| {
        headers
            .get(header::ETAG)
            .map(|etag| same(EntityTag::read(etag.as_bytes())))
    };
    // Where the tags are of the same version, though not of the same representation, the date is the strong validator that
    // says which: so does nginx, whose tag of what it encodes is weak on the way out and strong in a 304.
    let dates_agree = || {
        let modified = not_modified.get(header::LAST_MODIFIED);
        modified.is_some() && modified == stored.get(header::LAST_MODIFIED) && modified_is_strong(stored)
    };
    let tags_agree = tag(not_modified, &|new| {
        tag(stored, &|old| {
            new.equals_strongly(old) || new.equals_weakly(old) && (!new.is_strong() || dates_agree())
        })
        .unwrap_or(false)
    });
    tags_agree.unwrap_or_else(|| {
        let (new, old) = (
            not_modified.get(header::LAST_MODIFIED),
            stored.get(header::LAST_MODIFIED),
        );
        new.is_none() || old.is_none() || new == old
    })
}

/// Evaluates a client's preconditions for a stored response (§4.3.2): If-None-Match, else If-Modified-Since. Those for
/// the origin, If-Match and If-Unmodified-Since, never get here: such requests bypass the cache.
#[must_use]
pub fn evaluate_conditions(
    method: &Method,
    request: &impl Fields,
    status: StatusCode,
    stored: &impl Fields,
    now: WallTime,
) -> Condition {
    // Preconditions are ignored where the answer would not be a success anyway (RFC 9110 §13.2.1).
    if !(*method == Method::GET || *method == Method::HEAD) || !status.is_success() {
        return Condition::Full;
    }
    let current = if request.has(header::IF_NONE_MATCH.as_str()) {
        none_match_finds(request, stored)
    } else {
        unmodified_since(request, stored, now)
    };
    if current {
        Condition::NotModified
    } else {
        Condition::Full
    }
}

/// Whether If-None-Match names the stored response, by weak comparison, or all by `*` (RFC 9110 §13.1.2).
fn none_match_finds(request: &impl Fields, stored: &impl Fields) -> bool {
    let lines = || request.lines(header::IF_NONE_MATCH.as_str());
    if lines().eq([b"*"]) {
        return true;
    }
    let Some(stored) = stored.first(header::ETAG.as_str()).map(EntityTag::read) else {
        return false;
    };
    lines().any(|line| EntityTag::list(line).any(|tag| tag.equals_weakly(stored)))
}

/// Whether the stored response is no younger than If-Modified-Since (RFC 9110 §13.1.3); Date stands in for a missing
/// Last-Modified (RFC 9111 §4.3.2).
fn unmodified_since(request: &impl Fields, stored: &impl Fields, now: WallTime) -> bool {
    let mut lines = request.lines(header::IF_MODIFIED_SINCE.as_str());
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let last_modified = stored.first(header::LAST_MODIFIED.as_str());
    let modified = match last_modified {
        Some(modified) => date::parse(modified, now),
        None => date::field(stored, header::DATE, now),
    };
    // A client that sends back what it got need not be understood to be believed.
    last_modified == Some(line)
        || matches!((modified, date::parse(line, now)), (Some(modified), Some(since)) if modified <= since)
}

/// The head of a 304 for a stored response: without the fields that describe content which is not sent (RFC 9110
/// §15.4.5). Last-Modified stays only where there is no ETag.
#[must_use]
pub fn not_modified_headers(stored: &HeaderMap) -> HeaderMap {
    let mut headers = stored.clone();
    reduce_to_not_modified(&mut headers);
    headers
}

/// Makes the head of a stored response the head of a 304 for it, as [`not_modified_headers`] says.
pub fn reduce_to_not_modified(headers: &mut impl EditFields) {
    for name in &OF_CONTENT {
        headers.remove(name);
    }
    if headers.has(header::ETAG.as_str()) {
        headers.remove(&header::LAST_MODIFIED);
    }
}
