//! What the answer to a HEAD says about the stored answer to a GET (RFC 9111 §4.3.5): that it is still right, and under which
//! fields, or that it is not.

use super::refresh::decide_update;
use super::request::Asked;
use super::rules::{Rules, Times};
use super::storage::{Plan, Storage};
use http::StatusCode;
use http::header::{self, HeaderMap};

/// What becomes of a stored response after a HEAD was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadUpdate {
    /// It is the same: its head is updated; keep it so.
    Updated(Plan),
    /// It is another one now, or may not be kept any longer: what is stored is stale.
    Outdated,
    /// The answer says nothing about what is stored: only a 200 does.
    Unrelated,
}

/// Compares the head of a stored response, whose content has `length` bytes, with that of a HEAD's answer, and updates it where
/// they are of the same version. Nothing but the fields that the answer has is compared: an origin without validators that
/// answers with the same length counts as unchanged, as the section says.
#[must_use]
pub fn decide_head_update(
    asked: &Asked,
    (status, stored): (StatusCode, &mut HeaderMap),
    length: u64,
    (answered, answer): (StatusCode, &HeaderMap),
    rules: &Rules,
    times: Times,
) -> HeadUpdate {
    if answered != StatusCode::OK {
        return HeadUpdate::Unrelated;
    }
    let same = |name| answer.get(&name).is_none_or(|value| stored.get(&name) == Some(value));
    let same_length = answer
        .get(header::CONTENT_LENGTH)
        .is_none_or(|value| value.as_bytes() == length.to_string().as_bytes());
    let is_same = status == answered
        && same(header::ETAG)
        && same(header::LAST_MODIFIED)
        && same(header::CONTENT_ENCODING)
        && same_length;
    if !is_same {
        return HeadUpdate::Outdated;
    }
    match decide_update(asked, status, stored, answer, rules, times) {
        Storage::Store(plan) => HeadUpdate::Updated(plan),
        Storage::Pass(_) => HeadUpdate::Outdated,
    }
}
