//! What a lookup hands out: an entry to read from, whatever becomes of it in the cache meanwhile.

use crate::codec::{self, Unpacked};
use crate::coding::Coding;
use crate::entry::{Encoding, Entry, Tags};
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
        self.0.head()
    }

    /// The body, without stored compression.
    #[must_use]
    pub fn body(&self) -> Body {
        Body(self.0.clone())
    }

    /// The length of [`Hit::body`] in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        length(&self.0)
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
        self.0.fresh_until().after(self.0.stale_while_revalidate())
    }

    /// Until when it may be served in place of a failure (RFC 5861 §4).
    #[must_use]
    pub fn stale_if_error_until(&self) -> Instant {
        self.0.fresh_until().after(self.0.stale_if_error())
    }

    /// Whether a soft invalidation made it stale before its time.
    #[must_use]
    pub fn softened(&self) -> bool {
        self.0.softened()
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
        (self.0.encoding() == Encoding::Identity && self.0.segments().is_none()).then(|| self.0.packed_body())
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

/// The length of the body of `entry` as it was loaded.
pub(crate) fn length(entry: &Entry) -> u64 {
    let (segments, encoding) = (entry.segments(), entry.encoding());
    if encoding.coding().is_some() {
        let first = segments.map_or(entry.packed_body(), |segments| {
            segments.first().map_or(&[], |first| first)
        });
        return codec::stream_length(first);
    }
    let of = |part: &[u8]| {
        if encoding == Encoding::Identity {
            part.len()
        } else {
            codec::frame_length(part)
        }
    };
    match segments {
        Some(segments) => segments.iter().map(|segment| of(segment) as u64).sum(),
        None => of(entry.packed_body()) as u64,
    }
}
