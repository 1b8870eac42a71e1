//! The table of loads under way: for each key the loads of its variants. It is spread over locks by the key's hash.
//!
//! The lock of a key's place is also the lock under which values are put into memory. So whoever holds it sees a load either
//! under way or its value in memory, never neither; that is what keeps a key to one load (promise P3).

use crate::flight::Flight;
use crate::ledger::Position;
use crate::selector::Selector;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};
use std::collections::HashMap;
use std::sync::Arc;

/// Into how many locks the table is divided; a power of two.
#[cfg(not(feature = "shuttle"))]
const SHARDS: usize = 64;
#[cfg(feature = "shuttle")]
const SHARDS: usize = 2;

/// The loads under way.
pub(crate) struct Flights {
    shards: [Mutex<Shard>; SHARDS],
    count: AtomicUsize,
}

/// A part of the table.
#[derive(Default)]
pub(crate) struct Shard {
    slots: HashMap<Box<str>, Slot>,
    /// How often a value was written or taken out by name.
    written: u64,
    /// What is on its way to Redis, by key.
    setting: HashMap<Box<str>, Setting>,
}

/// Values of one key that were set by name and are on their way to Redis.
#[derive(Default)]
struct Setting {
    /// The number of the last write of the key.
    last: u64,
    under_way: usize,
}

/// The loads of one key.
#[derive(Default)]
pub(crate) struct Slot {
    /// The names by which variants differ, as far as the loads here have shown.
    pub(crate) selector: Option<Selector>,
    pub(crate) listed: Vec<Listed>,
}

/// A load of a key.
pub(crate) struct Listed {
    /// The variant that it brings; nothing while that is not known.
    pub(crate) variant: Option<String>,
    /// Whether others may wait for it.
    pub(crate) joinable: bool,
    /// The part that it brings, as its asker wrote it; nothing when it is the whole.
    pub(crate) part: Option<Box<str>>,
    pub(crate) flight: Arc<Flight>,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
            count: AtomicUsize::new(0),
        }
    }

    /// The part of the table in which the key with this hash has its place.
    pub(crate) fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Bits that neither the tier's shards nor its table favour.
        let index = usize::try_from(hash >> 48).unwrap_or(0) & (SHARDS - 1);
        match self.shards.get(index) {
            Some(shard) => shard.lock(),
            None => self.shards[0].lock(),
        }
    }

    /// How many loads are under way.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Enters a load.
    pub(crate) fn list(&self, shard: &mut Shard, key: &str, listed: Listed) {
        self.count.fetch_add(1, Ordering::Relaxed);
        match shard.slots.get_mut(key) {
            Some(slot) => slot.listed.push(listed),
            None => {
                shard.slots.insert(
                    key.into(),
                    Slot {
                        selector: None,
                        listed: vec![listed],
                    },
                );
            }
        }
    }

    /// Strikes a load out; whether it was there.
    pub(crate) fn unlist(&self, shard: &mut Shard, key: &str, flight: &Arc<Flight>) -> bool {
        let Some(slot) = shard.slots.get_mut(key) else {
            return false;
        };
        let before = slot.listed.len();
        slot.listed.retain(|listed| !Arc::ptr_eq(&listed.flight, flight));
        let struck = before - slot.listed.len();
        self.count.fetch_sub(struck, Ordering::Relaxed);
        if slot.listed.is_empty() {
            shard.slots.remove(key);
        }
        struck > 0
    }

    /// The position of the load that began first.
    pub(crate) fn oldest(&self) -> Option<Position> {
        let oldest = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard
                .slots
                .values()
                .flat_map(|slot| &slot.listed)
                .map(|listed| listed.flight.position)
                .min()
        };
        self.shards.iter().filter_map(oldest).min()
    }
}

impl Shard {
    /// The loads of a key, if there are any.
    pub(crate) fn slot(&mut self, key: &str) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    /// The value of `key` is written or taken out: that overtakes every load of it.
    pub(crate) fn write(&mut self, key: &str) {
        self.written += 1;
        if let Some(setting) = self.setting.get_mut(key) {
            setting.last = self.written;
        }
        if let Some(slot) = self.slot(key) {
            slot.overtake();
        }
    }

    /// What was just written under `key` is on its way to Redis until [`Shard::end_setting`]; the number of the write.
    pub(crate) fn begin_setting(&mut self, key: &str) -> u64 {
        let setting = self.setting.entry(key.into()).or_default();
        setting.last = self.written;
        setting.under_way += 1;
        self.written
    }

    /// Whether what was written under `key` with this number has not been written over or taken out since.
    pub(crate) fn is_last(&self, key: &str, number: u64) -> bool {
        self.setting.get(key).is_some_and(|setting| setting.last == number)
    }

    /// See [`Shard::begin_setting`].
    pub(crate) fn end_setting(&mut self, key: &str) {
        if let Some(setting) = self.setting.get_mut(key) {
            setting.under_way -= 1;
            if setting.under_way == 0 {
                self.setting.remove(key);
            }
        }
    }

    /// Another number than before where a value was written or taken out since, of whichever key.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

impl Slot {
    /// A write overtakes every load of the key: they end for those who wait, nobody joins, nothing of them is stored.
    pub(crate) fn overtake(&mut self) {
        for listed in &mut self.listed {
            listed.joinable = false;
            listed.flight.overtake();
        }
    }

    /// The load of `flight`.
    pub(crate) fn find(&mut self, flight: &Arc<Flight>) -> Option<&mut Listed> {
        self.listed
            .iter_mut()
            .find(|listed| Arc::ptr_eq(&listed.flight, flight))
    }
}
