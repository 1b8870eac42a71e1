//! Bodies under way.

use crate::testing::{Bench, at_once, meta, text};
use crate::{Abandoned, Fill, Finished, Followed, LoadFailure, Lookup, Meta, NoVariants, NotStored, Reader};
use bytes::Bytes;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Reads to the end.
async fn read(reader: &mut Reader) -> Result<Vec<u8>, LoadFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = reader.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}

/// Bytes that tell where they are.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

fn fill(bench: &Bench, length: Option<u64>) -> Fill {
    bench.lead("/a").fill(Meta { length, ..meta() }, &NoVariants).unwrap()
}

/// Whether the push is refused, taken, or waits.
fn push_now(fill: &mut Fill, chunk: Bytes) -> Poll<Result<(), Abandoned>> {
    let mut context = Context::from_waker(Waker::noop());
    std::pin::pin!(fill.push(chunk)).poll(&mut context)
}

#[test]
fn what_takes_long_to_arrive_is_not_served_for_longer() {
    // RFC 9111 §4.2.3, RFC 5861 §3: 60 s from its head on, then 30 more while it is renewed.
    for (took, is_stale) in [(80, true), (100, false)] {
        let bench = Bench::new();
        let meta = Meta {
            swr: Duration::from_secs(30),
            ..meta()
        };
        let mut fill = bench.lead("/a").fill(meta, &NoVariants).unwrap();
        assert!(push_now(&mut fill, Bytes::from_static(b"slow")).is_ready());
        bench.advance(took);
        fill.finish();
        let found = bench.lookup("/a");
        assert_eq!(matches!(found, Lookup::Stale { .. }), is_stale, "{took} s: {found:?}");
    }
}

#[test]
fn crumbs_of_a_body_that_is_not_stored_are_held_in_small_numbers() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let mut reader = fill.reader();
    while push_now(&mut fill, Bytes::from(vec![b'x'; MIB])).is_ready() {}
    let mut context = Context::from_waker(Waker::noop());
    while std::pin::pin!(reader.next()).poll(&mut context).is_ready() {}
    let held = (0..10_000).take_while(|_| push_now(&mut fill, Bytes::from_static(b"x")).is_ready());
    let held = held.count();
    assert!((1_000..4_000).contains(&held), "{held} bytes, each with what holds it");
}

#[tokio::test]
async fn bodies_of_all_sizes_and_chunks_come_back_whole() {
    let bench = Bench::new();
    for length in [0, 1, 65_536, 65_537, 262_144, 262_145, 1_000_000] {
        for chunk in [1_000, 70_000, 2_000_000] {
            let body = pattern(length);
            let mut fill = fill(&bench, if chunk == 1_000 { None } else { Some(length as u64) });
            let mut live = fill.reader();
            for part in body.chunks(chunk) {
                fill.push(Bytes::copy_from_slice(part)).await.unwrap();
            }
            let mut late = fill.reader();
            let Finished::Stored(hit) = fill.finish() else {
                panic!("{length} in {chunk} is stored")
            };
            assert_eq!(hit.length(), length as u64);
            assert!(hit.stored_bytes() > hit.length(), "all of it is accounted for");
            assert!(hit.body().chunks().all(|chunk| chunk.len() <= 256 << 10));
            assert!(hit.body().to_bytes() == body, "{length} in {chunk} as stored");
            assert!(read(&mut live).await.unwrap() == body, "{length} in {chunk} as read");
            assert!(
                read(&mut late).await.unwrap() == body,
                "{length} in {chunk} as read late"
            );
            bench.engine.clear(&bench.namespace);
        }
    }
    assert_eq!(bench.accounted(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_is_never_stored_and_its_readers_see_it() {
    for received in ["too short", "longer than announced"] {
        let bench = Bench::new();
        let mut fill = fill(&bench, Some(12));
        let mut reader = fill.reader();
        fill.push(Bytes::from_static(received.as_bytes())).await.unwrap();
        assert!(matches!(fill.finish(), Finished::NotStored(NotStored::LengthMismatch)));
        assert_eq!(read(&mut reader).await, Err(LoadFailure::Broken));
        assert!(bench.hit("/a").is_none());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_stored_and_its_readers_see_it() {
    let bench = Bench::new();
    for dropped in [false, true] {
        let mut fill = fill(&bench, None);
        let mut reader = fill.reader();
        let mut late = bench.follow("/a");
        fill.push(Bytes::from_static(b"half")).await.unwrap();
        let expected = if dropped {
            drop(fill);
            LoadFailure::Abandoned
        } else {
            fill.fail(LoadFailure::Broken);
            LoadFailure::Broken
        };
        assert_eq!(read(&mut reader).await, Err(expected));
        assert!(matches!(at_once(late.wait(&NoVariants)), Followed::Failed(failure) if failure == expected));
        assert!(bench.hit("/a").is_none());
    }
}

#[tokio::test]
async fn a_body_that_outgrows_its_limit_goes_on_for_those_who_read_and_is_not_held() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let mut reader = fill.reader();
    let mut early = bench.follow("/a");
    let chunk = Bytes::from(pattern(64 << 10));
    for _ in 0..16 {
        fill.push(chunk.clone()).await.unwrap();
    }
    assert!(
        push_now(&mut fill, chunk.clone()).is_pending(),
        "readers are a mebibyte behind"
    );
    assert!(matches!(bench.lookup("/a"), Lookup::Lead(_)), "nobody joins any more");
    let Followed::Stream(mut second) = at_once(early.wait(&NoVariants)) else {
        panic!("came in time")
    };
    let mut total = 0;
    for _ in 0..1000 {
        while let Poll::Ready(Some(piece)) = reader.poll_next(&mut Context::from_waker(Waker::noop())) {
            total += piece.unwrap().len();
        }
        while let Poll::Ready(Some(piece)) = second.poll_next(&mut Context::from_waker(Waker::noop())) {
            piece.unwrap();
        }
        fill.push(chunk.clone()).await.unwrap();
        assert!(bench.accounted() < 2 * MIB as u64);
    }
    assert!(matches!(fill.finish(), Finished::NotStored(NotStored::TooLarge)));
    total += read(&mut reader).await.unwrap().len();
    assert_eq!(total, 1016 * chunk.len());
    drop((reader, second, early));
    assert_eq!(bench.accounted(), 0);
}

#[tokio::test]
async fn a_reader_that_stalls_is_cut_off_and_the_others_go_on() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let (mut stalled, mut lively) = (fill.reader(), fill.reader());
    let body = Bytes::from(pattern(3 * MIB));
    let writer = tokio::spawn({
        let body = body.clone();
        async move {
            for part in 0..48 {
                fill.push(body.slice(part * (64 << 10)..(part + 1) * (64 << 10)))
                    .await
                    .unwrap();
            }
            fill.finish()
        }
    });
    let reading = tokio::spawn(async move { read(&mut lively).await });
    while bench.time.sleeping() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!reading.is_finished(), "the stalled one holds everybody up");
    bench.time.advance(Duration::from_secs(30));
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(reading.is_finished(), "until its time is over");
    assert!(reading.await.unwrap().unwrap() == body);
    assert!(matches!(writer.await.unwrap(), Finished::NotStored(_)));
    assert_eq!(read(&mut stalled).await, Err(LoadFailure::Stalled));
}

#[tokio::test]
async fn a_body_that_is_not_stored_ends_when_nobody_reads_it() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let reader = fill.reader();
    fill.push(Bytes::from(pattern(MIB))).await.unwrap();
    let waiting = push_now(&mut fill, Bytes::from_static(b"more"));
    assert!(waiting.is_pending());
    drop(reader);
    assert_eq!(fill.push(Bytes::from_static(b"more")).await, Err(Abandoned));
}

#[tokio::test]
async fn a_load_goes_on_for_the_cache_when_its_readers_leave() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    drop(fill.reader());
    fill.push(Bytes::from_static(b"whole")).await.unwrap();
    assert!(matches!(fill.finish(), Finished::Stored(_)));
    assert_eq!(text(&bench.hit("/a").unwrap()), "whole");
}

#[tokio::test]
async fn what_is_kept_of_a_large_buffer_does_not_keep_the_buffer() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let buffer = Bytes::from(vec![7u8; 10 * MIB]);
    fill.push(buffer.slice(..100)).await.unwrap();
    let Finished::Stored(hit) = fill.finish() else {
        panic!("stored")
    };
    assert!(buffer.is_unique(), "the buffer is nobody's but ours");
    assert_eq!(hit.length(), 100);
    assert!(hit.stored_bytes() < 500);
}

#[tokio::test]
async fn a_reader_that_comes_too_late_says_so() {
    let bench = Bench::new();
    let mut fill = fill(&bench, None);
    let mut first = fill.reader();
    fill.push(Bytes::from(pattern(MIB))).await.unwrap();
    while first.poll_next(&mut Context::from_waker(Waker::noop())).is_ready() {}
    fill.push(Bytes::from_static(b"more")).await.unwrap();
    let mut late = fill.reader();
    assert_eq!(at_once(read(&mut late)), Err(LoadFailure::Abandoned));
    assert!(late.next().await.is_none());
}
