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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// An origin that speaks HTTP/2 without TLS and hands every request to the test.
struct Script {
    asked: mpsc::Receiver<Asked>,
    connections: Arc<AtomicUsize>,
    upstream: Arc<Upstream>,
}

impl Script {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hand, asked) = mpsc::channel(16);
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Self::serve(stream, hand.clone()));
            }
        });
        let upstream = upstream_of(&[&url], |config| {
            config.http_version = HttpVersion::Http2;
            config.retries_max = 0;
        });
        Self {
            asked,
            connections,
            upstream,
        }
    }

    /// A connection ends gracefully after the request for `/last`.
    async fn serve(stream: TcpStream, hand: mpsc::Sender<Asked>) {
        let mut connection: Connection<TcpStream, Bytes> = ::h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            if request.uri().path() == "/last" {
                connection.graceful_shutdown();
            }
            hand.send((request, respond)).await.unwrap();
        }
    }

    fn send(&self, request: Request<Body>) -> tokio::task::JoinHandle<Result<Response<Body>, UpstreamError>> {
        let upstream = Arc::clone(&self.upstream);
        tokio::spawn(async move { upstream.send(request, Retry::Never).await.map(|(response, _)| response) })
    }

    async fn next(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }
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
