//! PURGE: who may, and what it reaches.

use super::bench::{Bench, answer};
use super::*;
use peregrine_net::http::hygiene::TrustedProxies;
use serde_json::{Value, json};

const URL: &str = "http://shop.example/page?utm_source=x";

fn bench() -> Bench {
    let setup = Setup::with(&[json!({"key": {"query_ignore": ["utm_*"], "cookies": ["shop"]}})]);
    setup.before(async |heard| {
        let fields = [("cache-control", "max-age=60"), ("vary", "accept-language")];
        answer(200, &fields, heard.field("accept-language").to_owned())
    })
}

#[tokio::test]
async fn nobody_may_purge_unless_the_configuration_says_who() {
    let bench = bench();
    bench.get(URL, &[]).await;
    let off = bench.ask("PURGE", URL, &[]).await;
    assert_eq!(off.status, 405);
    assert!(
        off.field("allow").contains("GET") && off.text.contains("purge_off"),
        "{off:?}"
    );
    bench.let_purge(TrustedProxies::parse(["10.0.0.0/8"]).unwrap());
    let other = bench.ask("PURGE", URL, &[("x-forwarded-for", "10.0.0.1")]).await;
    assert_eq!(other.status, 403);
    assert!(other.text.contains("purge_forbidden"), "{other:?}");
    assert!(bench.get(URL, &[]).await.is_hit());
    assert_eq!(bench.heard().len(), 1, "the origin never hears of it");
}

#[tokio::test]
async fn a_purge_reaches_all_variants_of_its_url_and_nothing_else() {
    let bench = bench();
    bench.let_purge(TrustedProxies::parse(["127.0.0.1"]).unwrap());
    let kinds: [&[(&str, &str)]; 3] = [
        &[("accept-language", "de")],
        &[("accept-language", "en")],
        &[("cookie", "shop=2")],
    ];
    for kind in kinds {
        bench.get(URL, kind).await;
        assert!(bench.get(URL, kind).await.is_hit());
    }
    bench.get("http://shop.example/other", &[]).await;
    let purged = bench.ask("PURGE", "http://shop.example/page?utm_source=y", &[]).await;
    assert_eq!(
        (purged.status, &*purged.field("content-type")),
        (200, "application/json")
    );
    let receipt: Value = serde_json::from_str(&purged.text).unwrap();
    assert_eq!(receipt["matched"], json!({"memory": 3, "redis": null}));
    assert_eq!(receipt["layers"][0]["layer"], "memory");
    for kind in kinds {
        assert!(!bench.get(URL, kind).await.is_hit(), "{kind:?}");
    }
    assert!(bench.get("http://shop.example/other", &[]).await.is_hit());
}

#[tokio::test]
async fn what_no_route_reads_cannot_be_purged() {
    let setup = Setup::with(&[json!({"match": {"path": "/shop/*"}})]);
    let bench = setup.before(async |_| answer(200, &[], ""));
    bench.let_purge(TrustedProxies::parse(["127.0.0.1"]).unwrap());
    assert_eq!(bench.ask("PURGE", URL, &[]).await.status, 404);
}
