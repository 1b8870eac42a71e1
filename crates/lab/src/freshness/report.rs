//! What a run has shown, as numbers; [`crate::report::freshness`] makes text of it.

use super::history::Promise;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The upper ends of the buckets in milliseconds; the last one is open.
const BUCKETS_MS: [u64; 9] = [1, 2, 5, 10, 50, 100, 250, 500, 1000];

/// Whether the promises were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They were, as far as was seen.
    Kept,
    /// At least one was not.
    Broken,
    /// Nothing was cached, or nothing was confirmed: the promises were never put to the test.
    Inconclusive,
}

impl Verdict {
    /// The word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a run has shown.
#[derive(Clone, Debug, Serialize)]
pub struct FreshnessReport {
    /// Whether the promises were kept.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub because: String,
    /// How long it ran, in seconds.
    pub duration_s: f64,
    /// The bound within which other nodes must know, in milliseconds.
    pub bound_ms: f64,
    /// How many values were changed and read.
    pub keys: usize,
    /// What was read, by node.
    pub nodes: Vec<NodeReport>,
    /// Changes at the origin, each followed by an invalidation.
    pub changes: u64,
    /// What came of the invalidations.
    pub invalidations: Invalidations,
    /// How old answers were that did not say `unverified`.
    pub staleness: Staleness,
    /// Requests that reached the origin.
    pub origin_requests: u64,
    /// Broken promises by kind; kinds that did not occur are left out.
    pub violations: BTreeMap<&'static str, u64>,
    /// The first of them, with what had happened before.
    pub examples: Vec<Violation>,
}

impl FreshnessReport {
    /// Answers of all nodes.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.nodes.iter().map(|node| node.reads).sum()
    }

    /// All broken promises.
    #[must_use]
    pub fn violations_total(&self) -> u64 {
        self.violations.values().sum()
    }
}

/// What one node has answered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NodeReport {
    /// Its URL.
    pub url: String,
    /// Values that it has given.
    pub reads: u64,
    /// Of these, those from a cache.
    pub hits: u64,
    /// Of these, those that say `unverified`.
    pub unverified: u64,
    /// Of all values, those that had been superseded when they were asked for.
    pub stale: u64,
    /// Other answers, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub unanswered: BTreeMap<&'static str, u64>,
}

/// What came of the invalidations.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Invalidations {
    /// Confirmed by every layer.
    pub confirmed: u64,
    /// Accepted, but kept in a journal or confirmed in part only.
    pub pending: u64,
    /// Not answered, or refused.
    pub failed: u64,
    /// Why the last of these failed.
    pub fault: Option<String>,
    /// How long the confirmed ones took: half of them were faster.
    pub p50_ms: f64,
    /// 99% were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// How long the versions in answers had been superseded when they were asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Staleness {
    /// Of half of all answers no longer than this.
    pub p50_ms: f64,
    /// Of 99%.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many answers lie where.
    pub buckets: Vec<Bucket>,
}

/// Answers of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Superseded for at most this long; 0: current. Nothing: longer than all others.
    pub up_to_ms: Option<u64>,
    /// How many.
    pub reads: u64,
}

/// A broken promise.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// The node that broke it.
    pub node: String,
    /// Of which value.
    pub key: usize,
    /// What it answered.
    pub answer: String,
    /// What had happened to that value before, in order.
    pub history: Vec<String>,
}

/// A histogram of microseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

/// Counts `span` in `histogram`.
pub(super) fn count(histogram: &mut Histogram<u64>, span: Duration) {
    histogram.saturating_record(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// The 50th and the 99th percentile, and the largest, in milliseconds.
pub(super) fn percentiles(histogram: &Histogram<u64>) -> (f64, f64, f64) {
    if histogram.is_empty() {
        return (0.0, 0.0, 0.0);
    }
    let at = |percentile: f64| millis(histogram.value_at_percentile(percentile));
    (at(50.0), at(99.0), millis(histogram.max()))
}

impl Staleness {
    /// Reads them off a histogram of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let (p50_ms, p99_ms, max_ms) = percentiles(histogram);
        let between = |from: u64, to: u64| {
            let counted = histogram.iter_recorded().filter(|value| {
                let micros = value.value_iterated_to();
                (from..=to).contains(&micros)
            });
            counted.map(|value| value.count_at_value()).sum()
        };
        let mut buckets = vec![Bucket {
            up_to_ms: Some(0),
            reads: between(0, 0),
        }];
        let mut from = 1;
        for up_to_ms in BUCKETS_MS {
            let to = up_to_ms * 1000;
            buckets.push(Bucket {
                up_to_ms: Some(up_to_ms),
                reads: between(from, to),
            });
            from = to + 1;
        }
        buckets.push(Bucket {
            up_to_ms: None,
            reads: between(from, u64::MAX),
        });
        Self {
            p50_ms,
            p99_ms,
            max_ms,
            buckets,
        }
    }
}
