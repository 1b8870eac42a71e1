//! Every metric there is, gathered from the rooms when somebody asks. What each is stands in the table of
//! `peregrine_telemetry::table`; one that is not there is left out, and a test of the program fails.

mod alerting;
mod insight;
mod kept;
mod keys;
mod requests;
mod sharing;
mod tier;

use super::program::Program;
use peregrine_cache::{NamespaceStatistics, TenantStatistics};
use peregrine_http::Route;
use peregrine_net::tls::TlsStatus;
use peregrine_net::upstream::{Health, TargetStatus};
use peregrine_telemetry::prometheus::Number;
use peregrine_telemetry::{Exposition, HistogramSnapshot};
use std::collections::BTreeMap;
use std::time::Duration;

/// Adds all of them.
pub(super) fn expose(program: &Program, out: &mut Exposition) {
    let mut of = Of { out, labels: &[] };
    of.gauge("peregrine_uptime_seconds", program.uptime().as_secs_f64());
    of_server(program, &mut of);
    of.counter("peregrine_unrouted_requests_total", program.plane.unrouted());
    for route in program.plane.table().iter() {
        of_route(route, out);
        of_route_info(route, out);
    }
    let statistics = program.engine.statistics();
    let mut of = Of { out, labels: &[] };
    of.gauge("peregrine_cache_memory_max_bytes", statistics.memory_max);
    of.gauge("peregrine_cache_loads_under_way", statistics.loads_under_way);
    of.gauge("peregrine_cache_in_flight_bytes", statistics.in_flight_bytes);
    kept::of_all(&statistics.total.invalidations, &mut of);
    for (route, stored) in &statistics.routes {
        kept::of_route(route, stored, out);
    }
    for (namespace, statistics) in &statistics.namespaces {
        of_namespace(namespace, statistics, out);
    }
    for (tenant, is) in &statistics.tenants {
        of_tenant(tenant, is, out);
    }
    requests::of_tenants(program.plane.tenant_metrics(), out);
    if let Some(redis) = &statistics.redis {
        tier::expose(redis, out);
    }
    let keys = program.engine.keys().statistics();
    if keys.active.is_some() {
        keys::expose(&keys, out);
    }
    for upstream in program.upstreams.load().values() {
        let status = upstream.status();
        let labels = [("upstream", &*status.name)];
        let mut of = Of { out, labels: &labels };
        let name = "peregrine_upstream_no_healthy_target_total";
        of.counter(name, status.no_healthy_target);
        let name = "peregrine_upstream_retry_budget_exhausted_total";
        of.counter(name, status.budget_exhausted);
        for target in &status.targets {
            of_target(&status.name, target, out);
        }
    }
    if let Some(snapshots) = &program.snapshots {
        let before = snapshots.before();
        let mut of = Of { out, labels: &[] };
        let counts = [
            ("restored", before.restored.entries),
            ("left_out", before.restored.left_out),
        ];
        of.counters("peregrine_snapshot_entries_total", "result", counts);
        let refused = before.refused.map(|reason| (reason, 1));
        of.counters("peregrine_snapshot_refused_total", "reason", refused);
    }
    if let Some(sharing) = &program.sharing {
        sharing::expose(sharing, out);
    }
    insight::expose(&program.watching, out);
    program.recorder.expose(out);
    if let Some(collector) = &program.collector {
        collector.expose(out);
    }
    let system = program.system.lock().read(Program::clock().now());
    system.expose(out);
    alerting::expose(&program.watching.alerting, out);
}

/// The metrics of one thing, under its labels.
struct Of<'a> {
    out: &'a mut Exposition,
    labels: &'a [(&'a str, &'a str)],
}

impl Of<'_> {
    fn counter(&mut self, name: &str, value: impl Into<Number>) {
        self.out.counter(name, self.labels, value);
    }

    fn gauge(&mut self, name: &str, value: impl Into<Number>) {
        self.out.gauge(name, self.labels, value);
    }

    fn histogram(&mut self, name: &str, snapshot: &HistogramSnapshot) {
        self.out.histogram(name, self.labels, snapshot);
    }

    /// A counter for each word under the label `by`.
    fn counters<'w>(&mut self, name: &str, by: &str, counts: impl IntoIterator<Item = (&'w str, u64)>) {
        for (word, count) in counts {
            let labels: Vec<(&str, &str)> = self.labels.iter().copied().chain([(by, word)]).collect();
            self.out.counter(name, &labels, count);
        }
    }
}

fn of_route(route: &Route, out: &mut Exposition) {
    let metrics = &route.metrics;
    let labels = [("route", &*route.name)];
    let mut of = Of { out, labels: &labels };
    requests::of_route(&metrics.requests, &mut of);
    let encodings = metrics.encodings().map(|(coding, count)| (coding.as_str(), count));
    of.counters("peregrine_encoded_responses_total", "coding", encodings);
    let uncompressed = metrics.uncompressed_bytes();
    let uncompressed = uncompressed.map(|(because, bytes)| (because.as_str(), bytes));
    of.counters("peregrine_uncompressed_bytes_total", "because", uncompressed);
}

/// Which strategy, upstream and namespace a route has, to group its other metrics by.
fn of_route_info(route: &Route, out: &mut Exposition) {
    let labels = [
        ("route", &*route.name),
        ("strategy", route.strategy.name()),
        ("upstream", route.upstream.name()),
        ("namespace", route.namespace.name()),
    ];
    out.gauge("peregrine_route_info", &labels, true);
}

/// What a tenant holds and did.
fn of_tenant(tenant: &str, is: &TenantStatistics, out: &mut Exposition) {
    let labels = [("tenant", tenant)];
    let mut of = Of { out, labels: &labels };
    of.counter("peregrine_tenant_hits_total", is.hits);
    of.counter("peregrine_tenant_misses_total", is.misses);
    kept::expose(&kept::OF_TENANT, &is.evictions_by_cause, &is.invalidations, &mut of);
    of.gauge("peregrine_tenant_bytes", is.bytes);
    of.gauge("peregrine_tenant_entries", is.entries);
}

fn of_namespace(namespace: &str, is: &NamespaceStatistics, out: &mut Exposition) {
    let labels = [("namespace", namespace)];
    let mut of = Of { out, labels: &labels };
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    of.counter("peregrine_cache_hits_total", is.hits);
    of.counter("peregrine_cache_stale_served_total", is.stale_served);
    of.counter("peregrine_cache_coalesced_total", is.coalesced);
    of.counter("peregrine_cache_refreshes_total", is.refreshes);
    of.counter("peregrine_cache_loads_total", is.loads);
    of.counter("peregrine_cache_load_failures_total", is.load_failures);
    of.counter("peregrine_cache_stored_total", is.stored);
    of.counter("peregrine_cache_served_bytes_total", is.bytes_served);
    of.counter("peregrine_cache_load_seconds_total", seconds(is.load_time_ms));
    let saved = seconds(is.load_time_saved_ms);
    of.counter("peregrine_cache_saved_seconds_total", saved);
    of.gauge("peregrine_cache_bytes", is.bytes);
    of.gauge("peregrine_cache_entries", is.entries);
    let mut by_reason = |name, counts: &BTreeMap<&'static str, u64>| {
        of.counters(name, "reason", counts.iter().map(|(reason, count)| (*reason, *count)));
    };
    by_reason("peregrine_cache_misses_total", &is.misses_by_reason);
    by_reason("peregrine_cache_passed_total", &is.passed_by_reason);
    by_reason("peregrine_cache_encodings_total", &is.encodings_by_outcome);
    by_reason("peregrine_cache_not_stored_total", &is.not_stored_by_reason);
    kept::expose(&kept::OF_NAMESPACE, &is.evictions_by_cause, &is.invalidations, &mut of);
}

fn of_target(upstream: &str, is: &TargetStatus, out: &mut Exposition) {
    let labels = [("upstream", upstream), ("target", &*is.target)];
    let mut of = Of { out, labels: &labels };
    let healthy = u64::from(is.health == Health::Healthy);
    of.gauge("peregrine_target_healthy", healthy);
    let failing = u64::from(is.checks.verdict == "failing");
    of.gauge("peregrine_target_failing_checks", failing);
    let checks = [("passed", is.checks.passed), ("failed", is.checks.failed)];
    of.counters("peregrine_target_health_checks_total", "result", checks);
    let seconds = is.latency_ms.unwrap_or(0.0) / 1000.0;
    of.gauge("peregrine_target_latency_seconds", seconds);
    of.gauge("peregrine_target_share", is.share);
    of.counter("peregrine_target_not_reused_total", is.not_reused);
    of.counter("peregrine_target_requests_total", is.requests);
    of.counter("peregrine_target_retries_total", is.retries);
    of.counter("peregrine_target_connects_total", is.connects);
    of.counter("peregrine_target_reuses_total", is.reuses);
    of.counter("peregrine_target_waits_total", is.waits);
    of.counter("peregrine_target_ejections_total", is.ejections);
    let errors = is.errors.iter().map(|(kind, count)| (*kind, *count));
    of.counters("peregrine_target_errors_total", "kind", errors);
    of.gauge("peregrine_target_in_flight", is.in_flight);
    of.gauge("peregrine_target_idle_connections", is.idle);
    of.gauge("peregrine_target_waiting", is.waiting);
    of.histogram("peregrine_target_first_byte_seconds", &is.first_byte);
}

fn of_server(program: &Program, of: &mut Of<'_>) {
    let is = program.server.status();
    of.gauge("peregrine_connections_open", is.connections_open);
    of.gauge("peregrine_connections_max", is.connections_max);
    of.counter("peregrine_connections_total", is.connections_accepted);
    of.counter("peregrine_accept_failures_total", is.accept_failures);
    of.counter("peregrine_stalled_connections_total", is.stalled);
    of.counter("peregrine_cut_responses_total", is.cut);
    of.counter("peregrine_idle_connections_total", is.idle);
    of.counter("peregrine_tunnels_total", is.tunnels);
    of.gauge("peregrine_tunnels_open", is.tunnels_open);
    of.counter("peregrine_idle_tunnels_total", is.tunnels_idle);
    let faults = is.body_faults.iter().map(|(reason, count)| (*reason, *count));
    of.counters("peregrine_request_body_failures_total", "reason", faults);
    let refused = is.refused.iter().map(|(reason, count)| (*reason, *count));
    of.counters("peregrine_refused_requests_total", "reason", refused);
    let failed = is.arrival_failures.iter().map(|(reason, count)| (*reason, *count));
    of.counters("peregrine_arrival_failures_total", "reason", failed);
    of.counter("peregrine_tls_handshakes_total", is.tls_handshakes);
    of.counter("peregrine_tls_resumptions_total", is.tls_resumptions);
    of.gauge("peregrine_http2_connections_open", is.http2_open);
    of.counter("peregrine_http2_connections_total", is.http2_connections);
    of.counter("peregrine_http2_protocol_errors_total", is.http2_protocol_errors);
    of.counter("peregrine_http2_refused_requests_total", is.http2_refused);
    let excesses = is.http2_excesses.iter().map(|(limit, count)| (*limit, *count));
    of.counters("peregrine_http2_excesses_total", "limit", excesses);
    for (place, tls) in program.listeners.tls() {
        of_tls(&place, &tls.status(), of.out);
    }
}

/// The certificates of a listener.
fn of_tls(place: &str, is: &TlsStatus, out: &mut Exposition) {
    let labels = [("listener", place)];
    let mut of = Of { out, labels: &labels };
    of.counter("peregrine_tls_reloads_total", is.reloads);
    of.counter("peregrine_tls_reload_failures_total", is.reload_failures);
    for certificate in &is.certificates {
        let name = certificate.names.first().map_or("", String::as_str);
        let labels = [("listener", place), ("file", certificate.file.as_str()), ("name", name)];
        let mut of = Of { out, labels: &labels };
        if let Some(not_after_s) = certificate.not_after_s {
            of.gauge("peregrine_tls_certificate_not_after_seconds", not_after_s);
        }
    }
}
