//! The clock by which ages are told between nodes: that of the Redis server which holds the control shard of a namespace. The
//! clocks of two nodes may differ by a quarter of an hour, so neither of them can say how old a value is that the other wrote.
//!
//! A node asks for the time now and then and remembers it beside its own monotonic clock. The answer was made between asking
//! and hearing, so what a value's age is told by has a smallest and a greatest reading; an age is taken between the smallest at
//! the writer and the greatest at the reader, which makes values rather older than they are, by the time of two round trips.
//!
//! After a failover the control shard lies on another server, whose clock may differ too. Then the generation is another one and
//! values of the one before are not used, so a reading that belongs to its generation is never compared with another's.

use crate::backplane::Gen;
use crate::sync::Mutex;
use peregrine_base::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// From when on a reading is replaced in the background.
pub(super) const READING_GOOD_FOR: Duration = Duration::from_secs(10);
/// From when on it is not used any more: a clock that is 100 millionths off is 6 ms wrong by then.
pub(super) const READING_USED_FOR: Duration = Duration::from_secs(60);

/// The time of Redis beside the node's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) generation: Gen,
    /// What Redis said, in milliseconds.
    pub(super) said_ms: u64,
    pub(super) asked: Instant,
    pub(super) heard: Instant,
}

impl Reading {
    /// The least that the clock of Redis may show at `at`, in milliseconds.
    pub(super) fn earliest(&self, at: Instant) -> u64 {
        self.moved(self.heard, at)
    }

    /// The most.
    pub(super) fn latest(&self, at: Instant) -> u64 {
        // The clock there shows whole milliseconds.
        self.moved(self.asked, at).saturating_add(1)
    }

    fn moved(&self, said_at: Instant, at: Instant) -> u64 {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.said_ms
            .saturating_add(millis(at.since(said_at)))
            .saturating_sub(millis(said_at.since(at)))
    }

    fn age(&self, now: Instant) -> Duration {
        now.since(self.heard)
    }
}

/// How usable the reading is that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    /// As it is.
    Good(Reading),
    /// It is to be replaced by the caller, in the background.
    Ageing(Reading),
    /// There is none.
    Missing,
}

/// The readings of all control shards.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<BTreeMap<u32, Slot>>);

#[derive(Debug, Default)]
struct Slot {
    reading: Option<Reading>,
    /// When somebody last went to replace it.
    asked: Option<Instant>,
}

impl Readings {
    /// The reading of `shard`, where that is in `generation`. Only one caller at a time is told to replace it.
    pub(super) fn get(&self, shard: u32, generation: Gen, now: Instant) -> Readable {
        let mut slots = self.0.lock();
        let slot = slots.entry(shard).or_default();
        let usable = slot
            .reading
            .filter(|reading| reading.generation == generation && reading.age(now) < READING_USED_FOR);
        match usable {
            None => Readable::Missing,
            Some(reading) if reading.age(now) < READING_GOOD_FOR => Readable::Good(reading),
            Some(reading)
                if slot
                    .asked
                    .is_some_and(|asked| now.since(asked) < Duration::from_secs(1)) =>
            {
                Readable::Good(reading)
            }
            Some(reading) => {
                slot.asked = Some(now);
                Readable::Ageing(reading)
            }
        }
    }

    /// Takes over a new reading.
    pub(super) fn put(&self, shard: u32, reading: Reading) {
        self.0.lock().entry(shard).or_default().reading = Some(reading);
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn reading() -> Reading {
        Reading {
            generation: Gen::NONE,
            said_ms: 1_000_000,
            asked: at(500),
            heard: at(520),
        }
    }

    #[test]
    fn the_true_time_lies_between_the_two_readings_before_and_after() {
        for own in [100, 510, 9_000] {
            // Wherever between asking and hearing Redis looked at its clock.
            for looked in [500, 511, 520] {
                let truth = 1_000_000 + own - looked;
                let (least, most) = (reading().earliest(at(own)), reading().latest(at(own)));
                assert!(least <= truth && truth <= most, "{least} {truth} {most}");
            }
        }
    }

    #[test]
    fn a_reading_of_another_generation_or_of_long_ago_is_none() {
        let readings = Readings::default();
        readings.put(0, reading());
        assert_eq!(readings.get(0, Gen::NONE, at(600)), Readable::Good(reading()));
        assert_eq!(readings.get(0, Gen::of("another"), at(600)), Readable::Missing);
        assert_eq!(readings.get(1, Gen::NONE, at(600)), Readable::Missing);
        assert_eq!(readings.get(0, Gen::NONE, at(20_000)), Readable::Ageing(reading()));
        assert_eq!(
            readings.get(0, Gen::NONE, at(20_100)),
            Readable::Good(reading()),
            "one replaces it"
        );
        assert_eq!(readings.get(0, Gen::NONE, at(90_000)), Readable::Missing);
    }
}
