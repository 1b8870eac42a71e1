//! What goes past the plain request and answer: interim responses, a body that waits to be asked for, trailers, and a change
//! of protocol.

use super::*;
use crate::http::{BodyError, BodyFault, Interim, Tunnel};
use crate::tests::{Wire, until};
use ::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use std::task::{Context, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An origin that reads a head and then follows `script`.
async fn scripted<F, S>(script: F) -> Origin
where
    F: Fn(Wire, String) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    Origin::start(move |mut wire, _| {
        let script = script.clone();
        async move {
            let head = wire.head().await.unwrap();
            script(wire, head).await;
        }
    })
    .await
}

fn with_fields(mut request: Request<Body>, fields: &[(&'static str, &'static str)]) -> Request<Body> {
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

/// The interim responses that arrived.
fn arrived(interim: &Interim) -> Vec<(u16, HeaderMap)> {
    let cx = Context::from_waker(Waker::noop());
    let next = || interim.next(&cx);
    std::iter::from_fn(next)
        .map(|(status, headers)| (status.as_u16(), headers))
        .collect()
}

#[tokio::test]
async fn hints_reach_the_client_without_what_was_for_this_hop() {
    let origin = scripted(|mut wire, _| async move {
        wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        wire.send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n",
        )
        .await;
        wire.send("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n").await;
        wire.send(OK).await;
    })
    .await;
    let interim = Interim::default();
    let mut request = get("/");
    request.extensions_mut().insert(interim.clone());
    assert_eq!(fetch(&upstream(&origin), request, Retry::Safe).await.unwrap().0, "ok");
    let arrived = arrived(&interim);
    assert_eq!(
        arrived.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [103, 103]
    );
    assert_eq!(
        (arrived[0].1.len(), &arrived[0].1["link"], &arrived[1].1["link"]),
        (1, &"</a>".parse().unwrap(), &"</b>".parse().unwrap())
    );
}

/// A POST whose body tells when it is first asked for.
fn expecting(asked: &Arc<AtomicBool>) -> Request<Body> {
    let asked = Arc::clone(asked);
    let mut text = Some(bytes::Bytes::from_static(b"body"));
    let body = Body::from_poll(Some(4), move |_| {
        asked.store(true, Ordering::SeqCst);
        std::task::Poll::Ready(text.take().map(Ok))
    });
    with_fields(request("POST", "/", body), &[("expect", "100-continue")])
}

#[tokio::test]
async fn a_body_is_asked_for_when_the_target_wants_it() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let origin = scripted(move |mut wire, head| {
        let seen = Arc::clone(&seen);
        async move {
            assert!(head.contains("expect: 100-continue\r\n"), "{head}");
            assert!(!seen.load(Ordering::SeqCst), "nobody asked yet");
            wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
            assert_eq!(wire.bytes(4).await, b"body");
            wire.send(OK).await;
            let _ = wire.rest().await;
        }
    })
    .await;
    let upstream = upstream(&origin);
    assert_eq!(fetch(&upstream, expecting(&asked), Retry::Never).await.unwrap().0, "ok");
    assert_eq!(target(&upstream).idle, 1);
}

#[tokio::test]
async fn a_body_that_the_target_does_not_want_is_never_asked_for() {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    let origin = scripted(move |mut wire, _| {
        let seen = Arc::clone(&seen);
        async move {
            wire.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno")
                .await;
            if wire.rest().await.is_ok_and(|rest| rest.is_empty()) {
                seen.store(true, Ordering::SeqCst);
            }
        }
    })
    .await;
    let asked = Arc::new(AtomicBool::new(false));
    let upstream = upstream(&origin);
    let answer = fetch(&upstream, expecting(&asked), Retry::Never).await.unwrap().0;
    assert_eq!((answer.as_str(), asked.load(Ordering::SeqCst)), ("no", false));
    // The rest of the request would still stand in it.
    until("the connection is closed", || closed.load(Ordering::SeqCst)).await;
    assert_eq!((target(&upstream).idle, target(&upstream).in_flight), (0, 0));
}

#[tokio::test]
async fn a_target_that_knows_nothing_of_expectations_gets_the_body_after_a_while() {
    let clock = Arc::new(ManualClock::default());
    let moved = clock.clone();
    let origin = scripted(move |mut wire, _| {
        let moved = moved.clone();
        async move {
            // The wait itself is on the machine's timer.
            moved.advance(Duration::from_secs(1));
            assert_eq!(wire.bytes(4).await, b"body");
            wire.send(OK).await;
        }
    })
    .await;
    let upstream = upstream_with(clock, &[&origin.url()], |_| {});
    let asked = Arc::default();
    assert_eq!(fetch(&upstream, expecting(&asked), Retry::Never).await.unwrap().0, "ok");
}

/// The fields after the body.
async fn trailers_of(body: Body) -> HeaderMap {
    let collected = http_body_util::BodyExt::collect(body).await.unwrap();
    collected.trailers().cloned().unwrap_or_default()
}

#[tokio::test]
async fn trailers_pass_both_ways_without_what_would_be_too_late() {
    let origin = scripted(|mut wire, head| async move {
        assert!(
            head.contains("te: trailers\r\n") && head.contains("connection: te\r\n"),
            "{head}"
        );
        assert!(head.contains("trailer: x-sum, content-length\r\n"), "{head}");
        let sent = "4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";
        assert_eq!(String::from_utf8(wire.bytes(sent.len()).await).unwrap(), sent);
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
            .await;
        wire.send("grpc-status: 0\r\ncontent-length: 9\r\nset-cookie: a=b\r\n\r\n")
            .await;
        while wire.head().await.is_some() {
            wire.send(OK).await;
        }
    })
    .await;
    let mut fields = HeaderMap::new();
    fields.insert("x-sum", "7".parse().unwrap());
    fields.insert("content-length", "9".parse().unwrap());
    let data = http_body_util::Full::new(bytes::Bytes::from_static(b"body"));
    let body = data
        .with_trailers(async move { Some(Ok(fields)) })
        .map_err(|_| BodyError::new(BodyFault::Abandoned, peregrine_base::Party::Downstream));
    let request = request("POST", "/", Body::stream(NoLength(Box::pin(body))));
    let request = with_fields(request, &[("te", "trailers"), ("trailer", "x-sum, content-length")]);
    let upstream = upstream(&origin);
    let (response, _) = upstream.send(request, Retry::Never).await.unwrap();
    let trailers = trailers_of(response.into_body()).await;
    assert_eq!((trailers.len(), &trailers["grpc-status"]), (1, &"0".parse().unwrap()));
    assert!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused);
}

/// A body that does not tell how long it is.
struct NoLength<B>(B);

impl<B: http_body::Body + Unpin> http_body::Body for NoLength<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn websocket() -> Request<Body> {
    with_fields(get("/chat"), &[("upgrade", "websocket"), ("sec-websocket-key", "x")])
}

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";

#[tokio::test]
async fn a_connection_that_changes_its_protocol_carries_bytes_both_ways() {
    let origin = scripted(|mut wire, head| async move {
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"),
            "{head}"
        );
        // The first bytes of the new protocol may come with the head.
        wire.send(&format!("{SWITCHED}hello")).await;
        let heard = wire.bytes(5).await;
        wire.stream.write_all(&heard).await.unwrap();
    })
    .await;
    let upstream = upstream_of(&[&origin.url()], |config| config.connections_max = 1);
    let (response, exchange) = upstream.send(websocket(), Retry::Safe).await.unwrap();
    assert_eq!(
        (response.status(), exchange.reused),
        (StatusCode::SWITCHING_PROTOCOLS, false)
    );
    assert_eq!(response.headers()["upgrade"], "WebSocket");
    let tunnel = response.extensions().get::<Tunnel>().unwrap();
    let mut far = tunnel.take().unwrap();
    let mut heard = [0; 5];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    far.write_all(b"world").await.unwrap();
    far.flush().await.unwrap();
    let mut rest = String::new();
    far.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "world");
    assert_eq!(
        (target(&upstream).in_flight, target(&upstream).idle),
        (1, 0),
        "it counts until it is over"
    );
    drop(far);
    assert_eq!(target(&upstream).in_flight, 0);
}

#[tokio::test]
async fn a_target_that_does_not_change_its_protocol_answers_as_always() {
    let origin = scripted(|mut wire, _| async move {
        wire.send(OK).await;
        while wire.head().await.is_some() {
            wire.send(OK).await;
        }
    })
    .await;
    let upstream = upstream(&origin);
    assert_eq!(fetch(&upstream, websocket(), Retry::Safe).await.unwrap().0, "ok");
    assert!(fetch(&upstream, get("/"), Retry::Safe).await.unwrap().1.reused);
}

#[tokio::test]
async fn a_target_changes_to_what_was_offered_or_not_at_all() {
    for other in [
        "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 X\r\n\r\n",
    ] {
        let origin = scripted(move |mut wire, _| async move { wire.send(other).await }).await;
        assert_eq!(
            failure(&upstream(&origin), websocket(), Retry::Safe).await,
            UpstreamErrorKind::Protocol
        );
    }
}

#[tokio::test]
async fn when_everything_fails_only_so_much_is_sent_again() {
    let clock = Arc::new(ManualClock::default());
    let origin = Origin::start(|mut wire, _| async move {
        wire.head().await;
    })
    .await;
    let upstream = upstream_with(clock, &[&origin.url(), &origin.url()], |config| {
        config.ejection.failures = 0;
        config.retries_max = 3;
        config.retry_budget = 0.2;
        config.retries_per_second_min = 0;
    });
    for _ in 0..50 {
        assert_eq!(
            failure(&upstream, get("/"), Retry::Safe).await,
            UpstreamErrorKind::Broken
        );
    }
    let status = upstream.status();
    let retries: u64 = status.targets.iter().map(|target| target.retries).sum();
    assert_eq!((retries, origin.accepted()), (10, 60));
    assert!(status.budget_exhausted >= 40, "{}", status.budget_exhausted);
}

#[tokio::test]
async fn spare_targets_go_on_while_the_better_ones_come_back_and_not_while_they_become_more() {
    let (best, spare) = (Origin::echo().await, Origin::echo().await);
    let clock = Arc::new(ManualClock::default());
    let upstream = upstream_with(clock.clone(), &[&best.url(), &best.url(), &spare.url()], |config| {
        config.targets[2].priority = 1;
        config.slow_start = "10s".parse().unwrap();
        config.ejection.failures = 1;
    });
    let members = upstream.chooser.members();
    let answered_by_spare = async || {
        let requests = || upstream.status().targets[2].requests;
        let before = requests();
        for _ in 0..100 {
            fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
        }
        requests() - before
    };
    members[0].known(upstream.config()).begin_cold(clock.now());
    assert_eq!(answered_by_spare().await, 0, "nobody has stood in for who is new");
    for member in &members[..2] {
        member.fail(ejection::Admission::Normal);
    }
    assert_eq!(answered_by_spare().await, 100);
    for member in &members[..2] {
        member.probe_succeeded(clock.now());
    }
    let at_first = answered_by_spare().await;
    assert!((50..100).contains(&at_first), "{at_first} of 100");
    clock.advance(Duration::from_secs(10));
    assert_eq!(answered_by_spare().await, 0);
}

#[tokio::test]
async fn spare_targets_are_used_only_when_the_better_ones_fail() {
    let (one, spare) = (Origin::echo().await, Origin::echo().await);
    let down = format!("http://{}", crate::tests::nobody().await);
    for (best, expected) in [(one.url(), (20, 0)), (down, (0, 20))] {
        let upstream = upstream_of(&[&spare.url(), &best], |config| {
            config.targets[0].priority = 1;
            config.ejection.failures = 1;
        });
        for _ in 0..20 {
            fetch(&upstream, get("/"), Retry::Safe).await.unwrap();
        }
        let targets = upstream.status().targets;
        let answered = |index: usize| targets[index].requests - targets[index].errors.values().sum::<u64>();
        assert_eq!((answered(1), answered(0)), expected, "{best}");
    }
}
