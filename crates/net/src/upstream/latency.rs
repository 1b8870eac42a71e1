//! The recent latency of a target: a moving average that follows at least the last sixteen responses and the last ten
//! seconds. Without responses it falls, so that a target which was slow once gets another chance.

use parking_lot::Mutex;
use peregrine_base::Instant;
use std::time::Duration;

/// How fast the past is forgotten.
const MEMORY_SECONDS: f64 = 10.0;
/// The least weight of a new response.
const WEIGHT_MIN: f64 = 1.0 / 16.0;
/// What an unknown target is taken for: fast enough to be tried at once, not so fast that everything goes there.
const FLOOR_SECONDS: f64 = 0.000_1;

#[derive(Debug, Default)]
pub(crate) struct Latency(Mutex<Option<Average>>);

#[derive(Clone, Copy, Debug)]
struct Average {
    seconds: f64,
    updated: Instant,
}

impl Average {
    /// The share of the past that still counts at `now`.
    fn share(&self, now: Instant) -> f64 {
        (-now.since(self.updated).as_secs_f64() / MEMORY_SECONDS).exp()
    }
}

impl Latency {
    pub(crate) fn record(&self, sample: Duration, now: Instant) {
        let mut average = self.0.lock();
        let seconds = average.map_or(sample.as_secs_f64(), |past| {
            let weight = (1.0 - past.share(now)).max(WEIGHT_MIN);
            past.seconds.mul_add(1.0 - weight, sample.as_secs_f64() * weight)
        });
        *average = Some(Average { seconds, updated: now });
    }

    /// What one more request would wait for here, beside `in_flight` others: to be compared, not shown.
    pub(crate) fn cost(&self, in_flight: usize, now: Instant) -> f64 {
        let average = *self.0.lock();
        let seconds = average
            .map_or(0.0, |average| average.seconds * average.share(now))
            .max(FLOOR_SECONDS);
        #[expect(clippy::cast_precision_loss, reason = "requests under way are few")]
        let requests = in_flight as f64 + 1.0;
        seconds * requests
    }

    /// The average in milliseconds; `None` before the first response.
    pub(crate) fn milliseconds(&self) -> Option<f64> {
        self.0.lock().map(|average| average.seconds * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    #[test]
    fn follows_a_change_within_some_responses() {
        let latency = Latency::default();
        (0..100).for_each(|i| latency.record(Duration::from_millis(10), at(i)));
        (100..180).for_each(|i| latency.record(Duration::from_millis(100), at(i)));
        let now = latency.milliseconds().unwrap();
        assert!((95.0..=100.0).contains(&now), "{now}");
    }

    #[test]
    fn the_slower_and_the_busier_cost_more() {
        let (fast, slow, unknown) = (Latency::default(), Latency::default(), Latency::default());
        fast.record(Duration::from_millis(5), at(0));
        slow.record(Duration::from_millis(50), at(0));
        assert!(fast.cost(0, at(0)) < slow.cost(0, at(0)));
        assert!(fast.cost(20, at(0)) > slow.cost(0, at(0)));
        assert!(unknown.cost(0, at(0)) < fast.cost(0, at(0)));
        assert!(
            unknown.cost(100, at(0)) > fast.cost(0, at(0)),
            "not everything goes to an unknown one"
        );
        assert!(
            slow.cost(0, at(60_000)) < fast.cost(0, at(0)),
            "another chance after a while"
        );
    }
}
