//! Several Peregrines over one Redis: what is invalidated at one is gone at all, the receipt says who has heard of it, and
//! nothing is forgotten while Redis is out of reach.

use crate::harness::process::{self, Process};
use crate::harness::program::upstream;
use crate::harness::{Client, Gate, Origin, Peregrine, Reply, Signal, request, until};
use peregrine_test_servers::{Proxy, RedisServer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin whose pages are fresh for long and carry the tag `page` and one of their own; the body is the version.
fn versioned() -> (Origin, Arc<AtomicUsize>) {
    let version = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&version);
    let origin = Origin::start(move |heard| match heard.method.as_str() {
        "GET" => {
            let tags = format!("page {}", heard.target.trim_matches('/'));
            Reply::ok(
                &[("cache-control", "max-age=600"), ("surrogate-key", &tags)],
                now.load(Ordering::SeqCst).to_string(),
            )
        }
        _ => {
            now.fetch_add(1, Ordering::SeqCst);
            Reply::status(200, &[], "done")
        }
    });
    (origin, version)
}

/// Sends a write that the origin does not answer, and tells the node to stop; it has ended then.
fn cut_off_a_write(node: &mut Peregrine, origin: &Origin) {
    let asked = origin.count();
    let mut writer = Client::connect(node.address);
    writer.send(request("POST", "/a", &[("content-length", "0")]));
    until("the write to be under way", || origin.count() == asked + 1);
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.exit_code(), Some(1), "{}", node.log());
}

#[test]
fn a_write_that_the_end_of_a_node_cuts_off_may_have_been_done() {
    let redis = RedisServer::start(&[]);
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |heard| match heard.method.as_str() {
        "GET" => Reply::ok(&[("cache-control", "max-age=600")], "page"),
        _ => Reply::default().wait(&waiting),
    });
    let ending = format!(
        "{}[server]\ndrain_time = \"200ms\"\n",
        configuration(&origin, &redis.url(), "10s")
    );
    let mut one = Peregrine::start(&ending);
    in_step(&one);
    let two = node(&origin, &redis.url(), "10s");
    acquainted(&[&one, &two]);
    two.get("/a", &[]);
    assert!(two.get("/a", &[]).is_hit());
    cut_off_a_write(&mut one, &origin);
    until("the other to hear of it", || !two.get("/a", &[]).is_hit());
    gate.open();
}

fn configuration(origin: &Origin, redis: &str, bound: &str) -> String {
    // A machine that is busy with other tests may keep an answer waiting; what is cut fails at once.
    let redis = format!("[redis]\nurl = \"{redis}\"\noperation_timeout = \"20s\"\n");
    let more = format!("{redis}[cache]\nfreshness_bound = \"{bound}\"\n");
    upstream(&[origin], "", &more)
}

/// A node; returns when it is in step with Redis.
fn node(origin: &Origin, redis: &str, bound: &str) -> Peregrine {
    let peregrine = Peregrine::start(&configuration(origin, redis, bound));
    in_step(&peregrine);
    peregrine
}

fn in_step(peregrine: &Peregrine) {
    until("the node to be in step", || state(peregrine) == "in_step");
}

fn state(peregrine: &Peregrine) -> String {
    let backplane = peregrine.statistics()["backplane"].clone();
    backplane["shards"][0]["state"].as_str().unwrap_or_default().to_owned()
}

fn name(peregrine: &Peregrine) -> String {
    peregrine.statistics()["backplane"]["node"].as_str().unwrap().to_owned()
}

/// Whether no thread of it runs.
fn stands_still(peregrine: &Peregrine) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", peregrine.process.id())).unwrap();
    let states = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
    states
        .into_iter()
        .all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")))
}

/// Waits until each of `nodes` sees all of them.
fn acquainted(nodes: &[&Peregrine]) {
    for node in nodes {
        until("the nodes to see each other", || {
            let backplane = node.statistics()["backplane"].clone();
            backplane["nodes"]
                .as_array()
                .is_some_and(|seen| seen.len() == nodes.len())
        });
    }
}

/// What `layer` of a receipt says: confirmed, of.
fn layer(receipt: &Value, layer: &str) -> (u64, u64) {
    let layers = receipt["layers"].as_array().unwrap();
    let found = layers
        .iter()
        .find(|one| one["layer"] == layer)
        .unwrap_or_else(|| panic!("{receipt}"));
    (found["confirmed"].as_u64().unwrap(), found["of"].as_u64().unwrap())
}

fn states(receipt: &Value) -> Vec<(String, String)> {
    let layers = receipt["layers"].as_array().unwrap();
    let nodes = layers.iter().find(|one| one["layer"] == "nodes").unwrap()["nodes"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let nodes = nodes.as_array().unwrap().iter();
    nodes.map(|node| (text(&node["node"]), text(&node["state"]))).collect()
}

/// Reads `target` until it comes from the cache.
fn warm(peregrine: &Peregrine, target: &str) -> String {
    let mut body = String::new();
    until("the page to be cached", || {
        let answer = peregrine.get(target, &[]);
        body = answer.text();
        answer.field("cache-status").contains("hit")
    });
    body
}

#[test]
fn what_is_invalidated_at_one_node_is_gone_at_all_and_the_receipt_says_so() {
    let redis = RedisServer::start(&[]);
    let (origin, version) = versioned();
    // Long, so that nobody hears of anything but by the nudge.
    let nodes: Vec<Peregrine> = (0..3).map(|_| node(&origin, &redis.url(), "60s")).collect();
    acquainted(&nodes.iter().collect::<Vec<_>>());
    nodes.iter().for_each(|node| assert_eq!(warm(node, "/a"), "1"));
    version.store(2, Ordering::SeqCst);
    let receipt = nodes[0].invalidate(&json!({"tags": ["page"]}));
    assert_eq!(
        (
            layer(&receipt, "memory"),
            layer(&receipt, "redis"),
            layer(&receipt, "nodes")
        ),
        ((1, 1), (1, 1), (3, 3))
    );
    let mut names: Vec<String> = nodes.iter().map(name).collect();
    names.sort();
    let confirmed: Vec<(String, String)> = names.into_iter().map(|name| (name, "confirmed".to_owned())).collect();
    assert_eq!(states(&receipt), confirmed);
    nodes
        .iter()
        .for_each(|node| assert_eq!(node.get("/a", &[]).text(), "2"));
    // A write through one node reaches the others in the background.
    nodes.iter().for_each(|node| assert_eq!(warm(node, "/a"), "2"));
    assert_eq!(nodes[1].ask("POST", "/a", &[("content-length", "0")]).status, 200);
    assert_eq!(nodes[1].get("/a", &[]).text(), "3");
    for node in &nodes {
        until("the write to be heard of", || node.get("/a", &[]).text() == "3");
    }
    let told = nodes[2].told(&["invalidate", "--prefix", "/a"]);
    assert!(told.contains("nodes: 3 of 3 confirmed"), "{told}");
    let stats = nodes[2].told(&["stats"]);
    assert!(
        stats.contains("redis: up (standalone") && stats.contains("shard 0: in step"),
        "{stats}"
    );
    assert!(nodes.iter().all(|node| stats.contains(&name(node))), "{stats}");
    assert!(nodes[2].metric("peregrine_backplane_syncs_total", &[]) > 0.0);
    assert_eq!(nodes[2].metric("peregrine_redis_up", &[]), 1.0);
    assert_eq!(
        nodes[2].metric("peregrine_backplane_shard_state", &["state=\"in_step\""]),
        1.0
    );
}

#[test]
fn who_ends_is_not_waited_for_and_has_its_name_again_afterwards() {
    let redis = RedisServer::start(&[]);
    let (origin, _) = versioned();
    let (one, two) = (node(&origin, &redis.url(), "60s"), node(&origin, &redis.url(), "60s"));
    acquainted(&[&one, &two]);
    let called = name(&two);
    let Peregrine {
        folder, mut process, ..
    } = two;
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));
    let receipt = one.invalidate(&json!({"all": true}));
    assert_eq!(layer(&receipt, "nodes"), (1, 1), "{receipt}");
    let journals = std::fs::read_dir(folder.path().join(".peregrine")).unwrap();
    let journals = journals.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "journal")
    });
    assert_eq!(journals.count(), 0, "there was nothing to leave behind");
    drop(process);
    let two = Peregrine::start_in(folder, &configuration(&origin, &redis.url(), "60s"));
    in_step(&two);
    assert_eq!(name(&two), called);
    let receipt = one.invalidate(&json!({"all": true}));
    assert_eq!(layer(&receipt, "nodes"), (2, 2), "{receipt}");
}

#[test]
fn an_invalidator_that_is_cut_off_and_killed_tells_the_others_when_it_is_back() {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.address());
    let (origin, version) = versioned();
    let (one, two) = (node(&origin, &proxy.url(), "60s"), node(&origin, &redis.url(), "60s"));
    assert_eq!(warm(&two, "/a"), "1");
    assert_eq!(warm(&two, "/b"), "1");
    version.store(2, Ordering::SeqCst);
    proxy.cut();
    let invalidate = |what: &Value| one.admin("POST", "/api/performance/cache/invalidate", Some(what));
    let answer = invalidate(&json!({"tags": ["a"]}));
    let receipt = answer.json();
    assert_eq!((answer.status, &receipt["journaled"]), (202, &json!(true)), "{receipt}");
    assert_eq!((layer(&receipt, "memory"), layer(&receipt, "redis")), ((1, 1), (0, 1)));
    let told = one.command(&["invalidate", "--tag", "a"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&told.stderr).contains("Redis is away"),
        "{told:?}"
    );
    assert_eq!(two.get("/a", &[]).text(), "1", "nobody could tell it");
    one.process.signal(Signal::KILL);
    let Peregrine { folder, process, .. } = one;
    drop(process);
    proxy.restore();
    let one = Peregrine::start_in(folder, &configuration(&origin, &proxy.url(), "60s"));
    until("the journal to be told", || two.get("/a", &[]).text() == "2");
    assert_eq!(two.get("/b", &[]).text(), "1", "nothing else was invalidated");
    until("the journal to be empty", || {
        let backplane = one.statistics()["backplane"].clone();
        backplane["pending"] == 0 && backplane["journal"]["records"] == 0
    });
    assert_eq!(layer(&one.invalidate(&json!({"tags": ["b"]})), "nodes").0, 2);
}

#[test]
fn a_journal_without_room_invalidates_the_namespace() {
    let redis = RedisServer::start(&[]);
    let proxy = Proxy::start(redis.address());
    let (origin, version) = versioned();
    let (one, two) = (node(&origin, &proxy.url(), "60s"), node(&origin, &redis.url(), "60s"));
    assert_eq!(warm(&two, "/quite/another"), "1");
    version.store(2, Ordering::SeqCst);
    proxy.cut();
    for round in 0..11 {
        let tags: Vec<String> = (0..1000).map(|number| format!("t{round}-{number}")).collect();
        let answer = one.admin(
            "POST",
            "/api/performance/cache/invalidate",
            Some(&json!({ "tags": tags })),
        );
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let backplane = one.statistics()["backplane"].clone();
    assert!(backplane["overflows"].as_u64().unwrap() > 0, "{backplane}");
    assert!(backplane["pending"].as_u64().unwrap() <= 10_001, "{backplane}");
    assert_eq!(two.get("/quite/another", &[]).text(), "1");
    proxy.restore();
    until("the namespace to be gone elsewhere", || {
        two.get("/quite/another", &[]).text() == "2"
    });
}

#[test]
fn a_node_that_stands_still_lapses_and_serves_nothing_old_when_it_goes_on() {
    let redis = RedisServer::start(&[]);
    let (origin, version) = versioned();
    let (one, two) = (node(&origin, &redis.url(), "1s"), node(&origin, &redis.url(), "1s"));
    acquainted(&[&one, &two]);
    let still = name(&two);
    for _ in 0..3 {
        warm(&two, "/a");
        two.process.signal(Signal::STOP);
        until("the node to stand still", || stands_still(&two));
        let new = version.fetch_add(1, Ordering::SeqCst) + 1;
        let receipt = one.invalidate(&json!({"tags": ["page"]}));
        assert!(receipt["journaled"].is_null(), "{receipt}");
        assert_eq!(layer(&receipt, "nodes"), (2, 2));
        let lapsed = (still.clone(), "lapsed".to_owned());
        assert!(states(&receipt).contains(&lapsed), "{receipt}");
        two.process.signal(Signal::CONT);
        let answer = two.get("/a", &[]);
        let status = answer.field("cache-status");
        assert_eq!(answer.text(), new.to_string(), "the first answer afterwards: {status}");
    }
}

#[test]
fn a_program_that_takes_over_is_a_node_of_its_own_until_the_other_has_ended() {
    let redis = RedisServer::start(&[]);
    let (origin, version) = versioned();
    let (mut one, two) = (node(&origin, &redis.url(), "60s"), node(&origin, &redis.url(), "60s"));
    let called = name(&one);
    assert_eq!(warm(&two, "/a"), "1");
    let arguments = [
        "serve",
        "--config",
        "peregrine.toml",
        "--admin",
        "127.0.0.1:0",
        "--take-over",
    ];
    let successor = Process::start(process::command(one.folder.path(), &arguments));
    assert_eq!(successor.address("admin"), one.admin);
    assert_eq!(one.process.exit_code(), Some(0), "{}", one.log());
    one.process = successor;
    in_step(&one);
    assert_ne!(name(&one), called);
    version.store(2, Ordering::SeqCst);
    let receipt = one.invalidate(&json!({"tags": ["a"]}));
    assert_eq!(layer(&receipt, "nodes"), (2, 2), "{receipt}");
    assert_eq!(two.get("/a", &[]).text(), "2");
}
