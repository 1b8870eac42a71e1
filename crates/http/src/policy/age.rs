//! How old a response is (RFC 9111 §4.2.3) when it arrives. From then on the engine counts by the monotonic clock, so
//! that no step of the wall clock makes anything older or younger.

use super::cache_control::{DELTA_SECONDS_MAX, delta_seconds};
use super::date;
use super::rules::Times;
use http::header::{self, HeaderMap};
use peregrine_base::WallTime;
use std::time::Duration;

/// How far an origin's Date may lie behind our clock without meaning that the response is old: dates are whole seconds
/// and clocks differ a little, which would cost a response with `max-age=1` its whole life.
const SKEW_TOLERATED: Duration = Duration::from_secs(10);

/// The corrected initial age: the larger of what Age says plus the time the exchange took, and of how long ago Date was.
/// A Date in the future means a clock that is ahead, so an age of zero.
#[must_use]
pub fn initial_age(headers: &HeaderMap, times: Times) -> Duration {
    let apparent = match date::field(headers, header::DATE, times.received) {
        Some(date) => since(times.received, date),
        None => Duration::ZERO,
    };
    let apparent = if apparent <= SKEW_TOLERATED {
        Duration::ZERO
    } else {
        apparent
    };
    let corrected = age_value(headers).saturating_add(times.delay);
    apparent
        .max(corrected)
        .min(Duration::from_secs(u64::from(DELTA_SECONDS_MAX)))
}

/// What Age says (§5.1): its first member; nothing if that is not a number.
fn age_value(headers: &HeaderMap) -> Duration {
    let first = headers
        .get(header::AGE)
        .and_then(|age| age.as_bytes().split(|byte| *byte == b',').next());
    let seconds = first.and_then(|member| delta_seconds(member.trim_ascii())).unwrap_or(0);
    Duration::from_secs(u64::from(seconds))
}

/// How long `earlier` was before `later`; zero if it was not.
pub(super) fn since(later: WallTime, earlier: WallTime) -> Duration {
    Duration::from_millis(later.as_millis().saturating_sub(earlier.as_millis()))
}
