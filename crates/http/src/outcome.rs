//! What happened to one request. Every step writes its part; `deliver` renders `Cache-Status` from it, and `finish` seals
//! it into the one event from which access log, metrics and `explain` derive.

use crate::load::LoadFacts;
use crate::policy::{CacheStatus, Decision, Forward, Freshness, Reason};
use crate::route::Route;
use crate::traced::LookedUp;
use peregrine_admission::Permit;
use peregrine_base::{Instant, WallTime};
use peregrine_cache::{Hit, StaleWhy};
use peregrine_net::upstream::Exchange;
use peregrine_telemetry::trace::Trace;
use std::sync::Arc;
use std::time::Duration;

/// How the cache took part in an answer. The name is the log word, the metric label and the docs' heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheOutcome {
    /// Nobody asked the cache: the answer is Peregrine's own, such as a missing route.
    #[default]
    Untouched,
    /// A fresh entry answered.
    Hit,
    /// A stale entry answered while it is being renewed (RFC 5861 §3).
    StaleWhileRevalidate,
    /// A stale entry answered because the origin failed (RFC 5861 §4).
    StaleIfError,
    /// A stale entry answered because the origin takes longer than the soft limit of a load.
    StaleWhileSlow,
    /// A stale entry answered because the client accepts one (`max-stale`).
    StaleAsked,
    /// An entry answered that other nodes may have invalidated, because they cannot be asked.
    Unverified,
    /// The origin said that the stored entry is still right.
    Revalidated,
    /// The origin answered, and the cache had been asked.
    Miss,
    /// Another request's load answered.
    Collapsed,
    /// The request went past the cache.
    Bypass,
}

impl CacheOutcome {
    /// All outcomes, in the order of their discriminants.
    pub const ALL: [Self; 11] = [
        Self::Untouched,
        Self::Hit,
        Self::StaleWhileRevalidate,
        Self::StaleIfError,
        Self::StaleWhileSlow,
        Self::StaleAsked,
        Self::Unverified,
        Self::Revalidated,
        Self::Miss,
        Self::Collapsed,
        Self::Bypass,
    ];

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Hit => "hit",
            Self::StaleWhileRevalidate => "stale_while_revalidate",
            Self::StaleIfError => "stale_if_error",
            Self::StaleWhileSlow => "stale_while_slow",
            Self::StaleAsked => "stale_asked",
            Self::Unverified => "unverified",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Bypass => "bypass",
        }
    }

    /// How a stale entry that the engine hands out is called here.
    #[must_use]
    pub(crate) const fn of_stale(why: StaleWhy) -> Self {
        match why {
            StaleWhy::WhileRevalidate => Self::StaleWhileRevalidate,
            StaleWhy::Asked => Self::StaleAsked,
            StaleWhy::Unverified => Self::Unverified,
        }
    }

    /// Whether a stored response answered and the origin was not asked in its place: a stale answer for a failed or slow one is
    /// no hit (RFC 9211 §2.1).
    #[must_use]
    pub const fn spares_the_origin(self) -> bool {
        self.is_hit() && !matches!(self, Self::StaleIfError | Self::StaleWhileSlow)
    }

    /// Whether a stored response answered.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(
            self,
            Self::Hit
                | Self::StaleWhileRevalidate
                | Self::StaleIfError
                | Self::StaleWhileSlow
                | Self::StaleAsked
                | Self::Unverified
        )
    }

    /// Whether the origin sent no body for this answer.
    #[must_use]
    pub const fn spares_the_body(self) -> bool {
        self.is_hit() || matches!(self, Self::Revalidated | Self::Collapsed)
    }
}

/// Where a stored response was that answered. The name is the metric label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// In this node's memory.
    #[default]
    Memory,
    /// In Redis, where another node, or this one before, had put it.
    Redis,
}

impl Tier {
    /// All tiers, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Redis];

    /// The word for metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }
}

/// Seconds of freshness left; negative once stale. An entry that an invalidation made stale says zero: it does not tell when.
fn freshness_left_s(hit: &Hit, now: Instant) -> i64 {
    if hit.softened() {
        return 0;
    }
    let until = hit.fresh_until();
    let (left, over) = (until.since(now).as_secs(), now.since(until).as_secs());
    i64::try_from(left)
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::try_from(over).unwrap_or(i64::MAX))
}

/// What happened to one request, gathered step by step.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// When the request had been parsed.
    pub(crate) started: Instant,
    /// The same moment as people read it.
    pub(crate) started_wall: WallTime,
    /// The route that had it.
    pub(crate) route: Option<Arc<Route>>,
    /// How the cache took part.
    pub(crate) cache: CacheOutcome,
    /// Why the answer was or was not stored, or went past the cache.
    pub(crate) decision: Option<Decision>,
    /// The sentence for `Cache-Status: detail`, where it says more than the decision.
    pub(crate) detail: Option<&'static str>,
    /// Why the request went to the origin.
    pub(crate) forward: Option<Forward>,
    /// The status that the origin answered.
    pub(crate) forward_status: Option<u16>,
    /// Whether the answer is being stored.
    pub(crate) stored: bool,
    /// Seconds of freshness left; negative once stale.
    pub(crate) ttl_s: Option<i64>,
    /// Where the stored response was that answered.
    pub(crate) tier: Tier,
    /// How long the load of what answered had taken, where the origin was not asked in its place.
    pub(crate) saved: Option<Duration>,
    /// What the way to the origin was like.
    pub(crate) exchange: Option<Exchange>,
    /// Its part of a trace, where requests are traced.
    pub(crate) trace: Option<Trace>,
    /// How the cache was asked, where that trace is recorded.
    pub(crate) lookup: Option<LookedUp>,
    /// The word of the error that the client sees.
    pub(crate) error: Option<&'static str>,
    /// Its place among the admitted, until its answer has been delivered.
    pub(crate) permit: Option<Permit>,
}

impl Outcome {
    /// Nothing has happened yet.
    #[must_use]
    pub(crate) const fn begin(started: Instant, started_wall: WallTime) -> Self {
        Self {
            started,
            started_wall,
            route: None,
            cache: CacheOutcome::Untouched,
            decision: None,
            detail: None,
            forward: None,
            forward_status: None,
            stored: false,
            ttl_s: None,
            tier: Tier::Memory,
            saved: None,
            exchange: None,
            trace: None,
            lookup: None,
            error: None,
            permit: None,
        }
    }

    /// The stored response of `hit` answered.
    pub(crate) fn answered_by(&mut self, hit: &Hit, how: CacheOutcome, route: &Route, now: Instant) {
        self.cache = how;
        // A stale answer in place of a failed or slow one saved nothing: the origin was asked.
        self.saved = (how.spares_the_origin() || how == CacheOutcome::Collapsed).then(|| hit.cost());
        self.ttl_s = Some(freshness_left_s(hit, now));
        if how == CacheOutcome::Unverified {
            self.detail = Some(how.as_str());
        }
        if route.rules.freshness == Freshness::Force {
            // What the origin says about freshness does not hold here, and every answer says so.
            self.detail = self.detail.or(Some(Reason::StoredForce.as_str()));
        }
    }

    /// The request goes to the origin.
    pub(crate) fn forwarded(&mut self, how: CacheOutcome, why: Forward) {
        self.cache = how;
        self.forward = Some(why);
    }

    /// A load brought an answer.
    pub(crate) fn loaded(&mut self, facts: LoadFacts) {
        self.decision = facts.decision.or(self.decision);
        self.forward_status = facts.status.map(|status| status.as_u16());
        self.exchange = facts.exchange;
        self.stored = facts.stored;
        self.ttl_s = facts.ttl_s;
    }

    /// The reason that stands in logs and counts in statistics.
    #[must_use]
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.decision.map(|decision| decision.reason)
    }

    /// How long the origin took until its first byte.
    #[must_use]
    pub(crate) fn upstream_time(&self) -> Option<Duration> {
        self.exchange.as_ref().map(|exchange| exchange.first_byte)
    }

    /// The field that tells a client what the cache did (RFC 9211); `answered` is the status that it gets.
    #[must_use]
    pub(crate) fn cache_status(&self, answered: u16) -> Option<CacheStatus<'static>> {
        if self.cache == CacheOutcome::Untouched {
            return None;
        }
        // A stale answer in place of a failed or slow one is no hit: the request went forward (RFC 9211 §2.1).
        let hit = self.cache.spares_the_origin();
        Some(CacheStatus {
            hit,
            forward: self.forward.filter(|_| !hit),
            forward_status: self.forward_status.filter(|status| !hit && *status != answered),
            ttl_s: self.ttl_s,
            stored: self.stored,
            collapsed: self.cache == CacheOutcome::Collapsed,
            key: None,
            detail: self
                .detail
                .or_else(|| self.decision.map(|decision| decision.reason.as_str())),
        })
    }
}

/// What a client was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// The status.
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// When that was done.
    pub(crate) now: Instant,
    /// From the request's head to the end of the answer.
    pub(crate) duration: Duration,
    /// From the request's head to the head of the answer.
    pub(crate) began: Duration,
    /// The word for what went wrong, with the client or before.
    pub(crate) error: Option<&'static str>,
}
