//! A value for each thread that records, made when the thread first does so: what nobody counts costs almost no memory, and
//! what one thread counts no other thread's cache line.

use crate::counter::{add_to, own_cells, slot};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// One `T` for each thread that has a cell of its own, and a last one that the others share.
#[derive(Debug)]
pub(crate) struct Sharded<T> {
    shards: Box<[OnceLock<Box<Line<T>>>]>,
}

/// Begins on a cache line pair of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

impl<T> Sharded<T> {
    /// Without any yet.
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..=own_cells()).map(|_| OnceLock::new()).collect(),
        }
    }

    /// This thread's, and whether nobody else writes it.
    #[inline]
    pub(crate) fn mine(&self, make: impl FnOnce() -> T) -> Option<(&T, bool)> {
        let slot = slot();
        let shard = self.shards.get(slot)?.get_or_init(|| Box::new(Line(make())));
        Some((&shard.0, slot + 1 < self.shards.len()))
    }

    /// All that were made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().filter_map(OnceLock::get).map(|shard| &shard.0)
    }
}

/// `N` counters that are counted together: to find the thread's own cells costs once for all of them.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    shards: Sharded<[AtomicU64; N]>,
}

/// The cells of one thread.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a, const N: usize> {
    cells: Option<(&'a [AtomicU64; N], bool)>,
}

impl<const N: usize> Counters<N> {
    /// Counters that stand at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: Sharded::new() }
    }

    /// The cells of this thread. Not to be kept beyond the moment: another thread may own them later.
    #[inline]
    #[must_use]
    pub fn cells(&self) -> Cells<'_, N> {
        Cells {
            cells: self.shards.mine(|| [const { AtomicU64::new(0) }; N]),
        }
    }

    /// What counter `index` counted so far.
    #[must_use]
    pub fn value(&self, index: usize) -> u64 {
        let cells = self.shards.iter().filter_map(|cells| cells.get(index));
        cells
            .map(|cell| cell.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Cells<'_, N> {
    /// Counts `count` more at `index`.
    #[inline]
    pub fn add(self, index: usize, count: u64) {
        if let Some((cells, own)) = self.cells
            && let Some(cell) = cells.get(index)
        {
            add_to(cell, count, own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_many_threads_add_up_and_the_threads_that_do_not_count_cost_nothing() {
        let counters = Counters::<3>::new();
        assert_eq!(counters.shards.iter().count(), 0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| (0..100).for_each(|_| counters.cells().add(1, 2)));
            }
        });
        assert_eq!([0, 1, 2, 3].map(|index| counters.value(index)), [0, 20_000, 0, 0]);
        assert!(counters.shards.iter().count() <= own_cells() + 1);
    }
}
