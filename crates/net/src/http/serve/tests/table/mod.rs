//! Raw bytes, what the client saw, and what a handler saw, by table. Behind every row stands one more request, the probe: a
//! `+` says that it was answered, so that both sides still agree where messages begin. Where they do not, it must never be
//! seen, whatever it was taken for. Every row is sent whole, in pieces, and byte by byte, and must come to the same.

mod bodies;
mod chunks;
mod connections;
mod fields;
mod request_line;

use super::*;
use crate::http::BodyError;
use bytes::Bytes;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use std::fmt::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What it is about; what is sent; statuses that the client saw, with the word of a refusal; requests that a handler saw,
/// with `Host` and body.
type Row = (&'static str, &'static [u8], &'static str, &'static str);

const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n";
const PROBE_SEEN: &str = "GET /probe probe []";

/// How the bytes of a row reach the server.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Whole,
    InPieces(usize),
}

/// Asserts each row of `table`.
async fn check(table: &'static [Row]) {
    let mut under_way = tokio::task::JoinSet::new();
    for (what, bytes, client, handler) in table {
        for sent in [Sent::Whole, Sent::InPieces(1 + bytes.len() / 200), Sent::InPieces(7)] {
            under_way.spawn(async move {
                let found = outcome(bytes, sent).await;
                ((*what, sent), found, ((*client).to_owned(), (*handler).to_owned()))
            });
        }
    }
    let mut wrong = String::new();
    while let Some(row) = under_way.join_next().await {
        let (what, found, expected) = row.unwrap();
        if found != expected {
            let _ = writeln!(wrong, "{what:?}\n  found    {found:?}\n  expected {expected:?}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What the client and the handler saw of `bytes`.
async fn outcome(bytes: &[u8], sent: Sent) -> (String, String) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let running = recording(&seen);
    let stream = TcpStream::connect(running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let all = [bytes, PROBE].concat();
    let write = async move {
        let piece = match sent {
            Sent::Whole => all.len(),
            Sent::InPieces(length) => length,
        };
        for piece in all.chunks(piece) {
            // The server may have heard enough.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        writer
    };
    let mut answer = Vec::new();
    let (_writer, read) = tokio::join!(write, reader.read_to_end(&mut answer));
    read.unwrap();
    let mut seen = std::mem::take(&mut *seen.lock());
    let mut client = statuses(&String::from_utf8(answer).unwrap());
    if seen.last().is_some_and(|last| last == PROBE_SEEN) {
        seen.pop();
        assert_eq!(client.pop().as_deref(), Some("200"), "the probe was answered");
        client.push("+".to_owned());
    }
    (client.join(" "), seen.join(", "))
}

/// A server that notes what its handler sees.
fn recording(seen: &Arc<Mutex<Vec<String>>>) -> Running {
    let seen = Arc::clone(seen);
    let change = |limits: &mut ServerLimits| {
        limits.header_timeout = Duration::from_secs(3);
        limits.stall_timeout = Duration::from_secs(3);
        (limits.header_size_max, limits.header_count_max) = (4096, 20);
        (limits.uri_length_max, limits.request_body_max) = (200, 1000);
    };
    Running::start(change, move |request: Request<Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let host = request.headers().get("host").map_or("-", |host| host.to_str().unwrap());
            let mut line = format!("{} {} {host} ", request.method(), request.uri());
            let body = request.into_body().collect_all().await;
            let status = if body.is_ok() { 200 } else { 400 };
            match body {
                Ok((body, trailers)) => write!(line, "[{}]{trailers}", body.escape_ascii()).unwrap(),
                Err(error) => write!(line, "[!{}]", error.fault.as_str()).unwrap(),
            }
            seen.lock().push(line);
            let mut response = Response::new(Body::full("ok"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
    })
}

trait CollectAll {
    async fn collect_all(self) -> Result<(Bytes, String), BodyError>;
}

impl CollectAll for Body {
    /// All bytes, and the trailers as text.
    async fn collect_all(self) -> Result<(Bytes, String), BodyError> {
        let whole = BodyExt::collect(self).await?;
        let trailers = whole.trailers().into_iter().flatten();
        let text = trailers.map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        let text: String = text.collect();
        Ok((whole.to_bytes(), text))
    }
}

/// The statuses in `answer`, each with the kind of the problem that belongs to it.
fn statuses(answer: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in answer.split("HTTP/1.1 ").skip(1) {
        let Some(status) = part
            .get(..3)
            .filter(|status| status.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            continue;
        };
        let kind = part
            .split_once("urn:peregrine:problem:")
            .map(|(_, kind)| kind.split('"').next().unwrap());
        found.push(kind.map_or_else(|| status.to_owned(), |kind| format!("{status}:{kind}")));
    }
    found
}
