//! Metrics as text for a scraper: Prometheus' exposition format 0.0.4 and OpenMetrics 1.0.
//!
//! Whoever keeps handles puts what they read into an [`Exposition`]; the order of the calls does not matter, every family
//! is written once and in one piece. Whatever a label's value holds, it is escaped. A name that the formats do not allow,
//! a family with two types and a sample that is there twice would each spoil the whole scrape: they are left out and
//! listed in [`Exposition::faults`], and the rest is delivered.

mod format;
#[cfg(test)]
mod tests;

pub use format::Format;

use crate::HistogramSnapshot;
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
    faults: Vec<Fault>,
}

/// All samples of one name.
#[derive(Debug)]
struct Family {
    name: String,
    help: String,
    kind: FamilyKind,
    samples: Vec<Sample>,
    seen: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

/// One set of labels (rendered, without braces) with its value.
#[derive(Debug)]
struct Sample {
    labels: String,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Number(Number),
    Histogram {
        buckets: Vec<(String, u64)>,
        count: u64,
        sum_seconds: String,
    },
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
        Self::default()
    }

    /// Adds a number that only grows. `name` ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        if !name.ends_with("_total") || name.len() == "_total".len() {
            return self.faults.push(Fault::CounterName(name.to_owned()));
        }
        self.add(name, help, FamilyKind::Counter, labels, Value::Number(value.into()));
    }

    /// Adds a number that grows and shrinks.
    pub fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.add(name, help, FamilyKind::Gauge, labels, Value::Number(value.into()));
    }

    /// Adds a distribution of durations, in seconds. `name` ends in `_seconds`.
    pub fn histogram(&mut self, name: &str, help: &str, labels: &[(&str, &str)], snapshot: &HistogramSnapshot) {
        let buckets = BOUND_EXPONENTS
            .map(|exponent| 1u64 << exponent)
            .map(|micros| (seconds(micros), snapshot.count_at_most(Duration::from_micros(micros))))
            .collect();
        let value = Value::Histogram {
            buckets,
            count: snapshot.count,
            sum_seconds: seconds(snapshot.sum_micros),
        };
        self.add(name, help, FamilyKind::Histogram, labels, value);
    }

    /// What was left out, and why.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The text in `format`.
    #[must_use]
    pub fn finish(&self, format: Format) -> String {
        let mut out = String::with_capacity(self.families.len() * 512);
        for family in &self.families {
            family.write(format, &mut out);
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }

    fn add(&mut self, name: &str, help: &str, kind: FamilyKind, labels: &[(&str, &str)], value: Value) {
        if let Err(fault) = self.try_add(name, help, kind, labels, value) {
            self.faults.push(fault);
        }
    }

    fn try_add(
        &mut self,
        name: &str,
        help: &str,
        kind: FamilyKind,
        labels: &[(&str, &str)],
        value: Value,
    ) -> Result<(), Fault> {
        if !is_name(name, true) {
            return Err(Fault::MetricName(name.to_owned()));
        }
        let rendered = render_labels(name, labels)?;
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
            labels: rendered,
            value,
        });
        Ok(())
    }

    /// Begins a family and says where it stands.
    fn open(&mut self, name: &str, help: &str, kind: FamilyKind) -> usize {
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
    fn write(&self, format: Format, out: &mut String) {
        // OpenMetrics names a counter's family without the ending that its samples have.
        let family = match (format, self.kind) {
            (Format::OpenMetrics, FamilyKind::Counter) => self.name.strip_suffix("_total").unwrap_or(&self.name),
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
            Value::Histogram {
                buckets,
                count,
                sum_seconds,
            } => {
                for (bound, count) in buckets {
                    write_series(out, name, "_bucket", labels, Some(bound));
                    let _ = writeln!(out, "{count}");
                }
                write_series(out, name, "_bucket", labels, Some("+Inf"));
                let _ = writeln!(out, "{count}");
                write_series(out, name, "_sum", labels, None);
                let _ = writeln!(out, "{sum_seconds}");
                write_series(out, name, "_count", labels, None);
                let _ = writeln!(out, "{count}");
            }
        }
    }
}

impl FamilyKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Number {
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

/// The labels as `a="x",b="y"`, sorted by name, so that the same set is recognised in any order.
fn render_labels(metric: &str, labels: &[(&str, &str)]) -> Result<String, Fault> {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let mut out = String::new();
    let mut before = None;
    for (label, value) in sorted {
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
    Ok(out)
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
