//! What is exposed, read by parsers that are not ours: the text of Prometheus, and its protobuf with native histograms. And
//! what the logs of a running program hold.

use crate::harness::{Origin, Peregrine, Reply, until};
use peregrine_telemetry::table::{self, MetricKind};
use prometheus_parse::{Scrape, Value};
use prost::Message;
use std::collections::BTreeSet;

fn well() -> Origin {
    Origin::start(|heard| match heard.target.split('?').next() {
        Some("/failing") => Reply::status(503, &[], "no"),
        _ => Reply::ok(&[("cache-control", "max-age=600"), ("surrogate-key", "page")], "ok"),
    })
}

fn scraped(text: &str) -> Scrape {
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

#[test]
fn a_parser_that_is_not_ours_reads_the_metrics_and_each_is_in_the_table() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..4 {
        peregrine.get("/page", &[]);
    }
    peregrine.get("/failing", &[]);
    peregrine.invalidate(&serde_json::json!({ "tags": ["none"] }));
    let text = peregrine.admin("GET", "/metrics", None).text();
    let scrape = scraped(&text);
    let mut seen = BTreeSet::new();
    for sample in &scrape.samples {
        // It gives buckets under the name of the histogram, and sums and counts as samples of their own.
        let part = ["_sum", "_count"]
            .iter()
            .find_map(|part| sample.metric.strip_suffix(part));
        let name = part
            .filter(|name| table::all().any(|metric| metric.name == *name))
            .unwrap_or(&sample.metric);
        let known = table::all().find(|metric| metric.name == name);
        let known = known.unwrap_or_else(|| panic!("{name} is not in the table"));
        let fits = matches!(
            (&sample.value, known.kind),
            (Value::Counter(_), MetricKind::Counter)
                | (Value::Gauge(_), MetricKind::Gauge)
                | (Value::Histogram(_) | Value::Untyped(_), MetricKind::Histogram)
        );
        assert!(fits, "{sample:?}");
        let help = scrape.docs.get(name).map(String::as_str);
        assert_eq!(help, Some(known.help), "{name}");
        seen.insert(name.to_owned());
    }
    // It leaves out what it cannot read.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part));
        assert!(
            seen.contains(name) || histogram.is_some_and(|name| seen.contains(name)),
            "{line}"
        );
    }
    for name in [
        "peregrine_requests_total",
        "peregrine_origin_saved_seconds_total",
        "peregrine_route_info",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "peregrine_machine_memory_bytes",
        "peregrine_machine_cpu_seconds_total",
        "peregrine_machine_open_files",
        "peregrine_requests_in_flight",
        "peregrine_http2_connections_open",
        "peregrine_uncompressed_bytes_total",
        "peregrine_cache_memory_max_bytes",
        "peregrine_cache_loads_under_way",
    ] {
        assert!(seen.contains(name), "{name}");
    }
    let of = |name: &str, label: &str, wanted: &str| {
        let of_route = scrape.samples.iter().filter(|sample| {
            sample.metric == name && sample.labels.get(label) == Some(wanted) && sample.labels.get("route").is_some()
        });
        let numbers = of_route.map(|sample| match sample.value {
            Value::Counter(number) | Value::Gauge(number) => number,
            _ => f64::NAN,
        });
        numbers.sum::<f64>()
    };
    assert!((of("peregrine_requests_total", "cache", "hit") - 3.0).abs() < 0.1);
    assert!((of("peregrine_hits_total", "tier", "memory") - 3.0).abs() < 0.1);
    assert!((peregrine.metric("peregrine_cache_invalidations_total", &[]) - 1.0).abs() < 0.1);
    assert!(
        !peregrine.log().contains("a metric was left out"),
        "{}",
        peregrine.log()
    );
}

/// Of `io.prometheus.client.MetricFamily`, what the test looks at.
#[derive(Clone, PartialEq, Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
}

#[test]
fn who_asks_as_prometheus_does_gets_native_histograms() {
    let origin = well();
    let peregrine = Peregrine::before(&origin, "");
    for _ in 0..5 {
        peregrine.get("/page", &[]);
    }
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                  application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4";
    let bearer = format!("Bearer {}", peregrine.token);
    let host = peregrine.admin.to_string();
    let fields = [("host", &*host), ("authorization", &*bearer), ("accept", accept)];
    let answer = crate::harness::get(peregrine.admin, "/metrics", &fields);
    assert!(
        answer
            .field("content-type")
            .starts_with("application/vnd.google.protobuf"),
        "{:?}",
        answer.fields
    );
    let (mut rest, mut families) = (answer.body.as_slice(), Vec::new());
    while !rest.is_empty() {
        families.push(Family::decode_length_delimited(&mut rest).unwrap());
    }
    let wanted = "peregrine_request_duration_seconds";
    let family = families.iter().find(|family| family.name == wanted).unwrap();
    let histogram = family.metric[0].histogram.as_ref().unwrap();
    assert_eq!((histogram.sample_count, histogram.schema), (5, 3));
    // The differences add up to each bucket's count, and those to all that was not zero.
    let running = histogram.positive_delta.iter().scan(0, |count, delta| {
        *count += delta;
        Some(*count)
    });
    let counted: i64 = running.sum();
    assert_eq!(u64::try_from(counted).unwrap() + histogram.zero_count, 5);
}

#[test]
fn the_access_log_is_sampled_but_holds_all_errors_and_slow_requests_are_warned_of() {
    let origin = Origin::start(|heard| match heard.target.split('?').next() {
        Some("/failing") => Reply::status(503, &[], "no"),
        _ => Reply::ok(&[("cache-control", "no-store")], "ok"),
    });
    let log = "[log]\naccess = \"json\"\naccess_path = \"access.log\"\naccess_sample = 0.0\nslow = \"1ms\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = log.replace("access.log", path.to_str().unwrap());
    let peregrine = Peregrine::start_in(folder, &crate::harness::program::upstream(&[&origin], "", &log));
    for _ in 0..5 {
        peregrine.get("/failing?token=hunter2", &[]);
    }
    until("the errors to be logged", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.matches("/failing").count() == 5
    });
    // Some request takes a millisecond before long, on any machine.
    until("a slow request to be warned of", || {
        peregrine.get("/page?token=hunter2", &[]);
        peregrine.log().contains("a request was slow")
    });
    assert!(peregrine.metric("peregrine_slow_requests_total", &[]) >= 1.0);
    assert!(!peregrine.log().contains("hunter2"), "{}", peregrine.log());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hunter2"));
}
