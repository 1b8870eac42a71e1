//! The same over HTTP/2: clients that break its rules, do too much of what it allows, or neither read nor go on. Each is told
//! or cut off within its limits, its origin is let go, and nobody else notices.

use crate::harness::frames::{
    ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, Frames, HEADERS, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM,
    SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, frame, request,
};
use crate::harness::{Origin, Peregrine, Reply, program, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const WHOLE: u8 = END_HEADERS | END_STREAM;

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "ok"))
}

/// Peregrine before `origin`, with HTTP/2 on a plain listener.
fn before(origin: &Origin, server: &str) -> Peregrine {
    let more = format!("[server]\n{server}\n[[listener]]\naddress = \"127.0.0.1:0\"\nh2c = true\n");
    Peregrine::start(&program::upstream(&[origin], "", &more))
}

/// Asks as others do, over both versions, to see that they are served.
#[track_caller]
fn others_are_served(peregrine: &Peregrine) {
    let answer = peregrine.get("/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{answer:?}");
    let mut other = Frames::connect(peregrine.address, &[]);
    other.get(1, "/");
    assert_eq!(other.until(DATA).payload, b"ok");
}

#[test]
fn who_does_too_much_of_what_is_allowed_is_told_to_calm_down() {
    let origin = well();
    let limits = "http2.resets_max = 50\nhttp2.control_frames_max = 100\nhttp2.continuations_max = 4";
    let peregrine = before(&origin, limits);
    peregrine.get("/", &[]);
    let head = |stream: u32| frame(HEADERS, WHOLE, stream, &request("GET", "/", &[]));
    let taken_back = |stream: u32| [head(stream), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat();
    let open = || frame(HEADERS, END_HEADERS, 1, &request("POST", "/", &[]));
    let numbers = || (0..1000u32).map(|number| number * 2 + 1);
    let times = |bytes: Vec<u8>| std::iter::repeat_n(bytes, 1000).flatten().collect::<Vec<u8>>();
    let pieces = [
        frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])),
        times(frame(CONTINUATION, 0, 1, &block(&[("x-more", "more")]))),
    ];
    for (flood, limit) in [
        (numbers().flat_map(taken_back).collect(), "resets_max"),
        (times(frame(PING, 0, 0, b"flooding")), "control_frames_max"),
        (times(frame(SETTINGS, 0, 0, &[])), "control_frames_max"),
        (times(frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])), "control_frames_max"),
        ([open(), times(frame(DATA, 0, 1, &[]))].concat(), "control_frames_max"),
        (times(frame(0xfe, 0, 0, b"unknown")), "control_frames_max"),
        (times(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), "control_frames_max"),
        (pieces.concat(), "continuations_max"),
    ] {
        let counted = || peregrine.metric("peregrine_http2_excesses_total", &[limit]);
        let before = counted();
        let mut client = Frames::connect(peregrine.address, &[]);
        client.send(&flood);
        assert_eq!(client.reason(), ENHANCE_YOUR_CALM, "{limit}");
        until("it to be counted", || counted() == before + 1.0);
        others_are_served(&peregrine);
    }
    until("all connections to be closed", || {
        peregrine.metric("peregrine_http2_connections_open", &[]) == 0.0
    });
}

#[test]
fn requests_that_are_taken_back_let_their_origin_go() {
    let (gate, origin) = Origin::gated();
    let peregrine = before(&origin, "");
    let mut client = Frames::connect(peregrine.address, &[]);
    let streams = || (0..50u32).map(|number| number * 2 + 1);
    streams().for_each(|stream| client.get(stream, &format!("/slow/{stream}")));
    until("all of them to be under way", || origin.count() == 50);
    for stream in streams() {
        client.send(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    client.settle();
    until("the requests to have ended", || {
        peregrine.metric("peregrine_requests_in_flight", &[]) == 0.0
    });
    // The connection goes on for others.
    client.get(101, "/");
    assert_eq!(client.until(DATA).payload, b"ok");
    gate.open();
    until("the origin to be done with them", || {
        peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
}

/// Bytes that break a rule of the connection, the code that says which, and what is wrong.
fn breaches() -> Vec<(Vec<u8>, u32, &'static str)> {
    let head = |stream: u32| frame(HEADERS, WHOLE, stream, &request("GET", "/", &[]));
    let mut huge = frame(DATA, 0, 1, &[]);
    huge[0] = 0xff;
    vec![
        (frame(DATA, 0, 0, b"data"), PROTOCOL_ERROR, "data for the connection"),
        (
            frame(DATA, 0, 1, b"data"),
            PROTOCOL_ERROR,
            "data for a stream that was never opened",
        ),
        (head(2), PROTOCOL_ERROR, "a stream with a number of the server's"),
        (
            [head(5), head(3)].concat(),
            STREAM_CLOSED,
            "a stream behind a later one",
        ),
        (huge, FRAME_SIZE_ERROR, "a frame larger than agreed"),
        (frame(PING, 0, 0, b"short"), FRAME_SIZE_ERROR, "a short PING"),
        (frame(PING, 0, 1, b"on a st."), PROTOCOL_ERROR, "a PING on a stream"),
        (
            frame(SETTINGS, 0, 0, b"odd"),
            FRAME_SIZE_ERROR,
            "settings that are cut off",
        ),
        (
            frame(SETTINGS, ACK, 0, b"\0\x03\0\0\0\x01"),
            FRAME_SIZE_ERROR,
            "settings in an acknowledgement",
        ),
        (
            frame(SETTINGS, 0, 0, b"\0\x04\xff\xff\xff\xff"),
            FLOW_CONTROL_ERROR,
            "a window past 2^31",
        ),
        (
            frame(SETTINGS, 0, 0, b"\0\x05\0\0\0\x01"),
            PROTOCOL_ERROR,
            "frames of one byte",
        ),
        (
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            PROTOCOL_ERROR,
            "a window opened by nothing",
        ),
        (
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]),
            FLOW_CONTROL_ERROR,
            "a window opened too far",
        ),
        (
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            PROTOCOL_ERROR,
            "a promise by a client",
        ),
        (
            frame(CONTINUATION, END_HEADERS, 1, &[]),
            PROTOCOL_ERROR,
            "a piece of no head",
        ),
        (
            [frame(HEADERS, END_STREAM, 1, &[]), frame(PING, 0, 0, b"between!")].concat(),
            PROTOCOL_ERROR,
            "another frame within a head",
        ),
        (
            frame(HEADERS, WHOLE, 1, &[0xff, 0xff, 0xff, 0xff]),
            COMPRESSION_ERROR,
            "a block that is none",
        ),
        (
            frame(HEADERS, WHOLE, 1, &[0xbf]),
            COMPRESSION_ERROR,
            "a field that was never sent",
        ),
        (
            frame(RST_STREAM, 0, 1, &[0; 4]),
            PROTOCOL_ERROR,
            "a reset of what was never opened",
        ),
    ]
}

#[test]
fn who_breaks_the_rules_of_the_connection_loses_it() {
    let origin = well();
    let peregrine = before(&origin, "");
    peregrine.get("/", &[]);
    let asked = origin.count();
    for (bytes, code, what) in breaches() {
        let mut client = Frames::connect(peregrine.address, &[]);
        client.send(&bytes);
        assert_eq!(client.reason(), code, "{what}");
    }
    assert!(peregrine.metric("peregrine_http2_protocol_errors_total", &[]) >= 15.0);
    others_are_served(&peregrine);
    assert_eq!(origin.count(), asked, "{:?}", origin.heard());
}

#[test]
fn a_request_that_is_malformed_reaches_nobody_and_the_connection_goes_on() {
    let origin = well();
    let peregrine = before(&origin, "");
    let good = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let with = |more: &[(&str, &str)]| block(&[&good, more].concat());
    let without = |name: &str| {
        let rest: Vec<_> = good.into_iter().filter(|(field, _)| *field != name).collect();
        block(&rest)
    };
    let long = request("POST", "/", &[("content-length", "3")]);
    for (head, what) in [
        (without(":method"), "no method"),
        (without(":scheme"), "no scheme"),
        (without(":path"), "no path"),
        (with(&[(":path", "/b")]), "two paths"),
        (with(&[(":status", "200")]), "a status"),
        (with(&[("X-Upper", "1")]), "a name in capitals"),
        (with(&[("connection", "close")]), "a field of connections"),
        (with(&[("transfer-encoding", "chunked")]), "a coding of transfer"),
        (with(&[("te", "gzip")]), "another TE than trailers"),
        (with(&[("x-line", "a\r\nb: c")]), "two lines in a value"),
        (with(&[("x-null", "a\0b")]), "a NUL"),
        (with(&[("bad name", "1")]), "a space in a name"),
        (with(&[("content-length", "1"), ("content-length", "2")]), "two lengths"),
        (
            with(&[("x-early", "1"), (":path", "/")]),
            "a pseudo-field behind a field",
        ),
        (
            block(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "a b"),
                (":path", "/"),
            ]),
            "a space in the host",
        ),
        (with(&[("host", "b")]), "two hosts"),
        (with(&[("content-length", "3")]), "a length without a body"),
    ] {
        let mut client = Frames::connect(peregrine.address, &[]);
        client.send(&frame(HEADERS, WHOLE, 1, &head));
        assert!(is_refused(&mut client), "{what}");
        client.get(3, "/fine");
        assert_eq!(client.body(3), b"ok", "after {what}");
    }
    // More and less than the length says.
    for body in ["abcd", "ab"] {
        let mut client = Frames::connect(peregrine.address, &[]);
        client.send(&frame(HEADERS, END_HEADERS, 1, &long));
        client.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
        assert!(is_refused(&mut client), "{body}");
    }
    assert!(
        origin.heard().iter().all(|heard| heard.target == "/fine"),
        "{:?}",
        origin.heard()
    );
    others_are_served(&peregrine);
}

/// Whether the request on stream 1 is reset, or answered with 400.
#[track_caller]
fn is_refused(client: &mut Frames) -> bool {
    loop {
        let frame = client.read().expect("the connection is kept");
        match frame.kind {
            RST_STREAM => return frame.code() == PROTOCOL_ERROR,
            // First an empty table (RFC 7541 §6.3), then the status: 400 is the twelfth field of appendix A.
            HEADERS => return frame.payload.starts_with(&[0x20, 0x80 | 12]),
            _ => {}
        }
    }
}

#[test]
fn more_requests_at_once_than_agreed_are_refused_and_the_others_go_on() {
    let (gate, origin) = Origin::gated();
    let peregrine = before(&origin, "http2.streams_max = 10");
    let mut client = Frames::connect(peregrine.address, &[]);
    (0..15u32).for_each(|number| client.get(number * 2 + 1, &format!("/slow/{number}")));
    let refused: Vec<(u32, u32)> = (0..5)
        .map(|_| client.until(RST_STREAM))
        .map(|reset| (reset.stream, reset.code()))
        .collect();
    assert_eq!(refused, [21, 23, 25, 27, 29].map(|stream| (stream, REFUSED_STREAM)));
    until("the others to be under way", || origin.count() == 10);
    gate.open();
    let mut answered: Vec<u32> = (0..10).map(|_| client.until(DATA).stream).collect();
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    assert_eq!(peregrine.metric("peregrine_http2_refused_requests_total", &[]), 5.0);
    others_are_served(&peregrine);
}

#[test]
fn who_opens_no_window_is_cut_off_and_its_origin_let_go() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let origin = Origin::start(move |heard| match heard.target.as_str() {
        "/film" => Reply::default()
            .head(200, &[("content-length", &(4u64 << 30).to_string())])
            .flood(4 << 30, &counter),
        _ => Reply::ok(&[("cache-control", "max-age=600")], "ok"),
    });
    let peregrine = before(&origin, "stall_timeout = \"1s\"");
    peregrine.get("/", &[]);
    // SETTINGS_INITIAL_WINDOW_SIZE is 4: nothing may be sent, be it stored or on its way.
    let mut sleeper = Frames::connect(peregrine.address, &[(4, 0)]);
    sleeper.get(1, "/film");
    sleeper.get(3, "/");
    until("the requests to have ended", || {
        peregrine.metric("peregrine_requests_in_flight", &[]) == 0.0
            && peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
    assert!(
        sent.load(Ordering::SeqCst) < 64 << 20,
        "the origin had to send what nobody read"
    );
    others_are_served(&peregrine);
}

#[test]
fn who_stops_in_the_middle_is_waited_for_within_the_limits_only() {
    let origin = well();
    let peregrine = before(&origin, "stall_timeout = \"1s\"\nheader_timeout = \"500ms\"");
    // A head whose last piece never comes.
    let mut slow = Frames::connect(peregrine.address, &[]);
    slow.send(&frame(HEADERS, END_STREAM, 1, &request("GET", "/", &[])));
    while slow.read().is_some() {}
    // A body that never goes on: no whole write reaches the origin.
    let mut writer = Frames::connect(peregrine.address, &[]);
    writer.send(&frame(HEADERS, END_HEADERS, 1, &request("POST", "/write", &[])));
    writer.send(&frame(DATA, 0, 1, b"half"));
    until("the request to have ended", || {
        peregrine.metric("peregrine_requests_in_flight", &[]) == 0.0
            && peregrine.metric("peregrine_target_in_flight", &[]) == 0.0
    });
    assert_eq!(origin.count(), 0, "half a write is none");
    // One that used up its flow of bytes without leave.
    let mut flooding = Frames::connect(peregrine.address, &[]);
    flooding.send(&frame(HEADERS, WHOLE, 1, &request("GET", "/", &[])));
    flooding.until(DATA);
    flooding.send(&frame(DATA, 0, 1, b"after the end"));
    let reset = flooding.until(RST_STREAM);
    assert_eq!((reset.stream, reset.code()), (1, STREAM_CLOSED));
    others_are_served(&peregrine);
}
