//! What left memory and is still read counts until nobody reads it any more.

use crate::testing::{Bench, at_once, meta};
use crate::{Finished, Hit, NoVariants};
use bytes::Bytes;
use peregrine_base::ByteSize;

const MIB: u64 = 1 << 20;

/// With room for all that a test puts there.
fn ample() -> Bench {
    Bench::with(|settings| settings.cache.memory = ByteSize::mib(32))
}

/// What is read though it is in memory no more.
fn lingering(bench: &Bench) -> u64 {
    bench.engine.count_lingering();
    bench.engine.statistics().in_flight_bytes
}

fn put(bench: &Bench, path: &str) -> Hit {
    bench.put(path, &"x".repeat(1000 << 10))
}

/// Whether a body is stored that arrives now.
fn stores(bench: &Bench, path: &str) -> bool {
    let mut fill = bench.lead(path).fill(meta(), &NoVariants).unwrap();
    let _reader = fill.reader();
    at_once(fill.push(Bytes::from(vec![b'y'; 100 << 10]))).unwrap();
    matches!(fill.finish(), Finished::Stored(_))
}

#[tokio::test]
async fn what_is_read_while_it_leaves_counts_until_nobody_reads_it() {
    let bench = ample();
    let mut read: Vec<_> = (0..4)
        .map(|number| put(&bench, &format!("/{number}")).body().chunks())
        .collect();
    assert_eq!(lingering(&bench), 0, "memory counts them");
    bench.engine.clear(&bench.namespace);
    let all = lingering(&bench);
    assert!((4_000 << 10..5 * MIB).contains(&all), "{all}");
    (0..60).for_each(|number| drop(put(&bench, &format!("/more/{number}"))));
    assert!(bench.accounted() <= 32 * MIB, "{}", bench.accounted());
    assert!(stores(&bench, "/a"));
    // Half of the memory is read by somebody: nothing that could be read for long is added.
    (4..20).for_each(|number| {
        let path = format!("/{number}");
        read.push(put(&bench, &path).body().chunks());
    });
    bench.engine.clear(&bench.namespace);
    assert!(lingering(&bench) > 16 * MIB);
    assert!(!stores(&bench, "/b"));
    read.clear();
    assert_eq!(lingering(&bench), 0);
    assert!(stores(&bench, "/c"));
}

#[tokio::test]
async fn who_reads_a_body_while_it_arrives_keeps_it_when_it_leaves() {
    let bench = Bench::new();
    let mut fill = bench.lead("/a").fill(meta(), &NoVariants).unwrap();
    let reader = fill.reader();
    fill.push(Bytes::from(vec![b'y'; 500 << 10])).await.unwrap();
    assert!(matches!(fill.finish(), Finished::Stored(_)));
    bench.engine.clear(&bench.namespace);
    assert!(lingering(&bench) > 500 << 10);
    drop(reader);
    assert_eq!(lingering(&bench), 0);
}

#[test]
fn a_body_that_was_renewed_meanwhile_counts_once() {
    let bench = Bench::new();
    let read = put(&bench, "/a").body().chunks();
    for _ in 0..2 {
        bench.advance(61);
        drop(bench.lead("/a").renew(meta(), &NoVariants).unwrap());
        assert_eq!(lingering(&bench), 0, "memory counts it");
    }
    bench.engine.clear(&bench.namespace);
    let once = lingering(&bench);
    assert!((1000 << 10..2 * MIB).contains(&once), "{once}");
    drop(read);
    assert_eq!(lingering(&bench), 0);
}
