//! Other variants of what a load asks for (RFC 9111 §4.3). Where the variant that is wanted is not there, the origin is told
//! which ones are, and a 304 says that one of them is what it would send. And a 304 with a strong validator confirms, beside the
//! response that it was asked about, every stored one with that validator that could have been chosen for the request.

use crate::encode;
use crate::head::StoredHead;
use crate::identify::Asking;
use crate::policy::{self, Fields as _, Storage, StrongValidator, Times};
use crate::store;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use peregrine_cache::{Hit, Lease, Selector, Siblings, Variants as _};

/// The most bytes of entity tags that the origin is told.
const TAGS_BYTES_MAX: usize = 2048;
/// Fields by which somebody's own content is selected. An origin that is careless with its tags must not make it another's.
const PERSONAL: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A variant that may be what the origin would send.
pub(crate) struct Candidate {
    pub(crate) hit: Hit,
    pub(crate) head: StoredHead,
    validator: StrongValidator,
}

/// The variants that this request could be answered with, were one of them what the origin would send: by a strong tag, and in
/// a coding that the client takes, because many origins give all codings the same tag.
pub(crate) fn candidates(asking: &Asking, lease: &Lease) -> Vec<Candidate> {
    let is_plain = asking.content.is_none() && asking.part.is_none() && !lease.alone() && lease.stale().is_none();
    let siblings = if is_plain { lease.siblings() } else { None };
    let Some(Siblings { selector, hits }) = siblings else {
        return Vec::new();
    };
    if selector.names().any(|name| PERSONAL.contains(&name)) {
        return Vec::new();
    }
    let mut left = TAGS_BYTES_MAX;
    let mut found: Vec<Candidate> = Vec::new();
    for hit in hits {
        let Some(head) = StoredHead::decode(hit.head()) else {
            continue;
        };
        let Some(validator) = tag_of(&head.headers) else {
            continue;
        };
        let is_new = !found.iter().any(|other| other.validator == validator);
        let fits = validator.text.len() <= left;
        if is_new && fits && head.status == StatusCode::OK && encode::takes(&asking.facts.headers, &head.headers) {
            left -= validator.text.len();
            found.push(Candidate { hit, head, validator });
        }
    }
    found
}

/// The value of If-None-Match that names `candidates`.
pub(crate) fn tags(candidates: &[Candidate]) -> Option<HeaderValue> {
    let tags: Vec<&[u8]> = candidates
        .iter()
        .map(|candidate| candidate.validator.if_range.as_bytes())
        .collect();
    let joined = tags.join(&b", "[..]);
    HeaderValue::from_bytes(&joined).ok().filter(|_| !tags.is_empty())
}

/// The one that a 304 with these fields says it would be.
pub(crate) fn chosen(candidates: Vec<Candidate>, not_modified: &HeaderMap) -> Option<Candidate> {
    let named = tag_of(not_modified)?;
    candidates.into_iter().find(|candidate| candidate.validator == named)
}

/// Makes the other variants fresh again that a 304 identifies: with its strong validator, and such that the request could have
/// been answered with them, because what tells them from the one that was asked about is nothing that they vary on.
pub(crate) fn renew(asking: &Asking, lease: &Lease, not_modified: &HeaderMap, times: Times) {
    let (Some(named), Some(Siblings { selector, hits })) = (policy::strong_validator(not_modified), lease.siblings())
    else {
        return;
    };
    let mut own = String::new();
    asking.variants().variant(&selector, &mut own);
    for hit in hits {
        let Some(mut head) = StoredHead::decode(hit.head()) else {
            continue;
        };
        let is_named = policy::strong_validator(&head.headers).is_some_and(|validator| validator == named);
        if !is_named || hit.variant() == own || !could_be_chosen(&head.headers, &selector, &own, hit.variant()) {
            continue;
        }
        let not_modified = encode::kept_apart(&head.headers, not_modified);
        let kept = policy::decide_update(
            &asking.asked,
            head.status,
            &mut head.headers,
            &not_modified,
            &asking.route.rules,
            times,
        );
        if let Storage::Store(plan) = kept
            && let Some(meta) = store::meta(asking, &head, &plan, policy::tags(&head.headers))
        {
            lease.renew_also(&selector, &hit, &meta);
        }
    }
}

/// Whether a response that is stored as the variant `other` could have been chosen for the request whose variant is `own`: it
/// does not itself vary on any of the names by which the two differ (RFC 9111 §4.1).
fn could_be_chosen(stored: &HeaderMap, selector: &Selector, own: &str, other: &str) -> bool {
    let Ok(varies_on) = policy::vary_names(stored) else {
        return false;
    };
    differing(selector, own, other)
        .is_some_and(|mut names| !names.any(|name| varies_on.iter().any(|varied| varied.as_str() == name)))
}

/// The names by which two variants under `selector` differ; nothing where either is no text of such a variant.
pub(crate) fn differing<'a>(
    selector: &'a Selector,
    one: &'a str,
    other: &'a str,
) -> Option<impl Iterator<Item = &'a str>> {
    let name_of = |line: &'a str| line.split_once('=').map_or(line, |(name, _)| name);
    let is_under = |text: &'a str| text.split_terminator('\n').map(name_of).eq(selector.names());
    let pairs = one.split_terminator('\n').zip(other.split_terminator('\n'));
    let differing = selector.names().zip(pairs).filter(|(_, (one, other))| one != other);
    (is_under(one) && is_under(other)).then(|| differing.map(|(name, _)| name))
}

/// The strong entity tag of a response.
fn tag_of(headers: &HeaderMap) -> Option<StrongValidator> {
    headers
        .has(header::ETAG.as_str())
        .then(|| policy::strong_validator(headers))
        .flatten()
}
