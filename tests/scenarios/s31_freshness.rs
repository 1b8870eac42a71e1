//! `verify freshness` against running nodes: it finds nothing where the promises are kept, and finds what breaks them.

use crate::harness::{Peregrine, process};
use peregrine_test_servers::{RedisServer, eventually};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Output;

/// Runs the command with an origin on a free port that `start` leads its nodes to. A port is free only until somebody takes
/// it, so a run whose origin found it taken begins again.
fn verify(arguments: &[&str], start: impl Fn(u16) -> Vec<Peregrine>) -> Output {
    eventually("an origin that finds its port free", || {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nodes = start(port);
        let join = |of: fn(&Peregrine) -> String| nodes.iter().map(of).collect::<Vec<_>>().join(",");
        let urls = join(|node| format!("http://{}", node.address));
        let admins = join(|node| format!("http://{}", node.admin));
        let files = join(|node| node.path(crate::harness::program::TOKEN).display().to_string());
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec!["verify", "freshness", "--nodes", &urls, "--admin", &admins];
        all.extend(["--token-file", &files, "--origin-listen", &listen]);
        all.extend(arguments);
        let output = process::command(nodes[0].folder.path(), &all).output().unwrap();
        (!stderr(&output).contains("--origin-listen")).then_some(output)
    })
}

fn node(port: u16, more: &str) -> Peregrine {
    Peregrine::start(&leading_to(port, more))
}

fn leading_to(port: u16, more: &str) -> String {
    let upstream = format!("[[upstream]]\nname = \"verify\"\ntargets = [\"http://127.0.0.1:{port}\"]\n");
    format!("{upstream}[[route]]\nupstream = \"verify\"\n{more}\n")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{}", stderr(output)))
}

#[test]
fn one_node_keeps_its_promises() {
    let output = verify(&["--duration", "2s", "--json"], |port| vec![node(port, "")]);
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["verdict"], "kept");
    let reads = report["nodes"][0]["reads"].as_u64().unwrap();
    assert!(reads > report["origin_requests"].as_u64().unwrap(), "{report:#}");
    assert!(report["invalidations"]["confirmed"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn nodes_that_know_nothing_of_each_other_are_found_out() {
    let alone = |port| vec![node(port, ""), node(port, "")];
    let output = verify(&["--duration", "3s", "--bound", "50ms", "--changes", "40"], alone);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}\n{}", stderr(&output));
    for expected in [
        "BROKEN",
        "P2 broken by http://",
        "the origin has version",
        "invalidated version",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

// An optimised build has no such fault.
#[cfg(debug_assertions)]
#[test]
fn nodes_that_overlook_invalidations_are_found_out() {
    let redis = RedisServer::start(&[]);
    let blind = |port| {
        let more = format!("[redis]\nurl = \"{}\"\n", redis.url());
        let fault = [("PEREGRINE_TEST_FAULT", "overlook_invalidations".to_owned())];
        let start = || Peregrine::start_with(tempfile::tempdir().unwrap(), &leading_to(port, &more), &fault);
        vec![start(), start()]
    };
    let output = verify(
        &["--duration", "3s", "--bound", "100ms", "--changes", "40", "--json"],
        blind,
    );
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(report["verdict"], "broken");
    let broken = |promise: &str| report["violations"][promise].as_u64().unwrap_or(0);
    assert!(broken("P1") + broken("receipt") + broken("P2") > 0, "{report:#}");
}

#[test]
fn nodes_that_share_a_redis_keep_their_promises() {
    let redis = RedisServer::start(&[]);
    let sharing = |port| {
        let more = format!("[redis]\nurl = \"{}\"\n", redis.url());
        (0..2).map(|_| node(port, &more)).collect()
    };
    let output = verify(&["--duration", "3s", "--json"], sharing);
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["verdict"], &report["bound_ms"]),
        (&json!("kept"), &json!(1000.0))
    );
}

#[test]
fn a_node_that_leads_elsewhere_is_wrong_usage_that_says_what_to_do() {
    let elsewhere = |_| vec![node(9, "")];
    let output = verify(&["--duration", "1s"], elsewhere);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("each node needs a route"),
        "{}",
        stderr(&output)
    );
}
