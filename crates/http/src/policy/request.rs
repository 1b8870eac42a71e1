//! What a request asks of the cache (RFC 9111 §5.2.1), and whether the cache may be asked at all.

use super::cache_control::CacheControl;
use super::decision::Decision;
use super::directives::directives;
use super::fields::Fields;
use super::reason::Reason;
use super::rules::Rules;
use http::Method;
use http::header;
use std::time::Duration;

/// Whether the cache is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// Look it up, under these conditions.
    Use(Asked),
    /// Go to the origin; neither use nor store anything.
    Bypass(Decision),
}

/// What a request asks of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a request says each of them independently")]
pub struct Asked {
    /// max-age: older responses are not accepted.
    pub age_max: Option<Duration>,
    /// min-fresh: the response must stay fresh for at least this long.
    pub fresh_min: Duration,
    /// max-stale: a response that has been stale for at most this is accepted; [`Duration::MAX`] for any.
    pub stale_max: Option<Duration>,
    /// stale-if-error: should the origin fail, a response that has been stale for at most this is accepted (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
    /// no-cache: a stored response may be used only after validation.
    pub validate: bool,
    /// only-if-cached: better no answer (504) than one from the origin.
    pub only_if_cached: bool,
    /// no-store: the response must not be stored. What is stored already may be used.
    pub no_store: bool,
    /// Whether the request has Authorization.
    pub authorization: bool,
    /// Whether the request has cookies. The data plane sets this to false when all of them are part of the key or of no
    /// influence on the answer.
    pub cookie: bool,
    /// Whether the request asks for a range.
    pub range: bool,
}

/// Decides whether the cache is asked for a request, and on what conditions.
#[must_use]
pub fn admit_request(method: &Method, headers: &impl Fields, rules: &Rules) -> RequestVerdict {
    match bypass(method, headers, rules) {
        Some(reason) => RequestVerdict::Bypass(reason.into()),
        None => RequestVerdict::Use(asked(headers)),
    }
}

/// Why the cache is not asked.
fn bypass(method: &Method, headers: &impl Fields, rules: &Rules) -> Option<Reason> {
    if rules.methods.writes(method) {
        Some(Reason::UnsafeMethod)
    } else if !rules.methods.contains(method) {
        Some(Reason::Method)
    } else if headers.has(header::IF_MATCH.as_str()) || headers.has(header::IF_UNMODIFIED_SINCE.as_str()) {
        Some(Reason::Precondition)
    } else if !rules.methods.reads_content(method) && has_content(headers) {
        Some(Reason::RequestContent)
    } else {
        None
    }
}

/// Whether the request carries content. No meaning is defined for that in GET and HEAD (RFC 9110 §9.3.1), but an origin
/// that gives it one would have its answer served to those who sent none.
fn has_content(headers: &impl Fields) -> bool {
    headers.has(header::TRANSFER_ENCODING.as_str())
        || headers
            .lines(header::CONTENT_LENGTH.as_str())
            .any(|length| length != b"0")
}

fn asked(headers: &impl Fields) -> Asked {
    let control = CacheControl::of(headers);
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Asked {
        age_max: control.max_age.map(seconds),
        fresh_min: control.min_fresh.map_or(Duration::ZERO, seconds),
        stale_max: control.max_stale.map(|stale| {
            if stale == u32::MAX {
                Duration::MAX
            } else {
                seconds(stale)
            }
        }),
        stale_if_error: control.stale_if_error.map(seconds),
        validate: control.no_cache.is_everything() || (!control.present && pragma_no_cache(headers)),
        only_if_cached: control.only_if_cached,
        no_store: control.no_store,
        authorization: headers.has(header::AUTHORIZATION.as_str()),
        cookie: headers.has(header::COOKIE.as_str()),
        range: headers.has(header::RANGE.as_str()),
    }
}

/// Whether Pragma says no-cache, which counts only where Cache-Control is absent (RFC 9111 §5.4).
fn pragma_no_cache(headers: &impl Fields) -> bool {
    let mut lines = headers.lines(header::PRAGMA.as_str());
    lines.any(|line| directives(line).any(|directive| directive.name.eq_ignore_ascii_case(b"no-cache")))
}
