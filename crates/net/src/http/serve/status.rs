//! What a server counts.

use super::arrival::ArrivalFault;
use super::h2::meter::Excess;
use crate::http::{BodyFault, Refusal};
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
    pub(super) idle: Counter,
    pub(super) tunnels: Counter,
    pub(super) tunnels_open: Gauge,
    pub(super) tunnels_idle: Counter,
    http2_open: Gauge,
    body_faults: [Counter; BodyFault::ALL.len()],
    pub(super) http2: Http2Statistics,
    pub(super) handshakes: Counter,
    pub(super) resumptions: Counter,
    refused: [Counter; Refusal::ALL.len()],
    arrival_faults: [Counter; ArrivalFault::ALL.len()],
}

/// Those of HTTP/2.
#[derive(Default)]
pub(super) struct Http2Statistics {
    pub(super) connections: Counter,
    pub(super) protocol_errors: Counter,
    pub(super) refused: Counter,
    pub(super) excesses: [Counter; Excess::ALL.len()],
}

impl Statistics {
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refused[refusal.index()].increment();
    }

    pub(super) fn fail_body(&self, fault: BodyFault) {
        self.body_faults[fault.index()].increment();
    }

    /// One more tunnel, open until what comes back is dropped.
    pub(super) fn open_tunnel(&self) -> Counted<'_> {
        self.tunnels.increment();
        Counted::among(&self.tunnels_open)
    }

    /// One more connection that speaks HTTP/2, open until what comes back is dropped.
    pub(super) fn open_http2(&self) -> Counted<'_> {
        Counted::among(&self.http2_open)
    }

    pub(super) fn fail_arrival(&self, fault: ArrivalFault) {
        self.arrival_faults[fault.index()].increment();
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
            idle: self.idle.value(),
            body_faults: BodyFault::ALL
                .iter()
                .map(|fault| (fault.as_str(), self.body_faults[fault.index()].value()))
                .collect(),
            tunnels: self.tunnels.value(),
            tunnels_open: u64::try_from(self.tunnels_open.value()).unwrap_or(0),
            tunnels_idle: self.tunnels_idle.value(),
            tls_handshakes: self.handshakes.value(),
            tls_resumptions: self.resumptions.value(),
            arrival_failures: ArrivalFault::ALL
                .iter()
                .map(|fault| (fault.as_str(), self.arrival_faults[fault.index()].value()))
                .collect(),
            http2_open: u64::try_from(self.http2_open.value()).unwrap_or(0),
            http2_connections: self.http2.connections.value(),
            http2_protocol_errors: self.http2.protocol_errors.value(),
            http2_refused: self.http2.refused.value(),
            http2_excesses: Excess::ALL
                .iter()
                .map(|excess| (excess.as_str(), self.http2.excesses[excess.index()].value()))
                .collect(),
        }
    }
}

/// Something that counts as open.
pub(super) struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn among(open: &'a Gauge) -> Self {
        open.add(1);
        Self(open)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
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
    /// Connections that were closed because no further request came.
    pub idle: u64,
    /// Request bodies that did not come to their end, by [`BodyFault`].
    pub body_faults: BTreeMap<&'static str, u64>,
    /// Connections that changed their protocol.
    pub tunnels: u64,
    /// Those of them that are open.
    pub tunnels_open: u64,
    /// Those of them that were closed because nothing moved for too long.
    pub tunnels_idle: u64,
    /// TLS handshakes that succeeded.
    pub tls_handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub tls_resumptions: u64,
    /// Connections that ended before their first request could be read, by what was wrong: TLS, or the PROXY protocol.
    pub arrival_failures: BTreeMap<&'static str, u64>,
    /// Connections that speak HTTP/2 and are open.
    pub http2_open: u64,
    /// Connections that spoke HTTP/2.
    pub http2_connections: u64,
    /// Those that were closed because the client broke the rules of HTTP/2.
    pub http2_protocol_errors: u64,
    /// Requests over HTTP/2 that were reset before anything of theirs was looked at: malformed, far too large a head, or
    /// more at once than `streams_max`.
    pub http2_refused: u64,
    /// Those that were closed because the client did too much of something, by the parameter that limits it.
    pub http2_excesses: BTreeMap<&'static str, u64>,
}
