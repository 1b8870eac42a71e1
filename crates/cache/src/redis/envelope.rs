//! The envelope: how a value lies in Redis. A front of fixed length says the version, the position, the deadlines and which
//! key sealed the rest; the payload holds the texts, the head and the body as memory keeps it. What is not exactly what was
//! written for this name is a miss with a reason, never an error.
//!
//! Before it stands the stamp with the value's position (see `backplane`), which alone changes while a value lies in Redis and
//! has a check of its own. Numbers are big endian. Times are told by the clock of Redis (see `clock`), because those of two
//! nodes may differ by a quarter of an hour.
//!
//! | from | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `PGV` and the version |
//! | 4 | 4 | kind, rules with the encoding of the body, flags, reserved |
//! | 8 | 8 | another number for each writing |
//! | 16 | 4 | the form in which callers write heads |
//! | 20 | 4 | what the load took, in microseconds |
//! | 24 | 8 | the data key that sealed the payload; zero: none did |
//! | 32 | 8 | when the value was made |
//! | 40 | 8 | when its load began |
//! | 48 | 8 | its lifetime |
//! | 56 | 8 | how long past that it may be served while it is renewed |
//! | 64 | 8 | how long past that it may be served in place of a failure |
//! | 72 | 8 | checksum over name, front and payload; zero where the payload is sealed |

use super::names::Name;
use crate::backplane::Stamp;
use crate::codec;
use crate::entry::{BodyDraft, Carried, Draft, Encoding, Entry, Kind, PACKED_MAX, SEGMENT_BYTES, TAG_MAX, tags_fit};
use crate::key::{Key, TEXT_MAX};
use crate::ledger::Position;
use crate::outcome::words;
use bytes::{Buf, Bytes};
use peregrine_base::Instant;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// The length of what stands before the payload.
pub(crate) const FRONT_BYTES: usize = 80;
const MAGIC: [u8; 3] = *b"PGV";
/// Raised with every change of this form.
const VERSION: u8 = 1;
const CHECKSUM_AT: usize = 72;
/// The bits of an entry's rules that say its encoding, and the last encoding there is.
const ENCODING_BITS: u8 = 0b111;
const ENCODING_MAX: u8 = Encoding::Brotli as u8;
/// A soft invalidation reached it.
const SOFTENED: u8 = 1;
/// The most pieces of a body: as many as the largest body has segments.
const PIECES_MAX: usize = 1 << 14;

words! {
    /// Why what lies in Redis under the name of a value is not used. Each is a miss.
    EnvelopeFault {
        /// It is no envelope.
        NotOne = "not_an_envelope",
        /// Another version of Peregrine wrote it.
        Version = "version",
        /// Its bytes are not those that were written, or were written for another name.
        Damaged = "damaged",
        /// It is of another key with the same name.
        OtherKey = "other_key",
        /// It is sealed and there is no key to open it, or its key was erased.
        NoKey = "no_key",
        /// It is not sealed, and its strategy takes nothing else.
        Plain = "plain",
        /// It is larger than what is stored here.
        TooLarge = "too_large",
        /// There was no memory for it.
        NoRoom = "no_room",
    }
}

/// As much of a value tells it from what lay there before: its stamp, and its front up to the number of its writing.
pub(crate) const BEGINNING_BYTES: usize = Stamp::BYTES + 16;

/// The stamp of a value that is called `name`, and the envelope behind it.
///
/// # Errors
/// It has none, or a damaged one.
pub(crate) fn read_stamp(bytes: &Bytes, name: Name) -> Result<(Stamp, Bytes), EnvelopeFault> {
    if bytes.len() < Stamp::BYTES {
        return Err(EnvelopeFault::NotOne);
    }
    let stamp = Stamp::decode(bytes, name.number()).ok_or(EnvelopeFault::Damaged)?;
    Ok((stamp, bytes.slice(Stamp::BYTES..)))
}

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A value.
    Value = 0,
    /// The names by which the variants of a key differ.
    Selector = 1,
}

/// What stands before the payload and is never sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) content: Content,
    /// Encoding and rules, as the entry keeps them.
    pub(crate) rules: u8,
    pub(crate) softened: bool,
    /// Chance, so that two writings of one value differ.
    pub(crate) writing: u64,
    pub(crate) stored: u32,
    pub(crate) cost_us: u32,
    /// Zero: plain.
    pub(crate) data_key: u32,
    /// By the clock of Redis, in milliseconds, as are the next.
    pub(crate) made_ms: u64,
    pub(crate) load_began_ms: u64,
    pub(crate) lifetime_ms: u64,
    pub(crate) stale_while_revalidate_ms: u64,
    pub(crate) stale_if_error_ms: u64,
}

/// What may be sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) key: String,
    /// The variant; empty where there are none.
    pub(crate) variant: String,
    /// The names by which it is told from others; of a selector its names.
    pub(crate) selector: String,
    pub(crate) tags: Vec<String>,
    pub(crate) head: Bytes,
    /// The body as the entry keeps it.
    pub(crate) pieces: Vec<Bytes>,
}

impl Front {
    fn encode(&self) -> [u8; FRONT_BYTES] {
        let mut out = [0; FRONT_BYTES];
        let mut rest = &mut out[..];
        let mut put = |bytes: &[u8]| {
            let (place, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = after;
        };
        put(&MAGIC);
        put(&[VERSION, self.content as u8, self.rules, u8::from(self.softened), 0]);
        put(&self.writing.to_be_bytes());
        put(&self.stored.to_be_bytes());
        put(&self.cost_us.to_be_bytes());
        put(&u64::from(self.data_key).to_be_bytes());
        for number in [
            self.made_ms,
            self.load_began_ms,
            self.lifetime_ms,
            self.stale_while_revalidate_ms,
            self.stale_if_error_ms,
        ] {
            put(&number.to_be_bytes());
        }
        out
    }

    /// The front of an envelope.
    ///
    /// # Errors
    /// It is none, of another version, or damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EnvelopeFault> {
        let mut rest = bytes.get(..FRONT_BYTES).ok_or(EnvelopeFault::NotOne)?;
        let [first, second, third, version] = take(&mut rest)?;
        if [first, second, third] != MAGIC {
            return Err(EnvelopeFault::NotOne);
        }
        if version != VERSION {
            return Err(EnvelopeFault::Version);
        }
        let [content, rules, flags, reserved] = take(&mut rest)?;
        let content = match content {
            0 => Content::Value,
            1 => Content::Selector,
            _ => return Err(EnvelopeFault::Damaged),
        };
        if flags > SOFTENED || reserved != 0 || rules & ENCODING_BITS > ENCODING_MAX {
            return Err(EnvelopeFault::Damaged);
        }
        Ok(Self {
            content,
            rules,
            softened: flags == SOFTENED,
            writing: u64::from_be_bytes(take(&mut rest)?),
            stored: u32::from_be_bytes(take(&mut rest)?),
            cost_us: u32::from_be_bytes(take(&mut rest)?),
            data_key: u32::try_from(u64::from_be_bytes(take(&mut rest)?)).map_err(|_| EnvelopeFault::Damaged)?,
            made_ms: u64::from_be_bytes(take(&mut rest)?),
            load_began_ms: u64::from_be_bytes(take(&mut rest)?),
            lifetime_ms: u64::from_be_bytes(take(&mut rest)?),
            stale_while_revalidate_ms: u64::from_be_bytes(take(&mut rest)?),
            stale_if_error_ms: u64::from_be_bytes(take(&mut rest)?),
        })
    }

    /// Whether the payload is sealed.
    pub(crate) fn is_sealed(&self) -> bool {
        self.data_key != 0
    }

    /// What a sealed payload is bound to beside its owner and its data key: everything that stands outside of it, and the
    /// key, variant included, that it was written for; the stamp is not, so that it can be renewed without the key.
    pub(crate) fn bound(&self, name: Name) -> Vec<u8> {
        let mut bound = Self { data_key: 0, ..*self }.encode().to_vec();
        bound.extend_from_slice(&name.bytes());
        bound
    }

    /// The envelope of `payload`, as it is or sealed.
    pub(crate) fn envelope(&self, name: Name, payload: &[u8]) -> Vec<u8> {
        let mut front = self.encode();
        if !self.is_sealed() {
            let sum = checksum(name, &front, payload);
            front[CHECKSUM_AT..].copy_from_slice(&sum.to_be_bytes());
        }
        let mut out = Vec::with_capacity(FRONT_BYTES + payload.len());
        out.extend_from_slice(&front);
        out.extend_from_slice(payload);
        out
    }
}

/// Takes an envelope apart: its front, and its payload, which may still be sealed.
///
/// # Errors
/// It is none, of another version, damaged, or was written for another name.
pub(crate) fn open(name: Name, bytes: &Bytes) -> Result<(Front, Bytes), EnvelopeFault> {
    let front = Front::decode(bytes)?;
    let payload = bytes.slice(FRONT_BYTES..);
    let said = &bytes[CHECKSUM_AT..FRONT_BYTES];
    let expected = if front.is_sealed() {
        [0; 8]
    } else {
        let mut unsigned = [0; FRONT_BYTES];
        unsigned[..CHECKSUM_AT].copy_from_slice(&bytes[..CHECKSUM_AT]);
        checksum(name, &unsigned, &payload).to_be_bytes()
    };
    if said != expected {
        return Err(EnvelopeFault::Damaged);
    }
    Ok((front, payload))
}

fn checksum(name: Name, front: &[u8; FRONT_BYTES], payload: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(&name.bytes());
    sum.update(&front[..CHECKSUM_AT]);
    sum.update(payload);
    sum.digest()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], EnvelopeFault> {
    let (first, after) = rest.split_first_chunk::<N>().ok_or(EnvelopeFault::Damaged)?;
    *rest = after;
    Ok(*first)
}

impl Payload {
    /// What is kept of `entry`.
    pub(crate) fn of(entry: &Entry, selector: &str) -> Self {
        let pieces = match entry.segments() {
            Some(segments) => segments.to_vec(),
            None if entry.packed_body().is_empty() => Vec::new(),
            None => vec![entry.packed_owner()],
        };
        Self {
            key: entry.key().to_owned(),
            variant: entry.variant().to_owned(),
            selector: selector.to_owned(),
            tags: entry.tags().map(str::to_owned).collect(),
            head: Bytes::copy_from_slice(entry.head()),
            pieces,
        }
    }

    /// Its bytes; nothing when a part is longer than its field.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let texts = self.key.len() + self.variant.len() + self.selector.len() + self.head.len();
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 1).sum();
        let pieces: usize = self.pieces.iter().map(|piece| piece.len() + 4).sum();
        let mut out = Vec::with_capacity(texts + tags + pieces + 20);
        for text in [&self.key, &self.variant, &self.selector] {
            out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&u16::try_from(self.tags.len()).ok()?.to_be_bytes());
        for tag in &self.tags {
            out.push(u8::try_from(tag.len()).ok()?);
            out.extend_from_slice(tag.as_bytes());
        }
        for bytes in std::iter::once(&self.head).chain(&self.pieces) {
            out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
            out.extend_from_slice(bytes);
        }
        Some(out)
    }

    /// What `bytes` hold.
    ///
    /// # Errors
    /// They are no payload.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, EnvelopeFault> {
        let (key, variant, selector) = (text(&mut bytes)?, text(&mut bytes)?, text(&mut bytes)?);
        let count = bytes.try_get_u16().map_err(|_| EnvelopeFault::Damaged)?;
        let mut tags = Vec::new();
        for _ in 0..count {
            let length = bytes.try_get_u8().map_err(|_| EnvelopeFault::Damaged)?;
            tags.push(utf8(&split(&mut bytes, usize::from(length))?)?);
        }
        let head = counted(&mut bytes)?;
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let piece = counted(&mut bytes)?;
            if piece.is_empty() || pieces.len() == PIECES_MAX {
                return Err(EnvelopeFault::Damaged);
            }
            pieces.push(piece);
        }
        let fits = tags_fit(&tags) && tags.iter().all(|tag| tag.len() <= TAG_MAX) && key.len() <= TEXT_MAX;
        fits.then_some(Self {
            key,
            variant,
            selector,
            tags,
            head,
            pieces,
        })
        .ok_or(EnvelopeFault::Damaged)
    }

    /// How many bytes the body has as it is kept.
    pub(crate) fn body_length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The entry of `key` that this and `front` are, `age` old at `now`. It has the position that the caller read before it
    /// looked whether anything reached the value.
    ///
    /// # Errors
    /// The body is not written as the front says, or there is no memory.
    pub(crate) fn entry(
        &self,
        key: &Key,
        front: &Front,
        position: Position,
        now: Instant,
        age: Duration,
    ) -> Result<Entry, EnvelopeFault> {
        // The pieces are parts of what the client of Redis received, which is as long-lived and large as it likes.
        let owned = |piece: &Bytes| Bytes::copy_from_slice(piece);
        let packed = self.pieces.len() <= 1 && self.body_length() <= PACKED_MAX;
        let body = if packed {
            BodyDraft::Packed(&self.pieces)
        } else {
            BodyDraft::Segments(self.pieces.iter().map(owned).collect())
        };
        let carried = Carried {
            flags: front.rules,
            lifetime: Duration::from_millis(front.lifetime_ms),
            hits: 0,
            softened: front.softened,
        };
        let draft = Draft::empty(Kind::Value, key, &self.variant, now, Duration::ZERO);
        let entry = Entry::carried(
            Draft {
                tags: &self.tags,
                head: &self.head,
                body,
                position,
                age,
                stale_while_revalidate: Duration::from_millis(front.stale_while_revalidate_ms),
                stale_if_error: Duration::from_millis(front.stale_if_error_ms),
                cost: Duration::from_micros(u64::from(front.cost_us)),
                ..draft
            },
            &carried,
        )
        .ok_or(EnvelopeFault::NoRoom)?;
        let whole = entry.encoding() != Encoding::Identity
            || self
                .pieces
                .iter()
                .all(|piece| piece.len() <= SEGMENT_BYTES.max(PACKED_MAX));
        if whole && codec::is_readable(entry.encoding(), &self.pieces) {
            Ok(entry)
        } else {
            Err(EnvelopeFault::Damaged)
        }
    }
}

fn split(bytes: &mut Bytes, length: usize) -> Result<Bytes, EnvelopeFault> {
    if bytes.len() < length {
        return Err(EnvelopeFault::Damaged);
    }
    Ok(bytes.split_to(length))
}

fn counted(bytes: &mut Bytes) -> Result<Bytes, EnvelopeFault> {
    let length = bytes.try_get_u32().map_err(|_| EnvelopeFault::Damaged)?;
    split(bytes, usize::try_from(length).map_err(|_| EnvelopeFault::Damaged)?)
}

fn text(bytes: &mut Bytes) -> Result<String, EnvelopeFault> {
    let length = bytes.try_get_u16().map_err(|_| EnvelopeFault::Damaged)?;
    utf8(&split(bytes, usize::from(length))?)
}

fn utf8(bytes: &Bytes) -> Result<String, EnvelopeFault> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| EnvelopeFault::Damaged)
}

/// Reads `bytes` as an envelope and says what is wrong with it, if anything is; for fuzzing. An envelope that is taken writes
/// itself again as it was. With `mend` the checksum is made right first, so that what lies behind it is reached. True where the
/// envelope is whole; a sealed one shows only when it is opened whether it is.
///
/// # Errors
/// What is wrong with it.
pub fn check_envelope(bytes: &[u8], mend: bool) -> Result<bool, EnvelopeFault> {
    let name = Name::of("", None);
    let mut bytes = bytes.to_vec();
    if mend && bytes.len() >= FRONT_BYTES {
        let mut front = [0; FRONT_BYTES];
        front[..CHECKSUM_AT].copy_from_slice(&bytes[..CHECKSUM_AT]);
        let sum = checksum(name, &front, &bytes[FRONT_BYTES..]);
        bytes[CHECKSUM_AT..FRONT_BYTES].copy_from_slice(&sum.to_be_bytes());
    }
    let bytes = Bytes::from(bytes);
    let (front, payload) = open(name, &bytes)?;
    if front.is_sealed() {
        return Ok(false);
    }
    assert!(
        front.envelope(name, &payload)[..] == bytes[..],
        "an envelope that was read is written differently"
    );
    let read = Payload::decode(payload.clone())?;
    assert!(
        read.encode().as_deref() == Some(&payload[..]),
        "a payload that was read is written differently"
    );
    Ok(true)
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;
