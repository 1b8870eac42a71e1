//! The clients' side.

use super::{Metric, counter, gauge};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    gauge("peregrine_connections_open", &[], "Connections of clients."),
    gauge("peregrine_connections_max", &[], "The most connections of clients."),
    counter("peregrine_connections_total", &[], "Connections that were taken."),
    counter(
        "peregrine_accept_failures_total",
        &[],
        "Times that no connection could be taken.",
    ),
    counter(
        "peregrine_stalled_connections_total",
        &[],
        "Connections closed because the client stalled.",
    ),
    counter("peregrine_cut_responses_total", &[], "Answers that broke off."),
    counter(
        "peregrine_idle_connections_total",
        &[],
        "Connections closed because no further request came.",
    ),
    counter(
        "peregrine_tunnels_total",
        &[],
        "Connections that changed their protocol.",
    ),
    gauge(
        "peregrine_tunnels_open",
        &[],
        "Connections that changed their protocol and are open.",
    ),
    counter(
        "peregrine_idle_tunnels_total",
        &[],
        "Tunnels closed because nothing moved for too long.",
    ),
    counter(
        "peregrine_request_body_failures_total",
        &["reason"],
        "Request bodies that did not come to their end.",
    ),
    counter(
        "peregrine_refused_requests_total",
        &["reason"],
        "Requests that were refused before anything was asked.",
    ),
    counter(
        "peregrine_arrival_failures_total",
        &["reason"],
        "Connections that ended before their first request: TLS or the PROXY protocol.",
    ),
    counter("peregrine_tls_handshakes_total", &[], "TLS handshakes that succeeded."),
    counter(
        "peregrine_tls_resumptions_total",
        &[],
        "TLS handshakes that resumed an earlier session.",
    ),
    gauge(
        "peregrine_http2_connections_open",
        &[],
        "Connections that speak HTTP/2 and are open.",
    ),
    counter(
        "peregrine_http2_connections_total",
        &[],
        "Connections that spoke HTTP/2.",
    ),
    counter(
        "peregrine_http2_protocol_errors_total",
        &[],
        "Connections closed because the client broke the rules of HTTP/2.",
    ),
    counter(
        "peregrine_http2_refused_requests_total",
        &[],
        "Requests over HTTP/2 reset unread: malformed, far too large a head, or more at once than streams_max.",
    ),
    counter(
        "peregrine_http2_excesses_total",
        &["limit"],
        "Connections of HTTP/2 closed because the client did too much of something.",
    ),
    counter(
        "peregrine_tls_reloads_total",
        &["listener"],
        "Times that changed certificates were taken into use.",
    ),
    counter(
        "peregrine_tls_reload_failures_total",
        &["listener"],
        "Times that changed certificates could not be used.",
    ),
    gauge(
        "peregrine_tls_certificate_not_after_seconds",
        &["listener", "file", "name"],
        "When a certificate ends, in seconds since 1970.",
    ),
];
