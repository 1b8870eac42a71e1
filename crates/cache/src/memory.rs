//! The memory tier: what the engine asks of the place where entries are. Which entry makes room for which is the tier's own
//! business; deadlines, invalidations and markers are the engine's.

use crate::entry::Entry;
use crate::outcome::Eviction;

mod clock_pro;

pub(crate) use clock_pro::ClockPro;

/// What became of an entry that was to be put into a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is in.
    Stored,
    /// It is larger than the tier takes, or made room for others at once. What was under its hash before is gone.
    Refused,
}

/// What a tier holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The weight of all entries, in bytes.
    pub(crate) bytes: u64,
    /// How many there are.
    pub(crate) entries: u64,
}

/// A bounded place for entries, found by hash.
///
/// The caller guarantees that an entry's weight does not change while it is in a tier, that it is in one tier and under one
/// hash only, and compares texts after [`MemoryTier::get`]. The tier guarantees that the weights of its entries together stay within its capacity, and that what
/// is removed, replaced or pushed out is dropped outside its locks.
pub(crate) trait MemoryTier: Send + Sync {
    /// The entry under `hash`, noting that it was wanted.
    fn get(&self, hash: u64) -> Option<Entry>;
    /// The entry under `hash`, noting nothing.
    fn peek(&self, hash: u64) -> Option<Entry>;
    /// Puts `entry` under `hash`, in place of what is there; counts why something is out for that, be it `entry` itself.
    fn insert(&self, hash: u64, entry: Entry) -> Inserted;
    /// Takes out what is under `hash` if it is `entry`, and counts `why`, unless it only moves; whether it was.
    fn remove(&self, hash: u64, entry: &Entry, why: Option<Eviction>) -> bool;
    /// Changes the capacity to `bytes`, pushing out what no longer fits.
    fn resize(&self, bytes: u64);
    /// The heaviest entry that the tier takes.
    fn weight_max(&self) -> u64;
    /// Shows every entry that is there from beginning to end, and possibly others, until `visit` answers `false`. Holds no
    /// lock while it calls.
    fn iterate(&self, visit: &mut dyn FnMut(u64, &Entry) -> bool);
    /// Whether something of `weight` can be put under `hash` and nothing has to make room for it.
    fn has_room(&self, hash: u64, weight: u64) -> bool;
    /// What it holds.
    fn usage(&self) -> Usage;
    /// Whether entries have to make room for others, or soon will.
    fn is_crowded(&self) -> bool;
}
