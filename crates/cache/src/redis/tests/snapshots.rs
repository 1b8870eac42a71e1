//! What comes back with a snapshot where nodes share a log: what nothing reached since is as good as before, and whatever the
//! log or this node knows reaches it.

use super::nodes::{Node, text};
use super::{count, counter};
use crate::config::Tier;
use crate::{Invalidation, Provenance, Restored, SnapshotLimits, StrategyConfig};
use peregrine_base::Span;
use peregrine_test_servers::RedisServer;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

const PROVENANCE: Provenance = Provenance {
    stored: 1,
    source: 1,
    boot: 1,
};

/// What it has in memory it has nowhere else, and serves stale for a while.
fn in_memory(strategy: &mut StrategyConfig) {
    strategy.tiers = Some(vec![Tier::Memory]);
    strategy.stale_while_revalidate = Span::new(Duration::from_secs(600));
}

async fn node(server: &RedisServer) -> Node {
    Node::with(&server.url(), Duration::ZERO, in_memory).await
}

fn written(node: &Node) -> Vec<u8> {
    let limits = SnapshotLimits {
        size_max: u64::MAX,
        time_max: Duration::from_secs(600),
    };
    let mut bytes = Vec::new();
    node.engine.write_snapshot(&mut bytes, &PROVENANCE, &limits).unwrap();
    bytes
}

/// Reads it as a program does that is just starting; `meanwhile` happens in between.
async fn read(node: &Node, bytes: &[u8], meanwhile: impl FnOnce(&Node)) -> Restored {
    let expecting = node.engine.expect_snapshot();
    meanwhile(node);
    let file = Cursor::new(bytes.to_vec());
    let reading = tokio::task::spawn_blocking(move || expecting.load(file, &PROVENANCE));
    reading.await.unwrap().unwrap()
}

fn of_path(path: &str, soft: bool) -> Invalidation {
    Invalidation {
        prefixes: vec![path.to_owned()],
        soft,
        ..Invalidation::default()
    }
}

/// Whether what is at `path` was there, and needed no load.
async fn is_held(node: &Node, path: &str, loads: &Arc<AtomicUsize>) -> bool {
    let before = count(loads);
    let hit = node.load(path, "later", loads).await;
    assert_eq!(text(&hit) == "later", count(loads) > before);
    count(loads) == before
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_reached_meanwhile_is_as_good_as_before() {
    let server = RedisServer::start(&[]);
    let (one, two, loads) = (node(&server).await, node(&server).await, counter());
    for path in ["/a", "/gone", "/soft"] {
        one.load(path, "before", &loads).await;
    }
    let bytes = written(&one);
    two.engine.invalidate(&of_path("/gone", false)).await;
    two.engine.invalidate(&of_path("/soft", true)).await;
    let again = node(&server).await;
    let restored = read(&again, &bytes, |_| {}).await;
    assert_eq!((restored.entries, restored.left_out), (2, 1));
    assert!(is_held(&again, "/a", &loads).await, "no record reaches it");
    assert!(
        !is_held(&again, "/gone", &loads).await,
        "it was invalidated while nobody was there"
    );
    let before = count(&loads);
    assert_eq!(
        text(&again.load("/soft", "later", &loads).await),
        "before",
        "it is stale"
    );
    again.until("it to be renewed", |_| count(&loads) == before + 1).await;

    // What came back goes on as any other entry.
    two.engine.invalidate(&of_path("/a", false)).await;
    again.learn().await;
    assert!(!is_held(&again, "/a", &loads).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_log_cannot_tell_it_is_doubtful() {
    let server = RedisServer::start(&[]);
    let (one, loads) = (node(&server).await, counter());
    one.load("/a", "before", &loads).await;
    let bytes = written(&one);
    // Another log, while it was away or before it knew.
    server.restart_empty();
    let again = node(&server).await;
    assert_eq!(read(&again, &bytes, |_| {}).await.entries, 1);
    assert!(!is_held(&again, "/a", &loads).await);

    let two = node(&server).await;
    two.load("/a", "before", &loads).await;
    let generation = || two.engine.member(0).standing().generation;
    let before = generation();
    server.restart_empty();
    for _ in 0..6000 {
        two.learn().await;
        if generation() != before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(generation(), before);
    let bytes = written(&two);
    let again = node(&server).await;
    assert_eq!(read(&again, &bytes, |_| {}).await.entries, 1);
    assert!(!is_held(&again, "/a", &loads).await, "it was loaded before the gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_node_heard_since_its_start_reaches_it_whoever_told_it() {
    let server = RedisServer::start(&[]);
    let (one, loads) = (node(&server).await, counter());
    for path in ["/a", "/told"] {
        one.load(path, "before", &loads).await;
    }
    let bytes = written(&one);
    let again = node(&server).await;
    // The program before tells its successor of what it has not told Redis yet.
    let told = |node: &Node| node.engine.invalidate_as_told(&of_path("/told", false), None);
    assert_eq!(read(&again, &bytes, told).await.entries, 1);
    assert!(is_held(&again, "/a", &loads).await);
    assert!(!is_held(&again, "/told", &loads).await);
}
