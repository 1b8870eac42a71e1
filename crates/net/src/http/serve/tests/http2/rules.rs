//! The rules of RFC 9113, frame by frame: what ends a connection, what ends one request, and what has to be passed over.

use super::hostile::{GET, Raw, block, field, raw_frame};
use super::*;
use crate::http::hpack::{Decoder, Fields};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const MORE: u8 = 9;

/// END_STREAM, END_HEADERS, PADDED, PRIORITY.
const END: u8 = 1;
const WHOLE: u8 = 4;
const PADDED: u8 = 8;
const WEIGHED: u8 = 0x20;

const MAX: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

fn get(path: &str) -> Vec<u8> {
    block(&GET.map(|(name, value)| (name, if name == ":path" { path } else { value })))
}

fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut all = GET
        .map(|(name, value)| (name, if name == ":method" { "POST" } else { value }))
        .to_vec();
    all.extend_from_slice(fields);
    block(&all)
}

/// The fields of a block as lines.
fn lines(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    Fields::with(1 << 16, |fields| {
        decoder.decode(block, fields).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let line = |index| format!("{}: {}", text(fields.name(index)), text(fields.value(index)));
        (0..fields.len()).map(line).collect()
    })
}

impl Raw {
    /// What comes for `stream`: the data, and whether it was ended cleanly or by a reset with this code.
    pub(super) async fn answer(&mut self, stream: u32) -> (Vec<String>, Vec<u8>, Result<(), u32>) {
        let (mut head, mut data) = (Vec::new(), Vec::new());
        loop {
            let (kind, flags, of, content) = self.frame().await.expect("the connection stays");
            if kind == GOAWAY {
                panic!("GOAWAY {content:?}");
            }
            if of != stream {
                continue;
            }
            match kind {
                HEADERS => head.extend(lines(&mut Decoder::default(), &content)),
                DATA => data.extend_from_slice(&content),
                RESET => return (head, data, Err(u32::from_be_bytes(content.try_into().unwrap()))),
                _ => {}
            }
            if flags & END != 0 && kind <= HEADERS {
                return (head, data, Ok(()));
            }
        }
    }

    /// Waits until the server has seen everything that was sent.
    pub(super) async fn settled(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        self.send(PING, 0, 0, b"settled?").await;
        let mut before = Vec::new();
        loop {
            let frame = self.frame().await.expect("the connection stays");
            if frame.0 == PING {
                assert_eq!((frame.1, frame.2, &frame.3[..]), (1, 0, &b"settled?"[..]));
                return before;
            }
            before.push(frame);
        }
    }
}

type Sent = (u8, u8, u32, Vec<u8>);

type Ends = Vec<(&'static str, Vec<Sent>, Reason)>;

fn open() -> Sent {
    (HEADERS, WHOLE | END, 1, get("/"))
}

/// What ends a connection among the frames of requests.
fn ends_by_requests() -> Ends {
    vec![
        ("§4.2", vec![(DATA, 0, 1, vec![0; 16_385])], Reason::FRAME_SIZE_ERROR),
        ("§4.3", vec![(HEADERS, WHOLE, 1, vec![0x80])], Reason::COMPRESSION_ERROR),
        ("§5.1 DATA", vec![(DATA, 0, 1, vec![1])], Reason::PROTOCOL_ERROR),
        (
            "§5.1 RST_STREAM",
            vec![(RESET, 0, 1, vec![0; 4])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§5.1 WINDOW_UPDATE",
            vec![(WINDOW, 0, 1, vec![0, 0, 0, 1])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§5.1 WINDOW_UPDATE 0",
            vec![(WINDOW, 0, 1, vec![0; 4])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§5.1 even DATA",
            vec![open(), (DATA, 0, 2, vec![1])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§5.1.1 even",
            vec![(HEADERS, WHOLE, 2, get("/"))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§5.1.1 lower",
            vec![(HEADERS, WHOLE | END, 5, get("/")), (HEADERS, WHOLE | END, 3, get("/"))],
            Reason::STREAM_CLOSED,
        ),
        ("§6.1", vec![(DATA, 0, 0, vec![1])], Reason::PROTOCOL_ERROR),
        (
            "§6.1 padding",
            vec![open(), (DATA, PADDED, 1, vec![9, 1])],
            Reason::PROTOCOL_ERROR,
        ),
        ("§6.2", vec![(HEADERS, WHOLE, 0, get("/"))], Reason::PROTOCOL_ERROR),
        ("§6.3", vec![(PRIORITY, 0, 0, vec![0; 5])], Reason::PROTOCOL_ERROR),
        (
            "§6.4",
            vec![open(), (RESET, 0, 1, vec![0; 3])],
            Reason::FRAME_SIZE_ERROR,
        ),
    ]
}

/// What ends it among its own.
fn ends_by_connection() -> Ends {
    let setting = |name: u16, value: u32| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    vec![
        (
            "§6.5 length",
            vec![(SETTINGS, 0, 0, vec![0; 5])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("§6.5 stream", vec![(SETTINGS, 0, 1, vec![])], Reason::PROTOCOL_ERROR),
        ("§6.5 ACK", vec![(SETTINGS, 1, 0, vec![0; 6])], Reason::FRAME_SIZE_ERROR),
        (
            "§6.5.2 push",
            vec![(SETTINGS, 0, 0, setting(2, 2))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§6.5.2 window",
            vec![(SETTINGS, 0, 0, setting(4, 1 << 31))],
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "§6.5.2 frame",
            vec![(SETTINGS, 0, 0, setting(5, 1))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§6.6",
            vec![open(), (PUSH, WHOLE, 1, vec![0, 0, 0, 2])],
            Reason::PROTOCOL_ERROR,
        ),
        ("§6.7", vec![(PING, 0, 0, vec![0; 7])], Reason::FRAME_SIZE_ERROR),
        ("§6.7 stream", vec![(PING, 0, 1, vec![0; 8])], Reason::PROTOCOL_ERROR),
        ("§6.8", vec![(GOAWAY, 0, 1, vec![0; 8])], Reason::PROTOCOL_ERROR),
        ("§6.9", vec![(WINDOW, 0, 0, vec![0; 4])], Reason::PROTOCOL_ERROR),
        (
            "§6.9 length",
            vec![(WINDOW, 0, 0, vec![0; 5])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("§6.9.1", vec![(WINDOW, 0, 0, MAX.to_vec())], Reason::FLOW_CONTROL_ERROR),
        (
            "§6.9.2",
            vec![
                (HEADERS, WHOLE, 1, get("/")),
                (WINDOW, 0, 1, vec![0x7f, 0xff, 0, 0]),
                (SETTINGS, 0, 0, setting(4, 0x7fff_ffff)),
            ],
            Reason::FLOW_CONTROL_ERROR,
        ),
        ("§6.10", vec![(MORE, WHOLE, 1, vec![])], Reason::PROTOCOL_ERROR),
        (
            "§6.10 other",
            vec![(HEADERS, 0, 1, vec![]), (MORE, 0, 3, vec![])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§6.10 PING",
            vec![(HEADERS, 0, 1, vec![]), (PING, 0, 0, vec![0; 8])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§6.10 unknown",
            vec![(HEADERS, 0, 1, vec![]), (0xfa, 0, 0, vec![])],
            Reason::PROTOCOL_ERROR,
        ),
    ]
}

#[tokio::test]
async fn what_ends_the_connection_says_why() {
    let running = start(|_| {}, async |_| std::future::pending().await);
    for (clause, frames, reason) in [ends_by_requests(), ends_by_connection()].concat() {
        let before = running.server.status().http2_protocol_errors;
        let mut raw = Raw::connect_to(running.address).await;
        for (kind, flags, stream, content) in frames {
            raw.send(kind, flags, stream, &content).await;
        }
        assert_eq!(raw.goaway().await, Some(reason), "{clause}");
        until("it is counted", || {
            running.server.status().http2_protocol_errors == before + 1
        })
        .await;
    }
    // §3.4: what the client takes comes first.
    let mut raw = Raw::silent(running.address).await;
    raw.send(PING, 0, 0, &[0; 8]).await;
    assert_eq!(raw.goaway().await, Some(Reason::PROTOCOL_ERROR));
    until("nothing is left", || running.server.status().connections_open == 0).await;
}

#[tokio::test]
async fn what_ends_one_request_leaves_the_others() {
    let running = start(
        |_| {},
        async |request: Request<Body>| match request.uri().path() {
            "/" => std::future::pending().await,
            _ => Response::new(Body::full("fine")),
        },
    );
    let open = || (HEADERS, WHOLE, 1, post(&[]));
    let with = |length| (HEADERS, WHOLE, 1, post(&[("content-length", length)]));
    let table: Vec<(&str, Vec<Sent>, Reason)> = vec![
        (
            "§5.1 DATA",
            vec![(HEADERS, WHOLE | END, 1, get("/")), (DATA, 0, 1, vec![1])],
            Reason::STREAM_CLOSED,
        ),
        (
            "§5.1 HEADERS",
            vec![(HEADERS, WHOLE | END, 1, get("/")), (HEADERS, WHOLE | END, 1, vec![])],
            Reason::STREAM_CLOSED,
        ),
        (
            "§6.3",
            vec![open(), (PRIORITY, 0, 1, vec![0; 4])],
            Reason::FRAME_SIZE_ERROR,
        ),
        ("§6.9", vec![open(), (WINDOW, 0, 1, vec![0; 4])], Reason::PROTOCOL_ERROR),
        (
            "§6.9.1",
            vec![open(), (WINDOW, 0, 1, MAX.to_vec())],
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "§8.1 not the last",
            vec![open(), (HEADERS, WHOLE, 1, field("a", "b"))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§8.1 pseudo",
            vec![open(), (HEADERS, WHOLE | END, 1, field(":path", "/"))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§8.1.1 more",
            vec![with("3"), (DATA, 0, 1, vec![0; 4])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§8.1.1 less",
            vec![with("3"), (DATA, END, 1, vec![0; 2])],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§8.1.1 trailers",
            vec![with("3"), (HEADERS, WHOLE | END, 1, field("a", "b"))],
            Reason::PROTOCOL_ERROR,
        ),
        (
            "§8.1.1 nothing",
            vec![(HEADERS, WHOLE | END, 1, post(&[("content-length", "3")]))],
            Reason::PROTOCOL_ERROR,
        ),
    ];
    for (clause, frames, reason) in table {
        let mut raw = Raw::connect_to(running.address).await;
        for (kind, flags, stream, content) in frames {
            raw.send(kind, flags, stream, &content).await;
        }
        assert_eq!(raw.answer(1).await.2, Err(u32::from(reason)), "{clause}");
        // §5.1: what was under way to it is passed over, whatever it is, and its fields count for the table.
        raw.send(DATA, 0, 1, &[0; 100]).await;
        raw.send(WINDOW, 0, 1, &MAX).await;
        raw.send(RESET, 0, 1, &[0; 4]).await;
        raw.send(PRIORITY, 0, 1, &[0; 5]).await;
        raw.send(HEADERS, WHOLE | END, 1, &[0x40, 1, b'x', 1, b'y']).await;
        let named = [&get("/fine")[..], &[0x80 | 62]].concat();
        raw.send(HEADERS, WHOLE | END, 3, &named).await;
        let (_, data, end) = raw.answer(3).await;
        assert_eq!((&data[..], end), (&b"fine"[..], Ok(())), "{clause}");
    }
}

#[tokio::test]
async fn heads_in_pieces_with_padding_and_weights() {
    let running = echo(|_| {});
    let mut raw = Raw::connect_to(running.address).await;
    let whole = get("/pieces");
    let (one, rest) = whole.split_at(7);
    let (two, three) = rest.split_at(1);
    // Three bytes of padding; a dependency on itself, which nobody looks at any more (§5.3).
    let padded = [&[3, 0, 0, 0, 1, 200][..], one, &[0; 3]].concat();
    raw.send(HEADERS, END | PADDED | WEIGHED, 1, &padded).await;
    raw.send(MORE, 0, 1, two).await;
    raw.send(MORE, 0, 1, &[]).await;
    raw.send(MORE, WHOLE, 1, three).await;
    let (head, data, end) = raw.answer(1).await;
    assert_eq!(
        (String::from_utf8(data).unwrap().as_str(), end),
        ("GET /pieces x - ", Ok(()))
    );
    assert_eq!(head[0], ":status: 200");
    // A body with padding: what is not body is not seen, and counts for the windows.
    raw.send(HEADERS, WHOLE, 3, &post(&[("content-length", "4")])).await;
    raw.send(DATA, PADDED, 3, &[&[200][..], b"ab", &[0; 200]].concat())
        .await;
    raw.send(DATA, PADDED | END, 3, b"\0cd").await;
    assert!(raw.answer(3).await.1.ends_with(b"abcd"));
    // Unknown frames and settings mean nothing (§5.5, §6.5.2), and are answered where they have to be.
    raw.send(0xfa, 0xff, 7, b"what").await;
    raw.send(SETTINGS, 0, 0, &[0xfa, 0xfa, 1, 2, 3, 4]).await;
    let before = raw.settled().await;
    assert!(
        before.iter().any(|frame| (frame.0, frame.1) == (SETTINGS, 1)),
        "{before:?}"
    );
}

#[tokio::test]
async fn answers_that_have_no_body_end_with_their_head() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            let status = request.uri().path()[1..].parse().unwrap();
            let mut response = Response::new(Body::full("body"));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert("connection", "close".parse().unwrap());
            response.headers_mut().insert("etag", "\"1\"".parse().unwrap());
            response
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    let ask = |method: &'static str, path: &'static str| {
        block(&[
            (":method", method),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
        ])
    };
    let (length, tag) = ("content-length: 4".to_owned(), "etag: \"1\"".to_owned());
    for (number, (method, path, body, has_length)) in [
        ("GET", "/200", &b"body"[..], true),
        ("HEAD", "/200", b"", true),
        ("GET", "/204", b"", false),
        ("GET", "/304", b"", false),
        // Not final, and never passed on as if it were.
        ("GET", "/101", b"{", true),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = u32::try_from(2 * number + 1).unwrap();
        raw.send(HEADERS, WHOLE | END, stream, &ask(method, path)).await;
        let (head, data, end) = raw.answer(stream).await;
        if path == "/101" {
            assert_eq!(
                (head[0].as_str(), data.starts_with(body), end),
                (":status: 502", true, Ok(()))
            );
            continue;
        }
        assert_eq!(
            (head[0].as_str(), &data[..], end),
            (format!(":status: {}", &path[1..]).as_str(), body, Ok(()))
        );
        assert_eq!(head.contains(&length), has_length, "{method} {path} {head:?}");
        assert!(
            head.contains(&tag) && head.iter().all(|line| !line.starts_with("connection")),
            "{head:?}"
        );
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_its_head_says_never_looks_whole() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            let mut pieces = vec![Bytes::from_static(b"four"), Bytes::from_static(b"four")];
            let body = Body::from_poll(None, move |_| std::task::Poll::Ready(pieces.pop().map(Ok)));
            let mut response = Response::new(body);
            let length = request.uri().path()[1..].parse().unwrap();
            response.headers_mut().insert("content-length", length);
            response
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    for (stream, length, expected) in [(1, "/8", Ok(())), (3, "/7", Err(2)), (5, "/9", Err(2))] {
        raw.send(HEADERS, WHOLE | END, stream, &get(length)).await;
        assert_eq!(raw.answer(stream).await.2, expected, "{length}");
    }
    assert_eq!(running.server.status().cut, 2);
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_request_and_no_other() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let running = start(
        |_| {},
        move |request: Request<Body>| {
            let gate = Arc::clone(&opened);
            async move {
                gate.notified().await;
                assert_ne!(request.uri().path(), "/panics");
                Response::new(Body::full("fine"))
            }
        },
    );
    let mut raw = Raw::connect_to(running.address).await;
    for (stream, path) in [(1, "/panics"), (3, "/fine")] {
        raw.send(HEADERS, WHOLE | END, stream, &get(path)).await;
    }
    raw.settled().await;
    gate.notify_one();
    assert_eq!(raw.answer(1).await.2, Err(2));
    gate.notify_one();
    assert_eq!(raw.answer(3).await.1, b"fine");
}

#[tokio::test]
async fn what_the_client_breaks_again_and_again_is_too_much() {
    let running = start(
        |limits| limits.http2.resets_max = 20,
        async |_| std::future::pending().await,
    );
    let mut raw = Raw::connect_to(running.address).await;
    // CVE-2025-8671: requests that the server is made to reset.
    for number in 0..100 {
        raw.send(HEADERS, WHOLE | END, 2 * number + 1, &get("/")).await;
        raw.send(WINDOW, 0, 2 * number + 1, &[0; 4]).await;
    }
    assert_eq!(raw.goaway().await, Some(Reason::ENHANCE_YOUR_CALM));
    until("it is counted", || {
        running.server.status().http2_excesses["resets_max"] == 1
    })
    .await;
    assert!(running.server.status().requests <= 21);
}

#[tokio::test]
async fn a_client_that_leaves_is_answered_and_let_go() {
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
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, WHOLE | END, 1, &get("/")).await;
    raw.send(GOAWAY, 0, 0, &[0; 8]).await;
    raw.settled().await;
    gate.notify_one();
    assert_eq!(raw.answer(1).await.1, b"late");
    assert!(raw.frame().await.is_none(), "and closes");
}

#[tokio::test]
async fn the_drain_says_up_to_where_requests_are_answered() {
    let running = echo(|_| {});
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, WHOLE | END, 1, &get("/before")).await;
    assert_eq!(raw.answer(1).await.2, Ok(()));
    running.drain.retire();
    let asked = loop {
        match raw.frame().await.unwrap() {
            (GOAWAY, _, _, content) => assert_eq!(content, [&MAX[..], &[0; 4]].concat(), "all are answered still"),
            (PING, 0, 0, asked) => break asked,
            _ => {}
        }
    };
    // It was under way when the client was told.
    raw.send(HEADERS, WHOLE | END, 3, &get("/meanwhile")).await;
    assert!(raw.answer(3).await.1.starts_with(b"GET /meanwhile"));
    // And so was what comes in one piece with the word that it knows.
    let knows = raw_frame(PING, 1, 0, &asked);
    let late = raw_frame(HEADERS, WHOLE | END, 5, &get("/late"));
    raw.write(&[knows, late].concat()).await;
    assert!(raw.answer(5).await.1.starts_with(b"GET /late"));
    let mut last = None;
    while let Some((kind, _, _, content)) = raw.frame().await {
        if kind == GOAWAY {
            last = Some(content);
        }
    }
    assert_eq!(last.unwrap(), [0, 0, 0, 5, 0, 0, 0, 0]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// Whatever a client sends: the connection ends with it, and others are answered.
    #[test]
    fn no_frames_break_the_server(
        frames in proptest::collection::vec(
            (0u8..11, proptest::prelude::any::<u8>(), 0u32..8, proptest::collection::vec(0u8..255, 0..40), 0u8..4),
            1..60,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let running = echo(|_| {});
            let mut raw = Raw::connect_to(running.address).await;
            for (kind, flags, stream, content, good) in frames {
                match good {
                    // Mostly what begins well, or nothing else would ever be reached.
                    0 => raw.send(kind, flags, stream, &content).await,
                    1 => raw.send(HEADERS, WHOLE | flags & END, 2 * stream + 1, &post(&[])).await,
                    2 => raw.send(DATA, flags & (END | PADDED), 2 * stream + 1, &content).await,
                    _ => raw.send(HEADERS, WHOLE | END, 2 * stream + 1, &content).await,
                }
            }
            drop(raw);
            until("it ends", || running.server.status().connections_open == 0).await;
            let mut raw = Raw::connect_to(running.address).await;
            raw.send(HEADERS, WHOLE | END, 1, &get("/fine")).await;
            assert!(raw.answer(1).await.1.starts_with(b"GET /fine"));
        });
    }
}
