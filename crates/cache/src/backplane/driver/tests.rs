//! Nodes in one process over a Redis that does as the test says.

mod fake;

use super::{Backplane, BackplaneConfig, ShardState};
use crate::testing::{Bench, tagged};
use crate::{
    Ask, Engine, Invalidation, Key, Layer, Lookup, Namespace, NoVariants, NodeState, Parts, Receipt, SetOptions,
    Settings, Strategy,
};
use bytes::Bytes;
use fake::Fake;
use peregrine_base::{Clock, SeededRandom, SystemClock, TokioRuntime};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A node.
struct Node {
    engine: Arc<Engine>,
    backplane: Arc<Backplane>,
    namespace: Arc<Namespace>,
    strategy: Arc<Strategy>,
}

/// Long: only what is to lapse has a short one.
const BOUND: Duration = Duration::from_secs(60);

fn config(node: &str, journal: Option<&Path>) -> BackplaneConfig {
    BackplaneConfig {
        freshness_bound: BOUND,
        node: node.to_owned(),
        answer_max: Duration::from_secs(10),
        control_shards: 1,
        replicas_min: None,
        journal: journal.map(Path::to_owned),
        prefix: "pg".to_owned(),
    }
}

impl Node {
    fn start(fake: &Fake, name: &str, bound: Duration, journal: Option<&Path>) -> Self {
        let parts = || Parts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SeededRandom::new(name.bytes().map(u64::from).sum())),
        };
        let engine = Engine::new(parts(), Settings::default()).unwrap();
        let config = BackplaneConfig {
            freshness_bound: bound,
            ..config(name, journal)
        };
        let backplane = Backplane::start_over(&engine, Box::new(fake.clone()), config, parts()).unwrap();
        Self {
            namespace: engine.namespace("default").unwrap(),
            strategy: engine.strategy("default").unwrap(),
            engine,
            backplane,
        }
    }

    fn key(&self, path: &str) -> Key {
        Key::http(&self.namespace, "", "http", "h", path)
    }

    fn lookup(&self, path: &str) -> Lookup {
        self.engine
            .lookup(&self.key(path), &Ask::plain(SystemClock.now(), &self.strategy))
    }

    fn put(&self, path: &str, tag: &str) {
        let Lookup::Lead(lease) = self.lookup(path) else {
            panic!("{path} is there")
        };
        let stored = lease.store(tagged(&[tag]), &Bytes::from_static(b"body"), &NoVariants);
        assert!(stored.is_ok());
    }

    fn holds(&self, path: &str) -> bool {
        matches!(self.lookup(path), Lookup::Fresh { .. })
    }

    fn is(&self, state: ShardState) -> bool {
        self.backplane.status().shards.iter().all(|shard| shard.state == state)
    }

    async fn invalidate(&self, tag: &str) -> Receipt {
        self.engine
            .invalidate(&Invalidation::of_tags(vec![tag.to_owned()]))
            .await
    }
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {what}");
}

fn layer<'r>(receipt: &'r Receipt, name: &str) -> &'r Layer {
    receipt.layers.iter().find(|layer| layer.layer == name).unwrap()
}

fn states(receipt: &Receipt) -> Vec<(&str, NodeState)> {
    let nodes = &layer(receipt, "nodes").nodes;
    nodes.iter().map(|node| (node.node.as_str(), node.state)).collect()
}

#[tokio::test]
async fn an_invalidation_on_one_node_reaches_the_others_and_the_receipt_says_so() {
    let fake = Fake::new();
    let nodes = ["a", "b", "c"].map(|name| Node::start(&fake, name, BOUND, None));
    for node in &nodes {
        until("the first answer", || node.is(ShardState::InStep)).await;
        node.put("/page", "t");
        node.put("/other", "u");
    }
    let receipt = nodes[0].invalidate("t").await;
    assert!(receipt.is_confirmed() && !receipt.journaled, "{receipt:?}");
    let confirmed = NodeState::Confirmed;
    assert_eq!(states(&receipt), [("a", confirmed), ("b", confirmed), ("c", confirmed)]);
    let counts = |name| (layer(&receipt, name).confirmed, layer(&receipt, name).of);
    assert_eq!(
        (counts("memory"), counts("redis"), counts("nodes")),
        ((1, 1), (1, 1), (3, 3))
    );
    for node in &nodes {
        assert!(!node.holds("/page") && node.holds("/other"));
    }
    let status = nodes[0].backplane.status();
    assert_eq!((status.pending, status.confirmed, status.told), (0, 1, 1));
    nodes[2].backplane.leave().await;
    assert_eq!(fake.nodes(), ["a", "b"], "who leaves is not waited for");
    let receipt = nodes[0].invalidate("t").await;
    assert_eq!(states(&receipt), [("a", confirmed), ("b", confirmed)]);
}

#[tokio::test]
async fn a_redis_a_quarter_of_the_bound_away_is_near_enough() {
    let (fake, bench) = (Fake::new(), Bench::new());
    let round_trip = Duration::from_millis(250);
    fake.far(bench.time.parts().runtime, round_trip);
    let config = BackplaneConfig {
        freshness_bound: Duration::from_secs(1),
        ..config("a", None)
    };
    let backplane = Backplane::start_over(&bench.engine, Box::new(fake.clone()), config, bench.time.parts()).unwrap();
    let pass = async || {
        bench.time.advance(Duration::from_millis(10));
        // Everything is in this thread: whoever was woken has gone on when this is over.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..500 {
        pass().await;
    }
    assert_eq!(backplane.status().shards[0].state, ShardState::InStep);
    bench.put("/page", "body");
    for _ in 0..1500 {
        pass().await;
        assert!(
            bench.hit("/page").is_some(),
            "at {:?}: {:?}",
            bench.now(),
            backplane.status()
        );
    }
    assert!(backplane.status().syncs > 30, "{:?}", fake.targets());
}

#[tokio::test]
async fn what_is_set_stays_though_the_news_of_it_overtakes_its_confirmation() {
    // At once, almost too late, and too late: nobody knows then whether it was this node's.
    for (later, stays) in [(0, true), (240, true), (400, false)] {
        let (fake, bench) = (Fake::new(), Bench::new());
        fake.far(bench.time.parts().runtime, Duration::ZERO);
        fake.confirms_after(Duration::from_millis(later));
        let config = BackplaneConfig {
            freshness_bound: Duration::from_secs(1),
            ..config("a", None)
        };
        let backplane =
            Backplane::start_over(&bench.engine, Box::new(fake.clone()), config, bench.time.parts()).unwrap();
        let pass = async || {
            bench.time.advance(Duration::from_millis(10));
            // Everything is in this thread: whoever was woken has gone on when this is over.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        while backplane.status().shards[0].state != ShardState::InStep {
            pass().await;
        }
        let namespace = bench.engine.namespace("default").unwrap();
        let (value, options) = (Bytes::from_static(b"value"), SetOptions::default());
        assert!(bench.engine.set(&namespace, "name", value, &options));
        let syncs = backplane.status().syncs;
        for _ in 0..50 {
            pass().await;
        }
        assert_eq!((fake.seq(), backplane.status().pending), (1, 0), "{later} ms");
        assert!(backplane.status().syncs > syncs);
        assert_eq!(bench.engine.get(&namespace, "name").is_some(), stays, "{later} ms");
    }
}

#[tokio::test]
async fn a_node_that_hears_nothing_counts_once_its_bound_has_passed() {
    let fake = Fake::new();
    let (one, two) = (
        Node::start(&fake, "a", BOUND, None),
        Node::start(&fake, "b", Duration::from_millis(400), None),
    );
    for node in [&one, &two] {
        until("the first answer", || node.is(ShardState::InStep)).await;
    }
    fake.freeze("b");
    let receipt = one.invalidate("t").await;
    assert_eq!(
        states(&receipt),
        [("a", NodeState::Confirmed), ("b", NodeState::Lapsed)]
    );
    assert!(receipt.is_confirmed());
    let nodes = || one.backplane.status().nodes;
    until("the statistics to say so", || {
        nodes().iter().any(|node| node.node == "b" && node.lapsed)
    })
    .await;
}

#[tokio::test]
async fn a_node_that_redis_forgot_is_waited_for() {
    // With all else that was there, or its row alone.
    for forget in [Fake::restart_empty, Fake::forget_nodes] {
        let fake = Fake::new();
        let nodes = ["a", "b"].map(|name| Node::start(&fake, name, Duration::from_secs(1), None));
        for node in &nodes {
            until("the first answer", || node.is(ShardState::InStep)).await;
        }
        let met = || nodes[0].backplane.status().nodes;
        until("each to know the other", || met().len() == 2).await;
        fake.freeze("b");
        forget(&fake);
        let receipt = nodes[0].invalidate("t").await;
        assert_eq!(
            states(&receipt),
            [("a", NodeState::Confirmed), ("b", NodeState::Lapsed)]
        );
    }
}

#[tokio::test]
async fn without_redis_it_is_journaled_and_told_once_redis_is_back() {
    let (fake, folder) = (Fake::new(), tempfile::tempdir().unwrap());
    let one = Node::start(&fake, "a", BOUND, Some(folder.path()));
    let two = Node::start(&fake, "b", BOUND, None);
    for node in [&one, &two] {
        until("the first answer", || node.is(ShardState::InStep)).await;
        node.put("/page", "t");
    }
    until("the nodes to be known", || one.backplane.status().nodes.len() == 2).await;
    fake.away(true);
    let receipt = one.invalidate("t").await;
    assert!(receipt.journaled && !receipt.is_confirmed());
    assert_eq!(
        states(&receipt),
        [("a", NodeState::Confirmed), ("b", NodeState::Waiting)]
    );
    assert_eq!(layer(&receipt, "redis").confirmed, 0);
    assert!(!one.holds("/page") && two.holds("/page"));
    // What is asked for again while Redis is away waits in the same place.
    for _ in 0..20 {
        assert!(one.invalidate("t").await.journaled);
    }
    let journal = one.backplane.status().journal.unwrap();
    assert_eq!((journal.records, one.backplane.status().pending), (1, 1));
    // A program that ends now leaves it to the next.
    let left = Node::start(&fake, "c", BOUND, Some(folder.path()));
    assert!(left.invalidate("v").await.journaled);
    fake.away(false);
    until("the other node to hear", || !two.holds("/page")).await;
    until("everything to be confirmed", || one.backplane.status().pending == 0).await;
    until("the journal to be empty", || {
        one.backplane.status().journal.unwrap().records == 0
    })
    .await;
    assert!(one.invalidate("t").await.is_confirmed());
}

#[tokio::test]
async fn as_many_as_wait_without_redis_stand_in_the_journal() {
    let (fake, folder) = (Fake::new(), tempfile::tempdir().unwrap());
    let node = Node::start(&fake, "a", BOUND, Some(folder.path()));
    until("the first answer", || node.is(ShardState::InStep)).await;
    fake.away(true);
    let tags = |from: u32, count: u32| (from..from + count).map(|number| format!("t{number}")).collect();
    let told = node.engine.invalidate(&Invalidation::of_tags(tags(0, 2500))).await;
    let records = || node.backplane.status().journal.unwrap().records;
    assert_eq!((told.journaled, records()), (true, 2500));
    until("Redis to be known to be away", || node.is(ShardState::Away)).await;
    let told = node.engine.invalidate(&Invalidation::of_tags(tags(2500, 1500))).await;
    assert_eq!((told.journaled, records()), (true, 4000));
}

#[tokio::test]
async fn what_is_given_up_before_it_stands_in_the_journal_is_not_called_journaled() {
    let (fake, bench, folder) = (Fake::new(), Bench::new(), tempfile::tempdir().unwrap());
    let link = Box::new(fake.clone());
    let config = config("a", Some(folder.path()));
    let backplane = Backplane::start_over(&bench.engine, link, config, bench.time.parts()).unwrap();
    let pass = async |time| {
        bench.time.advance(time);
        // Everything is in this thread: whoever was woken has gone on when this is over.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    pass(Duration::ZERO).await;
    assert_eq!(backplane.status().shards[0].state, ShardState::InStep);
    // From now on it answers long after everybody has given up.
    fake.far(bench.time.parts().runtime, BOUND * 10);
    let mut asking = Vec::new();
    for tag in ["on the way", "behind it"] {
        let (engine, request) = (Arc::clone(&bench.engine), Invalidation::of_tags(vec![tag.to_owned()]));
        asking.push(tokio::spawn(async move { engine.invalidate(&request).await }));
        pass(Duration::ZERO).await;
    }
    pass(BOUND).await;
    let mut journaled = Vec::new();
    for asked in asking {
        journaled.push(asked.await.unwrap().journaled);
    }
    assert_eq!(journaled, [true, false]);
    assert_eq!(backplane.status().journal.unwrap().records, 1);
}

#[tokio::test]
async fn what_a_killed_program_left_is_told_by_the_next() {
    let (fake, folder) = (Fake::new(), tempfile::tempdir().unwrap());
    {
        // As after kill -9: nobody closes the journal, and nobody holds it.
        let name = "0000000000000000";
        let mut journal = super::Journal::create(folder.path(), name).unwrap();
        let target = format!("ht:{}", "5".repeat(32)).into_bytes().into();
        journal.add(&[super::Record { shard: 7, target }]).unwrap();
    }
    let node = Node::start(&fake, "a", BOUND, Some(folder.path()));
    until("it to be told", || fake.targets() == [format!("ht:{}", "5".repeat(32))]).await;
    until("the journal to be empty", || {
        node.backplane.status().journal.unwrap().records == 0
    })
    .await;
    assert_eq!(node.backplane.status().adopted, 1);
    node.backplane.leave().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn without_its_replicas_a_primary_is_not_believed() {
    let fake = Fake::new();
    fake.replicas(2, 2);
    let node = Node::start(&fake, "a", Duration::from_millis(200), None);
    until("the first answer", || node.is(ShardState::InStep)).await;
    assert_eq!(node.backplane.status().replicas, Some(2));
    assert!(node.invalidate("t").await.is_confirmed());
    fake.replicas(2, 1);
    until("it to be doubted", || node.is(ShardState::Away)).await;
    let receipt = node.invalidate("t").await;
    assert!(
        !receipt.is_confirmed() && !receipt.journaled,
        "there is no journal: {receipt:?}"
    );
    fake.replicas(2, 2);
    until("it to be believed", || node.is(ShardState::InStep)).await;
    until("it to be told", || node.backplane.status().pending == 0).await;
    fake.restart_empty();
    until("the other history", || node.backplane.status().generation_changes == 1).await;
}

#[tokio::test]
async fn many_invalidations_at_once_are_told_together() {
    let fake = Fake::new();
    let node = Node::start(&fake, "a", BOUND, None);
    until("the first answer", || node.is(ShardState::InStep)).await;
    let tags: Vec<String> = (0..2500).map(|number| format!("t{number}")).collect();
    assert!(
        node.engine
            .invalidate(&Invalidation::of_tags(tags))
            .await
            .is_confirmed()
    );
    assert_eq!(fake.told(), [1000, 1000, 500]);
    let status = node.backplane.status();
    assert_eq!((status.shards[0].pending, status.confirmed), (0, 2500));
    until("its own news", || node.backplane.status().shards[0].cursor == 2500).await;
}

#[tokio::test]
async fn what_is_set_by_name_stays_when_its_invalidation_is_confirmed() {
    let fake = Fake::new();
    let nodes = ["a", "b"].map(|name| Node::start(&fake, name, BOUND, None));
    for node in &nodes {
        until("the first answer", || node.is(ShardState::InStep)).await;
    }
    let set = |node: &Node, value: &'static [u8]| {
        let value = Bytes::from_static(value);
        node.engine.set(&node.namespace, "name", value, &SetOptions::default())
    };
    let get = |node: &Node| node.engine.get(&node.namespace, "name").is_some();
    let settled = || {
        nodes.iter().all(|node| {
            let status = node.backplane.status();
            status.pending == 0 && status.shards[0].cursor == fake.seq()
        })
    };
    assert!(set(&nodes[0], b"one"));
    assert!(get(&nodes[0]));
    until("the confirmation", settled).await;
    assert!(get(&nodes[0]), "its own news does not take it out");
    assert!(set(&nodes[1], b"two"));
    until("the other to hear", settled).await;
    assert!(get(&nodes[1]));
    assert!(!get(&nodes[0]), "it was written over elsewhere");
    nodes[1].engine.delete(&nodes[1].namespace, "name");
    until("the other to hear", settled).await;
    assert!(!get(&nodes[1]));
}

#[tokio::test]
async fn a_deletion_that_is_told_with_what_was_set_before_reaches_what_is_loaded_until_then() {
    let fake = Fake::new();
    let node = Node::start(&fake, "a", BOUND, None);
    until("the first answer", || node.is(ShardState::InStep)).await;
    let value = Bytes::from_static(b"set");
    assert!(node.engine.set(&node.namespace, "name", value, &SetOptions::default()));
    assert!(node.engine.delete(&node.namespace, "name"));
    let key = Key::named(&node.namespace, "", "name");
    let ask = Ask::plain(SystemClock.now(), &node.strategy);
    let Lookup::Lead(lease) = node.engine.lookup(&key, &ask) else {
        panic!("it was deleted")
    };
    let stored = lease.store(tagged(&[]), &Bytes::from_static(b"loaded"), &NoVariants);
    assert!(stored.is_ok());
    until("Redis to hear of it", || node.backplane.status().pending == 0).await;
    assert!(node.engine.get(&node.namespace, "name").is_none());
}
