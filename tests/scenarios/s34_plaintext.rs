//! With `encryption = true` neither Redis nor the disk ever holds a text of what is cached (P5); without it both do, which shows
//! that the search finds what is there.

use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use peregrine_test_servers::{Proxy, RedisServer};
use serde_json::{Value, json};
use std::path::Path;

/// In the body of every page. Long enough that no chance makes it, and not to be compressed away: bodies are stored as they are.
const BODY: &str = "THE-SALARY-OF-ALICE-IS-4711";
/// In a field of every answer.
const FIELD: &str = "A-FIELD-THAT-NOBODY-ELSE-MAY-READ";
/// In the URL of every page.
const PATH: &str = "/PERSONNEL-FILE-OF-ALICE";
/// The tag of every page.
const TAG: &str = "TAG-THAT-NAMES-ALICE";
/// By this the pages differ.
const VARIANT: &str = "x-language-of-alice";
const LANGUAGE: &[(&str, &str)] = &[("x-dialect", "x-language-of-alice")];
/// A value that a program keeps, and its name.
const NAME: &str = "note about the health of alice";
const NAMED: &str = "ALICE-IS-WELL-AND-KICKING";

const PAGES: usize = 20;

fn secretive() -> Origin {
    Origin::start(|heard| {
        let body = format!("{} {BODY} {}", heard.target, BODY.repeat(40));
        let fields = [
            ("cache-control", "max-age=600"),
            ("x-note", FIELD),
            ("surrogate-key", TAG),
            ("vary", "x-dialect"),
        ];
        Reply::ok(&fields, body)
    })
}

/// What configures `encryption`, and nothing else about how values are stored.
fn config(encryption: bool) -> String {
    // 32 bytes in base64.
    let key = "first:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    format!("[strategy.default]\nencryption = {encryption}\ncompression = \"off\"\n[encryption]\nkeys = \"{key}\"\n")
}

fn pages() -> Vec<String> {
    (0..PAGES).map(|page| format!("{PATH}/{page}")).collect()
}

/// Ends a node, whose snapshot then lies in its state directory; everything that does.
fn left_by(node: &mut Peregrine) -> Vec<u8> {
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.exit_code(), Some(0), "{}", node.log());
    let state = node.path(".peregrine");
    assert!(state.join("cache.snapshot").exists(), "{}", node.log());
    let mut bytes = Vec::new();
    read_all(&state, &mut bytes);
    bytes
}

/// Fills and ends a node; everything that then lies in its state directory.
fn left_on_disk(encryption: bool) -> Vec<u8> {
    let origin = secretive();
    let mut node = Peregrine::before(&origin, &config(encryption));
    for page in pages() {
        assert!(node.get(&page, LANGUAGE).text().contains(BODY));
        until("the page to be cached", || node.get(&page, LANGUAGE).is_hit());
    }
    let bytes = left_by(&mut node);
    // The node comes back with what it left: it was whole, and it can still be read.
    let folder = std::mem::replace(&mut node.folder, tempfile::tempdir().unwrap());
    let again = Peregrine::run(
        folder,
        &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
    );
    until("a page of before", || again.get(&pages()[0], LANGUAGE).is_hit());
    bytes
}

/// Lets two nodes share values over Redis and ends them; everything that Redis was ever told, holds and would keep on disk,
/// and what lies in the state directories of both.
fn left_by_two_nodes(encryption: bool) -> Vec<u8> {
    // The log of commands shows also what was written over or deleted since; without compression a search sees it all.
    let redis = RedisServer::start(&["--appendonly", "yes", "--rdbcompression", "no"]);
    let origin = secretive();
    // What is cut fails at once.
    let proxy = Proxy::start(redis.address());
    let mut nodes = [proxy.url(), redis.url()].map(|url| {
        let redis =
            format!("[redis]\nurl = \"{url}\"\noperation_timeout = \"20s\"\n[cache]\nfreshness_bound = \"20s\"\n");
        Peregrine::before(&origin, &format!("{redis}{}", config(encryption)))
    });
    let [one, two] = &nodes;
    for node in &nodes {
        until("the node to be in step", || {
            node.statistics()["backplane"]["shards"][0]["state"] == "in_step"
        });
    }
    for page in pages() {
        assert!(one.get(&page, LANGUAGE).text().contains(BODY));
    }
    let values = || redis.ask(&["KEYS", "pg:v:*"]).list().len();
    // Of each page the value, and by what its variants differ.
    until("the values to be written through", || values() == 2 * PAGES);
    for page in pages() {
        assert!(two.get(&page, LANGUAGE).text().contains(BODY));
    }
    assert_eq!(origin.count(), PAGES, "the other node has them from Redis");
    operation(
        one,
        &json!({"op": "set", "key": NAME, "value": NAMED, "tags": [TAG], "ttl": "10m"}),
    );
    until("the named value to be written", || values() == 2 * PAGES + 1);
    assert_eq!(
        operation(two, &json!({"op": "get", "key": NAME}))["item"]["value"],
        NAMED
    );

    // What Redis cannot be told lies in the journal meanwhile.
    proxy.cut();
    let what = json!({"tags": [TAG], "keys": [format!("{PATH}/0"), NAME]});
    let answer = one.admin("POST", "/api/performance/cache/invalidate", Some(&what));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let mut bytes = Vec::new();
    read_all(&one.path(".peregrine"), &mut bytes);
    proxy.restore();
    until("the invalidation to reach the other node", || {
        one.statistics()["backplane"]["shards"][0]["pending"] == 0 && !two.get(&pages()[1], LANGUAGE).is_hit()
    });
    for page in pages() {
        assert!(one.get(&page, LANGUAGE).text().contains(BODY));
    }

    redis.ask(&["SAVE"]);
    for node in &mut nodes {
        bytes.extend(left_by(node));
    }
    bytes.extend(redis.dump());
    read_all(redis.folder(), &mut bytes);
    bytes
}

#[track_caller]
fn operation(node: &Peregrine, what: &Value) -> Value {
    let answer = node.admin("POST", "/api/performance/cache/operation", Some(what));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Every file under `folder` but the log and the configuration, which is the operator's.
fn read_all(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, bytes);
        } else if path.is_file() {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
}

fn found(bytes: &[u8]) -> Vec<&'static str> {
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let texts = [BODY, FIELD, PATH, TAG, VARIANT, NAME, NAMED];
    texts.into_iter().filter(|text| holds(text)).collect()
}

#[test]
fn nothing_of_an_encrypted_value_is_readable_on_the_disk() {
    assert_eq!(found(&left_on_disk(false)), [BODY, FIELD, PATH, TAG, VARIANT]);
    assert_eq!(found(&left_on_disk(true)), [""; 0]);
}

#[test]
fn nothing_of_an_encrypted_value_is_readable_in_redis_or_on_the_disks_of_two_nodes() {
    assert_eq!(
        found(&left_by_two_nodes(false)),
        [BODY, FIELD, PATH, TAG, VARIANT, NAME, NAMED]
    );
    assert_eq!(found(&left_by_two_nodes(true)), [""; 0]);
}
