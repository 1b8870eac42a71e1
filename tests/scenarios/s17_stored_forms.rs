//! What is stored in one form and asked for in another: parts that came together, variants that one 304 is about, trailers
//! and codings for clients of every version.

use super::s16_ranges::{FIELDS, film, shown};
use crate::harness::curl::curl;
use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, until};

/// A page by gzip: `hello`.
const PACKED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";

#[test]
fn parts_that_came_in_one_answer_serve_any_range_of_them_and_are_completed() {
    let film = film(10_000);
    let source = film.clone();
    let origin = Origin::start(move |heard| {
        if !heard.field("range").contains(',') {
            return shown(heard, &source);
        }
        let part = |first: usize, last: usize| {
            let head = format!("--x\r\nContent-Type: video/mp4\r\nContent-Range: bytes {first}-{last}/10000\r\n\r\n");
            [head.as_bytes(), &source[first..=last], b"\r\n"].concat()
        };
        let body = [part(8000, 9999), part(0, 2999), b"--x--\r\n".to_vec()].concat();
        let kind = ("content-type", "multipart/byteranges; boundary=x");
        Reply::status(206, &[&FIELDS[..], &[kind]].concat(), body)
    });
    let peregrine = Peregrine::before(&origin, "");
    let range = |range: &str| peregrine.get("/film", &[("range", range)]);
    let several = range("bytes=8000-,0-2999");
    assert_eq!((several.status, several.complete), (206, true));
    until("the parts are stored", || range("bytes=0-0").is_hit());
    for (asked, first, last) in [
        ("bytes=0-2999", 0, 2999),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=9000-", 9000, 9999),
        ("bytes=-1", 9999, 9999),
    ] {
        let part = range(asked);
        assert!(part.is_hit() && part.body == film[first..=last], "{asked} {part:?}");
        assert_eq!(part.field("content-range"), format!("bytes {first}-{last}/10000"));
        assert_eq!(part.field("content-type"), "video/mp4");
    }
    let whole = peregrine.get("/film", &[]);
    assert!((whole.status, &whole.body) == (200, &film), "{}", whole.status);
    let asked: Vec<String> = origin.heard().iter().map(|heard| heard.field("range")).collect();
    assert_eq!(asked, ["bytes=8000-,0-2999", "bytes=3000-7999"]);
}

#[test]
fn one_304_renews_every_variant_that_it_identifies() {
    // RFC 9111 §4.3.4. What varies on x-a alone is stored under both names, because another answer varies on both.
    let origin = Origin::start(|heard| {
        let is_both = heard.field("x-a") == "2";
        let fields = [
            ("cache-control", "max-age=600, must-revalidate"),
            ("etag", if is_both { "\"both\"" } else { "\"one\"" }),
            ("vary", if is_both { "x-a, x-b" } else { "x-a" }),
        ];
        match heard.field("if-none-match").split(", ").any(|tag| tag == fields[1].1) {
            true => Reply::status(304, &fields, ""),
            false => Reply::ok(&fields, "page"),
        }
    });
    let peregrine = Peregrine::before(&origin, "");
    let ask = |a: &str, b: &str| peregrine.get("/page", &[("x-a", a), ("x-b", b)]);
    for (a, b) in [("2", "1"), ("1", "1"), ("1", "2")] {
        until("it is stored", || ask(a, b).is_hit());
    }
    let stale = peregrine.invalidate(&serde_json::json!({"keys": ["/page"], "soft": true}));
    assert_eq!(stale["matched"]["memory"], 3, "{stale}");
    let before = origin.count();
    for (a, b, heard) in [("1", "1", 1), ("1", "2", 1), ("2", "1", 2)] {
        assert_eq!(ask(a, b).text(), "page");
        assert_eq!(
            origin.count(),
            before + heard,
            "{a} {b}: the 304 for one is about the other, and about no third"
        );
    }
}

#[test]
fn trailers_and_codings_of_what_is_stored_suit_clients_of_every_version() {
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/trailed" => Reply::default()
            .head(
                200,
                &[("cache-control", "max-age=600"), ("transfer-encoding", "chunked")],
            )
            .chunk(b"hello")
            .send("0\r\nx-sum: 7\r\n\r\n"),
        _ => Reply::ok(
            &[
                ("cache-control", "max-age=600"),
                ("content-encoding", "gzip"),
                ("vary", "Accept-Encoding"),
            ],
            PACKED,
        ),
    });
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n";
    let peregrine = Peregrine::start(&upstream(&[&origin], "", listener));
    // Trailers are asked for, and stored, where the client that loads takes them.
    let takes = [("te", "trailers"), ("connection", "te"), ("accept-encoding", "gzip")];
    for target in ["/trailed", "/packed"] {
        until("it is stored", || peregrine.get(target, &takes).is_hit());
    }
    for version in ["--http2-prior-knowledge", "--http1.1"] {
        let ask = |target: &str, field: &str| {
            let url = format!("http://{}{target}", peregrine.address);
            let fields = ["-H", "Host: shop.example", "-H", "Connection: te", "-H", field];
            let arguments = [&fields[..], &[version, &url]].concat();
            curl(peregrine.folder.path(), &arguments)
        };
        let with = ask("/trailed", "TE: trailers");
        assert_eq!((with.text().as_str(), with.ok), ("hello", true), "{version} {with:?}");
        assert!(with.head.trim_end().ends_with("\r\n\r\nx-sum: 7"), "{version} {with:?}");
        let (packed, plain) = (ask("/packed", "Accept-Encoding: gzip"), ask("/packed", "A: b"));
        assert!(
            packed.body == PACKED && packed.head.contains("content-encoding: gzip"),
            "{packed:?}"
        );
        assert!(
            plain.text() == "hello" && !plain.head.contains("content-encoding"),
            "{plain:?}"
        );
    }
    assert_eq!(origin.count(), 2);
}
