//! Metrics: what a scraper would get, cumulative since the start. Histograms are exponential, of the scale and with the
//! rounding of the native ones for Prometheus.

use super::Resource;
use super::wire::{
    Buckets, Data, Exponential, ExponentialPoint, ExportMetrics, Gauge, KeyValue, Metric, Point, ResourceMetrics,
    Scope, ScopeMetrics, Sum,
};
use crate::prometheus::{Exposition, Family, SCHEMA, Sample, Value, ZERO_THRESHOLD_S, sparse};
use crate::table::MetricKind;
use peregrine_base::WallTime;
use prost::Message as _;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

/// The body of a request with all that `exposition` has, counted from `started` until `now`.
#[must_use]
pub fn metrics_request(exposition: &Exposition, resource: &Resource, started: WallTime, now: WallTime) -> Vec<u8> {
    let span = Since {
        start: nanos(started),
        now: nanos(now),
    };
    let scope_metrics = ScopeMetrics {
        scope: Some(Scope::own()),
        metrics: exposition.families().iter().map(|family| span.metric(family)).collect(),
    };
    let resource_metrics = ResourceMetrics {
        resource: Some(resource.into()),
        scope_metrics: vec![scope_metrics],
    };
    ExportMetrics {
        resource_metrics: vec![resource_metrics],
    }
    .encode_to_vec()
}

/// The time that is counted, in nanoseconds since 1970.
struct Since {
    start: u64,
    now: u64,
}

impl Since {
    fn metric(&self, family: &Family) -> Metric {
        let points = || family.samples.iter().filter_map(|sample| self.point(sample)).collect();
        let data = match family.kind {
            MetricKind::Counter => Data::Sum(Sum {
                data_points: points(),
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            }),
            MetricKind::Gauge => Data::Gauge(Gauge { data_points: points() }),
            MetricKind::Histogram => Data::Exponential(Exponential {
                data_points: family
                    .samples
                    .iter()
                    .filter_map(|sample| self.exponential(sample))
                    .collect(),
                aggregation_temporality: CUMULATIVE,
            }),
        };
        Metric {
            name: family.name.clone(),
            description: family.help.clone(),
            unit: family.unit().to_owned(),
            data: Some(data),
        }
    }

    fn point(&self, sample: &Sample) -> Option<Point> {
        let Value::Number(number) = &sample.value else {
            return None;
        };
        Some(Point {
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            as_double: Some(number.real()),
            attributes: attributes(sample),
        })
    }

    fn exponential(&self, sample: &Sample) -> Option<ExponentialPoint> {
        let Value::Histogram(snapshot) = &sample.value else {
            return None;
        };
        let (zero_count, sparse) = sparse(snapshot);
        let (first, last) = (sparse.keys().next(), sparse.keys().next_back());
        let positive = first.zip(last).map(|(first, last)| Buckets {
            // Prometheus numbers a bucket by its upper edge, OpenTelemetry by its lower one.
            offset: first - 1,
            bucket_counts: (*first..=*last)
                .map(|index| sparse.get(&index).copied().unwrap_or(0))
                .collect(),
        });
        Some(ExponentialPoint {
            attributes: attributes(sample),
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            count: snapshot.count,
            sum: Some(crate::prometheus::Number::from(snapshot.sum_micros).real() / 1e6),
            scale: SCHEMA,
            zero_count,
            positive,
            zero_threshold: ZERO_THRESHOLD_S,
        })
    }
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    sample
        .pairs
        .iter()
        .map(|(label, value)| KeyValue::text(label, value))
        .collect()
}

fn nanos(time: WallTime) -> u64 {
    time.as_millis().saturating_mul(1_000_000)
}
