//! What of a response's head is stored (RFC 9111 §3.1), and how a 304 updates it (§3.2, §4.3.4).

use super::cache_control::CacheControl;
use super::request::Asked;
use super::rules::{Rules, Times};
use super::storage::{Storage, decide_storage};
use super::{date, tags};
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

/// Fields that describe the stored content, which a 304 does not bring along.
const NOT_REFRESHED: [HeaderName; 3] = [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_RANGE];

/// Whether the fields that carry tags are stored, and so reach clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagFields {
    /// They are left out.
    Strip,
    /// They are kept.
    Keep,
}

/// The part of a response's head that is stored: without the fields of one hop, without Age (the engine counts), without
/// what a qualified `no-cache="…"` or `private="…"` names (§5.2.2.4, §5.2.2.7), and with a Date (RFC 9110 §6.6.1).
#[must_use]
pub fn headers_to_store(headers: &HeaderMap, received: WallTime, tag_fields: TagFields) -> HeaderMap {
    let mut stored = headers.clone();
    for name in left_out(headers) {
        stored.remove(name);
    }
    if tag_fields == TagFields::Strip {
        tags::strip(&mut stored);
    }
    if !stored.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::from_str(&date::format(received))
    {
        stored.insert(header::DATE, date);
    }
    stored
}

/// Updates a stored head by that of a 304: each field of it replaces the stored lines of the same name, except those that
/// describe the content or are not stored at all. A cookie is never added.
pub fn refresh_headers(stored: &mut HeaderMap, fresh: &HeaderMap) {
    let left_out: Vec<HeaderName> = left_out(fresh).collect();
    for name in fresh.keys() {
        if left_out.contains(name) || NOT_REFRESHED.contains(name) || *name == header::SET_COOKIE {
            continue;
        }
        stored.remove(name);
        for value in fresh.get_all(name) {
            stored.append(name, value.clone());
        }
    }
}

/// Updates a stored head by that of a 304 and decides anew whether and how long the response is stored: the 304 may have
/// made it private, or shortened its life. Ask [`confirms`](super::validation::confirms) first.
#[must_use]
pub fn decide_renewal(
    asked: &Asked,
    status: StatusCode,
    stored: &mut HeaderMap,
    fresh: &HeaderMap,
    rules: &Rules,
    times: Times,
) -> Storage {
    refresh_headers(stored, fresh);
    let mut judged = stored.clone();
    // The age is that of the 304: its Age, and its Date or the time it came.
    for name in [header::AGE, header::DATE] {
        match fresh.get(&name) {
            Some(value) => judged.insert(name, value.clone()),
            None => judged.remove(name),
        };
    }
    if !fresh.contains_key(header::DATE)
        && let Ok(date) = HeaderValue::from_str(&date::format(times.received))
    {
        stored.insert(header::DATE, date);
    }
    decide_storage(asked, &Method::GET, status, &judged, rules, times)
}

/// The fields of a response that are not stored.
fn left_out(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let control = CacheControl::of(headers);
    let qualified: Vec<HeaderName> = control
        .no_cache
        .fields()
        .iter()
        .chain(control.private.fields())
        .cloned()
        .collect();
    let connection = headers.get_all(header::CONNECTION).iter();
    let nominated = connection
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok());
    NOT_STORED.into_iter().chain(nominated).chain(qualified)
}
