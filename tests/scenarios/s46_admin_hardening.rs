//! What is too large for the admin API is refused where it arrives, with the status that says so, whoever sends it; nothing
//! of it reaches a call, and the next client is answered as ever.

use crate::harness::{Answer, Client, Origin, Peregrine, Reply};
use serde_json::json;

const INVALIDATE: &str = "/api/performance/cache/invalidate";

/// Sends `bytes` to the admin port and reads the answer.
fn send(peregrine: &Peregrine, bytes: &[u8]) -> Answer {
    let mut client = Client::connect(peregrine.admin);
    // The server may have heard enough before it is all sent.
    let _ = client.try_send(bytes);
    client.read("GET")
}

/// A head that is well formed, with `fields` behind the usual ones.
fn head(peregrine: &Peregrine, method: &str, target: &str, token: bool, fields: &str) -> String {
    let authorization = if token {
        format!("Authorization: Bearer {}\r\n", peregrine.token)
    } else {
        String::new()
    };
    let host = peregrine.admin;
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}{fields}")
}

fn is_well(peregrine: &Peregrine) {
    let answer = peregrine.admin("GET", "/api/performance/health", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn heads_and_urls_that_are_too_large_are_refused_with_and_without_a_token() {
    let origin = Origin::start(|_| Reply::ok(&[], "page"));
    let peregrine = Peregrine::before(&origin, "");
    let long = "x".repeat(200_000);
    let many: String = (0..2000).map(|number| format!("X-{number}: 1\r\n")).collect();
    for token in [true, false] {
        for (target, fields, status) in [
            (
                "/api/performance/health".to_owned(),
                format!("X-Large: {long}\r\n"),
                431,
            ),
            (
                "/api/performance/health".to_owned(),
                format!("Cookie: a={long}\r\n"),
                431,
            ),
            ("/api/performance/health".to_owned(), many.clone(), 431),
            (
                format!("/api/performance/explain?url=/{}", &long[..20_000]),
                String::new(),
                414,
            ),
            (format!("/{}", &long[..20_000]), String::new(), 414),
        ] {
            let request = head(&peregrine, "GET", &target, token, &fields) + "\r\n";
            let answer = send(&peregrine, request.as_bytes());
            assert_eq!(answer.status, status, "{} of {} bytes", &target[..20], request.len());
            assert_eq!(answer.field("content-type"), "application/problem+json");
        }
        is_well(&peregrine);
    }
}

#[test]
fn bodies_that_are_too_large_are_refused_however_their_length_is_told() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "page"));
    let peregrine = Peregrine::before(&origin, "");
    peregrine.get("/page", &[]);
    let json = "Content-Type: application/json\r\n";
    let body = format!("{{\"all\":true,\"tags\":[\"{}\"]}}", "x".repeat(8 << 20));
    let announced = format!("{json}Content-Length: {}\r\n\r\n", body.len());
    let chunked = format!(
        "{json}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for (rest, what) in [
        (announced.clone(), "announced and not sent"),
        (announced + &body, "announced and sent"),
        (chunked, "in a chunk"),
    ] {
        let request = head(&peregrine, "POST", INVALIDATE, true, &rest);
        let answer = send(&peregrine, request.as_bytes());
        assert_eq!(answer.status, 413, "{what}: {}", answer.text());
        assert_eq!(
            answer.json()["type"]
                .as_str()
                .map(|kind| kind.ends_with("body_too_large")),
            Some(true),
            "{what}"
        );
        // Whoever may not call at all is told that, and nothing of limits.
        let stranger = head(&peregrine, "POST", INVALIDATE, false, &rest);
        assert_eq!(send(&peregrine, stranger.as_bytes()).status, 401, "{what}");
    }
    is_well(&peregrine);
    assert!(peregrine.get("/page", &[]).is_hit(), "nothing was invalidated");
    let small = peregrine.admin("POST", INVALIDATE, Some(&json!({"all": true})));
    assert_eq!(small.status, 200);
}
