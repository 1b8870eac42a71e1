//! Metrics for a scraper: Prometheus' text exposition format 0.0.4, OpenMetrics 1.0, and Prometheus' protobuf format, which
//! alone has native histograms ([ADR 0011](../../../docs/adr/0011-native-histograms-in-protobuf.md)).
//!
//! What a metric is and what it says stands in the [`crate::table`]; one that is not in it is left out as a fault.
//! Whoever keeps handles puts what they read into an [`Exposition`]; the order of the calls does not matter, every family
//! is written once and in one piece. Whatever a label's value holds, it is escaped. A name that the formats do not allow,
//! a family with two types and a sample that is there twice would each spoil the whole scrape: they are left out and
//! listed in [`Exposition::faults`], and the rest is delivered.

mod format;
mod protobuf;
#[cfg(test)]
mod tests;

pub use format::Format;
pub(crate) use protobuf::{SCHEMA, ZERO_THRESHOLD_S, sparse};

use crate::HistogramSnapshot;
use crate::table::{self, Metric, MetricKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// Upper bounds of the buckets that a histogram is written with: powers of two of a microsecond, from 64 µs to 67 s. They
/// are edges of [`crate::Histogram`]'s own buckets, so that every written count is exact.
const BOUND_EXPONENTS: std::ops::RangeInclusive<u32> = 6..=26;

/// A set of metrics on its way to a scraper.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Family>,
    index: BTreeMap<String, usize>,
    table: BTreeMap<&'static str, &'static Metric>,
    faults: Vec<Fault>,
}

/// All samples of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: MetricKind,
    pub(crate) samples: Vec<Sample>,
    seen: BTreeSet<String>,
}

/// One set of labels with its value.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Sorted by name.
    pub(crate) pairs: Vec<(String, String)>,
    /// The same as text, without braces.
    labels: String,
    pub(crate) value: Value,
}

/// What a sample says.
#[derive(Debug)]
pub(crate) enum Value {
    Number(Number),
    Histogram(HistogramSnapshot),
}

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number.
    Whole(i128),
    /// Any number.
    Real(f64),
}

/// Why a sample was left out. Each is a defect of the code that offered it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The metric's name is not one.
    #[error("`{0}` is no name for a metric: letters, digits, `_` and `:`, no digit first")]
    MetricName(String),
    /// A counter's name lacks its ending.
    #[error("the counter `{0}` must end in `_total`")]
    CounterName(String),
    /// The metric is not in the table.
    #[error("`{0}` is not in the table of metrics")]
    Unknown(String),
    /// The metric is another one in the table.
    #[error("`{0}` has another type or other labels in the table of metrics")]
    NotAsInTable(String),
    /// A label's name is not one, or is taken (`le`, `quantile`, `__…`).
    #[error("`{label}` of `{metric}` is no name for a label")]
    LabelName {
        /// The metric.
        metric: String,
        /// The label.
        label: String,
    },
    /// The same name was offered as another type or with another help text.
    #[error("`{0}` was offered with two types or two help texts")]
    TwoKinds(String),
    /// The same labels were offered twice.
    #[error("`{0}` was offered twice")]
    Twice(String),
}

impl Exposition {
    /// A set without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: table::all().map(|metric| (metric.name, metric)).collect(),
            ..Self::default()
        }
    }

    /// Adds a number that only grows.
    pub fn counter(&mut self, name: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.add_known(name, MetricKind::Counter, labels, Value::Number(value.into()));
    }

    /// Adds a number that grows and shrinks.
    pub fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.add_known(name, MetricKind::Gauge, labels, Value::Number(value.into()));
    }

    /// Adds a distribution of durations, in seconds.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], snapshot: &HistogramSnapshot) {
        self.add_known(name, MetricKind::Histogram, labels, Value::Histogram(snapshot.clone()));
    }

    /// What was left out, and why.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// All that was added.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// The bytes in `format`.
    #[must_use]
    pub fn finish(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Protobuf => protobuf::write(&self.families),
            Format::Prometheus | Format::OpenMetrics => self.text(format).into_bytes(),
        }
    }

    /// The text in `format`, one of text.
    fn text(&self, format: Format) -> String {
        let mut out = String::with_capacity(self.families.len() * 512);
        for family in &self.families {
            family.write(format, &mut out);
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    /// Adds what the table has under `name`.
    fn add_known(&mut self, name: &str, kind: MetricKind, labels: &[(&str, &str)], value: Value) {
        let Some(metric) = self.table.get(name).copied() else {
            return self.faults.push(Fault::Unknown(name.to_owned()));
        };
        let is_same = metric.labels.len() == labels.len()
            && labels.iter().all(|(label, _)| metric.labels.contains(label))
            && metric.kind == kind;
        if !is_same {
            return self.faults.push(Fault::NotAsInTable(name.to_owned()));
        }
        self.add(name, metric.help, kind, labels, value);
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricKind, labels: &[(&str, &str)], value: Value) {
        if let Err(fault) = self.try_add(name, help, kind, labels, value) {
            self.faults.push(fault);
        }
    }

    fn try_add(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricKind,
        labels: &[(&str, &str)],
        value: Value,
    ) -> Result<(), Fault> {
        if !is_name(name, true) {
            return Err(Fault::MetricName(name.to_owned()));
        }
        if kind == MetricKind::Counter && (!name.ends_with("_total") || name.len() == "_total".len()) {
            return Err(Fault::CounterName(name.to_owned()));
        }
        let (pairs, rendered) = render_labels(name, labels)?;
        let index = match self.index.get(name) {
            Some(index) => *index,
            None => self.open(name, help, kind),
        };
        let Some(family) = self.families.get_mut(index) else {
            return Ok(());
        };
        if family.kind != kind || family.help != help {
            return Err(Fault::TwoKinds(name.to_owned()));
        }
        if !family.seen.insert(rendered.clone()) {
            return Err(Fault::Twice(format!("{name}{{{rendered}}}")));
        }
        family.samples.push(Sample {
            pairs,
            labels: rendered,
            value,
        });
        Ok(())
    }

    /// Begins a family and says where it stands.
    fn open(&mut self, name: &str, help: &str, kind: MetricKind) -> usize {
        let index = self.families.len();
        let (samples, seen) = (Vec::new(), BTreeSet::new());
        self.families.push(Family {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            samples,
            seen,
        });
        self.index.insert(name.to_owned(), index);
        index
    }
}

impl Family {
    /// Its unit, as the table says.
    pub(crate) fn unit(&self) -> &'static str {
        table::unit(&self.name)
    }

    fn write(&self, format: Format, out: &mut String) {
        // OpenMetrics names a counter's family without the ending that its samples have.
        let family = match (format, self.kind) {
            (Format::OpenMetrics, MetricKind::Counter) => self.name.strip_suffix("_total").unwrap_or(&self.name),
            _ => &self.name,
        };
        let _ = write!(out, "# HELP {family} ");
        escape(&self.help, format == Format::OpenMetrics, out);
        let _ = writeln!(out, "\n# TYPE {family} {}", self.kind.as_str());
        for sample in &self.samples {
            self.write_sample(sample, out);
        }
    }

    fn write_sample(&self, sample: &Sample, out: &mut String) {
        let (name, labels) = (&self.name, &sample.labels);
        match &sample.value {
            Value::Number(number) => {
                write_series(out, name, "", labels, None);
                number.write(out);
                out.push('\n');
            }
            Value::Histogram(snapshot) => {
                let mut write = |suffix: &str, bound: Option<&str>, number: &dyn std::fmt::Display| {
                    write_series(out, name, suffix, labels, bound);
                    let _ = writeln!(out, "{number}");
                };
                for (bound, count) in buckets(snapshot) {
                    write("_bucket", Some(&seconds(bound)), &count);
                }
                write("_bucket", Some("+Inf"), &snapshot.count);
                write("_sum", None, &seconds(snapshot.sum_micros));
                write("_count", None, &snapshot.count);
            }
        }
    }
}

/// The buckets that a histogram is written with: upper bounds in microseconds, and how many durations lie below.
fn buckets(snapshot: &HistogramSnapshot) -> impl Iterator<Item = (u64, u64)> {
    let bounds = BOUND_EXPONENTS.map(|exponent| 1u64 << exponent);
    bounds.map(|micros| (micros, snapshot.count_at_most(Duration::from_micros(micros))))
}

impl Number {
    /// The nearest number with a fraction.
    #[expect(clippy::cast_precision_loss, reason = "a scraper keeps every number with 53 bits")]
    pub(crate) fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }

    fn write(self, out: &mut String) {
        let _ = match self {
            Self::Whole(number) => write!(out, "{number}"),
            Self::Real(number) if number.is_nan() => write!(out, "NaN"),
            Self::Real(number) if number.is_infinite() => write!(out, "{}Inf", if number > 0.0 { '+' } else { '-' }),
            Self::Real(number) => write!(out, "{number}"),
        };
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(i128::try_from(number).unwrap_or(i128::MAX))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Number {
    fn from(flag: bool) -> Self {
        Self::Whole(flag.into())
    }
}

impl From<Duration> for Number {
    /// In seconds.
    fn from(span: Duration) -> Self {
        Self::Real(span.as_secs_f64())
    }
}

/// `name_suffix{labels,le="bound"} `, with the blank that the value follows.
fn write_series(out: &mut String, name: &str, suffix: &str, labels: &str, bound: Option<&str>) {
    let _ = write!(out, "{name}{suffix}");
    if !labels.is_empty() || bound.is_some() {
        let comma = if labels.is_empty() || bound.is_none() { "" } else { "," };
        let _ = write!(out, "{{{labels}{comma}");
        if let Some(bound) = bound {
            let _ = write!(out, "le=\"{bound}\"");
        }
        out.push('}');
    }
    out.push(' ');
}

/// Labels sorted by name, so that the same set is recognised in any order: as pairs, and as `a="x",b="y"`.
type Labels = (Vec<(String, String)>, String);

fn render_labels(metric: &str, labels: &[(&str, &str)]) -> Result<Labels, Fault> {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let mut out = String::new();
    let mut before = None;
    for &(label, value) in &sorted {
        let taken = label == "le" || label == "quantile" || label.starts_with("__") || before == Some(label);
        if taken || !is_name(label, false) {
            return Err(Fault::LabelName {
                metric: metric.to_owned(),
                label: label.to_owned(),
            });
        }
        let _ = write!(out, "{}{label}=\"", if before.is_some() { "," } else { "" });
        escape(value, true, &mut out);
        out.push('"');
        before = Some(label);
    }
    let owned = |&(label, value): &(&str, &str)| (label.to_owned(), value.to_owned());
    Ok((sorted.iter().map(owned).collect(), out))
}

fn is_name(text: &str, colon: bool) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
    !text.is_empty() && text.bytes().all(allowed) && !text.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// Escapes backslash and line feed, and the double quote where `quote` says so; nothing else may be escaped.
fn escape(text: &str, quote: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quote => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

/// Microseconds as seconds, exactly.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let short = text.trim_end_matches('0');
    // A bound keeps one digit behind the point, as OpenMetrics wants it.
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}
