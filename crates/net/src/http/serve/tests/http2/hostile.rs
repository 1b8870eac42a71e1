//! HTTP/2 as hostile clients speak it: frames by hand.

use super::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A connection by hand.
pub(super) struct Raw<S = TcpStream>(S);

/// A frame as it came: kind, flags, stream, content.
pub(super) type RawFrame = (u8, u8, u32, Vec<u8>);

impl Raw {
    async fn connect(running: &Running) -> Self {
        Self::connect_to(running.address).await
    }

    pub(super) async fn connect_to(address: SocketAddr) -> Self {
        let mut raw = Self::silent(address).await;
        raw.send(4, 0, 0, &[]).await;
        raw
    }

    /// One that has said nothing but that it speaks HTTP/2.
    pub(super) async fn silent(address: SocketAddr) -> Self {
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        raw.0.write_all(crate::http::serve::h2::meter::PREFACE).await.unwrap();
        raw
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Over `stream`, with the windows that are usual.
    pub(super) async fn over(stream: S) -> Self {
        let mut raw = Self(stream);
        raw.0.write_all(crate::http::serve::h2::meter::PREFACE).await.unwrap();
        raw.send(4, 0, 0, &[]).await;
        raw
    }

    pub(super) async fn send(&mut self, kind: u8, flags: u8, stream: u32, content: &[u8]) {
        self.write(&raw_frame(kind, flags, stream, content)).await;
    }

    /// Sends `bytes` in one piece.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // The other side may have had enough.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame; nothing when the connection ended.
    pub(super) async fn frame(&mut self) -> Option<RawFrame> {
        let mut header = [0; 9];
        let read = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut header))
            .await
            .expect("a frame or the end");
        read.ok()?;
        let mut content = vec![0; usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])];
        self.0.read_exact(&mut content).await.ok()?;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        Some((header[3], header[4], stream, content))
    }

    /// The reason in the last GOAWAY before the end.
    pub(super) async fn goaway(&mut self) -> Option<Reason> {
        let mut reason = None;
        while let Some((kind, _, _, content)) = self.frame().await {
            if kind == 7 {
                reason = Some(Reason::from(u32::from_be_bytes(content[4..8].try_into().unwrap())));
            }
        }
        reason
    }
}

pub(super) fn raw_frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// A literal field without indexing, not compressed.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

pub(super) const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "x"),
    (":path", "/"),
];

#[tokio::test]
async fn heads_that_could_become_something_else_in_http1_are_never_handled() {
    let running = echo(|_| {});
    let with = |name: &'static str, value: &'static str| [&GET[..], &[(name, value)]].concat();
    let instead = |name: &'static str, value: &'static str| {
        GET.map(|(known, old)| (known, if known == name { value } else { old }))
            .to_vec()
    };
    let without = |name: &str| {
        GET.iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect::<Vec<_>>()
    };
    let table = [
        with("transfer-encoding", "chunked"),
        with("connection", "close"),
        with("keep-alive", "1"),
        with("upgrade", "h2c"),
        with("proxy-connection", "close"),
        with("te", "gzip"),
        with("Upper", "case"),
        with("a b", "c"),
        with("a", "b\r\nevil: 1"),
        with("a", "b\0"),
        with(":path", "/twice"),
        with(":unknown", "1"),
        instead(":method", "GET /smuggled HTTP/1.1\r\n"),
        instead(":method", "G T"),
        instead(":path", "/ HTTP/1.1\r\nevil: 1"),
        instead(":path", "/a b"),
        instead(":path", ""),
        instead(":authority", "x\r\nevil: 1"),
        instead(":scheme", "h ttp"),
        without(":method"),
        without(":scheme"),
        without(":path"),
        [vec![("a", "b")], GET.to_vec()].concat(),
    ];
    let count = table.len() as u64;
    for fields in table {
        let mut raw = Raw::connect(&running).await;
        raw.send(1, 0x5, 1, &block(&fields)).await;
        // The request is reset, or the connection ended.
        let refused = loop {
            match raw.frame().await {
                Some((3, _, 1, _)) | None => break true,
                Some((7, ..)) => break true,
                Some((1 | 0, ..)) => break false,
                Some(_) => {}
            }
        };
        assert!(refused, "{fields:?}");
    }
    until("each is counted", || {
        let status = running.server.status();
        status.http2_refused + status.http2_protocol_errors == count
    })
    .await;
    let status = running.server.status();
    assert!(status.requests == 0 && status.http2_refused > 0, "{status:?}");
    // A length that its data does not have.
    let mut raw = Raw::connect(&running).await;
    let post = [&block(&GET)[..], &field("content-length", "5")].concat();
    raw.send(1, 0x4, 1, &post).await;
    raw.send(0, 0x1, 1, b"abc").await;
    while let Some((kind, _, _, content)) = raw.frame().await {
        assert!(
            kind != 0 || !String::from_utf8_lossy(&content).contains("GET"),
            "an answer as if it were whole"
        );
        if kind == 3 {
            break;
        }
    }
}

#[tokio::test]
async fn floods_end_the_connection_and_are_counted() {
    let running = echo(|limits| {
        (
            limits.http2.resets_max,
            limits.http2.control_frames_max,
            limits.http2.continuations_max,
        ) = (20, 50, 4);
    });
    let get = block(&GET);
    // Rapid reset: asked and taken back at once.
    let rapid: Vec<u8> = (0..1000u32)
        .flat_map(|number| {
            let stream = 2 * number + 1;
            [
                raw_frame(1, 0x5, stream, &get),
                raw_frame(3, 0, stream, &8u32.to_be_bytes()),
            ]
            .concat()
        })
        .collect();
    let pings = raw_frame(6, 0, 0, &[0; 8]).repeat(1000);
    let settings = raw_frame(4, 0, 0, &[]).repeat(1000);
    let priorities = raw_frame(2, 0, 1, &[0; 5]).repeat(1000);
    let windows = raw_frame(8, 0, 0, &1u32.to_be_bytes()).repeat(1000);
    let empty = [raw_frame(1, 0x4, 1, &get), raw_frame(0, 0, 1, &[]).repeat(1000)].concat();
    let unknown = raw_frame(0xfa, 0, 0, b"?").repeat(1000);
    let pieces = [
        raw_frame(1, 0, 1, &get),
        raw_frame(9, 0, 1, &field("a", "b")).repeat(1000),
    ]
    .concat();
    let table = [
        ("resets_max", rapid),
        ("control_frames_max", pings),
        ("control_frames_max", settings),
        ("control_frames_max", priorities),
        ("control_frames_max", windows),
        ("control_frames_max", empty),
        ("control_frames_max", unknown),
        ("continuations_max", pieces),
    ];
    for (index, (limit, bytes)) in table.into_iter().enumerate() {
        let before = running.server.status().http2_excesses[limit];
        let mut raw = Raw::connect(&running).await;
        let _ = raw.0.write_all(&bytes).await;
        let reason = raw.goaway().await;
        assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM), "{limit} {index}");
        until("it is counted", || {
            running.server.status().http2_excesses[limit] == before + 1
        })
        .await;
    }
    until("nothing is left", || running.server.status().connections_open == 0).await;
}

#[tokio::test]
async fn an_answer_that_is_taken_byte_by_byte_earns_no_flood() {
    let running = start(
        |limits| limits.http2.control_frames_max = 50,
        async |_| Response::new(Body::full(vec![b'a'; 10_000])),
    );
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(4, 0, 0, &[&[0, 4][..], &0u32.to_be_bytes()].concat()).await;
    raw.send(1, 0x5, 1, &block(&GET)).await;
    for _ in 0..100 {
        raw.send(8, 0, 1, &1u32.to_be_bytes()).await;
        raw.send(6, 0, 0, &[7; 8]).await;
        loop {
            match raw.frame().await.expect("an answer to the PING, or the end") {
                (6, ..) => break,
                (7, _, _, told) => return assert_eq!(told[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM"),
                _ => {}
            }
        }
    }
    panic!("a flood that pays for itself");
}

#[tokio::test]
async fn a_head_that_expands_without_end_is_refused() {
    let running = echo(|limits| limits.header_size_max = 8192);
    let mut raw = Raw::connect(&running).await;
    // One large field is put into the table, then named by one byte, again and again (RFC 7541 §7.3).
    let value = "b".repeat(100);
    let literal = [&[0x40, 1, b'a', 100][..], value.as_bytes()].concat();
    let bomb = [block(&GET), literal, vec![0x80 | 62; 10_000]].concat();
    raw.send(1, 0x5, 1, &bomb).await;
    let status = loop {
        match raw.frame().await {
            Some((1, _, 1, block)) => break Some(block),
            Some((3 | 7, ..)) | None => break None,
            Some(_) => {}
        }
    };
    // 431 by the codec: a literal status, or an end.
    assert!(status.is_none_or(|block| String::from_utf8_lossy(&block).contains("431") || block[0] == 0x48));
    drop(raw);
    until("it is counted", || {
        let status = running.server.status();
        status.http2_refused + status.http2_excesses["codec"] == 1
    })
    .await;
    assert_eq!(running.server.status().requests, 0);
}

#[tokio::test]
async fn a_client_that_opens_every_window_and_reads_nothing_is_cut_off() {
    let running = start(
        |limits| limits.stall_timeout = Duration::from_millis(80),
        async |_| {
            let piece = Bytes::from(vec![b'a'; 1 << 16]);
            Response::new(Body::from_poll(None, move |_| {
                std::task::Poll::Ready(Some(Ok(piece.clone())))
            }))
        },
    );
    let mut raw = Raw::connect(&running).await;
    // SETTINGS_INITIAL_WINDOW_SIZE and the window of the connection at their largest.
    let largest = 0x7fff_ffffu32.to_be_bytes();
    raw.send(4, 0, 0, &[&[0, 4], &largest[..]].concat()).await;
    raw.send(8, 0, 0, &0x7fff_0000u32.to_be_bytes()).await;
    raw.send(1, 0x5, 1, &block(&GET)).await;
    until("it is asked", || running.server.status().requests == 1).await;
    until("nothing is left", || running.server.status().connections_open == 0).await;
    // The request, the connection, or one after the other.
    assert!(running.server.status().stalled >= 1);
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_refused_and_may_be_sent_again() {
    let running = start(
        |limits| limits.http2.streams_max = 2,
        async |_| std::future::pending().await,
    );
    let mut raw = Raw::connect(&running).await;
    for stream in [1, 3, 5] {
        raw.send(1, 0x5, stream, &block(&GET)).await;
    }
    loop {
        let (kind, _, stream, content) = raw.frame().await.expect("the connection stays");
        if kind == 3 {
            assert_eq!((stream, &content[..]), (5, &7u32.to_be_bytes()[..]), "REFUSED_STREAM");
            break;
        }
    }
    until("it is counted", || running.server.status().http2_refused == 1).await;
    assert_eq!(running.server.status().requests, 2);
}

#[tokio::test]
async fn silence_is_ended_whenever_it_comes() {
    let running = echo(|limits| {
        limits.header_timeout = Duration::from_millis(60);
        limits.keepalive_timeout = Duration::from_millis(80);
    });
    // Half a preface: it may still be anything.
    let mut half = running.client().await;
    half.send("PRI * HT").await;
    half.rest().await.unwrap_or_default();
    // A preface and nothing else.
    let mut nothing = running.client().await;
    nothing.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let _ = nothing.stream.read_to_end(&mut Vec::new()).await;
    // No request; it is told to go, and goes.
    assert_eq!(Raw::connect(&running).await.goaway().await, Some(Reason::NO_ERROR));
    // A head without end.
    let mut head = Raw::connect(&running).await;
    head.send(1, 0, 1, &block(&GET)).await;
    assert_eq!(head.goaway().await, Some(Reason::ENHANCE_YOUR_CALM));
    assert_eq!(running.refused(Refusal::HeaderTimeout), 1);
    // After a request.
    let mut after = Raw::connect(&running).await;
    after.send(1, 0x5, 1, &block(&GET)).await;
    assert_eq!(after.goaway().await, Some(Reason::NO_ERROR));
    until("nothing is left", || running.server.status().connections_open == 0).await;
    assert_eq!(running.server.status().requests, 1);
}
