//! The metrics of requests: of each route, and with fewer series of each tenant, because names of tenants come from requests.

use super::Of;
use peregrine_http::{RequestMetrics, Tenants};
use peregrine_telemetry::Exposition;

/// The label of all tenants that share counters; no tenant is called so.
const OTHERS: &str = "(others)";

/// How the metrics are called.
struct Names {
    requests: &'static str,
    responses: &'static str,
    hits: &'static str,
    decisions: &'static str,
    errors: &'static str,
    failures: &'static str,
    sent_bytes: &'static str,
    saved_bytes: &'static str,
    origin_requests: &'static str,
    origin_seconds: &'static str,
    saved_requests: &'static str,
    saved_seconds: &'static str,
    duration: &'static str,
    first_byte: &'static str,
    wait: &'static str,
}

const OF_ROUTE: Names = Names {
    requests: "peregrine_requests_total",
    responses: "peregrine_responses_total",
    hits: "peregrine_hits_total",
    decisions: "peregrine_decisions_total",
    errors: "peregrine_request_errors_total",
    failures: "peregrine_request_failures_total",
    sent_bytes: "peregrine_sent_bytes_total",
    saved_bytes: "peregrine_saved_bytes_total",
    origin_requests: "peregrine_origin_requests_total",
    origin_seconds: "peregrine_origin_seconds_total",
    saved_requests: "peregrine_origin_saved_requests_total",
    saved_seconds: "peregrine_origin_saved_seconds_total",
    duration: "peregrine_request_duration_seconds",
    first_byte: "peregrine_upstream_first_byte_seconds",
    wait: "peregrine_upstream_wait_seconds",
};

const OF_TENANT: Names = Names {
    requests: "peregrine_tenant_requests_total",
    responses: "peregrine_tenant_responses_total",
    hits: "peregrine_tenant_answers_total",
    decisions: "peregrine_tenant_decisions_total",
    errors: "peregrine_tenant_request_errors_total",
    failures: "peregrine_tenant_request_failures_total",
    sent_bytes: "peregrine_tenant_sent_bytes_total",
    saved_bytes: "peregrine_tenant_saved_bytes_total",
    origin_requests: "peregrine_tenant_origin_requests_total",
    origin_seconds: "peregrine_tenant_origin_seconds_total",
    saved_requests: "peregrine_tenant_origin_saved_requests_total",
    saved_seconds: "peregrine_tenant_origin_saved_seconds_total",
    duration: "peregrine_tenant_request_duration_seconds",
    first_byte: "peregrine_tenant_upstream_first_byte_seconds",
    wait: "peregrine_tenant_upstream_wait_seconds",
};

/// Those of a route, which also tell how fast each tier is.
pub(super) fn of_route(metrics: &RequestMetrics, of: &mut Of<'_>) {
    expose(&OF_ROUTE, metrics, of, |_| true);
    of.histogram(OF_ROUTE.first_byte, &metrics.upstream.snapshot());
    of.histogram(OF_ROUTE.wait, &metrics.wait.snapshot());
    for (tier, _) in metrics.tiers() {
        let labels: Vec<(&str, &str)> = of.labels.iter().copied().chain([("tier", tier.as_str())]).collect();
        let took = metrics.duration_from(tier);
        if took.count > 0 {
            of.out.histogram("peregrine_hit_duration_seconds", &labels, &took);
        }
    }
}

/// Those of every tenant that has counters of its own, and of those who share some.
pub(super) fn of_tenants(tenants: &Tenants, out: &mut Exposition) {
    let known = tenants.all();
    for (tenant, metrics) in &known {
        of_tenant(tenant, &metrics.requests, out);
    }
    let others = tenants.others();
    if others.outcomes().any(|(_, count)| count > 0) {
        of_tenant(OTHERS, others, out);
    }
}

fn of_tenant(tenant: &str, metrics: &RequestMetrics, out: &mut Exposition) {
    let labels = [("tenant", tenant)];
    let mut of = Of { out, labels: &labels };
    expose(&OF_TENANT, metrics, &mut of, |count| count > 0);
    for (name, histogram) in [
        (OF_TENANT.first_byte, &metrics.upstream),
        (OF_TENANT.wait, &metrics.wait),
    ] {
        let snapshot = histogram.snapshot();
        if snapshot.count > 0 {
            of.histogram(name, &snapshot);
        }
    }
}

/// What both have, without the words whose counts are not `told`.
fn expose(names: &Names, metrics: &RequestMetrics, of: &mut Of<'_>, told: fn(u64) -> bool) {
    let told = |(_, count): &(&'static str, u64)| told(*count);
    let outcomes = metrics.outcomes().map(|(outcome, count)| (outcome.as_str(), count));
    of.counters(names.requests, "cache", outcomes.filter(told));
    // All classes from the first request on, so that the first failure is seen as one.
    of.counters(names.responses, "class", metrics.statuses());
    let tiers = metrics.tiers().map(|(tier, count)| (tier.as_str(), count));
    of.counters(names.hits, "tier", tiers.filter(told));
    let reasons = metrics.reasons().into_iter();
    of.counters(
        names.decisions,
        "reason",
        reasons.map(|(reason, count)| (reason.as_str(), count)),
    );
    of.counter(names.errors, metrics.errors());
    of.counters(names.failures, "kind", metrics.error_kinds());
    of.counter(names.sent_bytes, metrics.bytes_sent());
    of.counter(names.saved_bytes, metrics.bytes_saved());
    of.counter(names.origin_requests, metrics.origin_requests());
    of.counter(names.origin_seconds, metrics.origin_time());
    of.counter(names.saved_requests, metrics.saved_requests());
    of.counter(names.saved_seconds, metrics.saved_time());
    of.histogram(names.duration, &metrics.duration());
}
