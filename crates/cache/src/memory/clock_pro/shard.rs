//! The policy, for the part of the tier that one lock guards. See [`super`] for what it does.

use super::Left;
use super::ghosts::Ghosts;
use super::ring::Ring;
use super::table::{Table, joined, low, top};
use crate::entry::{Entry, Place};
use crate::outcome::Eviction;

/// The share of a shard that may be hot, in percent, and so the heaviest entry. What comes back may exceed it until the next
/// cold one becomes hot.
const HOT_PERCENT: u64 = 97;
/// More entries are not held: their places have numbers.
const ENTRIES_MAX: usize = 1 << 28;
const _: () = assert!(ENTRIES_MAX < Place::NUMBERS as usize, "no number means two places");
/// For so many entries one that left is remembered: with more of them a loop that is twice as long as the cache pushes itself
/// out, with fewer it takes longer until what is popular now has its place.
const GHOSTS_PER: usize = 2;
/// After so many that get another round the next leaves though it was asked for: when all of them were, nobody waits for the
/// whole round.
const SPARED_MAX: u32 = 256;
/// So many hot ones leave at most for a cold one that becomes hot; the next ones do the rest.
const TRIMMED_MAX: u32 = 8;
/// How many of those whose turn comes next are looked at together.
const AHEAD: usize = 8;
/// How many leave under one lock when the capacity is lowered.
const STEP: usize = 256;

/// One of the two queues.
#[derive(Debug, Default)]
struct Queue {
    ring: Ring,
    weight: u64,
}

/// Entries, and the order in which they leave.
#[derive(Debug)]
pub(super) struct Shard {
    table: Table,
    queues: Queues,
    ghosts: Ghosts,
    capacity: u64,
}

/// The cold ones, and the hot ones.
#[derive(Debug, Default)]
struct Queues([Queue; 2]);

impl Queues {
    fn of(&mut self, is_hot: bool) -> &mut Queue {
        &mut self.0[usize::from(is_hot)]
    }

    /// What `entry`, which has a place, is stored under.
    fn hash_of(&self, entry: &Entry) -> u64 {
        let (low, place) = (entry.spot().low(), entry.spot().place());
        let top = self.0[usize::from(place.is_hot())].ring.get(place.number());
        joined(top.unwrap_or_default(), low)
    }

    fn weight(&self) -> u64 {
        self.0.iter().map(|queue| queue.weight).sum()
    }

    /// Gives `entry` the last place of a queue.
    fn append(&mut self, is_hot: bool, uses: u32, hash: u64, entry: &Entry) {
        let queue = self.of(is_hot);
        queue.weight += entry.weight();
        let number = queue.ring.push(top(hash));
        entry.spot().set(low(hash), Place::new(is_hot, uses, number));
    }
}

/// Tells who has a place by it.
fn has(is_hot: bool, number: u32) -> impl Fn(&Entry) -> bool {
    move |entry| {
        let place = entry.spot().place();
        place.is_hot() == is_hot && place.number() == number
    }
}

/// The heaviest entry that fits a shard of `capacity`, which is how heavy all that is hot may be together.
pub(super) const fn weight_max(capacity: u64) -> u64 {
    capacity / 100 * HOT_PERCENT
}

impl Shard {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            table: Table::new(),
            queues: Queues::default(),
            ghosts: Ghosts::default(),
            capacity,
        }
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn weight(&self) -> u64 {
        self.queues.weight()
    }

    #[cfg(not(feature = "shuttle"))]
    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.table.buckets()
    }

    pub(super) const fn entries(&self) -> usize {
        self.table.len()
    }

    /// Whether something of `weight` can enter and nothing leaves for it.
    pub(super) fn has_room(&self, weight: u64) -> bool {
        weight <= weight_max(self.capacity) && self.weight() + weight <= self.capacity
    }

    #[inline]
    pub(super) fn get(&self, hash: u64) -> Option<&Entry> {
        self.table.get(hash)
    }

    /// As [`Table::visit`]: copies with their hashes, and where to go on.
    pub(super) fn copy(&self, from: u64, number: usize) -> (Vec<(u64, Entry)>, Option<u64>) {
        let mut entries = Vec::new();
        let next = self.table.visit(from, number, |entry| {
            entries.push((self.queues.hash_of(entry), entry.clone()));
        });
        (entries, next)
    }

    /// Puts `entry` under `hash`, in place of what is there.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, left: &mut Left) {
        debug_assert!(
            !entry.spot().place().is_some(),
            "an entry is in one tier, under one hash"
        );
        let queues = &self.queues;
        let is_there = |there: &Entry| there.spot().low() == low(hash) && queues.hash_of(there) == hash;
        let there = self.table.find(hash, is_there);
        let weight = entry.weight();
        if weight > weight_max(self.capacity) {
            if let Some(there) = there.cloned().and_then(|there| self.remove(hash, &there)) {
                left.push(there, Eviction::Replaced);
            }
            left.push(entry, Eviction::Refused);
            return;
        }
        if let Some(there) = there {
            // Storing again is a use, and changes nothing about whose turn it is.
            let (place, before) = (there.spot().place(), there.weight());
            entry.spot().set(low(hash), place.used());
            if let Some(there) = self.table.replace(hash, has(place.is_hot(), place.number()), entry) {
                there.spot().leave();
                left.push(there, Eviction::Replaced);
                let queue = self.queues.of(place.is_hot());
                queue.weight = queue.weight - before + weight;
            }
            self.make_room(0, left);
            return;
        }
        let is_hot = self.ghosts.take(hash) || self.queues.of(true).weight + weight <= weight_max(self.capacity);
        self.make_room(weight, left);
        self.queues.append(is_hot, 0, hash, &entry);
        self.table.insert(hash, entry, |entry| self.queues.hash_of(entry));
    }

    /// Takes `entry` out, which is under `hash`; nothing when it is not there.
    pub(super) fn remove(&mut self, hash: u64, entry: &Entry) -> Option<Entry> {
        let queues = &self.queues;
        let entry = self
            .table
            .take(hash, |there| there.same(entry), |entry| queues.hash_of(entry))?;
        let place = entry.spot().place();
        let (is_hot, number) = (place.is_hot(), place.number());
        let queue = self.queues.of(is_hot);
        queue.weight -= entry.weight();
        if let Some((first, top)) = queue.ring.vacate(number)
            && let Some(first) = self.table.find(joined(top, 0), has(is_hot, first))
        {
            let uses = first.spot().place().uses();
            first.spot().set_place(Place::new(is_hot, uses, number));
        }
        entry.spot().leave();
        Some(entry)
    }

    /// Changes the capacity. Entries that do not fit leave by [`Shard::leave_some`].
    pub(super) fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Lets some of those leave that do not fit; whether the others do now.
    pub(super) fn leave_some(&mut self, left: &mut Left) -> bool {
        for _ in 0..STEP {
            if self.weight() <= self.capacity || !self.advance_cold(left) {
                self.queues.0.iter_mut().for_each(|queue| queue.ring.shrink());
                return true;
            }
        }
        false
    }

    /// Lets entries leave until there is room for `weight` more.
    fn make_room(&mut self, weight: u64, left: &mut Left) {
        while (self.weight() + weight > self.capacity || self.table.len() >= ENTRIES_MAX) && self.advance_cold(left) {}
    }

    /// The first of the cold ones leaves, or becomes hot if it was asked for; whether anything changed.
    fn advance_cold(&mut self, left: &mut Left) -> bool {
        let Some((number, top, place)) = self.pop(false) else {
            return self.advance_hot(left);
        };
        if place.uses() == 0 {
            if let Some(entry) = self.evict(top, false, number, left) {
                self.ghosts.remember(entry, self.table.len() / GHOSTS_PER);
            }
            return true;
        }
        if let Some(entry) = self.table.find(joined(top, 0), has(false, number)) {
            self.queues.of(false).weight -= entry.weight();
            let hash = joined(top, entry.spot().low());
            self.queues.append(true, place.uses() - 1, hash, entry);
        }
        for _ in 0..TRIMMED_MAX {
            if self.queues.of(true).weight <= weight_max(self.capacity) || !self.advance_hot(left) {
                break;
            }
        }
        true
    }

    /// The first of the hot ones that was not asked for lately leaves; those before it get another round. Whether there was
    /// one.
    fn advance_hot(&mut self, left: &mut Left) -> bool {
        let mut spared = 0;
        while let Some((number, top, place)) = self.pop(true) {
            if place.uses() == 0 || spared == SPARED_MAX {
                self.evict(top, true, number, left);
                return true;
            }
            spared += 1;
            if let Some(entry) = self.table.find(joined(top, 0), has(true, number)) {
                let number = self.queues.of(true).ring.push(top);
                entry.spot().set_place(Place::new(true, place.uses() - 1, number));
            }
        }
        false
    }

    /// Takes the first place out of a queue: its number, the upper half of the hash of who had it, and that place.
    fn pop(&mut self, is_hot: bool) -> Option<(u32, u32, Place)> {
        let table = &self.table;
        let place = |(number, top): (u32, u32)| {
            let entry = table.find(joined(top, 0), has(is_hot, number));
            entry.map_or(Place::new(is_hot, 0, number), |entry| entry.spot().place())
        };
        let ring = &mut self.queues.of(is_hot).ring;
        // Nobody has asked for their buckets and entries for long: they come from far, and so together.
        if ring.starts_at_multiple_of(AHEAD) {
            let ahead = || ring.iter().take(AHEAD);
            ahead().for_each(|(_, top)| table.fetch(joined(top, 0)));
            ahead().for_each(|next| {
                std::hint::black_box(place(next));
            });
        }
        let (number, top) = ring.pop()?;
        Some((number, top, place((number, top))))
    }

    /// Lets who had this place leave; its hash.
    fn evict(&mut self, top: u32, is_hot: bool, number: u32, left: &mut Left) -> Option<u64> {
        let queues = &self.queues;
        let hash_of = |entry: &Entry| queues.hash_of(entry);
        let entry = self.table.take(joined(top, 0), has(is_hot, number), hash_of)?;
        self.queues.of(is_hot).weight -= entry.weight();
        let hash = joined(top, entry.spot().low());
        entry.spot().leave();
        left.push(entry, Eviction::Capacity);
        Some(hash)
    }
}
