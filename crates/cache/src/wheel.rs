//! A coarse timer wheel: for each tick of eight seconds, how many bytes of entries become useless in it. It holds sums and
//! no entries, so it costs nothing per entry and cannot grow; it tells *when* walking the tier is worth the while. A walk
//! finds the entries themselves and fills the wheel anew, so that what was replaced or pushed out meanwhile is forgotten.

use crate::sync::{AtomicU64, Ordering};
use peregrine_base::Instant;

/// The length of a tick in nanoseconds.
const TICK_NANOS: u64 = 8_000_000_000;
/// How many ticks there are: 68 minutes. What lies later is looked at then.
const TICKS: usize = 512;

/// Sums of what becomes useless when.
pub(crate) struct Wheel {
    /// The tick of the first sum.
    base: AtomicU64,
    sums: Box<[AtomicU64]>,
}

impl Wheel {
    /// An empty wheel that begins at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        let sums = (0..TICKS).map(|_| AtomicU64::new(0)).collect();
        Self {
            base: AtomicU64::new(tick(now)),
            sums,
        }
    }

    /// Notes that `bytes` become useless at `at`.
    pub(crate) fn note(&self, at: Instant, bytes: u64) {
        let ahead = tick(at).saturating_sub(self.base.load(Ordering::Relaxed));
        let index = usize::try_from(ahead).unwrap_or(TICKS).min(TICKS - 1);
        if let Some(sum) = self.sums.get(index) {
            sum.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// How many bytes became useless before the tick of `now`, or have to be looked at again.
    pub(crate) fn due(&self, now: Instant) -> u64 {
        let passed = tick(now).saturating_sub(self.base.load(Ordering::Relaxed));
        let passed = usize::try_from(passed).unwrap_or(TICKS);
        self.sums
            .iter()
            .take(passed)
            .map(|sum| sum.load(Ordering::Relaxed))
            .sum()
    }

    /// Empties the wheel before a walk that begins at `now` fills it.
    pub(crate) fn restart(&self, now: Instant) {
        self.base.store(tick(now), Ordering::Relaxed);
        self.sums.iter().for_each(|sum| sum.store(0, Ordering::Relaxed));
    }
}

fn tick(at: Instant) -> u64 {
    at.as_nanos() / TICK_NANOS
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_over_is_due() {
        let start = Instant::from_nanos(1_000 * TICK_NANOS);
        let wheel = Wheel::new(start);
        wheel.note(start.after(Duration::from_secs(60)), 5);
        wheel.note(start.after(Duration::from_secs(3600 * 24)), 7);
        assert_eq!(wheel.due(start.after(Duration::from_secs(50))), 0);
        assert_eq!(wheel.due(start.after(Duration::from_secs(70))), 5);
        assert_eq!(
            wheel.due(start.after(Duration::from_secs(3600 * 2))),
            12,
            "what lies past the wheel is looked at when it ends"
        );
        wheel.restart(start.after(Duration::from_secs(70)));
        assert_eq!(wheel.due(start.after(Duration::from_secs(3600 * 2))), 0);
    }
}
