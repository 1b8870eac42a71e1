//! A rate as one number (the generic cell rate algorithm, ITU-T I.371): when the next would be due if all came evenly. It may
//! run ahead of the time by [`BURST`], so that a page with its pictures passes whole.

use peregrine_base::Instant;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far ahead of the even pace it may be, in nanoseconds.
const BURST: u64 = 1_000_000_000;

/// Lets so many pass each second, and as many at once after a pause.
#[derive(Debug)]
pub(crate) struct Pace {
    step: u64,
    due: AtomicU64,
}

impl Pace {
    /// So many a second.
    pub(crate) const fn new(per_s: u32) -> Self {
        Self {
            step: 1_000_000_000 / per_s as u64,
            due: AtomicU64::new(0),
        }
    }

    /// Whether one may pass now.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.load(Ordering::Relaxed) + self.step <= now.as_nanos().saturating_add(BURST)
    }

    /// Lets one pass, if it may.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let limit = now.as_nanos().saturating_add(BURST);
        let moved = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let next = due.max(now.as_nanos()).saturating_add(self.step);
            (next <= limit).then_some(next)
        });
        moved.is_ok()
    }
}
