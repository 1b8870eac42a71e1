//! Redis and the other nodes.

use super::{Metric, counter, gauge, histogram};

/// The rows.
pub(super) const ROWS: &[Metric] = &[
    counter(
        "peregrine_redis_tier_hits_total",
        &[],
        "Loads that a value in Redis answered.",
    ),
    counter(
        "peregrine_redis_tier_misses_total",
        &["reason"],
        "Loads for which Redis was asked in vain, by reason.",
    ),
    counter(
        "peregrine_redis_tier_writes_total",
        &["outcome"],
        "Values that were to be written to Redis, by what became of them.",
    ),
    counter(
        "peregrine_redis_tier_leases_total",
        &["outcome"],
        "How loads came by the lease of all nodes.",
    ),
    counter(
        "peregrine_redis_tier_read_bytes_total",
        &[],
        "Bytes of values read from Redis.",
    ),
    counter(
        "peregrine_redis_tier_written_bytes_total",
        &[],
        "Bytes of values written to Redis, compressed as their strategies say.",
    ),
    counter(
        "peregrine_redis_tier_written_plain_bytes_total",
        &[],
        "Bytes that the bodies of these have without compression.",
    ),
    counter(
        "peregrine_redis_tier_restamped_total",
        &[],
        "Values whose position was brought up to date where they lie.",
    ),
    gauge(
        "peregrine_redis_tier_queued",
        &[],
        "Values that wait to be written to Redis.",
    ),
    gauge("peregrine_redis_tier_queued_bytes", &[], "Bytes of these."),
    histogram(
        "peregrine_backplane_sync_duration_seconds",
        &[],
        "Questions what was invalidated, from the question to its answer.",
    ),
    histogram(
        "peregrine_backplane_invalidate_duration_seconds",
        &[],
        "From telling Redis of an invalidation until it and its replicas have it.",
    ),
    gauge("peregrine_redis_up", &[], "1 while every primary is connected to."),
    counter("peregrine_redis_commands_total", &[], "Operations that were asked for."),
    counter("peregrine_redis_errors_total", &["kind"], "Operations that failed."),
    counter("peregrine_redis_reconnects_total", &[], "Connections that ended."),
    counter(
        "peregrine_redis_failovers_total",
        &[],
        "Primaries that another one replaced.",
    ),
    counter(
        "peregrine_redis_redirects_total",
        &[],
        "Requests that a node of a cluster sent elsewhere.",
    ),
    counter(
        "peregrine_redis_refreshes_total",
        &[],
        "Times that sentinels or nodes were asked who is who.",
    ),
    gauge(
        "peregrine_redis_in_flight",
        &[],
        "Requests that wait for their replies.",
    ),
    gauge(
        "peregrine_redis_latency_seconds",
        &[],
        "The recent time of a reply, of the slowest primary.",
    ),
    gauge(
        "peregrine_backplane_freshness_bound_seconds",
        &[],
        "For how long memory is believed without having asked Redis.",
    ),
    gauge(
        "peregrine_backplane_replicas",
        &[],
        "Replicas that must have an invalidation.",
    ),
    counter(
        "peregrine_backplane_invalidations_total",
        &[],
        "Invalidations that were to be told to other nodes.",
    ),
    counter(
        "peregrine_backplane_targets_total",
        &["result"],
        "Targets of invalidations by what became of them in Redis.",
    ),
    counter(
        "peregrine_backplane_unconfirmed_total",
        &[],
        "Times that Redis did not confirm all that it was told: another primary, or too few replicas.",
    ),
    counter(
        "peregrine_backplane_overflows_total",
        &[],
        "Targets that became their namespace because too many waited.",
    ),
    gauge(
        "peregrine_backplane_pending",
        &[],
        "Targets that Redis has not confirmed.",
    ),
    counter("peregrine_backplane_syncs_total", &[], "Questions that were answered."),
    counter(
        "peregrine_backplane_failures_total",
        &["reason"],
        "Exchanges of the backplane that failed.",
    ),
    counter(
        "peregrine_backplane_generation_changes_total",
        &[],
        "Times that Redis began another history: a restart, a failover, a flush.",
    ),
    gauge("peregrine_backplane_journal_bytes", &[], "Bytes of the journal."),
    gauge(
        "peregrine_backplane_journal_records",
        &[],
        "Targets in the journal that Redis has not confirmed.",
    ),
    counter(
        "peregrine_backplane_journal_rewrites_total",
        &[],
        "Times that the journal was written anew.",
    ),
    counter(
        "peregrine_backplane_journal_failures_total",
        &[],
        "Writes to the journal that failed.",
    ),
    gauge(
        "peregrine_backplane_shard_state",
        &["shard", "state"],
        "1 for the state of the way to a control shard.",
    ),
    gauge(
        "peregrine_backplane_cursor",
        &["shard"],
        "Up to where this node knows of invalidations.",
    ),
    gauge(
        "peregrine_backplane_verified_age_seconds",
        &["shard"],
        "How long ago everything that had happened was known.",
    ),
    gauge(
        "peregrine_backplane_node_behind",
        &["node"],
        "Invalidations that a node had not heard of when it asked last.",
    ),
    gauge(
        "peregrine_backplane_node_silent_seconds",
        &["node"],
        "How long ago a node asked.",
    ),
    gauge(
        "peregrine_backplane_node_lapsed",
        &["node"],
        "1 while a node is silent for longer than it believes its memory.",
    ),
];
