//! Encodings of stored bodies: made once, kept with the entry, gone with it.

use crate::testing::{Bench, meta, tagged, text};
use crate::{Coding, Compression, Hit, Invalidation, Key, Meta, NoVariants, SetOptions};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn body(size: usize) -> String {
    "peregrine falcon ".repeat(size / 17)
}

fn compressible() -> Meta {
    Meta {
        compressible: true,
        ..meta()
    }
}

/// The bytes of `hit` in `coding`.
fn encoded(hit: &Hit, coding: Coding) -> Option<Vec<u8>> {
    let encoded = hit.encoded(coding)?;
    let bytes: Vec<u8> = encoded.chunks().flatten().collect();
    assert_eq!(bytes.len() as u64, encoded.length());
    Some(bytes)
}

/// What a client makes of them.
fn decoded(coding: Coding, bytes: Vec<u8>) -> String {
    let unpacked = crate::codec::unpack(coding, std::iter::once(Bytes::from(bytes)), 1 << 30).unwrap();
    String::from_utf8(unpacked.flatten().collect()).unwrap()
}

fn outcomes(bench: &Bench, outcome: &str) -> u64 {
    let counted = bench.engine.statistics().total.encodings_by_outcome;
    counted.get(outcome).copied().unwrap_or(0)
}

#[tokio::test]
async fn each_coding_is_made_once_and_reads_back() {
    for size in [2_000, 60_000, 900_000] {
        let bench = Bench::with(|settings| settings.cache.memory = peregrine_base::ByteSize::mib(64));
        bench.put_with("/a", &body(size), compressible());
        for coding in Coding::ALL {
            let hit = bench.hit("/a").unwrap();
            assert!(encoded(&hit, coding).is_none());
            bench.engine.encode(&bench.key("/a"), &hit, coding);
            bench.engine.encode(&bench.key("/a"), &hit, coding);
            let hit = bench.hit("/a").unwrap();
            bench.engine.encode(&bench.key("/a"), &hit, coding);
            assert_eq!(
                decoded(coding, encoded(&hit, coding).unwrap()),
                body(size),
                "{coding:?}"
            );
            assert_eq!(text(&hit), body(size), "the body itself stays");
        }
        assert_eq!(outcomes(&bench, "stored"), 3);
        assert_eq!(bench.hit("/a").unwrap().codings().collect::<Vec<_>>(), Coding::ALL);
        assert_eq!(bench.engine.statistics().total.entries, 1);
    }
}

fn evicted(bench: &Bench) -> u64 {
    let causes = bench.engine.statistics().total.evictions_by_cause;
    causes.get("capacity").copied().unwrap_or(0)
}

#[tokio::test]
async fn where_room_is_scarce_only_what_is_asked_for_again_is_encoded() {
    let bench = Bench::new();
    let mut pages = 0;
    while evicted(&bench) == 0 {
        bench.put_with(&format!("/{pages}"), &body(20_000), compressible());
        pages += 1;
        assert!(pages < 100_000, "nothing is ever pushed out");
    }
    let put = bench.put_with("/new", &body(20_000), compressible());
    bench.engine.encode(&bench.key("/new"), &put, Coding::Zstd);
    assert_eq!(outcomes(&bench, "stored"), 0, "nobody asked for it again");
    let hit = bench.hit("/new").unwrap();
    bench.engine.encode(&bench.key("/new"), &hit, Coding::Zstd);
    assert_eq!(outcomes(&bench, "stored"), 1);
}

#[tokio::test]
async fn what_an_encoding_weighs_is_accounted() {
    let bench = Bench::new();
    let plain = bench.put_with("/a", &body(60_000), compressible()).stored_bytes();
    bench
        .engine
        .encode(&bench.key("/a"), &bench.hit("/a").unwrap(), Coding::Gzip);
    let hit = bench.hit("/a").unwrap();
    let length = hit.encoded(Coding::Gzip).unwrap().length();
    assert!(hit.stored_bytes() >= plain + length, "{}", hit.stored_bytes());
    assert_eq!(bench.accounted(), hit.stored_bytes(), "and nothing else is");
}

#[tokio::test]
async fn a_renewed_entry_keeps_its_encodings_and_a_replaced_one_loses_them() {
    let bench = Bench::new();
    bench.put_with("/a", &body(100_000), compressible());
    let key = bench.key("/a");
    bench.engine.encode(&key, &bench.hit("/a").unwrap(), Coding::Zstd);
    bench.advance(61);
    let lease = bench.lead("/a");
    // While it is being renewed, another is made.
    bench.engine.encode(&key, &lease.stale().unwrap().clone(), Coding::Gzip);
    lease.renew(compressible(), &NoVariants).unwrap();
    let hit = bench.hit("/a").unwrap();
    for coding in [Coding::Zstd, Coding::Gzip] {
        assert_eq!(decoded(coding, encoded(&hit, coding).unwrap()), body(100_000));
    }
    bench.advance(61);
    bench
        .lead("/a")
        .store(compressible(), &body(3_000).into(), &NoVariants)
        .unwrap();
    assert_eq!(bench.hit("/a").unwrap().codings().count(), 0, "another body");
}

#[tokio::test]
async fn an_encoding_of_what_is_not_there_any_more_is_thrown_away() {
    let bench = Bench::new();
    let key = bench.key("/a");
    let old = bench.put_with("/a", &body(3_000), compressible());
    bench.advance(61);
    bench
        .lead("/a")
        .store(compressible(), &"another page ".repeat(300).into(), &NoVariants)
        .unwrap();
    bench.engine.encode(&key, &old, Coding::Zstd);
    assert_eq!(bench.hit("/a").unwrap().codings().count(), 0);
    assert_eq!(outcomes(&bench, "overtaken"), 1);
}

#[tokio::test]
async fn an_invalidation_reaches_encodings() {
    let bench = Bench::new();
    let key = bench.key("/a");
    let hit = bench.put_with(
        "/a",
        &body(3_000),
        Meta {
            compressible: true,
            ..tagged(&["t"])
        },
    );
    bench
        .engine
        .invalidate(&Invalidation {
            tags: vec!["t".into()],
            ..Invalidation::default()
        })
        .await;
    // Made after the invalidation, for an entry from before it.
    bench.engine.encode(&key, &hit, Coding::Zstd);
    assert!(bench.hit("/a").is_none());
}

#[tokio::test]
async fn a_soft_invalidation_is_not_forgotten_over_an_encoding() {
    let bench = Bench::strategy(|strategy| {
        strategy.stale_while_revalidate = peregrine_base::Span::new(std::time::Duration::from_secs(60));
    });
    let hit = bench.put_with(
        "/a",
        &body(3_000),
        Meta {
            compressible: true,
            ..tagged(&["t"])
        },
    );
    bench
        .engine
        .invalidate(&Invalidation {
            tags: vec!["t".into()],
            soft: true,
            ..Invalidation::default()
        })
        .await;
    assert!(bench.hit("/a").is_none());
    bench.engine.encode(&bench.key("/a"), &hit, Coding::Zstd);
    assert_eq!(outcomes(&bench, "stored"), 1);
    assert!(bench.hit("/a").is_none());
}

#[test]
fn what_was_found_outdated_stays_so_over_an_encoding() {
    for encode_first in [true, false] {
        let bench = Bench::new();
        let hit = bench.put_with("/a", &body(3_000), compressible());
        let lease = bench.engine.lead_alone(&bench.key("/a"), &bench.ask());
        let encode = || bench.engine.encode(&bench.key("/a"), &hit, Coding::Zstd);
        if encode_first {
            encode();
        }
        lease.outdate();
        encode();
        assert_eq!(outcomes(&bench, "stored"), 1);
        assert!(bench.hit("/a").is_none(), "{encode_first}");
    }
}

#[tokio::test]
async fn what_does_not_gain_is_tried_once_even_across_renewals() {
    let bench = Bench::new();
    let mut state = 1u64;
    let noise: Bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(2_000)
    .collect();
    bench.lead("/a").store(compressible(), &noise, &NoVariants).unwrap();
    let key = bench.key("/a");
    for _ in 0..2 {
        bench.engine.encode(&key, &bench.hit("/a").unwrap(), Coding::Zstd);
        bench.advance(61);
        bench.lead("/a").renew(compressible(), &NoVariants).unwrap();
    }
    assert_eq!(outcomes(&bench, "no_gain"), 1);
}

#[tokio::test]
async fn what_is_stored_compressed_is_served_so_and_in_other_codings() {
    for (compression, own) in [
        (Compression::Auto, Coding::Zstd),
        (Compression::Zstd, Coding::Zstd),
        (Compression::Brotli, Coding::Brotli),
        (Compression::Gzip, Coding::Gzip),
    ] {
        for size in [3_000, 900_000] {
            let bench = Bench::strategy(|strategy| strategy.compression = compression);
            bench.put_with("/a", &body(size), compressible());
            let hit = bench.hit("/a").unwrap();
            assert_eq!(hit.stored_encoding(), own.as_str());
            assert_eq!(decoded(own, encoded(&hit, own).unwrap()), body(size));
            for coding in Coding::ALL {
                bench.engine.encode(&bench.key("/a"), &bench.hit("/a").unwrap(), coding);
                let hit = bench.hit("/a").unwrap();
                assert_eq!(decoded(coding, encoded(&hit, coding).unwrap()), body(size));
                assert_eq!(text(&hit), body(size));
            }
            assert_eq!(outcomes(&bench, "stored"), 3);
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_wait_is_left_alone() {
    // A quarter of 2 MiB may be under way: less than the body and what may become of it.
    let bench = Bench::with(|settings| settings.cache.memory = peregrine_base::ByteSize::mib(2));
    bench.put_with("/a", &body(400_000), compressible());
    bench
        .engine
        .encode(&bench.key("/a"), &bench.hit("/a").unwrap(), Coding::Zstd);
    assert_eq!(bench.hit("/a").unwrap().codings().count(), 0);
    assert_eq!(outcomes(&bench, "no_room"), 1);
    assert_eq!(bench.engine.statistics().in_flight_bytes, 0);
}

/// What one of several hands does: writes, encodes, and reads what whoever wrote last left. `written` is the last version
/// that was.
fn handle(bench: &Bench, versions: &Mutex<u64>, written: &AtomicU64) {
    let (engine, namespace) = (&bench.engine, &bench.namespace);
    for round in 0..100 {
        {
            let mut version = versions.lock();
            *version += 1;
            let value = format!("{version} ").repeat(3_000);
            engine.set(namespace, "a", value.into(), &SetOptions::default());
            written.store(*version, Ordering::Release);
        }
        if let Some(hit) = engine.get(namespace, "a") {
            engine.encode(&Key::named(namespace, "", "a"), &hit, Coding::ALL[round % 3]);
        }
        let newest = written.load(Ordering::Acquire);
        let Some(hit) = engine.get(namespace, "a") else {
            continue;
        };
        let body = text(&hit);
        for coding in hit.codings() {
            assert_eq!(decoded(coding, encoded(&hit, coding).unwrap()), body);
        }
        let version: u64 = body.split(' ').next().unwrap().parse().unwrap();
        assert!(version >= newest, "{version} came back after {newest}");
    }
}

#[test]
fn under_many_hands_an_encoding_is_that_of_its_body_and_brings_nothing_back() {
    let bench = Bench::new();
    let (versions, written) = (Mutex::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| handle(&bench, &versions, &written));
        }
    });
    assert!(outcomes(&bench, "stored") > 0);
    let hit = bench.engine.get(&bench.namespace, "a").unwrap();
    assert_eq!(bench.accounted(), hit.stored_bytes(), "nothing else is left");
}
