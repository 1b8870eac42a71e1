//! Where an entry stands in its tier: the tier's own notes, kept with the entry because a lookup reads its head anyway.

use crate::sync::{AtomicU32, Ordering};

/// Half of the hash that an entry is stored under, and its place in a queue. Written by the tier under its lock, except that
/// who holds it for reading adds uses; of two that meet one is lost, which is harmless.
#[derive(Debug)]
pub(crate) struct Spot {
    low: AtomicU32,
    place: AtomicU32,
}

/// A place in a queue, with how often the entry was asked for lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    /// Places have numbers below this, and begin again with zero.
    pub(crate) const NUMBERS: u32 = 1 << 29;
    /// More uses are not counted.
    pub(crate) const USES_MAX: u32 = 2;
    const HOT: u32 = 1 << 31;
    /// No place: no entry has so many uses.
    const NONE: Self = Self::new(false, Self::USES_MAX + 1, 0);

    /// The place `number` in one of the two queues.
    pub(crate) const fn new(is_hot: bool, uses: u32, number: u32) -> Self {
        let queue = if is_hot { Self::HOT } else { 0 };
        Self(queue | uses << 29 | number)
    }

    /// Whether it is one.
    pub(crate) const fn is_some(self) -> bool {
        self.uses() <= Self::USES_MAX
    }

    pub(crate) const fn is_hot(self) -> bool {
        self.0 & Self::HOT != 0
    }

    pub(crate) const fn uses(self) -> u32 {
        (self.0 & !Self::HOT) >> 29
    }

    pub(crate) const fn number(self) -> u32 {
        self.0 & (Self::NUMBERS - 1)
    }

    /// The same after one use more.
    pub(crate) const fn used(self) -> Self {
        if self.uses() < Self::USES_MAX {
            Self(self.0 + Self::NUMBERS)
        } else {
            self
        }
    }
}

impl Spot {
    pub(super) const fn new() -> Self {
        Self {
            low: AtomicU32::new(0),
            place: AtomicU32::new(Place::NONE.0),
        }
    }

    /// The lower half of the hash.
    #[inline]
    pub(crate) fn low(&self) -> u32 {
        self.low.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn place(&self) -> Place {
        Place(self.place.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, low: u32, place: Place) {
        self.low.store(low, Ordering::Relaxed);
        self.set_place(place);
    }

    #[inline]
    pub(crate) fn set_place(&self, place: Place) {
        self.place.store(place.0, Ordering::Relaxed);
    }

    /// The entry is in no tier any more.
    pub(crate) fn leave(&self) {
        self.set_place(Place::NONE);
    }

    /// Notes a use. Only for who holds the tier's lock for reading: otherwise it might bring back a place of before.
    #[inline]
    pub(crate) fn touch(&self) {
        let place = self.place();
        if place.uses() < Place::USES_MAX {
            self.set_place(place.used());
        }
    }
}
