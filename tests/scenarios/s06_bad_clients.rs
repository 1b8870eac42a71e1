//! Clients that send nonsense, too much or too slowly, do not read, or leave: each is told or cut off within its limits,
//! and nobody else notices.

use crate::harness::{Client, Origin, Peregrine, Reply, request, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Asks a request as others do, to see that they are served.
#[track_caller]
fn others_are_served(peregrine: &Peregrine) {
    let answer = peregrine.get("/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{answer:?}");
}

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "ok"))
}

#[test]
fn what_is_no_http_or_has_framing_in_doubt_is_refused_and_the_connection_closed() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let (host, get) = ("host: a\r\n", "GET / HTTP/1.1\r\nhost: a\r\n");
    let post = "POST / HTTP/1.1\r\nhost: a\r\n";
    for (bytes, status) in [
        (
            "\u{1}\u{2}\u{3}\u{4} garbage that never was HTTP\r\n\r\n".to_owned(),
            400,
        ),
        (
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}TLS to a plain port\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET /a b HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}no colon here\r\n\r\n"), 400),
        (format!("{get}bad name: 1\r\n\r\n"), 400),
        (format!("{get}x-space : 1\r\n\r\n"), 400),
        (format!("{get}x-folded: 1\r\n 2\r\n\r\n"), 400),
        (format!("{get}x-null: \0\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("{get}host: b\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: user@a\r\n\r\n".to_owned(), 400),
        (format!("GET a HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET ftp://a/ HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("CONNECT a:443 HTTP/1.1\r\n{host}\r\n"), 501),
        (format!("{post}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"), 400),
        (format!("{post}content-length: -1\r\n\r\n"), 400),
        (format!("{post}content-length: +3\r\n\r\nabc"), 400),
        (format!("{post}content-length: 3, 4\r\n\r\nabc"), 400),
        (
            format!("{post}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (format!("{post}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}transfer-encoding: identity\r\n\r\n"), 400),
    ] {
        let mut client = Client::connect(peregrine.address);
        // What follows on the connection must not be taken for a request.
        client.send(&bytes).send("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = client.read("GET");
        assert_eq!(answer.status, status, "{bytes:?}: {}", answer.text());
        assert_eq!(answer.field("content-type"), "application/problem+json", "{bytes:?}");
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!(origin.count(), 0, "{:?}", origin.heard());
    others_are_served(&peregrine);
}

#[test]
fn a_body_that_is_announced_in_two_ways_is_the_last_of_its_connection() {
    let origin = Origin::start(|heard| Reply::ok(&[], &heard.body));
    let peregrine = Peregrine::before(&origin, "");
    let (length, chunked) = ("content-length: 30\r\n", "transfer-encoding: chunked\r\n");
    for fields in [[length, chunked], [chunked, length]] {
        let mut client = Client::connect(peregrine.address);
        // RFC 9112 §6.3: the chunks count, and nothing that follows is taken for a request.
        client.send(format!(
            "POST /a HTTP/1.1\r\nhost: a\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n",
            fields.concat()
        ));
        client.send("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = client.read("POST");
        assert!(answer.status == 400 || answer.text() == "abc", "{answer:?}");
        assert!(client.is_closed());
    }
    for heard in origin.heard() {
        assert_eq!(
            (
                heard.target.as_str(),
                heard.has("content-length") && heard.has("transfer-encoding")
            ),
            ("/a", false)
        );
    }
}

#[test]
fn chunks_that_lie_end_the_request_and_the_origin_sees_no_end() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    for body in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc",
        "-3\r\nabc\r\n0\r\n\r\n",
    ] {
        let mut client = Client::connect(peregrine.address);
        client.send(format!(
            "POST /write HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        ));
        let answer = client.read("POST");
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
        assert!(client.is_closed(), "{body:?}");
    }
    assert!(
        origin.heard().iter().all(|heard| heard.target != "/write"),
        "half a write was taken for a whole one"
    );
    others_are_served(&peregrine);
}

#[test]
fn what_is_too_large_is_refused_with_the_status_that_says_so() {
    let origin = well();
    let limits = "[server]\nheader_size_max = \"8KiB\"\nheader_count_max = 32\nuri_length_max = \"1KiB\"\nrequest_body_max = \"1KiB\"\n";
    let peregrine = Peregrine::before(&origin, limits);
    let fields = |count: usize| "x: 1\r\n".repeat(count);
    let long = |length: usize| "a".repeat(length);
    for (text, status) in [
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(1000)), 200),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(1100)), 414),
        // So long that the head is larger than allowed before its target ends.
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(200_000)), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(4000)), 200),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(9000)), 431),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(900_000)),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", fields(20)), 200),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", fields(60)), 431),
        (
            format!(
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{}",
                long(1000)
            ),
            200,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000\r\n\r\n{}",
                long(2000)
            ),
            413,
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
                long(2000)
            ),
            413,
        ),
    ] {
        let mut client = Client::connect(peregrine.address);
        let sent = client.try_send(&text);
        let what = &text[..text.len().min(60)];
        let answer = client
            .head()
            .unwrap_or_else(|| panic!("no answer ({sent:?}): {what:?}"));
        assert_eq!(answer.status, status, "{what:?}");
    }
    let largest = origin.heard().iter().map(|heard| heard.body.len()).max();
    assert_eq!(largest, Some(1000), "no larger body reached the origin");
}

#[test]
fn a_head_that_comes_drop_by_drop_ends_within_its_limit() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "[server]\nheader_timeout = \"300ms\"\n");
    let mut silent = Client::connect(peregrine.address);
    silent.send("GET / HTTP/1.1\r\n");
    let answer = silent.read("GET");
    assert_eq!(
        (answer.status, answer.field("content-type").as_str()),
        (408, "application/problem+json")
    );
    assert!(silent.is_closed());
    let mut slow = Client::connect(peregrine.address);
    slow.send("GET / HTTP/1.1\r\nhost: a\r\n");
    // Each byte is in time; all of them together are not.
    until("the slow client to be refused", || {
        slow.try_send("x").is_err() || slow.has_data()
    });
    assert!(slow.head().is_none_or(|answer| answer.status == 408));
    assert_eq!(origin.count(), 0);
    others_are_served(&peregrine);
}

#[test]
fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "[server]\nkeepalive_timeout = \"1s\"\n");
    let mut client = Client::connect(peregrine.address);
    assert_eq!(client.send(request("GET", "/", &[])).read("GET").status, 200);
    assert!(client.is_closed(), "after its time without a request");
    until("it to be gone", || {
        peregrine.metric("peregrine_connections_open", &[]) == 0.0
    });
}

#[test]
fn a_body_that_stops_arriving_ends_within_its_limit_and_is_no_whole_write() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "[server]\nstall_timeout = \"1s\"\n");
    let mut client = Client::connect(peregrine.address);
    client.send("POST /write HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nonly this");
    assert_eq!(client.read("POST").status, 408);
    assert!(client.is_closed());
    assert_eq!(origin.count(), 0, "half a write is none");
    others_are_served(&peregrine);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_writes_nothing() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    client.send("POST /write HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nonly this");
    until("the origin to be connected", || origin.connections() == 1);
    client.leave();
    until("it to be gone", || {
        peregrine.metric("peregrine_connections_open", &[]) == 0.0
    });
    assert_eq!(origin.count(), 0);
    others_are_served(&peregrine);
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_its_origin_let_go() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let origin = Origin::start(move |heard| match heard.target.as_str() {
        "/film" => Reply::default()
            .head(200, &[("content-length", &(4u64 << 30).to_string())])
            .flood(4 << 30, &counter),
        _ => Reply::ok(&[], "ok"),
    });
    let peregrine = Peregrine::before(&origin, "[server]\nstall_timeout = \"1s\"\n");
    let mut sleeper = peregrine.begin("/film", &[]);
    sleeper.head().unwrap();
    until("it to be cut off", || {
        peregrine.metric("peregrine_stalled_connections_total", &[]) == 1.0
    });
    until("the request to end", || {
        peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
    assert!(
        sent.load(Ordering::SeqCst) < 64 << 20,
        "the origin had to send what nobody read"
    );
    others_are_served(&peregrine);
}

#[test]
fn clients_that_leave_before_their_answer_leave_nothing_behind() {
    let (gate, origin) = Origin::gated();
    let peregrine = Peregrine::before(&origin, "");
    let leaving: Vec<Client> = (0..50)
        .map(|number| peregrine.begin(&format!("/slow/{number}"), &[]))
        .collect();
    until("all of them to be under way", || origin.count() == 50);
    leaving.into_iter().for_each(Client::leave);
    until("them to be gone", || {
        peregrine.metric("peregrine_connections_open", &[]) == 0.0
    });
    others_are_served(&peregrine);
    gate.open();
    until("the origin to be done with them", || {
        peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
}

#[test]
fn more_connections_than_allowed_are_told_so() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "[server]\nconnections_max = 4\n");
    let mut held: Vec<Client> = (0..4).map(|_| Client::connect(peregrine.address)).collect();
    for client in &mut held {
        assert_eq!(client.send(request("GET", "/", &[])).read("GET").status, 200);
    }
    let mut further = Client::connect(peregrine.address);
    assert_eq!(further.read("GET").status, 503);
    held.pop().unwrap().leave();
    until("a place to be free", || {
        let mut client = Client::connect(peregrine.address);
        client.try_send(request("GET", "/", &[])).is_ok() && client.head().is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn without_file_descriptors_it_waits_and_goes_on_when_there_are_some_again() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    others_are_served(&peregrine);
    peregrine.process.allow_more_files(5);
    let crowd: Vec<Client> = (0..30).map(|_| Client::connect(peregrine.address)).collect();
    until("the log to say so", || {
        peregrine.log().contains("no connection can be taken")
    });
    crowd.into_iter().for_each(Client::leave);
    others_are_served(&peregrine);
    assert!(peregrine.metric("peregrine_accept_failures_total", &[]) >= 1.0);
}

#[test]
fn requests_sent_ahead_are_answered_in_their_order() {
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.target));
    let peregrine = Peregrine::before(&origin, "");
    let mut client = Client::connect(peregrine.address);
    let targets: Vec<String> = (0..50).map(|number| format!("/{}", number % 7)).collect();
    client.send(
        targets
            .iter()
            .map(|target| request("GET", target, &[]))
            .collect::<String>(),
    );
    for target in &targets {
        assert_eq!(client.read("GET").text(), *target);
    }
}
