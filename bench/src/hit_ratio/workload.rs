//! Generated workloads: which keys are asked for, in which order. Each is the same for a given seed.

use crate::zipf::Zipf;

/// Keys that the popular part of a workload is drawn from.
const POPULAR: u32 = 100_000;
/// Keys that the loop goes through.
const LOOP: u32 = 20_000;
/// How many requests of "scan" come between two scans, and how long a scan is.
const SCAN: (usize, u32) = (50_000, 25_000);
/// How often the popularity of "shifting" moves during the whole workload.
const SHIFTS: usize = 20;

/// A way of asking.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Workload {
    /// Popularity by Zipf's law, the same all the time.
    Zipf {
        /// How uneven it is.
        skew: f64,
    },
    /// Zipf 0.99, and now and then somebody walks through many keys that nobody asks for again: a crawler, a report.
    Scan,
    /// One key after the other, again and again: the weakness of LRU.
    Loop,
    /// Zipf 0.99, but what is popular changes at once, twenty times: news.
    Shifting,
    /// Of ten requests six by Zipf 0.9, two from a loop, two for keys that nobody asks for again.
    Mixed,
}

/// A sequence of keys.
pub(crate) struct Trace {
    /// What is asked for, in order.
    pub(crate) keys: Vec<u32>,
    /// All keys are below it.
    pub(crate) universe: u32,
}

impl Workload {
    /// All that are measured.
    pub(crate) const ALL: [Self; 7] = [
        Self::Zipf { skew: 0.7 },
        Self::Zipf { skew: 0.99 },
        Self::Zipf { skew: 1.2 },
        Self::Scan,
        Self::Loop,
        Self::Shifting,
        Self::Mixed,
    ];

    /// What it is called in tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Zipf { skew } => format!("zipf {skew}"),
            Self::Scan => "scan".to_owned(),
            Self::Loop => "loop".to_owned(),
            Self::Shifting => "shifting".to_owned(),
            Self::Mixed => "mixed".to_owned(),
        }
    }

    /// How many keys it comes back to: cache sizes are shares of it.
    pub(crate) const fn footprint(self) -> u32 {
        match self {
            Self::Loop => LOOP,
            _ => POPULAR,
        }
    }

    /// `requests` keys.
    pub(crate) fn generate(self, requests: usize, seed: u64) -> Trace {
        let mut source = Source::new(self.skew(), seed);
        let keys = (0..requests).map(|at| source.next(self, at, requests)).collect();
        Trace {
            keys,
            universe: source.never_asked,
        }
    }

    const fn skew(self) -> f64 {
        match self {
            Self::Zipf { skew } => skew,
            Self::Mixed => 0.9,
            Self::Scan | Self::Loop | Self::Shifting => 0.99,
        }
    }
}

/// Where keys come from: first the popular ones, then those of the loop, then those that are asked for once.
struct Source {
    rng: fastrand::Rng,
    zipf: Zipf,
    /// Popularity has nothing to do with the order of keys.
    by_rank: Vec<u32>,
    looped: u32,
    never_asked: u32,
}

impl Source {
    fn new(skew: f64, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut by_rank: Vec<u32> = (0..POPULAR).collect();
        rng.shuffle(&mut by_rank);
        Self {
            rng,
            zipf: Zipf::new(by_rank.len(), skew),
            by_rank,
            looped: 0,
            never_asked: POPULAR + LOOP,
        }
    }

    /// The key of the request number `at` of `requests`.
    fn next(&mut self, workload: Workload, at: usize, requests: usize) -> u32 {
        match workload {
            Workload::Zipf { .. } => self.popular(0),
            Workload::Scan => {
                let is_scanning = at % (SCAN.0 + SCAN.1 as usize) >= SCAN.0;
                if is_scanning { self.once() } else { self.popular(0) }
            }
            Workload::Loop => self.in_turn(),
            Workload::Shifting => {
                let shift = at * SHIFTS / requests.max(1);
                self.popular(shift * self.by_rank.len() / SHIFTS)
            }
            Workload::Mixed => match self.rng.u8(0..10) {
                0..6 => self.popular(0),
                6..8 => self.in_turn(),
                _ => self.once(),
            },
        }
    }

    /// By popularity, where the most popular is the one of rank `first`.
    fn popular(&mut self, first: usize) -> u32 {
        let rank = self.zipf.draw(&mut self.rng);
        self.by_rank[(rank + first) % self.by_rank.len()]
    }

    fn in_turn(&mut self) -> u32 {
        self.looped = (self.looped + 1) % LOOP;
        POPULAR + self.looped
    }

    fn once(&mut self) -> u32 {
        self.never_asked += 1;
        self.never_asked - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    const REQUESTS: usize = 200_000;

    fn counts(keys: &[u32]) -> HashMap<u32, usize> {
        keys.iter().fold(HashMap::new(), |mut counts, key| {
            *counts.entry(*key).or_default() += 1;
            counts
        })
    }

    #[test]
    fn a_seed_repeats_itself_and_keys_stay_below_the_universe() {
        for workload in Workload::ALL {
            let (one, same) = (workload.generate(REQUESTS, 7), workload.generate(REQUESTS, 7));
            assert_eq!(one.keys, same.keys, "{}", workload.name());
            assert_eq!(one.keys.len(), REQUESTS);
            assert!(one.keys.iter().all(|key| *key < one.universe), "{}", workload.name());
        }
    }

    #[test]
    fn the_loop_comes_back_to_a_key_exactly_after_all_others() {
        let keys = Workload::Loop.generate(REQUESTS, 1).keys;
        assert_eq!(counts(&keys).len(), LOOP as usize);
        assert!(keys.iter().zip(&keys[LOOP as usize..]).all(|(one, next)| one == next));
    }

    #[test]
    fn a_scan_asks_once_for_what_nobody_asks_for_again() {
        let keys = Workload::Scan.generate(REQUESTS, 1).keys;
        let counts = counts(&keys);
        let scanned = &keys[SCAN.0..SCAN.0 + SCAN.1 as usize];
        assert!(scanned.iter().all(|key| counts[key] == 1));
        assert!(keys[..SCAN.0].iter().all(|key| *key < POPULAR));
    }

    #[test]
    fn what_is_popular_shifts() {
        let keys = Workload::Shifting.generate(REQUESTS, 1).keys;
        let top = |part: &[u32]| {
            let mut keys: Vec<_> = counts(part).into_iter().collect();
            keys.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
            keys.into_iter().take(20).map(|(key, _)| key).collect::<HashSet<_>>()
        };
        let part = REQUESTS / SHIFTS;
        let (first, again, second) = (
            top(&keys[..part / 2]),
            top(&keys[part / 2..part]),
            top(&keys[part..2 * part]),
        );
        assert!(
            first.intersection(&again).count() >= 10,
            "within one part the popular stay so"
        );
        assert_eq!(
            first.intersection(&second).count(),
            0,
            "in the next part others are popular"
        );
    }

    #[test]
    fn mixed_has_its_shares() {
        let trace = Workload::Mixed.generate(REQUESTS, 1);
        let share = |test: &dyn Fn(u32) -> bool| trace.keys.iter().filter(|key| test(**key)).count() * 100 / REQUESTS;
        assert!((59..=61).contains(&share(&|key| key < POPULAR)));
        assert!((19..=21).contains(&share(&|key| (POPULAR..POPULAR + LOOP).contains(&key))));
    }
}
