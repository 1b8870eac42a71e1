//! Several ranges that the origin answers in one, kept as parts (RFC 9110 §14.6, RFC 9111 §3.3).

use super::bench::{Answer, Bench, answer};
use super::*;

const URL: &str = "http://shop.example/film";
const TEXT: &str = "0123456789abcdefghij";
const FIELDS: [(&str, &str); 3] = [
    ("cache-control", "max-age=60"),
    ("etag", "\"v1\""),
    ("content-type", "multipart/byteranges; boundary=x"),
];

/// The bytes of the text in each of `spans` as one content, of a whole that is longer than it is: ranges that lie close are
/// made one.
fn content(spans: &[(usize, usize)]) -> String {
    let part = |(first, last): &(usize, usize)| {
        let bytes = &TEXT[*first..=*last];
        format!("--x\r\nContent-Type: text/plain\r\nContent-Range: bytes {first}-{last}/9000\r\n\r\n{bytes}\r\n")
    };
    spans.iter().map(part).chain(["--x--\r\n".to_owned()]).collect()
}

/// An origin that answers several ranges with `fields` and `content`, and others by 416.
fn origin(setup: Setup, fields: &'static [(&'static str, &'static str)], content: &str) -> Bench {
    let content = content.to_owned();
    setup.before(move |heard| {
        let response = match heard.field("range") {
            range if range.contains(',') => answer(206, fields, content.clone()),
            _ => answer(416, &[("content-range", "bytes */9000")], ""),
        };
        async { response }
    })
}

async fn range(bench: &Bench, range: &str) -> Answer {
    bench.get(URL, &[("range", &format!("bytes={range}"))]).await
}

#[tokio::test]
async fn what_the_origin_sends_in_one_answer_answers_each_of_its_parts() {
    let sent = content(&[(10, 14), (0, 3)]);
    let bench = origin(Setup::plain(), &FIELDS, &sent);
    let first = range(&bench, "10-14,0-3").await;
    assert_eq!(
        (first.status, &*first.text),
        (206, &*sent),
        "it is passed on as it came"
    );
    assert_eq!(first.field("content-type"), FIELDS[2].1);
    bench.advance(5);
    for (asked, text) in [("0-3", "0123"), ("11-12", "bc")] {
        let part = range(&bench, asked).await;
        assert_eq!((part.status, part.is_hit(), &*part.text), (206, true, text));
        assert_eq!(part.field("content-range"), format!("bytes {asked}/9000"));
        assert_eq!((&*part.field("content-type"), &*part.field("age")), ("text/plain", "5"));
    }
    assert_eq!(bench.heard().len(), 1);
    assert_eq!(range(&bench, "3-4").await.status, 416, "the origin's own answer");
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![URL.to_owned()]));
    assert_eq!(range(&bench, "0-3").await.status, 416, "it is gone with its page");
}

#[tokio::test]
async fn parts_join_what_is_held_of_the_same_version() {
    let bench = Setup::plain().before(|heard| {
        let response = match heard.field("range") {
            "bytes=0-1,200-201" => answer(206, &FIELDS, content(&[(0, 1), (10, 11)])),
            "bytes=2-9" => answer(
                206,
                &[
                    FIELDS[0],
                    FIELDS[1],
                    ("content-range", "bytes 2-9/9000"),
                    ("content-type", "text/plain"),
                ],
                &TEXT[2..10],
            ),
            other => panic!("{other}"),
        };
        async { response }
    });
    assert_eq!(range(&bench, "0-1,200-201").await.status, 206);
    let joined = range(&bench, "0-11").await;
    assert_eq!(
        (joined.status, &*joined.text),
        (206, &TEXT[..12]),
        "only what was missing was asked for"
    );
}

#[tokio::test]
async fn what_is_damaged_is_passed_on_and_never_kept() {
    let good = content(&[(10, 14), (0, 3)]);
    let no_validator = &FIELDS[..1];
    let mut bad: Vec<(Vec<(&'static str, &'static str)>, String)> = [
        good.replace("0-3/9000", "0-4/9000"),
        good.replace("0-3/9000", "0-3/9001"),
        good.replace("0-3/9000", "12-15/9000"),
        good.replace("--x--\r\n", ""),
        format!("{good}more"),
    ]
    .map(|content| (FIELDS.to_vec(), content))
    .to_vec();
    bad.push(([no_validator, &FIELDS[2..]].concat(), good.clone()));
    bad.push(([&[("cache-control", "no-store")], &FIELDS[1..]].concat(), good.clone()));
    bad.push(([&FIELDS[..], &[("set-cookie", "a=b")]].concat(), good.clone()));
    bad.push((
        [&FIELDS[..1], &[("etag", "W/\"v1\"")], &FIELDS[2..]].concat(),
        good.clone(),
    ));
    for (fields, content) in bad {
        let bench = origin(Setup::plain(), fields.clone().leak(), &content);
        assert_eq!(range(&bench, "10-14,0-3").await.text, content);
        assert_eq!(range(&bench, "0-3").await.status, 416, "{fields:?} {content}");
    }
}

#[tokio::test]
async fn what_a_load_would_not_have_brought_is_not_kept() {
    let good = content(&[(10, 14), (0, 3)]);
    for field in [
        ("cache-control", "no-store"),
        ("x-http-method-override", "PUT"),
        ("authorization", "Basic eDp5"),
    ] {
        let bench = origin(Setup::plain(), &FIELDS, &good);
        bench.get(URL, &[("range", "bytes=10-14,0-3"), field]).await;
        assert_eq!(range(&bench, "0-3").await.status, 416, "{field:?}");
    }
    let whole = Setup::plain().strategy(|strategy| strategy.range = peregrine_cache::RangeLoad::Pass);
    let bench = origin(whole, &FIELDS, &good);
    range(&bench, "10-14,0-3").await;
    assert_eq!(range(&bench, "0-3").await.status, 416, "this route keeps no parts");
}

#[tokio::test]
async fn a_client_that_leaves_keeps_nothing_and_holds_nothing() {
    let bench = origin(Setup::plain(), &FIELDS, &content(&[(10, 14), (0, 3)]));
    let begun = bench.begin("GET", URL, &[("range", b"bytes=10-14,0-3")]).await;
    assert_eq!(bench.engine.statistics().loads_under_way, 1);
    drop(begun);
    assert_eq!(bench.engine.statistics().loads_under_way, 0);
    assert_eq!(bench.engine.statistics().in_flight_bytes, 0);
    assert_eq!(range(&bench, "0-3").await.status, 416);
}

#[tokio::test]
async fn parts_too_large_to_be_held_are_passed_on() {
    let small = Setup::plain().cache(|cache| cache.object_size_max = peregrine_base::ByteSize::bytes(8));
    let sent = content(&[(10, 14), (0, 3)]);
    let bench = origin(small, &FIELDS, &sent);
    assert_eq!(range(&bench, "10-14,0-3").await.text, sent);
    assert_eq!(range(&bench, "0-3").await.status, 416);
    assert_eq!(bench.engine.statistics().in_flight_bytes, 0);
}

#[tokio::test]
async fn an_invalidation_while_they_arrive_overtakes_parts() {
    let bench = origin(Setup::plain(), &FIELDS, &content(&[(10, 14), (0, 3)]));
    let begun = bench.begin("GET", URL, &[("range", b"bytes=10-14,0-3")]).await;
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![URL.to_owned()]));
    begun.into_body().collect(1 << 20).await.unwrap();
    assert_eq!(range(&bench, "0-3").await.status, 416);
}
