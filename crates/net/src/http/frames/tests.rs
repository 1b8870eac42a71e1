//! Frames by table, with the clauses of RFC 9113 that they come from.

use super::*;
use proptest::prelude::*;

const PROTOCOL: Fault = Fault::Connection(Code::Protocol);
const SIZE: Fault = Fault::Connection(Code::FrameSize);

/// Kind, flags, stream and content, and what they are.
type Row<'a> = (u8, u8, u32, &'a [u8], Result<Frame<'a>, Fault>);

fn read(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<Frame<'_>, Fault> {
    let header = Header {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    Frame::read(&header, payload)
}

fn data(data: &[u8], size: u32, end: bool) -> Result<Frame<'_>, Fault> {
    Ok(Frame::Data {
        stream: 1,
        data,
        size,
        end,
    })
}

fn headers(block: &[u8], end: bool, whole: bool) -> Result<Frame<'_>, Fault> {
    Ok(Frame::Headers {
        stream: 1,
        block,
        end,
        whole,
    })
}

#[test]
fn bodies_and_heads_with_and_without_padding() {
    // §6.1.
    assert_eq!(read(0, 0, 1, b"abc"), data(b"abc", 3, false));
    assert_eq!(read(0, 1, 1, b""), data(b"", 0, true));
    assert_eq!(read(0, 9, 1, b"\x02abc\0\0"), data(b"abc", 6, true));
    assert_eq!(read(0, 8, 1, b"\x03\0\0\0"), data(b"", 4, false));
    assert_eq!(read(0, 8, 1, b"\x04\0\0\0"), Err(PROTOCOL));
    assert_eq!(read(0, 8, 1, b""), Err(SIZE));
    assert_eq!(read(0, 0, 0, b"abc"), Err(PROTOCOL));
    // §6.2.
    assert_eq!(read(1, 0, 1, b"abc"), headers(b"abc", false, false));
    assert_eq!(read(1, 5, 1, b"abc"), headers(b"abc", true, true));
    assert_eq!(read(1, 0x24, 1, b"12345abc"), headers(b"abc", false, true));
    assert_eq!(read(1, 0x2c, 1, b"\x0112345abc\0"), headers(b"abc", false, true));
    assert_eq!(read(1, 0x2c, 1, b"\x0a12345abc\0"), Err(PROTOCOL));
    assert_eq!(read(1, 0x2c, 1, b"\x0512345abc\0"), Err(SIZE));
    assert_eq!(read(1, 0x24, 1, b"1234"), Err(SIZE));
    assert_eq!(read(1, 4, 0, b"abc"), Err(PROTOCOL));
}

#[test]
fn what_frames_have_to_be() {
    let reset = Ok(Frame::Reset { stream: 1 });
    let window = |stream, increment| Ok(Frame::WindowUpdate { stream, increment });
    let table: &[Row<'_>] = &[
        // §6.3.
        (kind::PRIORITY, 0, 1, b"12345", Ok(Frame::Ignored)),
        (kind::PRIORITY, 0, 1, b"1234", Err(Fault::Stream(1, Code::FrameSize))),
        (kind::PRIORITY, 0, 0, b"12345", Err(PROTOCOL)),
        // §6.4.
        (kind::RST_STREAM, 0, 1, b"\0\0\0\x08", reset),
        (kind::RST_STREAM, 0, 1, b"\0\0\0", Err(SIZE)),
        (kind::RST_STREAM, 0, 0, b"\0\0\0\x08", Err(PROTOCOL)),
        // §6.5.
        (kind::SETTINGS, 0, 0, b"123456", Ok(Frame::Settings(b"123456"))),
        (kind::SETTINGS, 0, 0, b"12345", Err(SIZE)),
        (kind::SETTINGS, 0, 1, b"", Err(PROTOCOL)),
        (kind::SETTINGS, 1, 0, b"", Ok(Frame::SettingsKnown)),
        (kind::SETTINGS, 1, 0, b"123456", Err(SIZE)),
        // §6.6, §8.4.
        (kind::PUSH_PROMISE, 4, 1, b"1234", Err(PROTOCOL)),
        // §6.7.
        (kind::PING, 0, 0, b"12345678", Ok(Frame::Ping(*b"12345678"))),
        (kind::PING, 1, 0, b"12345678", Ok(Frame::Pong(*b"12345678"))),
        (kind::PING, 0, 0, b"1234567", Err(SIZE)),
        (kind::PING, 0, 1, b"12345678", Err(PROTOCOL)),
        // §6.8.
        (kind::GOAWAY, 0, 0, b"12345678why", Ok(Frame::GoAway)),
        (kind::GOAWAY, 0, 0, b"1234567", Err(SIZE)),
        (kind::GOAWAY, 0, 1, b"12345678", Err(PROTOCOL)),
        // §6.9.
        (kind::WINDOW_UPDATE, 0, 0, b"\0\0\0\x01", window(0, 1)),
        (kind::WINDOW_UPDATE, 0, 3, b"\xff\xff\xff\xff", window(3, WINDOW_MAX)),
        (kind::WINDOW_UPDATE, 0, 0, b"\x80\0\0\0", Err(PROTOCOL)),
        (
            kind::WINDOW_UPDATE,
            0,
            3,
            b"\0\0\0\0",
            Err(Fault::Stream(3, Code::Protocol)),
        ),
        (kind::WINDOW_UPDATE, 0, 3, b"\0\0\0\0\0", Err(SIZE)),
        // §5.5.
        (0xfa, 0xff, 9, b"what", Ok(Frame::Ignored)),
    ];
    for (kind, flags, stream, payload, expected) in table {
        assert_eq!(read(*kind, *flags, *stream, payload), *expected, "{kind} {payload:?}");
    }
}

#[test]
fn settings_by_clause() {
    let one = |name: u16, value: u32| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let flow = Fault::Connection(Code::FlowControl);
    // §6.5.2.
    for (name, value, expected) in [
        (2, 1, Ok(None)),
        (2, 2, Err(PROTOCOL)),
        (4, WINDOW_MAX, Ok(Some(WINDOW_MAX))),
        (4, WINDOW_MAX + 1, Err(flow)),
        (5, 16_383, Err(PROTOCOL)),
        (5, 16_384, Ok(None)),
        (5, 16_777_215, Ok(None)),
        (5, 16_777_216, Err(PROTOCOL)),
        (1, u32::MAX, Ok(None)),
        (0xfafa, u32::MAX, Ok(None)),
    ] {
        let read = Settings::read(&one(name, value)).map(|settings| settings.window);
        assert_eq!(read, expected, "{name} {value}");
    }
    let twice = [one(4, 1), one(4, 7)].concat();
    assert_eq!(Settings::read(&twice).unwrap().window, Some(7), "the last one holds");
}

/// The frames that stand in `text`.
fn frames(mut text: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(header) = Header::read(text) {
        let (payload, rest) = text[HEADER_BYTES..].split_at(header.length);
        frames.push((header.kind, header.flags, header.stream, payload.to_vec()));
        text = rest;
    }
    assert!(text.is_empty());
    frames
}

#[test]
fn blocks_in_as_many_frames_as_it_takes() {
    let mut text = b"before".to_vec();
    assert!(!write_block(&mut text, 1, true, |block| {
        block.extend_from_slice(b"half");
        false
    }));
    assert_eq!(text, b"before");
    for (length, count) in [(0, 1), (3, 1), (16_384, 1), (16_385, 2), (40_000, 3)] {
        let block: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut text = Vec::new();
        assert!(write_block(&mut text, 5, true, |text| {
            text.extend_from_slice(&block);
            true
        }));
        let frames = frames(&text);
        assert_eq!(frames.len(), count, "{length}");
        for (index, (kind, flags, stream, payload)) in frames.iter().enumerate() {
            let last = if index + 1 == count { flag::END_HEADERS } else { 0 };
            let first = if index == 0 {
                (kind::HEADERS, flag::END_STREAM)
            } else {
                (kind::CONTINUATION, 0)
            };
            assert_eq!((*kind, *flags, *stream), (first.0, first.1 | last, 5));
            assert!(payload.len() <= PAYLOAD_BYTES_MAX);
        }
        let whole: Vec<u8> = frames.into_iter().flat_map(|frame| frame.3).collect();
        assert_eq!(whole, block);
    }
}

proptest! {
    #[test]
    fn headers_read_as_they_were_written(length in 0usize..1 << 24, kind: u8, flags: u8, stream in 0u32..=WINDOW_MAX) {
        let header = Header { length, kind, flags, stream };
        prop_assert_eq!(Header::read(&header.bytes()), Some(header));
        prop_assert_eq!(Header::read(&header.bytes()[..8]), None);
    }
}
