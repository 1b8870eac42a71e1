//! Tags from the origin: Surrogate-Key, separated by spaces, and Cache-Tag, separated by commas. A tag that were dropped
//! would leave a response that its invalidation misses, so a response with unusable tags is not stored.

use super::decision::Decision;
use super::reason::Reason;
use http::header::{HeaderMap, HeaderName};

/// The most tags that a response may have.
pub const TAGS_MAX: usize = 256;
/// The most bytes in a tag.
pub const TAG_BYTES_MAX: usize = 1024;

const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The tags of a response, each once.
///
/// # Errors
/// `tags_unusable` if they are more than [`TAGS_MAX`], or one is longer than [`TAG_BYTES_MAX`] or not UTF-8.
pub fn tags(headers: &HeaderMap) -> Result<Vec<String>, Decision> {
    let unusable = || Decision::new(Reason::TagsUnusable);
    let mut tags: Vec<String> = Vec::new();
    for (name, separator) in [(SURROGATE_KEY, " \t"), (CACHE_TAG, ",")] {
        for line in headers.get_all(name) {
            let line = std::str::from_utf8(line.as_bytes()).map_err(|_| unusable())?;
            let members = line.split(|character| separator.contains(character));
            for tag in members
                .map(|member| member.trim_matches([' ', '\t']))
                .filter(|tag| !tag.is_empty())
            {
                if tag.len() > TAG_BYTES_MAX {
                    return Err(unusable());
                }
                if !tags.iter().any(|known| known == tag) {
                    if tags.len() == TAGS_MAX {
                        return Err(unusable());
                    }
                    tags.push(tag.to_owned());
                }
            }
        }
    }
    Ok(tags)
}

/// Takes the fields that carry tags off a response.
pub fn strip(headers: &mut HeaderMap) {
    headers.remove(SURROGATE_KEY);
    headers.remove(CACHE_TAG);
}
