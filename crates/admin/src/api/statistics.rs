//! GET `cache/stats`: what the cache did, and why it did not do more.

use peregrine_cache::backplane::BackplaneStatus;
use peregrine_cache::{KeysStatistics, NamespaceStatistics, Statistics, TenantStatistics};
use peregrine_insight::model::TenantFigures;
use peregrine_store::RedisStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What the cache did so far.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatisticsReport {
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Requests that went through the planes.
    pub requests: u64,
    /// Why requests were not served from the cache, or not stored, the most frequent reason first.
    pub reasons: Vec<ReasonShare>,
    /// The engine's own numbers.
    pub cache: Statistics,
    /// The data keys of encryption; nothing without a master key.
    pub keys: Option<KeysStatistics>,
    /// How this node takes part among others; nothing without Redis.
    pub backplane: Option<BackplaneStatus>,
    /// The client of Redis; nothing without one.
    pub redis: Option<RedisStatus>,
}

impl StatisticsReport {
    /// The same for somebody who is let into `names` alone: their numbers, and nothing of what is everybody's.
    #[must_use]
    pub fn within(mut self, names: &[String]) -> WithinReport {
        self.cache.namespaces.retain(|name, _| names.contains(name));
        WithinReport {
            uptime_s: self.uptime_s,
            namespaces: self.cache.namespaces,
        }
    }
}

/// What the cache did in some namespaces, for somebody who is limited to them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WithinReport {
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Each of them.
    pub namespaces: BTreeMap<String, NamespaceStatistics>,
}

/// What the cache did for a tenant and holds of it, as its token shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TenantReport<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// Its numbers on this node; nothing while it has no account of its own here.
    pub cache: Option<TenantStatistics>,
    /// What its requests to this node were; nothing while it has no counters of its own here.
    pub traffic: Option<TenantFigures>,
}

/// How often a reason held.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct ReasonShare {
    /// The reason's word.
    pub reason: String,
    /// How many requests.
    pub count: u64,
    /// Their share of all, 0 to 1.
    pub share: f64,
    /// The reason for people.
    pub sentence: String,
    /// What would change it, if something would.
    pub advice: Option<String>,
}
