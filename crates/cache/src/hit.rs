//! What a lookup hands out: an entry to read from, whatever becomes of it in the cache meanwhile.

use crate::codec::{self, Unpacked};
use crate::coding::Coding;
use crate::entry::{Encoding, Entry, Kind, Tags};
use crate::spans::{ByteSpan, PartMap};
use bytes::Bytes;
use peregrine_base::Instant;
use std::fmt;
use std::time::Duration;

/// A stored value. Cheap to clone; lives as long as somebody holds it, in the cache or not.
#[derive(Clone)]
pub struct Hit(pub(crate) Entry);

impl Hit {
    /// The head that the caller gave when it stored the value; the engine never looks into it.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        match self.0.kind() {
            Kind::Part => PartMap::decode(self.0.head()).map_or(&[], |(_, head)| head),
            _ => self.0.head(),
        }
    }

    /// What is held of the value, where that is not all of it. The body is then what is held, one span after the other.
    #[must_use]
    pub fn parts(&self) -> Option<PartMap> {
        parts(&self.0)
    }

    /// The bytes of the value in `span`, where they are held; copies nothing.
    #[must_use]
    pub fn slice(&self, span: ByteSpan) -> Option<Slice> {
        let start = match self.parts() {
            Some(parts) => parts.spans.offset(span.start).filter(|_| parts.spans.covers(span))?,
            None => Some(span.start).filter(|_| span.end <= self.length())?,
        };
        Some(Slice {
            chunks: self.body().chunks(),
            skip: start,
            left: span.length(),
        })
    }

    /// The body, without stored compression.
    #[must_use]
    pub fn body(&self) -> Body {
        Body(self.0.clone())
    }

    /// The whole body where it lies in memory as it is, for as long as the hit.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[u8]> {
        packed(&self.0)
    }

    /// The length of [`Hit::body`] in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        length(&self.0)
    }

    /// The `length` bytes of the value from `start` on, which are held.
    pub(crate) fn from(&self, start: u64, length: u64) -> Slice {
        let whole = Slice {
            chunks: self.body().chunks(),
            skip: 0,
            left: length,
        };
        ByteSpan::new(start, start.saturating_add(length))
            .and_then(|span| self.slice(span))
            .unwrap_or(whole)
    }

    /// Whether `chunk` is one of the segments of the body, from end to end.
    pub(crate) fn is_segment(&self, chunk: &Bytes) -> bool {
        let segments = self.0.segments().unwrap_or_default();
        segments
            .iter()
            .any(|segment| segment.as_ptr() == chunk.as_ptr() && segment.len() == chunk.len())
    }

    /// When the value was made, by the monotonic clock. A value that is older than the clock's zero says zero: ask for its
    /// [`Hit::age`].
    #[must_use]
    pub fn created(&self) -> Instant {
        self.0.created()
    }

    /// How old the value is at `now`, with the age that it had when it arrived (`Age`, RFC 9111 §5.1).
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        self.0.age(now)
    }

    /// Until when it is fresh, unless a soft invalidation reached it.
    #[must_use]
    pub fn fresh_until(&self) -> Instant {
        if self.0.softened() {
            Instant::ZERO
        } else {
            self.0.fresh_until()
        }
    }

    /// Until when it may be served while it is renewed (RFC 5861 §3).
    #[must_use]
    pub fn stale_while_revalidate_until(&self) -> Instant {
        self.0.until(self.0.stale_while_revalidate())
    }

    /// Until when it may be served in place of a failure (RFC 5861 §4).
    #[must_use]
    pub fn stale_if_error_until(&self) -> Instant {
        self.0.until(self.0.stale_if_error())
    }

    /// Whether a soft invalidation made it stale before its time.
    #[must_use]
    pub fn softened(&self) -> bool {
        self.0.softened()
    }

    /// Whether its origin forbade, when it was stored, to serve it without its word: stale at all, or in any case
    /// ([`Meta::never_stale`](crate::Meta::never_stale), [`Meta::must_validate`](crate::Meta::must_validate)).
    #[must_use]
    pub fn forbids_stale(&self) -> bool {
        self.0.never_stale() || self.0.must_validate()
    }

    /// Whether it says that something is not there, and so has the strategy's negative lifetime.
    #[must_use]
    pub fn negative(&self) -> bool {
        self.0.negative()
    }

    /// Its tags.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        self.0.tags()
    }

    /// The whole key that it is stored under.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.key()
    }

    /// The text that tells it from the other variants under its key; empty where there are none.
    #[must_use]
    pub fn variant(&self) -> &str {
        self.0.variant()
    }

    /// How often it was served since it was stored.
    #[must_use]
    pub fn hits(&self) -> u64 {
        u64::from(self.0.hits())
    }

    /// How long its load took.
    #[must_use]
    pub fn cost(&self) -> Duration {
        Duration::from_micros(self.0.cost_us())
    }

    /// Whether its type promises a gain from compression.
    #[must_use]
    pub fn compressible(&self) -> bool {
        self.0.compressible()
    }

    /// The body in `coding`, where it is kept so.
    #[must_use]
    pub fn encoded(&self, coding: Coding) -> Option<Encoded> {
        let length = self.0.coded_length(coding)?;
        Some(Encoded {
            entry: self.0.clone(),
            coding,
            length,
        })
    }

    /// The codings in which the body is kept.
    pub fn codings(&self) -> impl Iterator<Item = Coding> {
        Coding::ALL
            .into_iter()
            .filter(|coding| self.0.coded_length(*coding).is_some())
    }

    /// How its body is stored: `identity`, `zstd`, `br`, `gzip` or `lz4`. Whoever reads it gets it as it was loaded.
    #[must_use]
    pub fn stored_encoding(&self) -> &'static str {
        match self.0.encoding() {
            Encoding::Identity => "identity",
            Encoding::Lz4 => "lz4",
            Encoding::Zstd | Encoding::Brotli | Encoding::Gzip => {
                self.0.encoding().coding().map_or("identity", Coding::as_str)
            }
        }
    }

    /// The bytes of memory that it occupies, with everything that belongs to it.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.0.weight()
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit")
            .field("key", &self.key())
            .field("variant", &self.variant())
            .finish_non_exhaustive()
    }
}

/// The body of a stored value. Holds the entry, copies nothing.
#[derive(Clone, Debug)]
pub struct Body(Entry);

impl Body {
    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        length(&self.0)
    }

    /// The whole body where it lies in memory as it is, for a vectored write.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[u8]> {
        packed(&self.0)
    }

    /// The body in pieces of at most 256 KiB, each unpacked when it is asked for: one piece up to 64 KiB, none when it is
    /// empty. Should a stored piece turn out unreadable, the pieces end early; whoever promised a length sees that.
    #[must_use]
    pub fn chunks(&self) -> Chunks {
        Chunks {
            entry: self.0.clone(),
            next: 0,
            stream: None,
        }
    }

    /// The whole body in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut chunks = self.chunks();
        let (Some(first), second) = (chunks.next(), chunks.next()) else {
            return Bytes::new();
        };
        let Some(second) = second else { return first };
        let mut whole = Vec::with_capacity(usize::try_from(self.length()).unwrap_or(0));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        chunks.for_each(|chunk| whole.extend_from_slice(&chunk));
        whole.into()
    }
}

/// The pieces of a body.
#[derive(Debug)]
pub struct Chunks {
    entry: Entry,
    next: usize,
    /// Where it is kept as a stream: what has not been read of it yet.
    stream: Option<Unpacked>,
}

/// A stretch of a body in pieces.
#[derive(Debug)]
pub struct Slice {
    chunks: Chunks,
    /// How much comes before it.
    skip: u64,
    left: u64,
}

impl Slice {
    /// The body that it is of.
    pub(crate) fn body(&self) -> Body {
        Body(self.chunks.entry.clone())
    }
}

impl Iterator for Slice {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let mut chunk = if self.skip > 0 {
                self.chunks.next_or_skip(&mut self.skip)?
            } else {
                self.chunks.next()?
            };
            let skip = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
            self.skip -= skip as u64;
            let mut rest = chunk.split_off(skip);
            rest.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            if !rest.is_empty() {
                self.left -= rest.len() as u64;
                return Some(rest);
            }
        }
        None
    }
}

impl Chunks {
    /// The next piece that is not wholly within the next `skip` bytes; what is passed over is taken off `skip` and not
    /// unpacked.
    fn next_or_skip(&mut self, skip: &mut u64) -> Option<Bytes> {
        let in_frames = self.entry.encoding().coding().is_none();
        if let Some(segments) = self.entry.segments().filter(|_| in_frames) {
            while let Some(segment) = segments.get(self.next) {
                let length = part_length(self.entry.encoding(), segment) as u64;
                if length > *skip {
                    break;
                }
                *skip -= length;
                self.next += 1;
            }
        }
        self.next()
    }
}

/// What is held of the value that `entry` is a part of.
pub(crate) fn parts(entry: &Entry) -> Option<PartMap> {
    (entry.kind() == Kind::Part)
        .then(|| PartMap::decode(entry.head()))
        .flatten()
        .map(|(parts, _)| parts)
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let index = self.next;
        self.next += 1;
        let encoding = self.entry.encoding();
        if let Some(coding) = encoding.coding() {
            if index == 0 {
                let pieces = EncodedChunks::new(self.entry.clone(), coding);
                self.stream = codec::unpack(coding, pieces, length(&self.entry));
            }
            return self.stream.as_mut()?.next();
        }
        match self.entry.segments() {
            Some(segments) if encoding == Encoding::Identity => segments.get(index).cloned(),
            Some(segments) => codec::decode_frame(segments.get(index)?),
            None if index > 0 || self.entry.packed_body().is_empty() => None,
            None if encoding == Encoding::Identity => Some(self.entry.packed_owner()),
            None => codec::decode_frame(self.entry.packed_body()),
        }
    }
}

/// The body of a stored value in a content coding, as a client gets it. Holds the entry, copies nothing.
#[derive(Clone, Debug)]
pub struct Encoded {
    entry: Entry,
    coding: Coding,
    length: u64,
}

impl Encoded {
    /// The coding.
    #[must_use]
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its bytes in pieces of at most 256 KiB.
    #[must_use]
    pub fn chunks(&self) -> EncodedChunks {
        EncodedChunks::new(self.entry.clone(), self.coding)
    }
}

/// The pieces of an encoded body.
#[derive(Clone, Debug)]
pub struct EncodedChunks {
    entry: Entry,
    coding: Coding,
    next: usize,
}

impl EncodedChunks {
    fn new(entry: Entry, coding: Coding) -> Self {
        Self { entry, coding, next: 0 }
    }
}

impl Iterator for EncodedChunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.entry.coded_piece(self.coding, self.next)?;
        self.next += 1;
        Some(piece)
    }
}

/// The body of `entry` where it lies in it as it is.
fn packed(entry: &Entry) -> Option<&[u8]> {
    (entry.encoding() == Encoding::Identity && entry.segments().is_none()).then(|| entry.packed_body())
}

/// The length of the body of `entry` as it was loaded.
pub(crate) fn length(entry: &Entry) -> u64 {
    let (segments, encoding) = (entry.segments(), entry.encoding());
    if encoding.coding().is_some() {
        let first = segments.map_or(entry.packed_body(), |segments| {
            segments.first().map_or(&[], |first| first)
        });
        return codec::stream_length(first);
    }
    match segments {
        Some(segments) => segments
            .iter()
            .map(|segment| part_length(encoding, segment) as u64)
            .sum(),
        None => part_length(encoding, entry.packed_body()) as u64,
    }
}

/// The length of a stored piece of a body without stored compression, where each piece is a frame of its own.
fn part_length(encoding: Encoding, piece: &[u8]) -> usize {
    if encoding == Encoding::Identity {
        piece.len()
    } else {
        codec::frame_length(piece)
    }
}
