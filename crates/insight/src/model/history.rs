//! Series of points over time.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Points of several series at the same times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// How many seconds a point stands for.
    pub resolution_s: u64,
    /// When each point's span ended, in seconds since 1970, ascending. Times of which nothing is known are left out.
    pub at: Vec<u64>,
    /// The values of each series, one for each time.
    pub series: BTreeMap<String, Vec<Option<f64>>>,
    /// How long requests took, if that was asked for.
    pub heat: Option<Heat>,
}

/// How many requests took how long, for each point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Heat {
    /// The upper bounds of the columns but the last, in milliseconds.
    pub bounds_ms: Vec<f64>,
    /// For each point the requests of each column; the last column counts what is above all bounds.
    pub counts: Vec<Vec<u64>>,
}

/// The newest second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// Every global series.
    pub values: BTreeMap<String, Option<f64>>,
}
