//! How bodies are written. A body in a content coding is one whole stream, as a client would get it: what is stored so can
//! be sent so. Without the body as it was loaded beside it, eight bytes with the length of that come first. LZ4, which no
//! client takes, is in frames of at most 256 KiB, each preceded by its length before compression (32 bits); a frame that
//! promises more is refused. Lengths are little endian, and caps: reading never unpacks more than they promise.

mod stream;

pub(crate) use stream::{Unpacked, pack, same, unpack, unpack_foreign};

use crate::coding::Coding;
use crate::config::Compression;
use crate::entry::{Encoding, SEGMENT_BYTES};
use bytes::Bytes;

/// The bytes before a frame.
const FRAME_PREFIX: usize = 4;
/// The bytes before a stream.
pub(crate) const STREAM_PREFIX: usize = 8;
/// Bodies below this are not worth it.
const LENGTH_MIN: usize = 512;

impl Encoding {
    /// The content coding that it is.
    pub(crate) const fn coding(self) -> Option<Coding> {
        match self {
            Self::Zstd => Some(Coding::Zstd),
            Self::Brotli => Some(Coding::Brotli),
            Self::Gzip => Some(Coding::Gzip),
            Self::Identity | Self::Lz4 => None,
        }
    }
}

impl From<Coding> for Encoding {
    fn from(coding: Coding) -> Self {
        match coding {
            Coding::Zstd => Self::Zstd,
            Coding::Brotli => Self::Brotli,
            Coding::Gzip => Self::Gzip,
        }
    }
}

/// The encoding that `compression` means for a body of `length` bytes whose type promises a gain or not.
pub(crate) fn choose(compression: Compression, compressible: bool, length: usize) -> Option<Encoding> {
    if length < LENGTH_MIN {
        return None;
    }
    match compression {
        Compression::Off => None,
        Compression::Auto => compressible.then_some(Encoding::Zstd),
        Compression::Zstd => Some(Encoding::Zstd),
        Compression::Brotli => Some(Encoding::Brotli),
        Compression::Gzip => Some(Encoding::Gzip),
        Compression::Lz4 => Some(Encoding::Lz4),
    }
}

/// The most that `length` bytes may come to for the work to have been worth it.
pub(crate) const fn worthwhile(length: u64) -> u64 {
    length - length.div_ceil(10)
}

/// What stands before a stream that has no body as it was loaded beside it.
pub(crate) fn stream_prefix(length: u64) -> Bytes {
    Bytes::copy_from_slice(&length.to_le_bytes())
}

/// The length that the first piece of a stored stream promises; zero when it promises none.
pub(crate) fn stream_length(first: &[u8]) -> u64 {
    first
        .first_chunk::<STREAM_PREFIX>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// `chunks` as LZ4 frames; nothing unless that saves a tenth and every frame reads back as it was.
pub(crate) fn frames(chunks: impl Iterator<Item = Bytes>) -> Option<Vec<Bytes>> {
    let (mut before, mut after, mut frames) = (0u64, 0u64, Vec::new());
    for chunk in chunks {
        for piece in chunk.chunks(SEGMENT_BYTES) {
            let frame = frame(piece)?;
            if decode_frame(&frame).as_deref() != Some(piece) {
                return None;
            }
            before += piece.len() as u64;
            after += frame.len() as u64;
            frames.push(frame.into());
        }
    }
    (after <= worthwhile(before)).then_some(frames)
}

fn frame(piece: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(FRAME_PREFIX + piece.len() / 2);
    out.extend_from_slice(&u32::try_from(piece.len()).ok()?.to_le_bytes());
    out.extend(lz4_flex::block::compress(piece));
    out.shrink_to_fit();
    Some(out)
}

/// The length that a frame promises; zero when it is none.
pub(crate) fn frame_length(frame: &[u8]) -> usize {
    let length = frame
        .first_chunk::<FRAME_PREFIX>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    usize::try_from(length).unwrap_or(0)
}

/// Whether `pieces` promise a body that is written so: what lies in an entry as one piece, else its segments.
pub(crate) fn is_readable(encoding: Encoding, pieces: &[Bytes]) -> bool {
    let is_frame = |piece: &Bytes| piece.len() > FRAME_PREFIX && frame_length(piece) <= SEGMENT_BYTES;
    match (encoding, pieces) {
        (Encoding::Identity, _) => true,
        (Encoding::Lz4, pieces) => pieces.iter().all(is_frame),
        (_, [whole]) => whole.len() > STREAM_PREFIX,
        (_, [first, ..]) => first.len() == STREAM_PREFIX,
        (_, []) => false,
    }
}

/// What `frame` holds; nothing when it does not hold exactly what it promises.
pub(crate) fn decode_frame(frame: &[u8]) -> Option<Bytes> {
    let length = frame_length(frame);
    let packed = frame.get(FRAME_PREFIX..)?;
    if length > SEGMENT_BYTES {
        return None;
    }
    let out = lz4_flex::block::decompress(packed, length).ok()?;
    (out.len() == length).then(|| out.into())
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;
