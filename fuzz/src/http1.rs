//! HTTP/1 as bytes, and what may stand before it.

use peregrine_net::http::codec::{ChunkedDecoder, Decoded, HeadLimits, parse_request_head};
use peregrine_net::proxy_protocol::{self, HEADER_BYTES_MAX, Parsed};
use peregrine_net::upstream::fuzzing;

const LIMITS: HeadLimits = HeadLimits {
    size_max: 8 << 10,
    count_max: 64,
    uri_length_max: 4 << 10,
    body_max: 1 << 30,
};

/// A request head: what is taken has its whole length in the bytes, and more bytes behind it do not change it.
pub fn request_head(bytes: &[u8]) {
    let Ok(Some(length)) = parse_request_head(bytes, &LIMITS) else {
        return;
    };
    assert!(length <= bytes.len(), "a head longer than what came");
    let head = &bytes[..length];
    assert!(head.ends_with(b"\r\n\r\n"), "a head without its end");
    assert_eq!(
        parse_request_head(head, &LIMITS),
        Ok(Some(length)),
        "it depends on what follows"
    );
    assert_eq!(
        parse_request_head(&head[..length - 1], &LIMITS),
        Ok(None),
        "complete before its end"
    );
}

/// A chunked body: however it is cut, it decodes to the same.
pub fn chunked_body(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let cut = usize::from(*cut) % (bytes.len() + 1);
    let whole = decode([bytes]);
    assert_eq!(decode([&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
}

/// The body in `pieces` and where it ends, as far as they go; nothing when they are malformed.
fn decode<const N: usize>(pieces: [&[u8]; N]) -> Option<(Vec<u8>, bool)> {
    let (mut decoder, mut body) = (ChunkedDecoder::default(), Vec::new());
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            match decoder.decode(rest).ok()? {
                Decoded::Nothing(used) => {
                    assert!(used > 0 && used <= rest.len(), "no way forward");
                    rest = &rest[used..];
                }
                Decoded::Data { skip, length } => {
                    body.extend_from_slice(&rest[skip..skip + length]);
                    rest = &rest[skip + length..];
                }
                Decoded::End(_) => return Some((body, true)),
            }
        }
    }
    Some((body, false))
}

/// The heads of a response: however they are cut, the same ones are let through (what is not is refused sooner or later),
/// and say in one way where their body ends.
pub fn response_head(bytes: &[u8]) {
    let read = |pieces: &[&[u8]]| fuzzing::read(pieces).filter(|read| read.over);
    let whole = read(&[bytes]);
    for cut in [1, 7, bytes.len() / 2] {
        if cut <= bytes.len() {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(read(&[one, other]), whole, "cut at {cut}");
        }
    }
    let Some(read) = whole else { return };
    assert!(read.length <= bytes.len(), "heads longer than what came");
    let Some((lengths, codings)) = read.framing else { return };
    assert!(codings.is_empty(), "a transfer coding is left");
    assert!(lengths.len() <= 1, "several lengths are left");
    assert!(
        lengths
            .iter()
            .all(|length| length.as_bytes().iter().all(u8::is_ascii_digit)),
        "a length that is no number is left"
    );
}

/// A header of the PROXY protocol: what is whole stays so, whatever follows.
pub fn proxy_header(bytes: &[u8]) {
    if let Ok(Parsed::Whole { length, says }) = proxy_protocol::parse(bytes) {
        assert!(
            length <= bytes.len() && length <= HEADER_BYTES_MAX,
            "a header longer than what came"
        );
        let again = proxy_protocol::parse(&bytes[..length]);
        assert_eq!(again, Ok(Parsed::Whole { length, says }), "it depends on what follows");
    }
}
