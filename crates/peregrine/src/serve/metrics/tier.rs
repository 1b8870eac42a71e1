//! The metrics of the tier of values in Redis.

use super::Of;
use peregrine_cache::RedisTierStatistics;
use peregrine_telemetry::Exposition;
use std::collections::BTreeMap;

/// Adds them.
pub(super) fn expose(is: &RedisTierStatistics, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    of.counter("peregrine_redis_tier_hits_total", is.hits);
    let words = |counts: &BTreeMap<&'static str, u64>| counts.clone();
    of.counters(
        "peregrine_redis_tier_misses_total",
        "reason",
        words(&is.misses_by_reason),
    );
    of.counters(
        "peregrine_redis_tier_writes_total",
        "outcome",
        words(&is.writes_by_outcome),
    );
    of.counters(
        "peregrine_redis_tier_leases_total",
        "outcome",
        words(&is.leases_by_outcome),
    );
    of.counter("peregrine_redis_tier_read_bytes_total", is.bytes_read);
    of.counter("peregrine_redis_tier_written_bytes_total", is.bytes_written);
    of.counter("peregrine_redis_tier_written_plain_bytes_total", is.bytes_written_plain);
    of.counter("peregrine_redis_tier_restamped_total", is.restamped);
    of.gauge("peregrine_redis_tier_queued", is.queued);
    of.gauge("peregrine_redis_tier_queued_bytes", is.queued_bytes);
}
