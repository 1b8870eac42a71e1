//! HTTP/2 as well-behaved clients speak it.

mod counts;
mod hostile;
mod rules;
mod short;
mod slow;
mod turns;
mod windows;

use super::*;
use crate::http::Interim;
use crate::tests::{PATIENCE, until};
use ::h2::client::SendRequest;
use ::h2::{Reason, RecvStream};
use ::http::HeaderMap;
use bytes::Bytes;
use std::time::Duration;
use tokio::net::TcpStream;

const SPOKEN: Spoken = Spoken {
    tls: None,
    h2c: true,
    proxy_protocol: None,
};

fn start<F, A>(change: impl FnOnce(&mut ServerLimits), handler: F) -> Running
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Running::start_as(change, SPOKEN, handler)
}

/// Answers with what it was asked for and sent.
fn echo(change: impl FnOnce(&mut ServerLimits)) -> Running {
    start(change, async |request: Request<Body>| {
        let (head, body) = request.into_parts();
        let field = |name: &str| {
            head.headers
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let told = format!("{} {} {} {}", head.method, head.uri, field("host"), field("cookie"));
        match body.collect(1 << 20).await {
            Ok(body) => Response::new(Body::full(told + " " + std::str::from_utf8(&body).unwrap())),
            Err(error) => Problem::new(StatusCode::BAD_REQUEST, error.fault.as_str()).into_response(),
        }
    })
}

async fn connect(running: &Running) -> SendRequest<Bytes> {
    connect_to(running.address).await
}

async fn connect_to(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = ::h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client.ready().await.unwrap()
}

fn request(method: &str, uri: &str) -> Request<()> {
    Request::builder().method(method).uri(uri).body(()).unwrap()
}

/// A hang is a failure.
async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("it comes in time")
}

/// Status, fields and body of the answer to a request without a body.
async fn ask(client: &mut SendRequest<Bytes>, request: Request<()>) -> Result<(u16, HeaderMap, String), ::h2::Error> {
    let (response, _) = client.send_request(request, true)?;
    let response = patiently(response).await?;
    let (head, mut body) = response.into_parts();
    let text = read(&mut body).await?;
    Ok((head.status.as_u16(), head.headers, text))
}

async fn read(body: &mut RecvStream) -> Result<String, ::h2::Error> {
    let mut text = String::new();
    while let Some(data) = patiently(body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    Ok(text)
}

#[tokio::test]
async fn requests_side_by_side_are_answered() {
    let running = echo(|_| {});
    let client = connect(&running).await;
    let mut askers = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut client = client.clone();
        askers.spawn(async move {
            ask(&mut client, request("GET", &format!("http://x/{number}?q")))
                .await
                .unwrap()
        });
    }
    let mut bodies = 0;
    while let Some(answered) = askers.join_next().await {
        let (status, headers, text) = answered.unwrap();
        assert!(status == 200 && text.ends_with("?q x - "), "{text}");
        assert!(headers.contains_key("date") && headers["content-length"] == text.len().to_string().as_str());
        bodies += 1;
    }
    let status = running.server.status();
    assert_eq!(
        (
            bodies,
            status.requests,
            status.connections_accepted,
            status.http2_connections
        ),
        (50, 50, 1, 1)
    );
    // HTTP/1 is spoken at the same place.
    let old = running
        .whole_answer("GET /1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(old.ends_with("GET /1 x - "), "{old}");
}

#[tokio::test]
async fn a_head_answers_without_its_body_and_cookies_become_one() {
    let running = echo(|_| {});
    let mut client = connect(&running).await;
    let (_, headers, text) = ask(&mut client, request("HEAD", "http://x/")).await.unwrap();
    assert_eq!((headers["content-length"].to_str().unwrap(), text.as_str()), ("11", ""));
    let mut crumbs = request("GET", "http://x/");
    for crumb in ["a=1", "b=2", "c=3"] {
        crumbs.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    assert!(ask(&mut client, crumbs).await.unwrap().2.contains("a=1; b=2; c=3"));
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways_and_interim_answers_before_them() {
    let running = start(
        |_| {},
        async |mut request: Request<Body>| {
            let interim = request.extensions().get::<Interim>().unwrap().clone();
            let hints = HeaderMap::from_iter([("link".parse().unwrap(), "</a>; rel=preload".parse().unwrap())]);
            interim.send(StatusCode::EARLY_HINTS, hints);
            let mut trailers = HeaderMap::new();
            let mut length = 0;
            while let Some(frame) = http_body_util::BodyExt::frame(request.body_mut()).await {
                match frame.unwrap().into_data() {
                    Ok(data) => length += data.len(),
                    Err(frame) => trailers = frame.into_trailers().unwrap(),
                }
            }
            assert!(!trailers.contains_key("content-length"));
            trailers.insert("x-length", length.into());
            let frames = frames([
                http_body::Frame::data(Bytes::from_static(b"abc")),
                http_body::Frame::trailers(trailers),
            ]);
            Response::new(Body::stream(frames))
        },
    );
    let mut client = connect(&running).await;
    let (mut response, mut body) = client.send_request(request("POST", "http://x/"), false).unwrap();
    body.send_data(Bytes::from(vec![b'a'; 40_000]), false).unwrap();
    let sent = [("x-sum", "7"), ("content-length", "1")].map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
    body.send_trailers(HeaderMap::from_iter(sent)).unwrap();
    let hints = patiently(std::future::poll_fn(|cx| response.poll_informational(cx)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (hints.status().as_u16(), &hints.headers()["link"]),
        (103, &"</a>; rel=preload".parse().unwrap())
    );
    let mut body = patiently(response).await.unwrap().into_body();
    assert_eq!(read(&mut body).await.unwrap(), "abc");
    let trailers = patiently(body.trailers()).await.unwrap().unwrap();
    assert_eq!(
        (&trailers["x-sum"], &trailers["x-length"]),
        (&"7".parse().unwrap(), &"40000".parse().unwrap())
    );
}

#[tokio::test]
async fn trailers_are_announced_where_there_may_be_some() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            let sum = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
            let body = match request.uri().path() {
                "/some" => Body::stream(frames([
                    http_body::Frame::data(Bytes::from_static(b"abc")),
                    http_body::Frame::trailers(sum),
                ])),
                _ => Body::full("abc"),
            };
            let mut response = Response::new(body);
            for name in ["x-sum", "x-more"] {
                response.headers_mut().append("trailer", name.parse().unwrap());
            }
            response
        },
    );
    let mut client = connect(&running).await;
    for (path, expected) in [("some", &["x-sum", "x-more"][..]), ("none", &[])] {
        let (_, headers, text) = ask(&mut client, request("GET", &format!("http://x/{path}")))
            .await
            .unwrap();
        let announced: Vec<_> = headers
            .get_all("trailer")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!((&announced[..], text.as_str()), (expected, "abc"), "{path}");
    }
}

/// A body of these frames.
fn frames<const N: usize>(
    frames: [http_body::Frame<Bytes>; N],
) -> impl http_body::Body<Data = Bytes, Error = crate::http::BodyError> + Send {
    let mut frames = frames.into_iter();
    Frames(move || frames.next())
}

struct Frames<F>(F);

impl<F: FnMut() -> Option<http_body::Frame<Bytes>> + Unpin> http_body::Body for Frames<F> {
    type Data = Bytes;
    type Error = crate::http::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready((self.0)().map(Ok))
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let running = echo(|_| {});
    let mut client = connect(&running).await;
    let mut waiting = request("POST", "http://x/");
    waiting.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (mut response, mut body) = client.send_request(waiting, false).unwrap();
    let asked = patiently(std::future::poll_fn(|cx| response.poll_informational(cx)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asked.status(), 100);
    body.send_data(Bytes::from_static(b"here"), true).unwrap();
    assert!(
        read(&mut patiently(response).await.unwrap().into_body())
            .await
            .unwrap()
            .ends_with("here")
    );
}

#[tokio::test]
async fn heads_that_are_in_doubt_are_refused_with_a_problem() {
    let running = echo(|limits| {
        (limits.header_size_max, limits.header_count_max, limits.uri_length_max) = (8192, 20, 100);
    });
    let with = |fields: &[(&str, &str)]| {
        let mut request = request("GET", "http://x/");
        for (name, value) in fields {
            let value = ::http::HeaderValue::from_str(value).unwrap();
            request
                .headers_mut()
                .append(name.parse::<::http::HeaderName>().unwrap(), value);
        }
        request
    };
    let many = vec![("a", "b"); 21];
    let table = [
        (with(&[("host", "y")]), Refusal::HostDisagrees),
        (with(&[("host", "x"), ("host", "x")]), Refusal::HostTwice),
        (with(&[("a", " b")]), Refusal::Malformed),
        (with(&[("a", "b\t")]), Refusal::Malformed),
        (with(&many), Refusal::HeaderTooLarge),
        (with(&[("a", &"b".repeat(9000))]), Refusal::HeaderTooLarge),
        (
            request("GET", &format!("http://x/{}", "a".repeat(200))),
            Refusal::UriTooLong,
        ),
        (request("GET", "http://user@x/"), Refusal::HostInvalid),
        (request("CONNECT", "x:443"), Refusal::Method),
    ];
    let mut client = connect(&running).await;
    for (request, refusal) in table {
        let (before, shown) = (running.refused(refusal), format!("{request:?}"));
        let (status, _, text) = ask(&mut client, request).await.unwrap();
        assert_eq!(
            (status, text),
            (refusal.status().as_u16(), refusal.problem().to_json()),
            "{shown}"
        );
        assert_eq!(running.refused(refusal), before + 1, "{shown}");
    }
    let large = with(&[("content-length", "9999999999999")]);
    let (response, _body) = client.send_request(large, false).unwrap();
    assert_eq!(
        patiently(response).await.unwrap().status(),
        Refusal::BodyTooLarge.status()
    );
    // The same host in other letters is the same.
    assert_eq!(ask(&mut client, with(&[("host", "X")])).await.unwrap().0, 200);
    assert_eq!(running.server.status().requests, 1);
}

#[tokio::test]
async fn each_hop_takes_one_and_the_last_answers() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            let left = request.headers()["max-forwards"].to_str().unwrap();
            Response::new(Body::full(left.to_owned()))
        },
    );
    let mut client = connect(&running).await;
    for (method, hops, expected) in [
        ("OPTIONS", "2", "1"),
        ("TRACE", "1", "0"),
        ("GET", "0", "0"),
        ("OPTIONS", "0", ""),
        ("TRACE", "0", "TRACE /a HTTP/2.0\r\nhost: x\r\nmax-forwards: 0\r\n\r\n"),
    ] {
        let mut asked = request(method, "http://x/a");
        asked.headers_mut().insert("max-forwards", hops.parse().unwrap());
        let (status, _, text) = ask(&mut client, asked).await.unwrap();
        assert_eq!((status, text.as_str()), (200, expected), "{method} {hops}");
    }
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_in_time() {
    let running = echo(|limits| {
        limits.request_body_max = 1000;
        limits.stall_timeout = Duration::from_millis(50);
    });
    let mut client = connect(&running).await;
    for (data, fault) in [
        (vec![b'a'; 1001], "body_too_large"),
        (vec![b'a'; 10], "body_idle_timeout"),
    ] {
        let (response, mut body) = client.send_request(request("POST", "http://x/"), false).unwrap();
        body.send_data(data.into(), false).unwrap();
        let mut answer = patiently(response).await.unwrap().into_body();
        assert!(read(&mut answer).await.unwrap().contains(fault), "{fault}");
    }
}

#[tokio::test]
async fn a_client_that_listens_is_not_silent() {
    let running = start(|limits| limits.stall_timeout = SILENCE, converse);
    let mut client = connect(&running).await;
    let (response, mut stream) = client.send_request(request("POST", "http://x/"), false).unwrap();
    stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let mut body = patiently(response).await.unwrap().into_body();
    for _ in 0..5 {
        assert_eq!(body.data().await.unwrap().unwrap(), "x");
    }
    stream.send_data(Bytes::from_static(b" you"), true).unwrap();
    assert_eq!(read(&mut body).await.unwrap(), "hello you");
}

#[tokio::test]
async fn work_for_a_request_that_was_taken_back_is_dropped() {
    struct Alive(Arc<std::sync::atomic::AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let alive = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&alive);
    let running = start(
        |_| {},
        move |_| {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let alive = Alive(Arc::clone(&counter));
            async move {
                std::future::pending::<()>().await;
                drop(alive);
                Response::new(Body::empty())
            }
        },
    );
    let count = || alive.load(std::sync::atomic::Ordering::SeqCst);
    let mut client = connect(&running).await;
    let (_response, mut body) = client.send_request(request("GET", "http://x/"), false).unwrap();
    until("it is asked", || count() == 1).await;
    body.send_reset(Reason::CANCEL);
    until("it is dropped", || count() == 0).await;
    let (response, body) = client.send_request(request("GET", "http://x/"), false).unwrap();
    until("it is asked", || count() == 1).await;
    drop((client, response, body));
    until("it is dropped with the connection", || count() == 0).await;
}

#[tokio::test]
async fn a_client_that_opens_no_window_is_given_up_and_others_on_the_connection_are_not() {
    let running = start(
        |limits| limits.stall_timeout = Duration::from_millis(80),
        async |request: Request<Body>| {
            let length = if request.uri().path() == "/large" { 1 << 20 } else { 10 };
            Response::new(Body::full(vec![b'a'; length]))
        },
    );
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut builder = ::h2::client::Builder::new();
    let handshake = builder
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Bytes>(stream);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (response, _) = client.send_request(request("GET", "http://x/large"), true).unwrap();
    let mut body = patiently(response).await.unwrap().into_body();
    // What fits its window, and then nothing is taken.
    let error = loop {
        match tokio::time::timeout(PATIENCE, body.data()).await.unwrap() {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it looks whole"),
        }
    };
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(running.server.status().stalled, 1);
    assert_eq!(ask(&mut client, request("GET", "http://x/")).await.unwrap().2.len(), 10);
}

#[tokio::test]
async fn a_response_that_fails_never_looks_whole() {
    let running = start(
        |_| {},
        async |_| {
            let mut pieces = vec![
                Err(crate::http::BodyError::new(
                    crate::http::BodyFault::Broken,
                    peregrine_base::Party::Upstream,
                )),
                Ok(Bytes::from_static(b"part")),
            ];
            Response::new(Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop())))
        },
    );
    let mut client = connect(&running).await;
    let error = ask(&mut client, request("GET", "http://x/")).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(running.server.status().cut, 1);
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_takes_no_more() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let running = start(
        |_| {},
        move |_| {
            let gate = Arc::clone(&opened);
            async move {
                gate.notified().await;
                Response::new(Body::full("late"))
            }
        },
    );
    let mut client = connect(&running).await;
    let (response, _) = client.send_request(request("GET", "http://x/"), true).unwrap();
    until("it is asked", || running.server.status().requests == 1).await;
    running.drain.start();
    until("the client knows", || {
        let mut client = client.clone();
        let polled = client.poll_ready(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        matches!(polled, std::task::Poll::Ready(Err(_)))
    })
    .await;
    gate.notify_one();
    assert_eq!(
        read(&mut patiently(response).await.unwrap().into_body()).await.unwrap(),
        "late"
    );
    until("the connection is gone", || {
        running.server.status().connections_open == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_say_that_it_knows_of_a_drain_is_told_up_to_where_there_are_answers() {
    let running = start(|_| {}, async |_| std::future::pending().await);
    let mut raw = hostile::Raw::connect_to(running.address).await;
    raw.send(1, 0x5, 1, &hostile::block(&hostile::GET)).await;
    until("it is asked", || running.server.status().requests == 1).await;
    running.drain.start();
    let mut told = Vec::new();
    while told.last() != Some(&1) {
        let (kind, _, _, content) = raw.frame().await.expect("it is told");
        if kind == 7 {
            told.push(u32::from_be_bytes(content[..4].try_into().unwrap()));
        }
    }
    assert_eq!(told, [u32::MAX >> 1, 1]);
    // What it asks for now is refused, and may be asked of another.
    raw.send(1, 0x5, 3, &hostile::block(&hostile::GET)).await;
    let refused = raw.frame().await.expect("a word on it");
    assert_eq!((refused.0, refused.2, &refused.3[..]), (3, 3, &[0, 0, 0, 7][..]));
}

#[tokio::test]
async fn without_h2c_the_preface_is_no_request_and_an_upgrade_is_none() {
    let running = Running::echo(|_| {});
    let answer = running.whole_answer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_problem(&answer, Refusal::Version);
    for running in [running, echo(|_| {})] {
        let upgrade = "GET /1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
                       http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
        let answer = running.whole_answer(upgrade).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.contains("GET /1"),
            "{answer}"
        );
    }
}
