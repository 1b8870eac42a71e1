//! The memory tier on `quick_cache`, whose policy resembles Clock-PRO (Jiang, Chen, Zhang 2005) and S3-FIFO (Yang et al.
//! 2023): new entries are cold and leave first, what is asked for again becomes hot, and the hashes of what left are
//! remembered for a while, so that what comes back enters hot.
//!
//! Facts to know: an entry that is heavier than the hot part of a shard is refused, so the number of shards follows the
//! largest body; `on_evict` is called when an entry is pushed out, replaced or refused, but not when it is removed.

use super::{Inserted, MemoryTier, Usage};
use crate::entry::Entry;
use crate::ledger::Passed;
use crate::outcome::Eviction;
use crate::turnover::Directory;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use std::hash::BuildHasherDefault;

/// The share of a shard that may be hot, in percent, and so the heaviest entry.
const HOT_PERCENT: u64 = 97;
/// What an entry is expected to weigh, for the number of remembered hashes.
const WEIGHT_EXPECTED: u64 = 4 << 10;

type Inner = Cache<u64, Entry, Weigh, BuildHasherDefault<Passed>, Leaving>;

/// A [`MemoryTier`] on `quick_cache`.
pub(crate) struct ClockPro {
    inner: Inner,
    directory: Directory,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<u64, Entry> for Weigh {
    fn weight(&self, _: &u64, entry: &Entry) -> u64 {
        entry.weight()
    }
}

/// Keeps the accounts when entries leave.
#[derive(Clone)]
struct Leaving(Directory);

/// The insertion for which entries leave.
#[derive(Default)]
struct Insertion {
    hash: u64,
    entry: Option<Entry>,
    refused: bool,
    /// Dropped after the locks.
    left: Vec<Entry>,
}

impl Lifecycle<u64, Entry> for Leaving {
    type RequestState = Insertion;

    fn on_evict(&self, insertion: &mut Insertion, hash: u64, entry: Entry) {
        if insertion.entry.as_ref().is_some_and(|new| new.same(&entry)) {
            insertion.refused = true;
            self.0.left(&entry, Some(Eviction::Refused));
        } else {
            let replaced = insertion.entry.is_some() && insertion.hash == hash;
            let why = if replaced {
                Eviction::Replaced
            } else {
                Eviction::Capacity
            };
            self.0.left(&entry, Some(why));
        }
        insertion.left.push(entry);
    }
}

impl ClockPro {
    /// A tier of `bytes` that takes entries of up to `weight_max` where that is possible, even after its capacity was lowered
    /// to three quarters. `shards_max` bounds the number of shards.
    pub(crate) fn new(bytes: u64, weight_max: u64, shards_max: usize, directory: Directory) -> Self {
        let hot = bytes / 4 * 3 / 100 * HOT_PERCENT;
        let fitting = usize::try_from(hot / weight_max.max(1))
            .unwrap_or(usize::MAX)
            .clamp(1, shards_max.max(1));
        // Down to a power of two; quick_cache would round up.
        let shards = 1usize << fitting.ilog2();
        let items = usize::try_from(bytes / WEIGHT_EXPECTED)
            .unwrap_or(usize::MAX)
            .max(32 * shards);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes)
            .shards(shards)
            .build()
            .expect("capacity and number of items are given");
        let leaving = Leaving(directory.clone());
        Self {
            inner: Cache::with_options(options, Weigh, BuildHasherDefault::default(), leaving),
            directory,
        }
    }
}

impl MemoryTier for ClockPro {
    fn get(&self, hash: u64) -> Option<Entry> {
        self.inner.get(&hash)
    }

    fn peek(&self, hash: u64) -> Option<Entry> {
        self.inner.peek(&hash)
    }

    fn insert(&self, hash: u64, entry: Entry) -> Inserted {
        // Before it is in, so that another thread that pushes it out cannot count it out first.
        self.directory.entered(&entry);
        let mut insertion = Insertion {
            hash,
            entry: Some(entry.clone()),
            ..Insertion::default()
        };
        self.inner.insert_with_lifecycle(hash, entry.clone(), &mut insertion);
        if insertion.refused {
            Inserted::Refused
        } else {
            Inserted::Stored
        }
    }

    fn remove(&self, hash: u64, entry: &Entry, why: Option<Eviction>) -> bool {
        let removed = self.inner.remove_if(&hash, |there| there.same(entry));
        if let Some((_, gone)) = &removed {
            self.directory.left(gone, why);
        }
        removed.is_some()
    }

    fn resize(&self, bytes: u64) {
        self.inner.set_capacity(bytes);
    }

    fn weight_max(&self) -> u64 {
        self.inner.shard_capacity() / 100 * HOT_PERCENT
    }

    fn iterate(&self, visit: &mut dyn FnMut(u64, &Entry) -> bool) {
        for (hash, entry) in self.inner.iter() {
            if !visit(hash, &entry) {
                return;
            }
        }
    }

    fn usage(&self) -> Usage {
        Usage {
            bytes: self.inner.weight(),
            entries: self.inner.len() as u64,
        }
    }

    fn is_crowded(&self) -> bool {
        self.inner.weight() >= self.inner.capacity() / 8 * 7
    }
}
