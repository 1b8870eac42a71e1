//! Connections that begin with a header of the PROXY protocol, and connections over a Unix socket.

use super::*;
use crate::http::hygiene::TrustedProxies;
use crate::tests::{Folder, until};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Answers with whom it was asked by.
fn start(believed: Believed, change: impl FnOnce(&mut ServerLimits)) -> Running {
    let spoken = Spoken {
        proxy_protocol: Some(believed),
        ..Spoken::default()
    };
    Running::start_as(change, spoken, whoami)
}

async fn whoami(request: Request<Body>) -> Response<Body> {
    let peer: Peer = *request.extensions().get().unwrap();
    Response::new(Body::full(format!("{} to {}", peer.address, peer.local)))
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_comes_from_whom_the_proxy_names() {
    let running = start(Believed::Anyone, |_| {});
    let version_1 = "PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n";
    let answer = running.whole_answer(&format!("{version_1}{GET}")).await;
    assert!(answer.ends_with("192.0.2.1:40000 to 192.0.2.2:443"), "{answer}");

    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f".to_vec();
    version_2.extend([192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0x01, 0xbb, 4, 0, 0]);
    version_2.extend(GET.as_bytes());
    let mut client = running.client().await;
    // In two pieces, of which the second begins in the middle of the header.
    client.stream.write_all(&version_2[..20]).await.unwrap();
    client.stream.flush().await.unwrap();
    tokio::task::yield_now().await;
    client.stream.write_all(&version_2[20..]).await.unwrap();
    assert!(
        client
            .rest()
            .await
            .unwrap()
            .ends_with("192.0.2.1:40000 to 192.0.2.2:443")
    );

    // The proxy's own connection: from where it comes.
    let own = running.whole_answer(&format!("PROXY UNKNOWN\r\n{GET}")).await;
    assert!(
        own.ends_with(&format!(" to {}", running.address)) && own.contains("\r\n127.0.0.1:"),
        "{own}"
    );
}

#[tokio::test]
async fn only_trusted_proxies_are_believed() {
    let running = start(Believed::Trusted, |_| {});
    let introduced = format!("PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n{GET}");
    let mut client = running.client().await;
    client.send(&introduced).await;
    assert!(client.rest().await.unwrap_or_default().is_empty());
    assert_eq!(running.server.status().arrival_failures["proxy_untrusted"], 1);
    running.server.trust(TrustedProxies::parse(["127.0.0.0/8"]).unwrap());
    assert!(running.whole_answer(&introduced).await.contains("192.0.2.1:40000"));
}

#[tokio::test]
async fn without_a_header_in_time_nothing_is_served() {
    let running = start(Believed::Anyone, |limits| {
        limits.header_timeout = Duration::from_millis(60)
    });
    for text in [
        GET,
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
    ] {
        let mut client = running.client().await;
        client.send(text).await;
        assert!(client.rest().await.unwrap_or_default().is_empty(), "{text}");
    }
    let mut slow = running.client().await;
    slow.send("PROXY TCP").await;
    assert!(slow.rest().await.unwrap_or_default().is_empty());
    let failures = running.server.status().arrival_failures;
    assert_eq!((failures["proxy_malformed"], failures["proxy_timeout"]), (3, 1));
    assert_eq!(running.server.status().requests, 0);
}

#[tokio::test]
async fn a_unix_socket_is_served_and_gone_in_the_end() {
    let (folder, spoken) = (
        Folder::new(),
        Spoken {
            h2c: true,
            ..Spoken::default()
        },
    );
    let path = folder.path("a.sock");
    let running = Running::start_as(|_| {}, spoken.clone(), whoami);
    let (drain, watch) = crate::drain::channel();
    let listener = Listener::bind_unix(&path, 0o600).unwrap();
    let handle = running
        .server
        .serve_as(listener, spoken.clone(), Arc::new(With(whoami, spoken)), watch);
    assert_eq!(handle.to_string(), format!("unix:{}", path.display()));
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("127.0.0.1:0 to 127.0.0.1:0"), "{answer}");
    drain.start();
    until("the file is gone", || !path.exists()).await;
}
