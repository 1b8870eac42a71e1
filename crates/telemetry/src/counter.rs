//! Counters and gauges. A counter has a cell for every core, each on a cache line of its own, so that threads that count
//! the same thing do not wait for each other; reading adds the cells up.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// The most cells that a counter has.
const CELLS_MAX: usize = 16;

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
            cells: (0..cells()).map(|_| Cell::default()).collect(),
        }
    }

    /// Counts `count` more.
    #[inline]
    pub fn add(&self, count: u64) {
        if let Some(cell) = self.cells.get(slot() & (self.cells.len() - 1)) {
            cell.0.fetch_add(count, Ordering::Relaxed);
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

/// A number that grows and shrinks.
#[derive(Debug, Default)]
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

/// How many cells a counter gets: a power of two, at least the number of cores where that is not too many.
pub(crate) fn cells() -> usize {
    std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .next_power_of_two()
        .min(CELLS_MAX)
}

/// This thread's number, given out in turn, so that threads spread over the cells.
#[inline]
pub(crate) fn slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    SLOT.with(|slot| *slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_many_threads_add_up() {
        let counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.value(), 4000);
    }
}
