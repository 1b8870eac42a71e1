//! GET `/readyz` and GET `health`: whether requests should come here, and how everything is.

use peregrine_net::upstream::UpstreamStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether requests should be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// They should.
    Ready,
    /// Not yet: it is starting.
    Starting,
    /// Not any more: it is stopping.
    Draining,
}

impl Readiness {
    /// The word that `/readyz` answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Draining => "draining",
        }
    }
}

/// How everything is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// The worst of all.
    pub status: HealthStatus,
    /// Whether requests should come here.
    pub readiness: Readiness,
    /// Peregrine's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// What is not well, for people; empty when all is.
    pub complaints: Vec<String>,
    /// The upstreams.
    pub upstreams: Vec<UpstreamStatus>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Well.
    Ok,
    /// It serves, but something is missing.
    Degraded,
    /// It cannot serve what it should.
    Failing,
}

impl HealthStatus {
    /// The word in JSON and in the terminal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}
