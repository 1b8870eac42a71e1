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
    let help = "Questions what was invalidated, from the question to its answer.";
    of.histogram("peregrine_backplane_sync_duration_seconds", help, &asking);
    let help = "From telling Redis of an invalidation until it and its replicas have it.";
    of.histogram("peregrine_backplane_invalidate_duration_seconds", help, &telling);
}

fn of_redis(is: &RedisStatus, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    let up = u64::from(matches!(is.state, State::Up));
    of.gauge("peregrine_redis_up", "1 while every primary is connected to.", up);
    of.counter(
        "peregrine_redis_commands_total",
        "Operations that were asked for.",
        is.commands,
    );
    let errors = is.errors.iter().map(|(kind, count)| (kind.as_str(), *count));
    of.counters(
        "peregrine_redis_errors_total",
        "Operations that failed.",
        "kind",
        errors,
    );
    of.counter(
        "peregrine_redis_reconnects_total",
        "Connections that ended.",
        is.reconnects,
    );
    let help = "Primaries that another one replaced.";
    of.counter("peregrine_redis_failovers_total", help, is.failovers);
    let help = "Requests that a node of a cluster sent elsewhere.";
    of.counter("peregrine_redis_redirects_total", help, is.redirects);
    let help = "Times that sentinels or nodes were asked who is who.";
    of.counter("peregrine_redis_refreshes_total", help, is.refreshes);
    of.gauge(
        "peregrine_redis_in_flight",
        "Requests that wait for their replies.",
        is.in_flight,
    );
    if let Some(latency_ms) = is.latency_ms {
        let help = "The recent time of a reply, of the slowest primary.";
        of.gauge("peregrine_redis_latency_seconds", help, latency_ms / 1000.0);
    }
}

fn of_backplane(is: &BackplaneStatus, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    let help = "For how long memory is believed without having asked Redis.";
    of.gauge(
        "peregrine_backplane_freshness_bound_seconds",
        help,
        seconds(is.freshness_bound_ms),
    );
    let help = "Replicas that must have an invalidation.";
    of.gauge(
        "peregrine_backplane_replicas",
        help,
        u64::from(is.replicas.unwrap_or(0)),
    );
    let help = "Invalidations that were to be told to other nodes.";
    of.counter("peregrine_backplane_invalidations_total", help, is.told);
    let help = "Targets of invalidations by what became of them in Redis.";
    let targets = [
        ("confirmed", is.confirmed),
        ("put_off", is.put_off),
        ("adopted", is.adopted),
    ];
    of.counters("peregrine_backplane_targets_total", help, "result", targets);
    let help = "Times that Redis did not confirm all that it was told: another primary, or too few replicas.";
    of.counter("peregrine_backplane_unconfirmed_total", help, is.unconfirmed);
    let help = "Targets that became their namespace because too many waited.";
    of.counter("peregrine_backplane_overflows_total", help, is.overflows);
    of.gauge(
        "peregrine_backplane_pending",
        "Targets that Redis has not confirmed.",
        is.pending,
    );
    of.counter(
        "peregrine_backplane_syncs_total",
        "Questions that were answered.",
        is.syncs,
    );
    let faults = is.faults.iter().map(|(reason, count)| (*reason, *count));
    let help = "Exchanges of the backplane that failed.";
    of.counters("peregrine_backplane_failures_total", help, "reason", faults);
    let help = "Times that Redis began another history: a restart, a failover, a flush.";
    of.counter(
        "peregrine_backplane_generation_changes_total",
        help,
        is.generation_changes,
    );
    if let Some(journal) = &is.journal {
        of_journal(journal, &mut of);
    }
    is.shards.iter().for_each(|shard| of_shard(shard, out));
    is.nodes.iter().for_each(|node| of_node(node, out));
}

fn of_journal(is: &JournalStatus, of: &mut Of<'_>) {
    of.gauge("peregrine_backplane_journal_bytes", "Bytes of the journal.", is.bytes);
    let help = "Targets in the journal that Redis has not confirmed.";
    of.gauge("peregrine_backplane_journal_records", help, is.records);
    let help = "Times that the journal was written anew.";
    of.counter("peregrine_backplane_journal_rewrites_total", help, is.rewrites);
    let help = "Writes to the journal that failed.";
    of.counter("peregrine_backplane_journal_failures_total", help, is.failures);
}

fn of_shard(is: &ShardStatus, out: &mut Exposition) {
    let number = is.shard.to_string();
    for state in ShardState::ALL {
        let labels = [("shard", number.as_str()), ("state", state.as_str())];
        let help = "1 for the state of the way to a control shard.";
        let mut of = Of { out, labels: &labels };
        of.gauge("peregrine_backplane_shard_state", help, u64::from(is.state == state));
    }
    let labels = [("shard", number.as_str())];
    let mut of = Of { out, labels: &labels };
    let help = "Up to where this node knows of invalidations.";
    of.gauge("peregrine_backplane_cursor", help, is.cursor);
    if let Some(millis) = is.verified_ms_ago {
        let help = "How long ago everything that had happened was known.";
        let seconds = Duration::from_millis(millis).as_secs_f64();
        of.gauge("peregrine_backplane_verified_age_seconds", help, seconds);
    }
}

fn of_node(is: &NodeStatus, out: &mut Exposition) {
    let labels = [("node", is.node.as_str())];
    let mut of = Of { out, labels: &labels };
    if let Some(behind) = is.behind {
        let help = "Invalidations that a node had not heard of when it asked last.";
        of.gauge("peregrine_backplane_node_behind", help, behind);
    }
    let help = "How long ago a node asked.";
    let seconds = Duration::from_millis(is.silent_ms).as_secs_f64();
    of.gauge("peregrine_backplane_node_silent_seconds", help, seconds);
    let help = "1 while a node is silent for longer than it believes its memory.";
    of.gauge("peregrine_backplane_node_lapsed", help, u64::from(is.lapsed));
}
