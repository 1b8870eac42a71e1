//! A running average of how long replies take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The weight of a new sample.
const WEIGHT: f64 = 1.0 / 16.0;

/// The average in seconds as the bits of a number; zero before the first sample. Two that record at once may lose one sample.
#[derive(Debug, Default)]
pub(crate) struct Latency(AtomicU64);

impl Latency {
    pub(crate) fn record(&self, sample: Duration) {
        let sample = sample.as_secs_f64().max(f64::MIN_POSITIVE);
        let average = match self.0.load(Ordering::Relaxed) {
            0 => sample,
            bits => f64::from_bits(bits).mul_add(1.0 - WEIGHT, sample * WEIGHT),
        };
        self.0.store(average.to_bits(), Ordering::Relaxed);
    }

    /// In milliseconds; `None` before the first sample.
    pub(crate) fn milliseconds(&self) -> Option<f64> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != 0).then(|| f64::from_bits(bits) * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_and_does_not_jump() {
        let latency = Latency::default();
        assert_eq!(latency.milliseconds(), None);
        latency.record(Duration::from_millis(10));
        latency.record(Duration::from_millis(26));
        let now = latency.milliseconds().unwrap();
        assert!((10.9..11.1).contains(&now), "{now}");
    }
}
