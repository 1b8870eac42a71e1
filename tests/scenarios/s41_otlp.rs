//! A collector in the protocol's own types hears of requests and metrics, origins hear of the trace, and a collector that
//! fails costs no request anything.

use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, until};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

fn well() -> Origin {
    Origin::start(|_| Reply::ok(&[("cache-control", "max-age=600")], "ok"))
}

fn collector() -> Origin {
    Origin::start(|_| Reply::ok(&[("content-type", "application/x-protobuf")], ""))
}

fn section(collector: &Origin, more: &str) -> String {
    format!(
        "[otlp]\nendpoint = \"{}\"\nauthorization = \"Bearer opensesame\"\nservice_name = \"shop-cache\"\ninterval = \"1s\"\n{more}\n",
        collector.url()
    )
}

/// The spans that a collector got.
fn spans(collector: &Origin) -> Vec<Span> {
    let heard = collector
        .heard()
        .into_iter()
        .filter(|heard| heard.target == "/v1/traces");
    let requests = heard.map(|heard| ExportTraceServiceRequest::decode(heard.body.as_slice()).unwrap());
    let of = requests.flat_map(|request| request.resource_spans);
    of.flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
}

/// The text of an attribute.
fn word(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

#[test]
fn a_trace_goes_on_through_the_cache_to_the_origin_and_the_collector_reads_it() {
    let (origin, collector) = (well(), collector());
    let log = "[log]\naccess = \"json\"\naccess_path = \"access.log\"\n";
    let peregrine = Peregrine::start(&upstream(
        &[&origin],
        "",
        &format!("{}{log}", section(&collector, "sample = 0.0")),
    ));
    let fields = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    for _ in 0..2 {
        assert_eq!(peregrine.get("/page?token=hunter2", &fields).status, 200);
    }
    // What begins here is not recorded, but goes on.
    peregrine.get("/other", &[]);
    until(
        "both requests, what they asked the cache, and the fetch to be told",
        || spans(&collector).len() >= 5,
    );
    let spans = spans(&collector);
    assert_eq!(spans.len(), 5, "{spans:?}");
    assert!(spans.iter().all(|span| span.trace_id == TRACE.to_be_bytes()));
    let (server, client) = (of_kind(&spans, SpanKind::Server), of_kind(&spans, SpanKind::Client));
    assert_eq!((server.len(), client.len()), (2, 1));
    assert!(
        server
            .iter()
            .all(|span| span.parent_span_id == 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes())
    );
    assert!(server.iter().any(|span| span.span_id == client[0].parent_span_id));
    let lookups = of_kind(&spans, SpanKind::Internal);
    let found: BTreeSet<_> = lookups
        .iter()
        .filter_map(|span| word(span, "peregrine.lookup"))
        .collect();
    assert_eq!(found, BTreeSet::from(["fresh".to_owned(), "lead".to_owned()]));
    for lookup in lookups {
        assert_eq!(
            (lookup.name.as_str(), word(lookup, "peregrine.namespace").as_deref()),
            ("lookup", Some("default"))
        );
        let request = server.iter().find(|server| server.span_id == lookup.parent_span_id);
        let request = request.expect("it is part of a request");
        let (cache, tier) = (
            word(request, "peregrine.cache").unwrap(),
            word(lookup, "peregrine.tier"),
        );
        assert_eq!(tier.as_deref(), (cache == "hit").then_some("memory"));
    }
    assert!(!format!("{spans:?}").contains("hunter2"));
    // The origin was told of the span that asked it.
    let heard = origin.heard();
    let first = heard.iter().find(|heard| heard.target.starts_with("/page")).unwrap();
    let span = u64::from_be_bytes(client[0].span_id.as_slice().try_into().unwrap());
    assert_eq!(first.field("traceparent"), format!("00-{TRACE:032x}-{span:016x}-01"));
    assert_eq!(first.field("tracestate"), "vendor=1");
    let other = heard.iter().find(|heard| heard.target == "/other").unwrap();
    assert!(
        other.field("traceparent").ends_with("-00"),
        "{}",
        other.field("traceparent")
    );
    let told = collector.heard();
    assert!(
        told.iter()
            .all(|heard| heard.field("authorization") == "Bearer opensesame")
    );
    assert!(!peregrine.log().contains("opensesame"));
    until("the requests to be logged with their trace", || {
        let text = std::fs::read_to_string(peregrine.path("access.log")).unwrap_or_default();
        text.matches(&format!("\"trace_id\":\"{TRACE:032x}\"")).count() == 2
    });
}

#[test]
fn where_nothing_is_logged_the_lookup_of_a_hit_stands_at_the_time_of_its_request() {
    let (origin, collector) = (well(), collector());
    let more = format!("{}[log]\naccess = \"off\"\n", section(&collector, "sample = 1.0"));
    let peregrine = Peregrine::start(&upstream(&[&origin], "", &more));
    for _ in 0..2 {
        assert_eq!(peregrine.get("/page", &[]).status, 200);
    }
    until(
        "both requests, what they asked the cache, and the fetch to be told",
        || spans(&collector).len() >= 5,
    );
    let spans = spans(&collector);
    let server = of_kind(&spans, SpanKind::Server);
    for lookup in of_kind(&spans, SpanKind::Internal) {
        let request = server.iter().find(|server| server.span_id == lookup.parent_span_id);
        let began = request.expect("it is part of a request").start_time_unix_nano;
        let apart = Duration::from_nanos(lookup.start_time_unix_nano.abs_diff(began));
        assert!(apart < Duration::from_secs(30), "{apart:?} apart: {lookup:?}");
    }
}

#[test]
fn the_collector_gets_the_metrics() {
    let (origin, collector) = (well(), collector());
    let peregrine = Peregrine::before(
        &origin,
        &section(&collector, "traces = false\nattributes = { region = \"north\" }"),
    );
    for _ in 0..3 {
        peregrine.get("/page", &[]);
    }
    let told = || {
        let heard = collector
            .heard()
            .into_iter()
            .filter(|heard| heard.target == "/v1/metrics");
        let mut requests = heard.map(|heard| ExportMetricsServiceRequest::decode(heard.body.as_slice()).unwrap());
        requests.next_back()
    };
    until("metrics with these requests", || {
        format!("{:?}", told()).contains("peregrine_request_duration_seconds")
    });
    let of = &told().unwrap().resource_metrics[0];
    let described = format!("{:?}", of.resource);
    assert!(
        described.contains("shop-cache") && described.contains("north"),
        "{described}"
    );
    assert!(
        origin.heard().iter().all(|heard| !heard.has("traceparent")),
        "nobody traces"
    );
    until("what was sent to be counted", || {
        peregrine.metric(
            "peregrine_otlp_exports_total",
            &["signal=\"metrics\"", "outcome=\"sent\""],
        ) >= 1.0
    });
}

#[test]
fn a_collector_that_fails_for_a_while_is_sent_the_same_again() {
    let origin = well();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let collector = Origin::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(503, &[], "later"),
        _ => Reply::ok(&[], ""),
    });
    let peregrine = Peregrine::before(&origin, &section(&collector, "metrics = false\nsample = 1.0"));
    assert_eq!(peregrine.get("/page", &[]).status, 200);
    until("the spans to arrive at last", || collector.heard().len() >= 2);
    let bodies: Vec<_> = collector.heard().into_iter().map(|heard| heard.body).collect();
    assert_eq!(bodies[0], bodies[1]);
    until("it to be counted", || {
        peregrine.metric("peregrine_otlp_exports_total", &["outcome=\"again\""]) >= 1.0
    });
}

#[test]
fn an_endpoint_that_is_none_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[upstream]]\nname = \"a\"\ntargets = [\"http://127.0.0.1:1\"]\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
                [[route]]\nupstream = \"a\"\n[otlp]\nendpoint = \"collector:4318\"\n";
    std::fs::write(folder.path().join("peregrine.toml"), text).unwrap();
    let output = crate::harness::process::command(folder.path(), &["check"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("otlp.endpoint"), "{said}");
}
