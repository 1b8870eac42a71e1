//! The typed form of `[insight]`. Every default stands in [`crate::PARAMETERS`].

use peregrine_base::{Complaint, Span};
use serde::Deserialize;

/// What is seen, how often, and what it is worth.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsightConfig {
    /// Whether there is any.
    pub enabled: bool,
    /// Whether history outlives a restart.
    pub persist: bool,
    /// How often a sample is written while no request comes.
    pub sample_interval: Span,
    /// How long minutes are kept.
    pub retention: Span,
    /// How often a report is made.
    pub report_interval: Span,
    /// How many routes have series of their own.
    pub routes_max: usize,
    /// How many upstreams have series of their own.
    pub upstreams_max: usize,
    /// The answer that satisfies a user, for the Apdex.
    pub apdex_threshold: Span,
    /// What a second of the origin's work costs.
    pub origin_second_cost: Option<f64>,
    /// What a gigabyte (10^9 bytes) sent by the origin costs.
    pub gigabyte_cost: Option<f64>,
    /// The currency of both.
    pub currency: String,
}

impl InsightConfig {
    /// Rules between fields.
    ///
    /// # Errors
    /// With what cannot hold.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        if self.report_interval > self.retention {
            let problem = format!("is longer than insight.retention ({})", self.retention);
            let help = "a report is about what is kept: shorten it, or keep more";
            return Err(vec![Complaint::new("report_interval", problem, help)]);
        }
        Ok(())
    }
}
