//! Tags from the origin: Surrogate-Key, separated by spaces, and Cache-Tag, separated by commas; and Cache-Groups (RFC 9875),
//! which are tags that only their own origin can invalidate. A tag that were dropped
//! would leave a response that its invalidation misses, so a response with unusable tags is not stored.

use super::structured::{self, Bare, Value};
use http::header::{HeaderMap, HeaderName};
use http::{Method, StatusCode};

/// The most tags that a response may have.
pub const TAGS_MAX: usize = 256;
/// The most bytes in a tag; the engine keeps its length in one.
pub const TAG_BYTES_MAX: usize = 255;

/// The most bytes in the name of a group; RFC 9875 §2 wants 32. With its origin it has to fit into a tag.
const GROUP_BYTES_MAX: usize = 128;

const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The tags of a response that is stored, each once. [`decide_storage`](super::decide_storage) refuses responses with
/// tags that are more than [`TAGS_MAX`], longer than [`TAG_BYTES_MAX`] or not UTF-8; here those are left out.
#[must_use]
pub fn tags(headers: &HeaderMap) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in raw(headers).filter_map(usable) {
        if tags.len() < TAGS_MAX && !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

/// The groups of a response (RFC 9875 §2), each once, by which its origin may invalidate it together with others.
#[must_use]
pub fn groups(headers: &HeaderMap) -> Vec<String> {
    group_names(headers, &CACHE_GROUPS)
}

/// The groups that a response to an unsafe method invalidates (RFC 9875 §3); none after an error or a safe method.
#[must_use]
pub fn invalidated_groups(method: &Method, status: StatusCode, headers: &HeaderMap) -> Vec<String> {
    if super::is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    group_names(headers, &CACHE_GROUP_INVALIDATION)
}

/// The strings in a list of strings; none where it is none (RFC 9651 §4.2: a field that fails to parse is ignored).
fn group_names(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for value in structured::list(headers, field).unwrap_or_default() {
        let Value::Item(Bare::Text(name)) = value else {
            return Vec::new();
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether [`tags`] and [`groups`] leave none out.
pub(super) fn are_usable(headers: &HeaderMap) -> bool {
    let groups = groups(headers);
    raw(headers).count() + groups.len() <= TAGS_MAX
        && raw(headers).all(|tag| usable(tag).is_some())
        && groups.iter().all(|name| name.len() <= GROUP_BYTES_MAX)
}

/// The tags as they were sent.
fn raw(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let keys = headers.get_all(SURROGATE_KEY).iter();
    let keys = keys.flat_map(|line| line.as_bytes().split(|byte| matches!(byte, b' ' | b'\t')));
    let lists = headers
        .get_all(CACHE_TAG)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    keys.chain(lists).map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty())
}

fn usable(tag: &[u8]) -> Option<&str> {
    std::str::from_utf8(tag).ok().filter(|tag| tag.len() <= TAG_BYTES_MAX)
}
