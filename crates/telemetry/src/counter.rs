//! Counters and gauges. A counter has a cell for every thread that counts often, each on a cache line of its own and written
//! by that thread alone: counting is a plain addition, without an atomic step and without waiting for anybody. Threads for
//! which there is no cell share the last one, by atomic steps. Reading adds the cells up.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The most cells that a counter has beside the shared one.
const CELLS_MAX: usize = 32;
/// The fewest: the program has more threads than cores, and the first ones to count keep their cells.
const CELLS_MIN: usize = 8;

/// A number that only grows.
#[derive(Debug)]
pub struct Counter {
    cells: Box<[Cell]>,
}

/// One cache line pair, the unit in which current processors fetch.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell(AtomicU64);

impl Counter {
    /// A counter that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cells: (0..=own_cells()).map(|_| Cell::default()).collect(),
        }
    }

    /// Counts `count` more.
    #[inline]
    pub fn add(&self, count: u64) {
        let slot = slot();
        if let Some(cell) = self.cells.get(slot) {
            add_to(&cell.0, count, slot + 1 < self.cells.len());
        }
    }

    /// Counts one more.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// What was counted so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.cells
            .iter()
            .map(|cell| cell.0.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

/// A number that grows and shrinks, on a cache line pair of its own: what lies beside it is read by others.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// A gauge that stands at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Moves it by `change`.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// Puts it to `value`.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Where it stands.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many cells have an owner. The shared one comes behind them.
pub(crate) fn own_cells() -> usize {
    static OWN: LazyLock<usize> = LazyLock::new(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (cores * 4).clamp(CELLS_MIN, CELLS_MAX)
    });
    *OWN
}

/// Adds `count` to a cell that is this thread's own or not.
#[inline]
pub(crate) fn add_to(cell: &AtomicU64, count: u64, own: bool) {
    if own {
        // Nobody else writes it.
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    } else {
        cell.fetch_add(count, Ordering::Relaxed);
    }
}

/// The numbers of cells that no living thread owns.
static FREE: LazyLock<Mutex<Vec<usize>>> = LazyLock::new(|| Mutex::new((0..own_cells()).rev().collect()));

/// A cell's number, for as long as its thread lives. The next owner takes it under the lock under which this one gave it
/// back, so it sees everything that was counted.
struct Owned(usize);

impl Owned {
    fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(free.unwrap_or_else(own_cells))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.0 < own_cells() {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
        }
    }
}

/// The number of this thread's cell: its own as long as there are some, else that of the shared one.
#[inline]
pub(crate) fn slot() -> usize {
    thread_local! {
        static SLOT: Owned = Owned::take();
    }
    // A thread that counts while it ends has given its cell back.
    SLOT.try_with(|slot| slot.0).unwrap_or_else(|_| own_cells())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_many_threads_add_up() {
        let counter = Counter::new();
        for _ in 0..3 {
            // More threads than cells, three times: cells are shared, and are handed on.
            std::thread::scope(|scope| {
                for _ in 0..2 * CELLS_MAX {
                    scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
                }
            });
        }
        assert_eq!(counter.value(), 3 * 2 * CELLS_MAX as u64 * 1000);
    }

    #[test]
    fn a_thread_that_ends_gives_its_cell_to_the_next() {
        let cell = || std::thread::spawn(slot).join().unwrap();
        let used: std::collections::BTreeSet<usize> = (0..4 * CELLS_MAX).map(|_| cell()).collect();
        assert!(used.len() < 4 * CELLS_MAX);
    }
}
