//! What is counted, as over HTTP/1.

use super::hostile::{GET, Raw, block};
use super::*;
use crate::http::BodyFault;
use std::sync::atomic::{AtomicUsize, Ordering};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;

/// A request with a body of ten bytes.
fn post(path: &str) -> Vec<u8> {
    let changed = GET.map(|(name, value)| match name {
        ":method" => (name, "POST"),
        ":path" => (name, path),
        _ => (name, value),
    });
    block(&[&changed[..], &[("content-length", "10")]].concat())
}

#[tokio::test]
async fn bodies_that_do_not_come_to_their_end_are_counted_once() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let running = start(
        |limits| (limits.request_body_max, limits.stall_timeout) = (10, Duration::from_secs(1)),
        move |request: Request<Body>| {
            let taken = Arc::clone(&counter);
            async move {
                let mut body = request.into_body();
                while let Some(Ok(piece)) = body.next().await {
                    taken.fetch_add(piece.len(), Ordering::SeqCst);
                }
                Response::new(Body::empty())
            }
        },
    );
    let counted = || {
        let mut counted = running.server.status().body_faults;
        counted.retain(|_, count| *count > 0);
        counted.into_iter().collect::<Vec<_>>()
    };
    let mut expected = Vec::new();
    let whole = (&b"0123456789"[..], 1);
    for (body, then, fault) in [
        (whole, None, None),
        ((&b"01234"[..], 0), None, Some(BodyFault::IdleTimeout)),
        (
            (&b"01234"[..], 0),
            Some((RESET, 0, &[0, 0, 0, 8][..])),
            Some(BodyFault::Truncated),
        ),
        (
            (&b"01234"[..], 0),
            Some((DATA, 1, &b"0123456789"[..])),
            Some(BodyFault::Malformed),
        ),
    ] {
        let mut raw = Raw::connect_to(running.address).await;
        raw.send(HEADERS, 0x4, 1, &post("/")).await;
        let before = taken.load(Ordering::SeqCst);
        raw.send(DATA, body.1, 1, body.0).await;
        until("it is taken", || taken.load(Ordering::SeqCst) == before + body.0.len()).await;
        if let Some((kind, flags, content)) = then {
            raw.send(kind, flags, 1, content).await;
        } else {
            assert_eq!(raw.answer(1).await.2.unwrap_or_default(), ());
        }
        raw.settled().await;
        expected.extend(fault.map(|fault| (fault.as_str(), 1)));
        expected.sort_unstable();
        assert_eq!(counted(), expected);
        drop(raw);
        until("it is gone", || running.server.status().connections_open == 0).await;
        assert_eq!(counted(), expected, "once");
    }
    // Longer than allowed, without a word on it before.
    let mut client = connect(&running).await;
    let (response, mut body) = client.send_request(request("POST", "http://x/"), false).unwrap();
    body.send_data(Bytes::from(vec![0; 11]), false).unwrap();
    assert_eq!(patiently(response).await.unwrap().status(), 200);
    // The connection breaks.
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x4, 1, &post("/")).await;
    raw.settled().await;
    drop((raw, client, body));
    until("they are gone", || running.server.status().connections_open == 0).await;
    expected.extend([(BodyFault::TooLarge.as_str(), 1), (BodyFault::Broken.as_str(), 1)]);
    expected.sort_unstable();
    assert_eq!(counted(), expected);
}

#[tokio::test]
async fn a_body_that_nobody_takes_does_not_fail() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            drop(request);
            std::future::pending().await
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x4, 1, &post("/")).await;
    raw.send(DATA, 0, 1, b"01234").await;
    raw.settled().await;
    raw.send(RESET, 0, 1, &[0, 0, 0, 8]).await;
    raw.settled().await;
    drop(raw);
    until("it is gone", || running.server.status().connections_open == 0).await;
    assert_eq!(running.server.status().body_faults.values().sum::<u64>(), 0);
}

#[tokio::test]
async fn connections_that_are_idle_are_counted() {
    let running = echo(|limits| limits.keepalive_timeout = Duration::from_millis(80));
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x5, 1, &block(&GET)).await;
    assert_eq!(raw.answer(1).await.2, Ok(()));
    assert_eq!(raw.goaway().await, Some(Reason::NO_ERROR));
    assert_eq!(running.server.status().idle, 1);
    // One that ends by itself is not.
    let mut client = connect(&running).await;
    assert_eq!(ask(&mut client, request("GET", "http://x/")).await.unwrap().0, 200);
    drop(client);
    until("nothing is left", || running.server.status().connections_open == 0).await;
    assert_eq!(running.server.status().idle, 1);
}
