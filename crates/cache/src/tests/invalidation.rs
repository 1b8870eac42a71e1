//! Invalidation (promise P1).

use crate::testing::{Bench, meta, tagged, text};
use crate::{Invalidation, Key, Lookup, Meta, NamespaceConfig, NoVariants, SetOptions, StaleWhy};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A request from `edit`.
fn request(edit: impl FnOnce(&mut Invalidation)) -> Invalidation {
    let mut request = Invalidation::default();
    edit(&mut request);
    request
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Stores some entries, invalidates, and says which of them are gone.
async fn gone(invalidation: &Invalidation) -> Vec<&'static str> {
    let bench = Bench::with(|settings| {
        settings.namespaces.insert("other".into(), NamespaceConfig::default());
    });
    let other = bench.engine.namespace("other").unwrap();
    let default = &bench.namespace;
    let entries = [
        (
            "list",
            Key::http(default, "", "http", "shop", "/products?page=1"),
            vec!["products"],
        ),
        (
            "item",
            Key::http(default, "acme", "http", "shop", "/products/1#cookie:a=b"),
            vec!["products", "product:1"],
        ),
        (
            "elsewhere",
            Key::http(default, "", "https", "api", "/products/1"),
            vec![],
        ),
        (
            "other",
            Key::http(&other, "", "http", "shop", "/products/1"),
            vec!["products"],
        ),
        ("named", Key::named(default, "", "product:1|a"), vec![]),
        ("path", Key::named(default, "", "/products/1"), vec![]),
    ];
    for (_, key, tags) in &entries {
        let Lookup::Lead(lease) = bench.engine.lookup(key, &bench.ask()) else {
            panic!("leads")
        };
        lease
            .store(tagged(tags), &Bytes::from_static(b"x"), &NoVariants)
            .unwrap();
    }
    let counted = bench
        .engine
        .invalidate(&Invalidation {
            dry_run: true,
            ..invalidation.clone()
        })
        .await;
    assert!(
        entries
            .iter()
            .all(|(_, key, _)| matches!(bench.engine.lookup(key, &bench.ask()), Lookup::Fresh { .. })),
        "a dry run"
    );
    let receipt = bench.engine.invalidate(invalidation).await;
    let fresh = |key: &Key| matches!(bench.engine.lookup(key, &bench.ask()), Lookup::Fresh { .. });
    let gone: Vec<_> = entries
        .iter()
        .filter(|(_, key, _)| !fresh(key))
        .map(|(name, ..)| *name)
        .collect();
    assert_eq!(
        receipt.matched.memory,
        Some(gone.len() as u64),
        "the receipt counts them"
    );
    assert_eq!(counted.matched.memory, Some(gone.len() as u64), "and the dry run did");
    gone
}

#[tokio::test]
async fn targets_reach_what_they_mean() {
    let all = ["list", "item", "elsewhere", "other", "named", "path"];
    for (request, expected) in [
        (
            request(|r| r.tags = texts(&["products"])),
            &["list", "item", "other"][..],
        ),
        (request(|r| r.tags = texts(&["product:1", "nothing"])), &["item"]),
        (
            request(|r| (r.tags, r.namespaces) = (texts(&["products"]), texts(&["other"]))),
            &["other"],
        ),
        (
            request(|r| (r.tags, r.scope) = (texts(&["products"]), Some(texts(&["default"])))),
            &["list", "item"],
        ),
        (
            request(|r| r.keys = texts(&["/products/1"])),
            &["item", "elsewhere", "other", "path"],
        ),
        (
            request(|r| r.keys = texts(&["http://shop/products/1"])),
            &["item", "other"],
        ),
        (
            request(|r| r.keys = texts(&["default|acme|GET|http://shop/products/1#cookie:a=b"])),
            &["item"],
        ),
        (request(|r| r.keys = texts(&["product:1|a"])), &["named"]),
        (
            request(|r| r.prefixes = texts(&["/products"])),
            &["list", "item", "elsewhere", "other", "path"],
        ),
        (request(|r| r.prefixes = texts(&["https://"])), &["elsewhere"]),
        (request(|r| r.prefixes = texts(&["product:"])), &["named"]),
        (request(|r| r.patterns = texts(&["/products?page=*"])), &["list"]),
        (
            request(|r| r.patterns = texts(&["*://shop/*"])),
            &["list", "item", "other"],
        ),
        (request(|r| r.patterns = texts(&["product:*|a"])), &["named"]),
        (request(|r| r.namespaces = texts(&["other"])), &["other"]),
        (
            request(|r| (r.namespaces, r.scope) = (texts(&["other"]), Some(texts(&["default"])))),
            &[],
        ),
        (request(|r| r.all = true), &all),
        (
            request(|r| (r.all, r.scope) = (true, Some(texts(&["other"])))),
            &["other"],
        ),
        (request(|r| r.tags = (0..10_001).map(|n| n.to_string()).collect()), &all),
        (request(|_| {}), &[]),
    ] {
        assert_eq!(gone(&request).await, expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_soft_invalidation_makes_stale_and_a_renewal_makes_fresh_again() {
    let bench = Bench::new();
    bench.put_with(
        "/a",
        "one",
        Meta {
            swr: Duration::from_secs(600),
            ..tagged(&["t"])
        },
    );
    let soft = Invalidation {
        soft: true,
        ..Invalidation::of_tags(texts(&["t"]))
    };
    bench.engine.invalidate(&soft).await;
    let Lookup::Stale {
        hit,
        why: StaleWhy::WhileRevalidate,
        refresh: Some(lease),
    } = bench.lookup("/a")
    else {
        panic!("stale, and to be renewed")
    };
    assert!(hit.softened());
    let Lookup::Stale { .. } = bench.lookup("/a") else {
        panic!("still stale, from the note on the entry")
    };
    lease.renew(tagged(&["t"]), &NoVariants).unwrap();
    assert_eq!(text(&bench.hit("/a").unwrap()), "one");
    bench.engine.invalidate(&soft).await;
    assert!(
        bench.lead("/a").stale().is_some(),
        "without a window of grace it is for validators only"
    );
    bench.engine.invalidate(&Invalidation::of_tags(texts(&["t"]))).await;
    assert!(bench.lead("/a").stale().is_none(), "what is gone is gone");
}

#[tokio::test]
async fn a_renewal_of_what_is_invalidated_meanwhile_is_not_kept() {
    let bench = Bench::new();
    bench.put_with(
        "/a",
        "old",
        Meta {
            swr: Duration::from_secs(600),
            ..tagged(&["t"])
        },
    );
    bench.advance(61);
    let Lookup::Stale {
        refresh: Some(lease), ..
    } = bench.lookup("/a")
    else {
        panic!("to be renewed")
    };
    bench.engine.invalidate(&Invalidation::of_tags(texts(&["t"]))).await;
    lease.renew(tagged(&["t"]), &NoVariants).unwrap();
    assert!(bench.lead("/a").stale().is_none());
}

#[tokio::test]
async fn forgetting_targets_loses_nothing_that_is_good_and_keeps_nothing_that_is_not() {
    let bench = Bench::new();
    let path = |n: usize| format!("/{n}");
    for n in 0..500 {
        bench.put_with(&path(n), "x", tagged(&[&format!("tag-{n}")]));
    }
    let slow = bench.lead("/slow");
    for n in 0..250 {
        let soft = n >= 125;
        bench
            .engine
            .invalidate(&Invalidation {
                soft,
                ..Invalidation::of_tags(vec![format!("tag-{n}")])
            })
            .await;
    }
    bench
        .engine
        .invalidate(&request(|r| r.patterns = texts(&["/slow*", "/none*"])))
        .await;
    bench.engine.sweep();
    assert_eq!(
        bench.engine.statistics().patterns,
        2,
        "a load from before still needs them"
    );
    slow.store(meta(), &Bytes::from_static(b"old"), &NoVariants).unwrap();
    bench.engine.sweep();
    let after = bench.engine.statistics();
    assert_eq!((after.patterns, after.targets), (0, 0));
    assert!(bench.hit("/slow").is_none());
    assert!((0..250).all(|n| bench.hit(&path(n)).is_none()));
    assert!((250..500).all(|n| bench.hit(&path(n)).is_some()));
}

#[tokio::test]
async fn too_many_patterns_cost_misses_in_their_namespace_and_nothing_else() {
    let bench = Bench::with(|settings| {
        settings.namespaces.insert("other".into(), NamespaceConfig::default());
    });
    let other = bench.engine.namespace("other").unwrap();
    bench.put("/doomed", "x");
    bench.put("/b", "x");
    bench
        .engine
        .set(&other, "c", Bytes::from_static(b"x"), &SetOptions::default());
    let of = |pattern: String| Invalidation {
        patterns: vec![pattern],
        namespaces: texts(&["default"]),
        ..Invalidation::default()
    };
    bench.engine.invalidate(&of("/doo*d".into())).await;
    for n in 0..256 {
        bench.engine.invalidate(&of(format!("/none-{n}*"))).await;
    }
    assert_eq!(bench.engine.statistics().patterns, 256);
    assert!(bench.hit("/doomed").is_none(), "though its pattern is forgotten");
    assert!(
        bench.engine.get(&other, "c").is_some(),
        "another namespace notices nothing"
    );
    bench.put("/new", "x");
    assert!(bench.hit("/new").is_some());
}

#[test]
fn a_full_table_of_targets_costs_misses_and_no_wrong_answer() {
    let bench = Bench::new();
    bench.put_with("/doomed", "x", tagged(&["doomed"]));
    let tag = |tag: String| crate::ledger::Target::Hash(crate::ledger::tag_target(bench.namespace.target_seed(), &tag));
    bench.engine.ledger.raise(false, &[tag("doomed".into())], &[], &[]);
    for n in 0..crate::ledger::TARGETS_MAX {
        bench.engine.ledger.raise(false, &[tag(n.to_string())], &[], &[]);
    }
    let remembered = bench.engine.statistics().targets;
    assert!(remembered <= crate::ledger::TARGETS_MAX as u64, "{remembered}");
    assert!(bench.hit("/doomed").is_none());
    bench.put("/new", "x");
    assert!(bench.hit("/new").is_some());
}

#[tokio::test]
async fn what_is_meant_for_many_namespaces_is_no_more_than_was_asked_for() {
    let names: Vec<String> = (0..110).map(|number| format!("n{number}")).collect();
    let bench = Bench::with(|settings| {
        let with = |name: &String| (name.clone(), NamespaceConfig::default());
        settings.namespaces.extend(names.iter().map(with));
    });
    bench.put("/a", "of another namespace");
    let soft = Invalidation {
        soft: true,
        namespaces: names,
        ..Invalidation::of_tags((0..1000).map(|number| number.to_string()).collect())
    };
    bench.engine.invalidate(&soft).await;
    assert!(bench.hit("/a").is_some());
    assert!(bench.engine.statistics().targets < crate::ledger::TARGETS_MAX as u64);
}

/// Readers and invalidators at once, on threads: no reader ever gets a value from before an invalidation that had returned
/// before it asked.
#[test]
fn no_reader_gets_a_value_from_before_an_invalidation_that_had_returned() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let bench = Arc::new(Bench::new());
    let (origin, invalidated) = (AtomicU64::new(1), AtomicU64::new(0));
    let seed = bench.namespace.target_seed();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..30_000 {
                    let floor = invalidated.load(Ordering::SeqCst);
                    match bench.lookup("/a") {
                        Lookup::Fresh { hit, .. } => {
                            let value: u64 = text(&hit).parse().unwrap();
                            assert!(value >= floor, "{value} was invalidated by {floor}");
                        }
                        Lookup::Lead(lease) => {
                            let value = origin.load(Ordering::SeqCst).to_string();
                            std::thread::yield_now();
                            lease.store(tagged(&["t"]), &value.into(), &NoVariants).unwrap();
                        }
                        Lookup::Follow(_) => std::thread::yield_now(),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..10_000 {
                let next = origin.fetch_add(1, Ordering::SeqCst) + 1;
                let target = crate::ledger::Target::Hash(crate::ledger::tag_target(seed, "t"));
                bench.engine.ledger.raise(false, &[target], &[], &[]);
                invalidated.store(next, Ordering::SeqCst);
            }
        });
    });
}

#[tokio::test]
async fn what_nobody_counts_is_gone_all_the_same() {
    let bench = Bench::new();
    for (is_dry_run, is_hit) in [(true, true), (false, false)] {
        let key = Key::http(&bench.namespace, "", "http", "shop", "/a");
        if let Lookup::Lead(lease) = bench.engine.lookup(&key, &bench.ask()) {
            lease.store(meta(), &Bytes::from_static(b"x"), &NoVariants).unwrap();
        }
        bench.engine.invalidate_uncounted(&request(|request| {
            request.keys = texts(&["http://shop/a"]);
            request.dry_run = is_dry_run;
        }));
        let found = bench.engine.lookup(&key, &bench.ask());
        assert_eq!(matches!(found, Lookup::Fresh { .. }), is_hit);
    }
}
