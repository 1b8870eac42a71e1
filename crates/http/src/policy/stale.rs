//! Stale use instead of an error (RFC 5861 §4, RFC 9111 §4.2.4).

use super::decision::Decision;
use super::freshness;
use super::reason::Reason;
use super::request::Asked;
use super::rules::Rules;
use super::targeted;
use http::StatusCode;
use http::header::HeaderMap;
use std::time::Duration;

/// Whether a stale response may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleUse {
    /// It may, for this reason.
    Allowed(Decision),
    /// It may not, for this reason.
    Refused(Decision),
}

/// Whether a status of the origin counts as an error that a stale response may stand in for (RFC 5861 §4).
#[must_use]
pub const fn stale_if_error_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether a request may get a stale response although the origin failed: `stale_for` is how long it has been stale,
/// `window` the response's own limit ([`Plan::sie`](super::storage::Plan)), which a request may widen for
/// itself by stale-if-error. Forbidden by must-revalidate, proxy-revalidate, s-maxage and no-cache.
#[must_use]
pub fn request_may_use_stale(
    asked: &Asked,
    status: StatusCode,
    stored: &HeaderMap,
    rules: &Rules,
    stale_for: Duration,
    window: Duration,
) -> StaleUse {
    if forbids_stale(status, stored, rules) {
        StaleUse::Refused(Reason::StaleForbidden.into())
    } else if stale_for <= window.max(asked.stale_if_error.unwrap_or_default()) {
        StaleUse::Allowed(Reason::StaleIfError.into())
    } else {
        StaleUse::Refused(Reason::StaleTooOld.into())
    }
}

/// Whether the origin forbids every stale use of a stored response; a client's max-stale does not lift that (RFC 9111
/// §5.2.1.2).
#[must_use]
pub fn forbids_stale(status: StatusCode, stored: &HeaderMap, rules: &Rules) -> bool {
    targeted::control(stored, rules).forbids_stale() && !freshness::is_forced(status, rules)
}
