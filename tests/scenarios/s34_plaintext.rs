//! With `encryption = true` neither Redis nor the disk ever holds a text of what is cached (P5); without it both do, which shows
//! that the search finds what is there.

use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use peregrine_test_servers::RedisServer;
use std::path::Path;

/// In the body of every page. Long enough that no chance makes it, and not to be compressed away: bodies are stored as they are.
const BODY: &str = "THE-SALARY-OF-ALICE-IS-4711";
/// In a field of every answer.
const FIELD: &str = "A-FIELD-THAT-NOBODY-ELSE-MAY-READ";
/// In the URL of every page.
const PATH: &str = "/PERSONNEL-FILE-OF-ALICE";
/// The tag of every page.
const TAG: &str = "TAG-THAT-NAMES-ALICE";

const PAGES: usize = 20;

fn secretive() -> Origin {
    Origin::start(|heard| {
        let body = format!("{} {BODY} {}", heard.target, BODY.repeat(40));
        let fields = [
            ("cache-control", "max-age=600"),
            ("x-note", FIELD),
            ("surrogate-key", TAG),
        ];
        Reply::ok(&fields, body)
    })
}

/// Fills and ends a node; everything that then lies in its folder and, where there is one, in Redis.
fn left_behind(encryption: bool, redis: Option<&RedisServer>) -> Vec<u8> {
    let origin = secretive();
    let url = redis.map(|redis| format!("[redis]\nurl = \"{}\"\n", redis.url()));
    // 32 bytes in base64.
    let key = "first:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let more = format!(
        "[strategy.default]\nencryption = {encryption}\ncompression = \"off\"\n[encryption]\nkeys = \"{key}\"\n{}",
        url.unwrap_or_default()
    );
    let mut node = Peregrine::before(&origin, &more);
    let pages: Vec<String> = (0..PAGES).map(|page| format!("{PATH}/{page}")).collect();
    for page in &pages {
        assert!(node.get(page, &[]).text().contains(BODY));
        until("the page to be cached", || node.get(page, &[]).is_hit());
    }
    if let Some(redis) = redis {
        until("the values to be written through", || {
            redis.ask(&["KEYS", "pg:v:*"]).list().len() == PAGES
        });
    }
    node.process.signal(Signal::TERM);
    assert_eq!(node.process.exit_code(), Some(0), "{}", node.log());
    let state = node.path(".peregrine");
    assert!(state.join("cache.snapshot").exists(), "{}", node.log());
    let mut bytes = Vec::new();
    read_all(&state, &mut bytes);
    if let Some(redis) = redis {
        bytes.extend(redis.dump());
    }
    // The node comes back with what it left: it was whole, and it can still be read.
    let folder = std::mem::replace(&mut node.folder, tempfile::tempdir().unwrap());
    let again = Peregrine::run(
        folder,
        &["serve", "--config", "peregrine.toml", "--admin", "127.0.0.1:0"],
    );
    until("a page of before", || again.get(&pages[0], &[]).is_hit());
    bytes
}

/// Every file under `folder` but the log and the configuration, which is the operator's.
fn read_all(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, bytes);
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
}

fn found(bytes: &[u8]) -> Vec<&'static str> {
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    [BODY, FIELD, PATH, TAG]
        .into_iter()
        .filter(|text| holds(text))
        .collect()
}

#[test]
fn nothing_of_an_encrypted_value_is_readable_on_the_disk() {
    assert_eq!(found(&left_behind(false, None)), [BODY, FIELD, PATH, TAG]);
    assert_eq!(found(&left_behind(true, None)), [""; 0]);
}
