//! Answers in content codings, as clients of today unpack them.

use crate::harness::program::upstream;
use crate::harness::{Answer, Client, Origin, Peregrine, Reply, request, until};
use std::process::Command;

/// A page of 240 KiB.
fn page() -> String {
    (0..6000)
        .map(|line| format!("{line:05} a line of a page of our own\n"))
        .collect()
}

fn origin() -> Origin {
    Origin::start(|heard| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("content-type", "text/html"),
            ("etag", "\"1\""),
        ];
        match &*heard.field("if-none-match") {
            "\"1\"" => Reply::status(304, &fields, ""),
            _ => Reply::ok(&fields, page()),
        }
    })
}

/// Waits until answers to clients with this Accept-Encoding come in `coding`.
fn encoded(peregrine: &Peregrine, accept: &str, coding: &str) -> Answer {
    until(coding, || {
        peregrine
            .get("/", &[("accept-encoding", accept)])
            .field("content-encoding")
            == coding
    });
    peregrine.get("/", &[("accept-encoding", accept)])
}

/// What curl makes of it, with the head on its error output.
fn curl(peregrine: &Peregrine, arguments: &[&str]) -> Option<(String, String)> {
    let url = format!("http://{}/", peregrine.address);
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--dump-header", "/dev/stderr", &url])
        .args(arguments)
        .args(["--header", "host: shop.example"])
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let head = String::from_utf8_lossy(&output.stderr).to_ascii_lowercase();
    assert!(output.status.success(), "{head}");
    Some((String::from_utf8(output.stdout).unwrap(), head))
}

#[test]
fn curl_unpacks_what_it_accepts() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    for coding in ["zstd", "br", "gzip"] {
        let length = encoded(&peregrine, coding, coding)
            .field("content-length")
            .parse::<usize>()
            .unwrap();
        assert!(length < page().len() / 4, "{coding}: {length}");
        let accept = format!("accept-encoding: {coding}");
        let Some((body, head)) = curl(&peregrine, &["--compressed", "--header", &accept]) else {
            eprintln!("curl is not installed: left out");
            return;
        };
        assert!(head.contains(&format!("content-encoding: {coding}")), "{head}");
        assert!(head.contains(&format!("etag: \"1-{coding}\"")), "{head}");
        assert!(body == page(), "{coding}: {} bytes", body.len());
    }
    // What curl itself says that it accepts.
    let (body, head) = curl(&peregrine, &["--compressed"]).unwrap();
    assert!(body == page() && head.contains("content-encoding: "), "{head}");
    let (body, head) = curl(&peregrine, &[]).unwrap();
    assert!(body == page() && !head.contains("content-encoding"), "{head}");
}

#[test]
fn an_encoded_answer_keeps_its_connection_and_is_counted() {
    let origin = origin();
    let peregrine = Peregrine::before(&origin, "");
    encoded(&peregrine, "gzip, br", "br");
    let mut client = Client::connect(peregrine.address);
    for _ in 0..3 {
        let answer = client
            .send(request("GET", "/", &[("accept-encoding", "br")]))
            .read("GET");
        assert_eq!((answer.status, &*answer.field("content-encoding")), (200, "br"));
        assert!(answer.complete && answer.is_hit());
        let answer = client
            .send(request("HEAD", "/", &[("accept-encoding", "br")]))
            .read("HEAD");
        assert_eq!((answer.status, &*answer.field("etag")), (200, "\"1-br\""));
        let current = [("accept-encoding", "br"), ("if-none-match", "\"1-br\"")];
        let answer = client.send(request("GET", "/", &current)).read("GET");
        assert_eq!((answer.status, &*answer.field("etag")), (304, "\"1-br\""));
        let part = [("accept-encoding", "br"), ("range", "bytes=5-9")];
        let answer = client.send(request("GET", "/", &part)).read("GET");
        assert_eq!((answer.status, &*answer.text()), (206, &page()[5..10]));
    }
    assert!(peregrine.metric("peregrine_encoded_responses_total", &["coding=\"br\""]) >= 3.0);
    assert!(peregrine.metric("peregrine_cache_encodings_total", &["reason=\"stored\""]) >= 1.0);
}

#[test]
fn a_strategy_says_what_is_offered_and_a_reload_changes_it() {
    let origin = origin();
    let strategy = |fields: &str| format!("[strategy.default]\n{fields}\n");
    let peregrine = Peregrine::before(&origin, &strategy("encode = [\"gzip\"]"));
    encoded(&peregrine, "gzip, br, zstd", "gzip");
    peregrine.reload(&upstream(&[&origin], "", &strategy("encode = []")));
    let answer = peregrine.get("/", &[("accept-encoding", "gzip")]);
    assert_eq!((&*answer.field("content-encoding"), &*answer.field("vary")), ("", ""));
}

#[test]
fn one_answer_of_an_origin_that_compresses_is_enough_for_those_who_cannot_unpack() {
    // `hello`, by gzip.
    const PACKED: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let origin = Origin::start(|_| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("etag", "\"a\""),
            ("content-encoding", "gzip"),
            ("vary", "Accept-Encoding"),
        ];
        Reply::ok(&fields, PACKED)
    });
    let peregrine = Peregrine::before(&origin, "");
    assert_eq!(peregrine.get("/", &[("accept-encoding", "gzip")]).body, PACKED);
    until("it to be stored", || {
        peregrine.metric("peregrine_cache_stored_total", &[]) >= 1.0
    });
    let plain = peregrine.get("/", &[]);
    assert_eq!((plain.is_hit(), &*plain.text()), (true, "hello"), "{:?}", plain.fields);
    assert_eq!(
        (plain.has("content-encoding"), &*plain.field("etag")),
        (false, "W/\"a\"")
    );
    assert_eq!(origin.count(), 1);
}
