//! What is told of routes, strategies, tiers and tenants since the start: how much, how fast, and why.

use super::world::{World, config};
use crate::figures_of_tenant;
use crate::reading::{KeptReading, ReasonReading, TenantReading};
use peregrine_telemetry::Histogram;
use std::sync::Arc;
use std::time::Duration;

/// A shop with nine hits of a millisecond and a miss of a second that failed.
fn shop() -> World {
    let mut world = World::new(config());
    (0..9).for_each(|_| world.hit("shop", Duration::from_millis(1)));
    world.miss("shop", Duration::from_secs(1));
    let route = world.route("shop");
    route.failed = 1;
    route.saved_micros = 9_000_000;
    route.kinds.insert("connect", 1);
    route.reasons.push(ReasonReading {
        word: "no_freshness",
        sentence: "The answer says nothing of freshness",
        count: 1,
    });
    world
}

/// Whether `found` is within an eighth above `exact`, as quantiles are.
fn close(found: Option<f64>, exact: f64) -> bool {
    found.is_some_and(|found| found >= exact * 0.999 && found <= exact * 1.126)
}

#[test]
fn a_tier_tells_how_fast_its_answers_were_apart_from_those_of_the_origin() {
    let mut world = shop();
    world.route("shop").outcomes.collapsed = 1;
    world.seconds(10);
    let told = world.insight.metrics().application;
    let [memory, redis] = &told.tiers[..] else {
        panic!("{:?}", told.tiers);
    };
    assert_eq!((memory.tier.as_str(), redis.tier.as_str()), ("memory", "redis"));
    let did = &memory.figures;
    assert_eq!((did.requests, did.bytes_sent), (Some(9.0), Some(9000.0)));
    // Who got another's load is in the memory part of the total, and no tier's.
    assert_eq!(
        (did.hit_ratio.total, told.total.hit_ratio.memory),
        (Some(9.0 / 11.0), Some(10.0 / 11.0))
    );
    assert_eq!(did.origin_seconds_saved, Some(9.0));
    assert!(close(did.latency_ms.p99, 1.0), "{:?}", did.latency_ms);
    assert!(close(told.total.latency_ms.p99, 1000.0), "{:?}", told.total.latency_ms);
    assert_eq!(
        (redis.figures.requests, redis.figures.latency_ms.p50),
        (Some(0.0), None)
    );
}

#[test]
fn routes_and_strategies_tell_why() {
    let mut world = shop();
    world.seconds(10);
    let told = world.insight.metrics().application;
    let of_route = told.routes[0].causes.as_ref().unwrap();
    assert_eq!((of_route.errors["connect"], of_route.reasons["no_freshness"]), (1, 1));
    assert_eq!((&told.strategies[0].causes, &told.errors), (of_route, &of_route.errors));
    assert_eq!(told.strategies[0].figures.origin_seconds_saved, Some(9.0));
    // A span has no causes: they are counted since the start.
    assert_eq!(world.insight.routes_within(Duration::from_secs(60))[0].causes, None);
}

#[test]
fn a_tenant_has_the_figures_of_a_route() {
    let mut world = shop();
    world.seconds(10);
    let acme = TenantReading {
        did: Some(Arc::clone(&world.reading().routes[0].did)),
        kept: Some(kept(4, 2, &[30])),
        ..TenantReading::default()
    };
    let acme = figures_of_tenant("acme", &acme);
    let told = world.insight.metrics().application;
    let route = &told.routes[0];
    assert_eq!(acme.causes, route.causes);
    let (own, others) = (&acme.figures, &route.figures);
    assert_eq!((own.requests, own.error_ratio), (Some(10.0), Some(0.1)));
    assert_eq!(
        (own.latency_ms, own.upstream_ms, own.queue_ms),
        (others.latency_ms, others.upstream_ms, others.queue_ms)
    );
    assert!(close(own.upstream_ms.p50, 1000.0) && close(own.queue_ms.p50, 2000.0));
    assert_eq!((own.hit_ratio, own.coalesced), (others.hit_ratio, others.coalesced));
    assert_eq!(
        (own.origin_seconds_saved, own.bytes_sent, own.bytes_saved),
        (Some(9.0), Some(10_000.0), Some(9000.0))
    );
    assert_eq!((own.origin_requests, own.origin_seconds), (Some(1.0), Some(1.0)));
    assert_eq!(
        (own.evictions, own.invalidations, own.requests_per_s),
        (Some(4.0), Some(2.0), None)
    );
    assert_eq!(acme.kept.unwrap().entries, 7);
    // Who has an account in the cache alone is told by that.
    let globex = TenantReading {
        hits: 3,
        misses: 1,
        ..TenantReading::default()
    };
    let globex = figures_of_tenant("globex", &globex);
    assert_eq!(
        (globex.figures.hit_ratio.total, globex.figures.requests),
        (Some(0.75), None)
    );
    assert_eq!((globex.causes, globex.figures.evictions), (None, None));
    assert_eq!(globex.kept, None);
}

/// Seven entries after `evictions` for want of room and as many that were replaced, and invalidations of which some held
/// everywhere after so many milliseconds.
fn kept(evictions: u64, invalidations: u64, took_ms: &[u64]) -> KeptReading {
    let lag = Histogram::new();
    took_ms.iter().for_each(|took| lag.record(Duration::from_millis(*took)));
    KeptReading {
        bytes: 700,
        entries: 7,
        evictions_by_cause: [("capacity", evictions), ("replaced", evictions)].into(),
        invalidations,
        invalidation_lag: (!took_ms.is_empty()).then(|| lag.snapshot()),
    }
}

#[test]
fn routes_strategies_and_tiers_tell_what_they_hold_and_what_left() {
    let mut world = shop();
    world.hit("api", Duration::from_millis(1));
    world.route("shop").kept = Some(kept(4, 2, &[30]));
    world.route("api").kept = Some(kept(1, 3, &[90, 90, 90]));
    world.namespace.kept = kept(6, 4, &[30, 90, 90]);
    world.seconds(10);
    let told = world.insight.metrics().application;
    let of_route = |name: &str| told.routes.iter().find(|one| one.route == name).unwrap();
    let (shop, api) = (of_route("shop"), of_route("api"));
    assert_eq!((shop.figures.evictions, api.figures.evictions), (Some(4.0), Some(1.0)));
    let shop = shop.kept.as_ref().unwrap();
    assert_eq!((shop.bytes, shop.entries, shop.invalidations), (700, 7, 2));
    assert_eq!(shop.evictions_by_cause["replaced"], 4);
    assert!(close(shop.invalidation_ms.p99, 30.0), "{shop:?}");
    let strategy = &told.strategies[0];
    assert_eq!(
        (strategy.figures.evictions, strategy.figures.invalidations),
        (Some(5.0), Some(5.0))
    );
    assert_eq!((strategy.kept.bytes, strategy.kept.entries), (1400, 14));
    assert!(close(strategy.kept.invalidation_ms.p50, 90.0), "{strategy:?}");
    // All routes of a made-up program have one strategy and one upstream.
    let upstream = &told.upstreams[0];
    assert_eq!((told.upstreams.len(), upstream.upstream.as_str()), (1, "api"));
    assert_eq!(
        (&upstream.figures, &upstream.causes, &upstream.kept),
        (&strategy.figures, &strategy.causes, &strategy.kept)
    );
    let [memory, redis] = &told.tiers[..] else {
        panic!("{:?}", told.tiers);
    };
    assert_eq!((memory.figures.evictions, redis.figures.evictions), (Some(6.0), None));
    assert_eq!((memory.kept.as_ref().unwrap().bytes, &redis.kept), (700, &None));
    let namespace = &world.insight.metrics().cache.namespaces[0];
    assert_eq!((namespace.kept.invalidations, namespace.kept.entries), (4, 7));
    // Within a span nobody counts them.
    let within = &world.insight.routes_within(Duration::from_secs(60))[0];
    assert_eq!((&within.kept, within.figures.evictions), (&None, None));
}

#[test]
fn what_the_origin_got_counts_in_the_second_in_which_nobody_was_answered() {
    let mut world = shop();
    world.seconds(10);
    let route = world.route("shop");
    route.renewals = 2;
    route.origin_micros += 500_000;
    world.second();
    let did = &world.insight.routes_within(Duration::from_secs(60))[0].figures;
    assert_eq!((did.origin_requests, did.origin_seconds), (Some(3.0), Some(1.5)));
}
