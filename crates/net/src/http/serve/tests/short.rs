//! The short way: what a handler answers at once.

use super::*;
use crate::http::{Answer, HeadView};
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than what sockets hold.
pub(super) const MUCH: usize = 32 << 20;

/// More than fits a window that nobody opened.
pub(super) const SOME: usize = 200 << 10;

/// Answers at once what lies under `/short`, and counts whom it answered the long way.
#[derive(Default)]
pub(super) struct Both(pub(super) AtomicUsize);

impl Handler for Both {
    fn at_once(&self, head: &HeadView<'_>, _peer: &Peer, answer: &mut Answer) -> bool {
        assert!(answer.head.is_empty() && answer.body.is_empty() && !answer.dated);
        if !head.target.starts_with("/short") {
            answer.head.extend_from_slice(b"left: behind\r\n");
            return false;
        }
        let much = match head.target {
            "/short/of/much" => MUCH,
            "/short/of/some" => SOME,
            _ => 0,
        };
        if much > 0 {
            answer.body.push(Bytes::from(vec![b'x'; much]));
            answer
                .head
                .extend_from_slice(format!("content-length: {much}\r\n").as_bytes());
            return true;
        }
        let body = format!("{} {} {}", head.method, head.target, head.host);
        answer
            .head
            .extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        if head.field("Dated").is_some() {
            answer.head.extend_from_slice(b"date: long ago\r\n");
            answer.dated = true;
        }
        if head.method != "HEAD" {
            let (begin, end) = body.split_at(3);
            answer
                .body
                .extend([begin, end].map(|piece| Bytes::copy_from_slice(piece.as_bytes())));
        }
        true
    }

    async fn handle(&self, _request: Request<Body>, _peer: Peer) -> Response<Body> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Response::new(Body::full("long"))
    }
}

fn both() -> (Arc<Both>, Server, SocketAddr, Drain) {
    both_within(ServerLimits::default(), Spoken::default())
}

/// The same within `limits`, where more is `spoken`.
pub(super) fn both_within(limits: ServerLimits, spoken: Spoken) -> (Arc<Both>, Server, SocketAddr, Drain) {
    let parts = ServerParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
    };
    let server = Server::new(limits, parts);
    let (drain, watch) = crate::drain::channel();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let handler = Arc::new(Both::default());
    let address = server.serve_as(listener, spoken, Arc::clone(&handler), watch).address();
    (handler, server, address, drain)
}

/// `request` with a line for its end.
fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\n{fields}\r\n")
}

#[tokio::test]
async fn answers_at_once_and_others_keep_their_order() {
    let (handler, server, address, _drain) = both();
    let mut client = Wire::connect(address).await;
    let targets = ["/short/1", "/short/2", "/long", "/short/3"];
    let all: String = targets.iter().map(|target| get(target, "")).collect();
    client.send(&(all + &get("/short/4", "connection: close\r\n"))).await;
    let answer = client.rest().await.unwrap();
    let bodies: Vec<_> = answer.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let ends = [
        "GET /short/1 x",
        "GET /short/2 x",
        "long",
        "GET /short/3 x",
        "GET /short/4 x",
    ];
    assert_eq!(bodies.len(), ends.len(), "{answer}");
    for (body, end) in bodies.iter().zip(ends) {
        assert!(body.ends_with(&format!("\r\n\r\n{end}")), "{body:?} {end}");
        assert_eq!(body.matches("date: ").count(), 1, "{body}");
        assert_eq!(body.contains("connection: close"), end.contains("/4"), "{body}");
    }
    assert_eq!((handler.0.load(Ordering::SeqCst), server.status().requests), (1, 5));
}

#[tokio::test]
async fn many_requests_that_arrive_together_are_all_answered() {
    let (_, _, address, _drain) = both();
    let mut client = Wire::connect(address).await;
    let (target, count) = (format!("/short/{}", "x".repeat(1000)), 2000);
    let all = get(&target, "").repeat(count - 1) + &get(&target, "connection: close\r\n");
    let (mut reader, mut writer) = client.stream.split();
    let mut answer = String::new();
    let (sent, read) = tokio::join!(
        tokio::io::AsyncWriteExt::write_all(&mut writer, all.as_bytes()),
        tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut answer)
    );
    sent.unwrap();
    read.unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), count);
}

#[tokio::test]
async fn what_is_not_simple_goes_the_long_way() {
    let (handler, _, address, _drain) = both();
    let long = [
        get("/short", "content-length: 0\r\n"),
        get("/short", "content-length: 2\r\n") + "hi",
        get("/short", "connection: upgrade\r\nupgrade: websocket\r\n"),
        "OPTIONS /short HTTP/1.1\r\nhost: x\r\nmax-forwards: 5\r\n\r\n".to_owned(),
    ];
    let count = long.len();
    let mut client = Wire::connect(address).await;
    client
        .send(&(long.concat() + &get("/short", "connection: close\r\n")))
        .await;
    let answer = client.rest().await.unwrap();
    assert_eq!(answer.matches("\r\n\r\nlong").count(), count, "{answer}");
    assert_eq!(handler.0.load(Ordering::SeqCst), count);
}

#[tokio::test]
async fn an_answer_keeps_its_date_and_http_1_0_its_connection() {
    let (_, _, address, _drain) = both();
    let mut client = Wire::connect(address).await;
    client
        .send("HEAD /short HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\ndated: 1\r\n\r\n")
        .await;
    assert_eq!(
        client.head().await.unwrap(),
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\ndate: long ago\r\nconnection: keep-alive\r\n\r\n"
    );
    client.send("GET /short HTTP/1.0\r\n\r\n").await;
    let last = client.rest().await.unwrap();
    assert!(
        last.contains("connection: close\r\n") && last.ends_with("GET /short "),
        "{last}"
    );
}

#[tokio::test]
async fn the_drain_lets_answers_at_once_be_the_last() {
    let (_, _, address, drain) = both();
    let mut client = Wire::connect(address).await;
    client.send(&get("/short", "")).await;
    client.head().await.unwrap();
    client.bytes(12).await;
    drain.retire();
    client.send(&get("/short", "").repeat(2)).await;
    let last = client.rest().await.unwrap();
    assert_eq!(last.matches("connection: close\r\n").count(), 1, "{last}");
    assert_eq!(last.matches("HTTP/1.1").count(), 1, "{last}");
}

#[tokio::test]
async fn the_last_answer_is_the_last_however_long_it_takes_to_go_out() {
    let (_, server, address, _drain) = both();
    for behind in ["", "GET /short/behind HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let before = server.status().requests;
        let mut client = Wire::connect(address).await;
        client
            .send(&(get("/short/of/much", "connection: close\r\n") + behind))
            .await;
        // Under way, and nobody takes it yet.
        crate::tests::until("it is answered", || server.status().requests > before).await;
        tokio::task::yield_now().await;
        let answer = client.rest().await.unwrap();
        assert!(answer.ends_with("x") && answer.matches("HTTP/1.1").count() == 1);
        assert_eq!(server.status().requests, before + 1);
    }
}
