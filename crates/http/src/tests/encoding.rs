//! Answers in content codings: what a client gets decodes to what the origin sent, under a tag of its own.

use super::bench::{Bench, answer, until};
use super::*;
use http::HeaderMap;
use peregrine_cache::Coding;
use peregrine_net::http::Body;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod property;

const URL: &str = "http://shop.example/page";
const ALL: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");
const ZSTD: (&str, &str) = ("accept-encoding", "zstd");
const BROTLI: (&str, &str) = ("accept-encoding", "br");
const GZIP: (&str, &str) = ("accept-encoding", "gzip");

/// An answer with the bytes of its body.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as its client reads it.
    fn decoded(&self) -> String {
        let mut out = Vec::new();
        match self.field("content-encoding") {
            "zstd" => drop(
                zstd::stream::read::Decoder::new(&*self.body)
                    .unwrap()
                    .read_to_end(&mut out)
                    .unwrap(),
            ),
            "br" => drop(
                brotli::Decompressor::new(&*self.body, 4096)
                    .read_to_end(&mut out)
                    .unwrap(),
            ),
            "gzip" => drop(flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut out).unwrap()),
            "" => out.clone_from(&self.body),
            other => panic!("{other}?"),
        }
        String::from_utf8(out).unwrap()
    }
}

async fn ask(bench: &Bench, method: &str, fields: &[(&str, &str)]) -> Got {
    let fields: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let (head, body) = bench.begin(method, URL, &fields).await.into_parts();
    let body = body.collect(64 << 20).await.unwrap();
    Got {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.to_vec(),
    }
}

async fn get(bench: &Bench, fields: &[(&str, &str)]) -> Got {
    ask(bench, "GET", fields).await
}

fn stored(bench: &Bench) -> u64 {
    let counted = bench.engine.statistics().total.encodings_by_outcome;
    counted.get("stored").copied().unwrap_or(0)
}

/// Waits until `count` encodings were made.
async fn made(bench: &Bench, count: u64) {
    until("an encoding", || stored(bench) >= count).await;
}

fn page(version: u64) -> String {
    format!("<p>peregrine falcon {version}</p>").repeat(500)
}

const FIELDS: [(&str, &str); 4] = [
    ("cache-control", "max-age=60"),
    ("content-type", "text/html"),
    ("etag", "\"1\""),
    ("last-modified", "Tue, 14 Nov 2023 20:00:00 GMT"),
];

/// An origin whose page never changes.
fn steady(setup: Setup) -> Bench {
    setup.before(async |heard| match heard.field("if-none-match") {
        "\"1\"" => answer(304, &FIELDS, ""),
        _ => answer(200, &FIELDS, page(1)),
    })
}

/// The page in every coding, made.
async fn prepared() -> Bench {
    let bench = steady(Setup::plain());
    get(&bench, &[]).await;
    for (count, accept) in [(1, ZSTD), (2, BROTLI), (3, GZIP)] {
        get(&bench, &[accept]).await;
        made(&bench, count).await;
    }
    bench
}

#[tokio::test]
async fn the_first_gets_it_as_it_comes_and_the_next_encoded() {
    let bench = steady(Setup::plain());
    let first = get(&bench, &[ALL]).await;
    assert_eq!((first.field("content-encoding"), first.field("etag")), ("", "\"1\""));
    assert_eq!(first.field("vary"), "Accept-Encoding", "RFC 9110 §12.5.5");
    made(&bench, 1).await;
    let next = get(&bench, &[ALL]).await;
    assert_eq!(
        (next.field("content-encoding"), next.field("etag")),
        ("zstd", "\"1-zstd\"")
    );
    assert_eq!(next.field("vary"), "Accept-Encoding");
    assert_eq!(next.field("content-length"), next.body.len().to_string());
    assert_eq!(next.decoded(), page(1));
    assert!(next.field("cache-status").contains("; hit"));
    let plain = get(&bench, &[]).await;
    assert_eq!(
        (plain.field("content-encoding"), plain.field("vary")),
        ("", "Accept-Encoding")
    );
    assert_eq!(plain.decoded(), page(1));
    assert_eq!((stored(&bench), bench.heard().len()), (1, 1), "made once, loaded once");
}

#[tokio::test]
async fn everybody_gets_what_it_takes_and_head_says_the_same() {
    let bench = prepared().await;
    for (accept, coding) in [
        (&[ZSTD][..], "zstd"),
        (&[BROTLI], "br"),
        (&[GZIP], "gzip"),
        (&[ALL], "zstd"),
        (&[("accept-encoding", "gzip, br;q=0.5")], "gzip"),
        (&[("accept-encoding", "identity, gzip;q=0.5")], ""),
        (&[("accept-encoding", "deflate")], ""),
        (&[], ""),
    ] {
        let got = get(&bench, accept).await;
        assert_eq!(
            (got.field("content-encoding"), got.decoded()),
            (coding, page(1)),
            "{accept:?}"
        );
        let head = ask(&bench, "HEAD", accept).await;
        assert!(head.body.is_empty());
        for name in ["content-encoding", "content-length", "etag", "vary", "content-type"] {
            assert_eq!(head.field(name), got.field(name), "{accept:?} {name}");
        }
    }
    let counted: Vec<(Coding, u64)> = bench.metrics().encodings().collect();
    assert_eq!(counted, [(Coding::Zstd, 2), (Coding::Brotli, 1), (Coding::Gzip, 2)]);
}

#[tokio::test]
async fn a_copy_in_any_coding_that_the_client_takes_is_current() {
    let bench = prepared().await;
    for (fields, etag) in [
        ([ALL, ("if-none-match", "\"1-zstd\"")], "\"1-zstd\""),
        ([ALL, ("if-none-match", "\"1-br\"")], "\"1-br\""),
        ([ALL, ("if-none-match", "\"1\"")], "\"1\""),
        ([ALL, ("if-none-match", "\"0\", W/\"1-gzip\"")], "\"1-gzip\""),
        ([ALL, ("if-none-match", "*")], "\"1-zstd\""),
        ([GZIP, ("if-none-match", "\"1-gzip\"")], "\"1-gzip\""),
        (
            [ALL, ("if-modified-since", "Tue, 14 Nov 2023 20:00:00 GMT")],
            "\"1-zstd\"",
        ),
    ] {
        let got = get(&bench, &fields).await;
        assert_eq!((got.status, got.field("etag")), (304, etag), "{fields:?}");
        assert_eq!(got.field("vary"), "Accept-Encoding", "RFC 9110 §15.4.5");
        assert_eq!(got.field("content-encoding"), "");
    }
    for fields in [
        [ALL, ("if-none-match", "\"0-zstd\"")],
        [GZIP, ("if-none-match", "\"1-zstd\"")],
        [("accept-encoding", "identity"), ("if-none-match", "\"1-br\"")],
        [ALL, ("if-none-match", "\"1-deflate\"")],
    ] {
        assert_eq!(get(&bench, &fields).await.status, 200, "{fields:?}");
    }
}

#[tokio::test]
async fn a_copy_is_current_though_nobody_has_made_its_encoding_here() {
    let bench = steady(Setup::plain());
    for _ in 0..2 {
        let got = get(&bench, &[GZIP, ("if-none-match", "\"1-gzip\"")]).await;
        assert_eq!((got.status, got.field("etag")), (304, "\"1-gzip\""));
    }
}

#[tokio::test]
async fn a_renewal_asks_by_the_origins_tag_and_keeps_what_was_made() {
    let bench = prepared().await;
    bench.advance(61);
    let got = get(&bench, &[BROTLI]).await;
    assert_eq!((got.field("content-encoding"), got.decoded()), ("br", page(1)));
    let heard = bench.heard();
    assert_eq!((heard.len(), heard[1].field("if-none-match")), (2, "\"1\""));
    assert_eq!(get(&bench, &[ZSTD]).await.field("content-encoding"), "zstd");
    assert_eq!(stored(&bench), 3, "nothing is made again");
}

#[tokio::test]
async fn another_version_brings_other_encodings() {
    let version = Arc::new(AtomicU64::new(1));
    let now = Arc::clone(&version);
    let bench = Setup::plain().before(move |_| {
        let version = now.load(Ordering::Relaxed);
        async move {
            let etag = format!("\"{version}\"");
            answer(200, &[FIELDS[0], FIELDS[1], ("etag", &etag)], page(version))
        }
    });
    get(&bench, &[ZSTD]).await;
    made(&bench, 1).await;
    assert_eq!(get(&bench, &[ZSTD]).await.field("etag"), "\"1-zstd\"");
    version.store(2, Ordering::Relaxed);
    bench
        .engine
        .invalidate(&peregrine_cache::Invalidation {
            all: true,
            ..Default::default()
        })
        .await;
    let got = get(&bench, &[ZSTD, ("if-none-match", "\"1-zstd\"")]).await;
    assert_eq!((got.status, got.field("etag"), got.decoded()), (200, "\"2\"", page(2)));
    made(&bench, 2).await;
    let got = get(&bench, &[ZSTD]).await;
    assert_eq!((got.field("etag"), got.decoded()), ("\"2-zstd\"", page(2)));
}

#[tokio::test]
async fn a_range_is_of_the_page_itself_unless_the_client_has_a_part_of_an_encoding() {
    let bench = prepared().await;
    let zstd = get(&bench, &[ZSTD]).await.body;
    let range = ("range", "bytes=10-19");
    // RFC 9110 §14.2: of the selected representation, which is the one without coding.
    let got = get(&bench, &[ALL, range]).await;
    assert_eq!(
        (got.status, got.field("content-encoding"), got.field("etag")),
        (206, "", "\"1\"")
    );
    assert_eq!(
        (got.field("content-range"), &*got.body),
        ("bytes 10-19/12500", &page(1).as_bytes()[10..20])
    );
    // §13.1.5: the part that belongs to the one it has.
    let got = get(&bench, &[ALL, range, ("if-range", "\"1-zstd\"")]).await;
    assert_eq!(
        (got.status, got.field("content-encoding"), got.field("etag")),
        (206, "zstd", "\"1-zstd\"")
    );
    assert_eq!(got.field("content-range"), format!("bytes 10-19/{}", zstd.len()));
    assert_eq!(got.body, zstd[10..20]);
    let got = get(&bench, &[ALL, range, ("if-range", "\"1\"")]).await;
    assert_eq!((got.status, got.field("etag")), (206, "\"1\""));
    for if_range in ["\"2-zstd\"", "W/\"1-zstd\"", "\"1-deflate\""] {
        let got = get(&bench, &[ALL, range, ("if-range", if_range)]).await;
        assert_eq!((got.status, got.decoded()), (200, page(1)), "{if_range}");
    }
    let got = get(&bench, &[GZIP, range, ("if-range", "\"1-zstd\"")]).await;
    assert_eq!((got.status, got.decoded()), (200, page(1)), "it takes no zstd");
    // A date names no representation (§8.8.2.2), except for those who only ever get the one.
    let date = ("if-range", "Tue, 14 Nov 2023 20:00:00 GMT");
    assert_eq!(get(&bench, &[ALL, range, date]).await.status, 200);
    assert_eq!(get(&bench, &[range, date]).await.status, 206);
    // Whoever does not take the page itself gets no part of it.
    let got = get(&bench, &[("accept-encoding", "gzip, identity;q=0"), range]).await;
    assert_eq!(
        (got.status, got.field("content-encoding"), got.decoded()),
        (200, "gzip", page(1))
    );
}

/// An origin that answers with these fields beside a lifetime.
fn with_fields(fields: &'static [(&'static str, &'static str)], body: &'static str) -> Bench {
    Setup::plain().before(move |_| async move {
        let fields: Vec<_> = [("cache-control", "max-age=60")]
            .iter()
            .chain(fields)
            .copied()
            .collect();
        answer(200, &fields, body)
    })
}

#[tokio::test]
async fn what_is_not_to_be_touched_is_not() {
    let long: &'static str = page(1).leak();
    let cases: [(&'static [(&str, &str)], &'static str); 4] = [
        (&[("content-type", "image/png")], long),
        (
            &[("content-type", "text/html"), ("cache-control", "no-transform")],
            long,
        ),
        (&[], long),
        (&[("content-type", "text/html")], "short"),
    ];
    for (fields, body) in cases {
        let bench = with_fields(fields, body);
        for _ in 0..2 {
            let got = get(&bench, &[ALL]).await;
            assert_eq!((got.status, &*got.body), (200, body.as_bytes()), "{fields:?}");
            assert_eq!(got.field("vary"), "", "{fields:?}");
        }
        assert!(
            bench.engine.statistics().total.encodings_by_outcome.is_empty(),
            "{fields:?}"
        );
    }
    let none = Setup::plain().strategy(|strategy| strategy.encode = Vec::new());
    let bench = none.before(async |_| answer(200, &FIELDS[..2], page(1)));
    for _ in 0..2 {
        let got = get(&bench, &[ALL]).await;
        assert_eq!((got.field("content-encoding"), got.field("vary")), ("", ""));
    }
}

#[tokio::test]
async fn what_is_not_shared_is_not_encoded() {
    let bench = Setup::plain().before(async |_| answer(200, &[("cache-control", "private"), FIELDS[1]], page(1)));
    for _ in 0..2 {
        let got = get(&bench, &[ALL]).await;
        assert_eq!((got.field("content-encoding"), got.field("vary")), ("", ""));
    }
    assert!(bench.engine.statistics().total.encodings_by_outcome.is_empty());
}

#[tokio::test]
async fn what_the_origin_encodes_itself_is_kept_apart() {
    let bench = Setup::plain().before(async |heard| {
        let fields = [FIELDS[0], FIELDS[1], ("vary", "Accept-Encoding")];
        if heard.field("accept-encoding").contains("gzip") {
            let fields: Vec<_> = fields.into_iter().chain([("content-encoding", "gzip")]).collect();
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut packed, page(1).as_bytes()).unwrap();
            answer(200, &fields, packed.finish().unwrap())
        } else {
            answer(200, &fields, page(1))
        }
    });
    for (accept, coding) in [(&[GZIP][..], "gzip"), (&[ALL], "gzip"), (&[], ""), (&[GZIP], "gzip")] {
        let got = get(&bench, accept).await;
        assert_eq!(
            (got.field("content-encoding"), got.decoded()),
            (coding, page(1)),
            "{accept:?}"
        );
        assert_eq!(got.field("vary"), "Accept-Encoding");
    }
    get(&bench, &[BROTLI]).await;
    made(&bench, 1).await;
    let got = get(&bench, &[BROTLI]).await;
    assert_eq!((got.field("content-encoding"), got.decoded()), ("br", page(1)));
}

#[tokio::test]
async fn what_the_origin_encodes_without_saying_that_it_varies_reaches_those_only_who_take_it() {
    let bench = Setup::plain().before(async |heard| {
        if !heard.field("accept-encoding").contains("gzip") {
            return answer(200, &FIELDS[..2], page(1));
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, page(1).as_bytes()).unwrap();
        answer(
            200,
            &[FIELDS[0], FIELDS[1], ("content-encoding", "gzip")],
            packed.finish().unwrap(),
        )
    });
    for (accept, coding) in [
        (&[GZIP][..], "gzip"),
        (&[], ""),
        (&[BROTLI], ""),
        (&[GZIP], "gzip"),
        (&[], ""),
    ] {
        let got = get(&bench, accept).await;
        assert_eq!(
            (got.field("content-encoding"), got.decoded()),
            (coding, page(1)),
            "{accept:?}"
        );
        assert_eq!(got.field("vary"), "Accept-Encoding");
    }
    assert_eq!(
        bench.heard().len(),
        2,
        "who takes no coding gets what is there without it"
    );
}

#[tokio::test]
async fn vary_keeps_what_the_origin_says_and_tags_stay_weak() {
    let bench = with_fields(
        &[("content-type", "text/css"), ("vary", "Cookie"), ("etag", "W/\"a\"")],
        page(1).leak(),
    );
    get(&bench, &[GZIP]).await;
    made(&bench, 1).await;
    let got = get(&bench, &[GZIP]).await;
    assert_eq!(
        (got.field("vary"), got.field("etag")),
        ("Cookie, Accept-Encoding", "W/\"a-gzip\"")
    );
}

#[tokio::test]
async fn digests_of_other_bytes_and_tags_that_are_none_are_taken_off() {
    let fields = &[
        ("content-type", "text/css"),
        ("repr-digest", "sha-256=:AA==:"),
        ("etag", "unquoted"),
    ];
    let bench = with_fields(fields, page(1).leak());
    get(&bench, &[GZIP]).await;
    made(&bench, 1).await;
    let got = get(&bench, &[GZIP]).await;
    assert_eq!(
        (
            got.field("repr-digest"),
            got.field("etag"),
            got.field("content-encoding")
        ),
        ("", "", "gzip")
    );
    let got = get(&bench, &[]).await;
    assert_eq!(
        (got.field("repr-digest"), got.field("etag")),
        ("sha-256=:AA==:", "unquoted")
    );
}

#[tokio::test]
async fn a_write_on_condition_of_an_encoding_is_one_on_that_of_the_page() {
    let bench = Setup::plain().before(async |_| answer(204, &[], ""));
    ask(&bench, "PUT", &[("if-match", "\"1-zstd\"")]).await;
    let heard = &bench.heard()[0];
    let lines: Vec<_> = heard.headers.get_all("if-match").iter().collect();
    assert_eq!(lines, ["\"1-zstd\", \"1\""], "in one line: nginx refuses two");
}

#[tokio::test]
async fn who_has_a_part_of_an_encoding_gets_none_of_the_page() {
    let bench = Setup::plain().before(async |_| answer(412, &[], ""));
    let range = ("range", "bytes=10-");
    let since = ("if-unmodified-since", FIELDS[3].1);
    for (fields, named, ranged) in [
        (&[range, ("if-match", "\"1-zstd\""), ZSTD][..], "\"1-zstd\"", true),
        (&[range, ("if-match", "\"1\""), since, ZSTD], "\"1\"", true),
        (&[range, since, ZSTD], "", false),
        (&[range, since], "", true),
    ] {
        ask(&bench, "GET", fields).await;
        let heard = bench.heard().pop().unwrap();
        assert_eq!(
            (heard.field("if-match"), !heard.field("range").is_empty()),
            (named, ranged),
            "{fields:?}"
        );
    }
}

#[tokio::test]
async fn what_may_not_be_transformed_is_not() {
    for name in ["cache-control", "cdn-cache-control", "surrogate-control"] {
        let fields = vec![(name, "max-age=60, no-transform"), FIELDS[1]].leak();
        let bench = with_fields(fields, page(1).leak());
        get(&bench, &[ZSTD]).await;
        bench.settled().await;
        let got = get(&bench, &[ZSTD]).await;
        assert_eq!((got.field("content-encoding"), got.field("vary")), ("", ""), "{name}");
    }
    let bench = prepared().await;
    let got = get(&bench, &[ZSTD, ("cache-control", "no-transform")]).await;
    assert!(got.field("cache-status").contains("hit"));
    assert_eq!(
        (got.field("content-encoding"), got.field("vary")),
        ("", "Accept-Encoding")
    );
}

#[tokio::test]
async fn a_copy_from_when_it_was_stored_is_validated_by_the_origin_that_stores_it_no_more() {
    let bench = Setup::plain().before(async |heard| {
        let current = heard.field("if-none-match").split(", ").any(|tag| tag == "\"1\"");
        let fields = [("cache-control", "private"), ("etag", "\"1\""), FIELDS[1]];
        if current {
            answer(304, &fields, "")
        } else {
            answer(200, &fields, page(1))
        }
    });
    get(&bench, &[GZIP]).await;
    let got = get(&bench, &[GZIP, ("if-none-match", "\"1-gzip\"")]).await;
    assert_eq!((got.status, got.field("etag")), (304, "\"1-gzip\""));
}

#[tokio::test]
async fn a_copy_from_when_it_was_stored_is_validated_where_nothing_is_stored_any_more() {
    let bench = steady(Setup::with(&[serde_json::json!({"cache": false})]));
    let got = get(&bench, &[GZIP, ("if-none-match", "\"0\"")]).await;
    assert_eq!((got.status, got.field("etag")), (200, "\"1\""));
    let bench = Setup::with(&[serde_json::json!({"cache": false})]).before(async |heard| {
        let current = heard.field("if-none-match").split(", ").any(|tag| tag == "\"1\"");
        answer(if current { 304 } else { 200 }, &FIELDS, "")
    });
    let got = get(&bench, &[GZIP, ("if-none-match", "\"1-gzip\"")]).await;
    assert_eq!((got.status, got.field("etag")), (304, "\"1-gzip\""));
}

#[tokio::test]
async fn a_head_that_is_passed_on_says_that_there_are_encodings() {
    let bench = steady(Setup::plain());
    let got = ask(&bench, "HEAD", &[ALL]).await;
    assert_eq!(
        (got.status, got.field("vary"), got.field("etag")),
        (200, "Accept-Encoding", "\"1\"")
    );
}

#[tokio::test]
async fn what_is_stored_compressed_serves_everybody() {
    use peregrine_cache::Compression;
    for (compression, own) in [
        (Compression::Auto, "zstd"),
        (Compression::Brotli, "br"),
        (Compression::Gzip, "gzip"),
    ] {
        let bench = steady(Setup::plain().strategy(|strategy| strategy.compression = compression));
        get(&bench, &[]).await;
        made(&bench, 1).await;
        for accept in [&[ZSTD][..], &[BROTLI], &[GZIP], &[]] {
            assert_eq!(get(&bench, accept).await.decoded(), page(1), "{own} {accept:?}");
        }
        made(&bench, 3).await;
        for (accept, coding) in [(ZSTD, "zstd"), (BROTLI, "br"), (GZIP, "gzip")] {
            let got = get(&bench, &[accept]).await;
            assert_eq!((got.field("content-encoding"), got.decoded()), (coding, page(1)));
        }
        let range = get(&bench, &[ALL, ("range", "bytes=100-109")]).await;
        assert_eq!((range.status, &*range.body), (206, &page(1).as_bytes()[100..110]));
    }
}
