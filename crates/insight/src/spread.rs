//! How many durations fell into which bucket within a span: the difference of two readings of a histogram. Only buckets that
//! counted something are kept (a 16-bit index and a 32-bit count: 6 bytes each, rounded up to 8), so that a quiet minute
//! costs next to nothing. Spreads of neighbouring spans add up to the spread of both, and a quantile is always taken from
//! such a sum: averaging the quantiles of parts would give the quantile of nothing.

use peregrine_telemetry::HistogramSnapshot;
use peregrine_telemetry::histogram::{bucket_of, upper_edge_micros};
use std::time::Duration;

/// Durations by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Index and count, by index, without empty ones. A count stops at the largest number.
    buckets: Vec<(u16, u32)>,
    sum_micros: u64,
}

impl Spread {
    /// What `new` counted that `old` had not; everything that `new` counted if it began anew.
    #[must_use]
    pub fn between(new: &HistogramSnapshot, old: Option<&HistogramSnapshot>) -> Self {
        let began_anew = |old: &&HistogramSnapshot| new.count < old.count || new.sum_micros < old.sum_micros;
        let old = old.filter(|old| !began_anew(old));
        let before = |index: usize| old.and_then(|old| old.buckets().get(index)).copied().unwrap_or(0);
        let counted = new.buckets().iter().enumerate().filter_map(|(index, count)| {
            let more = count.saturating_sub(before(index));
            let index = u16::try_from(index).ok()?;
            (more > 0).then(|| (index, u32::try_from(more).unwrap_or(u32::MAX)))
        });
        let mut buckets: Vec<_> = counted.collect();
        buckets.shrink_to_fit();
        Self {
            buckets,
            sum_micros: new.sum_micros - old.map_or(0, |old| old.sum_micros),
        }
    }

    /// Counts one duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = u16::try_from(bucket_of(micros)).unwrap_or(u16::MAX);
        self.merge(&Self {
            buckets: vec![(index, 1)],
            sum_micros: micros,
        });
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.sum_micros = self.sum_micros.saturating_add(other.sum_micros);
        for (index, count) in &other.buckets {
            match self.buckets.binary_search_by_key(index, |(index, _)| *index) {
                Ok(place) => {
                    let own = &mut self.buckets[place].1;
                    *own = own.saturating_add(*count);
                }
                Err(place) => {
                    if self.buckets.len() == self.buckets.capacity() {
                        self.buckets.reserve_exact(8);
                    }
                    self.buckets.insert(place, (*index, *count));
                }
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// All of them together, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        Duration::from_micros(self.sum_micros).as_secs_f64()
    }

    /// Their mean in milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.seconds() * 1000.0 / count as f64)
    }

    /// The duration in milliseconds below which the share `quantile` (0 to 1) of them lies: the upper edge of its bucket.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (count as f64 * quantile.clamp(0.0, 1.0)).ceil().max(1.0);
        let mut seen = 0u64;
        let found = self.buckets.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen as f64 >= rank
        });
        let (index, _) = found.or(self.buckets.last())?;
        Some(edge_ms(*index))
    }

    /// How many were at most `limit`, rounded down to the edge of a bucket.
    #[must_use]
    pub fn count_at_most(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let within = self
            .buckets
            .iter()
            .take_while(|(index, _)| upper_edge_micros(usize::from(*index)) <= limit);
        within.map(|(_, count)| u64::from(*count)).sum()
    }

    /// Every bucket that counted something: its upper edge in milliseconds and its count.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.buckets
            .iter()
            .map(|(index, count)| (edge_ms(*index), u64::from(*count)))
    }

    /// As it is written to a file: what [`Spread::parts`] takes.
    pub(crate) fn raw(&self) -> (&[(u16, u32)], u64) {
        (&self.buckets, self.sum_micros)
    }

    /// What [`Spread::raw`] gave; nothing when the indices are not in order.
    pub(crate) fn of_raw(buckets: Vec<(u16, u32)>, sum_micros: u64) -> Option<Self> {
        let in_order = buckets.is_sorted_by(|one, next| one.0 < next.0);
        in_order.then_some(Self { buckets, sum_micros })
    }
}

fn edge_ms(index: u16) -> f64 {
    Duration::from_micros(upper_edge_micros(usize::from(index))).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_telemetry::Histogram;
    use proptest::prelude::*;

    fn spread_of(micros: &[u64]) -> Spread {
        let mut spread = Spread::default();
        micros
            .iter()
            .for_each(|micros| spread.add(Duration::from_micros(*micros)));
        spread
    }

    proptest! {
        /// A quantile is the exact one, or at most an eighth (and a microsecond) above it.
        #[test]
        fn quantiles_are_an_eighth_above_the_exact_ones_at_most(
            mut micros in prop::collection::vec(0u64..60_000_000, 1..400),
            quantile in 0.0f64..=1.0,
        ) {
            let found = spread_of(&micros).quantile_ms(quantile).unwrap() * 1000.0;
            micros.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
            let rank = ((micros.len() as f64 * quantile).ceil() as usize).clamp(1, micros.len());
            let exact = micros[rank - 1] as f64;
            prop_assert!(found >= exact - 0.5 && found <= exact * 1.125 + 1.0, "{found} for {exact}");
        }

        /// The difference of two readings is the spread of what was recorded between them, and parts add up to the whole.
        #[test]
        fn differences_add_up(first in prop::collection::vec(0u64..9_000_000, 0..60), second in prop::collection::vec(0u64..9_000_000, 0..60)) {
            let histogram = Histogram::new();
            let start = histogram.snapshot();
            first.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros)));
            let middle = histogram.snapshot();
            second.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros)));
            let end = histogram.snapshot();
            prop_assert_eq!(Spread::between(&end, Some(&middle)), spread_of(&second));
            let mut sum = Spread::between(&middle, Some(&start));
            sum.merge(&Spread::between(&end, Some(&middle)));
            prop_assert_eq!(sum, Spread::between(&end, None));
        }

        /// What counts as at most a limit really is, and nothing is left out that lies an eighth below it.
        #[test]
        fn counts_below_a_limit_err_on_the_safe_side(micros in prop::collection::vec(0u64..9_000_000, 0..200), limit in 1u64..9_000_000) {
            let counted = spread_of(&micros).count_at_most(Duration::from_micros(limit));
            let exact = micros.iter().filter(|micros| **micros <= limit).count() as u64;
            let surely = micros.iter().filter(|micros| **micros + **micros / 8 < limit).count() as u64;
            prop_assert!(surely <= counted && counted <= exact, "{surely} {counted} {exact}");
        }
    }

    #[test]
    fn a_histogram_that_began_anew_counts_from_nothing() {
        let (old, new) = (Histogram::new(), Histogram::new());
        for _ in 0..10 {
            old.record(Duration::from_millis(5));
        }
        new.record(Duration::from_millis(9));
        let spread = Spread::between(&new.snapshot(), Some(&old.snapshot()));
        assert_eq!((spread.count(), spread.seconds()), (1, 0.009));
    }
}
