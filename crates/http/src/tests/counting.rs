//! What a route counts of the origin: what it was asked, what it was spared, and what went wrong.

use super::bench::{Bench, answer};
use super::*;
use crate::Tier;
use http::StatusCode;

fn of_tier(bench: &Bench, wanted: Tier) -> u64 {
    let tiers: Vec<_> = bench.metrics().requests.tiers().collect();
    tiers.iter().find(|(tier, _)| *tier == wanted).unwrap().1
}

#[tokio::test]
async fn hits_spare_the_origin_what_their_load_had_cost() {
    let bench = Setup::plain().before(async |_| answer(200, &[("cache-control", "max-age=60")], "text"));
    let url = "http://shop.example/page";
    bench.get_stored(url, &[]).await;
    let metrics = bench.metrics();
    assert_eq!(
        (metrics.requests.origin_requests(), metrics.requests.saved_requests()),
        (1, 0)
    );
    for _ in 0..3 {
        assert!(bench.get(url, &[]).await.is_hit());
    }
    assert_eq!(
        (metrics.requests.origin_requests(), metrics.requests.saved_requests()),
        (1, 3)
    );
    assert_eq!(of_tier(&bench, Tier::Memory), 3);
    assert_eq!(of_tier(&bench, Tier::Redis), 0);
    // A write goes past the cache and reaches the origin.
    bench.ask("POST", url, &[]).await;
    assert_eq!(
        (metrics.requests.origin_requests(), metrics.requests.saved_requests()),
        (2, 3)
    );
    assert_eq!(metrics.requests.error_kinds().len(), 0);
    assert_eq!(
        metrics.requests.wait.snapshot().count,
        metrics.requests.upstream.snapshot().count
    );
}

#[tokio::test]
async fn what_goes_wrong_is_counted_by_kind_and_stale_in_its_place_saves_nothing() {
    let bench = Setup::plain()
        .strategy(|strategy| strategy.stale_if_error = "1h".parse().unwrap())
        .before(async |_| answer(200, &[("cache-control", "max-age=60")], "text"));
    let url = "http://shop.example/page";
    bench.get_stored(url, &[]).await;
    bench.end_origin().await;
    bench.advance(120);
    assert_eq!(bench.get(url, &[]).await.text, "text");
    let requests = &bench.metrics().requests;
    assert_eq!(requests.saved_requests(), 0, "the origin was to be asked");
    assert_eq!(requests.duration_from(Tier::Memory).count, 0, "memory was not slow");
    assert_eq!((of_tier(&bench, Tier::Memory), requests.duration().count), (0, 2));
    assert_eq!(
        bench.get("http://shop.example/other", &[]).await.status,
        StatusCode::BAD_GATEWAY
    );
    let kinds = bench.metrics().requests.error_kinds();
    assert_eq!(kinds.values().sum::<u64>(), 1, "{kinds:?}");
    assert_eq!(bench.metrics().requests.origin_requests(), 1, "the origin got no other");
}
