//! What passes through beside requests and answers: hints before the answer, a body that waits to be asked for, trailers, a
//! change of protocol; and what an origin says that cannot be passed through.

use crate::harness::{Client, Gate, Origin, Peregrine, Reply, Signal, request, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[test]
fn hints_reach_the_client_before_the_answer_and_are_not_stored() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let origin = Origin::start(move |_| {
        Reply::default()
            .head(
                103,
                &[
                    ("link", "</style.css>; rel=preload"),
                    ("connection", "x-hop"),
                    ("x-hop", "1"),
                ],
            )
            .wait(&waiting)
            .then(&Reply::ok(&[("cache-control", "max-age=600")], "whole"))
    });
    let peregrine = Peregrine::before(&origin, "");
    for method in ["GET", "POST"] {
        let mut client = Client::connect(peregrine.address);
        client.send(request(method, "/page", &[("content-length", "0")]));
        let hint = client.head().unwrap();
        assert_eq!(
            (hint.status, hint.field("link").as_str()),
            (103, "</style.css>; rel=preload")
        );
        assert!(!hint.has("x-hop") && !hint.has("connection"), "{:?}", hint.fields);
        gate.open();
        assert_eq!(
            (client.read(method).text().as_str(), origin.count()),
            ("whole", 1 + usize::from(method == "POST"))
        );
    }
    let mut client = Client::connect(peregrine.address);
    let first = client.send(request("GET", "/other", &[])).head().unwrap();
    assert_eq!((first.status, client.read("GET").status), (103, 200));
    let hit = client.send(request("GET", "/other", &[])).head().unwrap();
    assert_eq!((hit.status, hit.is_hit()), (200, true), "nobody hints at what is there");
}

/// An origin that changes to whatever is asked for, and then sends everything back; and the heads that it heard.
fn echoing() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, heard) = (stream.unwrap(), Arc::clone(&heard));
            std::thread::spawn(move || echo(stream, &heard));
        }
    });
    (address, heads)
}

fn echo(mut stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let asked = head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n");
    heard.lock().unwrap().push(head);
    if !asked {
        let _ = stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\n";
    stream.write_all(switched).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 || stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[test]
fn a_websocket_passes_through_both_ways_until_its_end() {
    let (address, heads) = echoing();
    let text = format!(
        "[[upstream]]\nname = \"chat\"\ntargets = [\"http://{address}\"]\n[[route]]\nname = \"chat\"\nupstream = \"chat\"\n"
    );
    let peregrine = Peregrine::start(&text);
    let mut client = Client::connect(peregrine.address);
    let switched = client.send(request("GET", "/chat", &HANDSHAKE)).head().unwrap();
    assert_eq!(
        (switched.status, switched.field("upgrade").as_str()),
        (101, "websocket"),
        "{:?}",
        switched.fields
    );
    assert!(
        switched.field("connection").eq_ignore_ascii_case("upgrade") && switched.field("sec-websocket-accept") == "x"
    );
    // Masked bytes and bytes that would be HTTP are the same here.
    for bytes in [
        &b"\x81\x85\x01\x02\x03\x04hello"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 100_000],
    ] {
        client.send(bytes);
        assert_eq!(client.bytes(bytes.len()), bytes);
    }
    until("it to count as under way", || {
        peregrine.metric("peregrine_target_in_flight", &[]) == 1.0
    });
    client.leave();
    until("it to end", || {
        peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
    assert!(heads.lock().unwrap()[0].contains("sec-websocket-key"));
    assert_eq!(
        peregrine.metric("peregrine_decisions_total", &["reason=\"upgrade\""]),
        1.0
    );
}

#[test]
fn a_websocket_that_stays_open_is_closed_after_the_drain_time_and_nothing_went_wrong() {
    let (address, _) = echoing();
    let text = format!(
        "[server]\ndrain_time = \"200ms\"\n[[upstream]]\nname = \"chat\"\ntargets = [\"http://{address}\"]\n\
         [[route]]\nname = \"chat\"\nupstream = \"chat\"\n"
    );
    let mut peregrine = Peregrine::start(&text);
    let mut client = Client::connect(peregrine.address);
    let switched = client.send(request("GET", "/chat", &HANDSHAKE)).head().unwrap();
    assert_eq!(switched.status, 101);
    peregrine.process.signal(Signal::TERM);
    assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
    assert!(client.is_closed());
}

#[test]
fn only_protocols_on_the_list_are_changed_to() {
    let (address, heads) = echoing();
    let text = format!(
        "[[upstream]]\nname = \"chat\"\ntargets = [\"http://{address}\"]\n\
         [[route]]\nmatch.path = \"/off\"\nupgrades = []\nupstream = \"chat\"\n[[route]]\nupstream = \"chat\"\n"
    );
    let peregrine = Peregrine::start(&text);
    let h2c = [
        ("connection", "upgrade, http2-settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "x"),
    ];
    for (target, fields) in [("/off", &HANDSHAKE[..]), ("/on", &h2c)] {
        let answer = peregrine.get(target, fields);
        assert_eq!(answer.status, 426, "{target}");
    }
    assert!(
        heads.lock().unwrap().iter().all(|head| !head.contains("upgrade")),
        "{heads:?}"
    );
    let mut client = Client::connect(peregrine.address);
    assert_eq!(
        client.send(request("GET", "/on", &HANDSHAKE)).head().unwrap().status,
        101
    );
}

#[test]
fn trailers_come_after_an_answer_for_who_takes_them_stored_or_not() {
    let origin = Origin::start(|heard| {
        let reply = Reply::default().head(
            200,
            &[
                ("transfer-encoding", "chunked"),
                ("cache-control", &heard.field("x-how")),
            ],
        );
        reply.chunk(b"ok").send("0\r\nx-sum: 7\r\ncontent-length: 3\r\n\r\n")
    });
    let peregrine = Peregrine::before(&origin, "");
    let ask = |target: &str, how: &str, te: &str| {
        let mut client = Client::connect(peregrine.address);
        let fields = [("te", te), ("connection", "te, close"), ("x-how", how)];
        client.send(request("GET", target, &fields));
        let head = client.head().unwrap();
        assert_eq!(head.status, 200);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest);
        String::from_utf8(rest).unwrap()
    };
    for how in ["no-store", "max-age=600"] {
        assert!(
            ask("/with", how, "trailers").ends_with("0\r\nx-sum: 7\r\n\r\n"),
            "{how}"
        );
        assert!(!ask("/without", how, "gzip").contains("x-sum"), "{how}");
    }
    let loads = origin.heard().len();
    until("the trailers of what is stored", || {
        ask("/with", "max-age=600", "trailers").ends_with("0\r\nx-sum: 7\r\n\r\n")
    });
    assert_eq!(ask("/with", "max-age=600", "gzip"), "ok");
    assert_eq!(origin.heard().len(), loads, "all of it came from the cache");
}

#[test]
fn a_body_is_sent_only_when_the_origin_wants_it() {
    let origin = Origin::start(|heard| match heard.target.as_str() {
        "/no" => Reply::status(413, &[], "too much").cut(),
        _ => Reply::ok(&[], &heard.body),
    });
    let peregrine = Peregrine::before(&origin, "");
    let fields = [("expect", "100-continue"), ("content-length", "4")];
    let mut client = Client::connect(peregrine.address);
    client.send(request("PUT", "/yes", &fields));
    // The origin of these scenarios knows nothing of expectations: the body is sent after a second.
    assert_eq!(client.head().unwrap().status, 100);
    assert_eq!(client.send("body").read("PUT").text(), "body");
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused_by_name() {
    let origin = Origin::start(|heard| {
        Reply::default().send(match heard.target.as_str() {
            "/framing" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
            "/fold" => "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
            "/smuggled" => {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
            }
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine",
        })
    });
    let peregrine = Peregrine::before_with(&origin, "ejection.failures = 0", "");
    for (target, word) in [("/framing", "response_framing"), ("/fold", "protocol")] {
        let answer = peregrine.get(target, &[]);
        let kind = answer.json()["type"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, kind.ends_with(word)), (502, true), "{target}: {kind}");
        let label = format!("kind=\"{word}\"");
        assert!(peregrine.metric("peregrine_target_errors_total", &[&label]) >= 1.0);
        assert_eq!(peregrine.get("/next", &[]).text(), "fine");
    }
    for _ in 0..5 {
        assert_eq!(peregrine.get("/smuggled", &[]).text(), "ok");
        assert_eq!(peregrine.get("/next", &[]).text(), "fine");
    }
}

#[test]
fn health_checks_take_a_target_out_and_spare_ones_step_in() {
    let up = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let well = Arc::clone(&up);
    let name = |name: &'static str| Reply::ok(&[("cache-control", "no-store")], name);
    let best = Origin::start(move |heard| match heard.target.as_str() {
        "/up" if !well.load(std::sync::atomic::Ordering::SeqCst) => Reply::status(503, &[], ""),
        _ => name("best"),
    });
    let spare = Origin::start(move |_| name("spare"));
    let (first, second) = (best.url(), spare.url());
    let text = |limit: u32| {
        format!(
            "[[upstream]]\nname = \"origin\"\nslow_start = \"0s\"\nconnections_max = {limit}\n\
             targets = [{{ url = \"{first}\", weight = 2 }}, {{ url = \"{second}\", priority = 1 }}]\n\
             health = {{ path = \"/up\", interval = \"100ms\", healthy_after = 1, unhealthy_after = 2 }}\n\
             [[route]]\nupstream = \"origin\"\n"
        )
    };
    let peregrine = Peregrine::start(&text(5));
    let asks = |expected: &str| peregrine.get("/", &[]).text() == expected;
    assert!((0..5).all(|_| asks("best")));
    up.store(false, std::sync::atomic::Ordering::SeqCst);
    until("the spare one to step in", || asks("spare"));
    let label = format!("target=\"{first}\"");
    assert_eq!(peregrine.metric("peregrine_target_failing_checks", &[&label]), 1.0);
    peregrine.reload(&text(6));
    assert!((0..5).all(|_| asks("spare")), "a reload forgets nothing of it");
    assert!(peregrine.metric("peregrine_target_requests_total", &[&label]) >= 5.0);
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    until("the best one to be back", || asks("best"));
}

#[test]
fn what_is_asked_of_the_server_as_a_whole_is_answered_here() {
    let origin = Origin::start(|_| Reply::ok(&[], "not reached"));
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    for target in ["*", "http://shop.example"] {
        let answer = client.send(request("OPTIONS", target, &[])).read("OPTIONS");
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{target}");
    }
    assert_eq!(
        client.send(request("OPTIONS", "/", &[])).read("OPTIONS").text(),
        "not reached"
    );
    assert_eq!(origin.heard().len(), 1);
}
