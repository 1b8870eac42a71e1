//! What goes on while a request is under way: interim responses, bodies that are asked for, trailers, changed protocols, and
//! a client who waits too long.

use super::*;
use crate::http::{BodyError, Interim, Tunnel};
use crate::tests::until;
use ::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use http_body::Frame;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

#[tokio::test]
async fn interim_responses_arrive_before_the_answer_as_they_are_sent() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let running = Running::start(
        |_| {},
        move |request: Request<Body>| {
            let held = Arc::clone(&held);
            async move {
                if let Some(interim) = request.extensions().get::<Interim>() {
                    let mut hints = HeaderMap::new();
                    hints.insert("link", HeaderValue::from_static("</a.css>; rel=preload"));
                    interim.send(StatusCode::EARLY_HINTS, hints);
                    held.notified().await;
                    interim.send(StatusCode::PROCESSING, HeaderMap::new());
                }
                Response::new(Body::full("done"))
            }
        },
    );
    let mut client = running.client().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(
        client.head().await.unwrap(),
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    );
    release.notify_one();
    assert_eq!(client.head().await.unwrap(), "HTTP/1.1 102 Processing\r\n\r\n");
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    // HTTP/1.0 knows none.
    let old = running.whole_answer("GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_not_asked_for_and_the_connection_ends() {
    let running = Running::start(|_| {}, async |_| Response::new(Body::full("enough")));
    let answer = running
        .whole_answer("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("enough"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_body_that_is_here_is_not_asked_for() {
    let running = Running::echo(|_| {});
    let answer = running
        .whole_answer(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi",
        )
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("POST / hi"),
        "{answer}"
    );
}

/// An answer of `length` in two pieces, with a trailer.
fn with_trailer() -> Response<Body> {
    struct Pieces(VecDeque<Frame<Bytes>>);
    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("sum", HeaderValue::from_static("1"));
    trailers.insert("content-length", HeaderValue::from_static("9"));
    let data = |text: &'static str| Frame::data(Bytes::from_static(text.as_bytes()));
    let frames = [data("twenty bytes of body"), data("!"), Frame::trailers(trailers)];
    Response::new(Body::stream(Pieces(frames.into())))
}

#[tokio::test]
async fn trailers_reach_a_client_that_takes_them() {
    let running = Running::start(|_| {}, async |_| with_trailer());
    for (te, end) in [("te: trailers\r\n", "0\r\nsum: 1\r\n\r\n"), ("", "0\r\n\r\n")] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{te}\r\n");
        let answer = running.whole_answer(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("transfer-encoding: chunked") && !head.contains("content-length"),
            "{head}"
        );
        assert_eq!(body, format!("14\r\ntwenty bytes of body\r\n1\r\n!\r\n{end}"));
    }
    let old = running
        .whole_answer("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    let (head, body) = old.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "twenty bytes of body!");
    assert!(
        head.contains("connection: close") && !head.contains("transfer-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn no_answer_without_a_body_has_one() {
    let table = [
        ("GET", 204, Some("9"), "HTTP/1.1 204 No Content\r\n", None),
        (
            "GET",
            304,
            Some("9"),
            "HTTP/1.1 304 Not Modified\r\n",
            Some("content-length: 9\r\n"),
        ),
        (
            "HEAD",
            200,
            Some("9"),
            "HTTP/1.1 200 OK\r\n",
            Some("content-length: 9\r\n"),
        ),
        ("HEAD", 200, None, "HTTP/1.1 200 OK\r\n", Some("content-length: 4\r\n")),
    ];
    for (method, status, length, begin, field) in table {
        let running = Running::start(
            |_| {},
            move |_| async move {
                let mut response = Response::new(Body::full("body"));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                if let Some(length) = length {
                    response
                        .headers_mut()
                        .insert("content-length", HeaderValue::from_static(length));
                }
                response
            },
        );
        let request = format!("{method} / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = running.whole_answer(&request).await;
        assert!(answer.starts_with(begin) && answer.ends_with("\r\n\r\n"), "{answer}");
        let found = answer.lines().find(|line| line.starts_with("content-length"));
        assert_eq!(found, field.map(str::trim_end), "{answer}");
    }
}

/// A server whose handler opens a tunnel to somebody who answers each piece with itself.
fn tunnelling(change: impl FnOnce(&mut ServerLimits)) -> Running {
    Running::start(change, async |request: Request<Body>| {
        let (ours, mut theirs) = tokio::io::duplex(64);
        tokio::spawn(async move {
            let mut piece = [0; 64];
            while let Ok(count @ 1..) = theirs.read(&mut piece).await {
                theirs.write_all(&piece[..count]).await.unwrap();
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let protocol = request.headers().get("upgrade").cloned();
        response
            .headers_mut()
            .extend(protocol.map(|protocol| (::http::header::UPGRADE, protocol)));
        response.extensions_mut().insert(Tunnel::new(ours));
        response
    })
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[tokio::test]
async fn a_tunnel_passes_bytes_both_ways_until_its_ends_close() {
    let running = tunnelling(|_| {});
    let mut client = running.client().await;
    // What follows the request at once belongs to the tunnel.
    client.send(&format!("{UPGRADE}first")).await;
    assert_eq!(
        client.head().await.unwrap().split("date: ").next().unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
    );
    assert_eq!(client.bytes(5).await, b"first");
    let long = "GET / HTTP/1.1\r\n\r\n".repeat(1000);
    let (mut reader, mut writer) = client.stream.split();
    let mut back = vec![0; long.len()];
    let (sent, read) = tokio::join!(writer.write_all(long.as_bytes()), reader.read_exact(&mut back));
    sent.unwrap();
    read.unwrap();
    assert_eq!(back, long.as_bytes());
    let status = running.server.status();
    assert_eq!((status.tunnels_open, status.tunnels, status.requests), (1, 1, 1));
    writer.shutdown().await.unwrap();
    assert_eq!(client.rest().await.unwrap(), "");
    until("the tunnel is closed", || running.server.status().tunnels_open == 0).await;
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let running = tunnelling(|limits| limits.tunnel_idle_timeout = Duration::from_millis(50));
    let mut client = running.client().await;
    client.send(UPGRADE).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.rest().await.unwrap(), "");
    assert_eq!(running.server.status().tunnels_idle, 1);
}

#[tokio::test]
async fn nobody_gets_a_tunnel_without_asking() {
    let running = tunnelling(|_| {});
    for request in [
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let answer = running.whole_answer(request).await;
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway"), "{answer}");
    }
}

#[tokio::test]
async fn each_way_to_keep_a_connection_waiting_is_counted() {
    let running = Running::echo(|limits| {
        limits.header_timeout = Duration::from_millis(50);
        limits.stall_timeout = Duration::from_millis(50);
        limits.keepalive_timeout = Duration::from_millis(50);
    });
    let idle = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let half = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhal";
    assert!(running.whole_answer(idle).await.starts_with("HTTP/1.1 200 OK"));
    assert!(running.whole_answer(half).await.contains("body_idle_timeout"));
    until("both are closed", || running.server.status().connections_open == 0).await;
    let status = running.server.status();
    assert_eq!((status.idle, status.body_faults["body_idle_timeout"]), (1, 1));
}
