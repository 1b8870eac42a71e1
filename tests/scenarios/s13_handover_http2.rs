//! The program is replaced while clients speak HTTP/2 to it: what they sent is answered, once, and they go over to the
//! successor when they are told to (GOAWAY, RFC 9113 §6.8).

use crate::harness::process::{self, Process};
use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, until};
use crate::scenarios::s13_handover::SUCCEED;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::HashMap;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 3;
/// Requests under way at a time on each of them.
const STREAMS: usize = 4;
const ROUNDS: usize = 3;

/// What the clients count.
#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    answered: AtomicUsize,
    connected: AtomicUsize,
}

async fn connect(address: SocketAddr, counts: &Counts) -> SendRequest<Empty<Bytes>> {
    counts.connected.fetch_add(1, Ordering::SeqCst);
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(async move {
        // How it ends shows in what is asked over it.
        let _ = connection.await;
    });
    sender
}

/// Whether the server said that it did not look at the request: its number is past the last one of GOAWAY (RFC 9113 §6.8).
fn is_untouched(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}

/// Asks for `target`; nothing where the request never left, because the connection takes no more, or was not looked at: then it
/// may be sent again (RFC 9113 §8.7). Any other failure is a request lost.
async fn ask(mut sender: SendRequest<Empty<Bytes>>, method: &'static str, target: String) -> Option<()> {
    if sender.ready().await.is_err() {
        return None;
    }
    let request = Request::builder()
        .method(method)
        .uri(format!("http://shop.example{target}"))
        .body(Empty::new())
        .unwrap();
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) if error.is_canceled() || is_untouched(&error) => return None,
        Err(error) => panic!("{method} {target} is lost: {error:?}"),
    };
    assert_eq!(response.status(), 200, "{method} {target}: {:?}", response.headers());
    let body = response.into_body().collect().await;
    let body = body.unwrap_or_else(|error| panic!("{method} {target} is cut: {error:?}"));
    assert_eq!(body.to_bytes(), target.as_bytes());
    Some(())
}

/// Asks without pause over one connection at a time, several requests at once, and goes over to another when it is told to.
async fn client(address: SocketAddr, name: usize, counts: Arc<Counts>) {
    let mut sender = connect(address, &counts).await;
    let mut number = 0;
    while !counts.stop.load(Ordering::SeqCst) {
        let mut asked: Vec<(&str, String)> = Vec::new();
        for _ in 0..STREAMS {
            number += 1;
            asked.push(match number % 5 {
                // A write is told from every other, so that one that is lost or done twice shows.
                0 => ("POST", format!("/{name}/write/{number}")),
                _ => ("GET", format!("/{name}/{}", number % 20)),
            });
        }
        while !asked.is_empty() {
            let mut under_way = JoinSet::new();
            for (method, target) in asked.drain(..) {
                let sender = sender.clone();
                under_way.spawn(async move { (ask(sender, method, target.clone()).await, method, target) });
            }
            while let Some(ended) = under_way.join_next().await {
                match ended.unwrap() {
                    (Some(()), ..) => _ = counts.answered.fetch_add(1, Ordering::SeqCst),
                    (None, method, target) => asked.push((method, target)),
                }
            }
            if !asked.is_empty() {
                sender = connect(address, &counts).await;
            }
        }
    }
}

#[test]
fn a_program_is_replaced_under_http2_and_every_request_is_answered_once() {
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.target));
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n";
    let mut peregrine = Peregrine::start(&upstream(&[&origin], "", listener));
    let counts = Arc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut clients = JoinSet::new();
    for name in 0..CONNECTIONS {
        clients.spawn_on(client(peregrine.address, name, Arc::clone(&counts)), runtime.handle());
    }
    let more = |what: &str| {
        let before = counts.answered.load(Ordering::SeqCst);
        until(what, || counts.answered.load(Ordering::SeqCst) > before + 50);
    };
    for _ in 0..ROUNDS {
        more("requests");
        let successor = Process::start(process::command(peregrine.folder.path(), SUCCEED));
        assert_eq!(successor.address("serving"), peregrine.address);
        assert_eq!(peregrine.process.exit_code(), Some(0), "{}", peregrine.log());
        peregrine.process = successor;
        more("requests at the successor");
    }
    counts.stop.store(true, Ordering::SeqCst);
    runtime.block_on(async {
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
    let connected = counts.connected.load(Ordering::SeqCst);
    assert!(
        connected >= CONNECTIONS * (ROUNDS + 1),
        "everybody went over each time: {connected}"
    );
    let mut writes = HashMap::new();
    for heard in origin.heard().iter().filter(|heard| heard.method == "POST") {
        *writes.entry(heard.target.clone()).or_insert(0) += 1;
    }
    let twice: Vec<_> = writes.iter().filter(|(_, count)| **count != 1).collect();
    assert!(!writes.is_empty() && twice.is_empty(), "done twice: {twice:?}");
}
