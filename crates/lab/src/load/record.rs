//! Counting answers and measuring how long they took.

use crate::load::cache_status::CacheUse;
use crate::load::connection::{Failure, Received};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use peregrine_base::Instant;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Counters and a histogram that some connections share.
struct Shard {
    latency: Histogram<u64>,
    /// Answers by status code minus 100.
    statuses: Vec<u64>,
    failures: [u64; Failure::ALL.len()],
    totals: Totals,
}

/// What has happened in the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) answers: u64,
    /// Answers that were complete before the measured time ended.
    pub(crate) answers_in_time: u64,
    pub(crate) failures: u64,
    pub(crate) hits: u64,
    pub(crate) forwarded: u64,
    pub(crate) bytes_in: u64,
    pub(crate) body_bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) reconnects: u64,
    /// Everything that was answered, the warm-up's answers included.
    pub(crate) answers_with_warm_up: u64,
    /// Bytes of body of all of these.
    pub(crate) body_bytes_with_warm_up: u64,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.answers_in_time += other.answers_in_time;
        self.failures += other.failures;
        self.hits += other.hits;
        self.forwarded += other.forwarded;
        self.bytes_in += other.bytes_in;
        self.body_bytes_in += other.body_bytes_in;
        self.bytes_out += other.bytes_out;
        self.reconnects += other.reconnects;
        self.answers_with_warm_up += other.answers_with_warm_up;
        self.body_bytes_with_warm_up += other.body_bytes_with_warm_up;
    }
}

/// How many shards there are: enough that cores rarely meet, few enough that their histograms stay small.
const SHARDS: usize = 8;

/// Takes in what all connections of a run see.
pub(crate) struct Recorder {
    shards: Vec<Mutex<Shard>>,
    measure_from: Instant,
    stop_at: Instant,
}

/// An answer with its times.
pub(crate) struct Measured {
    pub(crate) received: Received,
    pub(crate) bytes_out: u64,
    /// From when its latency counts.
    pub(crate) due: Instant,
    pub(crate) answered: Instant,
}

impl Recorder {
    /// A recorder that measures what is due from `measure_from` on.
    pub(crate) fn new(measure_from: Instant, stop_at: Instant) -> Self {
        let shard = || Shard {
            latency: histogram(),
            statuses: vec![0; 500],
            failures: [0; 7],
            totals: Totals::default(),
        };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            measure_from,
            stop_at,
        }
    }

    pub(crate) fn answer(&self, connection: usize, measured: &Measured) {
        let Measured {
            received,
            bytes_out,
            due,
            answered,
        } = measured;
        let shard = &mut *self.shards[connection % SHARDS].lock();
        let totals = &mut shard.totals;
        totals.answers_with_warm_up += 1;
        totals.body_bytes_with_warm_up += received.body_bytes;
        if *due < self.measure_from {
            return;
        }
        shard.latency.saturating_record(nanos(answered.since(*due)));
        shard.statuses[usize::from(received.status) - 100] += 1;
        totals.answers += 1;
        totals.answers_in_time += u64::from(*answered <= self.stop_at);
        totals.bytes_in += received.wire_bytes;
        totals.body_bytes_in += received.body_bytes;
        totals.bytes_out += bytes_out;
        match received.cache {
            CacheUse::Hit => totals.hits += 1,
            CacheUse::Forwarded => totals.forwarded += 1,
            CacheUse::Unsaid => {}
        }
    }

    pub(crate) fn failure(&self, connection: usize, failure: Failure, due: Instant) {
        if due >= self.measure_from {
            let shard = &mut *self.shards[connection % SHARDS].lock();
            shard.failures[failure as usize] += 1;
            shard.totals.failures += 1;
        }
    }

    pub(crate) fn reconnect(&self, connection: usize) {
        self.shards[connection % SHARDS].lock().totals.reconnects += 1;
    }

    /// Takes in arrivals that were never sent: they waited at least until `ended`. Their waits are spread evenly.
    pub(crate) fn unsent(&self, count: u64, first_due: Instant, ended: Instant) {
        let longest = nanos(ended.since(first_due.max(self.measure_from)));
        let points = count.min(1000);
        let shard = &mut *self.shards[0].lock();
        for point in 0..points {
            let weight = count / points + u64::from(point < count % points);
            let wait = u128::from(longest) * u128::from(points - point) / u128::from(points);
            shard
                .latency
                .saturating_record_n(u64::try_from(wait).unwrap_or(u64::MAX), weight);
        }
    }

    /// What has been counted so far.
    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for shard in &self.shards {
            sum.add(&shard.lock().totals);
        }
        sum
    }

    /// All latencies in nanoseconds, and the counts by status and by failure.
    pub(crate) fn collect(&self) -> Collected {
        let mut latency = histogram();
        let (mut statuses, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for shard in &self.shards {
            let shard = shard.lock();
            latency
                .add(&shard.latency)
                .expect("all histograms have the same bounds");
            for (status, count) in (100u16..).zip(&shard.statuses).filter(|(_, count)| **count > 0) {
                *statuses.entry(status).or_insert(0) += count;
            }
            for (failure, count) in Failure::ALL
                .iter()
                .zip(&shard.failures)
                .filter(|(_, count)| **count > 0)
            {
                *failures.entry(failure.as_str().to_owned()).or_insert(0) += count;
            }
        }
        Collected {
            latency,
            statuses,
            failures,
        }
    }
}

/// The sum of all shards.
pub(crate) struct Collected {
    pub(crate) latency: Histogram<u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) failures: BTreeMap<String, u64>,
}

/// From 1 µs to an hour with three digits, in nanoseconds.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3).expect("the bounds are possible")
}

/// `span` in nanoseconds.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long answers took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// The fastest.
    pub min_us: f64,
    /// The average.
    pub mean_us: f64,
    /// Half of them were faster than this.
    pub p50_us: f64,
    /// 90% were faster.
    pub p90_us: f64,
    /// 95% were faster.
    pub p95_us: f64,
    /// 99% were faster.
    pub p99_us: f64,
    /// 99.9% were faster.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

impl Latency {
    /// The percentiles of `histogram`, which counts nanoseconds.
    #[must_use]
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |percentile: f64| micros(histogram.value_at_percentile(percentile));
        Self {
            min_us: micros(histogram.min()),
            mean_us: (histogram.mean() / 100.0).round() / 10.0,
            p50_us: at(50.0),
            p90_us: at(90.0),
            p95_us: at(95.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            max_us: micros(histogram.max()),
        }
    }
}

/// Nanoseconds as microseconds with one digit behind the point.
fn micros(nanos: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "tenths of microseconds of an hour fit a double"
    )]
    let tenths = (nanos.saturating_add(50) / 100) as f64;
    tenths / 10.0
}

/// The latencies that a closed loop left out (coordinated omission), put back: while an answer took longer than `interval`,
/// the time between requests that the connection would have sent, the requests that it did not send meanwhile would have
/// waited for the rest of that time. Each such answer therefore also counts as `latency - interval`, `latency - 2 × interval`
/// and so on.
pub(crate) fn corrected(measured: &Histogram<u64>, interval: Duration) -> Latency {
    Latency::of(&measured.clone_correct(nanos(interval).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correction_puts_back_what_a_stall_hid() {
        // One connection, a request every 10 ms for a second, then one stall of a second: 100 answers of 1 ms and one of 1 s.
        let mut latency = histogram();
        latency.record_n(1_000_000, 100).unwrap();
        latency.record(1_000_000_000).unwrap();
        let measured = Latency::of(&latency);
        assert!(
            measured.p95_us < 1_100.0,
            "as measured, the stall is one request in a hundred: {measured:?}"
        );
        // In truth half of the time was stalled: a visitor in the stall waits half a second on average.
        let corrected = corrected(&latency, Duration::from_millis(10));
        assert!((880_000.0..920_000.0).contains(&corrected.p95_us), "{corrected:?}");
        assert!(
            (480_000.0..520_000.0).contains(&(corrected.mean_us * 2.0)),
            "{corrected:?}"
        );
    }

    #[test]
    fn unsent_arrivals_count_with_the_time_they_waited() {
        let start = Instant::from_nanos(1_000_000_000);
        let end = start.after(Duration::from_secs(10));
        let recorder = Recorder::new(start, end);
        recorder.unsent(5_000, start, end);
        let latency = Latency::of(&recorder.collect().latency);
        assert!((4.9e6..5.1e6).contains(&latency.p50_us), "{latency:?}");
        assert!((9.9e6..10.1e6).contains(&latency.max_us), "{latency:?}");
        assert_eq!(recorder.collect().latency.len(), 5_000);
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(Latency::of(&histogram()), Latency::default());
    }
}
