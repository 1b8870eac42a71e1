//! TLS with an authority of our own, and HTTP/2 with and without it.

use super::*;
use crate::config::HostRule;
use crate::http::BodyFault;
use crate::tests::until;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An authority, whose certificate lies in a file, and a server with a certificate for `localhost`.
struct Secure {
    port: u16,
    roots: PathBuf,
    accepted: Arc<AtomicUsize>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.roots);
    }
}

/// Says how it was asked.
async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let (version, uri, headers) = (request.version(), request.uri().clone(), request.headers().clone());
    let sent = request
        .into_body()
        .collect()
        .await
        .map_or(0, |body| body.to_bytes().len());
    let host = uri
        .authority()
        .map_or_else(|| headers["host"].to_str().unwrap(), |authority| authority.as_str());
    Ok(Response::new(Full::from(format!(
        "{version:?} {host} {} {sent}",
        uri.path()
    ))))
}

pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, h2: bool) {
    let io = TokioIo::new(stream);
    let _ = if h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service_fn(answer))
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service_fn(answer))
            .await
    };
}

/// A server with TLS that agrees on one of `protocols`.
async fn secure(protocols: &[&str]) -> Secure {
    secure_behind(protocols, Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))).await
}

/// As [`secure`]; each handshake takes one of `turns`.
async fn secure_behind(protocols: &[&str], turns: Arc<Semaphore>) -> Secure {
    let by_version = |stream: TlsStream<TcpStream>| async move {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        serve(stream, h2).await;
    };
    secure_by(protocols, turns, by_version).await
}

/// As [`secure_behind`]; `serve` is given each connection.
async fn secure_by<F, S>(protocols: &[&str], turns: Arc<Semaphore>, serve: F) -> Secure
where
    F: Fn(TlsStream<TcpStream>) -> S + Clone + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let (acceptor, turns, serve) = (acceptor.clone(), Arc::clone(&turns), serve.clone());
            tokio::spawn(async move {
                turns.acquire().await.unwrap().forget();
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    let roots = std::env::temp_dir().join(format!("peregrine-net-{}-{port}.pem", std::process::id()));
    std::fs::write(&roots, root.pem()).unwrap();
    Secure { port, roots, accepted }
}

impl Secure {
    fn upstream(&self, host: &str, change: impl FnOnce(&mut UpstreamConfig)) -> Arc<Upstream> {
        upstream_of(&[&format!("https://{host}:{}", self.port)], |config| {
            config.tls.roots = Some(self.roots.clone());
            change(config);
        })
    }
}

#[tokio::test]
async fn tls_agrees_on_the_version() {
    let table = [
        (&["h2", "http/1.1"][..], HttpVersion::Auto, Ok("HTTP/2.0")),
        (&["http/1.1"], HttpVersion::Auto, Ok("HTTP/1.1")),
        (&[], HttpVersion::Auto, Ok("HTTP/1.1")),
        (&["h2", "http/1.1"], HttpVersion::Http1, Ok("HTTP/1.1")),
        (&["h2"], HttpVersion::Http2, Ok("HTTP/2.0")),
        (&[], HttpVersion::Http2, Err(UpstreamErrorKind::Protocol)),
    ];
    for (protocols, version, expected) in table {
        let server = secure(protocols).await;
        let upstream = server.upstream("localhost", |config| config.http_version = version);
        for _ in 0..2 {
            let found = fetch(&upstream, request("PUT", "/a?b", Body::full("abc")), Retry::Safe).await;
            let found = found.map(|(body, exchange)| (body, exchange.version));
            match expected {
                Ok(version) => {
                    let (body, answered) = found.unwrap();
                    // The target's own name, as is the rule for https.
                    assert_eq!(
                        (body, format!("{answered:?}")),
                        (format!("{version} localhost:{} /a 3", server.port), version.to_owned())
                    );
                }
                Err(kind) => assert_eq!(found.unwrap_err().kind, kind),
            }
        }
        assert_eq!(
            server.accepted.load(Ordering::SeqCst),
            if expected.is_ok() { 1 } else { 2 },
            "{protocols:?} {version:?}"
        );
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let (server, other) = (secure(&["h2"]).await, secure(&["h2"]).await);
    let wrong_name = server.upstream("127.0.0.1", |_| {});
    assert_eq!(
        failure(&wrong_name, get("/"), Retry::Safe).await,
        UpstreamErrorKind::Tls
    );
    let wrong_authority = server.upstream("localhost", |config| config.tls.roots = Some(other.roots.clone()));
    let error = wrong_authority.send(get("/"), Retry::Safe).await.err().unwrap();
    assert_eq!((error.as_str(), error.status().as_u16()), ("tls", 502));
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let system = server.upstream("localhost", |config| config.tls.roots = None);
    assert_eq!(failure(&system, get("/"), Retry::Safe).await, UpstreamErrorKind::Tls);
}

#[tokio::test]
async fn roots_that_cannot_be_used_are_refused_with_a_reason() {
    let directory = std::env::temp_dir();
    let empty = directory.join(format!("peregrine-net-{}-empty.pem", std::process::id()));
    std::fs::write(&empty, "nothing").unwrap();
    for (path, word) in [
        (directory.join("peregrine-net-missing.pem"), "cannot be read"),
        (empty.clone(), "no certificate"),
    ] {
        let mut config = UpstreamConfig::defaults("test", &["https://localhost"]);
        config.tls.roots = Some(path);
        let (clock, runtime) = (Arc::new(SystemClock), Arc::new(TokioRuntime));
        let error = Upstream::new(
            &config,
            UpstreamParts {
                clock,
                runtime,
                random: Arc::new(SeededRandom::new(1)),
            },
        );
        let text = error.err().unwrap().to_string();
        assert!(text.contains(word), "{text}");
    }
    std::fs::remove_file(empty).unwrap();
}

#[tokio::test]
async fn other_roots_under_the_same_name_are_taken_by_a_reload() {
    let (server, other) = (secure(&["http/1.1"]).await, secure(&["http/1.1"]).await);
    let before = server.upstream("localhost", |config| config.health.path = Some("/up".to_owned()));
    before.take_over();
    assert!(fetch(&before, get("/"), Retry::Never).await.is_ok());
    assert!(before.is_as(before.config()), "nothing changed");
    std::fs::copy(&other.roots, &server.roots).unwrap();
    assert!(!before.is_as(before.config()));
    let after = super::health::reloaded(&before, |_| {});
    after.take_over();
    assert_eq!(
        failure(&after, get("/"), Retry::Never).await,
        UpstreamErrorKind::Tls,
        "a connection that was made by the others is not used"
    );
    let checks = after.chooser.members()[0].checks();
    assert_eq!(checks.starts.value(), 2, "checks trust the same as requests");
    std::fs::write(&server.roots, "half a fi").unwrap();
    assert!(after.is_as(after.config()), "what cannot be read changes nothing");
}

#[tokio::test]
async fn a_target_without_tls_keeps_its_connections_whatever_is_trusted() {
    let (origin, server) = (Origin::echo().await, secure(&["http/1.1"]).await);
    let before = upstream_of(&[&origin.url()], |_| {});
    fetch(&before, get("/"), Retry::Never).await.unwrap();
    let after = super::health::reloaded(&before, |config| {
        let url = format!("https://localhost:{}", server.port);
        config.targets.push(crate::config::TargetConfig {
            url,
            ..config.targets[0].clone()
        });
        config.tls.roots = Some(server.roots.clone());
    });
    assert_eq!(target(&after).idle, 1);
}

#[tokio::test]
async fn one_http2_connection_serves_many_requests_at_once() {
    let server = secure(&["h2"]).await;
    let upstream = server.upstream("localhost", |_| {});
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let upstream = Arc::clone(&upstream);
        askers.spawn(async move { fetch(&upstream, get("/"), Retry::Safe).await.unwrap() });
    }
    assert_eq!(askers.join_all().await.len(), 50);
    assert_eq!(
        (server.accepted.load(Ordering::SeqCst), target(&upstream).connects),
        (1, 1)
    );
}

#[tokio::test]
async fn connections_that_cannot_be_shared_are_made_side_by_side() {
    let turns = Arc::new(Semaphore::new(0));
    let server = secure_behind(&["http/1.1"], Arc::clone(&turns)).await;
    let upstream = server.upstream("localhost", |_| {});
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let upstream = Arc::clone(&upstream);
        askers.spawn(async move { fetch(&upstream, get("/"), Retry::Safe).await.unwrap() });
    }
    // The first one finds out, and its connection may serve another; the rest must not wait for each other.
    turns.add_permits(1);
    while server.accepted.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    turns.add_permits(10);
    assert_eq!(askers.join_all().await.len(), 5);
}

#[tokio::test]
async fn who_waits_for_a_connection_that_is_never_made_waits_no_longer_than_for_ones_own() {
    let server = secure_behind(&["h2"], Arc::new(Semaphore::new(0))).await;
    let upstream = server.upstream("localhost", |config| {
        config.connect_timeout = Span::new(Duration::from_millis(200));
        config.ejection.failures = 0;
        config.retries_max = 0;
    });
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let upstream = Arc::clone(&upstream);
        askers.spawn(async move { failure(&upstream, get("/"), Retry::Never).await });
    }
    let failures = askers.join_all().await;
    assert!(
        failures.iter().all(|kind| *kind == UpstreamErrorKind::ConnectTimeout),
        "{failures:?}"
    );
    // One after the other, each would have begun a handshake of its own.
    assert!(server.accepted.load(Ordering::SeqCst) < 20);
}

#[tokio::test]
async fn http2_without_tls_by_prior_knowledge() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, true));
        }
    });
    let upstream = upstream_of(&[&url], |config| config.http_version = HttpVersion::Http2);
    for _ in 0..3 {
        // Host is kept, as is the rule for http.
        let (body, exchange) = fetch(&upstream, request("POST", "/a", stream("abc")), Retry::Never)
            .await
            .unwrap();
        assert_eq!(
            (body.as_str(), exchange.version),
            ("HTTP/2.0 shop /a 3", Version::HTTP_2)
        );
    }
    assert_eq!(target(&upstream).connects, 1);
}

/// Answers one request with `answer`, and then says goodbye or not.
async fn answer_once(mut stream: TlsStream<TcpStream>, answer: &'static str, says_goodbye: bool) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    if says_goodbye {
        stream.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_body_until_the_end_needs_the_end_of_tls() {
    // RFC 8446 §6.1: whoever is in between can end TCP, but not TLS.
    for (says_goodbye, expected) in [(true, Ok("until the end")), (false, Err(BodyFault::Truncated))] {
        let turns = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let serve = move |stream| answer_once(stream, "HTTP/1.1 200 OK\r\n\r\nuntil the end", says_goodbye);
        let server = secure_by(&["http/1.1"], turns, serve).await;
        let upstream = server.upstream("localhost", |_| {});
        let (response, _) = upstream.send(get("/"), Retry::Never).await.unwrap();
        let body = response.into_body().collect(100).await.map_err(|error| error.fault);
        assert_eq!(body, expected.map(|text| bytes::Bytes::from_static(text.as_bytes())));
    }
}

#[tokio::test]
async fn a_kept_connection_that_said_goodbye_is_not_used_again() {
    let turns = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let serve = |stream| answer_once(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true);
    let server = secure_by(&["http/1.1"], turns, serve).await;
    let upstream = server.upstream("localhost", |_| {});
    for _ in 0..3 {
        // Not to be sent twice, so it must not go where nobody is.
        let request = request("POST", "/", Body::empty());
        assert_eq!(fetch(&upstream, request, Retry::Never).await.unwrap().0, "ok");
        until("the goodbye is there", || {
            upstream.chooser.members()[0].pool().idle_is_closed()
        })
        .await;
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
}

/// A piece of a request's body.
const PIECE: [u8; 16 << 10] = [0; 16 << 10];

#[tokio::test]
async fn what_tls_holds_back_of_a_request_goes_out_while_its_answer_is_read() {
    let (go, gone) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
    );
    let reads = Arc::clone(&go);
    let serve = move |mut stream: TlsStream<TcpStream>| {
        let reads = Arc::clone(&reads);
        async move {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            stream.flush().await.unwrap();
            reads.acquire().await.unwrap().forget();
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n0\r\n\r\n") {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let server = secure_by(&["http/1.1"], gone, serve).await;
    let upstream = server.upstream("localhost", |_| {});
    let target = Target::parse(&format!("https://localhost:{}", server.port)).unwrap();
    let dialer = upstream.chooser.members()[0].pool().dialer();
    let connect::Dialed::Http1(mut link) = dialer
        .dial(&target, Instant::FAR, Instant::FAR, true)
        .await
        .ok()
        .unwrap()
    else {
        panic!("another version")
    };
    let (feed, mut fed) = tokio::sync::mpsc::channel(1);
    let body = Body::from_poll(None, move |cx| fed.poll_recv(cx));
    let mut outgoing = Outgoing::new(request("POST", "/", body), None);
    link.begin(&mut outgoing, &target, &HostRule::Target, &upstream.clock);
    link.answer().await.unwrap();
    let poll = |link: &mut http1::Link| {
        let polled = link.poll_frame(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    };
    // Until the socket is full, and TLS takes more all the same.
    while link.is_sent_but_for_body() {
        let _full = feed.try_send(Ok(bytes::Bytes::from_static(&PIECE)));
        poll(&mut link);
        tokio::task::yield_now().await;
    }
    drop(feed);
    poll(&mut link);
    go.add_permits(1);
    let end = std::future::poll_fn(|cx| link.poll_frame(cx));
    let end = tokio::time::timeout(crate::tests::PATIENCE, end).await;
    assert!(end.expect("the request stays where it is").is_none());
}
