//! What an invalidation takes until Redis has it and until three nodes have heard of it; and that it does not matter how many
//! entries it reaches.

use super::node::{Keeping, Node};
use super::{Effort, beside, millis, quantile, server, timed};
use crate::render::number;
use crate::report::{Budget, Cell, Section, Table};
use bytes::Bytes;
use peregrine_base::{ByteSize, Clock, SystemClock};
use peregrine_cache::{Ask, Invalidation, Lookup, Meta, NoVariants};
use peregrine_test_servers::RedisServer;
use std::time::Duration;

/// Nodes that share.
const NODES: usize = 3;
/// Values that Redis is filled with in one call.
const CHUNK: u32 = 50_000;
/// Redis's own values beside those of nodes: nothing looks at them, they are only many.
const FILL: &str = "for at = ARGV[1], ARGV[2] do \
     redis.call('SET', 'pg:v:' .. string.format('%032x', at), ARGV[3], 'PX', 3600000) end";
/// Enough for a million small entries.
const MEMORY: ByteSize = ByteSize::mib(1024);
/// Budgets of the issue.
const RECEIPT_P99_MS_MAX: f64 = 50.0;
const MANY_ENTRIES_MS_MAX: f64 = 5.0;

/// Adds the table and its budgets.
pub(super) fn measure(section: &mut Section, effort: &Effort) -> Result<(), String> {
    let columns = ["what", "Redis has it, p50 ms", "p99", "receipt, p50 ms", "p99"];
    let mut table = Table::new("Invalidations, one after the other", &columns);
    let three = {
        let server = server();
        beside(of_three(&server, effort))??
    };
    let server = server();
    let few = beside(alone(&server, effort, 0))??;
    let many = beside(alone(&server, effort, effort.entries))??;
    let entries = number(f64::from(effort.entries), 0);
    for (name, took) in [
        ("3 nodes".to_owned(), &three),
        ("1 node, a tag that nothing has".to_owned(), &few),
        (
            format!("1 node, a tag of {entries} entries in memory, as many values in Redis"),
            &many,
        ),
    ] {
        table.row(
            name,
            took.map(|ms| ms.map_or(Cell::Missing, |ms| Cell::Number(ms, 2)))
                .to_vec(),
        );
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "receipt of three nodes, p99",
        RECEIPT_P99_MS_MAX,
        "ms",
        three[3],
    ));
    section.budgets.push(Budget::at_most(
        "until Redis has an invalidation of that many entries, p50",
        MANY_ENTRIES_MS_MAX,
        "ms",
        many[0],
    ));
    Ok(())
}

/// What it took until Redis had it, p50 and p99, and until the receipt, all in milliseconds.
type Took = [Option<f64>; 4];

fn took(node: &Node, receipts: &mut [f64]) -> Took {
    let (_, telling) = node.backplane.durations();
    [
        Some(millis(telling.quantile(0.5))),
        Some(millis(telling.quantile(0.99))),
        quantile(receipts, 0.5),
        quantile(receipts, 0.99),
    ]
}

async fn of_three(server: &RedisServer, effort: &Effort) -> Result<Took, String> {
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Node::start(server, &format!("node-{number}"), Keeping::IN_REDIS).await?);
    }
    let mut receipts = Vec::new();
    for number in 0..effort.invalidations {
        let request = Invalidation::of_tags(vec![format!("tag-{number}")]);
        let (took, receipt) = timed(nodes[0].engine.invalidate(&request)).await;
        let layer = receipt.layers.iter().find(|layer| layer.layer == "nodes");
        if !receipt.is_confirmed() || layer.is_none_or(|layer| layer.of != NODES as u64) {
            return Err(format!("a receipt of not all nodes: {receipt:?}"));
        }
        receipts.push(millis(took));
        // As people do it: not at the moment at which everybody is awake from the last.
        tokio::time::sleep(Duration::from_millis(10 + number as u64 % 17)).await;
    }
    Ok(took(&nodes[0], &mut receipts))
}

/// One node, with `entries` that have the tag.
async fn alone(server: &RedisServer, effort: &Effort, entries: u32) -> Result<Took, String> {
    let mut receipts = Vec::new();
    for from in (0..entries).step_by(CHUNK as usize) {
        let (from, to) = (
            from.to_string(),
            (from + CHUNK).min(entries).saturating_sub(1).to_string(),
        );
        server.ask(&["EVAL", FILL, "0", &from, &to, &"x".repeat(100)]);
    }
    let node = Node::start(server, "alone", Keeping::in_memory(MEMORY)).await?;
    // What it reaches is counted by looking at all of it, which may take no longer than its own limit: the first alone has that.
    let rounds = if entries == 0 {
        effort.invalidations
    } else {
        1 + effort.invalidations / 10
    };
    for round in 0..rounds {
        if round == 0 {
            fill(&node, entries).await?;
        }
        let (took, receipt) = timed(
            node.engine
                .invalidate(&Invalidation::of_tags(vec!["everybody".to_owned()])),
        )
        .await;
        if !receipt.is_confirmed() {
            return Err(format!("not confirmed: {receipt:?}"));
        }
        receipts.push(millis(took));
    }
    Ok(took(&node, &mut receipts))
}

async fn fill(node: &Node, entries: u32) -> Result<(), String> {
    let body = Bytes::from_static(&[b'x'; 50]);
    for number in 0..entries {
        if number % 500 == 0 {
            // Nobody is kept from asking Redis in time.
            tokio::task::yield_now().await;
        }
        let key = node.key(&format!("item-{number}"));
        let ask = Ask::plain(SystemClock.now(), &node.strategy);
        if let Lookup::Lead(lease) = node.engine.lookup(&key, &ask) {
            let meta = Meta {
                tags: vec!["everybody".to_owned()],
                fresh_for: Duration::from_secs(3600),
                ..Meta::default()
            };
            let _ = lease.store(meta, &body, &NoVariants);
        }
    }
    let held = node.engine.statistics().total.entries;
    if held < u64::from(entries) {
        return Err(format!("of {entries} entries {held} are held"));
    }
    Ok(())
}
