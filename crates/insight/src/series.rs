//! The names of all series, with what they are measured in and which way is better. History, alerts, the Grafana dashboard
//! and reports use these names and no others.

/// A series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// What it is measured in; empty for a ratio or a number.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
}

/// Which way of a series is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither.
    Neither,
}

use Better::{Higher, Lower, Neither};

const fn series(name: &'static str, unit: &'static str, better: Better) -> Series {
    Series { name, unit, better }
}

/// Series of the whole program.
pub const GLOBAL: &[Series] = &[
    series("requests_per_s", "1/s", Neither),
    series("error_ratio", "", Lower),
    series("latency_p50_ms", "ms", Lower),
    series("latency_p95_ms", "ms", Lower),
    series("latency_p99_ms", "ms", Lower),
    series("latency_mean_ms", "ms", Lower),
    series("upstream_p50_ms", "ms", Lower),
    series("upstream_p95_ms", "ms", Lower),
    series("upstream_p99_ms", "ms", Lower),
    series("queue_p50_ms", "ms", Lower),
    series("queue_p95_ms", "ms", Lower),
    series("queue_p99_ms", "ms", Lower),
    series("hit_ratio", "", Higher),
    series("hit_ratio_memory", "", Higher),
    series("hit_ratio_redis", "", Higher),
    series("stale_ratio", "", Neither),
    series("bypass_ratio", "", Neither),
    series("coalesced_per_s", "1/s", Neither),
    series("origin_requests_per_s", "1/s", Lower),
    series("origin_seconds_saved_per_s", "s/s", Higher),
    series("bytes_sent_per_s", "B/s", Neither),
    series("bytes_saved_per_s", "B/s", Higher),
    series("evictions_per_s", "1/s", Lower),
    series("invalidations_per_s", "1/s", Neither),
    series("invalidation_lag_ms", "ms", Lower),
    series("cache_bytes", "B", Neither),
    series("cache_entries", "", Neither),
    series("cache_used_ratio", "", Neither),
    series("connections_open", "", Neither),
    series("tunnels_open", "", Neither),
    series("http2_connections", "", Neither),
    series("in_flight", "", Neither),
    series("origin_in_flight", "", Lower),
    series("retries_per_s", "1/s", Lower),
    series("targets_unhealthy", "", Lower),
    series("dependencies_down", "", Lower),
    series("apdex", "", Higher),
    series("score", "", Higher),
    series("cpu_ratio", "", Lower),
    series("machine_cpu_ratio", "", Lower),
    series("load_1m", "", Lower),
    series("memory_bytes", "B", Lower),
    series("memory_ratio", "", Lower),
    series("machine_memory_ratio", "", Lower),
    series("disk_used_ratio", "", Lower),
    series("disk_read_per_s", "B/s", Neither),
    series("disk_written_per_s", "B/s", Neither),
    series("network_in_per_s", "B/s", Neither),
    series("network_out_per_s", "B/s", Neither),
    series("open_files", "", Neither),
    series("open_files_ratio", "", Lower),
];

/// Series of each route.
pub const ROUTE: &[Series] = &[
    series("requests_per_s", "1/s", Neither),
    series("error_ratio", "", Lower),
    series("latency_p50_ms", "ms", Lower),
    series("latency_p95_ms", "ms", Lower),
    series("latency_p99_ms", "ms", Lower),
    series("hit_ratio", "", Higher),
    series("origin_requests_per_s", "1/s", Lower),
    series("origin_seconds_per_s", "s/s", Lower),
    series("bytes_sent_per_s", "B/s", Neither),
    series("upstream_p95_ms", "ms", Lower),
    series("queue_p95_ms", "ms", Lower),
];

/// Series of each upstream.
pub const UPSTREAM: &[Series] = &[
    series("requests_per_s", "1/s", Neither),
    series("latency_ms", "ms", Lower),
    series("errors_per_s", "1/s", Lower),
    series("retries_per_s", "1/s", Lower),
    series("in_flight", "", Lower),
    series("healthy_ratio", "", Higher),
];

/// The upper bounds of the columns of the heat map, in milliseconds: powers of two from a quarter of a millisecond to over
/// a minute. One more column counts what is above.
pub const HEAT_BOUNDS_MS: [f64; 19] = [
    0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16_384.0,
    32_768.0, 65_536.0,
];

/// Columns of the heat map.
pub const HEAT: usize = HEAT_BOUNDS_MS.len() + 1;

/// The place of the series `name` among `of`.
#[must_use]
pub fn place(of: &[Series], name: &str) -> Option<usize> {
    of.iter().position(|series| series.name == name)
}

/// The values of one point, filled in the order of the series that it is about.
#[derive(Debug)]
pub(crate) struct Row {
    of: &'static [Series],
    values: Vec<f32>,
}

impl Row {
    pub(crate) fn new(of: &'static [Series]) -> Self {
        Self {
            of,
            values: Vec::with_capacity(of.len() + HEAT),
        }
    }

    /// The value of the next series, which is called `name`.
    pub(crate) fn put(&mut self, name: &str, value: Option<f64>) {
        debug_assert_eq!(self.of.get(self.values.len()).map(|series| series.name), Some(name));
        self.values.push(narrow(value));
    }

    pub(crate) fn finish(self) -> Vec<f32> {
        debug_assert_eq!(self.values.len(), self.of.len());
        self.values
    }
}

/// As it is kept: half the width, and a number that is none for what is not known.
pub(crate) fn narrow(value: Option<f64>) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a chart")]
    let narrow = value.filter(|value| value.is_finite()).unwrap_or(f64::NAN) as f32;
    narrow
}

/// As it is shown: without the digits that the narrow number does not have.
pub(crate) fn widen(value: f32) -> Option<f64> {
    let wide = f64::from(value);
    let digits = if wide.abs() < 1e6 { 1e7 } else { 1.0 };
    value.is_finite().then(|| (wide * digits).round() / digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_one_name() {
        for list in [GLOBAL, ROUTE, UPSTREAM] {
            for (index, series) in list.iter().enumerate() {
                assert_eq!(place(list, series.name), Some(index), "{}", series.name);
            }
        }
    }
}
