//! Calls by name, statistics, stored compression and reloads.

use crate::testing::{Bench, meta, text};
use crate::{
    Compression, Finished, Invalidation, Lookup, Meta, NamespaceConfig, NoVariants, NotStored, SetOptions, Settings,
    StrategyConfig, Tier,
};
use bytes::Bytes;
use peregrine_base::ByteSize;
use std::time::Duration;

#[tokio::test]
async fn values_by_name() {
    let bench = Bench::new();
    let (engine, namespace) = (&bench.engine, &bench.namespace);
    let options = SetOptions {
        ttl: Some(Duration::from_secs(10)),
        tags: vec!["t".into()],
        ..SetOptions::default()
    };
    assert!(engine.set(namespace, "a|b", Bytes::from_static(b"1"), &options));
    let hit = engine.get(namespace, "a|b").unwrap();
    assert_eq!((text(&hit).as_str(), hit.tags().collect::<Vec<_>>()), ("1", vec!["t"]));
    let stored = engine.mset(
        namespace,
        vec![("x".into(), "2".into()), ("y".into(), "3".into())],
        &SetOptions::default(),
    );
    assert_eq!(stored, 2);
    let found = engine.mget(namespace, &["x".into(), "nothing".into(), "y".into()]);
    assert_eq!(
        found.iter().map(|hit| hit.as_ref().map(text)).collect::<Vec<_>>(),
        [Some("2".into()), None, Some("3".into())]
    );
    assert!(engine.delete(namespace, "x") && !engine.delete(namespace, "x"));
    engine.invalidate(&Invalidation::of_keys(vec!["a|b".into()])).await;
    assert!(engine.get(namespace, "a|b").is_none());
    engine.set(namespace, "a|b", Bytes::from_static(b"4"), &options);
    bench.advance(10);
    assert!(engine.get(namespace, "a|b").is_none());
    assert_eq!(engine.clear(namespace), 2);
    assert!(engine.get(namespace, "y").is_none());
    assert_eq!(bench.accounted(), 0);
}

#[tokio::test]
async fn a_write_overtakes_the_load_that_was_under_way() {
    let bench = Bench::new();
    let key = crate::Key::named(&bench.namespace, "", "a");
    for deleted in [false, true] {
        let Lookup::Lead(lease) = bench.engine.lookup(&key, &bench.ask()) else {
            panic!("leads")
        };
        let mut fill = lease.fill(meta(), &NoVariants).unwrap();
        fill.push(Bytes::from_static(b"old")).await.unwrap();
        if deleted {
            bench.engine.delete(&bench.namespace, "a");
        } else {
            bench.engine.set(
                &bench.namespace,
                "a",
                Bytes::from_static(b"written"),
                &SetOptions::default(),
            );
        }
        assert!(matches!(fill.finish(), Finished::NotStored(NotStored::Overtaken)));
        let there = bench.engine.get(&bench.namespace, "a").map(|hit| text(&hit));
        assert_eq!(there, (!deleted).then(|| "written".into()));
        bench.engine.delete(&bench.namespace, "a");
    }
}

#[test]
fn a_value_that_is_too_large_takes_the_old_one_away() {
    let bench = Bench::new();
    let (engine, options) = (&bench.engine, SetOptions::default());
    assert!(engine.set(&bench.namespace, "a", Bytes::from_static(b"old"), &options));
    assert!(!engine.set(&bench.namespace, "a", vec![0; 2 << 20].into(), &options));
    assert!(engine.get(&bench.namespace, "a").is_none());
}

#[test]
fn statistics_say_what_happened_and_why() {
    let bench = Bench::new();
    bench.put("/a", "0123456789");
    bench.hit("/a").unwrap();
    bench.hit("/a").unwrap();
    bench.lead("/b").pass(crate::PassReason::SetCookie);
    let lease = bench.lead("/c");
    bench.time.advance(Duration::from_millis(250));
    lease.store(meta(), &Bytes::from_static(b"x"), &NoVariants).unwrap();
    bench.hit("/c").unwrap();
    let all = bench.engine.statistics();
    let counted = &all.namespaces["default"];
    assert_eq!((counted.hits, counted.misses, counted.bytes_served), (3, 3, 21));
    assert_eq!(counted.misses_by_reason["absent"], 3);
    assert_eq!(counted.passed_by_reason["set_cookie"], 1);
    assert_eq!((counted.load_time_ms, counted.load_time_saved_ms), (250, 250));
    assert_eq!((counted.entries, all.total.entries), (3, 3));
    assert_eq!(counted.bytes, all.total.bytes);
}

#[tokio::test]
async fn what_gains_is_compressed_and_reads_as_before() {
    for compression in [
        Compression::Auto,
        Compression::Zstd,
        Compression::Brotli,
        Compression::Gzip,
        Compression::Lz4,
    ] {
        let bench = Bench::strategy(|strategy| strategy.compression = compression);
        for size in [2_000, 100_000, 900_000] {
            let path = format!("/{size}");
            let body = "peregrine falcon ".repeat(size / 17);
            let before = bench
                .put_with(
                    &path,
                    &body,
                    Meta {
                        compressible: true,
                        ..meta()
                    },
                )
                .stored_bytes();
            let hit = bench.hit(&path).unwrap();
            assert!(
                hit.stored_bytes() < before / 3,
                "{compression:?} {size}: {} of {before}",
                hit.stored_bytes()
            );
            assert_eq!(hit.length(), body.len() as u64);
            assert_eq!(text(&hit), body);
            assert!(hit.body().chunks().all(|chunk| chunk.len() <= 256 << 10));
            bench.advance(61);
            let hit = bench.lead(&path).renew(meta(), &NoVariants).unwrap();
            assert_eq!(text(&hit), body, "as renewed");
        }
    }
}

/// The settings of a bench, edited.
fn settings(edit: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    settings.cache.memory = ByteSize::mib(8);
    settings.cache.object_size_max = ByteSize::mib(1);
    edit(&mut settings);
    settings
}

#[test]
fn a_reload_keeps_entries_and_handles_while_sizes_change() {
    let bench = Bench::new();
    bench.put("/a", "one");
    let own = |bytes| {
        move |settings: &mut Settings| {
            let config = NamespaceConfig {
                memory_max: Some(bytes),
            };
            settings.namespaces.insert("default".into(), config);
            settings.strategies.insert("api".into(), StrategyConfig::default());
        }
    };
    bench.engine.reconfigure(settings(own(ByteSize::mib(2)))).unwrap();
    assert_eq!(
        text(&bench.hit("/a").unwrap()),
        "one",
        "moved to the namespace's own part"
    );
    assert_eq!(
        bench.engine.statistics().namespaces["default"].memory_max,
        Some(2 << 20)
    );
    assert!(bench.engine.strategy("api").is_some());
    let large = "x".repeat(400 << 10);
    (0..20).for_each(|n| drop(bench.put(&format!("/{n}"), &large)));
    assert!(bench.engine.statistics().namespaces["default"].bytes <= 2 << 20);
    bench.put("/small", "two");
    bench.engine.reconfigure(settings(|_| {})).unwrap();
    assert_eq!(text(&bench.hit("/small").unwrap()), "two", "moved back");
    bench
        .engine
        .reconfigure(settings(|settings| settings.cache.memory = ByteSize::mib(1)))
        .unwrap();
    assert!(bench.accounted() <= 1 << 20);
    bench
        .engine
        .reconfigure(settings(|settings| {
            settings.namespaces.clear();
            settings.namespaces.insert("other".into(), NamespaceConfig::default());
        }))
        .unwrap();
    assert!(bench.engine.namespace("default").is_some(), "always there");
}

#[test]
fn what_is_deleted_while_its_namespace_gets_memory_of_its_own_stays_deleted() {
    let (bench, names) = (Bench::new(), || (0..3000).map(|number| number.to_string()));
    let options = SetOptions::default();
    for round in 0..4 {
        for name in names() {
            assert!(bench.engine.set(&bench.namespace, &name, "x".into(), &options));
        }
        let own = NamespaceConfig {
            memory_max: (round % 2 == 0).then_some(ByteSize::mib(4)),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let edit = |settings: &mut Settings| settings.namespaces.extend([("default".into(), own)]);
                bench.engine.reconfigure(settings(edit)).unwrap();
            });
            for name in names() {
                bench.engine.delete(&bench.namespace, &name);
                assert!(bench.engine.get(&bench.namespace, &name).is_none());
            }
        });
        let found = names().filter(|name| bench.engine.get(&bench.namespace, name).is_some());
        assert_eq!(found.count(), 0);
    }
}

#[test]
fn there_are_only_so_many_names_of_namespaces_until_a_restart() {
    let bench = Bench::new();
    let named = |round: usize| {
        settings(|settings| {
            let with = |number| (format!("{round}-{number}"), NamespaceConfig::default());
            settings.namespaces.extend((0..500).map(with));
        })
    };
    for round in [0, 1, 0] {
        bench.engine.reconfigure(named(round)).unwrap();
    }
    let error = bench.engine.reconfigure(named(2)).unwrap_err();
    assert!(error.to_string().contains("restart"), "{error}");
    assert!(bench.engine.namespace("0-0").is_some(), "nothing was changed");
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_all_faults_and_change_nothing() {
    let bench = Bench::new();
    let error = bench
        .engine
        .reconfigure(settings(|settings| {
            settings.namespaces.insert(
                "a".into(),
                NamespaceConfig {
                    memory_max: Some(ByteSize::mib(7)),
                },
            );
            let strategy = settings.strategies.get_mut("default").unwrap();
            strategy.tiers = Some(vec![Tier::Memory, Tier::Redis]);
            strategy.load_soft_limit = Some(strategy.load_hard_limit);
        }))
        .unwrap_err();
    let fields: Vec<&str> = error.0.iter().map(|complaint| complaint.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "namespace.a.memory_max",
            "strategy.default.tiers",
            "strategy.default.load_soft_limit"
        ]
    );
    assert!(
        error.to_string().contains("`redis`, a tier that is not configured"),
        "{error}"
    );
    assert!(error.to_string().contains("set redis.url"), "it says how: {error}");
    assert!(bench.engine.namespace("a").is_none());
}

#[test]
fn tiers_that_nobody_names_are_those_there_are() {
    let keeps = |redis: bool, named: Option<Vec<Tier>>| {
        let bench = Bench::with(|settings| {
            settings.redis = redis;
            settings.strategies.get_mut("default").unwrap().tiers = named;
        });
        (
            bench.strategy.keeps_in(Tier::Memory),
            bench.strategy.keeps_in(Tier::Redis),
        )
    };
    assert_eq!(keeps(false, None), (true, false));
    assert_eq!(keeps(true, None), (true, true));
    assert_eq!(keeps(true, Some(vec![Tier::Memory])), (true, false));
    assert_eq!(keeps(true, Some(vec![Tier::Redis])), (false, true));
}

#[test]
fn the_table_of_parameters_has_the_defaults_of_the_types() {
    let of = |name: &str| crate::PARAMETERS.iter().find(|row| row.name == name).unwrap().fallback;
    let toml = |text: &'static str| peregrine_base::Fallback::Toml(text);
    let (cache, strategy) = (crate::CacheConfig::default(), StrategyConfig::default());
    assert_eq!(of("cache.memory"), toml("\"256MiB\""));
    assert_eq!(cache.memory, "256MiB".parse_size());
    assert_eq!(of("cache.loads_max"), toml("65536"));
    assert_eq!(cache.loads_max, 65_536);
    assert_eq!(of("strategy.*.ttl"), toml("\"5m\""));
    assert_eq!(strategy.ttl.to_string(), "5m");
    assert_eq!(of("strategy.*.hit_for_miss"), toml("\"30s\""));
    assert_eq!(strategy.hit_for_miss.to_string(), "30s");
    assert_eq!(of("strategy.*.load_hard_limit"), toml("\"1m\""));
    assert_eq!(strategy.load_hard_limit.to_string(), "1m");
}

trait ParseSize {
    fn parse_size(&self) -> ByteSize;
}

impl ParseSize for str {
    fn parse_size(&self) -> ByteSize {
        self.parse().unwrap()
    }
}
