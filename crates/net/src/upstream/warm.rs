//! Slow start: a target that appears or comes back has cold caches and no connections. For a while it takes part in only a
//! growing share of the choices, from a tenth to all of them.

use parking_lot::Mutex;
use peregrine_base::Instant;
use std::time::Duration;

/// The share at the beginning.
const SHARE_MIN: f64 = 0.1;

/// Since when a target is in service.
#[derive(Debug, Default)]
pub(crate) struct Warmth(Mutex<Option<Begun>>);

#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    /// Whether it was not there before: nobody has stood in for it.
    is_new: bool,
}

impl Warmth {
    /// It is back at `now`, and cold.
    pub(crate) fn begin(&self, now: Instant) {
        *self.0.lock() = Some(Begun { at: now, is_new: false });
    }

    /// It is there for the first time at `now`, and cold.
    pub(crate) fn begin_new(&self, now: Instant) {
        *self.0.lock() = Some(Begun { at: now, is_new: true });
    }

    /// In how many of the choices it takes part at `now`, when it needs `span` to be warm.
    pub(crate) fn share(&self, now: Instant, span: Duration) -> f64 {
        let mut begun = self.0.lock();
        let Some(Begun { at, .. }) = *begun else { return 1.0 };
        let passed = now.since(at);
        if passed >= span {
            *begun = None;
            return 1.0;
        }
        (passed.as_secs_f64() / span.as_secs_f64()).max(SHARE_MIN)
    }

    /// How much of its weight its group is missed for, were it not there: all of it, unless it is new.
    pub(crate) fn expected(&self, now: Instant, span: Duration) -> f64 {
        let share = self.share(now, span);
        let is_new = self.0.lock().is_some_and(|begun| begun.is_new);
        if is_new { share } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn the_share_grows_from_a_tenth_to_all() {
        let warmth = Warmth::default();
        let span = Duration::from_secs(10);
        assert_eq!(warmth.share(at(0), span), 1.0, "who was there from the start is warm");
        warmth.begin(at(1000));
        let shares = [1000, 1500, 6000, 10_999, 11_000, 12_000].map(|millis| warmth.share(at(millis), span));
        assert_eq!((shares[0], shares[1], shares[2]), (0.1, 0.1, 0.5));
        assert!(shares[3] < 1.0);
        assert_eq!((shares[4], shares[5]), (1.0, 1.0));
        warmth.begin(at(20_000));
        assert_eq!(warmth.share(at(20_000), Duration::ZERO), 1.0, "switched off");
    }

    proptest! {
        #[test]
        fn it_never_falls_and_stays_between_its_bounds(steps in prop::collection::vec(0u64..3000, 1..50), span in 0u64..60_000) {
            let (warmth, span) = (Warmth::default(), Duration::from_millis(span));
            warmth.begin(at(0));
            let (mut now, mut before) = (0, 0.0);
            for step in steps {
                now += step;
                let share = warmth.share(at(now), span);
                prop_assert!((SHARE_MIN..=1.0).contains(&share) && share >= before);
                before = share;
            }
        }
    }
}
