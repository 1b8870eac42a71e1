//! A hundred nodes over one redis-server: what they cost it when nothing happens, and while a thousand invalidations come in a
//! second.

use super::node::{Keeping, Node};
use super::{Effort, beside, count, float, millis, own_processor_time, quantile, server};
use crate::report::{Budget, Cell, Section, Table};
use peregrine_base::{ByteSize, Clock, SystemClock};
use peregrine_cache::Invalidation;
use peregrine_test_servers::RedisServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Nodes that share.
const NODES: usize = 100;
/// Invalidations, spread over all nodes.
const PER_S: usize = 1000;
/// How often some of them are begun.
const TICK: Duration = Duration::from_millis(10);
/// Receipts that are waited for at the same time; beyond that the machine is too slow for the rate, and it is said how many
/// were left out.
const OPEN_MAX: usize = 4 * PER_S;
/// What the nodes may cost one core of Redis when nothing happens: the page on clusters says about 1%.
const AT_REST_MAX: f64 = 3.0;

/// What was seen for some time.
struct Seen {
    redis_share: f64,
    own_share: f64,
    scripts_per_s: f64,
    receipts_per_s: f64,
    receipts: Vec<f64>,
    left_out: usize,
}

/// Adds the table and its budget.
pub(super) fn measure(section: &mut Section, effort: &Effort) -> Result<(), String> {
    let server = server();
    let (mut resting, mut busy) = beside(async {
        let mut nodes = Vec::new();
        for number in 0..NODES {
            nodes.push(
                Node::start(
                    &server,
                    &format!("node-{number}"),
                    Keeping::in_memory(ByteSize::mib(16)),
                )
                .await?,
            );
        }
        let nodes = Arc::new(nodes);
        let resting = watch(&server, effort.watched, &nodes, 0).await;
        let busy = watch(&server, effort.watched, &nodes, PER_S).await;
        Ok::<_, String>((resting, busy))
    })??;
    let columns = [
        "100 nodes",
        "Redis, share of a core",
        "all nodes, share of a core",
        "scripts/s",
        "receipts/s",
        "receipt, p50 ms",
        "p99",
    ];
    let mut table = Table::new("A hundred nodes, bound 1 s", &columns);
    for (name, seen) in [
        ("at rest", &mut resting),
        ("1,000 invalidations/s through all of them", &mut busy),
    ] {
        let cell = |ms: Option<f64>| ms.map_or(Cell::Missing, |ms| Cell::Number(ms, 1));
        let cells = vec![
            Cell::Share(seen.redis_share),
            Cell::Share(seen.own_share),
            Cell::Number(seen.scripts_per_s, 0),
            Cell::Number(seen.receipts_per_s, 0),
            cell(quantile(&mut seen.receipts, 0.5)),
            cell(quantile(&mut seen.receipts, 0.99)),
        ];
        table.row(name, cells);
    }
    section.tables.push(table);
    section.budgets.push(Budget::at_most(
        "100 nodes at rest",
        AT_REST_MAX,
        "% of a core of Redis",
        Some(resting.redis_share * 100.0),
    ));
    if busy.left_out > 0 {
        section.notes.push(format!(
            "many nodes: {} of the invalidations were not begun, because {OPEN_MAX} receipts were open: a hundred nodes on \
             one core are slower than a hundred nodes.",
            busy.left_out
        ));
    }
    Ok(())
}

fn processor_s(server: &RedisServer) -> f64 {
    ["used_cpu_user", "used_cpu_sys"]
        .iter()
        .filter_map(|field| server.info(field).parse::<f64>().ok())
        .sum()
}

fn scripts(server: &RedisServer) -> u64 {
    server.calls("evalsha") + server.calls("eval")
}

async fn watch(server: &RedisServer, long: Duration, nodes: &Arc<Vec<Node>>, per_s: usize) -> Seen {
    let before = (processor_s(server), own_processor_time(), scripts(server));
    let (start, mut done, mut left_out, mut begun) = (SystemClock.now(), JoinSet::new(), 0, 0);
    let mut receipts = Vec::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let passed = SystemClock.now().since(start);
        if passed >= long {
            break;
        }
        while count(begun) < passed.as_secs_f64() * count(per_s) {
            begun += 1;
            if done.len() >= OPEN_MAX {
                left_out += 1;
                continue;
            }
            let (nodes, number) = (Arc::clone(nodes), begun);
            done.spawn(async move {
                let request = Invalidation::of_tags(vec![format!("tag-{}", number % 5000)]);
                let began = SystemClock.now();
                nodes[number % NODES].engine.invalidate(&request).await;
                millis(SystemClock.now().since(began))
            });
        }
        while let Some(Ok(took)) = done.try_join_next() {
            receipts.push(took);
        }
    }
    let seconds = SystemClock.now().since(start).as_secs_f64();
    let in_time = receipts.len();
    let seen = Seen {
        redis_share: (processor_s(server) - before.0) / seconds,
        own_share: own_processor_time().saturating_sub(before.1).as_secs_f64() / seconds,
        scripts_per_s: float(scripts(server) - before.2) / seconds,
        receipts_per_s: count(in_time) / seconds,
        receipts: Vec::new(),
        left_out,
    };
    while let Some(Ok(took)) = done.join_next().await {
        receipts.push(took);
    }
    Seen { receipts, ..seen }
}
