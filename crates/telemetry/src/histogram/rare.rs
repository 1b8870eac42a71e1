//! A histogram of what happens seldom, for where there may be many of them.

use super::{HistogramSnapshot, bucket_of};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// As [`super::Histogram`] under one lock, without a shard for each thread: only buckets that counted something take memory, 16
/// bytes each.
#[derive(Debug, Default)]
pub struct RareHistogram(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// Index and count, by index.
    buckets: Vec<(usize, u64)>,
    sum_micros: u64,
}

impl RareHistogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Counted {
            buckets: Vec::new(),
            sum_micros: 0,
        }))
    }

    /// What was counted. A thread that panicked left it whole.
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `duration`.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let index = bucket_of(micros);
        let mut counted = self.counted();
        counted.sum_micros = counted.sum_micros.saturating_add(micros);
        match counted.buckets.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(place) => counted.buckets[place].1 += 1,
            Err(place) => counted.buckets.insert(place, (index, 1)),
        }
    }

    /// What was recorded so far; nothing where that is nothing.
    #[must_use]
    pub fn snapshot(&self) -> Option<HistogramSnapshot> {
        let counted = self.counted();
        if counted.buckets.is_empty() {
            return None;
        }
        let mut snapshot = HistogramSnapshot {
            sum_micros: counted.sum_micros,
            ..HistogramSnapshot::default()
        };
        for (index, count) in &counted.buckets {
            if let Some(bucket) = snapshot.buckets.get_mut(*index) {
                *bucket += count;
                snapshot.count += count;
            }
        }
        Some(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Histogram;

    #[test]
    fn what_is_rare_is_counted_as_what_is_not() {
        let (rare, usual) = (RareHistogram::new(), Histogram::new());
        assert_eq!(rare.snapshot(), None);
        for micros in [1, 3, 3, 40, 900, 17_000, 17_100, 9_000_000, u64::MAX / 2000] {
            rare.record(Duration::from_micros(micros));
            usual.record(Duration::from_micros(micros));
        }
        assert_eq!(rare.snapshot(), Some(usual.snapshot()));
    }
}
