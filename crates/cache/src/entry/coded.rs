//! The encodings of an entry's body: in place of the body as it was loaded, or beside it. Each is what a client would get,
//! whole, so that serving it costs nothing. An entry never changes its encodings: one with another set takes its place, so
//! that what it weighs stays what the tier was told.

use super::{Bodies, Encoding, Entry, EntryHead, PACKED_MAX, RENEWING, SEGMENT_OVERHEAD_BYTES, Spot};
use crate::codec::{STREAM_PREFIX, stream_prefix};
use crate::coding::Coding;
use crate::sync::{AtomicU32, Ordering};
use bytes::Bytes;
use triomphe::ThinArc;

/// What a further encoding occupies beside its pieces, with its part of the box that holds all of them.
const OVERHEAD_BYTES: usize = size_of::<Coded>() + size_of::<Bodies>() + 32;
/// Bits of [`EntryHead::state`], one for each coding: somebody makes the body's encoding, or did.
const CLAIMED: u32 = 0b111 << 25;
/// The same: the encoding is not worth it.
const FRUITLESS: u32 = 0b111 << 28;

/// A further encoding of an entry's body.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) coding: Coding,
    pub(crate) pieces: Box<[Bytes]>,
}

impl Coded {
    /// The bytes that it occupies.
    pub(super) fn weight(&self) -> usize {
        let pieces = self.pieces.iter().map(|piece| piece.len() + SEGMENT_OVERHEAD_BYTES);
        OVERHEAD_BYTES + pieces.sum::<usize>()
    }
}

impl Entry {
    /// The same entry with its body written in another way: as the frames of LZ4, or as a stream, which says how long the
    /// body is. Encodings beside it stay.
    pub(crate) fn recoded(&self, encoding: Encoding, length: u64, pieces: Vec<Bytes>) -> Option<Self> {
        let texts = self.0.slice.get(..self.head_start() + self.head().len())?;
        let mut pieces = pieces;
        if encoding.coding().is_some() {
            pieces.insert(0, stream_prefix(length));
        }
        let size: usize = pieces.iter().map(Bytes::len).sum();
        // Frames are read one by one, so only one can lie in the entry.
        let packed = size <= PACKED_MAX && (encoding.coding().is_some() || pieces.len() == 1);
        let mut tail = Vec::new();
        tail.try_reserve_exact(texts.len() + if packed { size } else { 0 })
            .ok()?;
        tail.extend_from_slice(texts);
        if packed {
            pieces.iter().for_each(|piece| tail.extend_from_slice(piece));
        }
        let already = |coded: &&Coded| Encoding::from(coded.coding) != encoding;
        let bodies = Bodies {
            segments: (!packed).then(|| pieces.into()),
            coded: self.all_coded().iter().filter(already).cloned().collect(),
        };
        self.with_parts(encoding, &tail, bodies)
    }

    /// The same entry with one more encoding of its body.
    pub(crate) fn with_coded(&self, coded: Coded) -> Option<Self> {
        let others = self
            .all_coded()
            .iter()
            .filter(|other| other.coding != coded.coding)
            .cloned();
        let bodies = Bodies {
            segments: self.segments().map(Into::into),
            coded: others.chain(std::iter::once(coded.clone())).collect(),
        };
        self.with_parts(self.encoding(), &self.0.slice, bodies)
    }

    /// The same entry with other bodies.
    fn with_parts(&self, encoding: Encoding, tail: &[u8], bodies: Bodies) -> Option<Self> {
        let old = self.head_part();
        // Whoever renews it tells the entry that it took, not this one; that nobody else begins, the list of loads sees to.
        let renew_after = match old.renew_after.load(Ordering::Relaxed) {
            RENEWING => 0,
            after => after,
        };
        let head = EntryHead {
            bodies: bodies.boxed(),
            hits: AtomicU32::new(self.hits()),
            renew_after: AtomicU32::new(renew_after),
            flags: old.flags.with(encoding),
            state: AtomicU32::new(old.state.load(Ordering::Relaxed)),
            spot: Spot::new(),
            ..*old
        };
        ThinArc::try_from_header_and_slice(head, tail).ok().map(Self)
    }

    /// Whether `other` has the very same body: equal bytes where it lies in the entry, else the same bytes.
    pub(crate) fn shares_body(&self, other: &Self) -> bool {
        let same = |(one, other): (&Bytes, &Bytes)| one.as_ptr() == other.as_ptr() && one.len() == other.len();
        self.kind() == other.kind()
            && self.encoding() == other.encoding()
            && match (self.segments(), other.segments()) {
                (None, None) => self.packed_body() == other.packed_body(),
                (Some(one), Some(other)) => one.len() == other.len() && one.iter().zip(other).all(same),
                _ => false,
            }
    }

    /// The further encodings of the body.
    pub(crate) fn all_coded(&self) -> &[Coded] {
        self.head_part().bodies.as_ref().map_or(&[], |bodies| &bodies.coded)
    }

    /// A piece of the body in `coding`, if it is kept so: the one with the number `index`.
    pub(crate) fn coded_piece(&self, coding: Coding, index: usize) -> Option<Bytes> {
        if self.encoding().coding() != Some(coding) {
            let coded = self.all_coded().iter().find(|coded| coded.coding == coding)?;
            return coded.pieces.get(index).cloned();
        }
        match self.segments() {
            // The first says how long the body is.
            Some(segments) => segments.get(index + 1).cloned(),
            None if index > 0 => None,
            None => {
                let owner = self.packed_owner();
                (owner.len() >= STREAM_PREFIX).then(|| owner.slice(STREAM_PREFIX..))
            }
        }
    }

    /// The length of the body in `coding`, if it is kept so.
    pub(crate) fn coded_length(&self, coding: Coding) -> Option<u64> {
        let sum = |pieces: &[Bytes]| pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if self.encoding().coding() != Some(coding) {
            let coded = self.all_coded().iter().find(|coded| coded.coding == coding)?;
            return Some(sum(&coded.pieces));
        }
        let whole = self.segments().map_or(self.packed_body().len() as u64, sum);
        whole.checked_sub(STREAM_PREFIX as u64)
    }

    /// The body as an owner of bytes, where it lies in the entry.
    pub(crate) fn packed_owner(&self) -> Bytes {
        Bytes::from_owner(Packed(self.clone()))
    }

    /// Takes it upon the caller to make the body's encoding: nobody else does, and it is not known to be fruitless.
    pub(crate) fn claim(&self, coding: Coding) -> bool {
        let (claimed, fruitless) = bits(coding);
        let state = &self.head_part().state;
        // Mostly it is one or the other, and then nothing is written.
        state.load(Ordering::Relaxed) & (claimed | fruitless) == 0
            && state.fetch_or(claimed, Ordering::Relaxed) & (claimed | fruitless) == 0
    }

    /// Leaves it to the next who asks.
    pub(crate) fn unclaim(&self, coding: Coding) {
        self.head_part().state.fetch_and(!bits(coding).0, Ordering::Relaxed);
    }

    /// Notes that the encoding is not worth it.
    pub(crate) fn set_fruitless(&self, coding: Coding) {
        self.head_part().state.fetch_or(bits(coding).1, Ordering::Relaxed);
    }

    /// Takes over from `old`, which has the same body, what is known of encodings.
    pub(crate) fn inherit(&self, old: &Self) {
        let known = old.head_part().state.load(Ordering::Relaxed) & FRUITLESS;
        self.head_part().state.fetch_or(known, Ordering::Relaxed);
    }
}

/// The bits of `coding`: claimed, and fruitless.
const fn bits(coding: Coding) -> (u32, u32) {
    let place = coding as u32;
    (CLAIMED & (1 << 25 << place), FRUITLESS & (1 << 28 << place))
}

/// A packed body as the owner of a `Bytes`.
struct Packed(Entry);

impl AsRef<[u8]> for Packed {
    fn as_ref(&self) -> &[u8] {
        self.0.packed_body()
    }
}
