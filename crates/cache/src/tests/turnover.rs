//! Whose entries are in memory, whose left and why, and which invalidations reached whom.

use crate::testing::{Bench, at_once, tagged};
use crate::{
    Invalidation, InvalidationStatistics, Key, Lookup, Meta, NoVariants, RouteStatistics, Selector, Settings,
    Statistics, TenantStatistics,
};
use bytes::Bytes;
use peregrine_base::ByteSize;
use std::collections::BTreeMap;

/// Stores `size` bytes at `path` for a tenant, on a route.
fn put(bench: &Bench, route: &str, tenant: &str, path: &str, size: usize) {
    let mut key = Key::http(&bench.namespace, tenant, "http", "h", path);
    key.set_route(bench.engine.route(route));
    let Lookup::Lead(lease) = bench.engine.lookup(&key, &bench.ask()) else {
        panic!("leads")
    };
    let body = Bytes::from(vec![b'x'; size]);
    lease.store(tagged(&[route]), &body, &NoVariants).unwrap();
}

fn of_route(bench: &Bench, route: &str) -> RouteStatistics {
    bench.engine.statistics().routes[route].clone()
}

fn of_tenant(bench: &Bench, tenant: &str) -> TenantStatistics {
    bench.engine.statistics().tenants[tenant].clone()
}

fn invalidate(bench: &Bench, request: &Invalidation) -> Option<u64> {
    at_once(bench.engine.invalidate(request)).matched.memory
}

/// What routes and those without one hold together, and what the namespace says.
fn sums(statistics: &Statistics) -> ((u64, u64), (u64, u64)) {
    let routes = statistics.routes.values();
    let held = routes.fold((0, 0), |(bytes, entries), one| {
        (bytes + one.bytes, entries + one.entries)
    });
    let namespace = &statistics.namespaces["default"];
    (held, (namespace.bytes, namespace.entries))
}

#[tokio::test]
async fn an_entry_counts_for_the_route_that_stored_it_until_it_leaves() {
    let bench = Bench::new();
    for page in 0..3 {
        put(&bench, "shop", "", &format!("/shop/{page}"), 100);
    }
    put(&bench, "api", "", "/api", 5000);
    let statistics = bench.engine.statistics();
    let (held, namespace) = sums(&statistics);
    assert_eq!(held, namespace);
    let (shop, api) = (&statistics.routes["shop"], &statistics.routes["api"]);
    assert_eq!((shop.entries, api.entries), (3, 1));
    assert!(
        api.bytes > 5000 && shop.bytes > 300 && shop.bytes < 2000,
        "{statistics:?}"
    );
    // Another route finds it, and it stays the first one's; a value that is set by name is nobody's.
    let mut key = bench.key("/shop/0");
    key.set_route(bench.engine.route("api"));
    assert!(matches!(bench.engine.lookup(&key, &bench.ask()), Lookup::Fresh { .. }));
    let value = Bytes::from_static(b"value");
    assert!(
        bench
            .engine
            .set(&bench.namespace, "name", value, &crate::SetOptions::default())
    );
    assert_eq!(of_route(&bench, "shop").entries, 3);
    assert_eq!(of_route(&bench, "api").entries, 1);
    bench.engine.clear(&bench.namespace);
    let shop = of_route(&bench, "shop");
    assert_eq!((shop.bytes, shop.entries), (0, 0));
    assert_eq!(shop.evictions_by_cause, [("removed", 3)].into());
    assert_eq!(of_route(&bench, "api").evictions_by_cause, [("removed", 1)].into());
}

#[tokio::test]
async fn who_had_to_make_room_is_told_by_route_and_tenant() {
    let bench = Bench::with(|settings: &mut Settings| settings.cache.memory = ByteSize::mib(2));
    for page in 0..100 {
        put(&bench, "shop", "acme", &format!("/shop/{page}"), 1000);
    }
    for page in 0..200 {
        put(&bench, "films", "", &format!("/films/{page}"), 30_000);
    }
    let statistics = bench.engine.statistics();
    let made_room = |causes: &BTreeMap<&str, u64>| causes.get("capacity").copied().unwrap_or(0);
    let whole = made_room(&statistics.namespaces["default"].evictions_by_cause);
    let films = made_room(&statistics.routes["films"].evictions_by_cause);
    let shop = made_room(&statistics.routes["shop"].evictions_by_cause);
    assert!(films > 100, "{statistics:?}");
    assert_eq!(films + shop, whole);
    assert_eq!(made_room(&statistics.tenants["acme"].evictions_by_cause), shop);
    let (held, namespace) = sums(&statistics);
    assert_eq!(held, namespace);
}

#[tokio::test]
async fn an_invalidation_counts_once_for_each_whose_entries_it_reaches() {
    let bench = Bench::new();
    for (route, tenant, path) in [
        ("shop", "acme", "/a"),
        ("shop", "acme", "/b"),
        ("shop", "globex", "/a"),
        ("api", "globex", "/c"),
    ] {
        put(&bench, route, tenant, path, 10);
    }
    let count = |of: &InvalidationStatistics| (of.count, of.lag.as_ref().map_or(0, |lag| lag.all.count));
    let counts = || {
        let is = bench.engine.statistics();
        [
            count(&is.total.invalidations),
            count(&is.namespaces["default"].invalidations),
            count(&is.routes["shop"].invalidations),
            count(&is.routes["api"].invalidations),
            count(&is.tenants["acme"].invalidations),
            count(&is.tenants["globex"].invalidations),
        ]
    };
    let soft = Invalidation {
        soft: true,
        ..Invalidation::of_tags(vec!["shop".into()])
    };
    let dry = Invalidation {
        dry_run: true,
        ..soft.clone()
    };
    assert_eq!(invalidate(&bench, &dry), Some(3));
    assert_eq!(counts(), [(0, 0); 6], "who only looks is not counted");
    assert_eq!(invalidate(&bench, &soft), Some(3));
    assert_eq!(counts(), [(1, 1), (1, 1), (1, 1), (0, 0), (1, 1), (1, 1)]);
    assert_eq!(of_route(&bench, "shop").evictions_by_cause, BTreeMap::new());
    assert_eq!(invalidate(&bench, &Invalidation::of_keys(vec!["/c".into()])), Some(1));
    assert_eq!(counts(), [(2, 2), (2, 2), (1, 1), (1, 1), (1, 1), (2, 2)]);
    assert_eq!(of_route(&bench, "api").evictions_by_cause, [("invalidated", 1)].into());
    assert_eq!(
        of_tenant(&bench, "globex").evictions_by_cause,
        [("invalidated", 1)].into()
    );
    // One that is a tenant's own counts for it though nothing was there.
    let own = Invalidation {
        tenant: Some("acme".into()),
        ..Invalidation::of_keys(vec!["/nothing".into()])
    };
    assert_eq!(invalidate(&bench, &own), Some(0));
    assert_eq!(counts(), [(3, 3), (2, 2), (1, 1), (1, 1), (2, 2), (2, 2)]);
    // Nobody waits for a receipt: whose it was is seen once the entries are found to be gone.
    bench
        .engine
        .invalidate_uncounted(&Invalidation::of_tags(vec!["shop".into()]));
    assert_eq!(counts(), [(4, 3), (2, 2), (1, 1), (1, 1), (2, 2), (2, 2)]);
    bench.engine.sweep();
    // A write counts for the route whose reads it changes, though nothing is there any more.
    let written = Invalidation {
        scope: Some(vec!["default".into()]),
        tenant: Some("acme".into()),
        ..Invalidation::of_keys(vec!["http://h/a".into()])
    };
    let api = bench.engine.route("api");
    bench.engine.invalidate_written(&written, api);
    assert_eq!(counts(), [(5, 4), (3, 3), (1, 1), (2, 2), (3, 3), (2, 2)]);
    assert_eq!(of_route(&bench, "shop").evictions_by_cause, [("invalidated", 3)].into());
    assert_eq!(
        of_tenant(&bench, "acme").evictions_by_cause,
        [("invalidated", 2)].into()
    );
}

#[tokio::test]
async fn what_is_left_of_a_resource_that_varies_is_nothing_that_an_invalidation_reaches() {
    let bench = Bench::new();
    let mut key = bench.key("/a");
    key.set_route(bench.engine.route("shop"));
    let Lookup::Lead(lease) = bench.engine.lookup(&key, &bench.ask()) else {
        panic!("leads")
    };
    let varies = Meta {
        selector: Selector::new(["accept-language"].into_iter()),
        ..tagged(&["t"])
    };
    lease.store(varies, &Bytes::from_static(b"one"), &NoVariants).unwrap();
    let tag = Invalidation::of_tags(vec!["t".into()]);
    let all = Invalidation {
        all: true,
        ..Invalidation::default()
    };
    assert_eq!(invalidate(&bench, &tag), Some(1));
    assert_eq!(invalidate(&bench, &all), Some(0));
    assert!(of_route(&bench, "shop").entries > 0, "what names the variants is kept");
    assert_eq!(of_route(&bench, "shop").invalidations.count, 1);
    // What names nothing is no invalidation.
    let nowhere = Invalidation {
        namespaces: vec!["nowhere".into()],
        ..all
    };
    let before = bench.engine.statistics().total.invalidations;
    assert_eq!(invalidate(&bench, &nowhere), Some(0));
    assert_eq!(bench.engine.statistics().total.invalidations, before);
}

#[test]
fn a_route_keeps_its_number_and_there_is_a_limit_of_them() {
    let bench = Bench::new();
    let (shop, api) = (bench.engine.route("shop"), bench.engine.route("api"));
    assert_ne!(shop, api);
    assert_eq!(bench.engine.route("shop"), shop);
    let further: Vec<_> = (0..1100)
        .map(|number| bench.engine.route(&number.to_string()))
        .collect();
    assert_eq!(bench.engine.statistics().routes.len(), 1024);
    let (named, nobody) = further.split_at(1022);
    assert!(named.iter().all(|route| *route != nobody[0]));
    assert!(nobody.iter().all(|route| *route == nobody[0]));
    assert_eq!(bench.engine.route("shop"), shop);
}
