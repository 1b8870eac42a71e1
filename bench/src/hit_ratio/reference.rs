//! What others are compared with: an exact LRU, and the optimum, which knows the future. Both hold a number of objects of
//! one size.

use crate::hit_ratio::workload::Trace;
use std::collections::BinaryHeap;

/// No key.
const NONE: u32 = u32::MAX;
/// Never asked for again.
const NEVER: usize = usize::MAX;

/// How many requests of `trace` an LRU of `capacity` objects answers.
pub(crate) fn lru_hits(trace: &Trace, capacity: usize) -> usize {
    let mut lru = Lru::new(trace.universe, capacity);
    trace.keys.iter().filter(|key| lru.ask(**key)).count()
}

/// Least recently used, exactly: a list through all keys, from the one that was used last to the one that was used first.
struct Lru {
    /// Per key its neighbours: the one that was used after it, the one that was used before it.
    newer: Vec<u32>,
    older: Vec<u32>,
    is_held: Vec<bool>,
    newest: u32,
    oldest: u32,
    held: usize,
    capacity: usize,
}

impl Lru {
    fn new(universe: u32, capacity: usize) -> Self {
        let keys = universe as usize;
        let (newer, older, is_held) = (vec![NONE; keys], vec![NONE; keys], vec![false; keys]);
        Self {
            newer,
            older,
            is_held,
            newest: NONE,
            oldest: NONE,
            held: 0,
            capacity,
        }
    }

    /// Whether `key` is held; it is afterwards.
    fn ask(&mut self, key: u32) -> bool {
        let is_hit = self.is_held[key as usize];
        if is_hit {
            self.take_out(key);
        }
        self.put_first(key);
        if self.held > self.capacity {
            self.take_out(self.oldest);
        }
        is_hit
    }

    fn take_out(&mut self, key: u32) {
        let (newer, older) = (self.newer[key as usize], self.older[key as usize]);
        *if newer == NONE {
            &mut self.newest
        } else {
            &mut self.older[newer as usize]
        } = older;
        *if older == NONE {
            &mut self.oldest
        } else {
            &mut self.newer[older as usize]
        } = newer;
        self.is_held[key as usize] = false;
        self.held -= 1;
    }

    fn put_first(&mut self, key: u32) {
        self.newer[key as usize] = NONE;
        self.older[key as usize] = self.newest;
        *if self.newest == NONE {
            &mut self.oldest
        } else {
            &mut self.newer[self.newest as usize]
        } = key;
        self.newest = key;
        self.is_held[key as usize] = true;
        self.held += 1;
    }
}

/// How many requests of `trace` can be answered by `capacity` objects at best: what is asked for again last goes first, also
/// when that is the newcomer (Belady, "A study of replacement algorithms for a virtual-storage computer", 1966).
pub(crate) fn optimum_hits(trace: &Trace, capacity: usize) -> usize {
    let mut is_held = vec![false; trace.universe as usize];
    // By the next use of each. Uses that have passed stay in the heap, below all that are still to come: as long as
    // anything is held, what is held stands on top.
    let mut latest_first = BinaryHeap::new();
    let (mut held, mut hits) = (0, 0);
    for (key, next_use) in trace.keys.iter().zip(next_uses(trace)) {
        let was_held = std::mem::replace(&mut is_held[*key as usize], true);
        *if was_held { &mut hits } else { &mut held } += 1;
        latest_first.push((next_use, *key));
        if held > capacity {
            let (_, latest) = latest_first.pop().expect("what is held is in the heap");
            is_held[latest as usize] = false;
            held -= 1;
        }
    }
    hits
}

/// For each request the number of the next one for the same key.
fn next_uses(trace: &Trace) -> Vec<usize> {
    let mut next: Vec<usize> = vec![NEVER; trace.universe as usize];
    let mut uses = vec![NEVER; trace.keys.len()];
    for (at, key) in trace.keys.iter().enumerate().rev() {
        uses[at] = std::mem::replace(&mut next[*key as usize], at);
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(keys: &[u32]) -> Trace {
        Trace {
            keys: keys.to_vec(),
            universe: keys.iter().max().map_or(0, |key| key + 1),
        }
    }

    #[test]
    fn lru_forgets_what_was_used_longest_ago() {
        // Holds 1 2; 3 drives out 1, 1 drives out 2, then 3 and 1 are there.
        assert_eq!(lru_hits(&trace(&[1, 2, 3, 1, 3, 1]), 2), 2);
        // Using 1 again keeps it: 3 drives out 2.
        assert_eq!(lru_hits(&trace(&[1, 2, 1, 3, 1, 2]), 2), 2);
        assert_eq!(lru_hits(&trace(&[1, 1, 1, 2, 2, 1]), 1), 3);
    }

    #[test]
    fn lru_never_hits_in_a_loop_that_is_one_too_long() {
        let keys: Vec<u32> = (0..11).cycle().take(110).collect();
        assert_eq!(lru_hits(&trace(&keys), 10), 0);
        assert_eq!(lru_hits(&trace(&keys), 11), 99);
    }

    #[test]
    fn the_optimum_of_a_known_sequence() {
        // The example of every textbook, three frames: 11 hits where each page must be taken in. A cache may refuse a
        // newcomer, which gains one.
        let keys = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
        assert_eq!(optimum_hits(&trace(&keys), 3), 12);
    }

    #[test]
    fn the_optimum_keeps_what_comes_back_soonest() {
        // One place: 1 comes back at once, 2 later; a newcomer that comes back later than what is held is refused.
        assert_eq!(optimum_hits(&trace(&[1, 2, 1, 2, 1]), 1), 2);
        // A loop of four through three places: all but one of the places stay as they are.
        assert_eq!(optimum_hits(&trace(&[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]), 3), 6);
    }

    #[test]
    fn nothing_beats_the_optimum_and_with_room_for_all_everything_hits_but_the_first() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..50 {
            let keys: Vec<u32> = (0..300).map(|_| rng.u32(0..30)).collect();
            let trace = trace(&keys);
            for capacity in [1, 5, 20] {
                assert!(lru_hits(&trace, capacity) <= optimum_hits(&trace, capacity));
            }
            let distinct = keys.iter().collect::<std::collections::HashSet<_>>().len();
            assert_eq!(lru_hits(&trace, 30), 300 - distinct);
            assert_eq!(optimum_hits(&trace, 30), 300 - distinct);
        }
    }

    #[test]
    fn the_optimum_is_what_trying_everything_finds() {
        /// The best that can be had from here on with these keys held.
        fn best(keys: &[u32], held: &[u32], capacity: usize) -> usize {
            let Some((key, rest)) = keys.split_first() else {
                return 0;
            };
            if held.contains(key) {
                return 1 + best(rest, held, capacity);
            }
            let refused = best(rest, held, capacity);
            let with = |kept: &[u32]| best(rest, &[kept, &[*key]].concat(), capacity);
            if held.len() < capacity {
                return refused.max(with(held));
            }
            let drop_one = |out: usize| with(&[&held[..out], &held[out + 1..]].concat());
            (0..held.len()).map(drop_one).fold(refused, usize::max)
        }
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..30 {
            let keys: Vec<u32> = (0..12).map(|_| rng.u32(0..5)).collect();
            assert_eq!(optimum_hits(&trace(&keys), 2), best(&keys, &[], 2), "{keys:?}");
        }
    }
}
