//! Tags from the origin: Surrogate-Key, separated by spaces, and Cache-Tag, separated by commas. A tag that were dropped
//! would leave a response that its invalidation misses, so a response with unusable tags is not stored.

use http::header::{HeaderMap, HeaderName};

/// The most tags that a response may have.
pub const TAGS_MAX: usize = 256;
/// The most bytes in a tag; the engine keeps its length in one.
pub const TAG_BYTES_MAX: usize = 255;

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

/// Whether [`tags`] leaves none out.
pub(super) fn are_usable(headers: &HeaderMap) -> bool {
    raw(headers).count() <= TAGS_MAX && raw(headers).all(|tag| usable(tag).is_some())
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
