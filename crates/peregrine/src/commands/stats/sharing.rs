//! The part of `peregrine stats` about Redis and the nodes that share it.

use crate::print;
use peregrine_lab::report::units;
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

/// How the node takes part.
#[derive(Debug, Deserialize)]
pub(super) struct Backplane {
    node: String,
    freshness_bound_ms: u64,
    generation_changes: u64,
    pending: u64,
    put_off: u64,
    confirmed: u64,
    journal: Option<Journal>,
    shards: Vec<Shard>,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Journal {
    bytes: u64,
    records: u64,
    failures: u64,
}

#[derive(Debug, Deserialize)]
struct Shard {
    shard: u32,
    state: String,
    since_ms: u64,
    cursor: u64,
}

#[derive(Debug, Deserialize)]
struct Node {
    node: String,
    own: bool,
    behind: Option<u64>,
    silent_ms: u64,
    bound_ms: u64,
    lapsed: bool,
}

/// The client of Redis.
#[derive(Debug, Deserialize)]
pub(super) struct Redis {
    mode: String,
    state: String,
    primary: Option<String>,
    failovers: u64,
    reconnects: u64,
    latency_ms: Option<f64>,
    fault: Option<String>,
}

/// Adds it to `text`.
pub(super) fn describe(backplane: &Backplane, redis: Option<&Redis>, text: &mut String) {
    text.push('\n');
    if let Some(redis) = redis {
        let at = redis.primary.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let latency = redis
            .latency_ms
            .map(|millis| format!(", {millis:.2} ms"))
            .unwrap_or_default();
        let fault = redis
            .fault
            .as_ref()
            .map(|fault| format!(": {fault}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "redis: {} ({}{at}{latency}), {} reconnects, {} failovers{fault}",
            redis.state,
            redis.mode,
            units::count(redis.reconnects),
            units::count(redis.failovers),
        );
    }
    for shard in &backplane.shards {
        let _ = writeln!(
            text,
            "shard {}: {} for {}, {} invalidations so far",
            shard.shard,
            shard.state.replace('_', " "),
            time(shard.since_ms),
            units::count(shard.cursor),
        );
    }
    let _ = writeln!(
        text,
        "told: {} targets confirmed, {} pending, {} put off while Redis was away; {} changes of its history",
        units::count(backplane.confirmed),
        units::count(backplane.pending),
        units::count(backplane.put_off),
        units::count(backplane.generation_changes),
    );
    if let Some(journal) = &backplane.journal {
        let _ = writeln!(
            text,
            "journal: {} targets in {}, {} failures",
            units::count(journal.records),
            units::bytes(journal.bytes),
            units::count(journal.failures),
        );
    }
    let mut table = print::table(["node", "state", "behind", "asked", "bound"]);
    for node in &backplane.nodes {
        let name = if node.own {
            format!("{} (this one)", node.node)
        } else {
            node.node.clone()
        };
        table.add_row([
            name,
            if node.lapsed { "lapsed" } else { "live" }.to_owned(),
            node.behind.map_or_else(|| "another history".to_owned(), units::count),
            format!("{} ago", time(node.silent_ms)),
            time(node.bound_ms),
        ]);
    }
    if backplane.nodes.is_empty() {
        let bound = time(backplane.freshness_bound_ms);
        let _ = writeln!(
            text,
            "nodes: none has been seen yet but {}, bound {bound}",
            backplane.node
        );
    } else {
        text.push('\n');
        text.push_str(&table.trim_fmt());
        text.push('\n');
    }
}

fn time(millis: u64) -> String {
    print::time(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_are_shown_with_how_far_each_is_behind() {
        let node = |name: &str, own: bool, behind: Option<u64>, lapsed: bool| json!({ "node": name, "own": own, "behind": behind, "silent_ms": 120, "bound_ms": 1000, "lapsed": lapsed });
        let backplane = json!({
            "node": "a-1", "freshness_bound_ms": 1000, "generation_changes": 1, "pending": 2, "put_off": 3, "confirmed": 1234,
            "journal": { "bytes": 4096, "records": 2, "failures": 0 },
            "shards": [{ "shard": 0, "state": "in_step", "since_ms": 61_000, "cursor": 1236 }],
            "nodes": [node("a-1", true, Some(0), false), node("b-2", false, None, true)],
        });
        let redis = json!({
            "mode": "standalone", "state": "down", "primary": "127.0.0.1:6379", "failovers": 0, "reconnects": 1,
            "latency_ms": 0.25, "fault": "connection refused",
        });
        let mut text = String::new();
        let redis = Redis::deserialize(redis).unwrap();
        describe(&Backplane::deserialize(backplane).unwrap(), Some(&redis), &mut text);
        for expected in [
            "redis: down (standalone at 127.0.0.1:6379, 0.25 ms), 1 reconnects, 0 failovers: connection refused",
            "shard 0: in step for 1m1s, 1,236 invalidations so far",
            "told: 1,234 targets confirmed, 2 pending, 3 put off",
            "journal: 2 targets in 4 KiB",
            "a-1 (this one)",
            "another history",
            "lapsed",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }
}
