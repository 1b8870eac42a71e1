//! The response reader by table, and by property: however the bytes are cut, the result is the same, and bytes that lie do
//! not make it panic.

use super::response::{BodyReader, Framing, Head, Limits, Malformed};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    head_bytes_max: 1024,
    body_bytes_max: 1000,
};

fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
}

fn framing_of(text: &str, to_head: bool) -> Result<Framing, Malformed> {
    Head::read(text.as_bytes(), to_head, &LIMITS).map(|head| head.expect("a whole head").framing)
}

#[test]
fn framing_follows_rfc_9112_section_6_3() {
    for (fields, expected) in [
        ("", Ok(Framing::UntilClose)),
        ("Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ("content-length:  12 \r\n", Ok(Framing::Length(12))),
        ("Content-Length: 12\r\nContent-Length: 12\r\n", Ok(Framing::Length(12))),
        ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
        ("Content-Length: 1000\r\n", Ok(Framing::Length(1000))),
        ("Content-Length: 1001\r\n", Err(Malformed::BodyTooLarge)),
        ("Content-Length: 12\r\nContent-Length: 13\r\n", Err(Malformed::Framing)),
        ("Content-Length: 12, 12\r\n", Err(Malformed::Framing)),
        ("Content-Length: +12\r\n", Err(Malformed::Framing)),
        ("Content-Length: -1\r\n", Err(Malformed::Framing)),
        ("Content-Length: 0x10\r\n", Err(Malformed::Framing)),
        ("Content-Length: \r\n", Err(Malformed::Framing)),
        ("Content-Length: 99999999999999999999\r\n", Err(Malformed::Framing)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(Malformed::Framing)),
        ("Transfer-Encoding: gzip\r\n", Err(Malformed::Framing)),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(Malformed::Framing),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            Err(Malformed::Framing),
        ),
    ] {
        assert_eq!(framing_of(&head(fields), false), expected, "{fields}");
    }
    assert_eq!(
        framing_of(&head("Content-Length: 12\r\n"), true),
        Ok(Framing::Empty),
        "HEAD"
    );
    for status in [204, 304, 103] {
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 12\r\n\r\n");
        assert_eq!(framing_of(&text, false), Ok(Framing::Empty), "{status}");
    }
}

#[test]
fn connections_are_reused_only_when_both_sides_know_where_the_answer_ends() {
    for (text, expected) in [
        (head("Content-Length: 1\r\n"), true),
        (head("Content-Length: 1\r\nConnection: close\r\n"), false),
        (head("Content-Length: 1\r\nConnection: Upgrade, Close\r\n"), false),
        (head(""), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n".to_owned(), false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n".to_owned(),
            true,
        ),
    ] {
        assert_eq!(
            Head::read(text.as_bytes(), false, &LIMITS).unwrap().unwrap().reusable,
            expected,
            "{text}"
        );
    }
}

#[test]
fn heads_that_are_none_or_too_long_are_refused() {
    for (text, expected) in [
        ("HTTP/1.1 2".to_owned(), Ok(None)),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Err(Malformed::Head)),
        ("HTTP/1.1 999 Odd\r\n\r\n".to_owned(), Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\r\nNo colon\r\n\r\n".to_owned(), Err(Malformed::Head)),
        (
            format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(1024)),
            Err(Malformed::HeadTooLarge),
        ),
        (
            head(&format!("A: {}\r\n", "x".repeat(1024))),
            Err(Malformed::HeadTooLarge),
        ),
        (head(&"A: b\r\n".repeat(129)), Err(Malformed::HeadTooLarge)),
    ] {
        assert_eq!(
            Head::read(text.as_bytes(), false, &LIMITS).map(|head| head.map(|_| ())),
            expected,
            "{text}"
        );
    }
}

/// Feeds `wire` in pieces of `step` bytes; answers with the body and the bytes used, `None` when it wants more.
fn read_body(framing: Framing, wire: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut reader, mut body, mut used) = (BodyReader::new(framing, LIMITS), Vec::new(), 0);
    for end in (step..wire.len() + step).step_by(step) {
        used += reader.take(&wire[used..end.min(wire.len())], Some(&mut body))?;
    }
    assert_eq!(reader.length(), body.len() as u64);
    Ok(reader.is_done().then_some((body, used)))
}

#[test]
fn chunked_bodies_are_read_by_table() {
    let hello = Ok(Some((b"hello".to_vec(), 0)));
    for (wire, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", hello.clone()),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", hello.clone()),
        ("5;name=value\r\nhello\r\n0\r\n\r\n", hello.clone()),
        ("0005 \r\nhello\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n", hello),
        ("0\r\n\r\n", Ok(Some((Vec::new(), 0)))),
        ("5\r\nhel", Ok(None)),
        ("5\r\nhello\r\n0\r\n", Ok(None)),
        ("5", Ok(None)),
        ("g\r\n", Err(Malformed::Chunk)),
        ("\r\n", Err(Malformed::Chunk)),
        ("-5\r\nhello\r\n", Err(Malformed::Chunk)),
        ("0x5\r\nhello\r\n", Err(Malformed::Chunk)),
        ("5\r\nhelloX\r\n", Err(Malformed::Chunk)),
        ("1234567890abcdef0\r\n", Err(Malformed::Chunk)),
        ("3e9\r\n", Ok(None)),
    ] {
        for step in [1, 2, 3, 1000] {
            let expected = expected.clone().map(|done| done.map(|(body, _)| (body, wire.len())));
            assert_eq!(
                read_body(Framing::Chunked, wire.as_bytes(), step),
                expected,
                "{wire} by {step}"
            );
        }
    }
}

#[test]
fn bodies_and_trailers_have_limits() {
    let long = format!("3e9\r\n{}\r\n", "x".repeat(0x3e9));
    assert_eq!(
        read_body(Framing::Chunked, long.as_bytes(), 100),
        Err(Malformed::BodyTooLarge)
    );
    assert_eq!(
        read_body(Framing::UntilClose, &[0; 1001], 100),
        Err(Malformed::BodyTooLarge)
    );
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert_eq!(
        read_body(Framing::Chunked, trailers.as_bytes(), 100),
        Err(Malformed::HeadTooLarge)
    );
    let line = "1;".to_owned() + &"x".repeat(5000);
    assert_eq!(read_body(Framing::Chunked, line.as_bytes(), 100), Err(Malformed::Chunk));
}

proptest! {
    #[test]
    fn a_chunked_body_reads_back_however_it_is_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..12),
        next in prop::collection::vec(any::<u8>(), 0..20),
        step in 1usize..40,
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let length = wire.len();
        wire.extend_from_slice(&next);
        // What follows the body is not the body's.
        prop_assert_eq!(read_body(Framing::Chunked, &wire, step), Ok(Some((chunks.concat(), length))));
    }

    #[test]
    fn a_counted_body_takes_its_length_and_no_more(length in 0u64..200, wire in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
        let count = usize::try_from(length).unwrap();
        let expected = (wire.len() >= count).then(|| (wire[..count.min(wire.len())].to_vec(), count));
        prop_assert_eq!(read_body(Framing::Length(length), &wire, step), Ok(expected));
    }

    #[test]
    fn bytes_that_lie_never_panic_and_cutting_does_not_change_the_verdict(wire in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
        let _ = Head::read(&wire, false, &LIMITS);
        let whole = read_body(Framing::Chunked, &wire, wire.len().max(1));
        prop_assert_eq!(read_body(Framing::Chunked, &wire, step), whole);
    }

    #[test]
    fn heads_made_of_likely_pieces_never_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n", "HTTP/1.0 304 \r\n", "Content-Length: 5\r\n", "Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Cache-Status: a; hit, \"b\\\"; fwd\r\n", "\r\n", ":", "\n", "X: \u{e9}\r\n",
    ]), 0..8)) {
        let _ = Head::read(pieces.concat().as_bytes(), false, &LIMITS);
    }
}
