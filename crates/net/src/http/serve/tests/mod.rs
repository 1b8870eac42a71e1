//! The server over real sockets, seen by a client that sees every byte.

mod bodies;
mod conversation;
mod ends;
mod heads;
mod http2;
mod introduced;
mod pipelines;
mod short;
mod table;
mod tls;

use super::*;
use crate::drain::Drain;
use crate::http::{Body, Problem};
use crate::tests::Wire;
use ::http::{Request, Response, StatusCode};
use peregrine_base::{SystemClock, TokioRuntime};
use std::task::Poll;

/// A handler made from a function, and what its server speaks.
struct With<F>(F, Spoken);

impl<F, A> Handler for With<F>
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    fn handle(&self, request: Request<Body>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
        if !self.1.is_plain() {
            assert_eq!(peer.tls, self.1.tls.is_some());
            let mut request = request;
            request.extensions_mut().insert(peer);
            return self.0(request);
        }
        assert_eq!(
            (peer.address.ip(), peer.tls, peer.scheme()),
            (peer.local.ip(), false, "http")
        );
        self.0(request)
    }
}

/// How long a client of [`converse`] may be silent.
const SILENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// Answers in five pieces over twice [`SILENCE`], and with what became of the request's body meanwhile.
async fn converse(request: Request<Body>) -> Response<Body> {
    let (done, mut read) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let body = request.into_body().collect(1 << 20).await;
        let _ = done.send(body.unwrap_or_else(|error| error.fault.as_str().into()));
    });
    let pause = || Box::pin(tokio::time::sleep(SILENCE * 2 / 5));
    let (mut pieces, mut pause_over) = (5, pause());
    Response::new(Body::from_poll(None, move |cx| {
        if pieces == 0 {
            return std::pin::Pin::new(&mut read).poll(cx).map(|read| {
                pieces -= 1;
                read.ok().map(Ok)
            });
        }
        if pieces < 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(pause_over.as_mut().poll(cx));
        (pieces, pause_over) = (pieces - 1, pause());
        Poll::Ready(Some(Ok("x".into())))
    }))
}

/// A server that runs, and what ends it.
struct Running {
    server: Server,
    address: SocketAddr,
    drain: Drain,
}

impl Running {
    fn start<F, A>(change: impl FnOnce(&mut ServerLimits), handler: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_as(change, Spoken::default(), handler)
    }

    /// As [`Running::start`], where more than plain HTTP/1.1 is spoken; the handler finds the [`Peer`] among the extensions.
    fn start_as<F, A>(change: impl FnOnce(&mut ServerLimits), spoken: Spoken, handler: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let mut limits = ServerLimits::default();
        change(&mut limits);
        let parts = ServerParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
        };
        let server = Server::new(limits, parts);
        let (drain, watch) = crate::drain::channel();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let handler = Arc::new(With(handler, spoken.clone()));
        let address = server.serve_as(listener, spoken, handler, watch).address();
        Self { server, address, drain }
    }

    /// Answers with what it was asked for and sent.
    fn echo(change: impl FnOnce(&mut ServerLimits)) -> Self {
        Self::start(change, async |request: Request<Body>| {
            let begin = format!("{} {} ", request.method(), request.uri());
            match request.into_body().collect(1 << 20).await {
                Ok(body) => Response::new(Body::full(begin + std::str::from_utf8(&body).unwrap())),
                Err(error) => Problem::new(StatusCode::BAD_REQUEST, error.fault.as_str()).into_response(),
            }
        })
    }

    async fn client(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Everything that comes back for `text` until the connection ends.
    async fn whole_answer(&self, text: &str) -> String {
        let mut client = self.client().await;
        client.send(text).await;
        client.rest().await.unwrap()
    }

    fn refused(&self, refusal: Refusal) -> u64 {
        self.server.status().refused[refusal.as_str()]
    }
}

/// Asserts that `answer` is one problem of `refusal` and nothing after it.
fn assert_problem(answer: &str, refusal: Refusal) {
    let status = refusal.status();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {} ", status.as_u16())),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for field in ["content-type: application/problem+json", "connection: close", "date: "] {
        assert!(head.contains(field), "{field} is missing: {head}");
    }
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    assert_eq!(body, refusal.problem().to_json());
}
