//! Content codings as streams: packing whole bodies, once and away from the event loop, and unpacking piece by piece.

use crate::coding::Coding;
use crate::entry::SEGMENT_BYTES;
use brotli::enc::BrotliEncoderParams;
use bytes::{Buf, Bytes};
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;
use std::fmt;
use std::io::{self, BufRead, Read, Write};

// The levels are where a step more costs much more time than it saves bytes: `docs/concepts/compression.md` has the numbers.
/// The level of Zstandard, of 22. Its window stays below the 8 MiB that clients must accept (RFC 9659).
const ZSTD_LEVEL: i32 = 6;
/// The level of Brotli, of 11.
const BROTLI_LEVEL: i32 = 5;
/// The window of Brotli: 4 MiB, the largest that its levels up to nine make use of.
const BROTLI_WINDOW_LOG: i32 = 22;
/// The level of gzip, of 9.
const GZIP_LEVEL: u32 = 6;
/// The largest window that a Zstandard stream may ask for, as a power of two: 8 MiB (RFC 9659 §3).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// What Brotli reads at a time.
const BROTLI_BUFFER_BYTES: usize = 8 << 10;

/// The body of `length` bytes that `body` gives, in `coding`, in pieces of at most 256 KiB. Nothing when that comes to more
/// than `limit` bytes or does not read back as it was.
pub(crate) fn pack<I>(coding: Coding, body: impl Fn() -> I, length: u64, limit: u64) -> Option<Vec<Bytes>>
where
    I: Iterator<Item = Bytes>,
{
    let pieces = compress(coding, body(), length, limit).ok()?.done();
    let mut unpacked = unpack(coding, pieces.clone().into_iter(), length)?;
    (same(body(), &mut unpacked) && unpacked.ends_here()).then_some(pieces)
}

fn compress(coding: Coding, body: impl Iterator<Item = Bytes>, length: u64, limit: u64) -> io::Result<Packing> {
    let packing = Packing::new(limit);
    match coding {
        Coding::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(packing, ZSTD_LEVEL)?;
            // Small bodies need no large tables, and clients can tell how much is coming.
            encoder.set_pledged_src_size(Some(length))?;
            for chunk in body {
                encoder.write_all(&chunk)?;
            }
            encoder.finish()
        }
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(packing, flate2::Compression::new(GZIP_LEVEL));
            for chunk in body {
                encoder.write_all(&chunk)?;
            }
            encoder.finish()
        }
        Coding::Brotli => {
            let parameters = BrotliEncoderParams {
                quality: BROTLI_LEVEL,
                lgwin: BROTLI_WINDOW_LOG,
                size_hint: usize::try_from(length).unwrap_or(0),
                ..BrotliEncoderParams::default()
            };
            let mut packing = packing;
            brotli::BrotliCompress(&mut Pieces::new(body), &mut packing, &parameters)?;
            Ok(packing)
        }
    }
}

/// Whether both give the same bytes, wherever they are cut into pieces.
pub(crate) fn same(one: impl Iterator<Item = Bytes>, mut other: impl Iterator<Item = Bytes>) -> bool {
    let mut left = Bytes::new();
    for piece in one {
        let mut piece = &piece[..];
        while !piece.is_empty() {
            if left.is_empty() {
                match other.next() {
                    Some(more) => left = more,
                    None => return false,
                }
            }
            let both = piece.len().min(left.len());
            if piece[..both] != left[..both] {
                return false;
            }
            piece = &piece[both..];
            left.advance(both);
        }
    }
    left.is_empty() && other.all(|more| more.is_empty())
}

/// Takes what an encoder writes, up to a limit.
struct Packing {
    done: Vec<Bytes>,
    open: Vec<u8>,
    room: u64,
}

impl Packing {
    fn new(limit: u64) -> Self {
        Self {
            done: Vec::new(),
            open: Vec::new(),
            room: limit,
        }
    }

    fn done(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.done.push(exact(self.open));
        }
        self.done
    }
}

/// `bytes` without room to spare, which nobody would account for.
fn exact(bytes: Vec<u8>) -> Bytes {
    bytes.into_boxed_slice().into()
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(SEGMENT_BYTES - self.open.len());
        self.room = match self.room.checked_sub(taken as u64) {
            Some(room) => room,
            None => return Err(io::ErrorKind::StorageFull.into()),
        };
        self.open.extend_from_slice(&bytes[..taken]);
        if self.open.len() == SEGMENT_BYTES {
            self.done.push(exact(std::mem::take(&mut self.open)));
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads pieces as one.
struct Pieces<I> {
    rest: I,
    current: Bytes,
}

impl<I: Iterator<Item = Bytes>> Pieces<I> {
    fn new(rest: I) -> Self {
        Self {
            rest,
            current: Bytes::new(),
        }
    }
}

impl<I: Iterator<Item = Bytes>> BufRead for Pieces<I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.rest.next() {
                Some(next) => self.current = next,
                None => break,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, count: usize) {
        self.current.advance(count);
    }
}

impl<I: Iterator<Item = Bytes>> Read for Pieces<I> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// What a stream in `coding` holds, up to `limit` bytes. Nothing when memory for it is refused.
pub(crate) fn unpack(
    coding: Coding,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    limit: u64,
) -> Option<Unpacked> {
    unpacked(coding, Pieces::new(pieces), limit, false)
}

/// The same for what others packed, who may have put several streams one after the other (RFC 1952 §2.2, RFC 8878 §3).
pub(crate) fn unpack_foreign(
    coding: Coding,
    pieces: impl Iterator<Item = Bytes> + Send + 'static,
    limit: u64,
) -> Option<Unpacked> {
    unpacked(coding, Pieces::new(pieces), limit, true)
}

fn unpacked(coding: Coding, pieces: impl BufRead + Send + 'static, limit: u64, several: bool) -> Option<Unpacked> {
    let reader: Box<dyn Read + Send> = match coding {
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(pieces).ok()?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).ok()?;
            if several {
                Box::new(decoder)
            } else {
                Box::new(decoder.single_frame())
            }
        }
        Coding::Gzip if several => Box::new(MultiGzDecoder::new(pieces)),
        Coding::Gzip => Box::new(GzDecoder::new(pieces)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(pieces, BROTLI_BUFFER_BYTES)),
    };
    Some(Unpacked {
        reader,
        left: limit,
        is_failed: false,
    })
}

/// A stream that is unpacked as it is asked for, in pieces of at most 256 KiB. It ends early where the stream is damaged.
pub(crate) struct Unpacked {
    reader: Box<dyn Read + Send>,
    /// How much more may come.
    left: u64,
    is_failed: bool,
}

impl Unpacked {
    /// Whether the stream ends, soundly, with what was read of it.
    pub(crate) fn ends_here(&mut self) -> bool {
        !self.is_failed && matches!(self.reader.read(&mut [0]), Ok(0))
    }
}

impl Iterator for Unpacked {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let wanted = self.left.min(SEGMENT_BYTES as u64);
        if self.is_failed || wanted == 0 {
            return None;
        }
        let mut out = Vec::with_capacity(usize::try_from(wanted).ok()?);
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut out);
        self.left -= out.len() as u64;
        self.is_failed = read.is_err();
        (!out.is_empty() && !self.is_failed).then(|| out.into())
    }
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
