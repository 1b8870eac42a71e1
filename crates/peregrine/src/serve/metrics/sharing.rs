//! The metrics of what is shared over Redis: its client and the backplane.

use super::Of;
use crate::serve::sharing::Sharing;
use peregrine_cache::backplane::{BackplaneStatus, JournalStatus, NodeStatus, ShardState, ShardStatus};
use peregrine_store::{RedisStatus, State};
use peregrine_telemetry::Exposition;
use std::time::Duration;

/// Adds all of them.
pub(super) fn expose(sharing: &Sharing, out: &mut Exposition) {
    of_redis(&sharing.redis.status(), out);
    let status = sharing.backplane.status();
    of_backplane(&status, out);
    let (asking, telling) = sharing.backplane.durations();
    let mut of = Of { out, labels: &[] };
    of.histogram("peregrine_backplane_sync_duration_seconds", &asking);
    of.histogram("peregrine_backplane_invalidate_duration_seconds", &telling);
}

fn of_redis(is: &RedisStatus, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    let up = u64::from(matches!(is.state, State::Up));
    of.gauge("peregrine_redis_up", up);
    of.counter("peregrine_redis_commands_total", is.commands);
    let errors = is.errors.iter().map(|(kind, count)| (kind.as_str(), *count));
    of.counters("peregrine_redis_errors_total", "kind", errors);
    of.counter("peregrine_redis_reconnects_total", is.reconnects);
    of.counter("peregrine_redis_failovers_total", is.failovers);
    of.counter("peregrine_redis_redirects_total", is.redirects);
    of.counter("peregrine_redis_refreshes_total", is.refreshes);
    of.gauge("peregrine_redis_in_flight", is.in_flight);
    if let Some(latency_ms) = is.latency_ms {
        of.gauge("peregrine_redis_latency_seconds", latency_ms / 1000.0);
    }
}

fn of_backplane(is: &BackplaneStatus, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    of.gauge(
        "peregrine_backplane_freshness_bound_seconds",
        seconds(is.freshness_bound_ms),
    );
    of.gauge("peregrine_backplane_replicas", u64::from(is.replicas.unwrap_or(0)));
    of.counter("peregrine_backplane_invalidations_total", is.told);
    let targets = [
        ("confirmed", is.confirmed),
        ("put_off", is.put_off),
        ("adopted", is.adopted),
    ];
    of.counters("peregrine_backplane_targets_total", "result", targets);
    of.counter("peregrine_backplane_unconfirmed_total", is.unconfirmed);
    of.counter("peregrine_backplane_overflows_total", is.overflows);
    of.gauge("peregrine_backplane_pending", is.pending);
    of.counter("peregrine_backplane_syncs_total", is.syncs);
    let faults = is.faults.iter().map(|(reason, count)| (*reason, *count));
    of.counters("peregrine_backplane_failures_total", "reason", faults);
    of.counter("peregrine_backplane_generation_changes_total", is.generation_changes);
    if let Some(journal) = &is.journal {
        of_journal(journal, &mut of);
    }
    is.shards.iter().for_each(|shard| of_shard(shard, out));
    is.nodes.iter().for_each(|node| of_node(node, out));
}

fn of_journal(is: &JournalStatus, of: &mut Of<'_>) {
    of.gauge("peregrine_backplane_journal_bytes", is.bytes);
    of.gauge("peregrine_backplane_journal_records", is.records);
    of.counter("peregrine_backplane_journal_rewrites_total", is.rewrites);
    of.counter("peregrine_backplane_journal_failures_total", is.failures);
}

fn of_shard(is: &ShardStatus, out: &mut Exposition) {
    let number = is.shard.to_string();
    for state in ShardState::ALL {
        let labels = [("shard", number.as_str()), ("state", state.as_str())];
        let mut of = Of { out, labels: &labels };
        of.gauge("peregrine_backplane_shard_state", u64::from(is.state == state));
    }
    let labels = [("shard", number.as_str())];
    let mut of = Of { out, labels: &labels };
    of.gauge("peregrine_backplane_cursor", is.cursor);
    if let Some(millis) = is.verified_ms_ago {
        let seconds = Duration::from_millis(millis).as_secs_f64();
        of.gauge("peregrine_backplane_verified_age_seconds", seconds);
    }
}

fn of_node(is: &NodeStatus, out: &mut Exposition) {
    let labels = [("node", is.node.as_str())];
    let mut of = Of { out, labels: &labels };
    if let Some(behind) = is.behind {
        of.gauge("peregrine_backplane_node_behind", behind);
    }
    let seconds = Duration::from_millis(is.silent_ms).as_secs_f64();
    of.gauge("peregrine_backplane_node_silent_seconds", seconds);
    of.gauge("peregrine_backplane_node_lapsed", u64::from(is.lapsed));
}
