//! Heads by table: what a handler sees of them, or why it sees nothing.

use super::*;
use crate::http::hpack::{Decoder, encode_field};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn with<T>(pairs: Pairs<'_>, work: impl FnOnce(&mut Fields) -> T) -> T {
    let mut block = Vec::new();
    for (name, value) in pairs {
        encode_field(&mut block, name.as_bytes(), value.as_bytes());
    }
    Fields::with(1 << 20, |fields| {
        Decoder::default().decode(&block, fields).unwrap();
        work(fields)
    })
}

/// The outcome for these fields: target and Host that the handler sees either way, or what is wrong.
fn outcome(pairs: Pairs<'_>, ended: bool) -> Result<String, Wrong> {
    let limits = ServerLimits {
        uri_length_max: 20,
        request_body_max: 100,
        ..ServerLimits::default()
    };
    with(pairs, |fields| {
        let head = read(fields, ended, &limits)?;
        let parts = head.parts(fields).unwrap();
        let mut room = [httparse::EMPTY_HEADER; FIELDS_SHORT_MAX];
        let view = head.view(fields, &mut room).unwrap();
        let shown = format!("{} {}", parts.uri, parts.headers[HOST].to_str().unwrap());
        assert_eq!(format!("{} {}", view.target, view.host), shown);
        assert_eq!((view.method, view.version), (parts.method.as_str(), parts.version));
        assert_eq!(view.fields.len(), parts.headers.len());
        for field in view.fields {
            assert!(
                parts
                    .headers
                    .get_all(field.name)
                    .iter()
                    .any(|value| value == field.value)
            );
        }
        Ok(shown)
    })
}

/// A request of `method` for `path` with `:authority` and fields.
fn request<'a>(
    method: &'a str,
    path: &'a str,
    authority: Option<&'a str>,
    pairs: Pairs<'a>,
) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![(":method", method), (":scheme", "https"), (":path", path)];
    all.extend(authority.map(|authority| (":authority", authority)));
    all.extend_from_slice(pairs);
    all
}

/// Method, path, `:authority`, fields, and the outcome.
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Pairs<'static>,
    Result<&'static str, Wrong>,
);

const Y: Option<&str> = Some("y");
const LONG: &str = "/1234567890_1234567890";

const fn refused(refusal: Refusal) -> Result<&'static str, Wrong> {
    Err(Wrong::Refused(refusal))
}

const TABLE: &[Row] = &[
    ("GET", "/a?b", Y, &[], Ok("/a?b y")),
    ("GET", "/", Some("y:8443"), &[("host", "Y:8443")], Ok("/ y:8443")),
    ("GET", "/a", None, &[("host", "x")], Ok("/a x")),
    ("OPTIONS", "*", Y, &[], Ok("* y")),
    ("GET", "*", Y, &[], refused(Refusal::Target)),
    ("GET", "a", Y, &[], refused(Refusal::Target)),
    ("GET", "http://y/", Y, &[], refused(Refusal::Target)),
    ("GET", "/a#b", Y, &[], refused(Refusal::Target)),
    ("GET", "/\u{e4}", Y, &[], refused(Refusal::Target)),
    ("GET", LONG, Y, &[], refused(Refusal::UriTooLong)),
    ("GET", "/", None, &[], refused(Refusal::HostMissing)),
    ("GET", "/", None, &[("host", "")], refused(Refusal::HostInvalid)),
    ("GET", "/", Some(""), &[], refused(Refusal::HostInvalid)),
    ("GET", "/", Some("u:p@y"), &[], refused(Refusal::HostInvalid)),
    ("GET", "/", Y, &[("host", "u@y")], refused(Refusal::HostInvalid)),
    ("GET", "/", Y, &[("host", "z")], refused(Refusal::HostDisagrees)),
    (
        "GET",
        "/",
        Y,
        &[("host", "y"), ("host", "y")],
        refused(Refusal::HostTwice),
    ),
    ("GET", "/", Y, &[("a", " b")], refused(Refusal::Malformed)),
    ("GET", "/", Y, &[("a", "b\t")], refused(Refusal::Malformed)),
    ("POST", "/", Y, &[("content-length", "100")], Ok("/ y")),
    (
        "POST",
        "/",
        Y,
        &[("content-length", "101")],
        refused(Refusal::BodyTooLarge),
    ),
    (
        "POST",
        "/",
        Y,
        &[("content-length", "+1")],
        refused(Refusal::ContentLength),
    ),
    (
        "POST",
        "/",
        Y,
        &[("content-length", "")],
        refused(Refusal::ContentLength),
    ),
    (
        "POST",
        "/",
        Y,
        &[("content-length", "1"), ("content-length", "1")],
        refused(Refusal::ContentLength),
    ),
    ("POST", "/", Y, &[("expect", "100-Continue")], Ok("/ y")),
    (
        "POST",
        "/",
        Y,
        &[("expect", "a miracle")],
        refused(Refusal::Expectation),
    ),
    (
        "GET",
        "/",
        Y,
        &[("te", "trailers"), ("a", ""), ("b", "\u{e4}")],
        Ok("/ y"),
    ),
    ("GET", "/", Y, &[("te", "gzip")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("upgrade", "h2c")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("connection", "")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("A", "b")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("", "b")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("a:", "b")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("a", "b\nc")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("a", "b\u{7f}")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[(":path", "/b")], Err(Wrong::Malformed)),
    ("GET", "/", Y, &[("a", "b"), (":authority", "z")], Err(Wrong::Malformed)),
    ("GET", "/a b", Y, &[], Err(Wrong::Malformed)),
    ("GET", "", Y, &[], Err(Wrong::Malformed)),
    ("G T", "/", Y, &[], Err(Wrong::Malformed)),
    ("", "/", Y, &[], Err(Wrong::Malformed)),
    ("CONNECT", "/", Y, &[], Err(Wrong::Malformed)),
];

#[test]
fn requests_by_table() {
    for (method, path, authority, fields, expected) in TABLE {
        let expected = expected.map(str::to_owned);
        let all = request(method, path, *authority, fields);
        assert_eq!(outcome(&all, false), expected, "{all:?}");
    }
}

#[test]
fn a_head_is_as_large_as_all_that_is_in_it() {
    let limits = ServerLimits {
        header_size_max: 1000,
        uri_length_max: 10_000,
        ..ServerLimits::default()
    };
    let read_with = |method: &str, path: &str, authority: &str, value: &str| {
        let all = request(method, path, Some(authority), &[("a", value)])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>();
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        with(&all, |fields| read(fields, true, &limits).map(|_| ()))
    };
    let (long, path) = ("a".repeat(600), format!("/{}", "a".repeat(600)));
    let too_large = Err(Wrong::Refused(Refusal::HeaderTooLarge));
    // Each fits, and any two do not.
    assert_eq!(read_with(&long, "/", "y", ""), Ok(()));
    assert_eq!(read_with("GET", &path, "y", ""), Ok(()));
    assert_eq!(read_with("GET", "/", &long, ""), Ok(()));
    assert_eq!(read_with(&long, &path, "y", ""), too_large);
    assert_eq!(read_with(&long, "/", &long, ""), too_large);
    assert_eq!(read_with(&long, "/", "y", &long), too_large);
    assert_eq!(read_with("GET", &path, &long, ""), too_large);
    assert_eq!(read_with("GET", &path, "y", &long), too_large);
    assert_eq!(read_with("GET", "/", &long, &long), too_large);
}

#[test]
fn schemes_and_tunnels() {
    let with = |scheme: &'static str| {
        [
            (":method", "GET"),
            (":scheme", scheme),
            (":path", "/"),
            (":authority", "y"),
        ]
    };
    assert_eq!(outcome(&with("http"), true), Ok("/ y".to_owned()));
    assert_eq!(outcome(&with("ftp"), true), Err(Wrong::Refused(Refusal::Target)));
    for malformed in ["", "h ttp", "1http", "http:"] {
        assert_eq!(outcome(&with(malformed), true), Err(Wrong::Malformed), "{malformed}");
    }
    let connect = [(":method", "CONNECT"), (":authority", "y:80")];
    assert_eq!(outcome(&connect, false), Err(Wrong::Refused(Refusal::Method)));
    assert_eq!(outcome(&connect[..1], false), Err(Wrong::Malformed));
    // RFC 8441, which was not offered.
    let extended = [&connect[..], &[(":protocol", "websocket")]].concat();
    assert_eq!(outcome(&extended, false), Err(Wrong::Malformed));
    assert_eq!(outcome(&[(":status", "200")], false), Err(Wrong::Malformed));
    assert_eq!(outcome(&[], false), Err(Wrong::Malformed));
}

#[test]
fn a_length_without_a_body_is_malformed() {
    for (length, expected) in [("0", Ok("/ y".to_owned())), ("1", Err(Wrong::Malformed))] {
        let pairs = [("content-length", length)];
        assert_eq!(outcome(&request("POST", "/", Some("y"), &pairs), true), expected);
    }
}

#[test]
fn cookies_become_one_and_host_stays_where_it_is_found() {
    let cookies = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")];
    for authority in [Some("y"), None] {
        let host = [("host", "y")];
        let all = [&cookies[..], if authority.is_none() { &host } else { &[] }].concat();
        with(&request("GET", "/", authority, &all), |fields| {
            let head = read(fields, true, &ServerLimits::default()).unwrap();
            let parts = head.parts(fields).unwrap();
            assert_eq!(parts.headers.len(), 3);
            assert_eq!(
                (&parts.headers["cookie"], &parts.headers["x"]),
                (&"a=1; b=2; c=3".parse().unwrap(), &"y".parse().unwrap())
            );
            let mut room = [httparse::EMPTY_HEADER; FIELDS_SHORT_MAX];
            let view = head.view(fields, &mut room).unwrap();
            assert_eq!((view.host, view.field("cookie")), ("y", Some(&b"a=1; b=2; c=3"[..])));
        });
    }
}

#[test]
fn what_may_be_answered_at_once() {
    let short = |method, pairs: Pairs<'_>, ended| {
        with(&request(method, "/", Some("y"), pairs), |fields| {
            let head = read(fields, ended, &ServerLimits::default()).unwrap();
            head.may_be_short(fields, ended)
        })
    };
    assert!(short("GET", &[], true) && short("HEAD", &[("max-forwards", "1")], true));
    assert!(!short("GET", &[], false));
    assert!(!short("GET", &[("content-length", "0")], true));
    assert!(!short("GET", &[("expect", "100-continue")], true));
    assert!(!short("OPTIONS", &[("max-forwards", "1")], true));
    let many = vec![("a", "b"); FIELDS_SHORT_MAX];
    with(&request("GET", "/", Some("y"), &many), |fields| {
        let head = read(fields, true, &ServerLimits::default()).unwrap();
        assert!(
            head.view(fields, &mut [httparse::EMPTY_HEADER; FIELDS_SHORT_MAX])
                .is_none()
        );
    });
}

#[test]
fn a_cookie_in_many_pieces_is_one_field() {
    let limits = ServerLimits::default();
    let value = "c=0123456789";
    let crumbs = vec![("cookie", value); 5 * limits.header_count_max];
    with(&request("GET", "/", Some("y"), &crumbs), |fields| {
        read(fields, true, &limits).unwrap();
        let joined = (0..fields.len()).filter(|index| fields.name(*index) == b"cookie");
        let joined: Vec<usize> = joined.map(|index| fields.value(index).len()).collect();
        assert_eq!(joined, [crumbs.len() * (value.len() + 2) - 2]);
    });
    let too_large = vec![("cookie", value); limits.header_size_max / (value.len() + 2) + 1];
    with(&request("GET", "/", Some("y"), &too_large), |fields| {
        assert!(read(fields, true, &limits).is_err());
    });
}

#[test]
fn trailers_without_what_frames_a_message() {
    let good = [("x-sum", "7"), ("content-length", "1"), ("host", "z")];
    let limits = ServerLimits::default();
    let trailers = with(&good, |fields| super::trailers(fields, &limits)).unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &"7".parse().unwrap()));
    for bad in [(":path", "/"), ("A", "b"), ("connection", "close"), ("a", "b\r\nc: d")] {
        assert!(
            with(&[bad], |fields| super::trailers(fields, &limits)).is_none(),
            "{bad:?}"
        );
    }
    assert!(with(&[("a", " b")], |fields| super::trailers(fields, &limits)).is_none());
    // More than a map of fields can hold, and more than a head may have.
    for count in [30_000, limits.header_count_max + 1] {
        let many = vec![("a", "b"); count];
        assert!(
            with(&many, |fields| super::trailers(fields, &limits)).is_none(),
            "{count}"
        );
    }
    let large = "b".repeat(limits.header_size_max);
    assert!(with(&[("a", &large)], |fields| super::trailers(fields, &limits)).is_none());
}
