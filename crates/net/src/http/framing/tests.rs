//! Which requests a handler gets to see, by table.

use super::*;
use ::http::Request;

const BOUNDS: Bounds = Bounds {
    uri_length_max: 20,
    body_max: 100,
};

/// Names and values.
type Fields<'a> = &'a [(&'static str, &'static str)];

/// The outcome for a request line and fields: target and Host that the handler sees, or the refusal.
fn outcome(method: &str, target: &str, version: Version, fields: Fields<'_>) -> Result<String, Refusal> {
    let mut request = Request::builder().method(method).uri(target).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    admit(&mut head, &BOUNDS)?;
    let host = head.headers.get(HOST).map_or("", |host| host.to_str().unwrap());
    Ok(format!("{} {host}", head.uri))
}

#[test]
fn targets_and_hosts() {
    let table: &[(&str, &str, Fields<'_>, Result<&str, Refusal>)] = &[
        ("GET", "/a?b", &[("host", "x")], Ok("/a?b x")),
        ("GET", "/", &[("host", "x:80")], Ok("/ x:80")),
        ("GET", "/", &[("host", "[::1]:80")], Ok("/ [::1]:80")),
        ("GET", "http://y/a?b", &[("host", "x")], Ok("/a?b y")),
        ("GET", "https://y:8443", &[("host", "x")], Ok("/ y:8443")),
        ("GET", "http://y/", &[], Ok("/ y")),
        ("OPTIONS", "*", &[("host", "x")], Ok("* x")),
        ("GET", "*", &[("host", "x")], Err(Refusal::Target)),
        ("GET", "y:80", &[("host", "x")], Err(Refusal::Target)),
        ("GET", "ftp://y/", &[("host", "x")], Err(Refusal::Target)),
        ("GET", "http://u:p@y/", &[("host", "x")], Err(Refusal::Target)),
        ("CONNECT", "y:80", &[("host", "y:80")], Err(Refusal::Method)),
        ("GET", "/", &[], Err(Refusal::HostMissing)),
        ("GET", "/", &[("host", "x"), ("host", "x")], Err(Refusal::HostTwice)),
        (
            "GET",
            "http://y/",
            &[("host", "x"), ("host", "y")],
            Err(Refusal::HostTwice),
        ),
        ("GET", "/", &[("host", "")], Err(Refusal::HostInvalid)),
        ("GET", "/", &[("host", "x/y")], Err(Refusal::HostInvalid)),
        ("GET", "/", &[("host", "u@x")], Err(Refusal::HostInvalid)),
        ("GET", "/", &[("host", "x y")], Err(Refusal::HostInvalid)),
        (
            "GET",
            "/12345678901234567890",
            &[("host", "x")],
            Err(Refusal::UriTooLong),
        ),
        (
            "GET",
            "/1234567890123456789",
            &[("host", "x")],
            Ok("/1234567890123456789 x"),
        ),
    ];
    for (method, target, fields, expected) in table {
        let found = outcome(method, target, Version::HTTP_11, fields);
        assert_eq!(found, expected.map(str::to_owned), "{method} {target} {fields:?}");
    }
}

#[test]
fn http_1_0_may_do_without_a_host() {
    assert_eq!(outcome("GET", "/", Version::HTTP_10, &[]).unwrap(), "/ ");
    assert_eq!(
        outcome("GET", "/", Version::HTTP_10, &[("host", "")]),
        Err(Refusal::HostInvalid)
    );
}

#[test]
fn one_way_only_to_tell_where_a_body_ends() {
    let table: &[(Fields<'_>, Option<Refusal>)] = &[
        (&[("content-length", "100")], None),
        (&[("content-length", "101")], Some(Refusal::BodyTooLarge)),
        (&[("transfer-encoding", "chunked")], None),
        (&[("transfer-encoding", "Chunked")], None),
        (
            &[("transfer-encoding", "gzip, chunked")],
            Some(Refusal::TransferEncoding),
        ),
        (
            &[("transfer-encoding", "chunked, chunked")],
            Some(Refusal::TransferEncoding),
        ),
        (&[("transfer-encoding", "identity")], Some(Refusal::TransferEncoding)),
        (
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            Some(Refusal::TransferEncoding),
        ),
        (
            &[("transfer-encoding", "chunked"), ("content-length", "5")],
            Some(Refusal::TransferEncoding),
        ),
    ];
    for (fields, expected) in table {
        let fields: Vec<_> = fields.iter().copied().chain([("host", "x")]).collect();
        assert_eq!(
            outcome("POST", "/", Version::HTTP_11, &fields).err(),
            *expected,
            "{fields:?}"
        );
    }
}

#[test]
fn refusals_know_their_place_and_have_words_of_their_own() {
    let mut words = std::collections::HashSet::new();
    for (index, refusal) in Refusal::ALL.iter().enumerate() {
        assert_eq!(refusal.index(), index);
        assert!(words.insert(refusal.as_str()));
        assert!(refusal.problem().to_json().contains(refusal.as_str()));
    }
}
