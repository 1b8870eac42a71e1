//! Trust: whether what lies in memory may be served without a label. Written by whoever talks to Redis, read by every lookup.
//!
//! An entry may be served while nothing that this node has not heard of can be older than the bound. There are two ways to
//! know: the entry's load began within the bound, so whatever it missed is younger than that; or every invalidation up to
//! `verified_at` has reached the ledger, and that is within the bound. Neither holds for an entry from before a gap
//! (`lc_floor`): what was invalidated in a gap never reaches the ledger, and yet this node says from then on that it has heard
//! of it, which receipts count on.
//!
//! The order carries the promise P2, on both sides:
//! * the writer raises targets and the floor first and publishes `verified_at` last (release);
//! * a lookup reads `verified_at` *first* (acquire, [`ShardTrust::glance`]), then compares the entry with the ledger, then
//!   reads the clock, and then asks [`ShardTrust::admits`]. A thread that is stopped anywhere between finds its time up.

use super::generation::Stamp;
use crate::sync::{AtomicU64, Ordering, RwLock};
use peregrine_base::Instant;
use std::time::Duration;

/// What lookups know of one control shard.
#[derive(Debug, Default)]
pub(crate) struct ShardTrust {
    /// Nanoseconds; zero: never.
    verified_at: AtomicU64,
    /// What was loaded at an older `lc` is doubtful.
    lc_floor: AtomicU64,
    /// What a load that begins now carries.
    stand: RwLock<Option<Stamp>>,
}

/// Up to when everything that happened had reached the ledger, when the look began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    verified_at: u64,
}

impl ShardTrust {
    /// The first step of a check.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        Glance {
            verified_at: self.verified_at.load(Ordering::Acquire),
        }
    }

    /// The last step of a check: whether something whose load began at `lc` and at `load_start` (nothing: it came from
    /// elsewhere) may be served. `now` was read after the entry was compared with the ledger.
    #[inline]
    pub(crate) fn admits(
        &self,
        glance: Glance,
        (lc, load_start): (u64, Option<Instant>),
        now: Instant,
        bound: Duration,
    ) -> bool {
        lc >= self.lc_floor.load(Ordering::Acquire)
            && (load_start.is_some_and(|start| now.since(start) <= bound) || glance.is_within(now, bound))
    }

    /// What was loaded before `lc` is doubtful from now on.
    pub(crate) fn raise_floor(&self, lc: u64) {
        self.lc_floor.store(lc, Ordering::Release);
    }

    /// Everything up to `at` has reached the ledger. To be called by one thread at a time.
    pub(crate) fn verify(&self, at: Instant) {
        if self.verified_at.load(Ordering::Relaxed) < at.as_nanos() {
            self.verified_at.store(at.as_nanos(), Ordering::Release);
        }
    }

    /// A load that begins from now on carries `stamp`.
    pub(crate) fn stand_at(&self, stamp: Stamp) {
        *self.stand.write() = Some(stamp);
    }

    /// What a load that begins now carries.
    pub(crate) fn stand(&self) -> Option<Stamp> {
        *self.stand.read()
    }
}

impl Glance {
    /// Whether that was within the bound.
    #[inline]
    pub(crate) fn is_within(self, now: Instant, bound: Duration) -> bool {
        self.verified_at > 0 && now.since(Instant::from_nanos(self.verified_at)) <= bound
    }
}
