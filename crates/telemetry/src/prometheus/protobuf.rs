//! Prometheus' protobuf format: `io.prometheus.client.MetricFamily` messages, each with its length before it. Histograms are
//! there twice: as classic buckets, and as native ones (sparse, of schema [`SCHEMA`]).
//!
//! A native bucket ends at a power of 2^(1/8) of a second, one of [`crate::Histogram`]'s at an eighth of a power of two of a
//! microsecond. A count goes to the native bucket in which the upper edge of its own lies: nothing is shown as faster than it
//! was, and as slower by at most the width of a bucket of each.

use super::{Family, Number, Sample, Value, buckets};
use crate::HistogramSnapshot;
use crate::histogram::upper_edge_micros;
use crate::table::MetricKind;
use prost::Message;
use std::collections::BTreeMap;

/// Eight buckets to each power of two.
pub(crate) const SCHEMA: i32 = 3;
/// Buckets to each power of two at that schema.
const PER_OCTAVE: f64 = 8.0;
/// What is shorter counts as zero, in seconds: the first bucket.
pub(crate) const ZERO_THRESHOLD_S: f64 = 1e-6;
/// The most empty buckets that are written as such; a wider gap begins a span of its own.
const GAP_MAX: i32 = 2;

/// A family of metrics, numbered as in `io/prometheus/client/metrics.proto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) help: Option<String>,
    #[prost(enumeration = "Type", optional, tag = "3")]
    pub(super) r#type: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Metric>,
}

/// Its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Type {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub(super) gauge: Option<Simple>,
    #[prost(message, optional, tag = "3")]
    pub(super) counter: Option<Simple>,
    #[prost(message, optional, tag = "7")]
    pub(super) histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LabelPair {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) value: Option<String>,
}

/// A counter's or a gauge's value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Simple {
    #[prost(double, optional, tag = "1")]
    pub(super) value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    pub(super) schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    pub(super) zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    pub(super) zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    pub(super) positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    pub(super) cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) upper_bound: Option<f64>,
}

/// Neighbouring buckets: how far behind the span before, and how many.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    pub(super) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) length: Option<u32>,
}

/// All families as delimited messages.
pub(super) fn write(families: &[Family]) -> Vec<u8> {
    let messages = families.iter().map(MetricFamily::from);
    messages
        .flat_map(|family| family.encode_length_delimited_to_vec())
        .collect()
}

impl From<&Family> for MetricFamily {
    fn from(family: &Family) -> Self {
        let kind = match family.kind {
            MetricKind::Counter => Type::Counter,
            MetricKind::Gauge => Type::Gauge,
            MetricKind::Histogram => Type::Histogram,
        };
        Self {
            name: Some(family.name.clone()),
            help: Some(family.help.clone()),
            r#type: Some(kind.into()),
            metric: family
                .samples
                .iter()
                .map(|sample| metric(family.kind, sample))
                .collect(),
        }
    }
}

fn metric(kind: MetricKind, sample: &Sample) -> Metric {
    let pair = |(name, value): &(String, String)| LabelPair {
        name: Some(name.clone()),
        value: Some(value.clone()),
    };
    let mut metric = Metric {
        label: sample.pairs.iter().map(pair).collect(),
        ..Metric::default()
    };
    match &sample.value {
        Value::Histogram(snapshot) => metric.histogram = Some(histogram(snapshot)),
        Value::Number(number) => {
            let simple = Some(Simple {
                value: Some(number.real()),
            });
            match kind {
                MetricKind::Counter => metric.counter = simple,
                _ => metric.gauge = simple,
            }
        }
    }
    metric
}

fn histogram(snapshot: &HistogramSnapshot) -> Histogram {
    let classic = buckets(snapshot).map(|(micros, count)| Bucket {
        cumulative_count: Some(count),
        upper_bound: Some(Number::from(micros).real() / 1e6),
    });
    let (zero_count, sparse) = sparse(snapshot);
    let (positive_span, positive_delta) = spans(&sparse);
    Histogram {
        sample_count: Some(snapshot.count),
        sample_sum: Some(Number::from(snapshot.sum_micros).real() / 1e6),
        bucket: classic.collect(),
        schema: Some(SCHEMA),
        zero_threshold: Some(ZERO_THRESHOLD_S),
        zero_count: Some(zero_count),
        positive_span,
        positive_delta,
    }
}

/// How many durations count as zero, and how many each native bucket counts, by its index.
pub(crate) fn sparse(snapshot: &HistogramSnapshot) -> (u64, BTreeMap<i32, u64>) {
    let (mut zero, mut sparse) = (0, BTreeMap::new());
    for (index, count) in snapshot.buckets().iter().enumerate().filter(|(_, count)| **count > 0) {
        // A bucket counts whole microseconds, so that what it counts lies below the next.
        let edge = upper_edge_micros(index).saturating_add(1);
        if edge <= 1 {
            zero += count;
        } else {
            *sparse.entry(native_index(edge)).or_default() += count;
        }
    }
    (zero, sparse)
}

/// The native bucket in which a duration of so many microseconds lies.
#[expect(
    clippy::cast_possible_truncation,
    reason = "eight times a logarithm of a duration is a small number"
)]
fn native_index(micros: u64) -> i32 {
    let octaves = (Number::from(micros).real() / 1e6).log2();
    (octaves * PER_OCTAVE).ceil() as i32
}

/// Buckets as runs of neighbours, and each count as its difference from the one before.
fn spans(sparse: &BTreeMap<i32, u64>) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<BucketSpan>::new(), Vec::new());
    let (mut next, mut before) = (None::<i32>, 0i64);
    for (index, count) in sparse {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let gap = next.map(|next| index - next);
        match (spans.last_mut(), gap) {
            (Some(span), Some(gap)) if gap <= GAP_MAX => {
                for _ in 0..gap {
                    deltas.push(-before);
                    before = 0;
                }
                span.length = span.length.map(|length| length + gap.unsigned_abs() + 1);
            }
            _ => spans.push(BucketSpan {
                offset: Some(gap.unwrap_or(*index)),
                length: Some(1),
            }),
        }
        deltas.push(count - before);
        (next, before) = (Some(index + 1), count);
    }
    (spans, deltas)
}
