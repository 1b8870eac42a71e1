//! However the bytes of a client's requests are cut, a handler sees the same requests.

use super::super::transport::Transport;
use super::*;
use parking_lot::Mutex;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

impl Transport for DuplexStream {
    fn reset(&self) {}

    fn keep(&self) {}

    fn insist(&mut self) {}

    fn sent(&self) -> u64 {
        0
    }
}

/// One request as it is sent and as a handler sees it.
fn request() -> impl Strategy<Value = (Vec<u8>, String)> {
    let field = "[a-z]{1,10}: [ -~]{0,30}";
    let body = prop_oneof![Just(None), (vec(any::<u8>(), 0..100), any::<bool>()).prop_map(Some)];
    let parts = ("[A-Z]{3,7}", "/[a-z0-9/]{0,20}", vec(field, 0..5), body, 0..3usize);
    parts.prop_map(|(method, path, fields, body, empty_lines)| {
        let method = if method == "CONNECT" { "GET".to_owned() } else { method };
        let mut text = "\r\n".repeat(empty_lines) + &format!("{method} {path} HTTP/1.1\r\nhost: x\r\n");
        for field in fields {
            // Not by chance one that means something.
            text.push_str(&format!("x-{field}\r\n"));
        }
        let mut bytes = text.into_bytes();
        let content = body.as_ref().map_or(&[][..], |(body, _)| body);
        match &body {
            None => bytes.extend_from_slice(b"\r\n"),
            Some((body, false)) => {
                bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            Some((body, true)) => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(30) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        (bytes, format!("{method} {path} {}", content.escape_ascii()))
    })
}

/// What a handler sees of `bytes`, which arrive in `pieces`.
async fn seen(pieces: Vec<Vec<u8>>) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let handler = move |request: Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            let line = format!("{} {} ", request.method(), request.uri());
            let body = request.into_body().collect(1000).await.unwrap();
            noted.lock().push(format!("{line}{}", body.escape_ascii()));
            Response::new(Body::full("ok"))
        }
    };
    let parts = ServerParts {
        clock: Arc::new(SystemClock),
        runtime: Arc::new(TokioRuntime),
    };
    let server = Server::new(ServerLimits::default(), parts);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let here = "127.0.0.1:1".parse().unwrap();
    let peer = Peer {
        address: here,
        local: here,
        tls: false,
    };
    let permit = Arc::clone(&server.0.connections).try_acquire_owned().unwrap();
    let (_drain, watch) = crate::drain::channel();
    let open = Open::new(Arc::clone(&server.0), permit, watch.active());
    let serving = tokio::spawn(connection::serve(
        theirs,
        peer,
        open,
        Arc::new(With(handler, Spoken::default())),
        watch,
    ));
    let (mut reader, mut writer) = tokio::io::split(ours);
    let write = async {
        for piece in pieces {
            writer.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut answer = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut answer), write);
    read.unwrap();
    drop((reader, writer));
    serving.await.unwrap();
    std::mem::take(&mut *seen.lock())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn requests_are_the_same_however_they_are_cut(requests in vec(request(), 1..6), cuts in vec(any::<usize>(), 0..12)) {
        let last = (b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), "GET /last ".to_owned());
        let (bytes, expected): (Vec<Vec<u8>>, Vec<String>) = requests.into_iter().chain([last]).unzip();
        let bytes = bytes.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % bytes.len()).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|two| bytes[two[0]..two[1]].to_vec()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(seen(pieces)), expected);
    }
}
