//! What of a response's head is stored (RFC 9111 §3.1), and how a 304 updates it (§3.2, §4.3.4).

use super::etag::EntityTag;
use super::reason::Reason;
use super::request::Asked;
use super::rules::{Rules, Times};
use super::storage::{Plan, Storage, decide_storage};
use super::targeted;
use super::validation::confirms;
use super::{date, decision::Decision};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use peregrine_base::WallTime;

/// Fields that are about one connection, one hop or one client's way to it, beside those that Connection names.
const NOT_STORED: [HeaderName; 11] = [
    header::AGE,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that describe the stored content, which a 304 does not bring along. Set-Cookie, which is somebody's, is no better
/// unless the strategy shares cookies.
static NOT_REFRESHED: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
];

/// What a 304 makes of the stored response that it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The stored response is current, its head updated; keep it so.
    Renewed(Plan),
    /// The stored response is current, its head updated, but the 304 says that it may not be kept: it answers those who
    /// waited for it and is then gone.
    Once(Decision),
    /// The 304 is about another version: the stored response may be neither updated by it nor used. Ask again for the
    /// whole, without validators.
    Mismatch(Decision),
}

/// The part of a response's head that is stored: without the fields of one hop, without Age (the engine counts), without
/// what a qualified `no-cache="…"` or `private="…"` names (§5.2.2.4, §5.2.2.7), and with a Date (RFC 9110 §6.6.1).
#[must_use]
pub fn headers_to_store(headers: &HeaderMap, rules: &Rules, received: WallTime) -> HeaderMap {
    let mut stored = headers.clone();
    for name in left_out(headers, rules) {
        stored.remove(name);
    }
    if !stored.contains_key(header::DATE) {
        insert_date(&mut stored, received);
    }
    stored
}

/// Updates the stored head by that of a 304 that answered [`validators`](super::validators), and decides anew whether and
/// how long the response is stored: the 304 may have made it private, or shortened its life.
#[must_use]
pub fn decide_renewal(
    asked: &Asked,
    status: StatusCode,
    stored: &mut HeaderMap,
    not_modified: &HeaderMap,
    rules: &Rules,
    times: Times,
) -> Renewal {
    if !confirms(stored, not_modified) {
        return Renewal::Mismatch(Reason::ValidatorMismatch.into());
    }
    match decide_update(asked, status, stored, not_modified, rules, times) {
        Storage::Store(plan) => Renewal::Renewed(plan),
        Storage::Pass(decision) => Renewal::Once(decision),
    }
}

/// Updates the stored head by that of a later response about the same version (§3.2): a 304, a HEAD's (§4.3.5), another
/// part's (§3.4). Decides anew whether and how long what is stored is kept.
#[must_use]
pub fn decide_update(
    asked: &Asked,
    status: StatusCode,
    stored: &mut HeaderMap,
    newer: &HeaderMap,
    rules: &Rules,
    times: Times,
) -> Storage {
    refresh_headers(stored, newer, rules);
    if !newer.contains_key(header::DATE) {
        insert_date(stored, times.received);
    }
    let mut judged = stored.clone();
    // Age is not stored, but that of the later response counts: it may come out of another cache.
    if let Some(age) = newer.get(header::AGE) {
        judged.insert(header::AGE, age.clone());
    }
    decide_storage(asked, &Method::GET, status, &judged, rules, times)
}

/// Replaces the stored lines of each field that the 304 has, except those that describe the content or are not stored at
/// all (§3.2). What is left out by what the response now says of itself, and not the 304 alone, is not there afterwards.
fn refresh_headers(stored: &mut HeaderMap, not_modified: &HeaderMap, rules: &Rules) {
    let left_out: Vec<HeaderName> = left_out(not_modified, rules).collect();
    for name in not_modified.keys() {
        let somebodys = *name == header::SET_COOKIE && !rules.allow_set_cookie;
        // A strong tag beside a weak one is that of other bytes, though of the same version.
        let is_of_others = *name == header::ETAG && is_weak(stored) && !is_weak(not_modified);
        if left_out.contains(name) || NOT_REFRESHED.contains(name) || somebodys || is_of_others {
            continue;
        }
        stored.remove(name);
        for value in not_modified.get_all(name) {
            stored.append(name, value.clone());
        }
    }
    for name in qualified(stored, rules) {
        stored.remove(name);
    }
}

fn is_weak(headers: &HeaderMap) -> bool {
    let tag = headers.get(header::ETAG);
    tag.is_some_and(|tag| EntityTag::read(tag.as_bytes()).is_weak())
}

/// The fields of an answer about what is stored that are for the client that asked alone: neither stored nor, where others
/// wait, for them (§5.2.2.4, §5.2.2.7; RFC 6265 §3).
#[must_use]
pub fn for_the_asker(answer: &HeaderMap, rules: &Rules) -> HeaderMap {
    let mut names = qualified(answer, rules);
    if !rules.allow_set_cookie {
        names.push(header::SET_COOKIE);
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    let lines = |name: HeaderName| {
        let values = answer.get_all(&name).iter().cloned();
        values.map(move |value| (name.clone(), value)).collect::<Vec<_>>()
    };
    let mut fields = HeaderMap::new();
    for (name, value) in names.into_iter().flat_map(lines) {
        fields.append(name, value);
    }
    fields
}

fn insert_date(headers: &mut HeaderMap, time: WallTime) {
    if let Ok(date) = HeaderValue::from_str(&date::format(time)) {
        headers.insert(header::DATE, date);
    }
}

/// The fields of a response with the head `headers` that are not stored, be they in it or behind the content (§3.1).
pub fn left_out(headers: &HeaderMap, rules: &Rules) -> impl Iterator<Item = HeaderName> + use<> {
    let connection = headers.get_all(header::CONNECTION).iter();
    let nominated: Vec<HeaderName> = connection
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok())
        .collect();
    NOT_STORED.into_iter().chain(nominated).chain(qualified(headers, rules))
}

/// The fields that a qualified `no-cache="…"` or `private="…"` names (§5.2.2.4, §5.2.2.7).
fn qualified(headers: &HeaderMap, rules: &Rules) -> Vec<HeaderName> {
    let control = targeted::control(headers, rules);
    let (no_cache, private) = (control.no_cache.fields(), control.private.fields());
    no_cache.iter().chain(private).cloned().collect()
}
