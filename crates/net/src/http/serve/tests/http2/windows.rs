//! Flow control (RFC 9113 §5.2, §6.9), both ways and on both levels.

use super::hostile::{GET, Raw, block};
use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW: u8 = 8;

/// Asks for `/` and sends nothing with it.
async fn ask_raw(raw: &mut Raw, stream: u32) {
    raw.send(HEADERS, 0x5, stream, &block(&GET)).await;
}

async fn settings_window(raw: &mut Raw, size: u32) {
    raw.send(4, 0, 0, &[&[0, 4][..], &size.to_be_bytes()].concat()).await;
}

impl Raw {
    /// Sends so many bytes of a body.
    async fn send_data(&mut self, stream: u32, length: usize) {
        let body = vec![0; length];
        for piece in body.chunks(1 << 14) {
            self.send(DATA, 0, stream, piece).await;
        }
    }
}

/// The data of `stream` until the answer to a PING, and whether it was its end.
async fn data_until_pong(raw: &mut Raw, stream: u32) -> (usize, bool) {
    raw.send(6, 0, 0, &[7; 8]).await;
    let (mut length, mut ended) = (0, false);
    loop {
        let (kind, flags, of, content) = raw.frame().await.expect("the connection stays");
        match kind {
            6 => return (length, ended),
            DATA if of == stream => {
                length += content.len();
                ended |= flags & 1 != 0;
            }
            _ => {}
        }
    }
}

fn many_bytes(length: usize) -> Running {
    start(
        |_| {},
        move |_| async move { Response::new(Body::full(vec![b'a'; length])) },
    )
}

#[tokio::test]
async fn nothing_is_sent_that_a_window_has_no_room_for() {
    let running = many_bytes(1000);
    let mut raw = Raw::connect_to(running.address).await;
    settings_window(&mut raw, 10).await;
    ask_raw(&mut raw, 1).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (10, false));
    raw.send(WINDOW, 0, 1, &5u32.to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (5, false));
    // §6.9.2: a smaller window makes that of the request less than nothing, which has to be made up for first.
    settings_window(&mut raw, 2).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (0, false));
    raw.send(WINDOW, 0, 1, &8u32.to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (0, false));
    raw.send(WINDOW, 0, 1, &7u32.to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (7, false));
    // A larger one lets those go on that wait.
    settings_window(&mut raw, 102).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (100, false));
    raw.send(WINDOW, 0, 1, &(1u32 << 20).to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (1000 - 122, true));
}

#[tokio::test]
async fn all_answers_together_have_a_window_too() {
    let running = many_bytes(40_000);
    let mut raw = Raw::connect_to(running.address).await;
    settings_window(&mut raw, 1 << 20).await;
    for stream in [1, 3] {
        ask_raw(&mut raw, stream).await;
    }
    raw.send(6, 0, 0, &[7; 8]).await;
    let mut lengths = [0, 0];
    loop {
        match raw.frame().await.unwrap() {
            (DATA, _, stream, content) => lengths[usize::from(stream == 3)] += content.len(),
            (6, ..) => break,
            _ => {}
        }
    }
    assert_eq!(lengths, [40_000, 65_535 - 40_000]);
    // One that has room of its own waits all the same, and others than bodies do not.
    raw.send(WINDOW, 0, 3, &100u32.to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 3).await, (0, false));
    raw.send(WINDOW, 0, 0, &100_000u32.to_be_bytes()).await;
    assert_eq!(data_until_pong(&mut raw, 3).await, (80_000 - 65_535, true));
}

#[tokio::test]
async fn a_client_that_sends_more_than_it_may_is_stopped() {
    let running = start(
        |limits| limits.http2.window = 64 << 10,
        async |_| std::future::pending().await,
    );
    let post = block(&GET.map(|(name, value)| (name, if name == ":method" { "POST" } else { value })));
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x4, 1, &post).await;
    for _ in 0..5 {
        raw.send(DATA, 0, 1, &[0; 16_000]).await;
    }
    // The handler holds the body and takes nothing of it: 65,536 bytes are its window.
    let reset = loop {
        match raw.frame().await.expect("the connection stays") {
            (3, _, 1, code) => break code,
            (WINDOW, _, 1, _) => panic!("nothing was taken"),
            _ => {}
        }
    };
    assert_eq!(reset, 3u32.to_be_bytes(), "FLOW_CONTROL_ERROR");
    // On many requests at once: that of the connection.
    for stream in (3..40).step_by(2) {
        raw.send(HEADERS, 0x4, stream, &post).await;
        for _ in 0..4 {
            raw.send(DATA, 0, stream, &[0; 16_000]).await;
        }
    }
    assert_eq!(raw.goaway().await, Some(Reason::FLOW_CONTROL_ERROR));
}

#[tokio::test]
async fn a_long_body_flows_as_it_is_taken_and_one_that_nobody_takes_holds_up_no_other() {
    let running = start(
        |limits| limits.http2.window = 64 << 10,
        async |request: Request<Body>| {
            if request.uri().path() == "/ignored" {
                drop(request);
                return std::future::pending().await;
            }
            let body = request.into_body().collect(16 << 20).await.unwrap();
            Response::new(Body::full(body.len().to_string()))
        },
    );
    let mut client = connect(&running).await;
    // Each sends all that the window of a request has room for, four fill that of the connection.
    let mut ignored = Vec::new();
    for _ in 0..20 {
        let (response, mut body) = client.send_request(request("POST", "http://x/ignored"), false).unwrap();
        body.send_data(Bytes::from(vec![0; 60_000]), false).unwrap();
        ignored.push((response, body));
    }
    let (response, mut body) = client.send_request(request("POST", "http://x/"), false).unwrap();
    body.send_data(Bytes::from(vec![0; 3 << 20]), true).unwrap();
    let mut body = patiently(response).await.unwrap().into_body();
    assert_eq!(read(&mut body).await.unwrap(), (3 << 20).to_string());
}

#[tokio::test]
async fn bodies_that_nobody_takes_leave_the_others_what_is_left_of_the_window_of_all() {
    const WINDOW_BYTES: usize = 64 << 10;
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let running = start(
        |limits| limits.http2.window = 64 << 10,
        move |request: Request<Body>| {
            let taken = Arc::clone(&counter);
            async move {
                if request.method() == "PUT" {
                    let _held = request;
                    return std::future::pending().await;
                }
                let mut body = request.into_body();
                while let Some(piece) = body.next().await {
                    taken.fetch_add(piece.unwrap().len(), std::sync::atomic::Ordering::SeqCst);
                }
                Response::new(Body::full("all of it"))
            }
        },
    );
    let head = |method| block(&GET.map(|(name, value)| (name, if name == ":method" { method } else { value })));
    // What is taken of the one comes before what nobody takes, or behind it; four windows are all there is.
    for (first, holders, last) in [(0, &[3, 5, 7][..], WINDOW_BYTES), (1 << 14, &[3, 5, 7, 9], 0)] {
        let mut raw = Raw::connect_to(running.address).await;
        raw.settled().await;
        raw.send(HEADERS, 0x4, 1, &head("POST")).await;
        let before = taken.load(std::sync::atomic::Ordering::SeqCst);
        raw.send_data(1, first).await;
        until("it is taken", || {
            taken.load(std::sync::atomic::Ordering::SeqCst) == before + first
        })
        .await;
        let mut left = 4 * WINDOW_BYTES - first - last;
        for holder in holders {
            raw.send(HEADERS, 0x4, *holder, &head("PUT")).await;
            raw.send_data(*holder, left.min(WINDOW_BYTES)).await;
            left = left.saturating_sub(WINDOW_BYTES);
        }
        raw.send_data(1, last).await;
        loop {
            let (kind, _, of, _) = raw.frame().await.expect("the connection stays");
            if (kind, of) == (WINDOW, 0) && taken.load(std::sync::atomic::Ordering::SeqCst) == before + first + last {
                break;
            }
        }
        raw.send(DATA, 1, 1, b"the rest").await;
        assert_eq!(raw.answer(1).await.1, b"all of it");
    }
}

#[tokio::test]
async fn a_client_that_may_not_send_because_others_are_not_taken_is_not_late() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let running = start(
        |limits| {
            limits.http2.window = 64 << 10;
            limits.stall_timeout = Duration::from_millis(300);
        },
        move |request: Request<Body>| {
            let gate = Arc::clone(&opened);
            async move {
                if request.uri().path() == "/slow" {
                    let _taken = gate.acquire().await.unwrap();
                }
                match request.into_body().collect(1 << 20).await {
                    Ok(body) => Response::new(Body::full(body.len().to_string())),
                    Err(error) => Response::new(Body::full(error.fault.as_str())),
                }
            }
        },
    );
    let mut client = connect(&running).await;
    let mut send = |path, length| {
        let (response, mut body) = client.send_request(request("POST", path), false).unwrap();
        body.send_data(Bytes::from(vec![0; length]), true).unwrap();
        response
    };
    // Four fill the window of the connection.
    let mut sent: Vec<_> = (0..4).map(|_| send("http://x/slow", 64 << 10)).collect();
    sent.push(send("http://x/", 10));
    tokio::time::sleep(Duration::from_millis(600)).await;
    gate.add_permits(4);
    for (response, length) in sent.into_iter().zip(["65536", "65536", "65536", "65536", "10"]) {
        let mut body = patiently(response).await.unwrap().into_body();
        assert_eq!(read(&mut body).await.unwrap(), length);
    }
}

#[tokio::test]
async fn a_client_that_is_silent_is_late_however_much_else_it_sends() {
    let running = start(
        |limits| {
            limits.http2.window = 64 << 10;
            limits.stall_timeout = Duration::from_millis(300);
        },
        async |request: Request<Body>| match request.into_body().collect(1 << 30).await {
            Ok(body) => Response::new(Body::full(body.len().to_string())),
            Err(error) => Response::new(Body::full(error.fault.as_str())),
        },
    );
    let mut client = connect(&running).await;
    let (silent, mut body) = client.send_request(request("POST", "http://x/"), false).unwrap();
    body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let (_, mut busy) = client.send_request(request("POST", "http://x/"), false).unwrap();
    tokio::pin!(silent);
    let answer = patiently(async {
        loop {
            busy.reserve_capacity(64 << 10);
            tokio::select! {
                answer = &mut silent => break answer,
                room = std::future::poll_fn(|cx| busy.poll_capacity(cx)) => {
                    busy.send_data(Bytes::from(vec![0; room.unwrap().unwrap()]), false).unwrap();
                }
            }
        }
    });
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(read(&mut body).await.unwrap(), "body_idle_timeout");
}

#[tokio::test]
async fn a_body_that_is_refused_is_passed_over_and_the_connection_goes_on() {
    let running = echo(|limits| limits.request_body_max = 1000);
    let mut raw = Raw::connect_to(running.address).await;
    let post = block(&[&GET[1..], &[(":method", "POST"), ("content-length", "1000000")]].concat());
    let mut stream = 1;
    // Far more than all windows together.
    for _ in 0..100 {
        raw.send(HEADERS, 0x4, stream, &post).await;
        for _ in 0..3 {
            raw.send(DATA, 0, stream, &[0; 16_000]).await;
        }
        // A HEADERS with an answer, then RST_STREAM without an error (§8.1).
        loop {
            match raw.frame().await.expect("the connection stays") {
                (3, _, of, code) if of == stream => break assert_eq!(code, [0; 4]),
                (7, ..) => panic!("the connection ends"),
                _ => {}
            }
        }
        stream += 2;
    }
    assert_eq!(running.refused(Refusal::BodyTooLarge), 100);
}

#[tokio::test]
async fn what_was_not_taken_of_requests_that_are_over_may_be_sent_again() {
    let running = start(
        |_| {},
        async |request: Request<Body>| {
            if request.uri().path() == "/" {
                std::future::pending::<()>().await;
            }
            let body = request.into_body().collect(1 << 20).await.unwrap();
            Response::new(Body::full(body.len().to_string()))
        },
    );
    let post = |path| {
        block(&GET.map(|(name, value)| {
            (
                name,
                if name == ":method" {
                    "POST"
                } else if name == ":path" {
                    path
                } else {
                    value
                },
            )
        }))
    };
    let mut raw = Raw::connect_to(running.address).await;
    // Five times all that one request may send ahead; four of them are all that the connection may.
    for stream in [1, 3, 5, 7, 9] {
        raw.send(HEADERS, 0x4, stream, &post("/")).await;
        for _ in 0..16 {
            raw.send(DATA, 0, stream, &[0; 16_000]).await;
        }
        raw.send(3, 0, stream, &[0, 0, 0, 8]).await;
        raw.settled().await;
    }
    raw.send(HEADERS, 0x4, 11, &post("/take")).await;
    for last in [0, 0, 0, 1] {
        raw.send(DATA, last, 11, &[0; 16_000]).await;
    }
    assert_eq!(raw.answer(11).await.1, b"64000");
}

#[tokio::test]
async fn who_has_waited_longest_for_the_window_of_all_writes_first() {
    let running = many_bytes(200_000);
    let mut raw = Raw::connect_to(running.address).await;
    settings_window(&mut raw, 1 << 20).await;
    for stream in [1, 3] {
        ask_raw(&mut raw, stream).await;
    }
    let mut lengths = [0; 3];
    for round in 0..8 {
        if round == 4 {
            // One that comes later stands behind those that wait.
            ask_raw(&mut raw, 5).await;
        }
        raw.send(6, 0, 0, &[7; 8]).await;
        loop {
            match raw.frame().await.unwrap() {
                (DATA, _, stream, content) => lengths[usize::try_from(stream / 2).unwrap()] += content.len(),
                (6, ..) => break,
                _ => {}
            }
        }
        raw.send(WINDOW, 0, 0, &30_000u32.to_be_bytes()).await;
    }
    // 65,535 at first, then seven times 30,000 in turn.
    assert!(
        lengths[0] > 100_000 && lengths[1] >= 60_000 && lengths[2] >= 30_000,
        "{lengths:?}"
    );
    assert_eq!(lengths.iter().sum::<usize>(), 65_535 + 7 * 30_000);
}

#[tokio::test]
async fn nobody_stands_back_for_who_is_gone() {
    let running = many_bytes(70_000);
    let mut raw = Raw::connect_to(running.address).await;
    settings_window(&mut raw, 1 << 20).await;
    ask_raw(&mut raw, 1).await;
    assert_eq!(data_until_pong(&mut raw, 1).await, (65_535, false));
    raw.send(3, 0, 1, &[0, 0, 0, 8]).await;
    // All that the client will ever say of the window.
    raw.send(WINDOW, 0, 0, &1_000_000u32.to_be_bytes()).await;
    for stream in [3, 5] {
        ask_raw(&mut raw, stream).await;
        let (_, data, end) = raw.answer(stream).await;
        assert_eq!((data.len(), end), (70_000, Ok(())));
    }
}

#[tokio::test]
async fn padding_alone_uses_up_no_window() {
    let running = echo(|limits| limits.http2.window = 64 << 10);
    let post = block(&GET.map(|(name, value)| (name, if name == ":method" { "POST" } else { value })));
    let mut raw = Raw::connect_to(running.address).await;
    raw.send(HEADERS, 0x4, 1, &post).await;
    for _ in 0..600 {
        raw.send(DATA, 0x8, 1, &[&[255][..], &[0; 255]].concat()).await;
        if raw
            .settled()
            .await
            .iter()
            .any(|frame| (frame.0, frame.2) == (WINDOW, 1))
        {
            raw.send(DATA, 1, 1, b"fine").await;
            assert!(raw.answer(1).await.1.ends_with(b"fine"));
            return;
        }
    }
    panic!("nothing was given back");
}

#[tokio::test]
async fn who_waits_for_the_window_of_all_while_it_is_used_does_not_stall() {
    let running = start(
        |limits| limits.stall_timeout = Duration::from_millis(1500),
        async |_| Response::new(Body::full(vec![b'a'; 1 << 20])),
    );
    let mut raw = Raw::connect_to(running.address).await;
    settings_window(&mut raw, 1 << 20).await;
    let streams = [1, 3, 5, 7];
    for stream in streams {
        ask_raw(&mut raw, stream).await;
    }
    let mut got = [0; 4];
    data_until_pong(&mut raw, 1).await;
    // A client that takes all the time, but so slowly that each answer has its turn only every two seconds.
    for _ in 0..2 * streams.len() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        raw.send(WINDOW, 0, 0, &1000u32.to_be_bytes()).await;
        let mut left = 1000;
        while left > 0 {
            let (kind, _, of, content) = raw.frame().await.expect("the connection stays");
            assert_ne!(kind, 3, "{of} was reset");
            if kind == DATA {
                left -= content.len();
                got[usize::try_from(of / 2).unwrap()] += content.len();
            }
        }
    }
    assert_eq!(got, [2000; 4]);
}
