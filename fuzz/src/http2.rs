//! HTTP/2 as bytes: blocks of fields, and frames.

use peregrine_net::http::frames::{Frame, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, Settings};
use peregrine_net::http::hpack::{Broken, Decoder, Fields, TABLE_BYTES, encode_field};

/// The largest list that is kept.
const LIST_BYTES_MAX: usize = 4 << 10;

/// Name and value, as bytes.
type Line = (Vec<u8>, Vec<u8>);

/// Two blocks of one connection, the second from where the first byte says: what is read is bounded and reads as itself once
/// more; that a list is cut changes nothing for what comes behind it.
pub fn header_block(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (one, other) = bytes.split_at(usize::from(*cut) % (bytes.len() + 1));
    let (mut small, mut large) = (Decoder::default(), Decoder::default());
    for block in [one, other] {
        let first = read(&mut small, block, LIST_BYTES_MAX);
        let whole = read(&mut large, block, usize::MAX);
        let (Ok((lines, is_cut)), Ok((all, false))) = (&first, &whole) else {
            assert!(first.is_err() && whole.is_err(), "it depends on the room that there is");
            return;
        };
        assert!(all.starts_with(lines), "another list where there is less room");
        assert_eq!(*is_cut, lines.len() < all.len(), "cut, and whole all the same");
        let size: usize = lines.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert!(size <= LIST_BYTES_MAX, "more than there is room for");
        let mut again = Vec::new();
        for (name, value) in lines {
            encode_field(&mut again, name, value);
        }
        let again = read(&mut Decoder::default(), &again, LIST_BYTES_MAX);
        assert_eq!(again, Ok((lines.clone(), false)), "it does not read as it was written");
    }
    // However long it goes on, the table holds what it may: no entry lies behind as many as fit.
    let last = u8::try_from(61 + TABLE_BYTES / 32 + 1 - 127).expect("two bytes");
    assert_eq!(
        read(&mut small, &[0xff, last], LIST_BYTES_MAX),
        Err(Broken),
        "too large a table"
    );
}

fn read(decoder: &mut Decoder, block: &[u8], size_max: usize) -> Result<(Vec<Line>, bool), Broken> {
    Fields::with(size_max, |fields| {
        decoder.decode(block, fields)?;
        let line = |index| (fields.name(index).to_vec(), fields.value(index).to_vec());
        Ok(((0..fields.len()).map(line).collect(), fields.is_cut()))
    })
}

/// Frames, one after the other: what is one lies within its bytes and takes as much of the windows as it is long.
pub fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(header) = Header::read(rest) {
        assert_eq!(
            Header::read(&header.bytes()),
            Some(header),
            "it does not read as it was written"
        );
        let Some(payload) = rest[HEADER_BYTES..].get(..header.length) else {
            return;
        };
        match Frame::read(&header, payload) {
            Ok(Frame::Data { data, size, .. }) => {
                assert_eq!(usize::try_from(size), Ok(payload.len()), "padding that nobody pays for");
                assert!(data.len() <= payload.len(), "more than there is");
            }
            Ok(Frame::Headers { block, .. } | Frame::Continuation { block, .. }) => {
                assert!(block.len() <= payload.len(), "more than there is");
            }
            Ok(Frame::Settings(payload)) => {
                let window = Settings::read(payload).ok().and_then(|settings| settings.window);
                assert!(window.is_none_or(|window| window < 1 << 31), "a window too large");
            }
            Ok(Frame::WindowUpdate { increment, .. }) => {
                assert!((1..1 << 31).contains(&increment), "a window that does not grow");
            }
            Ok(_) | Err(_) => {}
        }
        assert!(HEADER_BYTES + header.length <= rest.len() && header.length <= 1024 * PAYLOAD_BYTES_MAX);
        rest = &rest[HEADER_BYTES + header.length..];
    }
}
