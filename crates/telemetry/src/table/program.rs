//! The program itself.

use super::{Metric, counter, gauge};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    gauge("peregrine_uptime_seconds", &[], "Seconds since the start."),
    counter(
        "peregrine_admin_calls_total",
        &["call"],
        "Calls of the admin API that were let in.",
    ),
    counter(
        "peregrine_admin_refused_total",
        &["reason"],
        "Requests to the admin API that were turned away.",
    ),
    gauge("peregrine_admin_sessions", &[], "Sessions of browsers that go on."),
    gauge(
        "peregrine_admin_event_streams",
        &[],
        "Who listens to the events of the admin API.",
    ),
    counter(
        "peregrine_admin_events_missed_total",
        &[],
        "Events that somebody who listens was too slow for.",
    ),
    counter(
        "peregrine_audit_records_total",
        &[],
        "Records of the audit log that were written.",
    ),
    counter(
        "peregrine_audit_lost_total",
        &[],
        "Records of the audit log that could not be written.",
    ),
    counter(
        "peregrine_access_log_lines_total",
        &["outcome"],
        "Lines of the access log: written, dropped because the buffer was full, or failed.",
    ),
    gauge(
        "peregrine_access_log_buffered_bytes",
        &[],
        "Bytes that wait to be written.",
    ),
    counter(
        "peregrine_tail_requests_total",
        &["outcome"],
        "Finished requests by whether the live tail kept them, left them out, or a watcher missed them.",
    ),
    gauge("peregrine_tail_watchers", &[], "Who watches requests live."),
    counter(
        "peregrine_access_log_sampled_out_total",
        &[],
        "Requests that the sampling of the access log left out.",
    ),
    counter(
        "peregrine_slow_requests_total",
        &[],
        "Requests whose answer took longer than log.slow to begin.",
    ),
    counter(
        "peregrine_otlp_spans_total",
        &["outcome"],
        "Spans that were queued for the collector, or dropped because too many waited.",
    ),
    gauge("peregrine_otlp_spans_waiting", &[], "Spans that wait to be sent."),
    counter(
        "peregrine_otlp_exports_total",
        &["signal", "outcome"],
        "Requests to the collector by what came of them.",
    ),
];
