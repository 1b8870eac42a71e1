//! How long a response is fresh (RFC 9111 §4.2.1, §4.2.2) and by whose word: the origin's, its Last-Modified, or the
//! strategy's.

use super::age::since;
use super::cache_control::CacheControl;
use super::date;
use super::reason::Reason;
use super::rules::{Freshness, Rules};
use http::StatusCode;
use http::header::{self, HeaderMap};
use peregrine_base::WallTime;
use std::time::Duration;

/// The longest lifetime that a heuristic gives.
const HEURISTIC_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a response is fresh, counted from when the origin made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// The lifetime.
    pub(super) length: Duration,
    /// Where it comes from: one of the reasons `stored_…`.
    pub(super) source: Reason,
}

impl Lifetime {
    /// Whether the strategy gave it.
    pub(super) const fn is_from_strategy(self) -> bool {
        matches!(
            self.source,
            Reason::StoredFallback | Reason::StoredForce | Reason::StoredNegative
        )
    }

    /// Whether the origin gave it in so many words.
    pub(super) const fn is_explicit(self) -> bool {
        matches!(
            self.source,
            Reason::StoredSMaxage | Reason::StoredMaxAge | Reason::StoredExpires
        )
    }
}

/// The lifetime of a response, if anything gives it one.
pub(super) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    control: &CacheControl,
    rules: &Rules,
    received: WallTime,
) -> Option<Lifetime> {
    if is_forced(status, rules) {
        return Some(Lifetime {
            length: rules.ttl,
            source: Reason::StoredForce,
        });
    }
    explicit(headers, control, received)
        .or_else(|| negative(status, rules))
        .or_else(|| heuristic(status, headers, control, rules, received))
        .or_else(|| fallback(status, control, rules))
}

/// Whether the strategy's word replaces the origin's. Errors and unusual statuses are never forced.
pub(super) fn is_forced(status: StatusCode, rules: &Rules) -> bool {
    rules.freshness == Freshness::Force && is_cacheable_success(status)
}

/// Whether a response with this status may be stored without a lifetime from the origin (RFC 9110 §15.1).
pub(super) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    is_cacheable_success(status) || matches!(status.as_u16(), 404 | 405 | 410 | 414 | 501)
}

/// Those of the statuses cacheable by default that are no errors. 206 is stored as a part or not at all.
fn is_cacheable_success(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// What the origin says, for a shared cache: s-maxage, else max-age, else Expires (§4.2.1).
fn explicit(headers: &HeaderMap, control: &CacheControl, received: WallTime) -> Option<Lifetime> {
    let from = |seconds: u32, source| Lifetime {
        length: Duration::from_secs(u64::from(seconds)),
        source,
    };
    if let Some(seconds) = control.s_maxage {
        Some(from(seconds, Reason::StoredSMaxage))
    } else if let Some(seconds) = control.max_age {
        Some(from(seconds, Reason::StoredMaxAge))
    } else if control.targeted {
        None
    } else {
        expires(headers, received).map(|length| Lifetime {
            length,
            source: Reason::StoredExpires,
        })
    }
}

/// Expires minus Date (§5.3). Several lines: the earliest. Anything that is no date, `0` above all, is in the past.
fn expires(headers: &HeaderMap, received: WallTime) -> Option<Duration> {
    let date = date::field(headers, header::DATE, received).unwrap_or(received);
    let lines = headers.get_all(header::EXPIRES).iter();
    lines
        .map(|line| date::parse(line.as_bytes(), received).map_or(Duration::ZERO, |expires| since(expires, date)))
        .min()
        .map(|length| Duration::from_secs(length.as_secs()))
}

/// An error without a lifetime gets the strategy's, where that lists it.
fn negative(status: StatusCode, rules: &Rules) -> Option<Lifetime> {
    let applies = !rules.negative_ttl.is_zero() && rules.negative_statuses.contains(&status.as_u16());
    applies.then_some(Lifetime {
        length: rules.negative_ttl,
        source: Reason::StoredNegative,
    })
}

/// 10% of the time since Last-Modified, at most a day (§4.2.2).
fn heuristic(
    status: StatusCode,
    headers: &HeaderMap,
    control: &CacheControl,
    rules: &Rules,
    received: WallTime,
) -> Option<Lifetime> {
    if !rules.heuristic || !(is_heuristically_cacheable(status) || control.public) {
        return None;
    }
    let modified = date::field(headers, header::LAST_MODIFIED, received)?;
    let date = date::field(headers, header::DATE, received).unwrap_or(received);
    let length = Duration::from_secs((since(date, modified) / 10).min(HEURISTIC_MAX).as_secs());
    (!length.is_zero()).then_some(Lifetime {
        length,
        source: Reason::StoredHeuristic,
    })
}

/// The strategy's lifetime, where it fills in for an origin that gives none. Errors get theirs from `negative` or not
/// at all: a 404 must not live as long as a page.
fn fallback(status: StatusCode, control: &CacheControl, rules: &Rules) -> Option<Lifetime> {
    let cacheable = is_cacheable_success(status) || (control.public && status.is_redirection());
    let applies = rules.freshness != Freshness::Origin && !rules.ttl.is_zero() && cacheable;
    applies.then_some(Lifetime {
        length: rules.ttl,
        source: Reason::StoredFallback,
    })
}
