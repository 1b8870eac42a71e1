//! Upstreams and nodes.

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
    #[schema(schema_with = super::words::health)]
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
