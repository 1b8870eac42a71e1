//! A histogram of latencies: log-linear buckets, eight to each power of two, so that a quantile is off by at most 12.5%.
//! From 1 µs (everything below counts as that) to 2^36 µs (19 hours). Hits take a few microseconds, of which each has a
//! bucket of its own: parts of one are rounded up there, so that nothing that took time reads as none.

mod rare;

pub use rare::RareHistogram;

use crate::counter::add_to;
use crate::sharded::Sharded;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Below this a bucket is a microsecond wide, and parts of one are rounded up; above, an edge is far enough from what it
/// counts, and whole powers of two stay edges.
const ROUNDED_UP_NANOS: u64 = 16_000;
/// Buckets to each power of two, as a power of two.
const SUB_BITS: u32 = 3;
/// Powers of two above the linear start.
const OCTAVES: usize = 34;
/// How many buckets there are.
const BUCKETS: usize = (OCTAVES + 1) << SUB_BITS;

/// Counts durations into buckets.
#[derive(Debug)]
pub struct Histogram {
    shards: Sharded<Shard>,
}

#[derive(Debug)]
struct Shard {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Shard {
    const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_micros: AtomicU64::new(0),
        }
    }
}

/// What a histogram held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    buckets: Vec<u64>,
    /// All durations together, in microseconds.
    pub sum_micros: u64,
    /// How many durations were recorded.
    pub count: u64,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: Sharded::new() }
    }

    /// Counts `duration`.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let micros = if nanos < ROUNDED_UP_NANOS {
            nanos.div_ceil(1000)
        } else {
            nanos / 1000
        };
        let Some((shard, own)) = self.shards.mine(Shard::new) else {
            return;
        };
        if let Some(bucket) = shard.buckets.get(bucket_of(micros)) {
            add_to(bucket, 1, own);
        }
        // To the nearest, so that a mean of many is a mean.
        add_to(&shard.sum_micros, nanos.saturating_add(500) / 1000, own);
    }

    /// What was recorded so far.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut snapshot = HistogramSnapshot::default();
        for shard in self.shards.iter() {
            for (total, bucket) in snapshot.buckets.iter_mut().zip(&shard.buckets) {
                *total += bucket.load(Ordering::Relaxed);
            }
            let sum = shard.sum_micros.load(Ordering::Relaxed);
            snapshot.sum_micros = snapshot.sum_micros.wrapping_add(sum);
        }
        snapshot.count = snapshot.buckets.iter().sum();
        snapshot
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for HistogramSnapshot {
    /// Of nothing.
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            sum_micros: 0,
            count: 0,
        }
    }
}

impl HistogramSnapshot {
    /// Adds what `other` held.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += other;
        }
        self.sum_micros = self.sum_micros.wrapping_add(other.sum_micros);
        self.count += other.count;
    }

    /// The duration below which the share `quantile` (0 to 1) of all lies: the upper edge of its bucket.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        if self.count == 0 {
            return Duration::ZERO;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank off by one in 2^53 does not matter"
        )]
        // A hundred times 0.07 is a little more than seven: that is the seventh all the same.
        let rank = ((self.count as f64 * quantile.clamp(0.0, 1.0) * (1.0 - 1e-12)).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_edge_micros(index));
            }
        }
        Duration::from_micros(upper_edge_micros(BUCKETS - 1))
    }

    /// How many durations each bucket counted; the largest that one counts is [`upper_edge_micros`] of its index.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// How many durations were at most `limit`; exact where `limit` is the edge of a bucket, else rounded down.
    #[must_use]
    pub fn count_at_most(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.buckets
            .iter()
            .enumerate()
            .take_while(|(index, _)| upper_edge_micros(*index) <= limit)
            .map(|(_, n)| n)
            .sum()
    }
}

/// The bucket that counts `micros`.
#[must_use]
pub fn bucket_of(micros: u64) -> usize {
    let linear = 1u64 << SUB_BITS;
    if micros < linear {
        return usize::try_from(micros).unwrap_or(0);
    }
    let octave = micros.ilog2() - SUB_BITS;
    let sub = (micros >> octave) & (linear - 1);
    let index = ((u64::from(octave) + 1) << SUB_BITS) | sub;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The largest number of microseconds that bucket `index` counts.
#[must_use]
pub fn upper_edge_micros(index: usize) -> u64 {
    let index = index as u64;
    let linear = 1u64 << SUB_BITS;
    if index < linear {
        return index;
    }
    let octave = (index >> SUB_BITS) - 1;
    let sub = index & (linear - 1);
    ((linear + sub + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_at_or_below_its_edge_and_within_an_eighth() {
        for micros in (0..5000).chain([65_535, 65_536, 1_000_000, 3_600_000_000]) {
            let edge = upper_edge_micros(bucket_of(micros));
            assert!(edge >= micros, "{micros} > {edge}");
            assert!(edge - micros <= micros / 8 + 1, "{micros} is far from {edge}");
        }
    }

    #[test]
    fn quantiles_find_the_middle_and_the_tail() {
        let histogram = Histogram::new();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.count, 100);
        let (p50, p99) = (snapshot.quantile(0.5).as_millis(), snapshot.quantile(0.99).as_millis());
        assert!((50..=57).contains(&p50), "{p50}");
        assert!((99..=112).contains(&p99), "{p99}");
        assert_eq!(snapshot.quantile(1.0).as_millis(), snapshot.quantile(0.999).as_millis());
    }

    #[test]
    fn the_seventh_of_a_hundred_is_at_seven_percent() {
        let histogram = Histogram::new();
        (1..=100).for_each(|seconds| histogram.record(Duration::from_secs(seconds * seconds)));
        let found = histogram.snapshot().quantile(0.07).as_secs();
        assert!((49..=55).contains(&found), "{found}");
    }

    #[test]
    fn what_took_less_than_a_microsecond_took_time_all_the_same() {
        let histogram = Histogram::new();
        for nanos in [400, 1200, 1400, 2600] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let snapshot = histogram.snapshot();
        let quantile = |quantile| snapshot.quantile(quantile).as_micros();
        assert_eq!([quantile(0.25), quantile(0.5), quantile(1.0)], [1, 2, 3]);
        assert_eq!(snapshot.sum_micros, 5, "each to the nearest");
        // Powers of two are edges as before.
        let histogram = Histogram::new();
        histogram.record(Duration::from_nanos(63_900));
        histogram.record(Duration::from_nanos(64_000));
        assert_eq!(histogram.snapshot().count_at_most(Duration::from_micros(63)), 1);
    }

    proptest::proptest! {
        /// Beside the exact quantile of the same durations: never below it, and above it by an eighth at most.
        #[test]
        fn a_quantile_is_that_of_an_exact_reference_within_a_bucket(
            micros in proptest::collection::vec(proptest::prop_oneof![0..2000u64, 0..5_000_000u64, 0..1u64 << 36], 1..400),
            thousandths in 0..=1000usize,
        ) {
            let histogram = Histogram::new();
            micros.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros)));
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            // The smallest duration that at least this share does not exceed.
            let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
            let exact = sorted[rank - 1];
            let found = histogram.snapshot().quantile(f64::from(u32::try_from(thousandths).unwrap()) / 1000.0);
            let found = u64::try_from(found.as_micros()).unwrap();
            proptest::prop_assert!(found >= exact, "{found} < {exact}");
            proptest::prop_assert!(found - exact <= exact / 8 + 1, "{found} is far from {exact}");
        }
    }
}
