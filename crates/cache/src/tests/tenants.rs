//! Invalidations that are limited to a tenant reach what is the tenant's, and nothing of anybody else.

use crate::tenants::Tenants;
use crate::testing::{Bench, at_once, tagged, text};
use crate::{Hit, Invalidation, Key, Lookup, NoVariants, Settings, TenantQuota, TenantQuotas, TenantStatistics};
use bytes::Bytes;
use peregrine_base::{ByteSize, Instant};
use std::collections::BTreeMap;
use std::time::Duration;

const TENANTS: [&str; 3] = ["", "acme", "globex"];

fn key(bench: &Bench, tenant: &str, path: &str) -> Key {
    Key::http(&bench.namespace, tenant, "http", "h", path)
}

fn hit(bench: &Bench, tenant: &str, path: &str) -> Option<Hit> {
    match bench.engine.lookup(&key(bench, tenant, path), &bench.ask()) {
        Lookup::Fresh { hit, .. } => Some(hit),
        _ => None,
    }
}

/// An engine with two pages of each tenant, one of them tagged.
fn filled() -> Bench {
    let bench = Bench::new();
    for tenant in TENANTS {
        for (path, tags) in [("/a?x=1", &["t"][..]), ("/b", &[])] {
            let Lookup::Lead(lease) = bench.engine.lookup(&key(&bench, tenant, path), &bench.ask()) else {
                panic!("leads")
            };
            let body = Bytes::from(format!("{tenant} {path}"));
            lease.store(tagged(tags), &body, &NoVariants).unwrap();
        }
    }
    bench
}

/// What is left after `request`, as `tenant path`.
fn left(request: &Invalidation, counted: bool) -> (Vec<String>, Option<u64>) {
    let bench = filled();
    let matched = if counted {
        at_once(bench.engine.invalidate(request)).matched.memory
    } else {
        bench.engine.invalidate_uncounted(request);
        None
    };
    let mut left = Vec::new();
    for tenant in TENANTS {
        for path in ["/a?x=1", "/b"] {
            left.extend(hit(&bench, tenant, path).map(|hit| text(&hit)));
        }
    }
    (left, matched)
}

fn of(tenant: &str, change: impl FnOnce(&mut Invalidation)) -> Invalidation {
    let mut request = Invalidation {
        tenant: Some(tenant.to_owned()),
        ..Invalidation::default()
    };
    change(&mut request);
    request
}

#[tokio::test]
async fn nothing_of_another_tenant_is_reached() {
    let only_a = [" /a?x=1", " /b", "acme /b", "globex /a?x=1", "globex /b"];
    let only_b = [" /a?x=1", " /b", "acme /a?x=1", "globex /a?x=1", "globex /b"];
    let all = [" /a?x=1", " /b", "globex /a?x=1", "globex /b"];
    let none = [" /a?x=1", " /b", "acme /a?x=1", "acme /b", "globex /a?x=1", "globex /b"];
    let many = |request: &mut Invalidation| {
        request.tags = (0..20_000).map(|number| format!("tag {number}")).collect();
    };
    let cases: [(Invalidation, &[&str], u64); 14] = [
        (of("acme", |request| request.tags = vec!["t".into()]), &only_a, 1),
        (of("acme", |request| request.keys = vec!["/b".into()]), &only_b, 1),
        (
            of("acme", |request| request.keys = vec!["http://h/b".into()]),
            &only_b,
            1,
        ),
        (
            of("acme", |request| {
                request.keys = vec!["default|acme|GET|http://h/b".into()]
            }),
            &only_b,
            1,
        ),
        (
            of("acme", |request| {
                request.keys = vec!["default|globex|GET|http://h/b".into()]
            }),
            &none,
            0,
        ),
        (of("acme", |request| request.prefixes = vec!["/a".into()]), &only_a, 1),
        (
            of("acme", |request| request.patterns = vec!["http://*/b".into()]),
            &only_b,
            1,
        ),
        (of("acme", |request| request.patterns = vec!["*".into()]), &all, 2),
        (
            of("acme", |request| request.patterns = vec!["/never/".repeat(200)]),
            &all,
            2,
        ),
        (of("acme", |_| {}), &all, 2),
        (of("acme", |request| request.all = true), &all, 2),
        (
            of("acme", |request| request.namespaces = vec!["default".into()]),
            &all,
            2,
        ),
        (of("acme", many), &all, 2),
        (of("", |request| request.all = true), &none, 0),
    ];
    for (request, expected, count) in cases {
        let shown = format!("{:.200}", format!("{request:?}"));
        assert_eq!(left(&request, false).0, expected, "{shown}");
        assert_eq!(
            left(&request, true),
            (expected.iter().map(ToString::to_string).collect(), Some(count)),
            "{shown}"
        );
    }
}

#[test]
fn without_a_tenant_everybody_is_reached() {
    let request = Invalidation {
        keys: vec!["/b".into()],
        tags: vec!["t".into()],
        ..Invalidation::default()
    };
    assert!(left(&request, false).0.is_empty());
    let soft = of("acme", |request| request.soft = true);
    let bench = filled();
    bench.engine.invalidate_uncounted(&soft);
    assert!(hit(&bench, "acme", "/b").is_none() && hit(&bench, "globex", "/b").is_some());
}

#[test]
fn many_patterns_of_one_tenant_do_not_push_out_what_another_has() {
    let bench = filled();
    for number in 0..1000 {
        let request = of("acme", |request| request.patterns = vec![format!("/{number}*")]);
        bench.engine.invalidate_uncounted(&request);
    }
    assert!(hit(&bench, "globex", "/b").is_some() && hit(&bench, "", "/b").is_some());
}

/// An engine in which each tenant may hold what `quotas` say, and `acme` what its own say.
fn bounded(quotas: TenantQuotas, acme: Option<TenantQuota>) -> Bench {
    Bench::with(|settings| {
        settings.quotas = quotas;
        settings.tenants = acme.map(|quota| ("acme".to_owned(), quota)).into_iter().collect();
    })
}

fn fill(bench: &Bench, tenant: &str, pages: std::ops::Range<u32>, size: usize) {
    for page in pages {
        let path = format!("/{page}");
        let Lookup::Lead(lease) = bench.engine.lookup(&key(bench, tenant, &path), &bench.ask()) else {
            panic!("leads")
        };
        // One that is too large is not stored, which is what some want to see.
        let _ = lease.store(tagged(&[]), &Bytes::from(vec![b'x'; size]), &NoVariants);
    }
}

fn kept(bench: &Bench, tenant: &str, pages: std::ops::Range<u32>) -> Vec<u32> {
    pages
        .filter(|page| hit(bench, tenant, &format!("/{page}")).is_some())
        .collect()
}

fn of_tenant(bench: &Bench, tenant: &str) -> TenantStatistics {
    bench.engine.statistics().tenants[tenant].clone()
}

fn entries(most: u64) -> TenantQuotas {
    TenantQuotas {
        entries_max: Some(most),
        ..TenantQuotas::default()
    }
}

#[tokio::test]
async fn a_tenant_that_holds_as_much_as_it_may_makes_its_own_entries_leave() {
    let bench = bounded(entries(10), None);
    fill(&bench, "globex", 0..10, 100);
    fill(&bench, "acme", 0..4, 100);
    // The first one is wanted, so that the second is the oldest that is not.
    assert!(hit(&bench, "acme", "/0").is_some());
    fill(&bench, "acme", 4..11, 100);
    assert_eq!(kept(&bench, "globex", 0..10).len(), 10, "nobody else has to make room");
    assert_eq!(kept(&bench, "acme", 0..11), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    fill(&bench, "acme", 11..1000, 100);
    let acme = of_tenant(&bench, "acme");
    assert_eq!((acme.entries, acme.entries_max), (10, Some(10)));
    assert_eq!(acme.evictions_by_cause, [("quota", 990)].into());
    assert_eq!(kept(&bench, "acme", 999..1000), [999], "the newest is in");
    let statistics = bench.engine.statistics();
    assert_eq!(statistics.total.evictions_by_cause["quota"], 990);
    assert_eq!(
        statistics.other_tenants,
        TenantStatistics {
            entries_max: Some(10),
            ..TenantStatistics::default()
        }
    );
}

#[tokio::test]
async fn bytes_are_counted_as_memory_weighs_them_and_no_entry_is_larger_than_its_quota() {
    let quota = TenantQuota {
        memory_max: Some(ByteSize::kib(64)),
        ..TenantQuota::default()
    };
    let bench = bounded(TenantQuotas::default(), Some(quota));
    fill(&bench, "acme", 0..100, 5000);
    let acme = of_tenant(&bench, "acme");
    assert!(acme.bytes <= 64 << 10 && acme.bytes > 48 << 10, "{acme:?}");
    fill(&bench, "acme", 100..101, 100_000);
    assert_eq!(of_tenant(&bench, "acme").refused, 1);
    assert_eq!(bench.engine.statistics().total.not_stored_by_reason["quota"], 1);
    assert_eq!(
        kept(&bench, "acme", 99..100),
        [99],
        "what is too large makes nothing leave"
    );
    fill(&bench, "globex", 0..100, 5000);
    assert_eq!(
        of_tenant(&bench, "globex").entries,
        100,
        "who has no quota is not bounded"
    );
    bench.engine.invalidate_uncounted(&of("acme", |_| {}));
    let namespace = bench.engine.namespace("default").unwrap();
    bench.engine.clear(&namespace);
    let (acme, globex) = (of_tenant(&bench, "acme"), of_tenant(&bench, "globex"));
    assert_eq!((acme.bytes, acme.entries, globex.bytes, globex.entries), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_new_quota_holds_for_what_is_there() {
    let bench = bounded(TenantQuotas::default(), None);
    fill(&bench, "acme", 0..50, 100);
    let mut settings = Settings {
        quotas: entries(20),
        ..Settings::default()
    };
    bench.engine.reconfigure(settings.clone()).unwrap();
    assert_eq!(of_tenant(&bench, "acme").entries, 20);
    settings.quotas = entries(5);
    bench.engine.reconfigure(settings.clone()).unwrap();
    assert_eq!(of_tenant(&bench, "acme").entries, 5);
    settings.quotas = TenantQuotas::default();
    bench.engine.reconfigure(settings).unwrap();
    fill(&bench, "acme", 50..100, 100);
    assert_eq!(of_tenant(&bench, "acme").entries, 55);
}

#[tokio::test]
async fn accounts_are_few_and_exact_however_many_tenants_there_are() {
    let quotas = TenantQuotas {
        tracked_max: 3,
        ..TenantQuotas::default()
    };
    let bench = bounded(quotas, None);
    for number in 0..100 {
        let tenant = format!("t{number}");
        assert!(hit(&bench, &tenant, "/a").is_none());
        fill(&bench, &tenant, 0..2, 100);
        assert_eq!(kept(&bench, &tenant, 0..2).len(), 2);
    }
    let statistics = bench.engine.statistics();
    let tracked: Vec<&str> = statistics.tenants.keys().map(String::as_str).collect();
    assert_eq!(tracked, ["t0", "t1", "t2"]);
    let other = statistics.other_tenants;
    assert_eq!((other.entries, other.hits), (194, 194));
    assert_eq!(statistics.tenants.values().map(|one| one.entries).sum::<u64>(), 6);
    let held: u64 = statistics.tenants.values().map(|one| one.bytes).sum();
    assert_eq!(held + other.bytes, statistics.total.bytes);
    // When nothing is held any more, whoever stores something gets an account of its own.
    bench.engine.clear(&bench.namespace);
    fill(&bench, "t7", 0..1, 100);
    let statistics = bench.engine.statistics();
    assert_eq!(
        (statistics.other_tenants.entries, statistics.other_tenants.bytes),
        (0, 0)
    );
    assert_eq!(statistics.tenants["t7"].entries, 1);
    assert_eq!(statistics.tenants.len(), 3);
}

#[test]
fn what_lies_in_redis_is_remembered_of_a_tenant_who_has_nothing_in_memory() {
    let tenants = Tenants::new();
    let quotas = TenantQuotas {
        redis_entries_max: Some(1),
        tracked_max: 1,
        ..TenantQuotas::default()
    };
    tenants.configure(quotas, &BTreeMap::new());
    let now = Instant::from_nanos(1);
    let lasts = (now, now.after(Duration::from_secs(60)));
    assert!(tenants.write("h|acme|a", 1, 10, lasts));
    // Another one comes, and there is room for one only.
    assert!(tenants.write("h|globex|a", 2, 10, lasts));
    assert!(
        !tenants.write("h|acme|b", 3, 10, lasts),
        "its one value lies there still"
    );
    let later = (lasts.1, lasts.1.after(Duration::from_secs(60)));
    assert!(tenants.write("h|globex|b", 4, 10, later), "that has ended");
    let (known, _) = tenants.statistics(later.0);
    assert_eq!(
        known.into_keys().collect::<Vec<_>>(),
        ["globex"],
        "and gave its place away"
    );
}

#[test]
fn of_a_tenant_without_a_quota_in_redis_nothing_there_is_remembered() {
    let tenants = Tenants::new();
    let acme = TenantQuota {
        redis_max: Some("64KiB".parse().unwrap()),
        ..TenantQuota::default()
    };
    tenants.configure(TenantQuotas::default(), &BTreeMap::from([("acme".to_owned(), acme)]));
    let now = Instant::from_nanos(1);
    let lasts = (now, now.after(Duration::from_secs(60)));
    for tenant in ["acme", "globex"] {
        assert!(tenants.write(&format!("h|{tenant}|a"), 1, 10, lasts));
    }
    let (known, _) = tenants.statistics(now);
    assert_eq!((known["acme"].redis_entries, known["globex"].redis_entries), (1, 0));
}
