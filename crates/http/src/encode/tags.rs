//! Entity tags of encodings: the origin's with the name of the coding behind it, `"abc"` as `"abc-zstd"`, weak where the
//! origin's is. Clients send them back in conditions that only the origin can evaluate, and it knows its own tags only: there
//! the tag from which such a one was made is named beside it. An origin may have tags of its own that end so (Apache's do),
//! which is why it is never replaced.

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderValue};
use peregrine_cache::Coding;

/// The tag of the encoding of what has the tag `etag`; nothing when that is no proper one.
pub(crate) fn derived(etag: &HeaderValue, coding: Coding) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&derived_text(etag.as_bytes(), coding)?).ok()
}

/// The same as text.
pub(super) fn derived_text(etag: &[u8], coding: Coding) -> Option<Vec<u8>> {
    let tag = etag.trim_ascii();
    let ([b'"', open @ ..] | [b'W', b'/', b'"', open @ ..]) = tag else {
        return None;
    };
    let opaque = open.strip_suffix(b"\"").filter(|opaque| !opaque.contains(&b'"'))?;
    let before = &tag[..tag.len() - open.len()];
    Some([before, opaque, b"-", coding.as_str().as_bytes(), b"\""].concat())
}

/// The tag from which `tag` may have been derived.
fn original(tag: &[u8]) -> Option<Vec<u8>> {
    let opaque = tag.strip_suffix(b"\"")?;
    let ours = |coding: Coding| opaque.strip_suffix(coding.as_str().as_bytes())?.strip_suffix(b"-");
    let opaque = Coding::ALL.into_iter().find_map(ours)?;
    // It must be a tag without them too.
    (opaque.contains(&b'"')).then(|| [opaque, b"\""].concat())
}

/// Names the origin's tags beside those that were derived from them. In one line: some origins refuse two.
pub(crate) fn restore(request: &mut HeaderMap) {
    for name in [IF_MATCH, IF_NONE_MATCH] {
        // Who has a part of an encoding must not be given one of the page, though the page did not change.
        if name == IF_MATCH && request.contains_key(RANGE) {
            continue;
        }
        let named: Vec<&[u8]> = request.get_all(&name).iter().flat_map(members).collect();
        let originals: Vec<Vec<u8>> = named.iter().copied().filter_map(original).collect();
        if originals.is_empty() {
            continue;
        }
        let all: Vec<&[u8]> = named.into_iter().chain(originals.iter().map(Vec::as_slice)).collect();
        if let Ok(value) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
            request.insert(name, value);
        }
    }
}

/// After a 304 to a request that was sent with [`restore`]d tags: the client, which sent `request`, gets the tag of its own
/// copy, not the one from which that was derived (RFC 9110 §15.4.5).
pub(crate) fn give_back(request: &HeaderMap, not_modified: &mut HeaderMap) {
    let Some(etag) = not_modified.get(ETAG) else { return };
    let named = |tag: &HeaderValue| {
        let lines = request.get_all(IF_NONE_MATCH).iter();
        lines
            .flat_map(members)
            .any(|member| strip_weak(member) == strip_weak(tag.as_bytes()))
    };
    if named(etag) {
        return;
    }
    let candidates = Coding::ALL.into_iter().filter_map(|coding| derived(etag, coding));
    if let Some(own) = candidates.into_iter().find(|tag| named(tag)) {
        not_modified.insert(ETAG, own);
    }
}

fn strip_weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The members of a list of entity tags. Commas may stand inside the quotes.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.as_bytes()
        .split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        })
        .map(<[u8]>::trim_ascii)
}
