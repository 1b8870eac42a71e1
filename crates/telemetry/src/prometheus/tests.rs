//! The exposition line by line, in both formats.

use super::*;
use crate::Histogram;

/// Metrics that are not in the table, for the formats' own sake.
impl Exposition {
    fn raw_counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.add(name, help, MetricKind::Counter, labels, Value::Number(value.into()));
    }

    fn raw_gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.add(name, help, MetricKind::Gauge, labels, Value::Number(value.into()));
    }

    fn raw_histogram(&mut self, name: &str, help: &str, labels: &[(&str, &str)], snapshot: &HistogramSnapshot) {
        self.add(
            name,
            help,
            MetricKind::Histogram,
            labels,
            Value::Histogram(snapshot.clone()),
        );
    }
}

fn lines(exposition: &Exposition, format: Format) -> Vec<String> {
    exposition.text(format).lines().map(str::to_owned).collect()
}

#[test]
fn a_family_is_written_once_and_in_one_piece_whatever_the_order_of_the_calls() {
    let mut exposition = Exposition::new();
    exposition.raw_counter(
        "requests_total",
        "All requests.",
        &[("route", "api"), ("cache", "hit")],
        3u64,
    );
    exposition.raw_gauge("connections", "Open connections.", &[], 2i64);
    exposition.raw_counter(
        "requests_total",
        "All requests.",
        &[("cache", "miss"), ("route", "api")],
        1u64,
    );
    let expected = [
        "# HELP requests_total All requests.",
        "# TYPE requests_total counter",
        "requests_total{cache=\"hit\",route=\"api\"} 3",
        "requests_total{cache=\"miss\",route=\"api\"} 1",
        "# HELP connections Open connections.",
        "# TYPE connections gauge",
        "connections 2",
    ];
    assert_eq!(lines(&exposition, Format::Prometheus), expected);
    assert!(exposition.faults().is_empty());
}

#[test]
fn openmetrics_names_the_counters_family_without_its_ending_and_ends_the_text() {
    let mut exposition = Exposition::new();
    exposition.raw_counter("requests_total", "Every \"request\".", &[], 3u64);
    let expected = [
        "# HELP requests Every \\\"request\\\".",
        "# TYPE requests counter",
        "requests_total 3",
        "# EOF",
    ];
    assert_eq!(lines(&exposition, Format::OpenMetrics), expected);
    assert!(exposition.text(Format::Prometheus).contains("Every \"request\"."));
}

#[test]
fn a_value_that_lies_cannot_leave_its_quotes() {
    let mut exposition = Exposition::new();
    exposition.raw_gauge(
        "size",
        "Line one\nline \\ two",
        &[("name", "a\"} 1\nforged{x=\"\\")],
        1u64,
    );
    let expected = [
        "# HELP size Line one\\nline \\\\ two",
        "# TYPE size gauge",
        "size{name=\"a\\\"} 1\\nforged{x=\\\"\\\\\"} 1",
    ];
    assert_eq!(lines(&exposition, Format::Prometheus), expected);
}

#[test]
fn a_histogram_counts_upwards_and_ends_with_everything() {
    let histogram = Histogram::new();
    for micros in [10, 64, 1000, 1023, 1024, 2_500_000, 100_000_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let mut exposition = Exposition::new();
    exposition.raw_histogram("request_seconds", "Time.", &[("route", "api")], &histogram.snapshot());
    let lines = lines(&exposition, Format::Prometheus);
    let count = |bound: &str| {
        let start = format!("request_seconds_bucket{{route=\"api\",le=\"{bound}\"}} ");
        lines
            .iter()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap_or_else(|| panic!("{bound} in {lines:?}"))
            .to_owned()
    };
    assert_eq!(lines[1], "# TYPE request_seconds histogram");
    assert_eq!(count("0.000064"), "1");
    assert_eq!(count("0.001024"), "4");
    assert_eq!(count("0.002048"), "5");
    assert_eq!(count("2.097152"), "5");
    assert_eq!(count("67.108864"), "6");
    assert_eq!(count("+Inf"), "7");
    assert_eq!(lines[lines.len() - 2], "request_seconds_sum{route=\"api\"} 102.503121");
    assert_eq!(lines[lines.len() - 1], "request_seconds_count{route=\"api\"} 7");
    assert_eq!(lines.len(), 2 + 21 + 3);
}

#[test]
fn numbers_read_as_the_formats_want_them() {
    let mut exposition = Exposition::new();
    let cases: [(Number, &str); 7] = [
        (u64::MAX.into(), "18446744073709551615"),
        (i64::MIN.into(), "-9223372036854775808"),
        (0.25.into(), "0.25"),
        (f64::NAN.into(), "NaN"),
        (f64::INFINITY.into(), "+Inf"),
        (f64::NEG_INFINITY.into(), "-Inf"),
        (Duration::from_millis(1500).into(), "1.5"),
    ];
    for (index, (number, _)) in cases.iter().enumerate() {
        exposition.raw_gauge("value", "Values.", &[("case", &index.to_string())], *number);
    }
    let lines = lines(&exposition, Format::Prometheus);
    for (index, (_, text)) in cases.iter().enumerate() {
        assert_eq!(lines[index + 2], format!("value{{case=\"{index}\"}} {text}"));
    }
}

#[test]
fn what_would_spoil_the_scrape_is_left_out_and_named() {
    let mut exposition = Exposition::new();
    exposition.raw_gauge("good", "Good.", &[], 1u64);
    exposition.raw_gauge("", "Bad.", &[], 1u64);
    exposition.raw_gauge("9lives", "Bad.", &[], 1u64);
    exposition.raw_gauge("bad name", "Bad.", &[], 1u64);
    exposition.raw_counter("requests", "Bad.", &[], 1u64);
    exposition.raw_gauge("good", "Good.", &[("le", "1")], 1u64);
    exposition.raw_gauge("good", "Good.", &[("__name__", "1")], 1u64);
    exposition.raw_gauge("good", "Good.", &[("a", "1"), ("a", "2")], 1u64);
    exposition.raw_gauge("good", "Good.", &[("a:b", "1")], 1u64);
    exposition.raw_gauge("good", "Other words.", &[("a", "1")], 1u64);
    exposition.raw_histogram("good", "Good.", &[("a", "1")], &Histogram::new().snapshot());
    exposition.raw_gauge("good", "Good.", &[], 2u64);
    assert_eq!(
        lines(&exposition, Format::Prometheus),
        ["# HELP good Good.", "# TYPE good gauge", "good 1"]
    );
    let kinds: Vec<String> = exposition.faults().iter().map(ToString::to_string).collect();
    assert_eq!(kinds.len(), 11, "{kinds:?}");
    assert_eq!(exposition.faults()[3], Fault::CounterName("requests".to_owned()));
    assert_eq!(exposition.faults()[10], Fault::Twice("good{}".to_owned()));
}

#[test]
fn the_scraper_chooses_the_format() {
    let today = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    // As a Prometheus that scrapes native histograms asks.
    let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                  application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let cases = [
        (None, Format::Prometheus),
        (Some(""), Format::Prometheus),
        (Some("*/*"), Format::Prometheus),
        (Some("text/html, */*;q=0.1"), Format::Prometheus),
        (Some("application/openmetrics-text"), Format::OpenMetrics),
        (
            Some("Application/OpenMetrics-Text; Version=\"1.0.0\""),
            Format::OpenMetrics,
        ),
        (Some("application/openmetrics-text;version=2.0.0"), Format::Prometheus),
        (Some("application/openmetrics-text;q=0"), Format::Prometheus),
        (
            Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"),
            Format::Prometheus,
        ),
        (Some("application/openmetrics-text;q=nonsense"), Format::Prometheus),
        (Some(today), Format::OpenMetrics),
        (Some(native), Format::Protobuf),
        (Some("application/vnd.google.protobuf"), Format::Protobuf),
        (
            Some("application/vnd.google.protobuf;proto=other.Message"),
            Format::Prometheus,
        ),
        (
            Some("application/vnd.google.protobuf;encoding=text;q=0.9,text/plain;q=0.1"),
            Format::Prometheus,
        ),
    ];
    for (accept, expected) in cases {
        assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
    }
}

#[test]
fn what_is_not_in_the_table_is_left_out() {
    let mut exposition = Exposition::new();
    exposition.counter("peregrine_made_up_total", &[], 1u64);
    exposition.gauge("peregrine_requests_total", &[("route", "a"), ("cache", "hit")], 1u64);
    exposition.counter("peregrine_requests_total", &[("route", "a")], 1u64);
    exposition.counter("peregrine_requests_total", &[("route", "a"), ("cash", "hit")], 1u64);
    assert_eq!(exposition.faults().len(), 4);
    exposition.counter("peregrine_requests_total", &[("cache", "hit"), ("route", "a")], 1u64);
    assert_eq!(
        (exposition.faults().len(), lines(&exposition, Format::Prometheus).len()),
        (4, 3)
    );
}

/// Reads delimited messages until nothing is left.
fn decoded(mut bytes: &[u8]) -> Vec<protobuf::MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(prost::Message::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

#[test]
fn protobuf_says_what_the_text_says_and_histograms_are_native_too() {
    let histogram = Histogram::new();
    for micros in [0, 0, 10, 1000, 1000, 1020, 2_500_000, 100_000_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let mut exposition = Exposition::new();
    exposition.counter("peregrine_requests_total", &[("route", "a"), ("cache", "hit")], 7u64);
    exposition.gauge("peregrine_uptime_seconds", &[], 1.5);
    let labels = [("route", "a")];
    exposition.histogram("peregrine_request_duration_seconds", &labels, &histogram.snapshot());
    let families = decoded(&exposition.finish(Format::Protobuf));
    let names: Vec<_> = families.iter().map(|family| family.name.as_deref().unwrap()).collect();
    assert_eq!(
        names,
        [
            "peregrine_requests_total",
            "peregrine_uptime_seconds",
            "peregrine_request_duration_seconds"
        ]
    );
    let counter = &families[0].metric[0];
    assert_eq!(counter.counter.as_ref().unwrap().value, Some(7.0));
    assert_eq!(counter.label[1].value.as_deref(), Some("a"));
    assert_eq!(families[1].metric[0].gauge.as_ref().unwrap().value, Some(1.5));
    let is = families[2].metric[0].histogram.as_ref().unwrap();
    assert_eq!((is.sample_count, is.zero_count, is.schema), (Some(8), Some(2), Some(3)));
    assert_eq!(is.bucket.len(), BOUND_EXPONENTS.count());
    // A count and the end of its bucket for all native buckets.
    let (mut native, mut index, mut count) = (Vec::new(), 0, 0);
    let mut deltas = is.positive_delta.iter();
    for span in &is.positive_span {
        index += span.offset.unwrap();
        for _ in 0..span.length.unwrap() {
            count += deltas.next().unwrap();
            native.push(((f64::from(index) / 8.0).exp2(), count));
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None);
    let filled: Vec<_> = native.iter().filter(|(_, count)| *count > 0).collect();
    let expected = [(10e-6, 1), (1020e-6, 3), (2.5, 1), (100.0, 1)];
    assert_eq!(filled.len(), expected.len(), "{native:?}");
    for ((end, count), (time, wanted)) in filled.iter().zip(expected) {
        assert_eq!(*count, wanted, "{time}");
        assert!((time..=time * 1.25).contains(end), "{time} is far from {end}");
    }
}

#[test]
fn the_fields_of_protobuf_have_the_numbers_of_prometheus() {
    let mut exposition = Exposition::default();
    exposition.raw_counter("a_total", "A.", &[("l", "v")], 1u64);
    // metrics.proto by hand: name 1, help 2, type 3, metric 4 { label 1 { name 1, value 2 }, counter 3 { value 1 } }.
    let mut family = b"\x0a\x07a_total\x12\x02A.\x18\x00\x22".to_vec();
    let mut metric = b"\x0a\x06\x0a\x01l\x12\x01v\x1a\x09\x09".to_vec();
    metric.extend(1f64.to_le_bytes());
    family.push(u8::try_from(metric.len()).unwrap());
    family.extend(metric);
    family.insert(0, u8::try_from(family.len()).unwrap());
    assert_eq!(exposition.finish(Format::Protobuf), family);
}
