//! Bodies in both directions: bounded, streamed with back-pressure, and never ended early in silence.

use super::*;
use crate::http::{BodyError, BodyFault};
use crate::tests::until;
use bytes::Bytes;
use peregrine_base::Party;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

#[tokio::test]
async fn request_bodies_arrive_whole_or_fail() {
    let running = Running::echo(|limits| {
        limits.request_body_max = 10;
        limits.stall_timeout = Duration::from_millis(50);
    });
    let chunked = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let table = [
        (format!("{chunked}5\r\nwhole\r\n0\r\n\r\n"), "POST / whole"),
        (format!("{chunked}a\r\nexactly-10\r\n0\r\n\r\n"), "POST / exactly-10"),
        (format!("{chunked}b\r\none too man\r\n0\r\n\r\n"), "body_too_large"),
        (format!("{chunked}zz\r\n"), "body_malformed"),
        (format!("{chunked}5\r\nhal"), "body_idle_timeout"),
    ];
    for (text, word) in table {
        let answer = running.whole_answer(&text).await;
        assert!(answer.contains(word), "{text:?}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_is_an_error() {
    let (faults, mut seen) = mpsc::channel(1);
    let running = Running::start(
        |_| {},
        move |request: Request<Body>| {
            let faults = faults.clone();
            async move {
                let body = request.into_body().collect(100).await;
                faults
                    .send(body.map_err(|error| (error.fault, error.party)))
                    .await
                    .unwrap();
                Response::new(Body::empty())
            }
        },
    );
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhal")
        .await;
    drop(client);
    assert_eq!(
        seen.recv().await.unwrap(),
        Err((BodyFault::Truncated, Party::Downstream))
    );
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let running = Running::echo(|_| {});
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        .await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 100 Continue"));
    client.send("hi").await;
    client.head().await.unwrap();
    assert_eq!(client.bytes(9).await, b"POST / hi");
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_body_reaches_the_client() {
    let running = Running::start(|_| {}, async |_| Response::new(Body::full("enough")));
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n")
        .await;
    // Still sending while the answer is under way: a reset would take it away.
    client.send(&"x".repeat(300_000)).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200 OK"));
    assert_eq!(client.bytes(6).await, b"enough");
    client.send(&"x".repeat(100_000)).await;
    assert_eq!(client.rest().await.unwrap(), "");
}

#[tokio::test]
async fn a_client_that_listens_is_not_silent() {
    let running = Running::start(|limits| limits.stall_timeout = SILENCE, converse);
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    client.head().await.unwrap();
    for _ in 0..5 {
        assert_eq!(client.bytes(6).await, b"1\r\nx\r\n");
    }
    client.send("4\r\n you\r\n0\r\n\r\n").await;
    assert_eq!(client.rest().await.unwrap(), "9\r\nhello you\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_tells_whether_its_connection_goes_on_after_a_body_that_nobody_reads() {
    let running = Running::start(|_| {}, async |_| Response::new(Body::full("enough")));
    let head = "POST / HTTP/1.1\r\nhost: x\r\n";
    let table = [
        (format!("{head}content-length: 9\r\n\r\n1234"), false),
        (format!("{head}transfer-encoding: chunked\r\n\r\n4\r\n1234\r\n"), false),
        (format!("{head}content-length: 4\r\n\r\n1234"), true),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\n\r\n"),
            true,
        ),
    ];
    for (text, goes_on) in table {
        let mut client = running.client().await;
        client.send(&text).await;
        let answer = client.head().await.unwrap();
        assert_eq!(!answer.contains("connection: close"), goes_on, "{text:?}: {answer}");
        assert_eq!(client.bytes(6).await, b"enough");
        if goes_on {
            client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200 OK"));
        }
    }
}

/// An answer whose body fails after `text`.
fn failing(text: &'static str, length: Option<u64>) -> Response<Body> {
    let mut pieces = vec![
        Err(BodyError::new(BodyFault::Truncated, Party::Upstream)),
        Ok(Bytes::from_static(text.as_bytes())),
    ];
    Response::new(Body::from_poll(length, move |_| Poll::Ready(pieces.pop())))
}

#[tokio::test]
async fn a_response_that_fails_never_looks_whole() {
    for (version, length) in [("1.1", None), ("1.1", Some(9)), ("1.0", None), ("1.0", Some(9))] {
        let running = Running::start(|_| {}, move |_| async move { failing("half", length) });
        let mut client = running.client().await;
        client.send(&format!("GET / HTTP/{version}\r\nhost: x\r\n\r\n")).await;
        // Either the bytes show that something is missing, or the end is no clean one.
        match client.rest().await {
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            Ok(answer) => panic!("HTTP/{version} {length:?} ended cleanly: {answer}"),
        }
        assert_eq!(running.server.status().cut, 1);
    }
}

#[tokio::test]
async fn an_answer_that_only_the_end_of_its_connection_delimits_looks_whole_only_when_it_is() {
    // More than reaches a client that reads nothing: the system still has the rest when the connection ends.
    const LENGTH: usize = 500_000;
    let body = |panics: bool| {
        let mut pieces = vec![Ok(Bytes::from(vec![b'x'; LENGTH]))];
        Body::from_poll(None, move |_| {
            let piece = pieces.pop();
            assert!(piece.is_some() || !panics, "as the test wants");
            Poll::Ready(piece)
        })
    };
    let running = Running::start(
        |_| {},
        move |request: Request<Body>| async move { Response::new(body(request.uri() == "/panic")) },
    );
    for path in ["/panic", "/"] {
        let mut client = running.client().await;
        client.send(&format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n")).await;
        until("its connection is gone", || {
            running.server.status().connections_accepted > 0 && running.server.status().connections_open == 0
        })
        .await;
        let rest = client.rest().await;
        if path == "/" {
            let answer = rest.unwrap();
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), LENGTH);
        } else {
            assert_eq!(rest.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
}

#[tokio::test]
async fn a_response_shorter_than_announced_never_looks_whole() {
    let running = Running::start(
        |_| {},
        async |_| {
            let mut piece = Some(Ok(Bytes::from_static(b"half")));
            Response::new(Body::from_poll(Some(9), move |_| Poll::Ready(piece.take())))
        },
    );
    let mut client = running.client().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.rest().await.is_err());
}

/// A handler whose body has no end; counts what was taken of it.
fn endless(taken: &Arc<AtomicUsize>, change: impl FnOnce(&mut ServerLimits)) -> Running {
    let taken = Arc::clone(taken);
    Running::start(change, move |_| {
        let taken = Arc::clone(&taken);
        async move {
            let piece = Bytes::from(vec![b'x'; 1 << 16]);
            Response::new(Body::from_poll(None, move |_| {
                taken.fetch_add(piece.len(), Ordering::SeqCst);
                Poll::Ready(Some(Ok(piece.clone())))
            }))
        }
    })
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_up_the_producer_and_is_cut_off() {
    let taken = Arc::new(AtomicUsize::new(0));
    let running = endless(&taken, |limits| limits.stall_timeout = Duration::from_millis(100));
    let mut client = running.client().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until("the stalled client is cut off", || running.server.status().stalled == 1).await;
    let produced = taken.load(Ordering::SeqCst);
    // What the kernel's buffers hold, and some of ours.
    assert!(produced < 32 << 20, "{produced}");
    assert_eq!(running.server.status().connections_open, 0);
}

#[tokio::test]
async fn a_client_that_takes_its_time_is_not_cut_off() {
    // Much at once, and a little: before the system has room for a third of what it could hold, the limit passes.
    for (piece, pause, pieces) in [(1 << 20, 50, 10), (16 << 10, 40, 120)] {
        let taken = Arc::new(AtomicUsize::new(0));
        let running = endless(&taken, |limits| limits.stall_timeout = Duration::from_millis(1500));
        let mut client = running.client().await;
        client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        for _ in 0..pieces {
            client.bytes(piece).await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        assert_eq!(running.server.status().stalled, 0, "{piece}");
    }
}

#[tokio::test]
async fn who_ends_its_side_gets_the_rest_of_an_answer_that_is_there() {
    const LENGTH: usize = 16 << 20;
    let running = Running::start(|_| {}, async |_| Response::new(Body::full(vec![b'x'; LENGTH])));
    let mut client = running.client().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.head().await.unwrap();
    client.bytes(1 << 20).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await.unwrap().len(), LENGTH - (1 << 20));
}

#[tokio::test]
async fn who_ends_its_side_midway_does_not_take_a_part_for_the_whole() {
    let taken = Arc::new(AtomicUsize::new(0));
    let running = endless(&taken, |_| {});
    let mut client = running.client().await;
    // Nothing but the end of the connection tells where such an answer ends.
    client.send("GET / HTTP/1.0\r\nhost: x\r\n\r\n").await;
    client.bytes(1 << 20).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(
        client.rest().await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!(running.server.status().cut, 0);
}
