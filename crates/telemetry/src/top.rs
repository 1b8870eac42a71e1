//! The keys that are asked for most, by a sketch of bounded size: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient
//! Computation of Frequent and Top-k Elements in Data Streams", 2005). A key that is not among the [`KEYS_MAX`] counted ones
//! takes the place of one with the smallest count and goes on from there; `error` says by how much its count may be too large.
//!
//! About one request in [`EACH`] is looked at, chosen by a little arithmetic on the thread's own number, so that the others pay
//! for one subtraction; counts are multiplied back. Once a million were looked at all counts are halved, so that what was asked
//! for last week does not stand above what is asked for now.

use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many keys are counted.
pub const KEYS_MAX: usize = 1000;
/// How many requests stand behind one that is looked at, on average.
pub const EACH: u32 = 16;
/// After so many that were looked at everything counts half.
const AGE: u64 = 1 << 20;

/// The keys that are asked for most. Whoever counts one writes here: it lies on cache lines of its own, apart from what every
/// request reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TopKeys {
    sketch: Mutex<Sketch>,
}

/// A key, and how often it was asked for, roughly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopKey {
    /// The key; secrets in it are hidden.
    pub key: String,
    /// How often it was asked for, at most.
    pub count: u64,
    /// By how much that may be too large.
    pub error: u64,
}

#[derive(Debug, Default)]
struct Sketch {
    slots: Vec<Slot>,
    index: HashMap<Arc<str>, usize>,
    /// Slots that held the smallest count when they were looked for.
    smallest: Vec<usize>,
    /// That count.
    floor: u64,
    seen: u64,
}

#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    count: u64,
    error: u64,
}

impl TopKeys {
    /// Whether this request is one to look at.
    #[inline]
    #[must_use]
    pub fn is_due(&self) -> bool {
        thread_local! {
            /// How many to let pass, and the state of the arithmetic.
            static LEFT: Cell<(u32, u32)> = const { Cell::new((0, 0x9E37_79B9)) };
        }
        LEFT.with(|left| {
            let (count, state) = left.get();
            if count > 0 {
                left.set((count - 1, state));
                return false;
            }
            // An uneven step, so that no rhythm of the requests falls together with it (Knuth's MMIX multiplier, cut).
            let state = state.wrapping_mul(0x4C95_7F2D).wrapping_add(0x1405_7B7F);
            left.set(((state >> 16) % (2 * EACH - 1), state));
            true
        })
    }

    /// Counts a request for `key` that was chosen by [`TopKeys::is_due`]; left out when another thread counts right now.
    pub fn count(&self, key: &str) {
        if let Ok(mut sketch) = self.sketch.try_lock() {
            sketch.count(key);
        }
    }

    /// The `limit` keys that were asked for most, the first one most of all.
    #[must_use]
    pub fn top(&self, limit: usize) -> Vec<TopKey> {
        let sketch = self.sketch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slots: Vec<&Slot> = sketch.slots.iter().collect();
        slots.sort_by(|one, two| two.count.cmp(&one.count).then_with(|| one.key.cmp(&two.key)));
        let scaled = |count: u64| count.saturating_mul(u64::from(EACH));
        let top = slots.into_iter().take(limit).map(|slot| TopKey {
            key: slot.key.to_string(),
            count: scaled(slot.count),
            error: scaled(slot.error),
        });
        top.collect()
    }
}

impl Sketch {
    fn count(&mut self, key: &str) {
        self.seen += 1;
        if self.seen >= AGE {
            self.seen /= 2;
            for slot in &mut self.slots {
                slot.count /= 2;
                slot.error /= 2;
            }
            self.smallest.clear();
        }
        if let Some(slot) = self.index.get(key).and_then(|index| self.slots.get_mut(*index)) {
            slot.count += 1;
            return;
        }
        let key: Arc<str> = key.into();
        if self.slots.len() < KEYS_MAX {
            self.index.insert(Arc::clone(&key), self.slots.len());
            self.slots.push(Slot {
                key,
                count: 1,
                error: 0,
            });
            return;
        }
        let index = self.smallest_slot();
        if let Some(slot) = self.slots.get_mut(index) {
            self.index.remove(&slot.key);
            self.index.insert(Arc::clone(&key), index);
            slot.error = slot.count;
            slot.count += 1;
            slot.key = key;
        }
    }

    /// A slot with the smallest count. All of those are looked for together, so that finding one is cheap in the long run.
    fn smallest_slot(&mut self) -> usize {
        while let Some(index) = self.smallest.pop() {
            if self.slots.get(index).is_some_and(|slot| slot.count == self.floor) {
                return index;
            }
        }
        self.floor = self.slots.iter().map(|slot| slot.count).min().unwrap_or(0);
        let floor = self.floor;
        let at_floor = |(index, slot): (usize, &Slot)| (slot.count == floor).then_some(index);
        self.smallest = self.slots.iter().enumerate().filter_map(at_floor).collect();
        self.smallest.pop().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if every request were looked at.
    fn counted(keys: impl IntoIterator<Item = String>) -> TopKeys {
        let top = TopKeys::default();
        keys.into_iter().for_each(|key| top.count(&key));
        top
    }

    #[test]
    fn what_is_asked_for_often_is_found_among_a_flood_of_other_keys() {
        let keys = (0..50_000).map(|number| match number % 10 {
            0 | 5 => "often".to_owned(),
            3 => "less".to_owned(),
            _ => format!("once-{number}"),
        });
        let top = counted(keys);
        let first = top.top(2);
        assert_eq!([&*first[0].key, &*first[1].key], ["often", "less"]);
        for (found, real) in first.iter().zip([10_000, 5_000]) {
            let (most, least) = (found.count, found.count - found.error);
            let real = real * u64::from(EACH);
            assert!(least <= real && real <= most, "{found:?}");
        }
        assert_eq!(top.sketch.lock().unwrap().slots.len(), KEYS_MAX);
        assert_eq!(top.sketch.lock().unwrap().index.len(), KEYS_MAX);
    }

    #[test]
    fn counts_are_exact_while_there_is_room() {
        let keys = (0..3000).map(|number| format!("{}", number % 3));
        for found in counted(keys).top(9) {
            assert_eq!((found.count, found.error), (1000 * u64::from(EACH), 0));
        }
    }

    #[test]
    fn the_sum_of_all_counts_is_what_was_looked_at() {
        let top = counted((0..20_000).map(|number| format!("{}", number * number % 7919)));
        let sum: u64 = top.sketch.lock().unwrap().slots.iter().map(|slot| slot.count).sum();
        assert_eq!(sum, 20_000);
    }

    #[test]
    fn about_one_request_in_sixteen_is_looked_at_in_no_rhythm() {
        let top = TopKeys::default();
        let due: Vec<u32> = (0..160_000).filter(|_| top.is_due()).collect();
        assert!((9_000..=11_000).contains(&due.len()), "{}", due.len());
        for phase in 0..8 {
            let share = due.iter().filter(|number| **number % 8 == phase).count();
            assert!((900..=1600).contains(&share), "{phase}: {share}");
        }
    }
}
