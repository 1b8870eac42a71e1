//! Why so little comes from the cache: the reasons by share, each with what would change it. For the log after the first
//! requests, and for `stats` at any time.

use crate::policy::{Group, Reason};
use crate::route::RouteTable;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shares below this many percent are left out; they would not change the picture.
const SHARE_MIN_PERCENT: u64 = 1;

/// Requests and the reasons for which they did not come from the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Requests that a route took.
    pub requests: u64,
    /// Those that a stored response answered, or another request's load.
    pub served: u64,
    /// Why others were not, the most common first.
    pub reasons: Vec<Share>,
}

/// One reason and its share of all requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The word of the reason.
    pub reason: &'static str,
    /// How many requests.
    pub requests: u64,
    /// Of a hundred requests, rounded down.
    pub percent: u64,
    /// The sentence for people.
    pub sentence: &'static str,
    /// What would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl Summary {
    /// What the routes of `table` have counted.
    #[must_use]
    pub fn of(table: &RouteTable) -> Self {
        let mut summary = Self::default();
        let mut counts: BTreeMap<Reason, u64> = BTreeMap::new();
        for route in table.iter() {
            for (outcome, count) in route.metrics.requests.outcomes() {
                summary.requests += count;
                if outcome.spares_the_body() {
                    summary.served += count;
                }
            }
            for (reason, count) in route.metrics.requests.reasons() {
                if matches!(reason.group(), Group::Bypassed | Group::NotStored) {
                    *counts.entry(reason).or_default() += count;
                }
            }
        }
        let total = summary.requests.max(1);
        summary.reasons = counts
            .into_iter()
            .map(|(reason, count)| Share::new(reason, count, total))
            .collect();
        summary.reasons.retain(|share| share.percent >= SHARE_MIN_PERCENT);
        summary.reasons.sort_by_key(|share| std::cmp::Reverse(share.requests));
        summary
    }

    /// Of a hundred requests, how many the cache answered; rounded down.
    #[must_use]
    pub fn served_percent(&self) -> u64 {
        (self.served * 100).checked_div(self.requests).unwrap_or(0)
    }
}

impl Share {
    fn new(reason: Reason, requests: u64, total: u64) -> Self {
        let percent = requests * 100 / total;
        Self {
            reason: reason.as_str(),
            requests,
            percent,
            sentence: reason.sentence(),
            advice: reason.advice(),
        }
    }
}

impl std::fmt::Display for Share {
    /// `81%: not stored: no freshness from the origin; "freshness = …" would cache these`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%: {}", self.percent, self.sentence)?;
        self.advice.map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}
