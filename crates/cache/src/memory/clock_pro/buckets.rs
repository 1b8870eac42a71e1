//! The table: entries by hash, in buckets of one cache line that point straight at them. A lookup waits for memory twice,
//! for the bucket and for the entry. What finds its bucket full lies in a small ordered map beside it.
//!
//! Buckets are in the order of the hashes that they hold, whatever their number, so that a walk goes on where it was after
//! the table has grown.

use crate::entry::Entry;
use std::collections::BTreeMap;

/// How many entries fit a bucket: seven pointers and a byte for each are one cache line.
const WAYS: usize = 7;
/// The fewest buckets are this power of two.
const BITS_MIN: u32 = 2;
/// One bit in each byte of the tags, but for the last byte.
const EACH_TAG: u64 = 0x0001_0101_0101_0101;

/// Entries whose hashes begin alike.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// A byte of each entry's hash, zero where there is none; the last byte says whether entries lie beside the table.
    tags: [u8; WAYS + 1],
    entries: [Option<Entry>; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is one cache line");

/// Entries by hash.
#[derive(Debug)]
pub(super) struct Buckets {
    /// There are two to this power of them.
    bits: u32,
    buckets: Box<[Bucket]>,
    /// What found its bucket full.
    beside: BTreeMap<u64, Entry>,
    length: usize,
}

/// How many entries are put into two to the power of `bits` buckets: four and a half each, so that 3% find theirs full.
const fn room(bits: u32) -> usize {
    (9 << bits) / 2
}

/// The upper half of `hash`.
pub(super) const fn top(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The lower half of `hash`.
#[expect(clippy::cast_possible_truncation, reason = "that is what is asked for")]
pub(super) const fn low(hash: u64) -> u32 {
    hash as u32
}

/// The hash with these halves.
pub(super) fn joined(top: u32, low: u32) -> u64 {
    u64::from(top) << 32 | u64::from(low)
}

/// What the bucket keeps of a hash; never zero.
fn tag(hash: u64) -> u8 {
    let [.., tag] = top(hash).to_be_bytes();
    tag.max(1)
}

impl Bucket {
    /// Where entries with this tag are, and perhaps others.
    #[inline]
    fn candidates(&self, tag: u8) -> impl Iterator<Item = usize> {
        // A byte of `apart` is zero where the tag is the one; this finds the lowest zero byte, and sometimes more above it.
        let apart = u64::from_le_bytes(self.tags) ^ (EACH_TAG * u64::from(tag));
        let mut found = apart.wrapping_sub(EACH_TAG) & !apart & (EACH_TAG << 7);
        std::iter::from_fn(move || {
            let bit = (found != 0).then(|| found.trailing_zeros())?;
            found &= found - 1;
            usize::try_from(bit / 8).ok()
        })
    }

    #[inline]
    fn find(&self, tag: u8, is_it: impl Fn(&Entry) -> bool) -> Option<(usize, &Entry)> {
        self.candidates(tag).find_map(|way| {
            let entry = self.entries.get(way)?.as_ref()?;
            is_it(entry).then_some((way, entry))
        })
    }

    #[inline]
    fn find_hash(&self, hash: u64) -> Option<(usize, &Entry)> {
        self.find(tag(hash), |entry| entry.spot().low() == low(hash))
    }

    const fn has_more_beside(&self) -> bool {
        self.tags[WAYS] != 0
    }

    fn set_more_beside(&mut self, more: bool) {
        self.tags[WAYS] = u8::from(more);
    }

    /// Takes `entry` in, if there is room.
    fn put(&mut self, tag: u8, entry: Entry) -> Result<(), Entry> {
        match self.entries.iter().position(Option::is_none) {
            Some(way) => {
                self.tags[way] = tag;
                self.entries[way] = Some(entry);
                Ok(())
            }
            None => Err(entry),
        }
    }

    fn take(&mut self, way: usize) -> Option<Entry> {
        self.tags[way] = 0;
        self.entries[way].take()
    }
}

impl Buckets {
    /// Room for `entries` of them without growing.
    pub(super) fn with_room_for(entries: usize) -> Self {
        let bits = (BITS_MIN..).find(|bits| entries <= room(*bits));
        Self::new(bits.unwrap_or(BITS_MIN))
    }

    fn new(bits: u32) -> Self {
        Self {
            bits,
            buckets: std::iter::repeat_with(Bucket::default).take(1 << bits).collect(),
            beside: BTreeMap::new(),
            length: 0,
        }
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// Whether it should grow before the next comes.
    pub(super) const fn is_full(&self) -> bool {
        self.length >= room(self.bits)
    }

    /// Whether an eighth of it would do.
    pub(super) const fn is_wide(&self) -> bool {
        self.bits > BITS_MIN && self.length < room(self.bits) / 8
    }

    /// An empty one with twice the room.
    pub(super) fn twice(&self) -> Self {
        Self::new(self.bits + 1)
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash >> (u64::BITS - self.bits)).unwrap_or(usize::MAX)
    }

    /// The first hash of the bucket `home`.
    fn start(&self, home: usize) -> u64 {
        (home as u64) << (u64::BITS - self.bits)
    }

    /// The first hash after those of the bucket `home`; nothing after the last.
    fn end(&self, home: usize) -> Option<u64> {
        (home + 1 < self.buckets.len()).then(|| self.start(home + 1))
    }

    /// The entry under `hash`.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> Option<&Entry> {
        let bucket = self.buckets.get(self.home(hash))?;
        match bucket.find_hash(hash) {
            Some((_, entry)) => Some(entry),
            None if bucket.has_more_beside() => self.beside.get(&hash),
            None => None,
        }
    }

    /// The entry whose hash begins with `top` and that has this place.
    pub(super) fn at(&self, top: u32, is_hot: bool, number: u32) -> Option<(u64, &Entry)> {
        let is_it = |entry: &Entry| {
            let place = entry.spot().place();
            place.is_hot() == is_hot && place.number() == number
        };
        let (first, last) = (joined(top, 0), joined(top, u32::MAX));
        let bucket = self.buckets.get(self.home(first))?;
        let inside = bucket.find(tag(first), is_it).map(|(_, entry)| entry);
        let beside = || self.beside.range(first..=last).map(|(_, entry)| entry);
        let entry = inside.or_else(|| beside().find(|entry| is_it(entry)))?;
        Some((joined(top, entry.spot().low()), entry))
    }

    /// Takes `entry` in; nothing is there under `hash`.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        self.length += 1;
        let home = self.home(hash);
        let Some(bucket) = self.buckets.get_mut(home) else {
            return;
        };
        if let Err(entry) = bucket.put(tag(hash), entry) {
            bucket.set_more_beside(true);
            self.beside.insert(hash, entry);
        }
    }

    /// Puts `entry` in place of the one under `hash`, which it gives.
    pub(super) fn replace(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        let home = self.home(hash);
        let bucket = self.buckets.get_mut(home)?;
        match bucket.find_hash(hash).map(|(way, _)| way) {
            Some(way) => bucket.entries[way].replace(entry),
            None => self.beside.get_mut(&hash).map(|there| std::mem::replace(there, entry)),
        }
    }

    /// Takes out the entry under `hash`.
    pub(super) fn remove(&mut self, hash: u64) -> Option<Entry> {
        let home = self.home(hash);
        let bucket = self.buckets.get_mut(home)?;
        let removed = match bucket.find_hash(hash).map(|(way, _)| way) {
            Some(way) => bucket.take(way),
            None => self.beside.remove(&hash),
        }?;
        self.length -= 1;
        if bucket.has_more_beside() {
            self.refill(home);
        }
        Some(removed)
    }

    /// Moves one of those beside the table to where they belong, now that there may be room.
    fn refill(&mut self, home: usize) {
        let mut beside = self.beside_of(home).map(|(hash, _)| *hash);
        let (next, more) = (beside.next(), beside.next().is_some());
        drop(beside);
        let Some(bucket) = self.buckets.get_mut(home) else {
            return;
        };
        bucket.set_more_beside(next.is_some());
        if bucket.entries.iter().all(Option::is_some) {
            return;
        }
        bucket.set_more_beside(more);
        if let Some(next) = next
            && let Some(entry) = self.beside.remove(&next)
        {
            let _ = bucket.put(tag(next), entry);
        }
    }

    /// What lies beside the table because the bucket `home` was full.
    fn beside_of(&self, home: usize) -> impl Iterator<Item = (&u64, &Entry)> {
        let end = self.end(home);
        let from = self.beside.range(self.start(home)..);
        from.take_while(move |(hash, _)| end.is_none_or(|end| **hash < end))
    }

    /// Shows the entries of the first buckets that hold `from` and what is above it, until there were `number` of them or more;
    /// where to go on.
    pub(super) fn visit(&self, from: u64, number: usize, mut visit: impl FnMut(&Entry)) -> Option<u64> {
        let mut seen = 0;
        let mut home = self.home(from);
        loop {
            let bucket = self.buckets.get(home)?;
            let beside = bucket.has_more_beside().then(|| self.beside_of(home));
            let beside = beside.into_iter().flatten().map(|(_, entry)| entry);
            bucket.entries.iter().flatten().chain(beside).for_each(|entry| {
                seen += 1;
                visit(entry);
            });
            if seen >= number {
                return self.end(home);
            }
            home += 1;
        }
    }

    /// All entries.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let inside = self.buckets.into_iter().flat_map(|bucket| bucket.entries).flatten();
        inside.chain(self.beside.into_values())
    }
}
