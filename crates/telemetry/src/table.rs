//! The table of metrics: name, type, labels and help of each one that is exposed. An [`crate::Exposition`] takes type and
//! help from here and refuses what is not in it; `docs/reference/metrics.md`, the dashboard and the rules under `deploy/` are
//! made from it and checked against it by `cargo xtask reference`.

mod alerting;
mod cache;
mod clients;
mod insight;
mod program;
mod requests;
mod sharing;
mod system;
mod upstreams;

use std::fmt::Write as _;

/// A metric that may be exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name; that of a counter ends in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// A distribution of durations.
    Histogram,
}

/// Metrics that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Its metrics.
    pub rows: &'static [Metric],
}

/// The whole table.
pub const GROUPS: &[Group] = &[
    group("Requests, by route", requests::ROWS),
    group("The cache", cache::ROWS),
    group("Upstreams and their targets", upstreams::ROWS),
    group("The clients' side", clients::ROWS),
    group("Redis and the other nodes", sharing::ROWS),
    group("Alerts and objectives", alerting::ROWS),
    group("History", insight::ROWS),
    group("The program itself", program::ROWS),
    group("The process, its control group and the machine", system::ROWS),
];

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|group| group.rows)
}

impl MetricKind {
    /// The word in expositions and docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The unit that a metric's name ends in, as UCUM and OTLP write it; `1` where it counts things.
#[must_use]
pub fn unit(name: &str) -> &'static str {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    if stem.ends_with("_seconds") {
        "s"
    } else if stem.ends_with("_bytes") {
        "By"
    } else {
        "1"
    }
}

const fn group(title: &'static str, rows: &'static [Metric]) -> Group {
    Group { title, rows }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    let kind = MetricKind::Counter;
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    let kind = MetricKind::Gauge;
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    let kind = MetricKind::Histogram;
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// The table as a page of the docs.
#[must_use]
pub fn page() -> String {
    let mut out = String::from(
        "# Metrics\n\n<!-- Made from the table in crates/telemetry/src/table by `make reference`; edit it there. -->\n\n\
         Every metric at `/metrics`, in Prometheus' text format, OpenMetrics, or as protobuf with native histograms, and \
         the same over OTLP. Durations are in seconds, sizes in bytes. How to read them: \
         [Observability](../concepts/observability.md).\n",
    );
    for group in GROUPS {
        let _ = write!(
            out,
            "\n## {}\n\n| metric | type | labels | what |\n|---|---|---|---|\n",
            group.title
        );
        for metric in group.rows {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, labels) = (metric.name, metric.kind.as_str(), labels.join(", "));
            let _ = writeln!(
                out,
                "| `{name}` | {kind} | {labels} | {} |",
                metric.help.replace('|', "\\|")
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_row_is_there_once_and_is_written_as_the_formats_want_it() {
        let mut names = BTreeSet::new();
        for metric in all() {
            let name = metric.name;
            assert!(names.insert(name), "{name} is there twice");
            let is_counter = metric.kind == MetricKind::Counter;
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            if metric.kind == MetricKind::Histogram {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            let parts = ["_bucket", "_sum", "_count", "_info_total"];
            assert!(
                !parts.iter().any(|part| name.ends_with(part)),
                "{name} looks like a part"
            );
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
            let labels: BTreeSet<_> = metric.labels.iter().collect();
            assert_eq!(labels.len(), metric.labels.len(), "{name}");
        }
    }
}
