//! What a proxy does to every message, whether or not anything is cached.

use crate::harness::{Client, Gate, Origin, Peregrine, Reply, get, request, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_request_reaches_the_origin_with_its_body_and_host_and_comes_back_with_the_answer() {
    let origin = Origin::start(|heard| Reply::status(201, &[("x-seen", &heard.target)], &heard.body));
    let peregrine = Peregrine::before(&origin, "");
    let body = "price=17";
    let fields = [
        ("host", "shop.example:8080"),
        ("content-length", "8"),
        ("x-mine", "kept"),
    ];
    let answer = Client::connect(peregrine.address)
        .send(request("POST", "/products?draft=1", &fields) + body)
        .read("POST");
    assert_eq!((answer.status, answer.text().as_str()), (201, body));
    assert_eq!(answer.field("x-seen"), "/products?draft=1");
    let heard = &origin.heard()[0];
    assert_eq!(
        (heard.method.as_str(), heard.field("host").as_str()),
        ("POST", "shop.example:8080")
    );
    assert_eq!(heard.field("x-mine"), "kept");
    assert_eq!(heard.body, body.as_bytes());
}

#[test]
fn fields_of_one_hop_stay_there_and_the_way_is_told_truthfully() {
    let origin = Origin::start(|_| {
        Reply::ok(
            &[("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5")],
            "ok",
        )
    });
    let peregrine = Peregrine::before(&origin, "");
    let fields = [
        ("connection", "x-private"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic eA=="),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-request-id", "forged"),
    ];
    let answer = peregrine.get("/", &fields);
    assert!(!answer.has("x-hop") && !answer.has("keep-alive"), "{answer:?}");
    let heard = &origin.heard()[0];
    for gone in ["x-private", "te", "proxy-authorization"] {
        assert!(!heard.has(gone), "{gone} went on");
    }
    assert_eq!(
        heard.field("x-forwarded-for"),
        "127.0.0.1",
        "an untrusted client cannot claim another address"
    );
    assert_eq!(heard.field("x-forwarded-proto"), "http");
    assert_eq!(
        heard.field("x-forwarded-host"),
        "shop.example",
        "nor another host, by which it could poison what is stored"
    );
    assert!(heard.field("via").contains("1.1 peregrine") && answer.field("via").contains("1.1 peregrine"));
    assert_ne!(heard.field("x-request-id"), "forged");
    assert_eq!(heard.field("x-request-id"), answer.field("x-request-id"));
}

#[test]
fn a_trusted_proxy_is_believed() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let peregrine = Peregrine::before(&origin, "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    peregrine.get(
        "/",
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "abc-1"),
        ],
    );
    let heard = &origin.heard()[0];
    assert_eq!(heard.field("x-forwarded-for"), "6.6.6.6, 127.0.0.1");
    assert_eq!(heard.field("x-forwarded-proto"), "https");
    assert_eq!(heard.field("x-request-id"), "abc-1");
}

#[test]
fn no_route_is_a_problem_that_says_so() {
    let origin = Origin::start(|_| Reply::ok(&[], "ok"));
    let peregrine = Peregrine::before(
        &origin,
        "[[route]]\nmatch = { host = \"shop.example\", path = \"/api/*\" }\nupstream = \"origin\"\n",
    );
    let answer = peregrine.get("/elsewhere", &[]);
    assert_eq!(
        (answer.status, answer.field("content-type").as_str()),
        (404, "application/problem+json")
    );
    assert!(
        answer.json()["type"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("no_route")),
        "{}",
        answer.text()
    );
    assert_eq!(peregrine.get("/api/a/b", &[]).status, 200);
    assert_eq!(peregrine.get("/api/a", &[("host", "other.example")]).status, 404);
    assert_eq!(origin.count(), 1);
}

#[test]
fn connections_are_kept_on_both_sides() {
    let origin = Origin::start(|_| Reply::ok(&[("cache-control", "no-store")], "ok"));
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    for _ in 0..20 {
        assert_eq!(client.send(request("GET", "/", &[])).read("GET").status, 200);
    }
    assert_eq!(origin.count(), 20);
    assert_eq!(origin.connections(), 1, "the origin's connection is used again");
}

#[test]
fn a_body_streams_both_ways_while_it_is_made() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        Reply::default()
            .head(200, &[("transfer-encoding", "chunked")])
            .chunk(b"first")
            .wait(&waiting)
            .chunk(b"second")
            .chunk(b"")
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    client.send(request("GET", "/", &[]));
    let head = client.head().unwrap();
    assert_eq!(head.field("transfer-encoding"), "chunked");
    assert_eq!(
        client.bytes(10),
        b"5\r\nfirst\r\n",
        "the first part is here before the second is made"
    );
    gate.open();
    assert_eq!(client.bytes(16), b"6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn a_client_of_http_1_0_gets_an_answer_that_it_understands() {
    let origin = Origin::start(|_| {
        let head = Reply::default().head(200, &[("transfer-encoding", "chunked"), ("cache-control", "no-store")]);
        head.chunk(b"in ").chunk(b"parts").chunk(b"")
    });
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    client.send("GET / HTTP/1.0\r\nhost: old.example\r\n\r\n");
    let answer = client.read("GET");
    assert!(!answer.has("transfer-encoding"), "HTTP/1.0 knows no chunks: {answer:?}");
    assert_eq!(answer.text(), "in parts");
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_before_it_sends_its_body_is_told_to_go_on() {
    let origin = Origin::start(|heard| Reply::ok(&[], &heard.body));
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    client.send(request(
        "POST",
        "/upload",
        &[("content-length", "4"), ("expect", "100-continue")],
    ));
    assert_eq!(client.head().unwrap().status, 100);
    assert_eq!(client.send("body").read("POST").text(), "body");
}

#[test]
fn ten_gigabytes_pass_through_and_a_client_that_does_not_read_stops_the_origin() {
    const LENGTH: u64 = 10 << 30;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let origin = Origin::start(move |_| {
        Reply::default()
            .head(
                200,
                &[("content-length", &LENGTH.to_string()), ("cache-control", "max-age=60")],
            )
            .flood(LENGTH, &counter)
    });
    let peregrine = Peregrine::before(&origin, "");
    let before = peregrine.process.resident_bytes();
    let mut client = Client::connect(peregrine.address);
    client.send(request("GET", "/video", &[]));
    assert_eq!(client.head().unwrap().status, 200);
    let mut last = 0;
    until("the origin to be held back", || {
        let now = sent.load(Ordering::SeqCst);
        let still = now == last && now > 0;
        last = now;
        std::thread::sleep(std::time::Duration::from_millis(50));
        still
    });
    assert!(
        last < 64 << 20,
        "{last} bytes were taken from the origin for a client that reads none"
    );
    for _ in 0..512 {
        client.bytes(1 << 20);
    }
    let grown = peregrine.process.resident_bytes().saturating_sub(before);
    assert!(
        grown < 64 << 20,
        "{grown} bytes are held after half a gigabyte went through"
    );
    client.leave();
    assert_eq!(
        get(peregrine.address, "/video", &[]).status,
        200,
        "others are served after the client left in the middle"
    );
}
