//! Invalidations that are limited to a tenant reach what is the tenant's, and nothing of anybody else.

use crate::testing::{Bench, at_once, tagged, text};
use crate::{Hit, Invalidation, Key, Lookup, NoVariants};
use bytes::Bytes;

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
