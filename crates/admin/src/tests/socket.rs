//! The API over real connections, behind the server that the program uses.

use super::fake::{Bench, TOKEN};
use peregrine_base::{SystemClock, TokioRuntime};
use peregrine_net::drain::{self, Drain};
use peregrine_net::http::{Server, ServerLimits, ServerParts};
use peregrine_net::listen::Listener;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Serves the API on a free port.
fn serve(bench: &Bench) -> (SocketAddr, Drain) {
    let (drain, watch) = drain::channel();
    let parts = ServerParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
    };
    let server = Server::new(ServerLimits::default(), parts);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.serve(listener, Arc::clone(&bench.admin), watch).address();
    (address, drain)
}

/// Sends `request` on a connection of its own and reads until the server closes it.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn request(method: &str, path: &str, host: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_client_gets_answers_and_problems() {
    let bench = Bench::new();
    let (address, _drain) = serve(&bench);
    let host = address.to_string();
    let json = "Content-Type: application/json\r\n";
    let health = exchange(address, &request("GET", "/api/performance/health", &host, "", "")).await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.contains("\"status\":\"ok\""),
        "{health}"
    );
    let receipt = exchange(
        address,
        &request(
            "POST",
            "/api/performance/cache/invalidate",
            &host,
            json,
            "{\"tags\":[\"a\"]}",
        ),
    )
    .await;
    assert!(
        receipt.starts_with("HTTP/1.1 200 ") && receipt.ends_with("\"took_ms\":0}]}"),
        "{receipt}"
    );
    assert_eq!(bench.fake.asked().len(), 1);
    let rebound = exchange(address, &request("GET", "/api/performance/health", "evil.test", "", "")).await;
    assert!(
        rebound.starts_with("HTTP/1.1 403 ") && rebound.contains("application/problem+json"),
        "{rebound}"
    );
    let foreign = format!("{json}Origin: http://evil.test\r\n");
    let foreign = exchange(
        address,
        &request("DELETE", "/api/performance/cache", &host, &foreign, ""),
    )
    .await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let bench = Bench::new();
    let (address, _drain) = serve(&bench);
    let head = exchange(address, &request("HEAD", "/healthz", "localhost", "", "")).await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(head.to_ascii_lowercase().contains("content-length: 3\r\n"), "{head}");
}

#[tokio::test]
async fn an_absolute_target_does_not_get_around_the_host() {
    let bench = Bench::new();
    let (address, _drain) = serve(&bench);
    let path = "http://evil.test/api/performance/health";
    let answer = exchange(address, &request("GET", path, &address.to_string(), "", "")).await;
    assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let bench = Bench::new();
    let (address, _drain) = serve(&bench);
    let head = format!(
        "POST /api/performance/cache/invalidate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer \
         {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n"
    );
    let answer = exchange(address, &head).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"),
        "{answer}"
    );
    assert!(bench.fake.asked().is_empty());
}

#[tokio::test]
async fn a_body_that_ends_early_changes_nothing() {
    let bench = Bench::new();
    let (address, _drain) = serve(&bench);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = request(
        "POST",
        "/api/performance/cache/clear",
        "localhost",
        "Content-Type: application/json\r\n",
        "{}",
    );
    let cut = head.replace("Content-Length: 2", "Content-Length: 20");
    stream.write_all(cut.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    assert!(bench.fake.asked().is_empty());
}
