//! The metrics of the tier of values in Redis.

use super::Of;
use peregrine_cache::RedisTierStatistics;
use peregrine_telemetry::Exposition;
use std::collections::BTreeMap;

/// Adds them.
pub(super) fn expose(is: &RedisTierStatistics, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    of.counter(
        "peregrine_redis_tier_hits_total",
        "Loads that a value in Redis answered.",
        is.hits,
    );
    let words = |counts: &BTreeMap<&'static str, u64>| counts.clone();
    of.counters(
        "peregrine_redis_tier_misses_total",
        "Loads for which Redis was asked in vain, by reason.",
        "reason",
        words(&is.misses_by_reason),
    );
    of.counters(
        "peregrine_redis_tier_writes_total",
        "Values that were to be written to Redis, by what became of them.",
        "outcome",
        words(&is.writes_by_outcome),
    );
    of.counters(
        "peregrine_redis_tier_leases_total",
        "How loads came by the lease of all nodes.",
        "outcome",
        words(&is.leases_by_outcome),
    );
    of.counter(
        "peregrine_redis_tier_read_bytes_total",
        "Bytes of values read from Redis.",
        is.bytes_read,
    );
    of.counter(
        "peregrine_redis_tier_written_bytes_total",
        "Bytes of values written to Redis, compressed as their strategies say.",
        is.bytes_written,
    );
    of.counter(
        "peregrine_redis_tier_written_plain_bytes_total",
        "Bytes that the bodies of these have without compression.",
        is.bytes_written_plain,
    );
    of.counter(
        "peregrine_redis_tier_restamped_total",
        "Values whose position was brought up to date where they lie.",
        is.restamped,
    );
    of.gauge(
        "peregrine_redis_tier_queued",
        "Values that wait to be written to Redis.",
        is.queued,
    );
    of.gauge("peregrine_redis_tier_queued_bytes", "Bytes of these.", is.queued_bytes);
}
