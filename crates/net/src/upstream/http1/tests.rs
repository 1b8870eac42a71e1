//! Answers over real sockets, byte by byte: however they come, and wherever they break off, they are the same or none.

use super::*;
use crate::config::HostRule;
use crate::http::{Body, BodyError, BodyFault};
use crate::tests::{Origin, Wire};
use crate::upstream::head::Trust;
use crate::upstream::outgoing::Outgoing;
use crate::upstream::target::Target;
use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use peregrine_base::{Clock, Party, SystemClock};
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const RULE: HeadRule = HeadRule {
    bytes_max: 4096,
    fields_max: 16,
    interim_max: 3,
};

/// A connection to `origin`.
async fn link(origin: &Origin) -> Link {
    let stream = TcpStream::connect(origin.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Link::new(Stream::Plain(stream), RULE)
}

/// Begins to ask `link` by `method` with `body`.
fn begin(link: &mut Link, method: &str, body: Body) -> Outgoing {
    let request = Request::builder().method(method).uri("/").header("host", "shop");
    let mut outgoing = Outgoing::new(request.body(body).unwrap(), None);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let target = Target::parse("http://origin").unwrap();
    link.begin(&mut outgoing, &target, &HostRule::Keep, &clock);
    outgoing
}

async fn ask(link: &mut Link, method: &str) -> Result<Response<()>, Fault> {
    begin(link, method, Body::empty());
    Ok(link.answer().await?.0)
}

/// The rest of the answer, with its trailers.
async fn read(link: &mut Link) -> Result<(Vec<u8>, Option<HeaderMap>), BodyError> {
    let (mut body, mut trailers) = (Vec::new(), None);
    while let Some(frame) = std::future::poll_fn(|cx| link.poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert!(link.is_read());
    Ok((body, trailers))
}

/// An answer, and what is to be seen of it.
struct Sample {
    method: &'static str,
    sent: &'static str,
    status: u16,
    body: &'static str,
    rest: Rest,
}

const fn sample(method: &'static str, sent: &'static str, status: u16, body: &'static str, rest: Rest) -> Sample {
    Sample {
        method,
        sent,
        status,
        body,
        rest,
    }
}

/// One for every way in which an answer can end.
const SAMPLES: [Sample; 11] = [
    sample(
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        200,
        "ok",
        Rest::Good,
    ),
    sample(
        "GET",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        200,
        "",
        Rest::Good,
    ),
    sample(
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        200,
        "ok",
        Rest::Good,
    ),
    sample(
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
        200,
        "ok",
        Rest::Good,
    ),
    sample("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", Rest::Good),
    sample(
        "GET",
        "HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n",
        304,
        "",
        Rest::Good,
    ),
    sample(
        "HEAD",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        200,
        "",
        Rest::Good,
    ),
    sample(
        "HEAD",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        200,
        "",
        Rest::Good,
    ),
    sample(
        "GET",
        "HTTP/1.1 103 X\r\nlink: </a>\r\n\r\nHTTP/1.1 100 X\r\n\r\nHTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\nno",
        404,
        "no",
        Rest::Good,
    ),
    sample(
        "GET",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        200,
        "ok",
        Rest::Ends,
    ),
    sample("GET", "HTTP/1.1 200 OK\n\r\n", 200, "", Rest::Doubtful),
];

#[tokio::test]
async fn an_answer_that_trickles_in_is_the_same() {
    let origin = Origin::start(|mut wire: Wire, number| async move {
        wire.stream.set_nodelay(true).unwrap();
        wire.head().await;
        for byte in SAMPLES[number].sent.as_bytes() {
            wire.stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        // What ends with the connection ends here.
    })
    .await;
    for Sample {
        method,
        sent,
        status,
        body,
        rest,
    } in SAMPLES
    {
        let mut link = link(&origin).await;
        let response = ask(&mut link, method).await.unwrap();
        let (found, trailers) = read(&mut link).await.unwrap();
        assert_eq!((response.status().as_u16(), found), (status, body.into()), "{sent:?}");
        assert_eq!(trailers.is_some(), sent.contains("x-sum"), "{sent:?}");
        assert_eq!(link.rest(), rest, "{sent:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_on_after_every_kind_of_end() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        for sample in SAMPLES
            .iter()
            .filter(|sample| sample.rest == Rest::Good)
            .chain(&SAMPLES[..1])
        {
            wire.head().await.unwrap();
            wire.send(sample.sent).await;
        }
    })
    .await;
    let mut link = link(&origin).await;
    for sample in SAMPLES
        .iter()
        .filter(|sample| sample.rest == Rest::Good)
        .chain(&SAMPLES[..1])
    {
        let response = ask(&mut link, sample.method).await.unwrap();
        assert_eq!(response.status().as_u16(), sample.status, "{:?}", sample.sent);
        assert_eq!(read(&mut link).await.unwrap().0, sample.body.as_bytes());
        assert_eq!(link.rest(), Rest::Good, "{:?}", sample.sent);
    }
    assert_eq!(origin.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_dies_at_any_byte_brings_the_whole_answer_or_an_error() {
    for Sample { method, sent, body, .. } in SAMPLES {
        let ends_with_it = !sent.contains("length") && !sent.contains("chunked") && sent.contains("200");
        let head = sent.rfind("HTTP/1.1").unwrap();
        let head = head + sent[head..].find("\n\r\n").unwrap() + 3;
        let origin = Origin::start(move |mut wire: Wire, length| async move {
            wire.head().await;
            wire.send(&sent[..length]).await;
        })
        .await;
        for length in 0..=sent.len() {
            let mut link = link(&origin).await;
            let seen = match ask(&mut link, method).await {
                Ok(_) => read(&mut link).await.map_err(|error| error.fault),
                Err(fault) => {
                    assert!(matches!(fault, Fault::Ended), "{fault} of {length} of {sent:?}");
                    assert!(length < head, "{length} of {sent:?}");
                    continue;
                }
            };
            assert!(length >= head, "{length} of {sent:?}");
            if length == sent.len() || ends_with_it {
                assert_eq!(seen.unwrap().0, body.as_bytes(), "{sent:?}");
            } else {
                assert_eq!(seen.unwrap_err(), BodyFault::Truncated, "{length} of {sent:?}");
                assert_ne!(link.rest(), Rest::Good);
            }
        }
    }
}

#[tokio::test]
async fn large_bodies_come_whole_however_they_are_framed() {
    const PIECE: usize = 100_000;
    const COUNT: usize = 30;
    let piece = |number: usize| -> Vec<u8> {
        let at = |index: usize| u8::try_from((number * PIECE + index) % 251).unwrap();
        (0..PIECE).map(at).collect()
    };
    let origin = Origin::start(move |mut wire: Wire, number| async move {
        wire.head().await;
        let framing = [
            "content-length: 3000000",
            "transfer-encoding: chunked",
            "x: until the end",
        ][number];
        wire.send(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
        for at in 0..COUNT {
            if number == 1 {
                wire.send(&format!("{PIECE:x}\r\n")).await;
            }
            // In parts of their own, so that some reads find little.
            let piece = piece(at);
            let (one, other) = piece.split_at(at * 1000);
            wire.stream.write_all(one).await.unwrap();
            tokio::task::yield_now().await;
            wire.stream.write_all(other).await.unwrap();
            if number == 1 {
                wire.send("\r\n").await;
            }
        }
        if number == 1 {
            wire.send("0\r\n\r\n").await;
        }
    })
    .await;
    let expected: Vec<u8> = (0..COUNT).flat_map(piece).collect();
    for rest in [Rest::Good, Rest::Good, Rest::Ends] {
        let mut link = link(&origin).await;
        ask(&mut link, "GET").await.unwrap();
        assert!(read(&mut link).await.unwrap().0 == expected);
        assert_eq!(link.rest(), rest);
    }
}

#[tokio::test]
async fn what_is_there_before_the_request_is_no_answer_to_it() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let _ = wire.rest().await;
    })
    .await;
    let stream = TcpStream::connect(origin.address).await.unwrap();
    stream.readable().await.unwrap();
    let mut link = Link::new(Stream::Plain(stream), RULE);
    let mut outgoing = begin(&mut link, "POST", Body::from_poll(None, |_| Poll::Pending));
    assert!(matches!(link.answer().await, Err(Fault::Unsolicited)));
    assert!(
        link.take_back(&mut outgoing) && outgoing.is_whole(),
        "nothing of it was sent"
    );
}

#[tokio::test]
async fn what_comes_behind_an_answer_is_seen_before_the_next_request() {
    let origin = Origin::start(|mut wire: Wire, number| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let (looked, behind) = (wire.bytes(1).await, ["HTTP/1.1 200 OK\r\n\r\n", ""][number]);
        assert_eq!(looked, b"x");
        wire.send(behind).await;
        if !behind.is_empty() {
            let _ = wire.rest().await;
        }
    })
    .await;
    for expected in [Idle::Spoke, Idle::Closed] {
        let mut link = link(&origin).await;
        ask(&mut link, "GET").await.unwrap();
        read(&mut link).await.unwrap();
        assert_eq!((link.rest(), link.look()), (Rest::Good, Idle::Quiet));
        // The origin goes on at a word.
        link.stream.write_all(b"x").await.unwrap();
        crate::tests::until("something is there", || {
            let Stream::Plain(stream) = &link.stream else {
                return true;
            };
            let mut byte = [std::mem::MaybeUninit::uninit()];
            socket2::SockRef::from(stream).peek(&mut byte).is_ok()
        })
        .await;
        assert_eq!(link.look(), expected);
    }
}

/// A body that yields what is sent.
fn fed() -> (mpsc::Sender<Result<Bytes, BodyError>>, Body) {
    let (feed, mut fed) = mpsc::channel(1);
    (feed, Body::from_poll(None, move |cx| fed.poll_recv(cx)))
}

#[tokio::test]
async fn a_request_goes_on_while_its_answer_comes() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..5 {
            assert_eq!(wire.bytes(6).await, b"1\r\nx\r\n");
            wire.send("1\r\nx\r\n").await;
        }
        assert_eq!(wire.bytes(5).await, b"0\r\n\r\n");
        wire.send("0\r\n\r\n").await;
        let _ = wire.rest().await;
    })
    .await;
    let mut link = link(&origin).await;
    let (feed, body) = fed();
    begin(&mut link, "POST", body);
    link.answer().await.unwrap();
    for _ in 0..5 {
        feed.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
        let frame = std::future::poll_fn(|cx| link.poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "x");
    }
    drop(feed);
    assert_eq!(read(&mut link).await.unwrap().0, b"");
    assert_eq!(link.rest(), Rest::Good);
}

#[tokio::test]
async fn a_request_that_fails_while_its_answer_comes_ends_both() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
        let _ = wire.rest().await;
    })
    .await;
    let mut link = link(&origin).await;
    let (feed, body) = fed();
    begin(&mut link, "POST", body);
    link.answer().await.unwrap();
    let failed = BodyError::new(BodyFault::Malformed, Party::Downstream);
    feed.send(Err(failed)).await.unwrap();
    assert_eq!(read(&mut link).await.unwrap_err(), failed);
    assert_ne!(link.rest(), Rest::Good);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_client_was_asked_for_its_body_counts() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 X\r\ncontent-length: 2\r\n\r\nno")
            .await;
        let _ = wire.rest().await;
    })
    .await;
    let mut link = link(&origin).await;
    let (feed, body) = fed();
    begin(&mut link, "POST", body);
    assert_eq!(link.answer().await.unwrap().0.status().as_u16(), 401);
    // Whoever has the answer does not ask any more.
    let given_up = BodyError::new(BodyFault::Abandoned, Party::Downstream);
    feed.send(Err(given_up)).await.unwrap();
    assert_eq!(read(&mut link).await.unwrap().0, b"no");
    assert_eq!(link.rest(), Rest::Ends);
}

#[tokio::test]
async fn an_answer_to_a_request_that_nobody_reads_is_not_lost() {
    let origin = Origin::start(|mut wire: Wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 413 X\r\ncontent-length: 2\r\n\r\nno").await;
        // Takes nothing more, and does not go.
        std::future::pending::<()>().await;
    })
    .await;
    let endless = || Body::from_poll(None, |_| Poll::Ready(Some(Ok(Bytes::from_static(&[0; 65536])))));
    for body in [endless(), Body::full(vec![0; 64 << 20])] {
        let mut link = link(&origin).await;
        begin(&mut link, "POST", body);
        let (response, trust) = link.answer().await.unwrap();
        assert_eq!((response.status().as_u16(), trust), (413, Trust::Full));
        assert_eq!(read(&mut link).await.unwrap().0, b"no");
        assert_eq!(link.rest(), Rest::Ends, "the rest of the request stands in it");
    }
}

#[tokio::test]
async fn a_body_is_sent_as_it_was_announced_or_not_at_all() {
    for (announced, sent, fault) in [(3, "ab", BodyFault::Truncated), (1, "ab", BodyFault::Abandoned)] {
        let origin = Origin::start(|mut wire: Wire, _| async move {
            let _ = wire.rest().await;
        })
        .await;
        let mut link = link(&origin).await;
        let mut text = Some(Bytes::from_static(sent.as_bytes()));
        let body = Body::stream(Lying(
            announced,
            Body::from_poll(None, move |_| Poll::Ready(text.take().map(Ok))),
        ));
        begin(&mut link, "PUT", body);
        assert!(matches!(link.answer().await, Err(Fault::RequestBody(error)) if error.fault == fault));
    }
}

/// A body that says of itself that it has so many bytes.
struct Lying(u64, Body);

impl http_body::Body for Lying {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::pin::Pin::new(&mut self.1).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}
