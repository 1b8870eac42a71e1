//! Answers that say which parts of the query they do not depend on.

use super::bench::{Bench, answer};
use super::*;
use peregrine_net::http::hygiene::TrustedProxies;
use serde_json::json;

const RULE: (&str, &str) = ("no-vary-search", "params=(\"utm\")");

fn url(query: &str) -> String {
    format!("http://shop.example/page{query}")
}

/// An origin whose answers do not depend on `utm`, except that those with `odd` say nothing of that.
fn bench(route: serde_json::Value) -> Bench {
    Setup::with(&[route]).before(async |heard| match heard.method.as_str() {
        "GET" if heard.target.contains("odd") => answer(200, &[("cache-control", "max-age=60")], heard.target),
        "GET" => answer(200, &[("cache-control", "max-age=60"), RULE], heard.target),
        _ => answer(204, &[], ""),
    })
}

/// Asks, and tells whether the cache answered.
async fn hits(bench: &Bench, query: &str) -> bool {
    bench.get(&url(query), &[]).await.is_hit()
}

#[tokio::test]
async fn urls_that_differ_in_what_does_not_count_share_an_answer() {
    let bench = bench(json!({}));
    let first = bench.get(&url("?id=1&utm=a"), &[]).await;
    assert!(first.field("cache-status").contains("query_rule"), "{first:?}");
    assert!(!hits(&bench, "?id=1&utm=a").await);
    for query in ["?id=1&utm=a", "?id=1&utm=b", "?id=1", "?utm=c&id=1"] {
        assert!(hits(&bench, query).await, "{query}");
    }
    for query in ["?id=2&utm=a", "?id=1&utm=a;id=3", ""] {
        assert!(!hits(&bench, query).await, "{query}");
    }
    assert!(hits(&bench, "?utm=z").await);
}

#[tokio::test]
async fn an_answer_that_says_nothing_answers_its_own_url_only() {
    let bench = bench(json!({}));
    for _ in 0..3 {
        hits(&bench, "?id=1&utm=a").await;
    }
    assert!(hits(&bench, "?id=1&utm=b").await);
    for _ in 0..2 {
        assert!(!hits(&bench, "?odd&utm=a").await);
    }
    assert!(hits(&bench, "?odd&utm=a").await);
    assert!(!hits(&bench, "?odd&utm=b").await);
}

#[tokio::test]
async fn a_write_and_a_purge_reach_what_answers_many_urls() {
    let bench = bench(json!({}));
    bench.let_purge(TrustedProxies::parse(["127.0.0.1"]).unwrap());
    for method in ["PUT", "PURGE"] {
        for _ in 0..2 {
            hits(&bench, "?id=1&utm=a").await;
        }
        assert!(hits(&bench, "?id=1&utm=b").await, "{method}");
        bench.ask(method, &url("?id=1&utm=x"), &[]).await;
        assert!(!hits(&bench, "?id=1&utm=b").await, "{method}");
    }
}

#[tokio::test]
async fn a_write_reaches_what_was_stored_by_a_rule_that_no_longer_holds() {
    let bench = bench(json!({}));
    for _ in 0..3 {
        hits(&bench, "?id=1&utm=a").await;
    }
    // Forgets the rule, and learns it again after the write.
    hits(&bench, "?odd").await;
    bench.ask("PUT", &url("?id=1&utm=a"), &[]).await;
    hits(&bench, "?id=9").await;
    assert!(!hits(&bench, "?id=1&utm=b").await);
}

#[tokio::test]
async fn a_route_need_not_listen() {
    let bench = bench(json!({"key": {"no_vary_search": false}}));
    assert!(!hits(&bench, "?id=1&utm=a").await);
    assert!(hits(&bench, "?id=1&utm=a").await);
    assert!(!hits(&bench, "?id=1&utm=b").await);
}
