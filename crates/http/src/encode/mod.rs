//! Response compression, negotiated by Accept-Encoding (RFC 9110 §12.5.3).
//!
//! Only what is stored is encoded: then it is done once, its type and size are known, and it is the same for everybody, so
//! that its length tells nobody a secret of somebody else's (BREACH). The asker whose load brings a response gets it as it
//! arrives; in the background the encoding is made that this asker would have liked, and whoever comes later gets that
//! without any work. Another asker who likes another coding better has that made too. What the origin encoded itself, what
//! it forbids to transform, streams of events and parts are left alone.
//!
//! An encoding is a representation of its own (RFC 9110 §8.8.3): its entity tag is the origin's with the coding's name
//! behind it. Clients may send any of the tags back; towards the origin only its own is used.

mod accept;
mod represent;
pub(crate) mod tags;
mod withheld;

pub(crate) use accept::{Accepted, accepted};
pub(crate) use represent::{Answer, Content, Offer, decode_head, encode_head};
pub use withheld::Withheld;

use crate::identify::Asking;
use crate::pattern::Patterns;
use crate::policy::{self, Fields};
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use peregrine_cache::{Coding, Engine, Hit, Strategy};
use peregrine_net::http::Body;
use std::borrow::Cow;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What of a route's answers is encoded.
#[derive(Clone, Debug)]
pub struct EncodeRules {
    /// The codings that clients are offered, the preferred first.
    codings: Vec<Coding>,
    /// The smallest body in bytes.
    length_min: u64,
    types: Patterns,
    /// Whether that is all that compresses well.
    usual: bool,
}

impl EncodeRules {
    /// As `strategy` says.
    #[must_use]
    pub fn of(strategy: &Strategy) -> Self {
        Self::new(strategy.encode(), strategy.encode_min_bytes(), strategy.encode_types())
    }

    fn new(codings: &[Coding], length_min: u64, types: &[String]) -> Self {
        let types: Vec<String> = types.iter().map(|one| one.to_ascii_lowercase()).collect();
        Self {
            codings: codings.to_vec(),
            length_min,
            types: Patterns::new(&types),
            usual: Self::offers_the_usual(codings, length_min, &types),
        }
    }

    /// Whether compressing the content of such a response may pay and is allowed.
    #[must_use]
    pub fn may_gain(&self, status: StatusCode, headers: &impl Fields) -> bool {
        // A part is of a representation that was selected already, and these statuses have no content.
        let is_whole = !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        ) && !headers.has(header::CONTENT_RANGE.as_str());
        is_whole && !headers.has(header::CONTENT_ENCODING.as_str()) && !forbids_transforming(headers) && {
            let kind = headers.first(header::CONTENT_TYPE.as_str());
            let kind = kind.and_then(|kind| std::str::from_utf8(kind).ok()).unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().trim();
            let kind = match kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
                true => Cow::Owned(kind.to_ascii_lowercase()),
                false => Cow::Borrowed(kind),
            };
            // Events are read one by one as they happen, never stored whole.
            kind != "text/event-stream" && self.types.any(&kind)
        }
    }

    /// Whether what is stored may be offered encoded.
    fn may_offer(&self, hit: &Hit) -> bool {
        hit.compressible() && self.is_large_enough(hit.length())
    }

    /// Whether a body of `length` bytes is large enough.
    fn is_large_enough(&self, length: u64) -> bool {
        length >= self.length_min
    }
}

impl EncodeRules {
    /// Whether a route transforms content at all.
    pub(crate) fn transforms(&self) -> bool {
        !self.codings.is_empty()
    }
}

/// The coding of a stored response that may be taken off it: the only one, and known.
pub(crate) fn removable(stored: &HeaderMap) -> Option<Coding> {
    let mut lines = stored.get_all(header::CONTENT_ENCODING).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let name = line.as_bytes().trim_ascii();
    let is_it = |coding: &Coding| name.eq_ignore_ascii_case(coding.as_str().as_bytes());
    let known = Coding::ALL.into_iter().find(is_it);
    known.filter(|_| !forbids_transforming(stored))
}

/// Whether who sent `request` takes content as it is and in no coding that is known here.
pub(crate) fn takes_no_coding(request: &impl crate::policy::Fields) -> bool {
    let accepted = accepted(request, &Coding::ALL);
    accepted.identity && accepted.codings().next().is_none()
}

/// Fields that may forbid it, whichever of them this cache otherwise goes by.
static CONTROLS: [HeaderName; 3] = [
    header::CACHE_CONTROL,
    HeaderName::from_static("cdn-cache-control"),
    policy::SURROGATE_CONTROL,
];

/// Whether Cache-Control, or a field that stands for it here (RFC 9213), says `no-transform` (RFC 9111 §5.2.1.6, §5.2.2.6), in
/// any line, quoted argument or not.
fn forbids_transforming(headers: &impl Fields) -> bool {
    let mut lines = CONTROLS.iter().flat_map(|name| headers.lines(name.as_str()));
    lines.any(|line| {
        let members = line.split(|byte| matches!(byte, b',' | b';' | b'='));
        members
            .map(<[u8]>::trim_ascii)
            .any(|member| member.eq_ignore_ascii_case(b"no-transform"))
    })
}

/// Whether who sent `request` wants content as the origin made it (RFC 9111 §5.2.1.6).
pub(crate) fn asks_for_the_original(request: &impl Fields) -> bool {
    request.has(header::CACHE_CONTROL.as_str()) && forbids_transforming(request)
}

/// Has what an origin encoded kept apart by Accept-Encoding, though the origin may not say that it varies on that: not
/// everybody can read it.
pub(crate) fn keep_apart(response: &mut HeaderMap) {
    if response.contains_key(header::CONTENT_ENCODING) {
        represent::vary_on_encoding(response);
    }
}

/// The fields of an answer about a stored response, which say nothing of its coding: what it varies on by them it does by that
/// too.
pub(crate) fn kept_apart<'a>(stored: &HeaderMap, newer: &'a HeaderMap) -> Cow<'a, HeaderMap> {
    if !stored.contains_key(header::CONTENT_ENCODING) || !newer.contains_key(header::VARY) {
        return Cow::Borrowed(newer);
    }
    let mut newer = newer.clone();
    represent::vary_on_encoding(&mut newer);
    Cow::Owned(newer)
}

/// Whether who sent `request` takes a response with the fields `stored` in the coding that it has.
pub(crate) fn takes(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let accepted = accepted(request, &Coding::ALL);
    let mut lines = stored.get_all(header::CONTENT_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => accepted.identity,
        (Some(line), None) => accepted.codings().any(|coding| {
            line.as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(coding.as_str().as_bytes())
        }),
        _ => false,
    }
}

/// Says in an answer that is not stored itself what its stored sisters say: that another request may get another
/// representation (RFC 9110 §12.5.5).
pub(crate) fn announce(asking: &Asking, response: &mut Response<Body>) {
    let status = response.status();
    let headers = response.headers_mut();
    // An answer to HEAD has no body, and says how long that would be.
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse().ok());
    Offer::arriving(asking, status, headers, length).announce(headers);
}

/// Has the encoding of a stored response made that `asking` would like best, unless it is there.
pub(crate) fn prepare(engine: &Arc<Engine>, asking: &Asking, hit: &Hit) {
    if asking.asked.range {
        return;
    }
    Offer::stored(asking, hit).prepare(engine, &asking.key, hit);
}
