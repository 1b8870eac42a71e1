//! Which representation of a stored response a request gets (RFC 9110 §12.1), and under which head.

use super::{Accepted, EncodeRules, accepted, tags};
use crate::identify::Asking;
use crate::policy::{self, Condition, EditFields, Fields};
use crate::route::Route;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, VARY,
};
use http::{Method, StatusCode};
use peregrine_base::WallTime;
use peregrine_cache::{Chunks, Coding, Encoded, EncodedChunks, Engine, Hit, Key};
use std::sync::Arc;

/// Fields that say something about the bytes of the content as the origin sent it.
static OF_THE_BYTES: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// What one request may get of one response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Nothing where the response has no other representation.
    accepted: Option<Accepted>,
}

/// What becomes of a request for a stored response.
pub(crate) enum Answer {
    /// The client's own copy is current: the head of a 304.
    Current(HeaderMap),
    /// The head and the bytes of a representation.
    Whole(HeaderMap, Content),
}

/// The bytes of a representation.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// As they were loaded.
    Plain(Hit),
    /// In a coding.
    Coded(Encoded),
}

/// The pieces of a [`Content`].
#[derive(Debug)]
pub(crate) enum Pieces {
    Plain(Chunks),
    Coded(EncodedChunks),
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Plain(chunks) => chunks.next(),
            Self::Coded(chunks) => chunks.next(),
        }
    }
}

impl Content {
    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Plain(hit) => hit.length(),
            Self::Coded(encoded) => encoded.length(),
        }
    }

    /// Its bytes.
    pub(crate) fn pieces(&self) -> Pieces {
        match self {
            Self::Plain(hit) => Pieces::Plain(hit.body().chunks()),
            Self::Coded(encoded) => Pieces::Coded(encoded.chunks()),
        }
    }

    /// Whether its bytes lie in memory as they are sent.
    pub(crate) fn is_at_hand(&self) -> bool {
        match self {
            Self::Plain(hit) => hit.stored_encoding() == "identity",
            Self::Coded(_) => true,
        }
    }
}

impl Offer {
    /// For a response that is stored.
    pub(crate) fn stored(asking: &Asking, hit: &Hit) -> Self {
        Self::of_stored(&asking.route, &asking.facts.headers, hit)
    }

    /// The same for a request with these fields.
    pub(crate) fn of_stored(route: &Route, request: &impl Fields, hit: &Hit) -> Self {
        Self::new(route, request, route.encode.may_offer(hit))
    }

    /// For a response that is being stored: whoever asks later may get it encoded.
    pub(crate) fn arriving(asking: &Asking, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> Self {
        let rules = &asking.route.encode;
        let may = length.is_none_or(|length| rules.is_large_enough(length)) && rules.may_gain(status, headers);
        Self::new(&asking.route, &asking.facts.headers, may)
    }

    fn new(route: &Route, request: &impl Fields, may_be_encoded: bool) -> Self {
        let EncodeRules { codings, .. } = &route.encode;
        let is_offered = may_be_encoded && !codings.is_empty();
        Self {
            accepted: is_offered.then(|| match super::asks_for_the_original(request) {
                true => Accepted::IDENTITY,
                false => accepted(request, codings),
            }),
        }
    }

    /// Whether another request may get another representation.
    pub(crate) const fn has_several(&self) -> bool {
        self.accepted.is_some()
    }

    /// Has the encoding of `hit` made that the request would like best, unless it is there.
    pub(crate) fn prepare(&self, engine: &Arc<Engine>, key: &Key, hit: &Hit) {
        if let Some(coding) = self.accepted().codings().next() {
            engine.encode(key, hit, coding);
        }
    }

    /// The encoding of `hit` that the request likes best among those that are there.
    pub(crate) fn best(&self, hit: &Hit) -> Option<Encoded> {
        self.accepted().codings().find_map(|coding| hit.encoded(coding))
    }

    /// What the request takes.
    pub(crate) fn accepted(&self) -> Accepted {
        self.accepted.unwrap_or(Accepted::IDENTITY)
    }

    /// Says in every answer that another request may get another representation (RFC 9110 §12.5.5).
    pub(crate) fn announce(&self, headers: &mut impl EditFields) {
        if self.has_several() {
            vary_on_encoding(headers);
        }
    }

    /// What the request gets of a stored response that has the head `headers`.
    pub(crate) fn answer(
        &self,
        asking: &Asking,
        status: StatusCode,
        headers: HeaderMap,
        hit: &Hit,
        wall: WallTime,
    ) -> Answer {
        let (selected, content) = self.select(asking, &headers, hit);
        let current = match &selected {
            Some(selected) => self.current(asking, status, selected, &headers, wall),
            None => self.current(asking, status, &headers, &headers, wall),
        };
        current.map_or_else(|| Answer::Whole(selected.unwrap_or(headers), content), Answer::Current)
    }

    /// The head, where it is another, and the bytes of the representation that is for the request. A range is of the content
    /// without coding, of which there is one that never changes under its tag, unless the client names the encoding that it
    /// has a part of already (RFC 9110 §13.1.5).
    fn select(&self, asking: &Asking, headers: &HeaderMap, hit: &Hit) -> (Option<HeaderMap>, Content) {
        let coded = if asking.asked.range && asking.facts.method == Method::GET && self.accepted().identity {
            self.named_by_if_range(asking, headers, hit)
        } else {
            self.best(hit)
        };
        match coded {
            Some(coded) => {
                let mut headers = headers.clone();
                encode_head(&mut headers, coded.coding());
                (Some(headers), Content::Coded(coded))
            }
            None => (None, Content::Plain(hit.clone())),
        }
    }

    /// Whether a range may be served at all: not to who does not take what ranges are of. And a date cannot tell one
    /// representation from another, so where there are several it says nothing about the part that the client has (RFC 9110
    /// §8.8.2.2).
    pub(crate) fn allows_range(&self, request: &HeaderMap) -> bool {
        let by_date = request
            .get(IF_RANGE)
            .is_some_and(|value| !value.as_bytes().contains(&b'"'));
        self.accepted().identity && (!by_date || self.accepted().codings().next().is_none())
    }

    fn named_by_if_range(&self, asking: &Asking, headers: &HeaderMap, hit: &Hit) -> Option<Encoded> {
        let named = asking.facts.headers.get(IF_RANGE)?;
        let etag = headers.get(ETAG)?;
        let is_named = |coding: &Coding| tags::derived(etag, *coding).is_some_and(|tag| tag == *named);
        hit.encoded(self.accepted().codings().find(is_named)?)
    }

    /// The head of the 304 that answers the request, if the copy that the client has is a current one: of what it would get
    /// now, or of any other representation that it takes. `selected` is the head of the one, `stored` that of the response
    /// without coding.
    pub(crate) fn current(
        &self,
        asking: &Asking,
        status: StatusCode,
        selected: &HeaderMap,
        stored: &HeaderMap,
        wall: WallTime,
    ) -> Option<HeaderMap> {
        let request = &asking.facts;
        let is_current = |headers: &HeaderMap| {
            policy::evaluate_conditions(&request.method, &request.headers, status, headers, wall)
                == Condition::NotModified
        };
        if is_current(selected) {
            return Some(policy::not_modified_headers(selected));
        }
        if self.accepted.is_none() || !request.headers.contains_key(IF_NONE_MATCH) {
            return None;
        }
        if is_current(stored) {
            return Some(policy::not_modified_headers(stored));
        }
        let etag = stored.get(ETAG)?;
        let has = |coding: &Coding| {
            let probe = tags::derived(etag, *coding).map(|tag| HeaderMap::from_iter([(ETAG, tag)]));
            probe.is_some_and(|probe| is_current(&probe))
        };
        let coding = self.accepted().codings().find(has)?;
        let mut headers = stored.clone();
        encode_head(&mut headers, coding);
        Some(policy::not_modified_headers(&headers))
    }
}

/// Makes the head of a response that of its encoding.
pub(crate) fn encode_head(head: &mut impl EditFields, coding: Coding) {
    head.insert(&CONTENT_ENCODING, coding.as_str().as_bytes());
    for name in &OF_THE_BYTES {
        head.remove(name);
    }
    if let Some(etag) = head.first(ETAG.as_str()) {
        // Two representations must not share a tag.
        let tag = tags::derived_text(etag, coding);
        head.remove(&ETAG);
        if let Some(tag) = tag {
            head.append(&ETAG, &tag);
        }
    }
}

/// Makes the head of an encoded response that of its content without the coding. That is another representation (RFC 9110
/// §8.8.1), so its tag is weak; and which bytes it has is decided anew each time, so it has no ranges.
pub(crate) fn decode_head(head: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, ACCEPT_RANGES].iter().chain(&OF_THE_BYTES) {
        head.remove(name);
    }
    if let Some(etag) = head.remove(ETAG) {
        let tag = etag.as_bytes().trim_ascii();
        let weak = match tag {
            [b'W', b'/', b'"', .., b'"'] => Some(etag.clone()),
            [b'"', .., b'"'] => HeaderValue::from_bytes(&[b"W/", tag].concat()).ok(),
            _ => None,
        };
        if let Some(weak) = weak {
            head.insert(ETAG, weak);
        }
    }
}

/// Adds Accept-Encoding to Vary, unless it says so already.
pub(super) fn vary_on_encoding(head: &mut impl EditFields) {
    let says_so = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding");
    let mut lines = head.lines(VARY.as_str());
    if lines.any(|line| {
        line.split(|byte| *byte == b',')
            .any(|member| says_so(member.trim_ascii()))
    }) {
        return;
    }
    drop(lines);
    if !head.has(VARY.as_str()) {
        head.append(&VARY, b"Accept-Encoding");
        return;
    }
    // On one line: some clients read only the first.
    let mut lines: Vec<Vec<u8>> = head.lines(VARY.as_str()).map(<[u8]>::to_vec).collect();
    lines[0].extend_from_slice(b", Accept-Encoding");
    head.remove(&VARY);
    lines.iter().for_each(|line| head.append(&VARY, line));
}
