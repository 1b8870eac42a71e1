//! What an origin says of an answer that is stored already: by a 304, to a HEAD, with a part that was missing, or not at all.

use super::bench::{Bench, Gate, answer};
use super::*;
use peregrine_base::Party;
use peregrine_net::http::{Body, BodyError, BodyFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

const URL: &str = "http://shop.example/page?id=1&utm=a";
const GZIP: (&str, &str) = ("accept-encoding", "gzip");
const MODIFIED: (&str, &str) = ("last-modified", "Tue, 14 Nov 2023 20:00:00 GMT");
const RELOAD: (&str, &str) = ("cache-control", "no-cache");

type Fields = Vec<(&'static str, &'static str)>;

/// An origin that answers `first`, and confirms it by `confirmed`.
fn confirming(
    setup: Setup,
    first: &[(&'static str, &'static str)],
    confirmed: &[(&'static str, &'static str)],
) -> Bench {
    let (first, confirmed): (Fields, Fields) = (first.to_vec(), confirmed.to_vec());
    setup.before(move |heard| {
        let response = match heard.field("if-none-match") {
            "" => answer(200, &first, "text"),
            _ => answer(304, &confirmed, ""),
        };
        async { response }
    })
}

#[tokio::test]
async fn a_tag_that_is_weak_for_what_was_encoded_and_strong_in_the_304_is_of_one_version_if_the_dates_agree() {
    let life = ("cache-control", "max-age=10");
    let first = [life, ("etag", "W/\"1\""), MODIFIED, ("content-encoding", "gzip")];
    for (modified, asked) in [(MODIFIED, 1), (("last-modified", "Tue, 14 Nov 2023 21:00:00 GMT"), 2)] {
        let bench = confirming(Setup::plain(), &first, &[life, ("etag", "\"1\""), modified]);
        for round in 0..3 {
            let answer = bench.get_stored(URL, &[GZIP]).await;
            assert_eq!(
                (answer.status, &*answer.text, &*answer.field("etag")),
                (200, "text", "W/\"1\"")
            );
            assert_eq!(bench.heard().len(), 1 + round * asked, "{modified:?}");
            bench.advance(11);
        }
    }
}

#[tokio::test]
async fn what_the_origin_makes_private_while_it_is_fresh_is_shared_no_more() {
    for control in ["private", "no-store", "max-age=600, no-cache=\"vary\""] {
        let confirmed = [("cache-control", control), ("etag", "\"1\""), ("vary", "*")];
        let bench = confirming(
            Setup::plain(),
            &[("cache-control", "max-age=600"), ("etag", "\"1\"")],
            &confirmed,
        );
        bench.get_stored(URL, &[]).await;
        assert!(bench.get(URL, &[]).await.is_hit());
        let told = bench.get(URL, &[RELOAD]).await;
        assert_eq!((&*told.text, &*told.field("cache-control")), ("text", control));
        let another = bench.get(URL, &[]).await;
        assert!(!another.is_hit(), "{control}: {another:?}");
        assert_eq!(bench.heard().len(), 3);
    }
}

#[tokio::test]
async fn what_the_origin_makes_private_is_withdrawn_under_the_rule_of_its_query_and_not_for_who_asked() {
    let rule = ("no-vary-search", "params=(\"utm\")");
    let first = [("cache-control", "max-age=600"), ("etag", "\"1\""), rule];
    let confirmed = [("cache-control", "private"), ("etag", "\"1\"")];
    let bench = confirming(Setup::plain(), &first, &confirmed);
    bench.get_stored(URL, &[]).await;
    bench.get_stored(URL, &[]).await;
    let other = "http://shop.example/page?id=1&utm=b";
    for somebody in [("cookie", "session=mine"), ("authorization", "Basic eDp5")] {
        assert_eq!(
            bench.get(URL, &[RELOAD, somebody]).await.field("cache-control"),
            "private"
        );
        assert!(bench.get(other, &[]).await.is_hit(), "{somebody:?}");
    }
    bench.get(URL, &[RELOAD]).await;
    assert!(!bench.get(other, &[]).await.is_hit());
}

#[tokio::test]
async fn what_an_origin_encoded_stays_apart_though_its_confirmation_says_otherwise() {
    let fields = [("cache-control", "max-age=10"), ("etag", "\"1\""), ("vary", "Origin")];
    let first = [&fields[..], &[("content-encoding", "gzip")]].concat();
    for method in ["GET", "HEAD"] {
        let fields = fields.to_vec();
        let first = first.clone();
        let bench = Setup::plain().before(move |heard| {
            let response = match (&*heard.method, heard.field("if-none-match")) {
                ("HEAD", _) | (_, "") => answer(200, &first, "text"),
                _ => answer(304, &fields, ""),
            };
            async { response }
        });
        bench.get_stored(URL, &[GZIP]).await;
        bench.advance(11);
        bench.ask(method, URL, &[GZIP]).await;
        let hit = bench.get(URL, &[GZIP]).await;
        assert!(hit.is_hit(), "{method}: {hit:?}");
        assert_eq!(hit.field("vary"), "Origin, Accept-Encoding", "{method}");
    }
}

#[tokio::test]
async fn who_loads_nothing_gets_a_stale_answer_too_while_the_origin_fails() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let bench = Setup::plain().before(move |_| {
        let response = if is_down.load(Ordering::SeqCst) {
            answer(503, &[], "down")
        } else {
            answer(
                200,
                &[("cache-control", "max-age=10, stale-if-error=60"), ("etag", "\"1\"")],
                "text",
            )
        };
        async { response }
    });
    bench.get_stored(URL, &[]).await;
    bench.advance(11);
    down.store(true, Ordering::SeqCst);
    let ranges = [("range", "bytes=0-0,3-3")];
    for (method, fields, expected) in [
        ("HEAD", &[][..], (200, "")),
        ("GET", &ranges[..], (206, "")),
        ("GET", &[("cache-control", "no-store")], (200, "text")),
    ] {
        let got = bench.ask(method, URL, fields).await;
        assert_eq!(got.status, expected.0, "{method} {fields:?}: {got:?}");
        assert!(expected.1.is_empty() || got.text == expected.1);
        assert!(got.field("cache-status").contains("detail=status"), "{got:?}");
    }
    assert_eq!(
        bench.ask("HEAD", URL, &[RELOAD]).await.status,
        503,
        "that client wants the origin's word"
    );
    bench.end_origin().await;
    assert_eq!(
        bench.ask("HEAD", URL, &[]).await.status,
        200,
        "nobody there is a failure too"
    );
    bench.advance(3600);
    assert_eq!(bench.ask("HEAD", URL, &[]).await.status, 502, "but not for ever");
}

#[tokio::test]
async fn what_a_confirmation_says_to_its_client_reaches_that_one_alone() {
    let life = [("cache-control", "max-age=10, no-cache=\"x-seen\""), ("etag", "\"1\"")];
    let confirmed = [
        &life[..],
        &[("set-cookie", "a=b"), ("x-seen", "you"), ("set-cookie", "c=d")],
    ]
    .concat();
    let bench = confirming(Setup::plain(), &life, &confirmed);
    bench.get_stored(URL, &[]).await;
    bench.advance(11);
    let own = bench.get_stored(URL, &[]).await;
    assert_eq!(
        (&*own.text, &*own.field("set-cookie"), &*own.field("x-seen")),
        ("text", "a=b, c=d", "you")
    );
    let other = bench.get(URL, &[]).await;
    assert!(other.is_hit());
    assert_eq!((&*other.field("set-cookie"), &*other.field("x-seen")), ("", ""));
}

#[tokio::test]
async fn a_missing_part_that_brings_a_cookie_completes_nothing() {
    for (left_out, with_cookie) in [(false, "bytes=4-5"), (false, "bytes=8-"), (true, "bytes=8-")] {
        let bench = Setup::plain().before(move |heard| {
            let text = "0123456789";
            let control = ["max-age=60", "max-age=60, no-cache=\"set-cookie\""][usize::from(left_out)];
            let mut fields = vec![("cache-control", control), ("etag", "\"1\"")];
            let range = heard.field("range");
            if range == with_cookie || range.is_empty() {
                fields.push(("set-cookie", "a=b"));
            }
            let (first, last) = match range {
                "" => return std::future::ready(answer(200, &fields, text)),
                "bytes=8-" => (8, 9),
                other => (other.as_bytes()[6] as usize - 48, other.as_bytes()[8] as usize - 48),
            };
            let place = format!("bytes {first}-{last}/10");
            fields.push(("content-range", &place));
            std::future::ready(answer(206, &fields, &text.as_bytes()[first..=last]))
        });
        for range in ["bytes=0-3", "bytes=6-7"] {
            bench.get_stored(URL, &[("range", range)]).await;
        }
        let whole = bench.get_stored(URL, &[]).await;
        assert_eq!(whole.text, "0123456789", "{with_cookie}");
        assert_eq!(bench.get(URL, &[]).await.is_hit(), left_out, "{with_cookie}");
    }
}

#[tokio::test]
async fn the_rest_of_an_answer_to_post_is_never_asked_for() {
    let setup = Setup::plain().strategy(|strategy| strategy.cache_methods.push("POST".to_owned()));
    let gate = Gate::shut();
    let cutting = gate.clone();
    let bench = setup.before(move |_| {
        let mut first = Some(bytes::Bytes::from_static(b"012"));
        let mut cut = Box::pin(cutting.clone().passed());
        let broken = BodyError::new(BodyFault::Broken, Party::Upstream);
        let body = Body::from_poll(Some(10), move |context| match first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => cut.as_mut().poll(context).map(|()| Some(Err(broken))),
        });
        async { answer(200, &[("cache-control", "max-age=60"), ("etag", "\"1\"")], "").map(|_| body) }
    });
    let mut bodies = Vec::new();
    for text in ["a", "a"] {
        let answer = bench.begin_with("POST", URL, &[], Body::full(text)).await;
        let mut body = answer.into_body();
        assert_eq!(body.next().await.unwrap().unwrap(), "012");
        bodies.push(body);
        gate.open();
        bench.settled().await;
    }
    let heard = bench.heard();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|heard| heard.field("range").is_empty()), "{heard:?}");
}

#[tokio::test]
async fn a_head_that_says_something_else_of_the_query_ends_what_was_shared_by_it() {
    let bench = Setup::plain().before(async |heard| {
        let fields = [("cache-control", "max-age=10"), ("etag", "\"1\"")];
        let ruled = |rule| [&fields[..], &[("no-vary-search", rule)]].concat();
        match &*heard.method {
            "HEAD" => answer(200, &ruled("params=(\"other\")"), ""),
            _ => answer(200, &ruled("params=(\"utm\")"), "text"),
        }
    });
    let other = "http://shop.example/page?id=1&utm=b";
    bench.get_stored(URL, &[]).await;
    bench.get_stored(URL, &[]).await;
    assert!(bench.get(other, &[]).await.is_hit());
    bench.advance(11);
    bench.ask("HEAD", URL, &[]).await;
    assert!(!bench.get(other, &[]).await.is_hit());
}
