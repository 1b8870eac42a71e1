//! Several Peregrines and one Redis: what one of them loaded the others have, with its age, in every variant; what is invalidated
//! nobody has; what is damaged is a miss; one of them loads for all; and without Redis, or without the one that loads, they go on.

use crate::harness::program::upstream;
use crate::harness::{Client, Crowd, Gate, Origin, Peregrine, Reply, Signal, request, until};
use peregrine_test_servers::{Proxy, RedisServer, SentinelSet};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many clients ask for one thing at once, over all nodes.
const CROWD: u32 = 1000;

/// An origin whose pages are fresh for long and carry the tag `page`; the body says how often it was asked.
fn counting() -> (Origin, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let origin = Origin::start(move |heard| {
        let count = counts.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = vec![("cache-control", "max-age=600"), ("surrogate-key", "page")];
        if heard.target == "/greeting" {
            fields.push(("vary", "accept-language"));
        }
        Reply::ok(&fields, format!("answer {count}"))
    });
    (origin, asked)
}

fn node(origin: &Origin, redis: &str) -> Peregrine {
    node_with(origin, redis, "3s")
}

/// A node whose leases live so long without a word of their holder.
fn node_with(origin: &Origin, redis: &str, lease: &str) -> Peregrine {
    configured(origin, redis, lease, "")
}

/// The same with this text behind its configuration.
fn configured(origin: &Origin, redis: &str, lease: &str, strategy: &str) -> Peregrine {
    // A machine that is busy with other tests may keep an answer waiting; what is cut fails at once.
    let redis = format!("[redis]\nurl = \"{redis}\"\noperation_timeout = \"20s\"\n");
    let more = format!("{redis}[cache]\nfreshness_bound = \"60s\"\nlease = \"{lease}\"\n{strategy}");
    let peregrine = Peregrine::start(&upstream(&[origin], "", &more));
    until("the node to be in step", || {
        peregrine.statistics()["backplane"]["shards"][0]["state"] == "in_step"
    });
    peregrine
}

/// What the tier counts at `pointer`.
fn counted(peregrine: &Peregrine, pointer: &str) -> u64 {
    let statistics = peregrine.statistics();
    let found = statistics["cache"]["redis"].pointer(pointer);
    found.and_then(Value::as_u64).unwrap_or(0)
}

fn stored(peregrine: &Peregrine, count: u64) {
    until("the values to be written to Redis", || {
        counted(peregrine, "/writes_by_outcome/stored") >= count
    });
}

/// How many loads of `nodes` asked the origin: with the lease of the cluster, or after they had waited for it in vain.
fn loaders(nodes: &[Peregrine]) -> u64 {
    let ways = ["taken", "passed", "timed_out", "away"].map(|how| format!("/leases_by_outcome/{how}"));
    let of = |node| ways.iter().map(|way| counted(node, way)).sum::<u64>();
    nodes.iter().map(of).sum()
}

fn operate(node: &Peregrine, body: &Value) -> Value {
    let answer = node.admin("POST", "/api/performance/cache/operation", Some(body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn what_one_node_loaded_the_other_takes_from_redis_and_then_has_in_memory() {
    let redis = RedisServer::start(&[]);
    let (origin, asked) = counting();
    let (one, two) = (node(&origin, &redis.url()), node(&origin, &redis.url()));
    assert_eq!(one.get("/page", &[]).text(), "answer 1");
    stored(&one, 1);
    let answer = two.get("/page", &[]);
    assert_eq!(answer.text(), "answer 1");
    let said = answer.field("cache-status");
    assert!(said.contains("; hit") && said.contains("detail=redis"), "{said}");
    assert!(!said.contains("fwd"), "{said}");
    assert!(answer.has("age"));
    let again = two.get("/page", &[]);
    let said = again.field("cache-status");
    assert!(
        said.contains("; hit") && !said.contains("redis"),
        "it is in memory now: {said}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(counted(&two, "/hits"), 1);
    assert_eq!(two.metric("peregrine_redis_tier_hits_total", &[]), 1.0);
    // And nobody takes what is invalidated.
    one.invalidate(&json!({"tags": ["page"]}));
    assert_eq!(two.get("/page", &[]).text(), "answer 2");
}

#[test]
fn waiting_for_another_node_takes_nothing_from_the_time_of_the_origin() {
    let redis = RedisServer::start(&[]);
    let gate = Gate::default();
    let waiting = gate.clone();
    let asked = AtomicUsize::new(0);
    let origin = Origin::start(move |_| {
        let fields = [("cache-control", "max-age=600"), ("transfer-encoding", "chunked")];
        let begun = Reply::default().head(200, &fields).chunk(b"begun");
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => begun.wait(&waiting).send("0\r\n\r\n"),
            _ => begun.send("0\r\n\r\n"),
        }
    });
    let hasty = "[strategy.default]\nload_hard_limit = \"1s\"\n";
    let [one, two] = [(); 2].map(|()| configured(&origin, &redis.url(), "3s", hasty));
    let mut slow = one.begin("/page", &[]);
    assert_eq!(slow.head().unwrap().status, 200);
    let answer = two.get("/page", &[]);
    assert_eq!((answer.status, &*answer.text()), (200, "begun"));
    assert_eq!(counted(&two, "/leases_by_outcome/timed_out"), 1);
    gate.open();
}

#[test]
fn each_variant_is_found_by_those_who_ask_for_it() {
    let redis = RedisServer::start(&[]);
    let (origin, asked) = counting();
    let (one, two) = (node(&origin, &redis.url()), node(&origin, &redis.url()));
    for (language, body, count) in [("de", "answer 1", 1), ("en", "answer 2", 2)] {
        assert_eq!(one.get("/greeting", &[("accept-language", language)]).text(), body);
        stored(&one, count);
    }
    for (language, body) in [("en", "answer 2"), ("de", "answer 1")] {
        let answer = two.get("/greeting", &[("accept-language", language)]);
        assert_eq!(answer.text(), body);
        assert!(answer.field("cache-status").contains("detail=redis"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn what_is_damaged_in_redis_is_a_miss_and_replaced() {
    let redis = RedisServer::start(&[]);
    let (origin, asked) = counting();
    let (one, two) = (node(&origin, &redis.url()), node(&origin, &redis.url()));
    // The stamp in front of the envelope, its version, and its payload.
    let harms = [
        ("0", "stamp", "damaged"),
        ("39", "9", "version"),
        ("120", "harm", "damaged"),
    ];
    for (number, (at, with, reason)) in harms.into_iter().enumerate() {
        let page = format!("/page/{number}");
        let loaded = one.get(&page, &[]).text();
        stored(&one, number as u64 + 1);
        // The other pages were taken into memory by then, and lie there whole again.
        for key in redis.ask(&["KEYS", "pg:v:*"]).list() {
            redis.ask(&["SETRANGE", &key.text(), at, with]);
        }
        let before = counted(&two, &format!("/misses_by_reason/{reason}"));
        let answer = two.get(&page, &[]);
        assert_eq!(answer.status, 200);
        assert!(!answer.is_hit() && answer.text() != loaded, "{:?}", answer.fields);
        assert_eq!(counted(&two, &format!("/misses_by_reason/{reason}")), before + 1);
        stored(&two, number as u64 + 1);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2 * harms.len());
    let three = node(&origin, &redis.url());
    let answer = three.get("/page/2", &[]);
    assert!(answer.field("cache-status").contains("detail=redis"), "it was replaced");
}

#[test]
fn values_by_name_are_the_same_at_both() {
    let redis = RedisServer::start(&[]);
    let (origin, _) = counting();
    let (one, two) = (node(&origin, &redis.url()), node(&origin, &redis.url()));
    operate(&one, &json!({"op": "set", "key": "greeting", "value": "hello"}));
    operate(&one, &json!({"op": "mset", "values": {"a": "1", "b": "2"}}));
    // Where that takes long it goes on behind the answer.
    stored(&one, 3);
    let got = operate(&two, &json!({"op": "get", "key": "greeting"}));
    assert_eq!(got["item"]["value"], "hello", "{got}");
    let before = redis.calls("mget");
    let got = operate(&two, &json!({"op": "mget", "keys": ["a", "none", "b"]}));
    assert_eq!(
        (&got["items"]["a"]["value"], &got["items"]["b"]["value"]),
        (&json!("1"), &json!("2"))
    );
    assert!(got["items"]["none"].is_null(), "{got}");
    assert_eq!(redis.calls("mget"), before + 1, "all in one round trip");
    operate(&two, &json!({"op": "set", "key": "a", "value": "new"}));
    operate(&two, &json!({"op": "delete", "key": "greeting"}));
    until("the first to have heard of both", || {
        let got = operate(&one, &json!({"op": "mget", "keys": ["a", "greeting"]}));
        got["items"]["a"]["value"] == "new" && got["items"]["greeting"].is_null()
    });
}

#[test]
fn a_thousand_clients_of_three_nodes_cost_the_origin_one_request() {
    let redis = RedisServer::start(&[]);
    let gate = Gate::default();
    let closed = gate.clone();
    let origin = Origin::start(move |_| {
        Reply::default()
            .wait(&closed)
            .then(&Reply::ok(&[("cache-control", "max-age=600")], "whole"))
    });
    // So long that a machine on which everything stands still for seconds makes nobody load for himself.
    let nodes: Vec<Peregrine> = (0..3).map(|_| node_with(&origin, &redis.url(), "10m")).collect();
    let misses = || -> f64 {
        let of = |node: &Peregrine| node.metric("peregrine_cache_misses_total", &[]);
        nodes.iter().map(of).sum()
    };
    let share = |at: u32| CROWD / 3 + u32::from(at < CROWD % 3);
    let crowds: Vec<Crowd> = (0..)
        .zip(&nodes)
        .map(|(at, node)| Crowd::gather(node.address, share(at)))
        .collect();
    let ask = |crowd: Crowd| crowd.ask(|_| request("GET", "/page", &[]));
    let crowds: Vec<Crowd> = crowds.into_iter().map(ask).collect();
    until("everybody to have looked up", || misses() >= f64::from(CROWD));
    gate.open();
    for mut crowd in crowds {
        for answer in crowd.answers() {
            assert!(answer.status == 200 && answer.text() == "whole", "{:?}", answer.fields);
        }
    }
    assert_eq!((origin.count(), loaders(&nodes)), (1, 1));
}

#[test]
fn when_the_one_that_loads_is_killed_another_loads_for_all() {
    let redis = RedisServer::start(&[]);
    let asked = AtomicUsize::new(0);
    // Whoever asks first is never answered.
    let origin = Origin::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::default().wait(&Gate::default()),
        _ => Reply::ok(&[("cache-control", "max-age=600")], "whole"),
    });
    let [leader, one, two] = [(); 3].map(|()| node_with(&origin, &redis.url(), "10s"));
    let others = [one, two];
    let _left_alone = leader.begin("/page", &[]);
    until("the first to load", || origin.count() == 1);
    let mut clients: Vec<Client> = Vec::new();
    for node in &others {
        clients.extend((0..10).map(|_| node.begin("/page", &[])));
    }
    assert_eq!(redis.ask(&["KEYS", "pg:l:*"]).list().len(), 1, "it holds the lease");
    leader.process.signal(Signal::KILL);
    for client in &mut clients {
        let answer = client.read("GET");
        assert!(answer.status == 200 && answer.text() == "whole", "{:?}", answer.fields);
    }
    assert_eq!((origin.count(), loaders(&others)), (2, 1));
}

#[test]
fn without_redis_they_go_on() {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.address());
    let (origin, _) = counting();
    let node = node(&origin, &proxy.url());
    assert_eq!(node.get("/page", &[]).status, 200);
    proxy.cut();
    for page in ["/page", "/another", "/third"] {
        assert_eq!(node.get(page, &[]).status, 200, "{page}");
    }
}

#[test]
fn replicas_are_read_where_the_strategy_lets_them() {
    const STRATEGIES: &str = r#"
[[route]]
match = { path = "/strict/*" }
upstream = "origin"
strategy = "strict"

[[route]]
upstream = "origin"

[strategy.strict]
replica_reads = false
"#;
    let set = SentinelSet::start();
    let (origin, asked) = counting();
    let start = || {
        let redis = format!("[redis]\nurl = \"{}\"\nread_from = \"replica\"\n", set.url());
        let more = format!("{redis}operation_timeout = \"20s\"\n[cache]\nfreshness_bound = \"60s\"\n{STRATEGIES}");
        let peregrine = Peregrine::start(&upstream(&[&origin], "", &more));
        until("the node to be in step", || {
            peregrine.statistics()["backplane"]["shards"][0]["state"] == "in_step"
        });
        peregrine
    };
    let (one, two) = (start(), start());
    let (primary, replica) = (set.primary(), set.replica());
    for page in ["/page", "/strict/page"] {
        one.get(page, &[]);
    }
    stored(&one, 2);
    until("the replica to have both", || {
        replica.ask(&["KEYS", "pg:v:*"]).list().len() == 2
    });
    for (page, reader, other) in [("/page", replica, primary), ("/strict/page", primary, replica)] {
        let before = (reader.calls("get"), other.calls("get"));
        let answer = two.get(page, &[]);
        assert!(
            answer.field("cache-status").contains("detail=redis"),
            "{:?}",
            answer.fields
        );
        assert_eq!(
            (reader.calls("get"), other.calls("get")),
            (before.0 + 1, before.1),
            "{page}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
