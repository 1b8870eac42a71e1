//! The policy, for the part of the tier that one lock guards. See [`super`] for what it does.

use super::Left;
use super::buckets::{Buckets, joined, low, top};
use super::ghosts::Ghosts;
use super::ring::Ring;
use crate::entry::{Entry, Place};
use crate::outcome::Eviction;

/// The share of a shard that may be hot, in percent, and so the heaviest entry.
const HOT_PERCENT: u64 = 97;
/// More entries are not held: their places have numbers.
const ENTRIES_MAX: usize = 1 << 27;
/// For so many entries one that left is remembered: with more of them a loop that is twice as long as the cache pushes itself
/// out, with fewer it takes longer until what is popular now has its place.
const GHOSTS_PER: usize = 2;

/// One of the two queues.
#[derive(Debug, Default)]
struct Queue {
    ring: Ring,
    weight: u64,
}

/// Entries, and the order in which they leave.
#[derive(Debug)]
pub(super) struct Shard {
    table: Buckets,
    cold: Queue,
    hot: Queue,
    ghosts: Ghosts,
    capacity: u64,
}

impl Shard {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            table: Buckets::with_room_for(0),
            cold: Queue::default(),
            hot: Queue::default(),
            ghosts: Ghosts::default(),
            capacity,
        }
    }

    /// The heaviest entry that fits, which is how heavy all that is hot may be together.
    pub(super) const fn weight_max(&self) -> u64 {
        self.capacity / 100 * HOT_PERCENT
    }

    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) const fn weight(&self) -> u64 {
        self.cold.weight + self.hot.weight
    }

    pub(super) const fn has_room(&self, weight: u64) -> bool {
        self.weight() + weight <= self.capacity
    }

    /// How many places there are in the queues, with those that were given up.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.cold.ring.places() + self.hot.ring.places()
    }

    pub(super) const fn entries(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(super) fn get(&self, hash: u64) -> Option<&Entry> {
        self.table.get(hash)
    }

    /// As [`Buckets::visit`]: copies with their hashes, and where to go on.
    pub(super) fn copy(&self, from: u64, number: usize) -> (Vec<(u64, Entry)>, Option<u64>) {
        let mut entries = Vec::new();
        let next = self.table.visit(from, number, |entry| {
            entries.push((self.hash(entry), entry.clone()));
        });
        (entries, next)
    }

    /// What `entry`, which is here, is stored under.
    fn hash(&self, entry: &Entry) -> u64 {
        let (low, place) = (entry.spot().low(), entry.spot().place());
        let queue = if place.is_hot() { &self.hot } else { &self.cold };
        joined(queue.ring.get(place.number()).unwrap_or_default(), low)
    }

    fn queue(&mut self, is_hot: bool) -> &mut Queue {
        if is_hot { &mut self.hot } else { &mut self.cold }
    }

    /// Puts `entry` under `hash`, in place of what is there.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry, left: &mut Left) {
        let weight = entry.weight();
        if weight > self.weight_max() {
            if let Some(there) = self.remove(hash) {
                left.push(there, Eviction::Replaced);
            }
            left.push(entry, Eviction::Refused);
            return;
        }
        if let Some(there) = self.table.get(hash) {
            // Storing again is a use, and changes nothing about whose turn it is.
            let (place, before) = (there.spot().place(), there.weight());
            entry.spot().set(low(hash), place.used());
            let queue = self.queue(place.is_hot());
            queue.weight = queue.weight - before + weight;
            if let Some(there) = self.table.replace(hash, entry) {
                left.push(there, Eviction::Replaced);
            }
            self.make_room(0, left);
            return;
        }
        let is_hot = self.ghosts.take(hash) || self.hot.weight + weight <= self.weight_max();
        self.make_room(weight, left);
        if self.table.is_full() {
            self.rebuild(self.table.twice());
        }
        let queue = self.queue(is_hot);
        queue.weight += weight;
        let number = queue.ring.push(top(hash));
        entry.spot().set(low(hash), Place::new(is_hot, 0, number));
        self.table.insert(hash, entry);
    }

    /// Takes out what is under `hash`.
    pub(super) fn remove(&mut self, hash: u64) -> Option<Entry> {
        let entry = self.table.remove(hash)?;
        let place = entry.spot().place();
        let queue = self.queue(place.is_hot());
        queue.weight -= entry.weight();
        queue.ring.vacate(place.number());
        if queue.ring.is_sparse() {
            self.close_ranks(place.is_hot());
        }
        Some(entry)
    }

    /// Changes the capacity.
    pub(super) fn resize(&mut self, capacity: u64, left: &mut Left) {
        self.capacity = capacity;
        self.make_room(0, left);
        if self.table.is_wide() {
            self.rebuild(Buckets::with_room_for(self.table.len()));
            self.cold.ring.shrink();
            self.hot.ring.shrink();
        }
    }

    /// Lets entries leave until there is room for `weight` more.
    fn make_room(&mut self, weight: u64, left: &mut Left) {
        while (self.weight() + weight > self.capacity || self.table.len() >= ENTRIES_MAX) && self.advance_cold(left) {}
    }

    /// The first of the cold ones leaves, or becomes hot if it was asked for; whether anything changed.
    fn advance_cold(&mut self, left: &mut Left) -> bool {
        let Some((number, top)) = self.cold.ring.pop() else {
            return self.advance_hot(left);
        };
        let Some((hash, entry)) = self.table.at(top, false, number) else {
            return true;
        };
        let (weight, uses) = (entry.weight(), entry.spot().place().uses());
        self.cold.weight -= weight;
        if uses > 0 {
            let number = self.hot.ring.push(top);
            entry.spot().set_place(Place::new(true, uses - 1, number));
            self.hot.weight += weight;
            while self.hot.weight > self.weight_max() && self.advance_hot(left) {}
        } else if let Some(entry) = self.table.remove(hash) {
            let number = self.table.len() / GHOSTS_PER;
            self.ghosts.remember(hash, number);
            left.push(entry, Eviction::Capacity);
        }
        true
    }

    /// The first of the hot ones that was not asked for lately leaves; those before it get another round. Whether there was
    /// one.
    fn advance_hot(&mut self, left: &mut Left) -> bool {
        while let Some((number, top)) = self.hot.ring.pop() {
            let Some((hash, entry)) = self.table.at(top, true, number) else {
                continue;
            };
            let uses = entry.spot().place().uses();
            if uses > 0 {
                let number = self.hot.ring.push(top);
                entry.spot().set_place(Place::new(true, uses - 1, number));
                continue;
            }
            self.hot.weight -= entry.weight();
            if let Some(entry) = self.table.remove(hash) {
                left.push(entry, Eviction::Capacity);
            }
            return true;
        }
        false
    }

    /// Moves all entries to `table`, which is empty.
    fn rebuild(&mut self, table: Buckets) {
        let entries = std::mem::replace(&mut self.table, table).into_entries();
        for entry in entries {
            let hash = self.hash(&entry);
            self.table.insert(hash, entry);
        }
    }

    /// Gives the entries of a queue new places, one behind the other.
    fn close_ranks(&mut self, is_hot: bool) {
        let queue = self.queue(is_hot);
        let next = queue.ring.successor();
        let mut ring = std::mem::replace(&mut queue.ring, next);
        while let Some((number, top)) = ring.pop() {
            let queue = if is_hot { &mut self.hot } else { &mut self.cold };
            if let Some((_, entry)) = self.table.at(top, is_hot, number) {
                let uses = entry.spot().place().uses();
                let number = queue.ring.push(top);
                entry.spot().set_place(Place::new(is_hot, uses, number));
            }
        }
    }
}
