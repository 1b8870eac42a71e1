//! The short way answers as the long way does: random requests for stored answers get the same by both.

use super::bench::{Bench, Heard, answer, until};
use super::*;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use peregrine_base::Clock as _;
use peregrine_net::http::{Answer, Handler as _, HeadView, Peer};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Fields of requests: those that a browser sends, and those that some rule is about.
const FIELDS: &[(&str, &str)] = &[
    ("User-Agent", "Mozilla/5.0"),
    ("Accept", "text/html,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, br"),
    ("Accept-Encoding", "identity"),
    ("Accept-Language", "de, en;q=0.5"),
    ("Connection", "keep-alive"),
    ("Connection", "close, X-Variant"),
    ("Cookie", "session=1"),
    ("Cookie", "theme=dark; theme=light"),
    ("Cookie", "theme=\u{e9}"),
    ("X-Variant", "a"),
    ("X-Variant", "b,  c"),
    ("Cache-Control", "no-cache"),
    ("Cache-Control", "max-age=5"),
    ("Cache-Control", "max-age=500, min-fresh=20"),
    ("Cache-Control", "only-if-cached"),
    ("Cache-Control", "no-store"),
    ("Pragma", "no-cache"),
    ("Authorization", "Basic YTpi"),
    ("If-None-Match", "\"one\", W/\"two\""),
    ("If-None-Match", "*"),
    ("If-None-Match", "\"other\""),
    ("If-Modified-Since", "Tue, 14 Nov 2023 20:00:00 GMT"),
    ("If-Modified-Since", "Tue, 14 Nov 1995 20:00:00 GMT"),
    ("If-Match", "\"one\""),
    ("Range", "bytes=1-2"),
    ("Via", "1.1 somebody"),
    (
        "Via",
        "1.1 peregrine, 1.1 peregrine, 1.1 peregrine, 1.1 peregrine, 1.1 peregrine",
    ),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "elsewhere.example"),
    ("Forwarded", "for=203.0.113.9;proto=https"),
    ("X-Real-IP", "203.0.113.9"),
    ("X-Request-Id", "theirs"),
    ("TE", "trailers"),
    ("Expect", "100-continue"),
];

/// Fields of stored answers.
const STORED: &[(&str, &str)] = &[
    ("etag", "\"one\""),
    ("etag", "W/\"two\""),
    ("last-modified", "Tue, 14 Nov 2023 19:00:00 GMT"),
    ("content-type", "application/octet-stream"),
    ("content-type", "text/html"),
    ("content-language", "en"),
    ("date", "Tue, 14 Nov 2023 22:13:10 GMT"),
    ("age", "3"),
    ("via", "1.1 somewhere"),
    ("cache-status", "Other; hit"),
    ("surrogate-key", "a b"),
    ("cache-tag", "c"),
    ("surrogate-control", "max-age=60"),
    ("x-request-id", "origin"),
    ("vary", "X-Variant"),
    ("vary", "Accept-Encoding, Accept-Language"),
    ("vary", "X-Forwarded-Proto"),
    ("link", "<a>; rel=preload"),
    ("link", "<b>; rel=preload"),
];

const TARGETS: &[&str] = &[
    "/plain",
    "/query?b=2&a=1&utm_source=x",
    "/edited/page",
    "/kept/page",
    "/past/page",
    "/forced/",
];

/// Routes of several kinds; the last takes what the others do not.
fn routes() -> Vec<serde_json::Value> {
    use serde_json::json;
    vec![
        json!({"name": "edited", "match": {"path": "/edited/*"}, "cache_status": false,
            "response_headers": {"set": {"x-edited": "yes", "Date": "today"}, "remove": ["link", "via", "etag"]}}),
        json!({"name": "kept", "match": {"path": "/kept/*", "headers": {"accept": "*html*"}}, "keep_tags": true,
            "key": {"headers": ["x-variant"], "cookies": ["theme"], "cookies_ignore": ["session"]}}),
        json!({"name": "past", "match": {"path": "/past/*"}, "bypass": {"cookies": ["session"], "headers": {"x-variant": "b*"}}}),
        json!({"name": "rest", "key": {"query_ignore": ["utm_*"], "query_sort": true}}),
    ]
}

/// What a client got, by whichever way: status, fields by name, body.
type Got = (u16, BTreeMap<String, Vec<String>>, String);

/// The numbers of requests and dates of the codec are not to be compared.
fn got(status: u16, headers: &HeaderMap, dated: bool, body: &[u8]) -> Got {
    let mut fields = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        fields.entry(name.to_string()).or_default().push(value);
    }
    fields.insert(
        "x-request-id".to_owned(),
        vec![format!("{} digits", headers["x-request-id"].len())],
    );
    assert_eq!(dated, headers.contains_key("date"));
    (status, fields, String::from_utf8_lossy(body).into_owned())
}

fn peer() -> Peer {
    let socket = SocketAddr::from(([127, 0, 0, 1], 4711));
    Peer {
        address: socket,
        local: socket,
        tls: false,
    }
}

/// One request.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    target: &'static str,
    host: &'static str,
    fields: Vec<(&'static str, &'static str)>,
}

/// The answer by the short way, if it gives one.
fn shortly(bench: &Bench, asked: &Asked) -> Option<Got> {
    let host = ("Host", asked.host);
    let fields: Vec<_> = std::iter::once(&host)
        .chain(&asked.fields)
        .map(|(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let head = HeadView {
        method: asked.method,
        target: asked.target,
        host: asked.host,
        version: Version::HTTP_11,
        fields: &fields,
        body: false,
    };
    let mut answer = Answer::default();
    if !bench.plane.at_once(&head, &peer(), &mut answer) {
        return None;
    }
    let text = answer.head.strip_suffix(b"\r\n").unwrap();
    let lines = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let headers: HeaderMap = lines
        .map(|line| {
            let colon = line.windows(2).position(|pair| pair == b": ").unwrap();
            let name = HeaderName::from_bytes(&line[..colon]).unwrap();
            (name, HeaderValue::from_bytes(&line[colon + 2..]).unwrap())
        })
        .collect();
    Some(got(
        answer.status.as_u16(),
        &headers,
        answer.dated,
        &[&answer.copied[..], &answer.body.concat()].concat(),
    ))
}

/// The answer by the long way.
async fn at_length(bench: &Bench, asked: &Asked) -> Got {
    let url = format!("http://{}{}", asked.host, asked.target);
    let fields: Vec<(&str, &[u8])> = asked
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let (head, body) = bench.begin(asked.method, &url, &fields).await.into_parts();
    let mut headers = head.headers;
    // The codec says it for the body that it writes.
    if let Some(length) = body.length().filter(|length| *length > 0) {
        headers.insert("content-length", length.into());
    }
    let dated = headers.contains_key("date");
    let body = body.collect(1 << 20).await.unwrap();
    got(head.status.as_u16(), &headers, dated, &body)
}

/// A bench whose origin answers every page with `stored`.
fn bench(stored: Vec<(&'static str, &'static str)>, status: u16) -> Bench {
    before(Setup::with(&routes()), stored, status)
}

fn before(setup: Setup, stored: Vec<(&'static str, &'static str)>, status: u16) -> Bench {
    setup.before(move |_: Heard| {
        let fields: Vec<_> = stored
            .iter()
            .copied()
            .chain([("cache-control", "max-age=60")])
            .collect();
        let response = answer(
            status,
            &fields,
            if status == 204 {
                String::new()
            } else {
                "the page ".repeat(200)
            },
        );
        async move { response }
    })
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let fields = subsequence(FIELDS, 0..5);
    let hosts = vec!["shop.example", "Shop.Example:80", "other.example:8080"];
    (
        select(vec!["GET", "GET", "GET", "HEAD", "OPTIONS"]),
        select(TARGETS),
        select(hosts),
        fields,
    )
        .prop_map(|(method, target, host, fields)| Asked {
            method,
            target,
            host,
            fields,
        })
}

/// The counters that both ways share, as they stand.
fn counted(bench: &Bench) -> (Vec<u64>, u64, u64) {
    let metrics: Vec<_> = bench.plane.table().iter().map(|route| route.metrics.clone()).collect();
    let counts = metrics.iter().flat_map(|metrics| {
        let requests = &metrics.requests;
        let outcomes = requests.outcomes().map(|(_, count)| count);
        let statuses = requests.statuses().map(|(_, count)| count);
        let bytes = [requests.bytes_sent(), requests.bytes_saved(), requests.duration().count];
        let encoded = metrics.encodings().map(|(_, count)| count);
        let encoded = encoded
            .chain(requests.tiers().map(|(_, count)| count))
            .chain([requests.saved_requests()]);
        outcomes.chain(statuses).chain(bytes).chain(encoded).collect::<Vec<_>>()
    });
    let total = bench.engine.statistics().total;
    (counts.collect(), total.hits, total.bytes_served)
}

fn grown(before: (Vec<u64>, u64, u64), after: &(Vec<u64>, u64, u64)) -> (Vec<u64>, u64, u64) {
    let grown = before.0.iter().zip(&after.0).map(|(before, after)| after - before);
    (grown.collect(), after.1 - before.1, after.2 - before.2)
}

#[test]
fn both_ways_give_the_same_answer_and_count_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _within = runtime.enter();
    let mut runner = TestRunner::new(Config::default());
    let entries = (subsequence(STORED, 0..8), select(vec![200, 200, 200, 404, 204, 301]));
    let mut answered = 0;
    for _ in 0..40 {
        let (stored, status) = entries.new_tree(&mut runner).unwrap().current();
        let bench = bench(stored.clone(), status);
        for _ in 0..40 {
            let asked = any_asked().new_tree(&mut runner).unwrap().current();
            // Whatever the request, its answer is stored after this if it can be.
            runtime.block_on(at_length(&bench, &asked));
            bench.advance(1);
            let start = counted(&bench);
            let Some(short) = shortly(&bench, &asked) else {
                assert_eq!(counted(&bench), start, "declining left a trace: {asked:?}");
                continue;
            };
            let between = counted(&bench);
            let long = runtime.block_on(at_length(&bench, &asked));
            if short.1.get("content-encoding") != long.1.get("content-encoding") {
                // An encoding was made between the two.
                continue;
            }
            assert_eq!(short, long, "{asked:?} {stored:?}");
            let after = counted(&bench);
            assert_eq!(grown(start, &between), grown(between.clone(), &after), "{asked:?}");
            answered += 1;
        }
    }
    assert!(answered > 300, "the short way answered only {answered}");
}

#[tokio::test]
async fn declining_takes_nothing_from_what_the_long_way_tells() {
    for stored in [vec![], vec![("vary", "X-Variant")]] {
        let bench = bench(stored, 200);
        let asked = Asked {
            method: "GET",
            target: "/plain",
            host: "shop.example",
            fields: vec![],
        };
        at_length(&bench, &asked).await;
        shortly(&bench, &asked).expect("it is stored");
        bench.ask("POST", "http://shop.example/plain", &[]).await;
        assert_eq!(shortly(&bench, &asked), None);
        let (_, fields, _) = at_length(&bench, &asked).await;
        assert!(fields["cache-status"][0].contains("fwd=miss; stored"), "{fields:?}");
    }
}

#[tokio::test]
async fn an_encoding_that_is_there_is_given_by_both_ways_alike() {
    for kept in [
        &[][..],
        &[("etag", "\"one\"")],
        &[("etag", "odd"), ("vary", "X-Variant")],
        &[("vary", "accept-encoding"), ("content-md5", "Q2hlY2s=")],
    ] {
        let stored = kept.iter().chain(&[("content-type", "text/html")]).copied();
        let bench = bench(stored.collect(), 200);
        let mut asked = Asked {
            method: "GET",
            target: "/plain",
            host: "shop.example",
            fields: vec![("Accept-Encoding", "br;q=0.5, gzip")],
        };
        while !at_length(&bench, &asked).await.1.contains_key("content-encoding") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for method in ["GET", "HEAD"] {
            asked.method = method;
            let start = counted(&bench);
            let short = shortly(&bench, &asked).expect("it lies there as it is sent");
            assert_eq!(short.1["content-encoding"], ["gzip"]);
            let between = counted(&bench);
            assert_eq!(short, at_length(&bench, &asked).await, "{kept:?}");
            let after = counted(&bench);
            assert_eq!(grown(start, &between), grown(between.clone(), &after));
        }
        // Its tag is one of several.
        asked.fields.push(("If-None-Match", "\"one\""));
        assert_eq!(shortly(&bench, &asked), None);
    }
}

#[tokio::test]
async fn the_short_way_logs_a_hit_as_the_long_way_does() {
    let bench = bench(vec![], 200);
    let asked = Asked {
        method: "GET",
        target: "/plain?token=1",
        host: "shop.example",
        fields: vec![("User-Agent", "someone")],
    };
    at_length(&bench, &asked).await;
    at_length(&bench, &asked).await;
    assert!(shortly(&bench, &asked).is_some());
    until("three lines", || bench.logged().len() == 3).await;
    let line = |number: usize| {
        let mut line = bench.logged()[number].as_object().unwrap().clone();
        assert_eq!(line.remove("request_id").unwrap().as_str().unwrap().len(), 32);
        line.remove("duration_ms");
        line
    };
    assert_eq!(line(1), line(2));
}

#[tokio::test]
async fn a_hit_took_the_time_between_two_looks_at_the_clock() {
    let tick = std::time::Duration::from_micros(3);
    let bench = before(Setup::plain().ticking(tick), vec![], 200);
    let asked = Asked {
        method: "GET",
        target: "/plain",
        host: "shop.example",
        fields: vec![],
    };
    at_length(&bench, &asked).await;
    bench.settled().await;
    let start = bench.metrics().requests.duration();
    let before = bench.clock.now();
    assert!(shortly(&bench, &asked).is_some());
    // One look when the head was there, one when the answer was: no more on this way.
    assert_eq!(bench.clock.now().since(before), tick * 2);
    let end = bench.metrics().requests.duration();
    assert_eq!((end.count - start.count, end.sum_micros - start.sum_micros), (1, 3));
    until("two lines", || bench.logged().len() == 2).await;
    assert_eq!(bench.logged()[1]["duration_ms"], 0.003);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_left_to_the_long_way() {
    let bench = before(Setup::plain().trusting("127.0.0.1"), vec![], 200);
    let mut asked = Asked {
        method: "GET",
        target: "/plain",
        host: "shop.example",
        fields: vec![],
    };
    at_length(&bench, &asked).await;
    assert!(shortly(&bench, &asked).is_some());
    for field in [
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Id", "theirs"),
        ("Forwarded", "host=else.example"),
    ] {
        asked.fields = vec![field];
        assert_eq!(shortly(&bench, &asked), None, "{field:?}");
    }
}

#[tokio::test]
async fn what_is_stale_near_its_end_or_not_there_takes_the_long_way() {
    let setup = Setup::plain().strategy(|strategy| strategy.refresh_ahead = 0.8);
    let bench = before(setup, vec![], 200);
    let asked = Asked {
        method: "GET",
        target: "/plain",
        host: "shop.example",
        fields: vec![],
    };
    assert_eq!(shortly(&bench, &asked), None);
    at_length(&bench, &asked).await;
    assert!(shortly(&bench, &asked).is_some());
    // From 80% of its lifetime on somebody renews it.
    bench.advance(49);
    assert_eq!(shortly(&bench, &asked), None);
    bench.advance(20);
    assert_eq!(shortly(&bench, &asked), None);
}
