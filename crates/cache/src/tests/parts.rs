//! Values of which only parts are held.

use crate::testing::{Bench, at_once, meta, tagged, text};
use crate::{
    Ask, ByteSpan, Fill, Finished, Followed, Hit, Invalidation, Lease, LoadFailure, Lookup, Meta, NoVariants,
    NotStored, PartAsk, PartMeta, PassReason,
};
use bytes::Bytes;
use proptest::prelude::*;

fn span(start: u64, end: u64) -> ByteSpan {
    ByteSpan { start, end }
}

/// Asks for `start..end` under `/a`.
fn ask(bench: &Bench, start: u64, end: u64) -> Lookup {
    let lies_in = move |hit: &Hit| hit.slice(span(start, end)).is_some();
    let part = PartAsk {
        text: &format!("{start}-{end}"),
        lies_in: &lies_in,
    };
    let ask = Ask {
        part: Some(part),
        ..bench.ask()
    };
    bench.engine.lookup(&bench.key("/a"), &ask)
}

fn lead(bench: &Bench, start: u64, end: u64) -> Lease {
    match ask(bench, start, end) {
        Lookup::Lead(lease) => lease,
        other => panic!("expected a lease, got {other:?}"),
    }
}

fn hit(bench: &Bench, start: u64, end: u64) -> Option<String> {
    match ask(bench, start, end) {
        Lookup::Fresh { hit, .. } => Some(sliced(&hit, start, end)),
        _ => None,
    }
}

fn sliced(hit: &Hit, start: u64, end: u64) -> String {
    let bytes: Vec<u8> = hit.slice(span(start, end)).unwrap().collect::<Vec<_>>().concat();
    String::from_utf8(bytes).unwrap()
}

fn part(start: u64, length: usize, complete: u64, validator: Option<&str>) -> Meta {
    Meta {
        length: Some(length as u64),
        part: Some(PartMeta {
            start,
            complete,
            validator: validator.map(|text| text.as_bytes().to_vec()),
        }),
        ..meta()
    }
}

fn begin(lease: Lease, meta: Meta, body: &str) -> Fill {
    let mut fill = lease.fill(meta, &NoVariants).unwrap();
    at_once(fill.push(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    fill
}

/// Loads `body`, which begins at `start` of a value of ten bytes.
fn store(bench: &Bench, start: u64, body: &str, validator: Option<&str>) -> Finished {
    let lease = lead(bench, start, start + body.len() as u64);
    begin(lease, part(start, body.len(), 10, validator), body).finish()
}

#[tokio::test]
async fn a_part_answers_what_lies_in_it_and_nothing_else() {
    let bench = Bench::new();
    store(&bench, 2, "2345", None);
    assert_eq!(hit(&bench, 2, 6).as_deref(), Some("2345"));
    assert_eq!(hit(&bench, 3, 5).as_deref(), Some("34"));
    assert!(hit(&bench, 1, 5).is_none() && hit(&bench, 5, 7).is_none());
    assert!(bench.hit("/a").is_none(), "it is not the whole");
}

#[tokio::test]
async fn parts_of_one_version_are_put_together_until_they_are_the_whole() {
    let bench = Bench::new();
    store(&bench, 6, "6789", Some("v1"));
    store(&bench, 0, "012", Some("v1"));
    assert_eq!(hit(&bench, 7, 9).as_deref(), Some("78"));
    assert!(hit(&bench, 2, 7).is_none());
    let lease = bench.lead("/a");
    let held = lease.parts().unwrap().parts().unwrap();
    assert_eq!(held.spans.iter().collect::<Vec<_>>(), [span(0, 3), span(6, 10)]);
    drop(lease);
    let before = bench.accounted();
    store(&bench, 2, "23456", Some("v1"));
    assert_eq!(text(&bench.hit("/a").unwrap()), "0123456789", "for everybody");
    assert!(bench.accounted() < before, "and the parts are gone");
}

#[tokio::test]
async fn parts_of_two_versions_or_of_none_are_never_mixed() {
    for (first, second) in [
        (Some("v1"), Some("v2")),
        (None, None),
        (Some("v1"), None),
        (None, Some("v1")),
    ] {
        let bench = Bench::new();
        store(&bench, 0, "01234", first);
        store(&bench, 5, "56789", second);
        assert!(bench.hit("/a").is_none(), "{first:?} {second:?}");
        assert!(
            hit(&bench, 0, 5).is_none(),
            "the newer one takes the place of the older"
        );
        assert_eq!(hit(&bench, 5, 10).as_deref(), Some("56789"));
    }
}

#[tokio::test]
async fn a_part_whose_load_began_before_an_invalidation_does_not_survive_it() {
    let everything = Invalidation {
        all: true,
        ..Invalidation::default()
    };
    // While it loads.
    let bench = Bench::new();
    let fill = begin(lead(&bench, 0, 5), part(0, 5, 10, Some("v1")), "01234");
    bench.engine.invalidate(&everything).await;
    assert!(matches!(fill.finish(), Finished::NotStored(NotStored::Overtaken)));
    // Once it is there, and put together with what came later.
    store(&bench, 0, "01234", Some("v1"));
    // Whatever lies there still.
    bench.engine.invalidate_uncounted(&everything);
    assert!(bench.lead("/a").parts().is_none(), "nobody builds on it");
    store(&bench, 5, "56789", Some("v1"));
    assert!(hit(&bench, 0, 5).is_none() && bench.hit("/a").is_none());
    // While the other one loads.
    let bench = Bench::new();
    store(&bench, 0, "01234", Some("v1"));
    let fill = begin(lead(&bench, 5, 10), part(5, 5, 10, Some("v1")), "56789");
    bench.engine.invalidate(&everything).await;
    assert!(matches!(fill.finish(), Finished::NotStored(NotStored::Overtaken)));
    assert!(hit(&bench, 0, 5).is_none() && hit(&bench, 5, 10).is_none());
}

#[tokio::test]
async fn what_is_put_together_is_reached_by_the_tags_of_all_its_parts() {
    for tag in ["old", "new"] {
        let bench = Bench::new();
        let tagged = |start, body: &str, tag| Meta {
            tags: tagged(&[tag]).tags,
            ..part(start, body.len(), 10, Some("v1"))
        };
        begin(lead(&bench, 0, 3), tagged(0, "012", "old"), "012").finish();
        begin(lead(&bench, 3, 6), tagged(3, "345", "new"), "345").finish();
        assert!(hit(&bench, 0, 6).is_some());
        bench.engine.invalidate(&Invalidation::of_tags(vec![tag.into()])).await;
        assert!(hit(&bench, 0, 3).is_none() && hit(&bench, 3, 6).is_none(), "{tag}");
    }
}

#[tokio::test]
async fn who_asks_for_the_same_part_shares_its_load_and_who_asks_for_the_whole_does_not() {
    let bench = Bench::new();
    let lease = lead(&bench, 0, 5);
    let Lookup::Follow(mut same) = ask(&bench, 0, 5) else {
        panic!("follows")
    };
    let other = lead(&bench, 5, 10);
    let whole = bench.lead("/a");
    drop((other, whole));
    let fill = begin(lease, part(0, 5, 10, None), "01234");
    let Followed::Stream(mut reader) = at_once(same.wait(&NoVariants)) else {
        panic!("reads on")
    };
    assert_eq!(reader.part().map(|part| (part.start, part.complete)), Some((0, 10)));
    fill.finish();
    assert_eq!(reader.next().await.unwrap().unwrap(), "01234");
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn who_asks_for_a_part_reads_the_whole_that_is_on_its_way() {
    let bench = Bench::new();
    let whole = bench.lead("/a");
    assert!(matches!(ask(&bench, 0, 5), Lookup::Follow(_)));
    drop(whole);
    // And everybody the whole that came instead of a part.
    let fill = begin(lead(&bench, 0, 5), meta(), "0123456789");
    assert!(matches!(bench.lookup("/a"), Lookup::Follow(_)));
    fill.finish();
    assert_eq!(text(&bench.hit("/a").unwrap()), "0123456789");
    assert_eq!(hit(&bench, 8, 10).as_deref(), Some("89"));
}

#[tokio::test]
async fn what_came_of_a_body_that_broke_off_is_a_part() {
    let bench = Bench::new();
    let announced = |length| Meta {
        length: Some(length),
        ..meta()
    };
    let fill = begin(bench.lead("/a"), announced(10), "0123");
    let mut reader = fill.reader();
    fill.cut(LoadFailure::Broken, Some(b"v1".to_vec()));
    assert_eq!(reader.next().await, Some(Ok(Bytes::from_static(b"0123"))));
    assert_eq!(
        reader.next().await,
        Some(Err(LoadFailure::Broken)),
        "nobody takes it for the whole"
    );
    assert_eq!(hit(&bench, 1, 4).as_deref(), Some("123"));
    store(&bench, 4, "456789", Some("v1"));
    assert_eq!(text(&bench.hit("/a").unwrap()), "0123456789");
    // Without a strong validator, or a length, it is nothing.
    let bench = Bench::new();
    begin(bench.lead("/a"), announced(10), "0123").cut(LoadFailure::Broken, None);
    begin(bench.lead("/a"), meta(), "0123").cut(LoadFailure::Broken, Some(b"v1".to_vec()));
    assert!(hit(&bench, 0, 4).is_none());
}

#[tokio::test]
async fn a_part_that_is_only_for_its_asker_leaves_no_marker() {
    let bench = Bench::new();
    let lease = lead(&bench, 0, 5);
    let Lookup::Follow(mut follower) = ask(&bench, 0, 5) else {
        panic!("follows")
    };
    lease.release(PassReason::Partial);
    assert!(matches!(
        at_once(follower.wait(&NoVariants)),
        Followed::Passed(PassReason::Partial)
    ));
    assert!(!bench.lead("/a").alone() && !lead(&bench, 0, 5).alone());
}

#[tokio::test]
async fn that_the_whole_is_too_large_keeps_nobody_from_sharing_a_part() {
    let bench = Bench::new();
    let too_large = Meta {
        length: Some(1 << 40),
        ..meta()
    };
    assert!(bench.lead("/a").fill(too_large, &NoVariants).is_err());
    assert!(bench.lead("/a").alone());
    let lease = lead(&bench, 0, 5);
    assert!(!lease.alone());
    begin(lease, part(0, 5, 1 << 40, None), "01234").finish();
    assert_eq!(hit(&bench, 0, 5).as_deref(), Some("01234"));
}

#[tokio::test]
async fn a_part_is_renewed_as_a_part() {
    let bench = Bench::new();
    store(&bench, 2, "2345", Some("v1"));
    bench.advance(61);
    let lease = lead(&bench, 2, 6);
    assert!(lease.stale().is_some());
    let new = Meta {
        head: Bytes::from_static(b"new head"),
        ..meta()
    };
    let renewed = lease.renew(new, &NoVariants).unwrap();
    assert_eq!(renewed.head(), b"new head");
    assert_eq!(hit(&bench, 3, 6).as_deref(), Some("345"));
    assert!(hit(&bench, 0, 6).is_none());
}

#[tokio::test]
async fn what_a_confirmation_contradicts_is_stale_from_then_on() {
    let bench = Bench::new();
    bench.put("/a", "old");
    let lease = bench.engine.lead_alone(&bench.key("/a"), &bench.ask());
    lease.outdate();
    assert!(bench.hit("/a").is_none());
    assert_eq!(bench.lead("/a").stale().map(text).as_deref(), Some("old"));
}

/// The byte at each position of a large value.
fn byte(at: u64) -> u8 {
    (at * 31 % 251) as u8
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn parts_are_what_a_vector_of_bytes_says(
        complete in 1u64..1_200_000,
        given in proptest::collection::vec((0u64..1_200_000, 1u64..400_000, any::<bool>()), 1..14),
    ) {
        let bench = Bench::with(|settings| settings.cache.object_size_max = peregrine_base::ByteSize::mib(2));
        let (mut model, mut version) = (vec![false; complete as usize], 0);
        for (start, length, changes) in given {
            let (start, end) = (start % complete, (start % complete + length).min(complete));
            let Lookup::Lead(lease) = ask(&bench, start, end) else {
                prop_assert!(model[start as usize..end as usize].iter().all(|held| *held));
                continue;
            };
            if changes && length % 3 == 0 {
                version += 1;
                model.fill(false);
            }
            let body: Vec<u8> = (start..end).map(byte).collect();
            let meta = part(start, body.len(), complete, Some(&version.to_string()));
            let mut fill = lease.fill(meta, &NoVariants).unwrap();
            for chunk in body.chunks(70_001) {
                at_once(fill.push(Bytes::copy_from_slice(chunk))).unwrap();
            }
            let Finished::Stored(stored) = fill.finish() else { panic!("there is room for it") };
            model[start as usize..end as usize].fill(true);
            let held = stored.parts().map_or(complete, |parts| parts.spans.total());
            prop_assert_eq!(held, model.iter().filter(|held| **held).count() as u64);
            prop_assert!(stored.stored_bytes() >= held, "all of it is accounted for");
            prop_assert!(stored.body().chunks().all(|chunk| chunk.len() <= 256 << 10));
            if let Some(parts) = stored.parts() {
                for one in parts.spans.iter() {
                    let bytes: Vec<u8> = stored.slice(one).unwrap().collect::<Vec<_>>().concat();
                    prop_assert!(bytes == (one.start..one.end).map(byte).collect::<Vec<_>>());
                }
            } else {
                prop_assert!(stored.body().to_bytes() == (0..complete).map(byte).collect::<Vec<_>>());
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_older_version_that_takes_longer_does_not_take_the_place_of_a_newer_one() {
    let bench = Bench::new();
    let slow = begin(lead(&bench, 0, 4), part(0, 4, 10, Some("v1")), "old ");
    bench.advance(1);
    store(&bench, 6, "new!", Some("v2"));
    assert!(matches!(slow.finish(), Finished::NotStored(NotStored::Overtaken)));
    assert_eq!(hit(&bench, 6, 10).as_deref(), Some("new!"));
    assert!(hit(&bench, 0, 4).is_none());
}

#[tokio::test]
async fn what_is_gathered_as_slowly_as_it_is_taken_leaves_room_for_what_loads() {
    let bench = Bench::new();
    let gather = |start| {
        let mut gathering = lead(&bench, start, start + 10).gather();
        gathering.begin(start);
        gathering
    };
    // With 80 bytes for what holds it.
    let chunk = [b'x'; (256 << 10) - 80];
    let mut gathered: Vec<_> = (0..4).map(|number| gather(number * 10)).collect();
    // A quarter of what bodies under way may have, which is two of eight mebibytes.
    let taken = gathered.iter_mut().map(|gathering| gathering.push(&chunk));
    assert_eq!(taken.collect::<Vec<_>>(), [true, true, false, false]);
    assert!(matches!(store(&bench, 100, "loaded", None), Finished::Stored(_)));
    gathered.clear();
    let mut crumbs = gather(0);
    let held = (0..10_000).take_while(|_| crumbs.push(b"x")).count();
    assert!(held < 7_000, "{held} bytes, each with what holds it");
    drop(crumbs);
    let mut slow = gather(0);
    assert!(slow.push(b"a piece"));
    bench.advance(61);
    assert!(!slow.push(b"another"), "it takes too long");
}
