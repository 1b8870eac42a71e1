//! The tier beside a map that forgets nothing.

use super::ClockPro;
use super::table::{joined, low};
use crate::entry::{BodyDraft, Draft, Entry, Kind};
use crate::key::Key;
use crate::memory::{Inserted, MemoryTier};
use crate::outcome::Eviction;
use crate::testing::Bench;
use crate::turnover::Directory;
use bytes::Bytes;
use peregrine_base::Instant;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// Makes entries.
struct Maker(Key);

impl Maker {
    fn new() -> Self {
        let bench = Bench::new();
        Self(Key::named(&bench.namespace, "", "x"))
    }

    fn entry(&self, bytes: usize) -> Entry {
        let body = [Bytes::from(vec![b'x'; bytes])];
        let draft = Draft::empty(Kind::Value, &self.0, "", Instant::ZERO, Duration::from_secs(60));
        Entry::new(Draft {
            body: BodyDraft::Packed(&body),
            ..draft
        })
        .unwrap()
    }
}

/// Well spread hashes.
fn hash(number: u32) -> u64 {
    xxh3_64(&number.to_le_bytes())
}

/// Hashes that meet: a quarter of them in one bucket under one tag, a quarter in one bucket, a quarter differ in what neither
/// bucket nor tag nor entry tell.
fn crowded(number: u8) -> u64 {
    let wide = u32::from(number);
    match number % 4 {
        0 => hash(wide),
        1 => joined(0xABCD_1234, wide * 8),
        2 => joined(wide, 5),
        _ => joined(0x0101 + (wide << 12), 5),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u8, bytes: usize },
    Get { key: u8 },
    Remove { key: u8 },
    RemoveReplaced,
    Resize { kib: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = prop_oneof![8 => 0..3_000usize, 1 => 3_000..60_000usize];
    let step = prop_oneof![
        8 => (any::<u8>(), sizes).prop_map(|(key, bytes)| Step::Insert { key, bytes }),
        8 => any::<u8>().prop_map(|key| Step::Get { key }),
        3 => any::<u8>().prop_map(|key| Step::Remove { key }),
        1 => Just(Step::RemoveReplaced),
        1 => (0..400u64).prop_map(|kib| Step::Resize { kib }),
    ];
    proptest::collection::vec(step, 1..600)
}

/// The tier, and what was put into it last under each hash.
struct Run {
    tier: ClockPro,
    directory: Directory,
    last: HashMap<u64, Entry>,
    replaced: Option<(u64, Entry)>,
    capacity: u64,
    maker: Maker,
}

impl Run {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { key, bytes } => {
                let (hash, entry) = (crowded(key), self.maker.entry(bytes));
                let inserted = self.tier.insert(hash, entry.clone());
                if let Some(before) = self.last.remove(&hash) {
                    self.replaced = Some((hash, before));
                }
                let last = self.last.insert(hash, entry.clone());
                assert!(last.is_none());
                assert_eq!(self.walk().contains_key(&hash), inserted == Inserted::Stored);
            }
            Step::Get { key } => {
                let _ = self.tier.get(crowded(key));
            }
            Step::Remove { key } => {
                let there = self.walk().contains_key(&crowded(key));
                if let Some(entry) = self.last.remove(&crowded(key)) {
                    let removed = self.tier.remove(crowded(key), &entry, Some(Eviction::Removed));
                    assert_eq!(removed, there);
                }
            }
            Step::RemoveReplaced => {
                if let Some((hash, entry)) = self.replaced.take() {
                    assert!(!self.tier.remove(hash, &entry, None), "it is not there any more");
                }
            }
            Step::Resize { kib } => {
                self.capacity = kib << 10;
                self.tier.resize(self.capacity);
            }
        }
        self.check();
    }

    fn walk(&self) -> HashMap<u64, Entry> {
        let mut seen = HashMap::new();
        self.tier.iterate(&mut |hash, entry| {
            assert!(seen.insert(hash, entry.clone()).is_none(), "each once");
            true
        });
        seen
    }

    fn check(&mut self) {
        let seen = self.walk();
        for (hash, entry) in &seen {
            assert!(self.last[hash].same(entry), "the last or nothing");
            let there = self
                .tier
                .peek(*hash)
                .expect("what is there is found, or one of nearly the same hash");
            assert!(there.same(entry) || seen.values().any(|other| other.same(&there)));
            assert!(there.same(entry) || low(*hash) == 5);
        }
        self.last.retain(|hash, _| seen.contains_key(hash));
        let usage = self.tier.usage();
        let bytes: u64 = seen.values().map(Entry::weight).sum();
        assert_eq!((usage.bytes, usage.entries), (bytes, seen.len() as u64));
        assert!(usage.bytes <= self.capacity, "{usage:?}");
        let counters = self.directory.counters(0).unwrap();
        let counted = (counters.bytes.value(), counters.entries.value());
        assert_eq!(counted, (bytes.try_into().unwrap(), seen.len().try_into().unwrap()));
    }
}

proptest! {
    #[test]
    fn a_tier_holds_what_was_put_last_or_nothing_and_counts_all_of_it(steps in steps(), shards in 1..3usize) {
        let directory = Directory::new();
        let mut run = Run {
            tier: ClockPro::new(200 << 10, 1, shards, directory.clone()),
            directory,
            last: HashMap::new(),
            replaced: None,
            capacity: 200 << 10,
            maker: Maker::new(),
        };
        steps.iter().for_each(|step| run.step(step));
    }
}

#[test]
fn what_has_room_stays_while_the_table_grows_and_shrinks() {
    let (maker, directory) = (Maker::new(), Directory::new());
    let tier = ClockPro::new(64 << 20, 1, 4, directory);
    let entries: Vec<Entry> = (0..20_000).map(|_| maker.entry(10)).collect();
    for (number, entry) in (0..).zip(&entries) {
        assert!(tier.has_room(hash(number), entry.weight()));
        assert_eq!(tier.insert(hash(number), entry.clone()), Inserted::Stored);
    }
    let is_there = |number: u32| {
        let there = tier.get(hash(number));
        there.is_some_and(|there| there.same(&entries[number as usize]))
    };
    assert!((0..20_000).all(is_there));
    for number in 500..20_000 {
        assert!(tier.remove(hash(number), &entries[number as usize], None));
    }
    tier.resize(32 << 20);
    assert!((0..500).all(is_there) && !(500..20_000).any(is_there));
}

#[test]
fn a_walk_sees_everything_once_though_the_table_grows_under_it() {
    let (maker, directory) = (Maker::new(), Directory::new());
    let tier = ClockPro::new(64 << 20, 1, 2, directory);
    for number in 0..2_000 {
        tier.insert(hash(number), maker.entry(10));
    }
    let (mut seen, mut next) = (HashMap::new(), 2_000);
    tier.iterate(&mut |hash, _| {
        *seen.entry(hash).or_insert(0) += 1;
        // Ten newcomers for each that is seen, at first.
        for number in next..(next + 10).min(30_000) {
            tier.insert(self::hash(number), maker.entry(10));
        }
        next += 10;
        true
    });
    assert!(seen.values().all(|times| *times == 1), "nothing is seen twice");
    assert!((0..2_000).all(|number| seen.contains_key(&hash(number))));
}

#[test]
fn what_is_asked_for_again_survives_what_is_asked_for_once() {
    let (maker, directory) = (Maker::new(), Directory::new());
    let tier = ClockPro::new(1 << 20, 1, 1, directory);
    let ask = |number: u32| {
        let hit = tier.get(hash(number)).is_some();
        if !hit {
            tier.insert(hash(number), maker.entry(1000));
        }
        hit
    };
    // Twenty times what fits, once each.
    let pass = |from: u32| (from..from + 20_000).for_each(|number| assert!(!ask(number)));
    pass(1_000_000);
    for number in 0..500 {
        assert!(!ask(number) && ask(number));
    }
    pass(2_000_000);
    let left = (0..500).filter(|number| tier.peek(hash(*number)).is_some()).count();
    assert!(left > 450, "{left} of 500");
}

#[test]
fn what_leaves_from_the_middle_changes_no_ones_hash_and_gives_its_memory_back() {
    let (maker, directory) = (Maker::new(), Directory::new());
    let tier = ClockPro::new(64 << 20, 1, 1, directory);
    let entries: Vec<Entry> = (0..30_000).map(|_| maker.entry(10)).collect();
    for (number, entry) in (0..).zip(&entries) {
        tier.insert(hash(number), entry.clone());
    }
    let buckets = || tier.shards[0].0.read().buckets();
    let before = buckets();
    for number in (0..30_000).filter(|number| number % 100 != 7) {
        assert!(tier.remove(hash(number), &entries[number as usize], None));
    }
    let mut seen = Vec::new();
    tier.iterate(&mut |hash, entry| {
        assert!(entry.same(&tier.peek(hash).unwrap()));
        seen.push(hash);
        true
    });
    assert_eq!(seen.len(), 300);
    assert!((0..300).all(|number| seen.contains(&hash(100 * number + 7))));
    assert!(buckets() < before / 16, "{} of {before} buckets", buckets());
}

#[test]
fn threads_that_store_look_and_take_out_leave_a_tier_in_order() {
    let directory = Directory::new();
    let tier = ClockPro::new(1 << 20, 1, 2, directory.clone());
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let tier = &tier;
            scope.spawn(move || {
                let maker = Maker::new();
                for step in 0..20_000_u32 {
                    let hash = hash((step * 7 + thread * 13) % 1_500);
                    match step % 5 {
                        0 => drop(tier.insert(hash, maker.entry(usize::try_from(step % 3_000).unwrap()))),
                        1 => {
                            if let Some(there) = tier.peek(hash) {
                                tier.remove(hash, &there, Some(Eviction::Removed));
                            }
                        }
                        2 if step % 997 == 0 => tier.resize(u64::from(step % 4 + 1) << 18),
                        _ => drop(tier.get(hash)),
                    }
                }
            });
        }
    });
    let (mut bytes, mut entries) = (0, 0);
    tier.iterate(&mut |hash, entry| {
        assert!(tier.peek(hash).is_some_and(|there| there.same(entry)));
        bytes += entry.weight();
        entries += 1;
        true
    });
    let usage = tier.usage();
    assert!(
        entries > 0 && (usage.bytes, usage.entries) == (bytes, entries),
        "{usage:?}"
    );
    let counters = directory.counters(0).unwrap();
    assert_eq!(counters.bytes.value(), i64::try_from(bytes).unwrap());
    tier.resize(0);
    assert_eq!((tier.usage().bytes, counters.entries.value()), (0, 0));
}
