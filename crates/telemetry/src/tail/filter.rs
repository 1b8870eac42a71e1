//! Which requests somebody wants to see.

use super::event::{RequestEvent, millis};
use crate::access::{Access, Redaction, TARGET_MAX_BYTES, cut};
use serde::{Deserialize, Serialize};

/// Which requests pass; all that is set has to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// Of this route.
    pub route: Option<String>,
    /// Answered so.
    pub status: Option<StatusFilter>,
    /// With this outcome of the cache.
    pub cache: Option<String>,
    /// Whose host, path and query (as they are shown) or request id contain this.
    pub contains: Option<String>,
    /// That took at least so long.
    pub min_ms: Option<f64>,
}

/// A status, or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StatusFilter {
    /// This one: `404`.
    Exactly(u16),
    /// This class: `5xx`.
    Class(u16),
}

impl TryFrom<String> for StatusFilter {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StatusFilter> for String {
    fn from(filter: StatusFilter) -> Self {
        match filter {
            StatusFilter::Exactly(status) => status.to_string(),
            StatusFilter::Class(class) => format!("{class}xx"),
        }
    }
}

impl std::str::FromStr for StatusFilter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        match (class, text.parse::<u16>()) {
            (Some(class @ 1..=5), _) => Ok(Self::Class(class)),
            (None, Ok(status @ 100..=599)) => Ok(Self::Exactly(status)),
            _ => Err("a status such as 404, or a class such as 5xx"),
        }
    }
}

impl StatusFilter {
    const fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(only) => status == only,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl Filter {
    /// Whether a kept request passes.
    #[must_use]
    pub fn matches(&self, event: &RequestEvent) -> bool {
        self.matches_facts(event.route.as_deref(), event.status, &event.cache, event.duration_ms)
            && self.finds([&event.host, &event.target, &event.request_id])
    }

    /// Whether a request that just finished passes.
    pub(super) fn matches_access(&self, access: &Access<'_>, redaction: &Redaction) -> bool {
        if !self.matches_facts(access.route, access.status, access.cache, millis(access.duration)) {
            return false;
        }
        // What is hidden is not searched either.
        self.contains.is_none()
            || self.finds([
                access.host,
                &*redaction.apply(cut(access.target, TARGET_MAX_BYTES)),
                access.request_id,
            ])
    }

    fn matches_facts(&self, route: Option<&str>, status: u16, cache: &str, duration_ms: f64) -> bool {
        self.route.as_deref().is_none_or(|only| route == Some(only))
            && self.status.is_none_or(|only| only.matches(status))
            && self.cache.as_deref().is_none_or(|only| cache == only)
            && self.min_ms.is_none_or(|least| duration_ms >= least)
    }

    fn finds(&self, texts: [&str; 3]) -> bool {
        let wanted = self.contains.as_deref();
        wanted.is_none_or(|wanted| texts.iter().any(|text| text.contains(wanted)))
    }
}
