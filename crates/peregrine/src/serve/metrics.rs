//! Every metric there is, gathered from the rooms when somebody asks. Names and labels are listed in
//! `docs/concepts/observability.md`.

mod keys;
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
    of.gauge(
        "peregrine_uptime_seconds",
        "Seconds since the start.",
        program.uptime().as_secs_f64(),
    );
    of_server(program, &mut of);
    of.counter(
        "peregrine_unrouted_requests_total",
        "Requests that no route takes.",
        program.plane.unrouted(),
    );
    for route in program.plane.table().iter() {
        of_route(route, out);
        of_route_info(route, out);
    }
    let statistics = program.engine.statistics();
    for (namespace, statistics) in &statistics.namespaces {
        of_namespace(namespace, statistics, out);
    }
    for (tenant, is) in &statistics.tenants {
        of_tenant(tenant, is, out);
    }
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
        of.counter(name, "Requests that reached no target.", status.no_healthy_target);
        let name = "peregrine_upstream_retry_budget_exhausted_total";
        let help = "Requests that were not sent again because the retry budget was used up.";
        of.counter(name, help, status.budget_exhausted);
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
        let help = "Entries of the snapshot from before, by what became of them.";
        of.counters("peregrine_snapshot_entries_total", help, "result", counts);
        let refused = before.refused.map(|reason| (reason, 1));
        let help = "Snapshots from before that were not used.";
        of.counters("peregrine_snapshot_refused_total", help, "reason", refused);
    }
    if let Some(sharing) = &program.sharing {
        sharing::expose(sharing, out);
    }
    program.recorder.expose(out);
}

/// The metrics of one thing, under its labels.
struct Of<'a> {
    out: &'a mut Exposition,
    labels: &'a [(&'a str, &'a str)],
}

impl Of<'_> {
    fn counter(&mut self, name: &str, help: &str, value: impl Into<Number>) {
        self.out.counter(name, help, self.labels, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Into<Number>) {
        self.out.gauge(name, help, self.labels, value);
    }

    fn histogram(&mut self, name: &str, help: &str, snapshot: &HistogramSnapshot) {
        self.out.histogram(name, help, self.labels, snapshot);
    }

    /// A counter for each word under the label `by`.
    fn counters<'w>(&mut self, name: &str, help: &str, by: &str, counts: impl IntoIterator<Item = (&'w str, u64)>) {
        for (word, count) in counts {
            let labels: Vec<(&str, &str)> = self.labels.iter().copied().chain([(by, word)]).collect();
            self.out.counter(name, help, &labels, count);
        }
    }
}

fn of_route(route: &Route, out: &mut Exposition) {
    let metrics = &route.metrics;
    let labels = [("route", &*route.name)];
    let mut of = Of { out, labels: &labels };
    let outcomes = metrics.outcomes().map(|(outcome, count)| (outcome.as_str(), count));
    let requests = "Requests by how the cache took part.";
    of.counters("peregrine_requests_total", requests, "cache", outcomes);
    let responses = "Responses by class of status.";
    of.counters("peregrine_responses_total", responses, "class", metrics.statuses());
    let encodings = metrics.encodings().map(|(coding, count)| (coding.as_str(), count));
    let help = "Responses in a content coding that was made here.";
    of.counters("peregrine_encoded_responses_total", help, "coding", encodings);
    let reasons = metrics.reasons();
    let reasons = reasons.iter().map(|(reason, count)| (reason.as_str(), *count));
    of.counters(
        "peregrine_decisions_total",
        "Caching decisions by reason.",
        "reason",
        reasons,
    );
    let errors = metrics.errors.value();
    of.counter(
        "peregrine_request_errors_total",
        "Requests that ended in an error.",
        errors,
    );
    let sent = metrics.bytes_sent.value();
    of.counter("peregrine_sent_bytes_total", "Bytes of bodies sent to clients.", sent);
    let saved = metrics.bytes_saved.value();
    of.counter(
        "peregrine_saved_bytes_total",
        "Bytes of bodies that the origin did not send.",
        saved,
    );
    let help = "From the parsed request to the end of the answer.";
    of.histogram("peregrine_request_duration_seconds", help, &metrics.duration.snapshot());
    let help = "From the request to the origin until its first byte.";
    of.histogram(
        "peregrine_upstream_first_byte_seconds",
        help,
        &metrics.upstream.snapshot(),
    );
    of_origin(route, &mut of);
}

/// What a route spares the origin and still asks of it.
fn of_origin(route: &Route, of: &mut Of<'_>) {
    let metrics = &route.metrics;
    let tiers = metrics.tiers().map(|(tier, count)| (tier.as_str(), count));
    let help = "Answers from the cache by the tier that had them.";
    of.counters("peregrine_hits_total", help, "tier", tiers);
    let help = "Requests by what went wrong with them, clients that left included.";
    of.counters("peregrine_request_failures_total", help, "kind", metrics.error_kinds());
    let help = "Requests that the origin got, renewals in the background included.";
    of.counter("peregrine_origin_requests_total", help, metrics.origin_requests());
    let help = "Time until the origin answered, or failed, together.";
    of.counter("peregrine_origin_seconds_total", help, metrics.origin_time());
    let help = "Requests that the origin did not get because something stored, or another's load, answered.";
    of.counter("peregrine_origin_saved_requests_total", help, metrics.saved_requests());
    let help = "Time that the loads of what answered in place of the origin had taken.";
    of.counter("peregrine_origin_saved_seconds_total", help, metrics.saved_time());
    let help = "How long requests waited for a connection to the origin.";
    of.histogram("peregrine_upstream_wait_seconds", help, &metrics.wait.snapshot());
}

/// Which strategy, upstream and namespace a route has, to group its other metrics by.
fn of_route_info(route: &Route, out: &mut Exposition) {
    let labels = [
        ("route", &*route.name),
        ("strategy", route.strategy.name()),
        ("upstream", route.upstream.name()),
        ("namespace", route.namespace.name()),
    ];
    let help = "Always 1; its labels say which strategy, upstream and namespace a route has.";
    out.gauge("peregrine_route_info", help, &labels, true);
}

/// What a tenant holds and did.
fn of_tenant(tenant: &str, is: &TenantStatistics, out: &mut Exposition) {
    let labels = [("tenant", tenant)];
    let mut of = Of { out, labels: &labels };
    of.counter(
        "peregrine_tenant_hits_total",
        "Answers from the cache for a tenant.",
        is.hits,
    );
    let help = "Lookups for a tenant that found nothing to serve at once.";
    of.counter("peregrine_tenant_misses_total", help, is.misses);
    let help = "Entries of a tenant that left because it held as much as it may.";
    of.counter("peregrine_tenant_evicted_total", help, is.evicted);
    of.gauge(
        "peregrine_tenant_bytes",
        "Bytes that a tenant's entries occupy.",
        is.bytes,
    );
    of.gauge("peregrine_tenant_entries", "Entries of a tenant.", is.entries);
}

fn of_namespace(namespace: &str, is: &NamespaceStatistics, out: &mut Exposition) {
    let labels = [("namespace", namespace)];
    let mut of = Of { out, labels: &labels };
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    of.counter(
        "peregrine_cache_hits_total",
        "Lookups that found something fresh.",
        is.hits,
    );
    of.counter(
        "peregrine_cache_stale_served_total",
        "Lookups that served something stale.",
        is.stale_served,
    );
    of.counter(
        "peregrine_cache_coalesced_total",
        "Misses that another's load answered.",
        is.coalesced,
    );
    of.counter(
        "peregrine_cache_refreshes_total",
        "Loads that renewed an entry in the background.",
        is.refreshes,
    );
    of.counter("peregrine_cache_loads_total", "Loads that came to an end.", is.loads);
    of.counter(
        "peregrine_cache_load_failures_total",
        "Loads that failed.",
        is.load_failures,
    );
    of.counter("peregrine_cache_stored_total", "Answers that were stored.", is.stored);
    of.counter(
        "peregrine_cache_served_bytes_total",
        "Bytes of bodies served from memory.",
        is.bytes_served,
    );
    of.counter(
        "peregrine_cache_load_seconds_total",
        "Time that loads took together.",
        seconds(is.load_time_ms),
    );
    let saved = seconds(is.load_time_saved_ms);
    of.counter(
        "peregrine_cache_saved_seconds_total",
        "Time that hits would have taken as loads.",
        saved,
    );
    of.gauge("peregrine_cache_bytes", "Bytes that entries occupy.", is.bytes);
    of.gauge(
        "peregrine_cache_entries",
        "Entries, with markers and selectors.",
        is.entries,
    );
    let mut by_reason = |name, help, counts: &BTreeMap<&'static str, u64>| {
        of.counters(
            name,
            help,
            "reason",
            counts.iter().map(|(reason, count)| (*reason, *count)),
        );
    };
    by_reason(
        "peregrine_cache_misses_total",
        "Lookups that found nothing to serve at once.",
        &is.misses_by_reason,
    );
    by_reason(
        "peregrine_cache_passed_total",
        "Answers that could not be stored.",
        &is.passed_by_reason,
    );
    let help = "Encodings of stored bodies by what came of them.";
    by_reason("peregrine_cache_encodings_total", help, &is.encodings_by_outcome);
    let help = "Bodies that were to be stored and are not.";
    by_reason("peregrine_cache_not_stored_total", help, &is.not_stored_by_reason);
    by_reason(
        "peregrine_cache_evictions_total",
        "Entries that left memory.",
        &is.evictions_by_cause,
    );
}

fn of_target(upstream: &str, is: &TargetStatus, out: &mut Exposition) {
    let labels = [("upstream", upstream), ("target", &*is.target)];
    let mut of = Of { out, labels: &labels };
    let healthy = u64::from(is.health == Health::Healthy);
    of.gauge("peregrine_target_healthy", "1 while the target gets requests.", healthy);
    let failing = u64::from(is.checks.verdict == "failing");
    of.gauge(
        "peregrine_target_failing_checks",
        "1 while health checks keep the target out.",
        failing,
    );
    let checks = [("passed", is.checks.passed), ("failed", is.checks.failed)];
    of.counters(
        "peregrine_target_health_checks_total",
        "Health checks by result.",
        "result",
        checks,
    );
    let seconds = is.latency_ms.unwrap_or(0.0) / 1000.0;
    let help = "The recent time to the first byte as the balancer sees it (peak EWMA).";
    of.gauge("peregrine_target_latency_seconds", help, seconds);
    let help = "In how many of the choices the target takes part; less than 1 while it starts slowly.";
    of.gauge("peregrine_target_share", help, is.share);
    of.counter(
        "peregrine_target_not_reused_total",
        "Connections closed after an answer that left something in doubt.",
        is.not_reused,
    );
    of.counter(
        "peregrine_target_requests_total",
        "Attempts that were made.",
        is.requests,
    );
    of.counter(
        "peregrine_target_retries_total",
        "Attempts that were made again.",
        is.retries,
    );
    of.counter(
        "peregrine_target_connects_total",
        "Connections that were made.",
        is.connects,
    );
    of.counter(
        "peregrine_target_reuses_total",
        "Requests that found a connection ready.",
        is.reuses,
    );
    of.counter(
        "peregrine_target_waits_total",
        "Requests that had to wait for a connection.",
        is.waits,
    );
    of.counter(
        "peregrine_target_ejections_total",
        "How often the target was left out.",
        is.ejections,
    );
    let errors = is.errors.iter().map(|(kind, count)| (*kind, *count));
    of.counters("peregrine_target_errors_total", "Failures by kind.", "kind", errors);
    of.gauge("peregrine_target_in_flight", "Requests under way.", is.in_flight);
    of.gauge(
        "peregrine_target_idle_connections",
        "Connections without a request.",
        is.idle,
    );
    of.gauge(
        "peregrine_target_waiting",
        "Requests that wait for a connection.",
        is.waiting,
    );
    of.histogram(
        "peregrine_target_first_byte_seconds",
        "The time to the first byte.",
        &is.first_byte,
    );
}

fn of_server(program: &Program, of: &mut Of<'_>) {
    let is = program.server.status();
    of.gauge(
        "peregrine_connections_open",
        "Connections of clients.",
        is.connections_open,
    );
    of.gauge(
        "peregrine_connections_max",
        "The most connections of clients.",
        is.connections_max,
    );
    of.counter(
        "peregrine_connections_total",
        "Connections that were taken.",
        is.connections_accepted,
    );
    of.counter(
        "peregrine_accept_failures_total",
        "Times that no connection could be taken.",
        is.accept_failures,
    );
    let stalled = "Connections closed because the client stalled.";
    of.counter("peregrine_stalled_connections_total", stalled, is.stalled);
    of.counter("peregrine_cut_responses_total", "Answers that broke off.", is.cut);
    let idle = "Connections closed because no further request came.";
    of.counter("peregrine_idle_connections_total", idle, is.idle);
    let help = "Connections that changed their protocol.";
    of.counter("peregrine_tunnels_total", help, is.tunnels);
    let help = "Connections that changed their protocol and are open.";
    of.gauge("peregrine_tunnels_open", help, is.tunnels_open);
    let help = "Tunnels closed because nothing moved for too long.";
    of.counter("peregrine_idle_tunnels_total", help, is.tunnels_idle);
    let faults = is.body_faults.iter().map(|(reason, count)| (*reason, *count));
    let help = "Request bodies that did not come to their end.";
    of.counters("peregrine_request_body_failures_total", help, "reason", faults);
    let refused = is.refused.iter().map(|(reason, count)| (*reason, *count));
    let help = "Requests that were refused before anything was asked.";
    of.counters("peregrine_refused_requests_total", help, "reason", refused);
    let failed = is.arrival_failures.iter().map(|(reason, count)| (*reason, *count));
    let help = "Connections that ended before their first request: TLS or the PROXY protocol.";
    of.counters("peregrine_arrival_failures_total", help, "reason", failed);
    let help = "TLS handshakes that succeeded.";
    of.counter("peregrine_tls_handshakes_total", help, is.tls_handshakes);
    let help = "TLS handshakes that resumed an earlier session.";
    of.counter("peregrine_tls_resumptions_total", help, is.tls_resumptions);
    let help = "Connections that spoke HTTP/2.";
    of.counter("peregrine_http2_connections_total", help, is.http2_connections);
    let help = "Connections closed because the client broke the rules of HTTP/2.";
    of.counter("peregrine_http2_protocol_errors_total", help, is.http2_protocol_errors);
    let help = "Requests over HTTP/2 reset unread: malformed, far too large a head, or more at once than streams_max.";
    of.counter("peregrine_http2_refused_requests_total", help, is.http2_refused);
    let excesses = is.http2_excesses.iter().map(|(limit, count)| (*limit, *count));
    let help = "Connections of HTTP/2 closed because the client did too much of something.";
    of.counters("peregrine_http2_excesses_total", help, "limit", excesses);
    for (place, tls) in program.listeners.tls() {
        of_tls(&place, &tls.status(), of.out);
    }
}

/// The certificates of a listener.
fn of_tls(place: &str, is: &TlsStatus, out: &mut Exposition) {
    let labels = [("listener", place)];
    let mut of = Of { out, labels: &labels };
    let help = "Times that changed certificates were taken into use.";
    of.counter("peregrine_tls_reloads_total", help, is.reloads);
    let help = "Times that changed certificates could not be used.";
    of.counter("peregrine_tls_reload_failures_total", help, is.reload_failures);
    for certificate in &is.certificates {
        let name = certificate.names.first().map_or("", String::as_str);
        let labels = [("listener", place), ("file", certificate.file.as_str()), ("name", name)];
        let mut of = Of { out, labels: &labels };
        if let Some(not_after_s) = certificate.not_after_s {
            let help = "When a certificate ends, in seconds since 1970.";
            of.gauge("peregrine_tls_certificate_not_after_seconds", help, not_after_s);
        }
    }
}
