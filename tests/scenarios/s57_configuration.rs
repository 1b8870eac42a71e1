//! The configuration changed through the admin API: in the file that the user wrote, or not at all.

use crate::harness::program::upstream;
use crate::harness::{Answer, Client, Origin, Peregrine, Reply, Stopping, request, until};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

const MORE: &str = "# ours\n[strategy.default]\nttl = \"5m\"   # as agreed\n\n[tenant.acme]\nadmin_token = \"a-token-of-acme-alone\"\n";

fn patch(peregrine: &Peregrine, tag: Option<&str>, body: &Value) -> Answer {
    let (host, body) = (peregrine.admin.to_string(), body.to_string());
    let (bearer, length) = (format!("Bearer {}", peregrine.token), body.len().to_string());
    let mut fields = vec![
        ("host", host.as_str()),
        ("authorization", &bearer),
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    fields.extend(tag.map(|tag| ("if-match", tag)));
    let mut text = request("PATCH", "/api/performance/config", &fields);
    text.push_str(&body);
    Client::connect(peregrine.admin).send(text).read("PATCH")
}

fn report(peregrine: &Peregrine) -> (String, Value) {
    let answer = peregrine.admin("GET", "/api/performance/config", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.field("etag"), answer.json())
}

fn parameter(report: &Value, name: &str) -> Value {
    let all = report["parameters"].as_array().unwrap();
    all.iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("{name}"))
        .clone()
}

fn fields(answer: &Answer) -> Vec<String> {
    let told = answer.json();
    let errors = told["errors"].as_array().unwrap_or_else(|| panic!("{told}"));
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_change_is_made_in_the_file_and_holds_at_once() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let peregrine = Peregrine::start(&upstream(&[&origin], "", MORE));
    let file = || std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    let before = file();
    let (tag, told) = report(&peregrine);
    assert_eq!(
        (
            told["writable"].as_bool(),
            parameter(&told, "strategy.default.ttl")["value"].as_str()
        ),
        (Some(true), Some("5m"))
    );
    assert!(!told.to_string().contains("a-token-of-acme"), "a secret is shown");
    let change = json!({ "changes": { "strategy.default.ttl": "1h", "log.level": "debug" } });

    let mut dry = change.clone();
    dry["dry_run"] = json!(true);
    let answer = patch(&peregrine, Some(&tag), &dry);
    assert_eq!((answer.status, file()), (200, before.clone()), "{}", answer.text());
    let diff = answer.json()["diff"].as_str().unwrap().to_owned();
    assert!(
        diff.contains("-ttl = \"5m\"   # as agreed\n+ttl = \"1h\"   # as agreed\n"),
        "{diff}"
    );

    assert_eq!(patch(&peregrine, None, &change).status, 428);
    let stale = patch(&peregrine, Some("\"other\""), &change);
    assert_eq!((stale.status, file()), (412, before.clone()));
    let answer = patch(&peregrine, Some(&tag), &change);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["applied"], json!(["strategy.default.ttl", "log.level"]));
    let after = file();
    assert!(
        after.contains("# ours\n[strategy.default]\nttl = \"1h\"   # as agreed\n"),
        "comments are kept:\n{after}"
    );
    let kept = std::fs::read_to_string(peregrine.path(".peregrine/peregrine.toml.previous")).unwrap();
    assert_eq!(kept, before);
    let (new, told) = report(&peregrine);
    assert_ne!(new, tag);
    let ttl = parameter(&told, "strategy.default.ttl");
    assert_eq!(
        (ttl["value"].as_str(), ttl["source"].as_str()),
        (Some("1h"), Some("file"))
    );
    assert_eq!(
        patch(&peregrine, Some(&tag), &change).status,
        412,
        "what was seen is old now"
    );
    let audited = peregrine.told(&["audit", "--what", "config_patch", "--json"]);
    let audited: Value = serde_json::from_str(&audited).unwrap();
    let done: Vec<_> = audited["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["outcome"] == "done")
        .collect();
    assert_eq!(done[0]["target"], "log.level, strategy.default.ttl");
    assert!(!audited.to_string().contains("a-token-of-acme"));
    // What was written is what was read: watching the file finds nothing new.
    assert_eq!(peregrine.log().matches("has changed").count(), 0, "{}", peregrine.log());
}

#[test]
fn what_cannot_hold_changes_nothing_and_every_fault_is_named() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let peregrine = Peregrine::start(&upstream(&[&origin], "", MORE));
    let file = || std::fs::read_to_string(peregrine.path("peregrine.toml")).unwrap();
    let before = file();
    let wrong = json!({ "changes": { "strategy.default.ttl": "soon", "cache.memry": "1GiB", "log.level": 7 } });
    let answer = patch(&peregrine, Some("*"), &wrong);
    assert_eq!(answer.status, 400, "{}", answer.text());
    let mut named = fields(&answer);
    named.sort();
    assert_eq!(named, ["cache.memry", "log.level", "strategy.default.ttl"]);
    for secret in [json!("another-token-of-acme"), json!("***")] {
        let answer = patch(
            &peregrine,
            Some("*"),
            &json!({ "changes": { "tenant.acme.admin_token": secret } }),
        );
        assert_eq!(answer.status, 400);
        assert!(!answer.text().contains("another-token"), "{}", answer.text());
    }
    // Only the running program can tell that this does not work: it goes back.
    let lost = json!({ "changes": { "log.access_path": "/nowhere/at/all/access.log", "log.access": "json" } });
    let answer = patch(&peregrine, Some("*"), &lost);
    assert!([400, 409].contains(&answer.status), "{}", answer.text());
    assert_eq!(file(), before, "the file is as it was");
    assert_eq!(peregrine.get("/", &[]).status, 200);
    let (_, told) = report(&peregrine);
    assert_eq!(parameter(&told, "strategy.default.ttl")["value"], "5m");
}

#[test]
fn without_a_file_the_lines_to_write_are_told() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", origin.address);
    let arguments = [
        "serve",
        "--upstream",
        &url,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let peregrine = Peregrine::run(folder, &arguments);
    let answer = patch(&peregrine, Some("*"), &json!({ "changes": { "cache.memory": "1GiB" } }));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(answer.json()["toml"], "[cache]\nmemory = \"1GiB\"\n");
}

#[test]
fn the_level_of_the_log_changes_until_the_next_reload() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let rest = upstream(&[&origin], "", "");
    let peregrine = Peregrine::start(&rest);
    let level = || peregrine.admin("GET", "/api/performance/log", None).json()["level"].clone();
    assert_eq!(level(), "info");
    let set = |level: &str| peregrine.admin("PUT", "/api/performance/log", Some(&json!({ "level": level })));
    assert_eq!(set("debug").status, 200);
    assert_eq!(level(), "debug");
    peregrine.admin("GET", "/api/performance/health?x=1", None);
    until("a line of that level", || {
        peregrine.admin(
            "POST",
            "/api/performance/cache/operation",
            Some(&json!({ "op": "get", "key": "a" })),
        );
        peregrine.log().contains("DEBUG")
    });
    assert_eq!(set("loud").status, 400);
    peregrine.reload(&rest);
    assert_eq!(level(), "info");
}

#[test]
fn whoever_asks_for_the_level_holds_up_no_reload() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let rest = upstream(&[&origin], "", "");
    let peregrine = Peregrine::start(&rest);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let answer = peregrine.admin("GET", "/api/performance/log", None);
                assert_eq!(answer.json()["level"], "info");
            }
        });
        let _stopping = Stopping(&stop);
        for _ in 0..20 {
            peregrine.reload(&rest);
        }
    });
}
