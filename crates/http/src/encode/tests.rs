//! Negotiation and tags, clause by clause.

use super::accept::{Accepted, accepted};
use super::tags;
use super::*;
use Coding::{Brotli, Gzip, Zstd};
use http::HeaderValue;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use proptest::prelude::*;

fn request(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("accept-encoding", HeaderValue::from_str(line).unwrap());
    }
    headers
}

fn of(lines: &[&str], offered: &[Coding]) -> (Vec<Coding>, bool) {
    let accepted = accepted(&request(lines), offered);
    (accepted.codings().collect(), accepted.identity)
}

/// What a request says, and what it takes of all codings, and whether it takes none.
type Row = (&'static str, &'static [&'static str], &'static [Coding], bool);

/// RFC 9110 §12.5.3 and §12.4.2; the server prefers zstd, then br, then gzip.
const TAKES: &[Row] = &[
    ("no field: no coding, for clients that decode say so", &[], &[], true),
    ("an empty field: no coding", &[""], &[], true),
    (
        "as browsers send it",
        &["gzip, deflate, br, zstd"],
        &[Zstd, Brotli, Gzip],
        true,
    ),
    ("one", &["gzip"], &[Gzip], true),
    ("names have no case", &["GZip, BR"], &[Brotli, Gzip], true),
    ("x-gzip is gzip (§8.4.1.3)", &["x-gzip"], &[Gzip], true),
    (
        "unknown codings are passed over",
        &["compress, deflate, exi"],
        &[],
        true,
    ),
    (
        "several lines are one list (§5.3)",
        &["gzip", "br"],
        &[Brotli, Gzip],
        true,
    ),
    ("empty members (§5.6.1)", &[",, gzip ,"], &[Gzip], true),
    (
        "the greater weight first",
        &["zstd;q=0.2, br;q=0.5, gzip;q=0.9"],
        &[Gzip, Brotli, Zstd],
        true,
    ),
    (
        "equal weights: the server's order",
        &["gzip;q=0.5, br;q=0.5, zstd;q=0.5"],
        &[Zstd, Brotli, Gzip],
        true,
    ),
    ("zero is not acceptable (§12.4.2)", &["gzip;q=0, br"], &[Brotli], true),
    ("zero in every form", &["gzip;q=0.000, br;q=0., zstd;q=0.0"], &[], true),
    ("any", &["*"], &[Zstd, Brotli, Gzip], true),
    ("any but those named", &["*, zstd;q=0"], &[Brotli, Gzip], true),
    ("nothing but those named", &["gzip, *;q=0"], &[Gzip], false),
    ("identity excluded", &["gzip, identity;q=0"], &[Gzip], false),
    ("identity excluded and nothing else", &["identity;q=0"], &[], false),
    ("nothing at all", &["*;q=0"], &[], false),
    ("identity named beside `*`", &["*;q=0, identity"], &[], true),
    ("identity preferred", &["gzip;q=0.5, identity"], &[], true),
    (
        "identity preferred to some",
        &["gzip;q=0.3, br;q=0.8, identity;q=0.5"],
        &[Brotli],
        true,
    ),
    (
        "identity no better: a coding saves bytes",
        &["gzip, identity"],
        &[Gzip],
        true,
    ),
    ("identity by `*`", &["gzip;q=0.2, *;q=0.5"], &[Zstd, Brotli], true),
    (
        "white space around weights (§12.4.2)",
        &["gzip ; q=0.5 , br;\tq=0.7"],
        &[Brotli, Gzip],
        true,
    ),
    (
        "a weight that cannot be read is none",
        &["gzip;q=1.5, br;q=, zstd;q=0.1234"],
        &[],
        true,
    ),
    ("nor is more than one", &["gzip;q=1.001"], &[], true),
    ("exactly one", &["gzip;q=1.000, br;q=1."], &[Brotli, Gzip], true),
    ("other parameters are passed over", &["gzip;x=1;q=0"], &[], true),
    ("named twice: the lesser", &["gzip, gzip;q=0"], &[], true),
];

#[test]
fn what_a_request_takes() {
    for (what, lines, codings, identity) in TAKES {
        assert_eq!(
            of(lines, &Coding::ALL),
            (codings.to_vec(), *identity),
            "{what}: {lines:?}"
        );
    }
}

#[test]
fn only_what_is_offered_is_taken_in_the_order_of_the_offer() {
    assert_eq!(of(&["gzip, br, zstd"], &[Gzip, Zstd]).0, [Gzip, Zstd]);
    assert_eq!(of(&["*"], &[Brotli]).0, [Brotli]);
    assert_eq!(of(&["gzip, br, zstd"], &[]).0, []);
}

#[test]
fn what_may_be_encoded() {
    let rules = EncodeRules::of(&peregrine_cache::Strategy::new(
        "default",
        peregrine_cache::StrategyConfig::default(),
    ));
    let may = |status: u16, fields: &[(&'static str, &'static str)]| {
        let headers = fields.iter().map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().unwrap(),
                HeaderValue::from_static(value),
            )
        });
        rules.may_gain(StatusCode::from_u16(status).unwrap(), &headers.collect::<HeaderMap>())
    };
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "application/json",
        "application/ld+json",
        "image/svg+xml",
        "application/wasm",
        "application/javascript",
        "text/javascript",
        "application/atom+xml",
        "font/ttf",
        "application/problem+json ; x=y",
        "application/manifest+json",
    ] {
        assert!(may(200, &[("content-type", kind)]), "{kind}");
    }
    for kind in [
        "image/png",
        "image/jpeg",
        "video/mp4",
        "application/zip",
        "font/woff2",
        "application/octet-stream",
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "application/gzip",
        "application/pdf",
        "",
    ] {
        assert!(!may(200, &[("content-type", kind)]), "{kind}");
    }
    let text = ("content-type", "text/plain");
    assert!(may(404, &[text]), "an error page");
    assert!(!may(200, &[]), "of no known type");
    for status in [204, 205, 206, 304] {
        assert!(!may(status, &[text]), "{status}");
    }
    // RFC 9111 §5.2.2.6.
    for line in ["no-transform", "max-age=60, No-Transform", "public,no-transform=1"] {
        assert!(!may(200, &[text, ("cache-control", line)]), "{line}");
    }
    assert!(may(200, &[text, ("cache-control", "max-age=60, x-no-transform")]));
    assert!(
        !may(200, &[text, ("content-encoding", "gzip")]),
        "encoded already (RFC 9110 §8.4)"
    );
    assert!(
        !may(200, &[text, ("content-encoding", "identity")]),
        "whatever that means to its client"
    );
    assert!(!may(200, &[text, ("content-range", "bytes 0-9/100")]), "a part");
}

#[test]
fn an_encoding_has_a_tag_of_its_own() {
    // RFC 9110 §8.8.3.
    for (etag, tag) in [
        ("\"abc\"", Some("\"abc-zstd\"")),
        ("W/\"abc\"", Some("W/\"abc-zstd\"")),
        ("\"\"", Some("\"-zstd\"")),
        ("\"a,b\"", Some("\"a,b-zstd\"")),
        ("\"abc-zstd\"", Some("\"abc-zstd-zstd\"")),
        ("abc", None),
        ("\"abc", None),
        ("\"", None),
        ("w/\"abc\"", None),
        ("\"a\"b\"", None),
    ] {
        let derived = tags::derived(&HeaderValue::from_str(etag).unwrap(), Zstd);
        assert_eq!(derived.as_ref().map(|tag| tag.to_str().unwrap()), tag, "{etag}");
    }
    let all: std::collections::BTreeSet<_> = Coding::ALL
        .into_iter()
        .map(|coding| {
            tags::derived(&HeaderValue::from_static("\"a\""), coding)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        all.into_iter().collect::<Vec<_>>(),
        ["\"a-br\"", "\"a-gzip\"", "\"a-zstd\""]
    );
}

#[test]
fn the_origin_is_asked_by_its_own_tags_too() {
    for (sent, received) in [
        ("\"abc-zstd\"", "\"abc-zstd\", \"abc\""),
        (
            "W/\"abc-br\", \"x\", \"y-gzip\"",
            "W/\"abc-br\", \"x\", \"y-gzip\", W/\"abc\", \"y\"",
        ),
        ("\"abc\"", "\"abc\""),
        ("*", "*"),
        ("\"-zstd\"", "\"-zstd\", \"\""),
        ("abc-zstd", "abc-zstd"),
        ("-zstd\"", "-zstd\""),
        ("\"a, b-zstd\"", "\"a, b-zstd\", \"a, b\""),
    ] {
        for name in [IF_MATCH, IF_NONE_MATCH] {
            let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(sent))]);
            tags::restore(&mut headers);
            let lines: Vec<_> = headers
                .get_all(&name)
                .iter()
                .map(|line| line.to_str().unwrap())
                .collect();
            assert_eq!(lines.join("|"), received, "{sent}");
        }
    }
}

#[test]
fn a_client_hears_of_the_tag_that_it_sent() {
    for (sent, answered, heard) in [
        ("\"abc-zstd\"", "\"abc\"", "\"abc-zstd\""),
        ("\"abc\", \"abc-br\"", "\"abc\"", "\"abc\""),
        ("W/\"abc-gzip\"", "\"abc\"", "\"abc-gzip\""),
        ("\"abc-gzip\"", "\"abc-gzip\"", "\"abc-gzip\""),
        ("\"other-zstd\"", "\"abc\"", "\"abc\""),
    ] {
        let request = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(sent))]);
        let mut response = HeaderMap::from_iter([(ETAG, HeaderValue::from_static(answered))]);
        tags::give_back(&request, &mut response);
        assert_eq!(response[ETAG], heard, "{sent} {answered}");
    }
}

proptest! {
    #[test]
    fn nothing_is_taken_that_was_refused(
        names in proptest::collection::vec(("(gzip|br|zstd|identity|\\*|deflate)", 0u32..=1000), 0..6),
    ) {
        let line: Vec<_> = names.iter().map(|(name, q)| format!("{name};q={}.{:03}", q / 1000, q % 1000)).collect();
        let accepted: Accepted = accepted(&request(&[&line.join(",")]), &Coding::ALL);
        let taken: Vec<Coding> = accepted.codings().collect();
        for coding in &taken {
            let named = names.iter().filter(|(name, _)| name == coding.as_str()).map(|(_, q)| *q).min();
            let any = names.iter().filter(|(name, _)| name == "*").map(|(_, q)| *q).min();
            prop_assert!(named.or(any).unwrap_or(0) > 0);
        }
        let mut once = taken.clone();
        once.dedup();
        prop_assert_eq!(once, taken, "each once");
    }

    #[test]
    fn any_bytes_are_read_quietly(line in proptest::collection::vec(0x20u8..=0xff, 0..60)) {
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            let headers = HeaderMap::from_iter([
                (http::header::ACCEPT_ENCODING, value.clone()),
                (IF_NONE_MATCH, value.clone()),
                (ETAG, value.clone()),
            ]);
            let _ = accepted(&headers, &Coding::ALL);
            let mut other = headers.clone();
            tags::restore(&mut other);
            tags::give_back(&headers, &mut other);
            if let Some(tag) = tags::derived(&value, Gzip) {
                let mut sent = HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
                tags::restore(&mut sent);
                let own = HeaderValue::from_bytes(value.as_bytes().trim_ascii()).unwrap();
                prop_assert!(sent.get_all(IF_NONE_MATCH).iter().any(|line| *line == own), "the way back");
            }
        }
    }
}
