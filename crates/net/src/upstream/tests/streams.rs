//! HTTP/2 towards an origin that does what a test says, frame by frame.

use super::*;
use crate::http::{BodyError, BodyFault, Interim};
use ::h2::server::{Connection, SendResponse};
use ::h2::{Reason, RecvStream};
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Asked = (Request<RecvStream>, SendResponse<Bytes>);
type Sent = tokio::task::JoinHandle<Result<Response<Body>, UpstreamError>>;

/// An origin that speaks HTTP/2 without TLS and hands every request to the test.
struct Script {
    asked: mpsc::Receiver<Asked>,
    connections: Arc<AtomicUsize>,
    upstream: Arc<Upstream>,
}

impl Script {
    async fn start() -> Self {
        Self::start_with(0, |config| config.retries_max = 0).await
    }

    /// Its first `refusing` connections end before they process a request.
    async fn start_with(refusing: usize, change: impl FnOnce(&mut UpstreamConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hand, asked) = mpsc::channel(16);
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                if number < refusing {
                    tokio::spawn(end_unprocessed(stream));
                } else {
                    tokio::spawn(Self::serve(stream, hand.clone(), number));
                }
            }
        });
        let upstream = upstream_of(&[&url], |config| {
            config.http_version = HttpVersion::Http2;
            change(config);
        });
        Self {
            asked,
            connections,
            upstream,
        }
    }

    /// A connection ends gracefully after the request for `/last`; the first one breaks at that for `/break`.
    async fn serve(stream: TcpStream, hand: mpsc::Sender<Asked>, number: usize) {
        let mut connection: Connection<TcpStream, Bytes> = ::h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            if request.uri().path() == "/last" {
                connection.graceful_shutdown();
            }
            let breaks = request.uri().path() == "/break" && number == 0;
            hand.send((request, respond)).await.unwrap();
            if breaks {
                return;
            }
        }
    }

    fn send(&self, request: Request<Body>) -> Sent {
        self.send_as(request, Retry::Never)
    }

    fn send_as(&self, request: Request<Body>, retry: Retry) -> Sent {
        let upstream = Arc::clone(&self.upstream);
        tokio::spawn(async move { upstream.send(request, retry).await.map(|(response, _)| response) })
    }

    async fn next(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }
}

/// Reads the head of a request, and ends the connection with the word that it processed none (RFC 9113 §6.8).
async fn end_unprocessed(mut stream: TcpStream) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    stream.write_all(&SETTINGS).await.unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    loop {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.unwrap();
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if frame[3] == 1 {
            break;
        }
    }
    stream.write_all(&GOAWAY).await.unwrap();
    // Until the other side has heard it.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

fn head(status: u16, fields: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

async fn fault_of(response: Response<Body>) -> BodyFault {
    response.into_body().collect(1 << 20).await.expect_err("a fault").fault
}

#[tokio::test]
async fn early_hints_reach_who_asked() {
    let mut script = Script::start().await;
    let interim = Interim::default();
    let mut request = get("/");
    request.extensions_mut().insert(interim.clone());
    let sent = script.send(request);
    let (_, mut respond) = script.next().await;
    respond
        .send_informational(head(103, &[("link", "</a.css>; rel=preload")]))
        .unwrap();
    respond.send_informational(head(100, &[])).unwrap();
    respond.send_informational(head(103, &[("link", "</b.css>")])).unwrap();
    respond.send_response(head(204, &[]), true).unwrap();
    assert_eq!(sent.await.unwrap().unwrap().status(), 204);
    let cx = Context::from_waker(Waker::noop());
    let told: Vec<_> = std::iter::from_fn(|| interim.next(&cx)).collect();
    let links: Vec<_> = told
        .iter()
        .map(|(status, fields)| (status.as_u16(), fields["link"].clone()))
        .collect();
    assert_eq!(
        links,
        [
            (103, "</a.css>; rel=preload".parse().unwrap()),
            (103, "</b.css>".parse().unwrap())
        ]
    );
}

#[tokio::test]
async fn endless_hints_are_an_end() {
    let mut script = Script::start().await;
    let sent = script.send(get("/"));
    let (_, mut respond) = script.next().await;
    let mut told = 0;
    while respond.send_informational(head(103, &[])).is_ok() && told < 10_000 {
        told += 1;
        tokio::task::yield_now().await;
    }
    let error = sent.await.unwrap().expect_err("too many");
    assert_eq!(error.kind, UpstreamErrorKind::TooManyInterim);
}

#[tokio::test]
async fn bodies_and_trailers_go_both_ways() {
    let mut script = Script::start().await;
    let mut fields = HeaderMap::new();
    fields.insert("x-sum", "7".parse().unwrap());
    let data = Frame::data(Bytes::from_static(b"question"));
    let body = Frames(VecDeque::from([data, Frame::trailers(fields.clone())]));
    let sent = script.send(request("POST", "/", Body::stream(body)));
    let (asked, mut respond) = script.next().await;
    let mut asked = asked.into_body();
    let data = asked.data().await.unwrap().unwrap();
    assert_eq!(
        (data, asked.trailers().await.unwrap()),
        (Bytes::from_static(b"question"), Some(fields.clone()))
    );
    let mut stream = respond.send_response(head(200, &[]), false).unwrap();
    stream.send_data(Bytes::from_static(b"answer"), false).unwrap();
    stream.send_trailers(fields.clone()).unwrap();
    let collected = sent.await.unwrap().unwrap().into_body();
    let collected = BodyExt::collect(collected).await.unwrap();
    assert_eq!(collected.trailers(), Some(&fields));
    assert_eq!(collected.to_bytes(), "answer");
}

/// Frames one after the other, all at hand.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

#[tokio::test]
async fn who_does_not_wait_any_more_takes_the_request_back() {
    let mut script = Script::start().await;
    let endless = Body::from_poll(None, |_| Poll::Pending);
    let sent = script.send(request("POST", "/", endless));
    let (asked, mut respond) = script.next().await;
    sent.abort();
    let reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    assert!(asked.into_body().data().await.unwrap().is_err());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    let mut script = Script::start().await;
    let endless = Body::from_poll(None, |_| Poll::Pending);
    let sent = script.send(request("POST", "/", endless));
    let (_, mut respond) = script.next().await;
    let mut stream = respond.send_response(head(413, &[]), false).unwrap();
    stream.send_data(Bytes::from_static(b"too much"), true).unwrap();
    let response = sent.await.unwrap().unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.into_body().collect(100).await.unwrap(), "too much");
}

#[tokio::test]
async fn a_body_that_is_cut_or_lies_about_its_length_does_not_look_whole() {
    let mut script = Script::start().await;
    for reason in [Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
        let sent = script.send(get("/"));
        let (_, mut respond) = script.next().await;
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"half"), false).unwrap();
        let response = sent.await.unwrap().unwrap();
        stream.send_reset(reason);
        assert_eq!(fault_of(response).await, BodyFault::Truncated, "{reason:?}");
    }

    let sent = script.send(get("/"));
    let (_, mut respond) = script.next().await;
    let mut stream = respond
        .send_response(head(200, &[("content-length", "9")]), false)
        .unwrap();
    stream.send_data(Bytes::from_static(b"four"), true).unwrap();
    assert_eq!(fault_of(sent.await.unwrap().unwrap()).await, BodyFault::Malformed);
    assert_eq!(
        script.connections.load(Ordering::SeqCst),
        1,
        "a stream, not the connection"
    );
}

#[tokio::test]
async fn a_connection_that_the_origin_ends_is_used_no_more() {
    let mut script = Script::start().await;
    for path in ["/first", "/last", "/next"] {
        let sent = script.send(get(path));
        let (asked, mut respond) = script.next().await;
        assert_eq!(asked.uri().path(), path);
        respond.send_response(head(204, &[]), true).unwrap();
        assert_eq!(sent.await.unwrap().unwrap().status(), 204, "{path}");
        if path == "/last" {
            // The word of its end comes behind the answer.
            while !script.upstream.chooser.members()[0].pool().idle_is_closed() {
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(script.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stream_that_is_reset_costs_no_connection_and_tells_against_the_target() {
    let mut script = Script::start().await;
    for (number, method) in ["GET", "GET", "POST"].into_iter().enumerate() {
        let sent = script.send_as(request(method, "/", Body::full("x")), Retry::Safe);
        let (_, mut respond) = script.next().await;
        respond.send_reset(Reason::INTERNAL_ERROR);
        let error = sent.await.unwrap().expect_err("a reset");
        assert_eq!(error.kind, UpstreamErrorKind::Broken);
        let target = target(&script.upstream);
        assert_eq!((target.failures as usize, target.connects), (number + 1, 1), "{method}");
    }
}

#[tokio::test]
async fn many_requests_on_a_connection_that_breaks_share_the_next() {
    let mut script = Script::start().await;
    let first = script.send(get("/first"));
    let (_, mut respond) = script.next().await;
    respond.send_response(head(204, &[]), true).unwrap();
    first.await.unwrap().unwrap();

    let mut sent = Vec::new();
    let mut asked = Vec::new();
    for path in ["/a", "/b", "/c", "/d", "/break"] {
        sent.push(script.send_as(get(path), Retry::Safe));
        asked.push(script.next().await);
    }
    assert_eq!(script.connections.load(Ordering::SeqCst), 1);
    for _ in &sent {
        let (_, mut respond) = script.next().await;
        respond.send_response(head(204, &[]), true).unwrap();
    }
    for sent in sent {
        assert_eq!(sent.await.unwrap().unwrap().status(), 204);
    }
    let target = target(&script.upstream);
    assert_eq!((target.connects, target.failures), (2, 0));
}

#[tokio::test]
async fn what_a_target_says_it_did_not_process_is_sent_again_whatever_the_method() {
    let mut script = Script::start_with(0, |config| config.retries_max = 1).await;
    let sent = script.send_as(request("POST", "/", Body::full("order")), Retry::Safe);
    let (_, mut respond) = script.next().await;
    respond.send_reset(Reason::REFUSED_STREAM);
    accept(&mut script, sent).await;

    let mut script = Script::start_with(1, |config| config.retries_max = 1).await;
    let sent = script.send_as(request("POST", "/", Body::full("order")), Retry::Safe);
    accept(&mut script, sent).await;
    assert_eq!(script.connections.load(Ordering::SeqCst), 2);
}

/// Takes an order and says so to who sent it.
async fn accept(script: &mut Script, mut sent: Sent) {
    let (asked, mut respond) = tokio::select! {
        asked = script.next() => asked,
        failed = &mut sent => panic!("not sent again: {:?}", failed.unwrap().err()),
    };
    assert_eq!(asked.method(), "POST");
    assert_eq!(asked.into_body().data().await.unwrap().unwrap(), "order");
    respond.send_response(head(204, &[]), true).unwrap();
    assert_eq!(sent.await.unwrap().unwrap().status(), 204);
}

#[tokio::test]
async fn readers_who_take_their_time_keep_nothing_from_the_others() {
    let mut script = Script::start().await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        let sent = script.send(get("/large"));
        let (_, mut respond) = script.next().await;
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        stream.send_data(Bytes::from(vec![0; 2 << 20]), true).unwrap();
        unread.push((stream, sent.await.unwrap().unwrap()));
    }
    let sent = script.send(get("/small"));
    let (_, mut respond) = script.next().await;
    let mut stream = respond.send_response(head(200, &[]), false).unwrap();
    stream.send_data(Bytes::from_static(b"small"), true).unwrap();
    let body = sent.await.unwrap().unwrap().into_body().collect(10);
    let body = tokio::time::timeout(crate::tests::PATIENCE, body).await;
    assert_eq!(body.expect("it is held up").unwrap(), "small");
    assert_eq!(script.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_on_which_an_answer_was_overdue_gets_no_further_requests() {
    let mut script = Script::start_with(0, |config| {
        config.retries_max = 0;
        config.first_byte_timeout = "100ms".parse().unwrap();
    })
    .await;
    let sent = script.send(get("/silent"));
    let _silent = script.next().await;
    assert_eq!(
        sent.await.unwrap().expect_err("overdue").kind,
        UpstreamErrorKind::FirstByteTimeout
    );
    let sent = script.send(get("/next"));
    let (_, mut respond) = script.next().await;
    respond.send_response(head(204, &[]), true).unwrap();
    assert_eq!(sent.await.unwrap().unwrap().status(), 204);
    assert_eq!(script.connections.load(Ordering::SeqCst), 2);
}
