//! What an upstream counts and shows.

use super::error::UpstreamErrorKind;
use crate::http::BodyFault;
use peregrine_telemetry::{Counter, Histogram, HistogramSnapshot};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// The handles through which a target records.
#[derive(Default)]
pub(crate) struct TargetStatistics {
    pub(crate) requests: Counter,
    pub(crate) retries: Counter,
    pub(crate) connects: Counter,
    pub(crate) reuses: Counter,
    pub(crate) waits: Counter,
    pub(crate) ejections: Counter,
    pub(crate) not_reused: Counter,
    pub(crate) first_byte: Histogram,
    errors: [Counter; UpstreamErrorKind::WORDS.len()],
    body_errors: [Counter; BodyFault::ALL.len()],
}

impl TargetStatistics {
    pub(crate) fn error(&self, kind: UpstreamErrorKind) {
        self.errors[kind.index()].increment();
    }

    pub(crate) fn body_error(&self, fault: BodyFault) {
        self.body_errors[fault.index()].increment();
    }

    /// How many of each kind there were; kinds that never happened are left out.
    pub(crate) fn errors(&self) -> BTreeMap<&'static str, u64> {
        let heads = UpstreamErrorKind::WORDS
            .iter()
            .zip(&self.errors)
            .map(|(word, counter)| (*word, counter.value()));
        let bodies = BodyFault::ALL
            .iter()
            .zip(&self.body_errors)
            .map(|(fault, counter)| (fault.as_str(), counter.value()));
        heads.chain(bodies).filter(|(_, count)| *count > 0).collect()
    }
}

/// What an upstream does and did since it was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UpstreamStatus {
    /// Its name.
    #[schema(value_type = String)]
    pub name: Arc<str>,
    /// Requests that reached no target because all were left out.
    pub no_healthy_target: u64,
    /// Requests that were not sent again because the retry budget was used up.
    pub budget_exhausted: u64,
    /// Its targets, in the order of the configuration.
    pub targets: Vec<TargetStatus>,
}

/// What a target does and did since its upstream was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetStatus {
    /// Its URL.
    #[schema(value_type = String)]
    pub target: Arc<str>,
    /// How many times the requests of a target of weight 1 it can take.
    pub weight: f64,
    /// Its group: a higher number waits until too few of the lower ones are healthy.
    pub priority: u32,
    /// Whether it gets requests.
    pub health: Health,
    /// What health checks show.
    pub checks: ChecksStatus,
    /// Failures in a row.
    pub failures: u32,
    /// How often it was left out.
    pub ejections: u64,
    /// Requests under way, bodies included.
    pub in_flight: u64,
    /// The recent time to the first byte, in milliseconds, as the balancer sees it; `None` before the first response.
    pub latency_ms: Option<f64>,
    /// In how many of the choices it takes part: less than 1 while it starts slowly.
    pub share: f64,
    /// Attempts that were made.
    pub requests: u64,
    /// Attempts that were made again after a failure here.
    pub retries: u64,
    /// Failures by kind: those before the head, and those of bodies.
    pub errors: BTreeMap<&'static str, u64>,
    /// Connections that were made.
    pub connects: u64,
    /// Requests that found a connection ready.
    pub reuses: u64,
    /// Connections that were closed after an answer that left something in doubt.
    pub not_reused: u64,
    /// Connections without a request.
    pub idle: u64,
    /// Requests that wait for a connection.
    pub waiting: u64,
    /// Requests that had to wait for a connection.
    pub waits: u64,
    /// The time to the first byte.
    #[serde(skip)]
    pub first_byte: HistogramSnapshot,
}

/// What health checks show of a target.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChecksStatus {
    /// `passing`, `failing`, `unknown` before the first one, or `off`.
    pub verdict: &'static str,
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// Why the last one failed; `None` when it passed.
    #[schema(value_type = Option<String>)]
    pub last_error: Option<Arc<str>>,
}

/// Whether a target gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TargetHealth)]
pub enum Health {
    /// It does.
    Healthy,
    /// It is left out after failures.
    Ejected,
    /// One request tries whether it is back.
    Probing,
    /// It fails its health checks.
    Failing,
}

impl Health {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Ejected => "ejected",
            Self::Probing => "probing",
            Self::Failing => "failing",
        }
    }
}
