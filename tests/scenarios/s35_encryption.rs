//! Encryption: nothing of an encrypted strategy can be read on the disk, keys are rotated without a loss, and what is erased
//! is gone.

use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use peregrine_test_servers::RedisServer;
use serde_json::{Value, json};
use std::path::Path;

const SERVE: &[&str] = &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"];
const SECRET: &str = "the price of everything";
/// 32 bytes in base64, twice.
const KEYS: [&str; 2] = [
    "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
];

fn config(keys: &str) -> String {
    format!(
        "[encryption]\nkeys = \"{keys}\"\n[strategy.default]\nencryption = true\n[tenants]\nfrom = \"path\"\npath = \"/t/{{tenant}}/\"\n"
    )
}

/// Everything that lies in the state directory.
fn on_disk(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    let mut folders = vec![folder.join(".peregrine")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                all.extend(std::fs::read(path).unwrap());
            }
        }
    }
    all
}

fn shows(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn stop(mut peregrine: Peregrine) -> tempfile::TempDir {
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    peregrine.folder
}

fn again(folder: tempfile::TempDir) -> Peregrine {
    let peregrine = Peregrine::run(folder, SERVE);
    until("the snapshot to be read", || {
        peregrine.log().contains("memory holds again")
    });
    peregrine
}

#[test]
fn nothing_readable_is_left_behind_and_a_restart_finds_it_all_the_same() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], SECRET.repeat(100)));
    let first = Peregrine::before(&origin, &config(KEYS[0]));
    for page in ["/t/acme/a-hidden-path", "/t/globex/b", "/c"] {
        first.get(page, &[]);
    }
    let folder = stop(first);
    let disk = on_disk(folder.path());
    assert!(shows(&disk, "pgk1"), "the search looks where the data keys are");
    for plain in [SECRET, "a-hidden-path", "AQEBAQEB"] {
        assert!(!shows(&disk, plain), "{plain}");
    }

    let second = again(folder);
    assert!(second.get("/t/acme/a-hidden-path", &[]).is_hit());
    // A new master key takes over without a flush.
    second.reload(&crate::harness::program::upstream(
        &[&origin],
        "",
        &config(&format!("{},{}", KEYS[1], KEYS[0])),
    ));
    let listed: Value = serde_json::from_str(&second.told(&["keys", "list", "--json"])).unwrap();
    assert_eq!(listed["active"], "new");
    let owners: Vec<_> = listed["owners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["owner"].clone())
        .collect();
    assert_eq!(owners, ["namespace.default", "tenant.acme", "tenant.globex"]);
    assert!(second.told(&["keys", "list"]).contains("tenant.acme"));
    let rotated: Value = serde_json::from_str(&second.told(&["keys", "rotate", "--data-keys", "--json"])).unwrap();
    assert_eq!(
        (rotated["rewrapped"].as_u64(), rotated["renewed"].as_u64()),
        (Some(3), Some(3))
    );
    second.reload(&crate::harness::program::upstream(&[&origin], "", &config(KEYS[1])));
    let third = again(stop(second));
    assert!(third.get("/t/acme/a-hidden-path", &[]).is_hit() && third.get("/c", &[]).is_hit());

    // Erased is erased: from memory at once, and from what was written before.
    let said = third.told(&["keys", "erase", "--tenant", "acme"]);
    assert!(said.contains("nothing that they sealed can be read"), "{said}");
    let left = std::fs::read_to_string(third.path(".peregrine/keys/tenant.acme.key")).unwrap();
    assert!(left.starts_with("pgx1") && !left.contains("pgk1"), "{left}");
    assert!(!third.get("/t/acme/a-hidden-path", &[]).is_hit());
    assert!(third.get("/t/globex/b", &[]).is_hit());
    assert!(!third.log().contains("AgICAg"), "no key shows in the log");
}

#[test]
fn a_snapshot_from_before_an_erase_brings_nothing_back() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], SECRET));
    let first = Peregrine::before(&origin, &config(KEYS[0]));
    for page in ["/t/acme/a", "/t/globex/b"] {
        first.get(page, &[]);
    }
    let folder = stop(first);
    std::fs::remove_file(folder.path().join(".peregrine/keys/tenant.acme.key")).unwrap();
    let second = again(folder);
    assert!(!second.get("/t/acme/a", &[]).is_hit());
    assert!(second.get("/t/globex/b", &[]).is_hit());
}

/// A node that shares values and data keys with others over `redis`.
fn sharing(origin: &Origin, redis: &RedisServer) -> Peregrine {
    let url = redis.url();
    let config = config(KEYS[0]).replace("[strategy", "key_refresh = \"1s\"\n[strategy");
    let more =
        format!("{config}[redis]\nurl = \"{url}\"\noperation_timeout = \"20s\"\n[cache]\nfreshness_bound = \"20s\"\n");
    let node = Peregrine::before(origin, &more);
    in_step(&node);
    node
}

fn in_step(node: &Peregrine) {
    until("the node to be in step", || {
        node.statistics()["backplane"]["shards"][0]["state"] == "in_step"
    });
}

/// The record of the tenant's keys in Redis.
fn record(redis: &RedisServer, tenant: &str) -> String {
    redis.ask(&["HGET", "pg:keys", &format!("tenant.{tenant}")]).text()
}

#[test]
fn what_is_erased_at_one_node_is_unreadable_at_all_and_comes_back_from_no_disk() {
    let redis = RedisServer::start(&[]);
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], SECRET));
    let (one, two) = (sharing(&origin, &redis), sharing(&origin, &redis));
    let three = sharing(&origin, &redis);
    for page in ["/t/acme/a", "/t/globex/b"] {
        one.get(page, &[]);
    }
    until("the values to be written", || {
        redis.ask(&["KEYS", "pg:v:*"]).list().len() == 2
    });
    for node in [&two, &three] {
        for page in ["/t/acme/a", "/t/globex/b"] {
            assert_eq!(node.get(page, &[]).text(), SECRET);
            assert!(node.get(page, &[]).is_hit());
        }
    }
    assert_eq!(origin.count(), 2, "they open what the first one sealed");
    let (before, copy) = (record(&redis, "acme"), ".peregrine/keys/tenant.acme.key");
    assert!(before.contains("pgk1"));
    assert_eq!(std::fs::read_to_string(two.path(copy)).unwrap(), before);

    // One node is down when the key is erased at another.
    let folder = stop(two);
    assert!(folder.path().join(".peregrine/cache.snapshot").exists());
    let said = one.told(&["keys", "erase", "--tenant", "acme"]);
    assert!(said.contains("nothing that they sealed can be read"), "{said}");
    until("the other node to have heard of it", || {
        !three.get("/t/acme/a", &[]).is_hit()
    });
    assert!(three.get("/t/globex/b", &[]).is_hit());
    assert!(one.metric("peregrine_data_keys_erased_total", &[]) >= 1.0);
    let erased = record(&redis, "acme");
    assert!(erased.contains("pgx1"), "{erased}");

    let two = again(folder);
    in_step(&two);
    let snapshot = |result: &str| two.metric("peregrine_snapshot_entries_total", &[result]);
    assert!(
        snapshot("left_out") >= 1.0 && snapshot("restored") >= 1.0,
        "{}",
        two.log()
    );
    until("the other tenant's page", || two.get("/t/globex/b", &[]).is_hit());
    let old = before.split(' ').nth(1).unwrap();
    let forgotten = |node: &Peregrine| {
        let copy = std::fs::read_to_string(node.path(copy)).unwrap_or_default();
        !copy.contains(&format!("pgk1 {old}")) && copy.contains(&format!("pgx1 {old}"))
    };
    for node in [&one, &two, &three] {
        // A node that does not need the key compares its copy once a minute; an answer to be stored makes it look.
        until("the copy to be destroyed", || {
            node.invalidate(&json!({"tenant": "acme"}));
            node.get("/t/acme/a", &[]);
            forgotten(node)
        });
    }

    // Somebody restores an old copy of Redis: the nodes remember.
    redis.ask(&["HSET", "pg:keys", "tenant.acme", &before]);
    until("the key to be erased again", || {
        one.invalidate(&json!({"tenant": "acme"}));
        one.get("/t/acme/a", &[]);
        let now = record(&redis, "acme");
        !now.contains(&format!("pgk1 {old}")) && now.contains(&format!("pgx1 {old}"))
    });
}

#[test]
fn a_node_that_starts_while_redis_is_away_opens_its_snapshot_with_its_own_copy() {
    let redis = RedisServer::start(&[]);
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], SECRET));
    let node = sharing(&origin, &redis);
    node.get("/t/acme/a", &[]);
    until("the value to be written", || {
        redis.ask(&["KEYS", "pg:v:*"]).list().len() == 1
    });
    until("the copies to be compared", || {
        node.path(".peregrine/keys/confirmed").exists()
    });
    let folder = stop(node);
    redis.kill();
    let node = again(folder);
    assert!(
        node.metric("peregrine_snapshot_entries_total", &["restored"]) >= 1.0,
        "{}",
        node.log()
    );
    let output = node.command(&["keys", "erase", "--tenant", "acme"]);
    assert!(!output.status.success(), "what Redis was not told is not erased");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be reached"));
}
