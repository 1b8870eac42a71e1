//! Whether a response is stored, and for how long (RFC 9111 §3). The steps are in the order of the section: method and
//! status, then what forbids storing, then what permits it, then the lifetime.

use super::age;
use super::cache_control::CacheControl;
use super::decision::{Clause, Decision, Directive, Overridden};
use super::freshness::{self, Lifetime};
use super::reason::Reason;
use super::request::Asked;
use super::rules::{Rules, Times};
use super::targeted;
use super::vary;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use std::time::Duration;

/// Whether a response is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Store it so.
    Store(Plan),
    /// Hand it to the client who asked and to nobody else.
    Pass(Decision),
}

/// How a response is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Why, and where the lifetime comes from.
    pub decision: Decision,
    /// How long it is fresh from now on; the age it arrived with is taken off.
    pub fresh_for: Duration,
    /// For how long it was stale when it arrived.
    pub overdue: Duration,
    /// The age it arrived with, to which the Age that is sent adds the time in the cache.
    pub initial_age: Duration,
    /// How long after that it may be used while it is renewed (stale-while-revalidate).
    pub swr: Duration,
    /// How long after that it may be used instead of an error (stale-if-error).
    pub sie: Duration,
    /// Whether it may be used only after validation, even while fresh.
    pub must_validate: bool,
    /// Whether the origin forbids every stale use, for clients who accept that (max-stale) too.
    pub stale_forbidden: bool,
    /// Whether it has a validator, so that keeping it past its deadlines can spare a transfer.
    pub has_validator: bool,
    /// Whether the lifetime came from the strategy, so that jitter may be applied.
    pub from_strategy: bool,
    /// The fields that select it, in order.
    pub vary: Vec<HeaderName>,
    /// Whether it is an error.
    pub negative: bool,
}

/// Decides whether the response of an exchange is stored.
///
/// `asked` and `method` are those of the request that was sent to the origin.
#[must_use]
pub fn decide_storage(
    asked: &Asked,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    rules: &Rules,
    times: Times,
) -> Storage {
    let control = targeted::control(headers, rules);
    let exchange = Exchange {
        asked,
        status,
        headers,
        rules,
        times,
        forced: freshness::is_forced(status, rules),
        control,
    };
    match method_permits(method, rules).and_then(|()| exchange.plan()) {
        Ok(plan) => Storage::Store(plan),
        Err(decision) => Storage::Pass(decision),
    }
}

/// Whether responses to this method are stored: GET's, and those whose content is part of the key. HEAD's have no content to
/// store (RFC 9110 §9.3.2).
fn method_permits(method: &Method, rules: &Rules) -> Result<(), Decision> {
    if *method == Method::GET || rules.methods.reads_content(method) {
        Ok(())
    } else if *method == Method::HEAD {
        Err(Reason::HeadOnly.into())
    } else if super::unsafe_methods::is_safe(method) {
        Err(Reason::Method.into())
    } else {
        Err(Reason::UnsafeMethod.into())
    }
}

/// A request, its response and the rules for them.
struct Exchange<'a> {
    asked: &'a Asked,
    status: StatusCode,
    headers: &'a HeaderMap,
    control: CacheControl,
    rules: &'a Rules,
    times: Times,
    /// Whether the strategy's word replaces the origin's.
    forced: bool,
}

impl Exchange<'_> {
    fn plan(&self) -> Result<Plan, Decision> {
        self.status_permits()?;
        let overridden = self.directives_permit()?;
        let vary = vary::vary_names(self.headers)?;
        self.sharing_permits()?;
        self.tags_permit()?;
        let lifetime = self.lifetime(&vary)?;
        self.arrange(lifetime, overridden, vary)
    }

    /// Statuses that are never stored, whatever the response says.
    fn status_permits(&self) -> Result<(), Decision> {
        let reason = match self.status.as_u16() {
            100..=199 => Reason::Interim,
            206 => Reason::Partial,
            304 => Reason::NotModifiedAlone,
            // These depend on fields of the request, or on its connection, that select no variant.
            407 | 408 | 412 | 416 | 417 | 421 | 425 => Reason::StatusOfRequest,
            428 => return Err(self.forbidden_by_rfc6585("3")),
            429 => return Err(self.forbidden_by_rfc6585("4")),
            431 => return Err(self.forbidden_by_rfc6585("5")),
            511 => return Err(self.forbidden_by_rfc6585("6")),
            600.. => Reason::Status,
            _ => return Ok(()),
        };
        Err(reason.into())
    }

    fn forbidden_by_rfc6585(&self, section: &'static str) -> Decision {
        Decision {
            clause: Clause::new(6585, section),
            ..Reason::StatusForbids.into()
        }
    }

    /// What the request and the response say against storing. Answers with what was overridden.
    fn directives_permit(&self) -> Result<Overridden, Decision> {
        let control = &self.control;
        if self.asked.no_store {
            return Err(Reason::RequestNoStore.into());
        }
        if control.must_understand && !is_understood(self.status) {
            return Err(Reason::StatusUnknown.into());
        }
        let mut overridden = Overridden::NONE;
        // A cache that understands the status ignores the no-store beside must-understand (§5.2.2.3).
        let no_store = control.no_store && !control.must_understand;
        if no_store && !self.forced {
            return Err(Reason::NoStore.into());
        }
        if control.private.is_everything() && !self.forced {
            return Err(Reason::Private.into());
        }
        if self.forced {
            overridden.note(Directive::NoStore, no_store);
            overridden.note(Directive::Private, control.private.is_everything());
            overridden.note(Directive::NoCache, control.no_cache.is_everything());
            overridden.note(Directive::MustRevalidate, control.demands_revalidation());
        }
        Ok(overridden)
    }

    /// What makes a response personal: credentials in the request (§3.5), a cookie in the response (§7.3).
    fn sharing_permits(&self) -> Result<(), Decision> {
        let control = &self.control;
        let readable_s_maxage = control.s_maxage.is_some() && !control.unreadable;
        let for_sharing = control.public || control.must_revalidate || readable_s_maxage;
        if self.asked.authorization && !for_sharing && !self.rules.allow_authorization {
            return Err(Reason::Authorization.into());
        }
        let cookie_is_left_out = control.no_cache.fields().contains(&header::SET_COOKIE)
            || control.private.fields().contains(&header::SET_COOKIE);
        if self.headers.contains_key(header::SET_COOKIE) && !cookie_is_left_out && !self.rules.allow_set_cookie {
            return Err(Reason::SetCookie.into());
        }
        Ok(())
    }

    /// A tag that were dropped would leave a response that its invalidation misses.
    fn tags_permit(&self) -> Result<(), Decision> {
        if super::tags::are_usable(self.headers) {
            Ok(())
        } else {
            Err(Reason::TagsUnusable.into())
        }
    }

    /// The lifetime, zero for what is stored to be validated only.
    fn lifetime(&self, vary: &[HeaderName]) -> Result<Lifetime, Decision> {
        let found = freshness::lifetime(
            self.status,
            self.headers,
            &self.control,
            self.rules,
            self.times.received,
        );
        let Some(lifetime) = found else {
            let by_default = freshness::is_heuristically_cacheable(self.status) || self.control.public;
            return match by_default {
                true if self.control.no_cache.is_everything() => Ok(Lifetime {
                    length: Duration::ZERO,
                    source: Reason::StoredForValidation,
                }),
                true => Err(Reason::NoFreshness.into()),
                false => Err(Reason::Status.into()),
            };
        };
        let guessed = !lifetime.is_explicit() && lifetime.source != Reason::StoredForce;
        if guessed && self.asked.cookie && !self.control.public && !vary.contains(&header::COOKIE) {
            return Err(Reason::Cookie.into());
        }
        Ok(lifetime)
    }

    /// Deadlines, and whether anything can be done with the response at all.
    fn arrange(&self, lifetime: Lifetime, overridden: Overridden, vary: Vec<HeaderName>) -> Result<Plan, Decision> {
        let initial_age = age::initial_age(self.headers, self.times);
        // A forced lifetime is the operator's: it counts from now, not from when the origin made the response.
        let used_up = if self.forced { Duration::ZERO } else { initial_age };
        let fresh_for = lifetime.length.saturating_sub(used_up);
        let overdue = used_up.saturating_sub(lifetime.length);
        let must_validate = self.control.no_cache.is_everything() && !self.forced;
        let stale_forbidden = self.control.forbids_stale() && !self.forced;
        let has_validator = super::validation::has_validator(self.headers);
        let [swr, sie] = self.stale_windows(lifetime, stale_forbidden);
        let mut plan = Plan {
            decision: Decision {
                overridden,
                ..lifetime.source.into()
            },
            fresh_for,
            overdue,
            initial_age,
            swr: swr.saturating_sub(overdue),
            sie: sie.saturating_sub(overdue),
            must_validate,
            stale_forbidden,
            has_validator,
            from_strategy: lifetime.is_from_strategy(),
            vary,
            negative: self.status.as_u16() >= 400,
        };
        let unusable = plan.fresh_for.is_zero() && plan.swr.is_zero() && plan.sie.is_zero();
        match (must_validate, has_validator) {
            (true, false) => Err(Reason::NoCache.into()),
            (false, false) if unusable && self.control.unreadable => Err(Reason::FreshnessUnreadable.into()),
            (false, false) if unusable => Err(Reason::AlreadyStale.into()),
            (must_validate, _) => {
                if must_validate || unusable {
                    plan.decision.reason = Reason::StoredForValidation;
                    plan.decision.clause = Reason::StoredForValidation.clause();
                }
                Ok(plan)
            }
        }
    }

    /// For how long the response may be used stale: while it is renewed, and instead of an error (RFC 5861). The
    /// response's word counts before the strategy's, and the strategy has none where the origin gives no lifetime at all
    /// (`max-age=0`, `Expires: 0`) or the answer is an error.
    fn stale_windows(&self, lifetime: Lifetime, stale_forbidden: bool) -> [Duration; 2] {
        if stale_forbidden {
            return [Duration::ZERO; 2];
        }
        let strategy_speaks = !lifetime.length.is_zero() && self.status.as_u16() < 400;
        let window = |said: Option<u32>, configured: Duration| match said {
            Some(seconds) if !self.forced => Duration::from_secs(u64::from(seconds)),
            _ if strategy_speaks => configured,
            _ => Duration::ZERO,
        };
        [
            window(self.control.stale_while_revalidate, self.rules.stale_while_revalidate),
            window(self.control.stale_if_error, self.rules.stale_if_error),
        ]
    }
}

/// The final statuses whose meaning for caching is known here (RFC 9110 §15), for must-understand.
fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=204 | 300..=303 | 307 | 308 | 400..=406 | 409..=411 | 413..=415 | 422 | 451 | 500..=505)
}
