//! The exposition line by line, in both formats.

use super::*;
use crate::Histogram;

fn lines(exposition: &Exposition, format: Format) -> Vec<String> {
    exposition.finish(format).lines().map(str::to_owned).collect()
}

#[test]
fn a_family_is_written_once_and_in_one_piece_whatever_the_order_of_the_calls() {
    let mut exposition = Exposition::new();
    exposition.counter(
        "requests_total",
        "All requests.",
        &[("route", "api"), ("cache", "hit")],
        3u64,
    );
    exposition.gauge("connections", "Open connections.", &[], 2i64);
    exposition.counter(
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
    exposition.counter("requests_total", "Every \"request\".", &[], 3u64);
    let expected = [
        "# HELP requests Every \\\"request\\\".",
        "# TYPE requests counter",
        "requests_total 3",
        "# EOF",
    ];
    assert_eq!(lines(&exposition, Format::OpenMetrics), expected);
    assert!(exposition.finish(Format::Prometheus).contains("Every \"request\"."));
}

#[test]
fn a_value_that_lies_cannot_leave_its_quotes() {
    let mut exposition = Exposition::new();
    exposition.gauge(
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
    exposition.histogram("request_seconds", "Time.", &[("route", "api")], &histogram.snapshot());
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
        exposition.gauge("value", "Values.", &[("case", &index.to_string())], *number);
    }
    let lines = lines(&exposition, Format::Prometheus);
    for (index, (_, text)) in cases.iter().enumerate() {
        assert_eq!(lines[index + 2], format!("value{{case=\"{index}\"}} {text}"));
    }
}

#[test]
fn what_would_spoil_the_scrape_is_left_out_and_named() {
    let mut exposition = Exposition::new();
    exposition.gauge("good", "Good.", &[], 1u64);
    exposition.gauge("", "Bad.", &[], 1u64);
    exposition.gauge("9lives", "Bad.", &[], 1u64);
    exposition.gauge("bad name", "Bad.", &[], 1u64);
    exposition.counter("requests", "Bad.", &[], 1u64);
    exposition.gauge("good", "Good.", &[("le", "1")], 1u64);
    exposition.gauge("good", "Good.", &[("__name__", "1")], 1u64);
    exposition.gauge("good", "Good.", &[("a", "1"), ("a", "2")], 1u64);
    exposition.gauge("good", "Good.", &[("a:b", "1")], 1u64);
    exposition.gauge("good", "Other words.", &[("a", "1")], 1u64);
    exposition.histogram("good", "Good.", &[("a", "1")], &Histogram::new().snapshot());
    exposition.gauge("good", "Good.", &[], 2u64);
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
    ];
    for (accept, expected) in cases {
        assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
    }
}
