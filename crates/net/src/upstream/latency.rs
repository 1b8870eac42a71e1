//! The recent latency of a target as **peak EWMA** (as in Finagle): a slower response counts at once and in full, faster ones
//! pull the average down over at least the last sixteen responses or the last ten seconds. A target that begins to choke is
//! noticed by its first slow answer, not by the average of many. Without responses the average falls, so that a target which
//! was slow once gets another chance.

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
    /// What is left of it at `now`.
    fn at(&self, now: Instant) -> f64 {
        self.seconds * (-now.since(self.updated).as_secs_f64() / MEMORY_SECONDS).exp()
    }
}

impl Latency {
    pub(crate) fn record(&self, sample: Duration, now: Instant) {
        let mut average = self.0.lock();
        let sample = sample.as_secs_f64();
        let seconds = average.map_or(sample, |past| {
            let share = 1.0 - (-now.since(past.updated).as_secs_f64() / MEMORY_SECONDS).exp();
            let weight = share.max(WEIGHT_MIN);
            past.seconds.mul_add(1.0 - weight, sample * weight).max(sample)
        });
        *average = Some(Average { seconds, updated: now });
    }

    /// What one more request would wait for here, beside `in_flight` others: to be compared, not shown.
    pub(crate) fn cost(&self, in_flight: usize, now: Instant) -> f64 {
        let average = *self.0.lock();
        let seconds = average.map_or(0.0, |average| average.at(now)).max(FLOOR_SECONDS);
        seconds * requests(in_flight)
    }

    /// The average in milliseconds; `None` before the first response.
    pub(crate) fn milliseconds(&self) -> Option<f64> {
        self.0.lock().map(|average| average.seconds * 1000.0)
    }
}

/// The requests under way, with the one that is to be sent.
pub(crate) fn requests(in_flight: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "requests under way are few")]
    let requests = in_flight as f64 + 1.0;
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_fades_over_some_faster_ones() {
        let latency = Latency::default();
        (0..100).for_each(|i| latency.record(Duration::from_millis(10), at(i)));
        latency.record(Duration::from_millis(100), at(100));
        assert!(latency.milliseconds().unwrap() >= 100.0);
        (101..181).for_each(|i| latency.record(Duration::from_millis(10), at(i)));
        let now = latency.milliseconds().unwrap();
        assert!((10.0..=15.0).contains(&now), "{now}");
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

    proptest! {
        #[test]
        fn the_average_is_never_below_the_last_answer_nor_above_the_slowest(
            samples in prop::collection::vec((0u64..10_000, 0u64..60_000), 1..100),
        ) {
            let latency = Latency::default();
            let (mut now, mut slowest) = (0, 0);
            for (sample, pause) in samples {
                now += pause;
                slowest = slowest.max(sample);
                latency.record(Duration::from_millis(sample), at(now));
                let average = latency.milliseconds().unwrap();
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let (sample, slowest) = (sample as f64, slowest as f64);
                prop_assert!(average + 1e-6 >= sample && average <= slowest + 1e-6, "{} {} {}", sample, average, slowest);
                prop_assert!(latency.cost(1, at(now)) >= latency.cost(0, at(now + 1)));
            }
        }
    }
}
