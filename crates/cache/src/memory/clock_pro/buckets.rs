//! A part of the table: entries by hash, in buckets of one cache line that point straight at them. A lookup waits for memory
//! twice, for the bucket and for the entry. What finds its bucket full lies in a small ordered map beside it.
//!
//! Buckets are in the order of the hashes that they hold, whatever their number, so that a walk goes on where it was after
//! the table has grown. A bucket knows eight bits of a hash; what an entry is told by beside that, the caller says.

use crate::entry::Entry;
use std::collections::BTreeMap;

/// How many entries fit a bucket: seven pointers and a byte for each are one cache line.
const WAYS: usize = 7;
/// One bit in each byte of the tags, but for the last byte.
const EACH_TAG: u64 = 0x0001_0101_0101_0101;
/// So many buckets are looked through under one lock, if little is in them.
const BUCKETS_VISITED: usize = 256;

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
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// There are two to this power of buckets, or none yet.
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

impl Bucket {
    /// Where entries with this tag are, and perhaps others.
    #[inline]
    fn candidates(&self, tag: u8) -> impl Iterator<Item = usize> {
        // A byte of `apart` is zero where the tag is the one. This finds all zero bytes, and at times one above them.
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

    const fn has_more_beside(&self) -> bool {
        self.tags[WAYS] != 0
    }

    fn set_more_beside(&mut self, more: bool) {
        self.tags[WAYS] = u8::from(more);
    }

    fn is_full(&self) -> bool {
        self.entries.iter().all(Option::is_some)
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

/// What a bucket keeps of a hash; never zero. These are the last bits that are known of half a hash, see [`super::table`].
#[inline]
fn tag(hash: u64) -> u8 {
    let [.., tag] = (hash >> (32 + super::table::PART_BITS)).to_be_bytes();
    tag.max(1)
}

impl Buckets {
    fn with_bits(bits: u32) -> Self {
        Self {
            bits,
            buckets: std::iter::repeat_with(Bucket::default).take(1 << bits).collect(),
            beside: BTreeMap::new(),
            length: 0,
        }
    }

    #[cfg(not(feature = "shuttle"))]
    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Whether it should grow before the next comes.
    pub(super) const fn is_full(&self) -> bool {
        self.buckets.is_empty() || self.length >= room(self.bits)
    }

    /// Whether an eighth of it would do.
    pub(super) const fn is_wide(&self) -> bool {
        self.bits > 1 && self.length < room(self.bits) / 8
    }

    /// An empty one of the size that suits this one's entries and as many more.
    pub(super) fn successor(&self) -> Self {
        let bits = (1..u32::BITS).find(|bits| self.length <= room(*bits) / 2);
        Self::with_bits(bits.unwrap_or(self.bits))
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash >> (u64::BITS - self.bits.max(1))).unwrap_or(usize::MAX)
    }

    /// The first hash of the bucket `home`; nothing after the last.
    fn start(&self, home: usize) -> Option<u64> {
        (home < self.buckets.len()).then(|| (home as u64) << (u64::BITS - self.bits))
    }

    /// An entry under `hash` that `is_it`.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let home = self.home(hash);
        let bucket = self.buckets.get(home)?;
        match bucket.find(tag(hash), &is_it) {
            Some((_, entry)) => Some(entry),
            None if bucket.has_more_beside() => self.beside_of(home).map(|(_, entry)| entry).find(|entry| is_it(entry)),
            None => None,
        }
    }

    /// Has the bucket of `hash` fetched from memory.
    pub(super) fn fetch(&self, hash: u64) {
        std::hint::black_box(self.buckets.get(self.home(hash)).map(|bucket| bucket.tags[0]));
    }

    /// Takes `entry` in.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        let home = self.home(hash);
        let Some(bucket) = self.buckets.get_mut(home) else {
            return;
        };
        self.length += 1;
        if let Err(entry) = bucket.put(tag(hash), entry) {
            bucket.set_more_beside(true);
            self.beside.insert(hash, entry);
        }
    }

    /// Puts `entry` in place of the one under `hash` that `is_it`, which it gives.
    pub(super) fn replace(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool, entry: Entry) -> Option<Entry> {
        let home = self.home(hash);
        let bucket = self.buckets.get_mut(home)?;
        if let Some(way) = bucket.find(tag(hash), &is_it).map(|(way, _)| way) {
            return bucket.entries[way].replace(entry);
        }
        let beside = self.beside.get_mut(&hash).filter(|there| is_it(there))?;
        Some(std::mem::replace(beside, entry))
    }

    /// Takes out the entry under `hash` that `is_it`.
    pub(super) fn take(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let home = self.home(hash);
        let bucket = self.buckets.get_mut(home)?;
        let taken = match bucket.find(tag(hash), &is_it).map(|(way, _)| way) {
            Some(way) => bucket.take(way)?,
            None if bucket.has_more_beside() => {
                let there = self.beside_of(home).find(|(_, entry)| is_it(entry));
                let hash = there.map(|(hash, _)| *hash)?;
                self.beside.remove(&hash)?
            }
            None => return None,
        };
        self.length -= 1;
        if self.buckets.get(home).is_some_and(Bucket::has_more_beside) {
            self.refill(home);
        }
        Some(taken)
    }

    /// Moves one of those beside the table to where they belong, if there is room now.
    fn refill(&mut self, home: usize) {
        let first = |this: &Self| this.beside_of(home).next().map(|(hash, _)| *hash);
        let is_full = self.buckets.get(home).is_none_or(Bucket::is_full);
        let next = first(self).filter(|_| !is_full);
        let next = next.and_then(|hash| self.beside.remove_entry(&hash));
        let more = first(self).is_some();
        if let Some(bucket) = self.buckets.get_mut(home) {
            bucket.set_more_beside(more);
            if let Some((hash, entry)) = next {
                let _ = bucket.put(tag(hash), entry);
            }
        }
    }

    /// What lies beside the table because the bucket `home` was full.
    fn beside_of(&self, home: usize) -> impl Iterator<Item = (&u64, &Entry)> {
        let end = self.start(home + 1);
        let from = self.beside.range(self.start(home).unwrap_or(u64::MAX)..);
        from.take_while(move |(hash, _)| end.is_none_or(|end| **hash < end))
    }

    /// Shows the entries of the bucket that holds `from` and of those behind it, until there were `number` of them or more;
    /// where to go on.
    pub(super) fn visit(&self, from: u64, number: usize, mut visit: impl FnMut(&Entry)) -> Option<u64> {
        let (first, mut seen) = (self.home(from), 0);
        for (home, bucket) in self.buckets.iter().enumerate().skip(first) {
            let beside = bucket.has_more_beside().then(|| self.beside_of(home));
            let beside = beside.into_iter().flatten().map(|(_, entry)| entry);
            bucket.entries.iter().flatten().chain(beside).for_each(|entry| {
                seen += 1;
                visit(entry);
            });
            if seen >= number || home - first >= BUCKETS_VISITED {
                return self.start(home + 1);
            }
        }
        None
    }

    /// All entries.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let inside = self.buckets.into_iter().flat_map(|bucket| bucket.entries).flatten();
        inside.chain(self.beside.into_values())
    }
}
