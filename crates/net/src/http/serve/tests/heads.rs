//! What a request head may be, and what is answered when it is not.

use super::*;
use crate::tests::until;
use std::time::Duration;

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let running = Running::echo(|_| {});
    let mut client = running.client().await;
    client.send("GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.head().await.unwrap().contains("content-length: 7\r\ndate: "));
    assert_eq!(client.bytes(7).await, b"GET /1 ");
    // Two at once, and an absolute target.
    client
        .send("PUT /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhiGET http://y/3 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    client.head().await.unwrap();
    assert_eq!(client.bytes(9).await, b"PUT /2 hi");
    client.head().await.unwrap();
    assert_eq!(client.bytes(7).await, b"GET /3 ");
    client
        .send("HEAD /4 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let last = client.rest().await.unwrap();
    assert!(
        last.contains("content-length: 8") && last.ends_with("\r\n\r\n"),
        "{last}"
    );
    let status = running.server.status();
    assert_eq!((status.requests, status.connections_accepted), (4, 1));
    until("the connection is gone", || {
        running.server.status().connections_open == 0
    })
    .await;
}

#[tokio::test]
async fn heads_that_are_no_http_are_refused_with_a_problem() {
    let running = Running::echo(|limits| {
        (limits.header_size_max, limits.header_count_max, limits.uri_length_max) = (8192, 20, 100);
    });
    let many = "a: b\r\n".repeat(30);
    let large = format!("a: {}\r\n", "b".repeat(9000));
    let long = "a".repeat(200);
    let longest = "a".repeat(70_000);
    let table = [
        ("nonsense\r\n\r\n".to_owned(), Refusal::Malformed),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Refusal::Version),
        ("GET / HTTP/1.1\r\nhost x\r\n\r\n".to_owned(), Refusal::Malformed),
        (
            "GET / HTTP/1.1\r\nhost: x\r\na : b\r\n\r\n".to_owned(),
            Refusal::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n".to_owned(),
            Refusal::Malformed,
        ),
        ("GET / HTTP/3.0\r\nhost: x\r\n\r\n".to_owned(), Refusal::Version),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned(),
            Refusal::ContentLength,
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\na".to_owned(),
            Refusal::ContentLength,
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
            Refusal::TransferEncoding,
        ),
        (
            "POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            Refusal::TransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
            Refusal::TransferEncoding,
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Refusal::HostMissing),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n".to_owned(),
            Refusal::HostTwice,
        ),
        ("CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), Refusal::Method),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            Refusal::HeaderTooLarge,
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{large}\r\n"),
            Refusal::HeaderTooLarge,
        ),
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), Refusal::UriTooLong),
        (
            format!("GET /{longest} HTTP/1.1\r\nhost: x\r\n\r\n"),
            Refusal::HeaderTooLarge,
        ),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999999999\r\n\r\n".to_owned(),
            Refusal::BodyTooLarge,
        ),
    ];
    for (text, refusal) in table {
        let before = running.refused(refusal);
        // What stands behind a refused head is never taken for a request.
        let answer = running
            .whole_answer(&(text.clone() + "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        assert_problem(&answer, refusal);
        assert_eq!(running.refused(refusal), before + 1, "{text}");
    }
    assert_eq!(running.server.status().requests, 0);
}

#[tokio::test]
async fn a_refused_head_after_a_good_one_is_refused_as_well() {
    let running = Running::echo(|_| {});
    let answer = running
        .whole_answer("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n")
        .await;
    let (good, refused) = answer.split_at(answer.find("GET /1 ").unwrap() + 7);
    assert!(good.starts_with("HTTP/1.1 200 OK"));
    assert_problem(refused, Refusal::Malformed);
}

#[tokio::test]
async fn a_head_that_dribbles_is_answered_with_408_and_an_idle_connection_closed_in_silence() {
    let running = Running::echo(|limits| {
        limits.header_timeout = Duration::from_millis(50);
        limits.keepalive_timeout = Duration::from_millis(60);
    });
    // Begun and never finished, also after a request before it.
    assert_problem(
        &running.whole_answer("GET / HTTP/1.1\r\nhos").await,
        Refusal::HeaderTimeout,
    );
    let mut client = running.client().await;
    client.send("GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.head().await.unwrap();
    client.bytes(7).await;
    client.send("GET").await;
    assert_problem(&client.rest().await.unwrap(), Refusal::HeaderTimeout);
    // Never begun.
    assert_eq!(running.client().await.rest().await.unwrap(), "");
    let answer = running.whole_answer("GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("GET /1 "),
        "{answer}"
    );
    assert_eq!(running.refused(Refusal::HeaderTimeout), 2);
}

#[tokio::test]
async fn a_request_under_way_has_no_limit_of_the_connection() {
    let running = Running::start(
        |limits| {
            limits.header_timeout = Duration::from_millis(20);
            limits.keepalive_timeout = Duration::from_millis(20);
            limits.stall_timeout = Duration::from_millis(20);
        },
        async |_| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Response::new(Body::full("late"))
        },
    );
    let answer = running.whole_answer("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("late"), "{answer}");
}

#[tokio::test]
async fn an_upgrade_is_answered_as_if_it_had_not_been_asked_for() {
    let running = Running::echo(|_| {});
    let mut client = running.client().await;
    for _ in 0..2 {
        client
            .send("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await;
        assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200 OK"));
        assert_eq!(client.bytes(6).await, b"GET / ");
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_told_so() {
    let running = Running::echo(|limits| limits.connections_max = 1);
    let mut first = running.client().await;
    first.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    first.head().await.unwrap();
    assert_problem(&running.whole_answer("").await, Refusal::ConnectionsMax);
    assert_eq!(running.server.status().connections_open, 1);
    drop(first);
    until("there is room again", || running.server.status().connections_open == 0).await;
    let mut next = running.client().await;
    next.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(next.head().await.unwrap().starts_with("HTTP/1.1 200 OK"));
}
