//! QUERY and POST whose content is part of the key.

use super::bench::{Answer, Bench, answer, complaints};
use super::*;
use bytes::Bytes;
use peregrine_net::http::Body;
use serde_json::json;

const URL: &str = "http://shop.example/search";

/// An origin that answers with what it was sent, for a minute.
fn echoing(methods: &[&str]) -> Bench {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    let setup =
        Setup::with(&[json!({"key": {"content_max": "1KiB"}})]).strategy(|strategy| strategy.cache_methods = methods);
    setup.before(async |heard| {
        let fields = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
        answer(200, &fields, [heard.method.as_bytes(), b" ", &heard.content].concat())
    })
}

async fn send(bench: &Bench, method: &str, kind: &str, content: &'static str) -> Answer {
    bench
        .send(method, URL, &[("content-type", kind)], Body::full(content))
        .await
}

#[tokio::test]
async fn a_query_is_answered_for_everybody_who_sends_the_same() {
    let bench = echoing(&["GET", "QUERY"]);
    for (kind, content, is_hit) in [
        ("text/plain", "a", false),
        ("text/plain", "a", true),
        ("Text/Plain", "a", true),
        ("text/plain", "b", false),
        ("text/csv", "a", false),
        // Values of parameters may mean something else in other letters (RFC 9110 §8.3.1).
        ("multipart/mixed; boundary=AbC", "--AbC--", false),
        ("multipart/mixed; boundary=abc", "--AbC--", false),
        ("Multipart/Mixed; boundary=abc", "--AbC--", true),
        ("text/plain", "", false),
        ("application/json", "{\"b\":1, \"a\":2}", false),
        ("application/json", " {\"a\":2,\"b\":1} ", true),
        ("application/json", "{\"a\":2,\"b\":1.0}", false),
        ("application/json", "{\"a\":2,\"a\":3}", false),
        ("application/json", "{\"a\":3}", false),
        ("text/plain", "{\"a\":3 }", false),
        ("text/plain", "{\"a\":3}", false),
    ] {
        let answer = send(&bench, "QUERY", kind, content).await;
        assert_eq!(answer.is_hit(), is_hit, "{kind} {content}: {answer:?}");
        if !is_hit {
            assert_eq!(answer.text, format!("QUERY {content}"));
        }
    }
    assert!(!bench.get(URL, &[]).await.is_hit(), "GET has a key of its own");
    assert!(bench.get(URL, &[]).await.is_hit(), "a QUERY changes nothing");
}

#[tokio::test]
async fn a_post_reads_only_where_a_strategy_says_so() {
    let plain = echoing(&["GET"]);
    plain.get(URL, &[]).await;
    for _ in 0..2 {
        assert!(!send(&plain, "POST", "text/plain", "a").await.is_hit());
    }
    assert!(!plain.get(URL, &[]).await.is_hit(), "it may have changed the page");

    let bench = echoing(&["GET", "POST"]);
    bench.get(URL, &[]).await;
    assert_eq!(send(&bench, "POST", "text/plain", "a").await.text, "POST a");
    assert!(send(&bench, "POST", "text/plain", "a").await.is_hit());
    assert!(!send(&bench, "POST", "text/plain", "b").await.is_hit());
    assert!(bench.get(URL, &[]).await.is_hit());
    bench.advance(61);
    assert!(!send(&bench, "POST", "text/plain", "a").await.is_hit());
    let last = bench.heard().pop().unwrap();
    assert_eq!(
        last.field("if-none-match"),
        "",
        "a POST with that condition is not done at all"
    );
}

#[tokio::test]
async fn content_that_is_too_long_for_a_key_reaches_the_origin_whole() {
    let bench = echoing(&["QUERY"]);
    for _ in 0..2 {
        let long = "x".repeat(1025);
        let fields = [("content-type", "text/plain")];
        let known = bench.send("QUERY", URL, &fields, Body::full(long.clone())).await;
        let mut pieces = vec![Bytes::from("y".repeat(700)), Bytes::from("z".repeat(700))];
        let stream = Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop().map(Ok)));
        let unknown = bench.send("QUERY", URL, &fields, stream).await;
        for (answer, content) in [(known, long), (unknown, "z".repeat(700) + &"y".repeat(700))] {
            assert!(answer.field("cache-status").contains("request_content"), "{answer:?}");
            assert_eq!(answer.text, format!("QUERY {content}"));
        }
    }
}

#[tokio::test]
async fn a_write_invalidates_queries_of_its_url() {
    let bench = echoing(&["GET", "QUERY"]);
    send(&bench, "QUERY", "text/plain", "a").await;
    assert!(send(&bench, "QUERY", "text/plain", "a").await.is_hit());
    send(&bench, "PUT", "text/plain", "new").await;
    assert!(!send(&bench, "QUERY", "text/plain", "a").await.is_hit());
}

#[tokio::test]
async fn a_method_whose_answers_are_never_stored_is_a_fault_of_the_configuration() {
    let found = complaints(&[json!({"strategy": "writes"})]).await;
    let expected = "route[0].strategy: `writes` has `PUT` in cache_methods, and answers to that are never stored";
    assert_eq!(found, [expected]);
}
