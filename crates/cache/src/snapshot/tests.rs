//! Snapshots: what comes back, what does not, and what is none.

mod contents;

use super::*;
use crate::testing::{Bench, meta, tagged, text};
use crate::{
    Compression, Invalidation, Lookup, Meta, NamespaceConfig, Selector, SetOptions, StaleWhy, StrategyConfig, Variants,
};
use contents::{code, put_part};
use proptest::prelude::*;
use std::io::Cursor;

const HERE: Provenance = Provenance {
    stored: 1,
    source: 7,
    boot: 9,
};
const UNLIMITED: SnapshotLimits = SnapshotLimits {
    size_max: u64::MAX,
    time_max: Duration::MAX,
};

fn snapshot(bench: &Bench) -> Vec<u8> {
    let mut bytes = Vec::new();
    bench.engine.write_snapshot(&mut bytes, &HERE, &UNLIMITED).unwrap();
    bytes
}

fn load(bench: &Bench, bytes: &[u8]) -> Result<Restored, SnapshotFault> {
    bench.engine.expect_snapshot().load(Cursor::new(bytes), &HERE)
}

/// An engine that begins where `before` ends, `seconds` later.
fn successor(before: &Bench, seconds: u64, edit: impl FnOnce(&mut crate::Settings)) -> Bench {
    let bench = Bench::with(edit);
    let behind = before.now().since(bench.now());
    bench.time.advance(behind + Duration::from_secs(seconds));
    bench
}

fn invalidate(bench: &Bench, edit: impl FnOnce(&mut Invalidation)) {
    let mut request = Invalidation::default();
    edit(&mut request);
    bench.engine.invalidate_uncounted(&request);
}

/// An asker that has one value under every name.
struct With(&'static str);

impl Variants for With {
    fn variant(&self, selector: &Selector, out: &mut String) {
        for name in selector.names() {
            out.push_str(&format!("{name}={}\n", self.0));
        }
    }
}

fn put_variant(bench: &Bench, path: &str, names: &str, value: &'static str, body: &str) {
    let key = bench.key(path);
    let variants = With(value);
    let ask = crate::Ask {
        variants: &variants,
        ..bench.ask()
    };
    let Lookup::Lead(lease) = bench.engine.lookup(&key, &ask) else {
        panic!("leads")
    };
    let meta = Meta {
        selector: Selector::new([names]),
        ..meta()
    };
    lease
        .store(meta, &Bytes::copy_from_slice(body.as_bytes()), &variants)
        .unwrap();
}

fn variant(bench: &Bench, path: &str, value: &'static str) -> Option<String> {
    let variants = With(value);
    let ask = crate::Ask {
        variants: &variants,
        lead: false,
        ..bench.ask()
    };
    match bench.engine.lookup(&bench.key(path), &ask) {
        Lookup::Fresh { hit, .. } => Some(text(&hit)),
        _ => None,
    }
}

#[test]
fn what_memory_held_is_there_again_and_older_by_the_time_between() {
    let before = Bench::strategy(|strategy| strategy.compression = Compression::Zstd);
    let long = "peregrine ".repeat(20_000);
    before.put_with(
        "/old",
        "body",
        Meta {
            initial_age: Duration::from_secs(5),
            swr: Duration::from_secs(100),
            tags: vec!["a".into(), "b".into()],
            ..meta()
        },
    );
    before.put_with(
        "/long",
        &long,
        Meta {
            compressible: true,
            ..meta()
        },
    );
    before.put("/empty", "");
    before.hit("/old");
    before.advance(3);
    let bytes = snapshot(&before);

    let after = successor(&before, 10, |_| {});
    let restored = load(&after, &bytes).unwrap();
    assert_eq!((restored.entries, restored.left_out), (3, 0));
    let hit = after.hit("/old").unwrap();
    assert_eq!(text(&hit), "body");
    assert_eq!(
        hit.age(after.now()),
        Duration::from_secs(18),
        "with the time in between"
    );
    assert_eq!(hit.tags().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((hit.head(), hit.hits()), (&b"head"[..], 2), "hits go on");
    let hit = after.hit("/long").unwrap();
    assert_eq!((text(&hit), hit.stored_encoding()), (long, "zstd"));
    assert_eq!(text(&after.hit("/empty").unwrap()), "");
    after.advance(48);
    assert!(
        matches!(
            after.lookup("/old"),
            Lookup::Stale {
                why: StaleWhy::WhileRevalidate,
                ..
            }
        ),
        "it was fresh for a minute from when it was stored, whatever happened in between"
    );
}

#[test]
fn across_runs_of_the_machine_civil_time_counts_and_never_backwards() {
    let before = Bench::new();
    before.put("/a", "a");
    let bytes = snapshot(&before);
    let elsewhere = Provenance { boot: 10, ..HERE };
    // This machine's monotonic clock begins anew; civil time goes on.
    let after = Bench::new();
    after.advance(30);
    let restored = after.engine.expect_snapshot().load(Cursor::new(&bytes), &elsewhere);
    assert_eq!(restored.unwrap().entries, 1);
    assert_eq!(after.hit("/a").unwrap().age(after.now()), Duration::from_secs(30));
    before.advance(60);
    before.put("/b", "b");
    let bytes = snapshot(&before);
    let early = Bench::new();
    for provenance in [elsewhere, HERE] {
        let refused = early.engine.expect_snapshot().load(Cursor::new(&bytes), &provenance);
        assert_eq!(refused.unwrap_err().as_str(), "clock");
    }
    assert_eq!(early.engine.statistics().total.entries, 0);
}

#[test]
fn what_was_invalidated_does_not_come_back() {
    let before = Bench::new();
    for path in ["/gone", "/kept", "/meanwhile", "/soft", "/softly", "/pattern/x"] {
        before.put_with(path, path, tagged(&[path]));
    }
    invalidate(&before, |request| request.keys = vec!["/gone".into()]);
    invalidate(&before, |request| {
        request.tags = vec!["/soft".into()];
        request.soft = true;
    });
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |_| {});
    let expecting = after.engine.expect_snapshot();
    // Before it is read, with a walk that would otherwise forget what no entry in memory needs.
    invalidate(&after, |request| request.tags = vec!["/meanwhile".into()]);
    invalidate(&after, |request| request.patterns = vec!["/pattern/*".into()]);
    invalidate(&after, |request| {
        request.keys = vec!["/softly".into()];
        request.soft = true;
    });
    after.engine.sweep();
    let restored = expecting.load(Cursor::new(&bytes), &HERE).unwrap();
    assert_eq!((restored.entries, restored.left_out), (3, 2));
    for path in ["/gone", "/meanwhile", "/pattern/x", "/soft", "/softly"] {
        assert!(after.hit(path).is_none(), "{path}");
    }
    let kept = after.hit("/kept").unwrap();
    invalidate(&after, |request| request.tags = vec!["/kept".into()]);
    assert!(after.hit("/kept").is_none() && text(&kept) == "/kept");
    after.engine.sweep();
    assert_eq!(
        after.engine.statistics().patterns,
        0,
        "once it is read, nothing needs to be remembered"
    );
}

#[test]
fn what_is_written_or_taken_out_by_name_meanwhile_stays_so() {
    let before = Bench::new();
    let options = SetOptions::default();
    for name in ["set", "deleted", "cleared"] {
        assert!(
            before
                .engine
                .set(&before.namespace, name, Bytes::from_static(b"old"), &options)
        );
    }
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |_| {});
    let expecting = after.engine.expect_snapshot();
    after
        .engine
        .set(&after.namespace, "set", Bytes::from_static(b"new"), &options);
    after.engine.delete(&after.namespace, "deleted");
    // What was written may be pushed out before the snapshot is read.
    after
        .engine
        .set(&after.namespace, "cleared", Bytes::from_static(b"new"), &options);
    let tier = after.namespace.tier();
    let key = Key::named(&after.namespace, "", "cleared");
    tier.remove(key.hash(), &tier.peek(key.hash()).unwrap(), None);
    expecting.load(Cursor::new(&bytes), &HERE).unwrap();
    let get = |name: &str| after.engine.get(&after.namespace, name).map(|hit| text(&hit));
    assert_eq!(
        (get("set"), get("deleted"), get("cleared")),
        (Some("new".into()), None, None)
    );
}

#[test]
fn what_is_there_or_under_way_is_newer() {
    let before = Bench::new();
    before.put("/there", "old");
    before.put("/loading", "old");
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |_| {});
    after.put("/there", "new");
    let lease = after.lead("/loading");
    assert_eq!(
        load(&after, &bytes).unwrap(),
        Restored {
            entries: 0,
            left_out: 2
        }
    );
    lease
        .store(meta(), &Bytes::from_static(b"new"), &crate::NoVariants)
        .unwrap();
    for path in ["/there", "/loading"] {
        assert_eq!(text(&after.hit(path).unwrap()), "new");
    }
}

#[test]
fn variants_come_back_under_their_own_names_only() {
    let before = Bench::new();
    for path in ["/a", "/b"] {
        put_variant(&before, path, "accept-language", "en", "hello");
        put_variant(&before, path, "accept-language", "de", "hallo");
    }
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |_| {});
    // Meanwhile the other page began to differ by something else.
    put_variant(&after, "/b", "x-country", "en", "england");
    load(&after, &bytes).unwrap();
    assert_eq!(variant(&after, "/a", "en").as_deref(), Some("hello"));
    assert_eq!(variant(&after, "/a", "de").as_deref(), Some("hallo"));
    assert_eq!(variant(&after, "/a", "fr"), None);
    assert_eq!(variant(&after, "/b", "en").as_deref(), Some("england"));
    assert_eq!(
        after.engine.statistics().total.entries,
        5,
        "two pages with names, three variants"
    );
}

#[test]
fn a_smaller_or_other_configuration_takes_what_it_can() {
    let before = Bench::with(|settings| {
        settings.namespaces.insert("other".into(), NamespaceConfig::default());
    });
    let other = before.engine.namespace("other").unwrap();
    before
        .engine
        .set(&other, "x", Bytes::from_static(b"x"), &SetOptions::default());
    before.put("/large", &"x".repeat(300 << 10));
    for number in 0..200 {
        before.put(&format!("/{number}"), &"y".repeat(20 << 10));
    }
    before.hit("/77");
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |settings| {
        settings.cache.memory = peregrine_base::ByteSize::mib(1);
        settings.cache.object_size_max = peregrine_base::ByteSize::kib(100);
    });
    after.put("/new", &"z".repeat(20 << 10));
    let restored = load(&after, &bytes).unwrap();
    assert!(restored.entries > 5 && restored.left_out > 150, "{restored:?}");
    assert!(after.accounted() <= (1 << 20) * 105 / 100, "{}", after.accounted());
    assert!(after.hit("/new").is_some(), "what is there is not pushed out");
    assert!(after.hit("/77").is_some(), "what was asked for comes first");
    assert!(after.hit("/large").is_none());
    assert!(after.engine.namespace("other").is_none());
}

#[test]
fn what_is_asked_for_while_it_is_written_disturbs_nothing() {
    let bench = Bench::new();
    for number in 0..2_000 {
        bench.put(&format!("/{number}"), "y");
    }
    let hits: Vec<_> = (0..2_000)
        .filter_map(|number| bench.hit(&format!("/{number}")))
        .collect();
    std::thread::scope(|scope| {
        let engine = &bench.engine;
        let writes = scope.spawn(move || (0..300).all(|_| engine.candidates().len() == 2_000));
        let mut round = 0;
        while !writes.is_finished() {
            hits.iter().skip(round % 7).step_by(7).for_each(|hit| hit.0.hit());
            round += 1;
        }
        assert!(writes.join().is_ok_and(|whole| whole), "everything was found each time");
    });
}

#[test]
fn past_a_tenants_quota_what_was_asked_for_most_comes_back_and_what_is_new_stays() {
    let before = Bench::new();
    let options = SetOptions::default();
    let set = |bench: &Bench, name: &str| {
        let value = Bytes::from_static(b"x");
        let stored = bench
            .engine
            .store_named(&Key::named(&bench.namespace, "acme", name), &value, &options);
        assert!(stored.is_some());
    };
    let is_there = |bench: &Bench, name: &str| {
        let key = Key::named(&bench.namespace, "acme", name);
        matches!(bench.engine.lookup(&key, &bench.ask()), Lookup::Fresh { .. })
    };
    (0..50).for_each(|number| set(&before, &number.to_string()));
    for _ in 0..5 {
        assert!((0..10).all(|number| is_there(&before, &number.to_string())));
    }
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |settings| settings.quotas.entries_max = Some(8));
    set(&after, "new");
    let restored = load(&after, &bytes).unwrap();
    assert_eq!((restored.entries, restored.left_out), (7, 43));
    assert!(is_there(&after, "new"), "what is there is not pushed out");
    let popular = (0..10).filter(|number| is_there(&after, &number.to_string())).count();
    assert_eq!(popular, 7, "what was asked for comes first");
}

#[test]
fn a_snapshot_is_bounded_in_size_and_time() {
    let bench = Bench::new();
    for number in 0..100 {
        bench.put(&format!("/{number}"), &"y".repeat(1000));
    }
    bench.hit("/42");
    let mut bytes = Vec::new();
    let limits = SnapshotLimits {
        size_max: 10_000,
        ..UNLIMITED
    };
    let written = bench.engine.write_snapshot(&mut bytes, &HERE, &limits).unwrap();
    assert!(
        bytes.len() <= 10_100 && written.bytes == bytes.len() as u64,
        "{written:?}"
    );
    assert_eq!((written.entries + written.left_out, written.entries > 5), (100, true));
    let after = successor(&bench, 1, |_| {});
    load(&after, &bytes).unwrap();
    assert!(after.hit("/42").is_some(), "what was asked for most");
    let limits = SnapshotLimits {
        time_max: Duration::ZERO,
        ..UNLIMITED
    };
    let written = bench.engine.write_snapshot(io::sink(), &HERE, &limits).unwrap();
    assert_eq!(written.left_out, 100);
}

#[test]
fn an_invalidation_while_it_is_written_shows() {
    let bench = Bench::new();
    bench.put("/a", "a");
    let written = bench.engine.write_snapshot(io::sink(), &HERE, &UNLIMITED).unwrap();
    assert!(bench.engine.is_unchanged_since(written.position));
    invalidate(&bench, |request| request.keys = vec!["/a".into()]);
    assert!(!bench.engine.is_unchanged_since(written.position));
}

#[test]
fn another_version_or_configuration_is_refused_whole() {
    let before = Bench::new();
    before.put("/a", "a");
    let bytes = snapshot(&before);
    let after = successor(&before, 1, |_| {});
    let with = |provenance: Provenance| {
        let loaded = after.engine.expect_snapshot().load(Cursor::new(&bytes), &provenance);
        loaded.unwrap_err().as_str()
    };
    assert_eq!(with(Provenance { stored: 2, ..HERE }), "version");
    assert_eq!(with(Provenance { source: 8, ..HERE }), "source");
    let mut other = bytes.clone();
    other[8] += 1;
    assert_eq!(load(&after, &other).unwrap_err().as_str(), "version");
    assert_eq!(
        load(&after, b"#!/bin/sh\n echo").unwrap_err().as_str(),
        "not_a_snapshot"
    );
    assert_eq!(load(&after, b"").unwrap_err().as_str(), "truncated");
    assert_eq!(after.engine.statistics().total.entries, 0);
    assert!(!after.engine.expects_snapshot(), "nothing is expected any more");
}

/// Some entries of every kind.
fn mixed() -> (Bench, Vec<u8>) {
    let bench = Bench::strategy(|strategy: &mut StrategyConfig| strategy.compression = Compression::Lz4);
    bench.put_with("/tagged", "some body", tagged(&["a", "bb"]));
    put_variant(&bench, "/vary", "accept-language", "en", "hello");
    bench.put_with(
        "/packed",
        &"abc".repeat(300),
        Meta {
            compressible: true,
            ..meta()
        },
    );
    bench.put("/none", "");
    bench.put("/coded", &"def".repeat(200));
    code(&bench, "/coded", Coding::Gzip);
    put_part(&bench, "/part", 3, "part", 20);
    let bytes = snapshot(&bench);
    (bench, bytes)
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused_whole() {
    let (before, bytes) = mixed();
    let after = successor(&before, 1, |_| {});
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(load(&after, &damaged).is_err(), "byte {at} of {}", bytes.len());
        assert!(load(&after, &bytes[..at]).is_err(), "cut at {at} of {}", bytes.len());
    }
    assert!(load(&after, &[&bytes[..], b"x"].concat()).is_err(), "something follows");
    assert_eq!(after.engine.statistics().total.entries, 0);
    assert_eq!(load(&after, &bytes).unwrap().entries, 7);
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_reading_ends_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check_snapshot(Cursor::new(&bytes)).is_err());
    }

    /// Good checksums over anything: what a fuzzer reaches that repairs them.
    #[test]
    fn records_of_anything_never_panic(
        meta in proptest::collection::vec(any::<u8>(), 1..200),
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..4),
    ) {
        let bench = Bench::new();
        let header = Header { stored: 1, source: 7, boot: 9, wall_ms: 0, now_ns: 0 };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        writer.record(&meta, &pieces).unwrap();
        writer.finish().unwrap();
        let sound = is_readable(&meta);
        prop_assert_eq!(load(&bench, &bytes).is_ok(), sound);
    }

    #[test]
    fn descriptions_read_back(
        numbers in any::<(u64, u64, u64, u64, u32, u32)>(),
        texts in ("\\PC{0,40}", "\\PC{0,40}", "\\PC{0,40}"),
        tags in proptest::collection::vec("[a-z:]{0,20}", 0..5),
        head in proptest::collection::vec(any::<u8>(), 0..100),
        flags in 0u8..4,
        what in prop::sample::select(vec![What::Value, What::Selector, What::Part]),
        codings in prop::sample::subsequence(Coding::ALL.to_vec(), 0..=3),
    ) {
        let description = Description {
            what,
            rules: flags,
            flags,
            age_ns: numbers.0,
            lifetime_ms: numbers.1,
            stale_while_revalidate_ms: numbers.2,
            stale_if_error_ms: numbers.3,
            cost_us: numbers.4,
            hits: numbers.5,
            stamp: None,
            key: &texts.0,
            variant: &texts.1,
            selector: &texts.2,
            tags: tags.iter().map(String::as_str).collect(),
            codings: codings.into_iter().zip(7..).collect(),
            head: &head,
        };
        let mut bytes = Vec::new();
        description.encode(&mut bytes).unwrap();
        prop_assert_eq!(Description::decode(&bytes), Some(description));
    }

    /// After a restart every question has the answer that it would have had without one, or none.
    #[test]
    fn an_engine_goes_on_as_if_nothing_had_happened(
        steps in proptest::collection::vec((0u8..6, 0u8..12, 0u64..40), 1..60),
        pause in 0u64..50,
        meanwhile in proptest::collection::vec(0u8..12, 0..4),
    ) {
        let before = Bench::new();
        let mut numbers = 0;
        for (act, page, seconds) in steps {
            let path = format!("/{page}");
            match act {
                0..=2 => if let Lookup::Lead(lease) = before.lookup(&path) {
                    numbers += 1;
                    let tag = format!("t{}", page % 3);
                    let meta = Meta { swr: Duration::from_secs(20), ..tagged(&[&tag]) };
                    let body = Bytes::from(format!("{path} {numbers}"));
                    lease.store(meta, &body, &crate::NoVariants).unwrap();
                },
                3 => invalidate(&before, |request| {
                    request.tags = vec![format!("t{}", page % 3)];
                    request.soft = page % 2 == 0;
                }),
                4 => invalidate(&before, |request| request.keys = vec![path.clone()]),
                _ => before.advance(seconds),
            }
        }
        let bytes = snapshot(&before);
        before.advance(pause);
        let after = successor(&before, 0, |_| {});
        let expecting = after.engine.expect_snapshot();
        for page in &meanwhile {
            for bench in [&before, &after] {
                invalidate(bench, |request| request.keys = vec![format!("/{page}")]);
            }
        }
        expecting.load(Cursor::new(&bytes), &HERE).unwrap();
        for page in 0..12 {
            let path = format!("/{page}");
            let told = |bench: &Bench| {
                let ask = crate::Ask { lead: false, ..bench.ask() };
                match bench.engine.lookup(&bench.key(&path), &ask) {
                    Lookup::Fresh { hit, .. } => ("fresh", text(&hit), hit.age(bench.now())),
                    Lookup::Stale { hit, .. } => ("stale", text(&hit), hit.age(bench.now())),
                    _ => ("none", String::new(), Duration::ZERO),
                }
            };
            prop_assert_eq!(told(&before), told(&after), "{}", path);
        }
    }
}
