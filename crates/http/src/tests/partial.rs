//! Parts of responses: stored, put together, completed, served.

use super::bench::{Answer, Bench, Gate, Heard, answer, until};
use super::*;
use http::Response;
use parking_lot::Mutex;
use peregrine_cache::{Invalidation, RangeLoad};
use peregrine_net::http::Body;
use std::sync::Arc;

pub(super) const URL: &str = "http://shop.example/film";

/// What the origin has under every URL.
#[derive(Clone)]
pub(super) struct Film {
    pub(super) text: String,
    pub(super) fields: Vec<(&'static str, &'static str)>,
    /// Whether it answers to Range at all.
    ranges: bool,
}

/// A film of `length` bytes in which every position can be told from its neighbours.
pub(super) fn film(length: usize, fields: &[(&'static str, &'static str)]) -> Arc<Mutex<Film>> {
    let text = (0..).flat_map(|number: u32| format!("{number},").into_bytes());
    let text = String::from_utf8(text.take(length).collect()).unwrap();
    let mut all = vec![("cache-control", "max-age=60"), ("content-type", "video/mp4")];
    all.extend_from_slice(fields);
    Arc::new(Mutex::new(Film {
        text,
        fields: all,
        ranges: true,
    }))
}

/// An origin that does as RFC 9110 says, for single ranges.
pub(super) fn shown(film: &Film, heard: &Heard) -> Response<Body> {
    let field = |name: &str| {
        film.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map_or("", |(_, value)| *value)
    };
    let tag = field("etag");
    if !tag.is_empty() && heard.field("if-none-match").split(", ").any(|one| one == tag) {
        return answer(304, &film.fields, "");
    }
    let if_range = heard.field("if-range");
    let is_same = if_range.is_empty() || if_range == tag || if_range == field("last-modified");
    let Some(range) = heard
        .field("range")
        .strip_prefix("bytes=")
        .filter(|_| film.ranges && is_same)
    else {
        return answer(200, &film.fields, film.text.clone());
    };
    let length = film.text.len();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last) = match (first, last) {
        ("", count) => (length.saturating_sub(count.parse().unwrap()), length - 1),
        (first, "") => (first.parse().unwrap(), length - 1),
        (first, last) => (first.parse().unwrap(), last.parse::<usize>().unwrap().min(length - 1)),
    };
    if first >= length {
        return answer(416, &[("content-range", &format!("bytes */{length}"))], "");
    }
    let place = format!("bytes {first}-{last}/{length}");
    let mut fields = film.fields.clone();
    fields.push(("content-range", &place));
    answer(206, &fields, film.text[first..=last].to_owned())
}

pub(super) fn before(setup: Setup, film: &Arc<Mutex<Film>>) -> Bench {
    let film = Arc::clone(film);
    setup.before(move |heard| {
        let response = shown(&film.lock(), &heard);
        async { response }
    })
}

/// What the origin was asked for: the method where it is not GET, Range, If-Range.
pub(super) fn ranges(bench: &Bench) -> Vec<String> {
    let said = |heard: &Heard| {
        let method = if heard.method == "GET" { "" } else { &heard.method };
        let words = [method, heard.field("range"), heard.field("if-range")];
        words
            .iter()
            .filter(|word| !word.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    };
    bench.heard().iter().map(said).collect()
}

/// Asks for a range, and waits until what came of it is stored.
pub(super) async fn range(bench: &Bench, range: &str) -> Answer {
    ask(bench, &[("range", &format!("bytes={range}"))]).await
}

pub(super) async fn ask(bench: &Bench, fields: &[(&str, &str)]) -> Answer {
    let answer = bench.get(URL, fields).await;
    until("the load", || bench.engine.statistics().loads_under_way == 0).await;
    answer
}

#[track_caller]
pub(super) fn is_part(answer: &Answer, film: &Film, start: usize, end: usize) {
    let length = film.text.len();
    assert_eq!(answer.status, 206, "{answer:?}");
    assert_eq!(answer.text, film.text[start..end]);
    assert_eq!(
        answer.field("content-range"),
        format!("bytes {start}-{}/{length}", end - 1)
    );
    assert_eq!(answer.field("content-length"), (end - start).to_string());
}

#[tokio::test]
async fn a_part_answers_every_range_that_lies_in_it() {
    // RFC 9111 §3.3: no validator is needed for that.
    let film = film(1000, &[]);
    let bench = before(Setup::plain(), &film);
    let film = film.lock().clone();
    let first = range(&bench, "-500").await;
    is_part(&first, &film, 500, 1000);
    assert_eq!(
        first.field("cache-status"),
        "Peregrine; fwd=uri-miss; stored; ttl=60; detail=stored_max_age"
    );
    for (asked, start, end) in [
        ("-500", 500, 1000),
        ("600-699", 600, 700),
        ("600-", 600, 1000),
        ("-1", 999, 1000),
        ("999-5000", 999, 1000),
    ] {
        let part = range(&bench, asked).await;
        is_part(&part, &film, start, end);
        assert!(part.is_hit(), "{asked}: {part:?}");
        assert_eq!(part.field("accept-ranges"), "bytes");
    }
    let beyond = range(&bench, "1000-").await;
    assert_eq!((beyond.status, &*beyond.field("content-range")), (416, "bytes */1000"));
    assert_eq!(ranges(&bench), ["bytes=-500"]);
}

#[tokio::test]
async fn a_part_that_is_shorter_than_it_says_answers_what_lies_in_it_and_nothing_more() {
    let wrong = ("content-range", "bytes 4-9/10");
    let bench = Setup::plain().before(move |heard| {
        let fields = [("cache-control", "max-age=60"), ("etag", "\"v1\""), wrong];
        let response = match heard.field("range") {
            "" => answer(200, &fields[..2], "0123456789"),
            _ => answer(206, &fields, "45678"),
        };
        async { response }
    });
    let first = range(&bench, "-5").await;
    assert_eq!(
        (&*first.text, &*first.field("content-range")),
        ("45678", wrong.1),
        "as the origin said it"
    );
    for (asked, text) in [("-5", "45678"), ("6-8", "678"), ("6-", "678"), ("-1", "8")] {
        let part = range(&bench, asked).await;
        assert!(part.is_hit() && part.text == text, "{asked}: {part:?}");
    }
    assert_eq!(ask(&bench, &[]).await.text, "0123456789");
    assert_eq!(ranges(&bench), ["bytes=-5", ""], "it is put together with nothing");
}

#[tokio::test]
async fn only_what_is_missing_is_asked_for_until_the_whole_is_there() {
    // RFC 9111 §3.4, RFC 9110 §15.3.7.3.
    let dated = &[
        ("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ][..];
    for (validator, fields) in [("\"v1\"", &[("etag", "\"v1\"")][..]), (dated[0].1, dated)] {
        let film = film(300_000, fields);
        let bench = before(Setup::plain(), &film);
        let film = film.lock().clone();
        range(&bench, "0-99999").await;
        range(&bench, "200000-200099").await;
        let completed = range(&bench, "50000-250000").await;
        is_part(&completed, &film, 50_000, 250_001);
        assert!(completed.field("cache-status").contains("fwd=partial"), "{completed:?}");
        let whole = ask(&bench, &[]).await;
        assert_eq!((whole.status, whole.text == film.text), (200, true));
        assert_eq!(whole.field("content-length"), "300000");
        assert_eq!(whole.field("content-range"), "");
        assert_eq!(
            ranges(&bench),
            [
                "bytes=0-99999".to_owned(),
                "bytes=200000-200099".to_owned(),
                format!("bytes=100000-199999 {validator}"),
                format!("bytes=200100-250000 {validator}"),
                format!("bytes=250001- {validator}"),
            ]
        );
        let whole = ask(&bench, &[]).await;
        assert!(whole.is_hit() && whole.text == film.text);
    }
}

#[tokio::test]
async fn another_version_takes_the_place_of_all_parts() {
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(Setup::plain(), &shared);
    range(&bench, "0-499").await;
    *shared.lock() = film(800, &[("etag", "\"v2\"")]).lock().clone();
    let film = shared.lock().clone();
    // If-Range does not hold: the origin sends all of the new one.
    let part = range(&bench, "400-599").await;
    is_part(&part, &film, 400, 600);
    assert_eq!(ranges(&bench), ["bytes=0-499", "bytes=500-599 \"v1\""]);
    let whole = ask(&bench, &[]).await;
    assert!(whole.is_hit() && whole.text == film.text, "{whole:?}");
}

#[tokio::test]
async fn an_origin_that_does_not_heed_if_range_mixes_no_versions_either() {
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let source = Arc::clone(&shared);
    let bench = Setup::plain().before(move |mut heard| {
        heard.headers.remove("if-range");
        let response = shown(&source.lock(), &heard);
        async { response }
    });
    range(&bench, "0-499").await;
    shared.lock().fields[2] = ("etag", "\"v2\"");
    let new = shared.lock().text.replace('1', "x");
    shared.lock().text.clone_from(&new);
    assert!(ask(&bench, &[]).await.text == new);
    assert_eq!(ranges(&bench), ["bytes=0-499", "bytes=500- \"v1\"", ""]);
}

#[tokio::test]
async fn parts_without_a_strong_validator_are_never_put_together() {
    let undated = ("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT");
    let cases: [&[(&str, &str)]; 3] = [
        &[],
        &[("etag", "W/\"v1\"")],
        // Changed in the second in which it was sent, perhaps twice.
        &[undated, ("date", "Thu, 01 Jan 2015 00:00:00 GMT")],
    ];
    for fields in cases {
        let film = film(1000, fields);
        let bench = before(Setup::plain(), &film);
        let film = film.lock().clone();
        range(&bench, "0-499").await;
        is_part(&range(&bench, "400-599").await, &film, 400, 600);
        assert!(
            !range(&bench, "0-99").await.is_hit(),
            "the newer part took the place of the older"
        );
        assert_eq!(ask(&bench, &[]).await.text, film.text);
        assert_eq!(ranges(&bench), ["bytes=0-499", "bytes=400-599", "bytes=0-99", ""]);
    }
}

#[tokio::test]
async fn if_range_is_compared_strongly() {
    // RFC 9110 §13.1.5.
    let film = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(Setup::plain(), &film);
    let film = film.lock().clone();
    let with = |tag| [("range", "bytes=0-99"), ("if-range", tag)];
    // Nothing is stored: the origin knows.
    is_part(&ask(&bench, &with("\"v1\"")).await, &film, 0, 100);
    let part = ask(&bench, &with("\"v1\"")).await;
    is_part(&part, &film, 0, 100);
    assert!(part.is_hit());
    // The client has a part of another version: it gets all of this one.
    let whole = ask(&bench, &with("\"v0\"")).await;
    assert_eq!((whole.status, whole.text == film.text), (200, true));
    assert_eq!(ranges(&bench), ["bytes=0-99 \"v1\"", "bytes=0-99 \"v0\""]);
    for (tag, status) in [("\"v1\"", 206), ("\"v0\"", 200), ("W/\"v1\"", 200)] {
        let answer = ask(&bench, &with(tag)).await;
        assert_eq!((answer.status, answer.is_hit()), (status, true), "{tag}");
    }
}

#[tokio::test]
async fn several_ranges_are_answered_in_one() {
    // RFC 9110 §14.6, §15.3.7.2; from the whole and from parts.
    for stored in ["0-", "0-4999"] {
        let film = film(10_000, &[("etag", "\"v1\"")]);
        let bench = before(Setup::plain(), &film);
        let film = film.lock().clone();
        range(&bench, stored).await;
        let answer = range(&bench, "4000-4009,0-1").await;
        assert_eq!((answer.status, answer.is_hit()), (206, true));
        let kind = answer.field("content-type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 4000-4009/10000\r\n\r\n{}\r\n\
             --{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-1/10000\r\n\r\n{}\r\n--{boundary}--\r\n",
            &film.text[4000..4010],
            &film.text[..2],
        );
        assert_eq!(answer.text, expected);
        assert_eq!(answer.field("content-length"), expected.len().to_string());
        assert_eq!(answer.field("content-range"), "");
        is_part(&range(&bench, "0-9,5-99").await, &film, 0, 100);
        assert_eq!(bench.heard().len(), 1);
    }
}

#[tokio::test]
async fn several_ranges_of_what_is_not_there_are_the_origins() {
    let film = film(10_000, &[("etag", "\"v1\"")]);
    film.lock().ranges = false;
    let bench = before(Setup::plain(), &film);
    let answer = range(&bench, "0-1,4000-4009").await;
    assert_eq!((answer.status, answer.text.len()), (200, 10_000));
    assert_eq!(ranges(&bench), ["bytes=0-1,4000-4009"]);
}

#[tokio::test]
async fn a_stale_part_is_confirmed_without_being_sent_again() {
    let film = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(Setup::plain(), &film);
    let film = film.lock().clone();
    range(&bench, "0-499").await;
    bench.advance(61);
    let part = range(&bench, "100-199").await;
    is_part(&part, &film, 100, 200);
    assert!(
        part.field("cache-status").contains("fwd=stale; fwd-status=304"),
        "{part:?}"
    );
    assert!(range(&bench, "0-499").await.is_hit());
    // Of another range the rest confirms what is there.
    bench.advance(61);
    is_part(&range(&bench, "400-599").await, &film, 400, 600);
    assert!(range(&bench, "0-599").await.is_hit());
    assert_eq!(ranges(&bench), ["bytes=0-499", "bytes=100-199", "bytes=500-599 \"v1\""]);
    assert_eq!(bench.heard()[1].field("if-none-match"), "\"v1\"");
}

#[tokio::test]
async fn the_fields_of_a_later_part_take_the_place_of_the_stored_ones() {
    // RFC 9110 §15.3.7.3.
    let shared = film(1000, &[("etag", "\"v1\""), ("a", "1"), ("b", "1")]);
    let bench = before(Setup::plain(), &shared);
    range(&bench, "0-499").await;
    shared.lock().fields[3] = ("a", "2");
    shared.lock().fields.pop();
    let whole = ask(&bench, &[]).await;
    assert_eq!((&*whole.field("a"), &*whole.field("b")), ("2", "1"));
    let whole = ask(&bench, &[]).await;
    assert_eq!(
        (whole.is_hit(), &*whole.field("a"), &*whole.field("b")),
        (true, "2", "1")
    );
}

#[tokio::test]
async fn a_gap_that_changes_while_it_is_filled_breaks_the_body_off() {
    let shared = film(1000, &[("etag", "\"v1\"")]);
    let (source, gate) = (Arc::clone(&shared), Gate::shut());
    let shut = gate.clone();
    let bench = Setup::plain().before(move |heard| {
        let response = shown(&source.lock(), &heard);
        if heard.field("range") == "bytes=100-199" {
            source.lock().fields[2] = ("etag", "\"v2\"");
        }
        let shut = shut.clone();
        async move {
            if heard.field("range") == "bytes=300-399" {
                shut.passed().await;
            }
            response
        }
    });
    gate.open();
    for part in ["0-99", "200-299", "400-"] {
        range(&bench, part).await;
    }
    let whole = bench.begin("GET", URL, &[]).await;
    assert!(
        whole.into_body().collect(10_000).await.is_err(),
        "two versions are never mixed"
    );
    until("the load", || bench.engine.statistics().loads_under_way == 0).await;
    let film = shared.lock().clone();
    assert_eq!(ask(&bench, &[]).await.text, film.text);
}

#[tokio::test]
async fn who_asks_for_the_same_range_shares_a_load_and_who_asks_while_the_whole_loads_reads_on() {
    let gate = Gate::shut();
    let body = gate.clone();
    let bench = Setup::plain().before(move |heard| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("content-range", "bytes 0-3/10"),
            ("content-length", "4"),
        ];
        let (status, fields, pieces) = match heard.field("range") {
            "" => (
                200,
                &[("cache-control", "max-age=60"), ("content-length", "10")][..],
                ["01", "23456789"],
            ),
            _ => (206, &fields[..], ["01", "23"]),
        };
        let response = answer(status, fields, "");
        let body = body.body(pieces[0], pieces[1]);
        async { response.map(|_| body) }
    });
    let begin = async |range: &'static [u8]| {
        let fields: &[(&str, &[u8])] = &[("range", range)];
        bench
            .begin("GET", URL, if range.is_empty() { &[] } else { fields })
            .await
    };
    let first = begin(b"bytes=0-3").await;
    let second = begin(b"bytes=0-3").await;
    let whole = begin(b"").await;
    let third = begin(b"bytes=1-4").await;
    gate.open();
    for (response, status, text, collapsed) in [
        (first, 206, "0123", false),
        (second, 206, "0123", true),
        (whole, 200, "0123456789", false),
        (third, 206, "1234", true),
    ] {
        assert_eq!(response.status(), status);
        let word = response.headers()["cache-status"].to_str().unwrap().to_owned();
        assert_eq!(word.contains("collapsed"), collapsed, "{word}");
        assert_eq!(response.into_body().collect(100).await.unwrap(), text);
    }
    assert_eq!(bench.heard().len(), 2);
}

#[tokio::test]
async fn an_origin_that_knows_no_ranges_is_asked_once() {
    let film = film(500_000, &[]);
    film.lock().ranges = false;
    let bench = before(Setup::plain(), &film);
    let film = film.lock().clone();
    is_part(&range(&bench, "1000-299999").await, &film, 1000, 300_000);
    assert!(ask(&bench, &[]).await.is_hit(), "all that came was stored");
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn a_part_of_what_is_too_large_is_fetched_alone_and_kept() {
    for load in [RangeLoad::FetchParts, RangeLoad::FetchWhole] {
        let film = film(1 << 20, &[("etag", "\"v1\"")]);
        let setup = Setup::plain()
            .cache(|cache| cache.object_size_max = peregrine_base::ByteSize::kib(64))
            .strategy(|strategy| strategy.range = load);
        let bench = before(setup, &film);
        let film = film.lock().clone();
        is_part(&range(&bench, "1000-1999").await, &film, 1000, 2000);
        let again = range(&bench, "1000-1999").await;
        is_part(&again, &film, 1000, 2000);
        assert_eq!(again.is_hit(), load == RangeLoad::FetchParts, "{load:?}");
        let last = ranges(&bench).pop().unwrap();
        assert_eq!(last, "bytes=1000-1999", "{load:?}: not the whole again");
    }
}

#[tokio::test]
async fn a_strategy_says_what_a_cold_range_does() {
    for (load, heard, hit) in [
        (RangeLoad::FetchParts, ["bytes=0-9", "bytes=10- \"v1\""], true),
        (RangeLoad::FetchWhole, ["", ""], true),
        (RangeLoad::Pass, ["bytes=0-9", ""], true),
    ] {
        let film = film(1000, &[("etag", "\"v1\"")]);
        let bench = before(Setup::plain().strategy(|strategy| strategy.range = load), &film);
        let film = film.lock().clone();
        is_part(&range(&bench, "0-9").await, &film, 0, 10);
        assert_eq!(ask(&bench, &[]).await.text, film.text);
        let heard = if load == RangeLoad::FetchWhole {
            &heard[..1]
        } else {
            &heard[..]
        };
        assert_eq!(ranges(&bench), heard, "{load:?}");
        let part = range(&bench, "500-599").await;
        is_part(&part, &film, 500, 600);
        assert_eq!(part.is_hit(), hit, "{load:?}");
    }
}

#[tokio::test]
async fn what_is_no_range_of_bytes_is_no_range() {
    // RFC 9110 §14.2.
    let film = film(1000, &[]);
    let bench = before(Setup::plain(), &film);
    for odd in ["lines=0-9", "bytes=9-0", "bytes=", "bytes=0-9,x"] {
        let answer = ask(&bench, &[("range", odd)]).await;
        assert_eq!((answer.status, answer.text.len()), (200, 1000), "{odd}");
    }
    assert_eq!(ranges(&bench), [""], "and is not passed on with a load for everybody");
    let head = bench.ask("HEAD", URL, &[("range", "bytes=0-9")]).await;
    assert_eq!((head.status, &*head.field("content-length")), (200, "1000"));
    assert!(head.is_hit());
}

#[tokio::test]
async fn a_condition_comes_before_a_range() {
    // RFC 9110 §13.2.2.
    let film = film(1000, &[("etag", "\"v1\"")]);
    let bench = before(Setup::plain(), &film);
    for _ in 0..2 {
        let same = ask(&bench, &[("range", "bytes=0-9"), ("if-none-match", "\"v1\"")]).await;
        assert_eq!((same.status, &*same.text), (304, ""));
    }
    let other = ask(&bench, &[("range", "bytes=0-9"), ("if-none-match", "\"v0\"")]).await;
    assert_eq!((other.status, other.is_hit()), (206, true));
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn a_part_that_was_invalidated_is_gone_and_cannot_be_completed() {
    let film = film(1000, &[("etag", "\"v1\""), ("surrogate-key", "films")]);
    let bench = before(Setup::plain(), &film);
    range(&bench, "0-499").await;
    bench
        .engine
        .invalidate(&Invalidation::of_tags(vec!["films".into()]))
        .await;
    range(&bench, "500-").await;
    assert_eq!(ask(&bench, &[("range", "bytes=0-9")]).await.status, 206);
    assert_eq!(ranges(&bench), ["bytes=0-499", "bytes=500-", "bytes=0-9"]);
    bench
        .engine
        .invalidate(&Invalidation::of_keys(vec!["/film".into()]))
        .await;
    assert!(!range(&bench, "0-9").await.is_hit());
}

#[tokio::test]
async fn what_is_completed_is_reached_by_the_tags_of_what_it_was_made_of() {
    for tag in ["old", "new"] {
        let shared = film(1000, &[("etag", "\"v1\""), ("surrogate-key", "old")]);
        let bench = before(Setup::plain(), &shared);
        range(&bench, "0-499").await;
        shared.lock().fields[3] = ("surrogate-key", "new");
        ask(&bench, &[]).await;
        assert!(ask(&bench, &[]).await.is_hit());
        bench.engine.invalidate(&Invalidation::of_tags(vec![tag.into()])).await;
        assert!(!ask(&bench, &[]).await.is_hit(), "{tag}");
    }
}

#[tokio::test]
async fn an_answer_about_a_part_that_may_not_be_kept_keeps_nobody_waiting() {
    let bench = Setup::plain().before(async |heard| match heard.field("range") {
        "bytes=0-1" => answer(
            206,
            &[("cache-control", "no-store"), ("content-range", "bytes 0-1/4")],
            "01",
        ),
        "bytes=9-" => answer(416, &[("content-range", "bytes */4")], ""),
        _ => answer(200, &[("cache-control", "max-age=60")], "0123"),
    });
    assert_eq!(range(&bench, "0-1").await.text, "01");
    assert_eq!(range(&bench, "9-").await.status, 416);
    let whole = ask(&bench, &[]).await;
    assert_eq!(
        whole.field("cache-status"),
        "Peregrine; fwd=uri-miss; stored; ttl=60; detail=stored_max_age"
    );
}
