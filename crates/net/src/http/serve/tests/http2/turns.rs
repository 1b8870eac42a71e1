//! Requests side by side on one connection: what one does, or what is under way to one that is over, is nothing to the others.

use super::hostile::{GET, Raw, block, raw_frame};
use super::*;
use crate::http::hpack::{Decoder, Fields};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

fn get(path: &str) -> Vec<u8> {
    block(&GET.map(|(name, value)| (name, if name == ":path" { path } else { value })))
}

/// A body without end that counts its pieces.
fn endless(pieces: &Arc<AtomicUsize>) -> Body {
    let (pieces, piece) = (Arc::clone(pieces), Bytes::from(vec![b'a'; 1 << 16]));
    Body::from_poll(None, move |_| {
        pieces.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(piece.clone())))
    })
}

/// A client that opens all windows.
async fn open_wide(running: &Running) -> Raw {
    let mut raw = Raw::connect_to(running.address).await;
    let largest = 0x7fff_ffffu32.to_be_bytes();
    raw.send(4, 0, 0, &[&[0, 4], &largest[..]].concat()).await;
    raw.send(8, 0, 0, &0x7fff_0000u32.to_be_bytes()).await;
    raw
}

/// Waits until nothing more fits the sockets: nothing more is taken of an endless body for a while.
async fn until_full(pieces: &AtomicUsize) {
    let (last, same) = (Cell::new(0), Cell::new(0));
    until("the sockets are full", || {
        let now = pieces.load(Ordering::SeqCst);
        same.set(if last.replace(now) == now && now > 0 {
            same.get() + 1
        } else {
            0
        });
        same.get() > 30
    })
    .await;
}

#[tokio::test]
async fn work_goes_on_while_the_client_takes_nothing() {
    let (produced, gate, worked) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(AtomicUsize::new(0)),
    );
    let (pieces, opened, done) = (Arc::clone(&produced), Arc::clone(&gate), Arc::clone(&worked));
    let running = start(
        |_| {},
        move |request: Request<Body>| {
            let (pieces, opened, done) = (Arc::clone(&pieces), Arc::clone(&opened), Arc::clone(&done));
            async move {
                if request.uri().path() == "/waits" {
                    for _ in 0..5 {
                        opened.notified().await;
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    return Response::new(Body::empty());
                }
                Response::new(endless(&pieces))
            }
        },
    );
    let mut raw = open_wide(&running).await;
    raw.send(HEADERS, 0x5, 1, &get("/waits")).await;
    raw.send(HEADERS, 0x5, 3, &get("/endless")).await;
    until_full(&produced).await;
    // Again and again: what is left in the buffers is used up by the first rounds.
    for count in 1..=5 {
        gate.notify_one();
        until("it is worked on", || worked.load(Ordering::SeqCst) == count).await;
    }
}

#[tokio::test]
async fn what_a_client_sends_is_read_while_it_takes_nothing() {
    let (produced, uploaded) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (pieces, received) = (Arc::clone(&produced), Arc::clone(&uploaded));
    let running = start(
        |_| {},
        move |request: Request<Body>| {
            let (pieces, received) = (Arc::clone(&pieces), Arc::clone(&received));
            async move {
                if request.uri().path() == "/endless" {
                    return Response::new(endless(&pieces));
                }
                let body = request.into_body().collect(1 << 20).await.unwrap();
                received.fetch_add(body.len(), Ordering::SeqCst);
                Response::new(Body::empty())
            }
        },
    );
    let mut raw = open_wide(&running).await;
    raw.send(HEADERS, 0x5, 1, &get("/endless")).await;
    until_full(&produced).await;
    // RFC 9113 §5.2.2: a client may well send all of its body before it reads.
    for stream in [3, 5, 7] {
        let before = uploaded.load(Ordering::SeqCst);
        raw.send(HEADERS, 0x4, stream, &get("/upload")).await;
        for last in [0, 0, 0, 1] {
            raw.send(DATA, last, stream, &[0; 10_000]).await;
        }
        until("it is read", || uploaded.load(Ordering::SeqCst) == before + 40_000).await;
    }
}

#[tokio::test]
async fn much_work_in_one_go_is_done_in_several() {
    let running = start(
        |_| {},
        async |_| {
            // More than what the runtime lets a task do before others have their turn.
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
            for number in 0..1000 {
                sender.try_send(number).unwrap();
            }
            let mut sum = 0;
            for _ in 0..1000 {
                sum += receiver.recv().await.unwrap();
            }
            Response::new(Body::full(sum.to_string()))
        },
    );
    let mut client = connect(&running).await;
    assert_eq!(ask(&mut client, request("GET", "http://x/")).await.unwrap().2, "499500");
}

#[tokio::test]
async fn others_have_their_turn_among_many_requests() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (told, tell) = tokio::sync::watch::channel(None);
    let counter = Arc::clone(&asked);
    let running = start(
        |_| {},
        move |_| {
            if counter.fetch_add(1, Ordering::SeqCst) == 0 {
                let (told, counter) = (told.clone(), Arc::clone(&counter));
                tokio::spawn(async move { told.send_replace(Some(counter.load(Ordering::SeqCst))) });
            }
            async { Response::new(Body::empty()) }
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    let requests: Vec<u8> = (0..400)
        .flat_map(|number| raw_frame(HEADERS, 0x5, 2 * number + 1, &get("/")))
        .collect();
    raw.write(&requests).await;
    assert_eq!(raw.answer(799).await.2, Ok(()));
    let seen = tell.borrow().expect("it had its turn");
    assert!((1..=128).contains(&seen), "after {seen} requests");
}

#[tokio::test]
async fn a_body_that_panics_ends_its_request_and_no_other() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            if request.uri().path() == "/fine" {
                return Response::new(Body::full("fine"));
            }
            Response::new(Body::from_poll(None, |_| panic!("a body that panics")))
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x5, 1, &get("/")).await;
    assert_eq!(raw.answer(1).await.2, Err(2));
    raw.send(HEADERS, 0x5, 3, &get("/fine")).await;
    assert_eq!(raw.answer(3).await.1, b"fine");
}

#[tokio::test]
async fn the_first_block_says_that_no_table_is_used() {
    for path in ["/", "/long"] {
        let (_, _, address, _drain) = crate::http::serve::tests::short::both_within(ServerLimits::default(), SPOKEN);
        let mut raw = Raw::connect_to(address).await;
        // SETTINGS_HEADER_TABLE_SIZE of nothing: such a client waits to be told (RFC 9113 §4.3.1, RFC 7541 §4.2).
        raw.send(4, 0, 0, &[0, 1, 0, 0, 0, 0]).await;
        let path = if path == "/" { "/short" } else { path };
        for (stream, first) in [(1, Some(0x20)), (3, None)] {
            raw.send(HEADERS, 0x5, stream, &get(path)).await;
            let block = loop {
                match raw.frame().await.unwrap() {
                    (HEADERS, _, of, block) if of == stream => break block,
                    _ => {}
                }
            };
            assert_eq!(
                block.first().copied().filter(|byte| *byte == 0x20),
                first,
                "{path} {stream}"
            );
            Fields::with(1 << 16, |fields| {
                Decoder::default().decode(&block, fields).unwrap();
                assert_eq!((fields.name(0), fields.value(0)), (&b":status"[..], &b"200"[..]));
            });
        }
    }
}

#[tokio::test]
async fn what_is_under_way_to_many_requests_that_were_reset_is_passed_over() {
    let running = echo(|limits| {
        (
            limits.http2.streams_max,
            limits.http2.resets_max,
            limits.request_body_max,
        ) = (300, 1, 10)
    });
    let mut raw = Raw::connect_to(running.address).await;
    let post = block(&[&GET[1..], &[(":method", "POST"), ("content-length", "1000")]].concat());
    let streams: Vec<u32> = (0..250).map(|number| 2 * number + 1).collect();
    for stream in &streams {
        raw.send(HEADERS, 0x4, *stream, &post).await;
    }
    raw.settled().await;
    for stream in &streams {
        raw.send(DATA, 0, *stream, &[0; 100]).await;
        raw.send(HEADERS, 0x5, *stream, &block(&[("a", "b")])).await;
    }
    raw.settled().await;
    raw.send(HEADERS, 0x5, 1001, &get("/fine")).await;
    assert!(raw.answer(1001).await.1.starts_with(b"GET /fine"));
}

#[tokio::test]
async fn the_last_request_that_is_answered_is_said_even_to_who_does_not_listen_and_never_grows() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            if request.uri().path() == "/waits" {
                std::future::pending::<()>().await;
            }
            Response::new(Body::empty())
        },
    );
    // It does not send the PING back.
    let mut deaf = Raw::connect_to(running.address).await;
    deaf.send(HEADERS, 0x5, 1, &get("/")).await;
    assert_eq!(deaf.answer(1).await.2, Ok(()));
    // It breaks the rules once it was told.
    let mut rude = Raw::connect_to(running.address).await;
    rude.send(HEADERS, 0x5, 1, &get("/waits")).await;
    rude.settled().await;
    running.drain.retire();
    let asked = loop {
        if let (6, 0, 0, asked) = rude.frame().await.unwrap() {
            break asked;
        }
    };
    rude.send(6, 1, 0, &asked).await;
    rude.send(HEADERS, 0x5, 3, &get("/")).await;
    rude.send(DATA, 0, 0, b"?").await;
    for (mut raw, code) in [(rude, 1), (deaf, 0)] {
        let mut said = Vec::new();
        while let Some((kind, _, _, content)) = raw.frame().await {
            if kind == GOAWAY {
                said = content;
            }
        }
        assert_eq!(said, [0, 0, 0, 1, 0, 0, 0, code]);
    }
}
