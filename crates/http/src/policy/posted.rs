//! When the answer to a POST answers a later GET of the same URL (RFC 9110 §9.3.3): when it says how long it is fresh, and that
//! what it brings is what the URL stands for, by a Content-Location that is the URL itself (RFC 9110 §8.7). Whether it may be
//! stored at all is decided as for a GET.

use super::reason::Reason;
use super::reference;
use super::storage::Plan;
use http::header::{self, HeaderMap};
use http::{StatusCode, Uri};

/// Whether the answer to a POST to `target`, which would be stored by `plan` if it were one to a GET, may answer a GET. The
/// strategy's lifetime and a guessed one do not count: the origin must have meant it.
#[must_use]
pub fn stands_for_its_url(target: &Uri, status: StatusCode, headers: &HeaderMap, plan: &Plan) -> bool {
    let is_explicit = matches!(
        plan.decision.reason,
        Reason::StoredSMaxage | Reason::StoredMaxAge | Reason::StoredExpires
    );
    is_explicit && !plan.must_validate && status == StatusCode::OK && is_located_at(target, headers)
}

/// Whether Content-Location, once and readable, is `target`.
fn is_located_at(target: &Uri, headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_LOCATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let located = line.to_str().ok().and_then(|line| reference::resolve(target, line));
    located.is_some_and(|located| {
        reference::same_origin(target, &located) && located.path_and_query() == target.path_and_query()
    })
}
