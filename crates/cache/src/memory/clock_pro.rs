//! The memory tier, whose policy resembles Clock-PRO (Jiang, Chen, Zhang 2005) and S3-FIFO (Yang et al. 2023): new entries are
//! cold and leave first, what is asked for again becomes hot, and the hashes of what left are remembered for a while, so that
//! what comes back enters hot. Who is hot leaves after a round in which nobody asked for it.
//!
//! A lookup is a lock for reading, a bucket of one cache line that points at the entry, and the entry. What the policy knows
//! of an entry stands in the entry's head ([`crate::entry::Spot`]), so that noting a use touches nothing further.
//!
//! An entry that is heavier than the hot part of a shard is refused, so the number of shards follows the largest body.

use super::{Inserted, MemoryTier, Usage};
use crate::entry::Entry;
use crate::outcome::Eviction;
use crate::sync::RwLock;
use crate::turnover::Directory;
use shard::{Shard, weight_max};

mod buckets;
mod ghosts;
mod ring;
mod shard;
mod table;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

/// How many entries a walk takes at a time, under one lock.
const STEP: usize = 64;

/// A [`MemoryTier`] of this policy.
pub(crate) struct ClockPro {
    shards: Box<[Guarded]>,
    directory: Directory,
}

/// A shard alone on its cache lines, so that two of them have nothing to do with each other.
#[repr(align(128))]
struct Guarded(RwLock<Shard>);

/// Entries that are in the tier no more, to be counted and dropped after the locks. Most often there is one.
#[derive(Default)]
struct Left {
    first: Option<(Entry, Eviction)>,
    others: Vec<(Entry, Eviction)>,
}

impl Left {
    fn push(&mut self, entry: Entry, why: Eviction) {
        match &mut self.first {
            None => self.first = Some((entry, why)),
            Some(_) => self.others.push((entry, why)),
        }
    }

    /// Counts all of them. `new` is what was to enter, if anything was; whether it is among them.
    fn settle(self, new: Option<&Entry>, directory: &Directory) -> bool {
        let mut refused = false;
        for (entry, why) in self.first.into_iter().chain(self.others) {
            let is_new = new.is_some_and(|new| new.same(&entry));
            refused |= is_new;
            let why = if is_new { Eviction::Refused } else { why };
            directory.left(&entry, Some(why), new.filter(|_| why == Eviction::Replaced));
        }
        refused
    }
}

impl ClockPro {
    /// A tier of `bytes` that takes entries of up to `heaviest` where that is possible, even after its capacity was lowered
    /// to three quarters. `shards_max` bounds the number of shards.
    pub(crate) fn new(bytes: u64, heaviest: u64, shards_max: usize, directory: Directory) -> Self {
        let hot = weight_max(bytes / 4 * 3);
        let fitting = usize::try_from(hot / heaviest.max(1))
            .unwrap_or(usize::MAX)
            .clamp(1, shards_max.max(1));
        let shards = 1usize << fitting.ilog2();
        let shard = || Guarded(RwLock::new(Shard::new(bytes / shards as u64)));
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            directory,
        }
    }

    /// The shard of `hash`, by its low bits; the table within uses the high ones.
    #[inline]
    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        let index = usize::try_from(hash & (self.shards.len() as u64 - 1)).unwrap_or(0);
        &self.shards[index].0
    }
}

impl MemoryTier for ClockPro {
    #[inline]
    fn get(&self, hash: u64) -> Option<Entry> {
        let shard = self.shard(hash).read();
        let entry = shard.get(hash)?.clone();
        entry.spot().touch();
        Some(entry)
    }

    fn peek(&self, hash: u64) -> Option<Entry> {
        self.shard(hash).read().get(hash).cloned()
    }

    fn insert(&self, hash: u64, entry: Entry) -> Inserted {
        // Before it is in, so that another thread that pushes it out cannot count it out first.
        self.directory.entered(&entry);
        let mut left = Left::default();
        self.shard(hash).write().insert(hash, entry.clone(), &mut left);
        if left.settle(Some(&entry), &self.directory) {
            Inserted::Refused
        } else {
            Inserted::Stored
        }
    }

    fn remove(&self, hash: u64, entry: &Entry, why: Option<Eviction>) -> bool {
        let removed = self.shard(hash).write().remove(hash, entry);
        if let Some(gone) = &removed {
            self.directory.left(gone, why, None);
        }
        removed.is_some()
    }

    fn resize(&self, bytes: u64) {
        let each = bytes / self.shards.len() as u64;
        // Of all of them first: nobody stores above the new bound while others still leave.
        for Guarded(shard) in &self.shards {
            shard.write().set_capacity(each);
        }
        for Guarded(shard) in &self.shards {
            let mut fits = false;
            while !fits {
                let mut left = Left::default();
                fits = shard.write().leave_some(&mut left);
                left.settle(None, &self.directory);
            }
        }
    }

    fn weight_max(&self) -> u64 {
        self.shards
            .first()
            .map_or(0, |Guarded(shard)| weight_max(shard.read().capacity()))
    }

    fn iterate(&self, visit: &mut dyn FnMut(u64, &Entry) -> bool) {
        for Guarded(shard) in &self.shards {
            let mut from = Some(0);
            while let Some(start) = from {
                let (entries, next) = shard.read().copy(start, STEP);
                from = next;
                // After the table has become smaller a bucket begins before the place where the walk was.
                let new = entries.iter().filter(|(hash, _)| *hash >= start);
                for (hash, entry) in new {
                    if !visit(*hash, entry) {
                        return;
                    }
                }
            }
        }
    }

    fn has_room(&self, hash: u64, weight: u64) -> bool {
        self.shard(hash).read().has_room(weight)
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for Guarded(shard) in &self.shards {
            let shard = shard.read();
            usage.bytes += shard.weight();
            usage.entries += shard.entries() as u64;
        }
        usage
    }

    fn is_crowded(&self) -> bool {
        let (mut weight, mut capacity) = (0, 0);
        for Guarded(shard) in &self.shards {
            let shard = shard.read();
            weight += shard.weight();
            capacity += shard.capacity();
        }
        weight >= capacity / 8 * 7
    }
}
