//! The hashes of what left a while ago, so that what comes back is known. They lie in sets of a cache line; a newcomer takes
//! the place of the oldest of its set, which together is nearly first in, first out.

use super::table::{low, top};

/// How many hashes are in a set.
const WAYS: usize = 15;

/// One cache line: lower halves of hashes, and where the next goes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set {
    marks: [u32; WAYS],
    next: u32,
}

/// Hashes that are remembered.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    sets: Box<[Set]>,
}

impl Ghosts {
    /// Remembers `hash`, and as many others as `number` says or more.
    pub(super) fn remember(&mut self, hash: u64, number: usize) {
        let sets = number.div_ceil(WAYS).max(1);
        if sets > self.sets.len() || sets < self.sets.len() / 8 {
            // Rare, because the number doubles; what was remembered is forgotten.
            let empty = Set {
                marks: [0; WAYS],
                next: 0,
            };
            self.sets = vec![empty; sets.next_power_of_two()].into();
        }
        if let Some(set) = self.set(hash) {
            let next = usize::try_from(set.next).unwrap_or(0) % WAYS;
            set.marks[next] = low(hash);
            set.next = u32::try_from(next + 1).unwrap_or(0);
        }
    }

    /// Forgets `hash`; whether it was remembered.
    pub(super) fn take(&mut self, hash: u64) -> bool {
        let mark = low(hash);
        let found = self
            .set(hash)
            .and_then(|set| set.marks.iter_mut().find(|there| **there == mark));
        found.map(|there| *there = 0).is_some()
    }

    fn set(&mut self, hash: u64) -> Option<&mut Set> {
        // The upper half times the number of sets, divided by 2^32.
        let index = (u64::from(top(hash)) * (self.sets.len() as u64)) >> 32;
        self.sets.get_mut(usize::try_from(index).unwrap_or(usize::MAX))
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    #[test]
    fn the_last_that_left_are_remembered_once_and_the_oldest_forgotten() {
        let mut ghosts = Ghosts::default();
        let hashes: Vec<u64> = (0..10_000_u32).map(|number| xxh3_64(&number.to_le_bytes())).collect();
        assert!(!ghosts.take(hashes[0]), "nothing is remembered yet");
        hashes.iter().for_each(|hash| ghosts.remember(*hash, 1000));
        assert!(ghosts.take(hashes[9_999]) && !ghosts.take(hashes[9_999]));
        let last = hashes[9_300..9_999].iter().filter(|hash| ghosts.take(**hash)).count();
        assert!(last > 690, "{last} of the last 699");
        let old = hashes[..2_000].iter().filter(|hash| ghosts.take(**hash)).count();
        assert_eq!(old, 0);
    }
}
