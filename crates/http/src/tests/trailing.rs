//! Trailers of stored answers (RFC 9110 §6.5, RFC 9111 §3.1).

use super::bench::{Bench, answer};
use super::*;
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame};
use peregrine_net::http::{Body, BodyError};
use std::pin::Pin;
use std::task::{Context, Poll};

const URL: &str = "http://shop.example/page";
const TE: [(&str, &[u8]); 2] = [("te", b"trailers"), ("connection", b"te")];

/// A body in pieces, with fields behind it.
struct Trailed(Vec<Frame<Bytes>>);

impl http_body::Body for Trailed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop().map(Ok))
    }
}

fn trailed(fields: &[(&str, &str)], trailers: &[(&'static str, String)]) -> Response<Body> {
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        map.append(*name, value.parse().unwrap());
    }
    let body = Trailed(vec![Frame::trailers(map), Frame::data(Bytes::from_static(b"content"))]);
    answer(200, fields, "").map(|_| Body::stream(body))
}

/// The content of an answer and what came after it.
async fn read(bench: &Bench, method: &str, fields: &[(&str, &[u8])]) -> (HeaderMap, String, String) {
    let (head, mut body) = bench.begin(method, URL, fields).await.into_parts();
    let (mut content, mut trailers) = (String::new(), String::new());
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame.unwrap().into_data() {
            Ok(data) => content.push_str(std::str::from_utf8(&data).unwrap()),
            Err(frame) => {
                for (name, value) in frame.trailers_ref().unwrap() {
                    trailers.push_str(&format!("{name}={};", value.to_str().unwrap()));
                }
            }
        }
    }
    (head.headers, content, trailers)
}

fn summed(setup: Setup) -> Bench {
    let fields = [("cache-control", "max-age=60"), ("etag", "\"a\""), ("trailer", "x-sum")];
    let trailers = [("x-sum", "1".to_owned()), ("set-cookie", "a=b".to_owned())];
    setup.before(move |heard| {
        let response = match heard.field("if-none-match") {
            "" => trailed(&fields, &trailers),
            _ => answer(304, &fields[..2], ""),
        };
        async { response }
    })
}

#[tokio::test]
async fn who_takes_trailers_gets_those_of_a_stored_answer() {
    let bench = summed(Setup::plain());
    let (_, content, trailers) = read(&bench, "GET", &TE).await;
    assert_eq!((&*content, &*trailers), ("content", "x-sum=1;"));
    for _ in 0..2 {
        let (head, content, trailers) = read(&bench, "GET", &TE).await;
        assert!(head["cache-status"].to_str().unwrap().contains("; hit"), "{head:?}");
        assert_eq!((&*content, &*trailers), ("content", "x-sum=1;"));
        assert_eq!(
            (head.get("content-length"), &head["trailer"]),
            (None, &"x-sum".parse().unwrap())
        );
        // A 304 for what is stored leaves them.
        bench.advance(61);
        let (head, ..) = read(&bench, "GET", &TE).await;
        assert!(
            head["cache-status"].to_str().unwrap().contains("fwd-status=304"),
            "{head:?}"
        );
    }
    let (head, content, trailers) = read(&bench, "GET", &[]).await;
    assert_eq!((&*content, &*trailers), ("content", ""));
    assert_eq!(
        (&head["content-length"], head.get("trailer")),
        (&"7".parse().unwrap(), None)
    );
    for (method, fields) in [("HEAD", &TE[..]), ("GET", &[TE[0], TE[1], ("range", b"bytes=0-2")])] {
        let (head, content, trailers) = read(&bench, method, fields).await;
        assert_eq!(trailers, "", "{method} {content}");
        assert!(head.contains_key("content-length"), "{method}");
    }
    assert!(
        bench.get(URL, &[("x-sum", "")]).await.field("x-sum").is_empty(),
        "they are no fields of the head"
    );
}

#[tokio::test]
async fn endless_trailers_are_not_stored() {
    for (count, length) in [(40, 1), (3, 4000)] {
        let bench = Setup::plain().before(move |_| {
            let trailers: Vec<_> = (0..count).map(|_| ("x-sum", "y".repeat(length))).collect();
            let response = trailed(&[("cache-control", "max-age=60")], &trailers);
            async { response }
        });
        read(&bench, "GET", &TE).await;
        let (head, content, trailers) = read(&bench, "GET", &TE).await;
        assert!(head["cache-status"].to_str().unwrap().contains("; hit"), "{head:?}");
        assert_eq!((&*content, &*trailers), ("content", ""));
    }
}

#[tokio::test]
async fn trailers_that_are_one_clients_are_not_stored() {
    for named in ["private=\"x-sum\"", "no-cache=\"a, X-Sum\""] {
        let control = format!("max-age=60, {named}");
        let bench = Setup::plain().before(move |heard| {
            let fields = [("cache-control", &*control), ("content-location", "/page")];
            let trailers = [("x-sum", heard.method), ("x-other", "2".to_owned())];
            let response = trailed(&fields, &trailers);
            async { response }
        });
        for method in ["GET", "POST"] {
            let (_, content, trailers) = read(&bench, method, &TE).await;
            let own = format!("x-sum={method};x-other=2;");
            assert_eq!((&*content, &*trailers), ("content", &*own), "its own client gets them");
            bench.settled().await;
            let (head, content, trailers) = read(&bench, "GET", &TE).await;
            assert!(head["cache-status"].to_str().unwrap().contains("; hit"), "{head:?}");
            assert_eq!(
                (&*content, &*trailers),
                ("content", "x-other=2;"),
                "{named} after {method}"
            );
        }
    }
}

#[tokio::test]
async fn a_304_takes_off_the_trailers_that_it_makes_one_clients() {
    let bench = Setup::plain().before(|heard| {
        let control = match heard.field("if-none-match") {
            "" => "max-age=60",
            _ => "max-age=60, private=\"x-sum\"",
        };
        let fields = [("cache-control", control), ("etag", "\"a\"")];
        let trailers = [("x-sum", "1".to_owned()), ("x-other", "2".to_owned())];
        let response = match heard.field("if-none-match") {
            "" => trailed(&fields, &trailers),
            _ => answer(304, &fields, ""),
        };
        async { response }
    });
    read(&bench, "GET", &TE).await;
    bench.advance(61);
    for _ in 0..2 {
        let (_, content, trailers) = read(&bench, "GET", &TE).await;
        assert_eq!((&*content, &*trailers), ("content", "x-other=2;"));
    }
}
