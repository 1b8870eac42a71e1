//! What a server counts.

use crate::http::Refusal;
use peregrine_telemetry::{Counter, Gauge};
use serde::Serialize;
use std::collections::BTreeMap;

/// The handles that a server records through.
#[derive(Default)]
pub(super) struct Statistics {
    pub(super) open: Gauge,
    pub(super) accepted: Counter,
    pub(super) accept_failures: Counter,
    pub(super) requests: Counter,
    pub(super) stalled: Counter,
    pub(super) cut: Counter,
    refused: [Counter; Refusal::ALL.len()],
}

impl Statistics {
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refused[refusal.index()].increment();
    }

    pub(super) fn status(&self, connections_max: usize) -> ServerStatus {
        let refused = Refusal::ALL
            .iter()
            .map(|refusal| (refusal.as_str(), self.refused[refusal.index()].value()));
        ServerStatus {
            connections_open: u64::try_from(self.open.value()).unwrap_or(0),
            connections_max: connections_max as u64,
            connections_accepted: self.accepted.value(),
            accept_failures: self.accept_failures.value(),
            requests: self.requests.value(),
            refused: refused.collect(),
            stalled: self.stalled.value(),
            cut: self.cut.value(),
        }
    }
}

/// What happened on the client's side since the start.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Connections that are open.
    pub connections_open: u64,
    /// How many may be open.
    pub connections_max: u64,
    /// Connections that were taken, with those that were refused at once.
    pub connections_accepted: u64,
    /// How often the system had no connection to give: no file descriptors or no memory left.
    pub accept_failures: u64,
    /// Requests that a handler saw.
    pub requests: u64,
    /// Requests and connections that no handler saw, by [`Refusal`].
    pub refused: BTreeMap<&'static str, u64>,
    /// Connections that were closed because the client took nothing for too long.
    pub stalled: u64,
    /// Responses that were cut off because their body failed.
    pub cut: u64,
}
