//! Upstreams and their targets.

use super::{Metric, counter, gauge, histogram};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    counter(
        "peregrine_upstream_no_healthy_target_total",
        &["upstream"],
        "Requests that reached no target.",
    ),
    counter(
        "peregrine_upstream_retry_budget_exhausted_total",
        &["upstream"],
        "Requests that were not sent again because the retry budget was used up.",
    ),
    gauge(
        "peregrine_target_healthy",
        &["upstream", "target"],
        "1 while the target gets requests.",
    ),
    gauge(
        "peregrine_target_failing_checks",
        &["upstream", "target"],
        "1 while health checks keep the target out.",
    ),
    counter(
        "peregrine_target_health_checks_total",
        &["upstream", "target", "result"],
        "Health checks by result.",
    ),
    gauge(
        "peregrine_target_latency_seconds",
        &["upstream", "target"],
        "The recent time to the first byte as the balancer sees it (peak EWMA).",
    ),
    gauge(
        "peregrine_target_share",
        &["upstream", "target"],
        "In how many of the choices the target takes part; less than 1 while it starts slowly.",
    ),
    counter(
        "peregrine_target_not_reused_total",
        &["upstream", "target"],
        "Connections closed after an answer that left something in doubt.",
    ),
    counter(
        "peregrine_target_requests_total",
        &["upstream", "target"],
        "Attempts that were made.",
    ),
    counter(
        "peregrine_target_retries_total",
        &["upstream", "target"],
        "Attempts that were made again.",
    ),
    counter(
        "peregrine_target_connects_total",
        &["upstream", "target"],
        "Connections that were made.",
    ),
    counter(
        "peregrine_target_reuses_total",
        &["upstream", "target"],
        "Requests that found a connection ready.",
    ),
    counter(
        "peregrine_target_waits_total",
        &["upstream", "target"],
        "Requests that had to wait for a connection.",
    ),
    counter(
        "peregrine_target_ejections_total",
        &["upstream", "target"],
        "How often the target was left out.",
    ),
    counter(
        "peregrine_target_errors_total",
        &["upstream", "target", "kind"],
        "Failures by kind.",
    ),
    gauge(
        "peregrine_target_in_flight",
        &["upstream", "target"],
        "Requests under way.",
    ),
    gauge(
        "peregrine_target_idle_connections",
        &["upstream", "target"],
        "Connections without a request.",
    ),
    gauge(
        "peregrine_target_waiting",
        &["upstream", "target"],
        "Requests that wait for a connection.",
    ),
    histogram(
        "peregrine_target_first_byte_seconds",
        &["upstream", "target"],
        "The time to the first byte.",
    ),
];
