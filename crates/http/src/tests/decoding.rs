//! What the origin encoded, for clients that take no coding.

use super::bench::{Answer, Bench, answer};
use super::*;
use bytes::Bytes;
use std::io::Write as _;

const URL: &str = "http://shop.example/page";
const GZIP: (&str, &str) = ("accept-encoding", "gzip, br");

fn text(length: usize) -> String {
    "a line that is there many times\n".repeat(length / 32)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// An origin that gives `encoded` to who takes gzip, with these fields beside, and "its own" to others.
fn origin(setup: Setup, encoded: impl Into<Bytes>, more: &'static [(&'static str, &'static str)]) -> Bench {
    let encoded = encoded.into();
    setup.before(move |heard| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("content-type", "text/plain"),
            ("etag", "\"a\""),
        ];
        let mut fields = fields.to_vec();
        let response = if heard.field("accept-encoding").contains("gzip") {
            fields.extend_from_slice(&[("content-encoding", "gzip"), ("content-digest", "sha-256=:x:")]);
            fields.extend_from_slice(more);
            answer(200, &fields, encoded.clone())
        } else {
            answer(200, &fields, "its own")
        };
        async { response }
    })
}

async fn plainly(bench: &Bench) -> Answer {
    bench.get_stored(URL, &[]).await
}

#[tokio::test]
async fn who_asks_for_what_was_sent_gets_nothing_that_was_decoded() {
    let bench = origin(Setup::plain(), gzip(text(2_000).as_bytes()), &[]);
    bench.get_stored(URL, &[GZIP]).await;
    let original = bench.get(URL, &[("cache-control", "no-transform")]).await;
    assert_eq!(original.text, "its own");
}

#[tokio::test]
async fn a_client_that_takes_no_coding_gets_what_another_had_encoded() {
    for length in [0, 2_000, 400_000, 1_500_000] {
        let text = text(length);
        let bench = origin(Setup::plain(), gzip(text.as_bytes()), &[]);
        bench.get_stored(URL, &[GZIP]).await;
        bench.advance(5);
        let plain = plainly(&bench).await;
        assert!(plain.status == 200 && plain.text == text, "{length}");
        let status = plain.field("cache-status");
        assert_eq!(status, "Peregrine; hit; ttl=55; detail=decoded");
        for (name, value) in [
            ("content-length", &*text.len().to_string()),
            ("content-encoding", ""),
            ("content-digest", ""),
            ("etag", "W/\"a\""),
            ("vary", "Accept-Encoding"),
            ("age", "5"),
            ("content-type", "text/plain"),
        ] {
            assert_eq!(plain.field(name), value, "{name}");
        }
        let head = bench.ask("HEAD", URL, &[("accept-encoding", "identity")]).await;
        assert_eq!(
            (head.is_hit(), head.field("content-length")),
            (true, text.len().to_string())
        );
        let current = bench.get_stored(URL, &[("if-none-match", "W/\"a\"")]).await;
        assert_eq!((current.status, &*current.field("etag")), (304, "W/\"a\""));
        let encoded = bench.get_stored(URL, &[GZIP]).await;
        assert_eq!((encoded.is_hit(), &*encoded.field("etag")), (true, "\"a\""));
        assert_eq!(bench.heard().len(), 1);
        assert_eq!(
            bench.engine.statistics().total.entries,
            2,
            "the answer and what it varies on"
        );
    }
}

#[tokio::test]
async fn what_came_in_several_pieces_of_gzip_is_decoded_whole() {
    let both = [gzip(b"one, "), gzip(b"two")].concat();
    let bench = origin(Setup::plain(), both, &[]);
    bench.get_stored(URL, &[GZIP]).await;
    assert_eq!(plainly(&bench).await.text, "one, two");
}

#[tokio::test]
async fn what_cannot_or_may_not_be_decoded_is_loaded() {
    let good = gzip(text(2_000).as_bytes());
    let (cut, mut damaged) = (good[..good.len() - 3].to_vec(), good.clone());
    damaged[20] ^= 4;
    let none = Setup::plain().strategy(|strategy| strategy.encode = Vec::new());
    let cases: Vec<(&str, Bench)> = vec![
        ("cut", origin(Setup::plain(), cut, &[])),
        ("damaged", origin(Setup::plain(), damaged, &[])),
        ("no gzip", origin(Setup::plain(), "text", &[])),
        ("more", origin(Setup::plain(), [&*good, b"text"].concat(), &[])),
        ("bomb", origin(Setup::plain(), gzip(&vec![0; 3 << 20]), &[])),
        (
            "two",
            origin(Setup::plain(), good.clone(), &[("content-encoding", "br")]),
        ),
        (
            "no-transform",
            origin(Setup::plain(), good.clone(), &[("cache-control", "no-transform")]),
        ),
        ("no coding here", origin(none, good.clone(), &[])),
    ];
    for (case, bench) in cases {
        bench.get_stored(URL, &[GZIP]).await;
        let plain = plainly(&bench).await;
        assert_eq!((plain.is_hit(), &*plain.text), (false, "its own"), "{case}");
        assert!(plainly(&bench).await.is_hit(), "{case}");
    }
}

#[tokio::test]
async fn only_who_takes_no_coding_and_differs_in_nothing_else_gets_it() {
    let good = gzip(text(2_000).as_bytes());
    let bench = origin(Setup::plain(), good.clone(), &[]);
    bench.get_stored(URL, &[GZIP]).await;
    for fields in [
        [("accept-encoding", "br")],
        [("accept-encoding", "gzip;q=0, *")],
        [("accept-encoding", "identity;q=0")],
        [("range", "bytes=0-1")],
        [("cache-control", "no-cache")],
    ] {
        let count = bench.heard().len();
        assert!(
            !bench
                .get_stored(URL, &fields)
                .await
                .field("cache-status")
                .contains("decoded")
        );
        assert_eq!(bench.heard().len(), count + 1, "{fields:?}");
        bench
            .engine
            .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![URL.to_owned()]));
        bench.get_stored(URL, &[GZIP]).await;
    }
    assert!(plainly(&bench).await.is_hit());
    bench
        .engine
        .invalidate_uncounted(&peregrine_cache::Invalidation::of_keys(vec![URL.to_owned()]));
    assert_eq!(plainly(&bench).await.text, "its own", "what is gone is not decoded");
    let bench = origin(Setup::plain(), good, &[("vary", "accept-encoding, accept-language")]);
    bench.get_stored(URL, &[GZIP, ("accept-language", "de")]).await;
    assert_eq!(
        bench.get_stored(URL, &[("accept-language", "fr")]).await.text,
        "its own"
    );
    assert_eq!(
        bench.get_stored(URL, &[("accept-language", "de")]).await.text,
        text(2_000)
    );
    bench.advance(61);
    assert_eq!(
        bench.get_stored(URL, &[("accept-language", "de")]).await.text,
        "its own",
        "it is stale"
    );
}
