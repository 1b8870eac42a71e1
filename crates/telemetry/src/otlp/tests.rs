//! What is sent, read by the protocol's own crate.

use super::*;
use crate::Histogram;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use peregrine_base::SeededRandom;
use prost::Message as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn resource() -> Resource {
    Resource(vec![("service.name".to_owned(), "shop-cache".to_owned())])
}

fn access() -> Access<'static> {
    Access {
        time: WallTime::from_millis(1_767_225_600_250),
        request_id: "7f3a",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: "GET",
        scheme: "https",
        host: "shop.example",
        target: "/page?token=secret&page=2",
        tenant: None,
        status: 502,
        received_bytes: 0,
        sent_bytes: 12,
        duration: Duration::from_millis(40),
        upstream_duration: None,
        route: Some("shop"),
        strategy: None,
        cache: "miss",
        reason: None,
        upstream: None,
        error: Some("upstream_refused"),
        user_agent: None,
        trace: None,
    }
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a any_value::Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

fn text(text: &str) -> Option<any_value::Value> {
    Some(any_value::Value::StringValue(text.to_owned()))
}

#[test]
fn spans_are_read_by_the_protocols_own_types() {
    let (tracer, random) = (Tracer::new(0.0), SeededRandom::new(7));
    let began = (Instant::from_nanos(5_000), WallTime::from_millis(1_767_225_600_250));
    let trace = tracer.begin(Some(PARENT.as_bytes()), &random, began);
    assert!(trace.sampled, "the caller decided");
    let fetched = Fetched {
        span: SpanId(9),
        began: Instant::from_nanos(1_005_000),
        took: Duration::from_millis(30),
        method: "GET",
        upstream: "origin",
        target: Some("http://127.0.0.1:3000"),
        status: None,
        attempts: 2,
        error: Some("upstream_refused"),
    };
    tracer.fetched(&trace, &fetched);
    let looked_up = LookedUp {
        span: SpanId(8),
        began: Instant::from_nanos(6_000),
        took: Duration::from_micros(20),
        found: "lead",
        times: 2,
        namespace: "shop",
        tier: None,
    };
    tracer.looked_up(&trace, &looked_up);
    tracer.finished(&trace, &access(), "/page?token=[redacted]&page=2");
    let (body, count) = tracer.take(&resource()).unwrap();
    assert_eq!((count, tracer.waiting()), (3, 0));
    assert_eq!(tracer.take(&resource()), None);
    let request = ExportTraceServiceRequest::decode(body.concat().as_slice()).unwrap();
    let of = &request.resource_spans[0];
    let described = &of.resource.as_ref().unwrap().attributes;
    assert_eq!(attribute(described, "service.name"), text("shop-cache").as_ref());
    let [client, lookup, server] = &of.scope_spans[0].spans[..] else {
        panic!("three spans")
    };
    assert_eq!(
        (lookup.kind(), lookup.name.as_str(), &lookup.parent_span_id),
        (SpanKind::Internal, "lookup", &server.span_id)
    );
    assert_eq!(lookup.start_time_unix_nano - server.start_time_unix_nano, 1000);
    assert_eq!(lookup.end_time_unix_nano - lookup.start_time_unix_nano, 20_000);
    assert_eq!(attribute(&lookup.attributes, "peregrine.lookup"), text("lead").as_ref());
    let times = attribute(&lookup.attributes, "peregrine.lookup.times");
    assert_eq!(times, Some(&any_value::Value::IntValue(2)));
    assert_eq!(
        server.trace_id,
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()
    );
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!((server.kind(), server.name.as_str()), (SpanKind::Server, "GET shop"));
    assert_eq!(server.end_time_unix_nano - server.start_time_unix_nano, 40_000_000);
    assert_eq!(server.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(
        attribute(&server.attributes, "url.query"),
        text("token=[redacted]&page=2").as_ref()
    );
    assert_eq!(attribute(&server.attributes, "peregrine.cache"), text("miss").as_ref());
    assert_eq!(
        (client.kind(), &client.parent_span_id),
        (SpanKind::Client, &server.span_id)
    );
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(client.span_id, 9u64.to_be_bytes());
    assert_eq!(client.start_time_unix_nano - server.start_time_unix_nano, 1_000_000);
    let resent = attribute(&client.attributes, "http.request.resend_count");
    assert_eq!(resent, Some(&any_value::Value::IntValue(1)));
}

#[test]
fn metrics_are_read_by_the_protocols_own_types() {
    let histogram = Histogram::new();
    for micros in [0, 1000, 1000, 2_500_000] {
        histogram.record(Duration::from_micros(micros));
    }
    let mut exposition = Exposition::new();
    exposition.counter("peregrine_requests_total", &[("route", "a"), ("cache", "hit")], 7u64);
    exposition.gauge("peregrine_uptime_seconds", &[], 1.5);
    let labels = [("route", "a")];
    exposition.histogram("peregrine_request_duration_seconds", &labels, &histogram.snapshot());
    let (started, now) = (WallTime::from_millis(1000), WallTime::from_millis(5000));
    let body = metrics_request(&exposition, &resource(), started, now);
    let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[0].data else {
        panic!("a sum")
    };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(Number::AsDouble(7.0)));
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano),
        (1_000_000_000, 5_000_000_000)
    );
    assert_eq!(attribute(&point.attributes, "cache"), text("hit").as_ref());
    let Some(Data::Gauge(gauge)) = &metrics[1].data else {
        panic!("a gauge")
    };
    assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(1.5)));
    assert_eq!((metrics[1].unit.as_str(), metrics[0].unit.as_str()), ("s", "1"));
    let Some(Data::ExponentialHistogram(exponential)) = &metrics[2].data else {
        panic!("a histogram")
    };
    let point = &exponential.data_points[0];
    assert_eq!((point.count, point.zero_count, point.scale), (4, 1, 3));
    let positive = point.positive.as_ref().unwrap();
    let base = 0.125f64.exp2();
    let mut found = Vec::new();
    for (index, count) in (positive.offset..)
        .zip(&positive.bucket_counts)
        .filter(|(_, count)| **count > 0)
    {
        found.push((base.powi(index), base.powi(index + 1), *count));
    }
    assert_eq!(found.len(), 2, "{found:?}");
    for ((low, high, count), (time, wanted)) in found.into_iter().zip([(0.001, 2), (2.5, 1)]) {
        assert_eq!(count, wanted);
        assert!(low / 1.13 < time && time <= high, "{time} is not near {low} to {high}");
    }
}

#[test]
fn a_trace_that_begins_here_is_recorded_by_chance_and_a_decision_is_kept() {
    let random = SeededRandom::new(3);
    let tracer = Tracer::new(0.25);
    let began = (Instant::ZERO, WallTime::UNKNOWN);
    let recorded = (0..4000).filter(|_| tracer.begin(None, &random, began).sampled).count();
    assert!((850..1150).contains(&recorded), "{recorded}");
    let not = PARENT.replace("-01", "-00");
    assert!(!tracer.begin(Some(not.as_bytes()), &random, began).sampled);
    let odd = tracer.begin(Some(b"nonsense"), &random, began);
    assert_eq!(odd.parent, None);
}

#[test]
fn what_goes_no_further_has_a_part_only_in_traces_that_are_recorded() {
    let random = SeededRandom::new(4);
    let began = || (Instant::ZERO, WallTime::UNKNOWN);
    let unasked = || unreachable!("nobody needs the time");
    assert_eq!(Tracer::new(0.0).begin_recorded(None, &random, unasked), None);
    let not = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    assert_eq!(Tracer::new(1.0).begin_recorded(Some(not), &random, unasked), None);
    let own = Tracer::new(1.0).begin_recorded(None, &random, began).unwrap();
    assert!(own.sampled && own.parent.is_none());
    let recorded = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let continued = Tracer::new(0.0).begin_recorded(Some(recorded), &random, began).unwrap();
    assert!(continued.sampled && continued.parent.is_some());
}

#[test]
fn spans_that_nobody_takes_are_dropped_and_counted() {
    let (tracer, random) = (Tracer::new(1.0), SeededRandom::new(3));
    let trace = tracer.begin(None, &random, (Instant::ZERO, WallTime::UNKNOWN));
    for _ in 0..QUEUE_MAX + 10 {
        tracer.finished(&trace, &access(), "/");
    }
    assert_eq!((tracer.waiting(), tracer.queue.dropped.value()), (QUEUE_MAX, 10));
    let (body, count) = tracer.take(&resource()).unwrap();
    let request = ExportTraceServiceRequest::decode(body.concat().as_slice()).unwrap();
    let sent = request.resource_spans[0].scope_spans[0].spans.len();
    assert_eq!((count, sent), (BATCH_MAX as u64, BATCH_MAX));
}

proptest::proptest! {
    #[test]
    fn a_span_is_read_whatever_the_lengths_of_its_texts_and_numbers(
        path in "/.{0,300}",
        long in 0usize..40_000,
        sent_bytes: u64,
    ) {
        let (tracer, random) = (Tracer::new(1.0), SeededRandom::new(3));
        let trace = tracer.begin(None, &random, (Instant::ZERO, WallTime::UNKNOWN));
        let (path, request_id) = (path.replace('?', ""), "x".repeat(long));
        let access = Access { request_id: &request_id, sent_bytes, ..access() };
        tracer.finished(&trace, &access, &path);
        tracer.finished(&trace, &access, &path);
        let (body, _) = tracer.take(&resource()).unwrap();
        let request = ExportTraceServiceRequest::decode(body.concat().as_slice()).unwrap();
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        proptest::prop_assert_eq!(spans.len(), 2);
        for span in spans {
            let size = i64::try_from(sent_bytes).unwrap_or(i64::MAX);
            for (key, value) in [
                ("url.path", text(&path)),
                ("peregrine.request_id", text(&request_id)),
                ("http.response.body.size", Some(any_value::Value::IntValue(size))),
                ("http.response.status_code", Some(any_value::Value::IntValue(502))),
            ] {
                proptest::prop_assert_eq!(attribute(&span.attributes, key), value.as_ref());
            }
        }
    }
}
