//! Upstreams, nodes and single requests.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamReport {
    /// Its name.
    pub name: String,
    /// How its targets are chosen.
    pub balance: String,
    /// Its targets.
    pub targets: Vec<TargetReport>,
    /// The newest values of its series.
    pub figures: BTreeMap<String, Option<f64>>,
}

/// A target of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetReport {
    /// Its URL.
    pub url: String,
    /// `healthy`, `unhealthy`, `ejected` or `unknown`.
    pub health: String,
    /// In how many of the choices it takes part.
    pub share: Option<f64>,
    /// The recent time to the first byte.
    pub latency_ms: Option<f64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Attempts since the start.
    pub requests: u64,
    /// Failures since the start.
    pub errors: u64,
    /// Attempts that were made again since the start.
    pub retries: u64,
    /// Why the last health check failed.
    pub last_error: Option<String>,
    /// Since when it is as it is, where that was seen.
    pub since: Option<Time>,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// Whether it is the one that answers.
    #[serde(rename = "self")]
    pub own: bool,
    /// How it is, in a word.
    pub state: String,
    /// For how long it has said nothing.
    pub silent_s: Option<f64>,
    /// How many invalidations it has not read.
    pub behind: Option<f64>,
    /// Up to where it has read.
    pub cursor: Option<f64>,
    /// How long ago it last knew that it had missed nothing.
    pub verified_age_ms: Option<f64>,
}

/// A request that ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestEvent {
    /// When it ended.
    pub at: Time,
    /// Its number.
    pub request_id: String,
    /// Who asked.
    pub client: String,
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The host.
    pub host: String,
    /// Path and query, secrets taken out.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
    /// From the parsed request to the end of the answer.
    pub duration_ms: f64,
    /// From the request to the origin until its first byte.
    pub upstream_ms: Option<f64>,
    /// The upstream that was asked.
    pub upstream: Option<String>,
    /// The route that had it.
    pub route: Option<String>,
    /// The route's strategy.
    pub strategy: Option<String>,
    /// For whom it was.
    pub tenant: Option<String>,
    /// How the cache took part.
    pub cache: String,
    /// Why it was or was not stored, or went past the cache.
    pub reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Bytes of the body that were sent.
    pub sent_bytes: u64,
    /// The number of the trace that it belongs to.
    pub trace_id: Option<String>,
}
