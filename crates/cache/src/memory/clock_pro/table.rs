//! The table of a shard, in parts that grow and shrink each by itself, so that nobody waits for the whole of it.
//!
//! An entry keeps the lower half of its hash and the queue the upper one. The first bits of the upper half say in which part
//! an entry is, those behind them in which bucket, its last eight are the bucket's tag: it can be found by that half alone.

use super::buckets::Buckets;
use crate::entry::Entry;

/// There are two to this power of parts.
pub(super) const PART_BITS: u32 = 5;

/// Entries by hash.
#[derive(Debug)]
pub(super) struct Table {
    parts: [Buckets; 1 << PART_BITS],
    length: usize,
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

/// The part of `hash`, and what it is there: the same without the bits that all have there.
#[inline]
fn place(hash: u64) -> (usize, u64) {
    let part = usize::try_from(hash >> (u64::BITS - PART_BITS)).unwrap_or(0);
    (part, hash << PART_BITS)
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            parts: std::array::from_fn(|_| Buckets::default()),
            length: 0,
        }
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    #[cfg(not(feature = "shuttle"))]
    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.parts.iter().map(Buckets::buckets).sum()
    }

    /// An entry under `hash`. Of another hash that is nearly the same it may be the other's: whoever asks compares texts.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> Option<&Entry> {
        self.find(hash, |entry| entry.spot().low() == low(hash))
    }

    /// The entry that `is_it`, of those whose hashes have the upper half of `hash`, and perhaps others.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let (part, hash) = place(hash);
        self.parts.get(part)?.find(hash, is_it)
    }

    /// Has the bucket of `hash` fetched from memory.
    pub(super) fn fetch(&self, hash: u64) {
        let (part, hash) = place(hash);
        if let Some(part) = self.parts.get(part) {
            part.fetch(hash);
        }
    }

    /// Takes `entry` in. `hash_of` tells what those that are there are stored under.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, hash_of: impl Fn(&Entry) -> u64) {
        let (part, hash) = place(hash);
        if let Some(part) = self.parts.get_mut(part) {
            if part.is_full() {
                rebuild(part, hash_of);
            }
            part.insert(hash, entry);
            self.length += 1;
        }
    }

    /// Puts `entry` in place of the one under `hash` that `is_it`, which it gives.
    pub(super) fn replace(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool, entry: Entry) -> Option<Entry> {
        let (part, hash) = place(hash);
        self.parts.get_mut(part)?.replace(hash, is_it, entry)
    }

    /// Takes out the entry under `hash` that `is_it`.
    pub(super) fn take(
        &mut self,
        hash: u64,
        is_it: impl Fn(&Entry) -> bool,
        hash_of: impl Fn(&Entry) -> u64,
    ) -> Option<Entry> {
        let (part, hash) = place(hash);
        let part = self.parts.get_mut(part)?;
        let taken = part.take(hash, is_it)?;
        self.length -= 1;
        if part.is_wide() {
            rebuild(part, hash_of);
        }
        Some(taken)
    }

    /// Shows entries in the order of their buckets, from the bucket that holds `from` on, until there were `number` of them
    /// or many buckets; where to go on.
    pub(super) fn visit(&self, from: u64, number: usize, visit: impl FnMut(&Entry)) -> Option<u64> {
        let (index, hash) = place(from);
        let part = index as u64;
        let next = self.parts.get(index)?.visit(hash, number, visit);
        let next_part = || (index + 1 < self.parts.len()).then(|| (part + 1) << (u64::BITS - PART_BITS));
        next.map(|next| part << (u64::BITS - PART_BITS) | next >> PART_BITS)
            .or_else(next_part)
    }
}

/// Gives a part the size that suits it.
fn rebuild(part: &mut Buckets, hash_of: impl Fn(&Entry) -> u64) {
    let next = part.successor();
    for entry in std::mem::replace(part, next).into_entries() {
        let (_, hash) = place(hash_of(&entry));
        part.insert(hash, entry);
    }
}
