//! Stored compression. A body is compressed in frames of at most 256 KiB, each preceded by its length before compression
//! (32 bits, little endian), so that reading unpacks piece by piece and never more than a frame promises. A frame that
//! promises more than 256 KiB is refused: the length is a cap, whatever the compressed bytes say.

use crate::config::Compression;
use crate::entry::{Encoding, SEGMENT_BYTES};
use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

/// The bytes before a frame.
const PREFIX: usize = 4;
/// Bodies below this are not worth it.
const LENGTH_MIN: usize = 512;
/// The level of Zstandard.
const ZSTD_LEVEL: i32 = 3;
/// The level of gzip.
const GZIP_LEVEL: u32 = 5;

/// The encoding that `compression` means for a body of `length` bytes whose type promises a gain or not.
pub(crate) fn choose(compression: Compression, compressible: bool, length: usize) -> Option<Encoding> {
    if length < LENGTH_MIN {
        return None;
    }
    match compression {
        Compression::Off => None,
        Compression::Auto => compressible.then_some(Encoding::Zstd),
        Compression::Zstd => Some(Encoding::Zstd),
        Compression::Gzip => Some(Encoding::Gzip),
        Compression::Lz4 => Some(Encoding::Lz4),
    }
}

/// `chunks` as frames; nothing unless that saves a tenth and every frame reads back as it was.
pub(crate) fn encode(encoding: Encoding, chunks: impl Iterator<Item = Bytes>) -> Option<Vec<Bytes>> {
    let (mut before, mut after, mut frames) = (0, 0, Vec::new());
    for chunk in chunks {
        for piece in chunk.chunks(SEGMENT_BYTES) {
            let frame = frame(encoding, piece)?;
            if decode(encoding, &frame).as_deref() != Some(piece) {
                return None;
            }
            before += piece.len();
            after += frame.len();
            frames.push(frame.into());
        }
    }
    (after <= before - before / 10).then_some(frames)
}

fn frame(encoding: Encoding, piece: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(PREFIX + piece.len() / 2);
    out.extend_from_slice(&u32::try_from(piece.len()).ok()?.to_le_bytes());
    match encoding {
        Encoding::Identity => out.extend_from_slice(piece),
        Encoding::Zstd => out.extend(zstd::bulk::compress(piece, ZSTD_LEVEL).ok()?),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(piece).ok()?;
            out = encoder.finish().ok()?;
        }
        Encoding::Lz4 => out.extend(lz4_flex::block::compress(piece)),
    }
    out.shrink_to_fit();
    Some(out)
}

/// The length that a frame promises; zero when it is none.
pub(crate) fn decoded_length(frame: &[u8]) -> usize {
    let length = frame
        .first_chunk::<PREFIX>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    usize::try_from(length).unwrap_or(0)
}

/// Whether `frame` promises what a frame may.
pub(crate) fn is_frame(frame: &[u8]) -> bool {
    frame.len() > PREFIX && decoded_length(frame) <= SEGMENT_BYTES
}

/// What `frame` holds; nothing when it does not hold exactly what it promises.
pub(crate) fn decode(encoding: Encoding, frame: &[u8]) -> Option<Bytes> {
    let length = decoded_length(frame);
    let packed = frame.get(PREFIX..)?;
    if length > SEGMENT_BYTES {
        return None;
    }
    let out = match encoding {
        Encoding::Identity => packed.to_vec(),
        Encoding::Zstd => zstd::bulk::decompress(packed, length).ok()?,
        Encoding::Gzip => {
            let mut out = Vec::with_capacity(length);
            // One byte more than promised, so that a longer stream shows.
            GzDecoder::new(packed)
                .take(length as u64 + 1)
                .read_to_end(&mut out)
                .ok()?;
            out
        }
        Encoding::Lz4 => lz4_flex::block::decompress(packed, length).ok()?,
    };
    (out.len() == length).then(|| out.into())
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Encoding; 3] = [Encoding::Zstd, Encoding::Gzip, Encoding::Lz4];

    #[test]
    fn text_gains_and_noise_is_left_alone() {
        let text = Bytes::from("peregrine ".repeat(60_000));
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let noise: Bytes = (0..10_000).map(|_| noise()).collect();
        for encoding in ALL {
            let frames = encode(encoding, std::iter::once(text.clone())).unwrap();
            assert!(frames.len() > 1, "{encoding:?}: a large body has several frames");
            let back: Vec<u8> = frames
                .iter()
                .flat_map(|frame| decode(encoding, frame).unwrap())
                .collect();
            assert_eq!(back, text);
            assert!(
                encode(encoding, std::iter::once(noise.clone())).is_none(),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn a_frame_cannot_unpack_to_more_than_it_promises() {
        let bomb = vec![0u8; SEGMENT_BYTES];
        for encoding in ALL {
            let mut frame = frame(encoding, &bomb).unwrap();
            frame[..PREFIX].copy_from_slice(&100u32.to_le_bytes());
            assert!(decode(encoding, &frame).is_none(), "{encoding:?}: shorter than it is");
            frame[..PREFIX].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(decode(encoding, &frame).is_none(), "{encoding:?}: longer than allowed");
        }
    }

    proptest! {
        #[test]
        fn damaged_frames_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for encoding in ALL {
                if let Some(out) = decode(encoding, &bytes) {
                    prop_assert_eq!(out.len(), decoded_length(&bytes));
                }
            }
        }
    }

    #[test]
    fn small_bodies_and_unpromising_types_stay_as_they_are() {
        assert_eq!(choose(Compression::Auto, true, 100), None);
        assert_eq!(choose(Compression::Auto, false, 10_000), None);
        assert_eq!(choose(Compression::Lz4, false, 10_000), Some(Encoding::Lz4));
        assert_eq!(choose(Compression::Off, true, 10_000), None);
    }
}
