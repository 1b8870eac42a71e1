//! What the program tells of itself is so: how long a hit took, what is under way and what is open, and that there is no
//! score of nothing.

use crate::harness::program::upstream;
use crate::harness::{Client, Gate, Origin, Peregrine, Reply, until};
use serde_json::Value;

/// What a client of HTTP/2 says first: the preface (RFC 9113 §3.4) and settings without any.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn summary(peregrine: &Peregrine) -> Value {
    peregrine.admin("GET", "/api/performance/summary", None).json()
}

/// The newest known value of a series.
fn newest(peregrine: &Peregrine, series: &str) -> Option<f64> {
    let target = format!("/api/performance/history?range=1m&resolution=1s&series={series}");
    let history = peregrine.admin("GET", &target, None).json();
    let values = history["series"][series].as_array()?;
    values.last()?.as_f64()
}

#[test]
fn hits_took_time_and_without_requests_there_is_no_score() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    until("the first second", || {
        summary(&peregrine)["now"]["memory_bytes"].is_number()
    });
    let score = &summary(&peregrine)["score"];
    assert_eq!((&score["value"], &score["grade"]), (&Value::Null, &Value::Null));
    for _ in 0..50 {
        assert_eq!(peregrine.get("/page", &[]).status, 200);
    }
    until("the requests to be seen", || {
        summary(&peregrine)["range"]["requests"].as_f64() == Some(50.0)
    });
    let summary = summary(&peregrine);
    assert_eq!(peregrine.metric("peregrine_requests_total", &["cache=\"hit\""]), 49.0);
    let median = summary["range"]["latency_ms"]["p50"].as_f64().unwrap();
    assert!(median > 0.0, "nearly all of them were hits, and none took no time");
    assert!(summary["score"]["value"].is_number() && summary["score"]["grade"].is_string());
}

#[test]
fn what_is_under_way_and_open_is_counted_until_it_is_over() {
    let gate = Gate::default();
    let held = gate.clone();
    let origin = Origin::start(move |_| {
        let reply = Reply::default().head(200, &[("content-length", "4")]);
        reply.send("pa").wait(&held).send("ge")
    });
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n";
    let peregrine = Peregrine::start(&upstream(&[&origin], "", listener));
    let mut http2 = Client::connect(peregrine.address);
    http2.send(PREFACE);
    let mut waiting = peregrine.begin("/slow", &[]);
    let live = || (newest(&peregrine, "in_flight"), newest(&peregrine, "http2_connections"));
    until("both to be in the live data", || live() == (Some(1.0), Some(1.0)));
    assert_eq!(peregrine.metric("peregrine_requests_in_flight", &[]), 1.0);
    assert_eq!(peregrine.metric("peregrine_http2_connections_open", &[]), 1.0);
    gate.open();
    assert_eq!(waiting.read("GET").text(), "page");
    http2.leave();
    until("neither to be", || live() == (Some(0.0), Some(0.0)));
}
