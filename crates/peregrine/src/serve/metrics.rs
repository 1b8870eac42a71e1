//! Every metric there is, gathered from the rooms when somebody asks. Names and labels are listed in
//! `docs/concepts/observability.md`.

use super::program::Program;
use peregrine_cache::NamespaceStatistics;
use peregrine_http::Route;
use peregrine_net::upstream::{Health, TargetStatus};
use peregrine_telemetry::Exposition;

/// Adds all of them.
pub(super) fn expose(program: &Program, out: &mut Exposition) {
    out.gauge(
        "peregrine_uptime_seconds",
        "Seconds since the start.",
        &[],
        program.uptime().as_secs_f64(),
    );
    for route in program.plane.table().iter() {
        of_route(route, out);
    }
    for (namespace, statistics) in &program.engine.statistics().namespaces {
        of_namespace(namespace, statistics, out);
    }
    for upstream in program.upstreams.load().values() {
        let status = upstream.status();
        let labels = [("upstream", &*status.name)];
        out.counter(
            "peregrine_upstream_no_healthy_target_total",
            "Requests that reached no target.",
            &labels,
            status.no_healthy_target,
        );
        for target in &status.targets {
            of_target(&status.name, target, out);
        }
    }
    of_server(program, out);
    program.access_log.expose(out);
}

fn of_route(route: &Route, out: &mut Exposition) {
    let name = [("route", &*route.name)];
    let metrics = &route.metrics;
    for (outcome, count) in metrics.outcomes() {
        let labels = [name[0], ("cache", outcome.as_str())];
        out.counter(
            "peregrine_requests_total",
            "Requests by how the cache took part.",
            &labels,
            count,
        );
    }
    for (class, count) in metrics.statuses() {
        out.counter(
            "peregrine_responses_total",
            "Responses by class of status.",
            &[name[0], ("class", class)],
            count,
        );
    }
    for (reason, count) in metrics.reasons() {
        let labels = [name[0], ("reason", reason.as_str())];
        out.counter(
            "peregrine_decisions_total",
            "Caching decisions by reason.",
            &labels,
            count,
        );
    }
    out.counter(
        "peregrine_request_errors_total",
        "Requests that ended in an error.",
        &name,
        metrics.errors.value(),
    );
    out.counter(
        "peregrine_sent_bytes_total",
        "Bytes of bodies sent to clients.",
        &name,
        metrics.bytes_sent.value(),
    );
    out.counter(
        "peregrine_saved_bytes_total",
        "Bytes of bodies that the origin did not send.",
        &name,
        metrics.bytes_saved.value(),
    );
    let duration = metrics.duration.snapshot();
    out.histogram(
        "peregrine_request_duration_seconds",
        "From the parsed request to the end of the answer.",
        &name,
        &duration,
    );
    let upstream = metrics.upstream.snapshot();
    out.histogram(
        "peregrine_upstream_first_byte_seconds",
        "From the request to the origin until its first byte.",
        &name,
        &upstream,
    );
}

fn of_namespace(namespace: &str, statistics: &NamespaceStatistics, out: &mut Exposition) {
    let name = [("namespace", namespace)];
    let counters = [
        (
            "peregrine_cache_hits_total",
            "Lookups that found something fresh.",
            statistics.hits,
        ),
        (
            "peregrine_cache_stale_served_total",
            "Lookups that served something stale.",
            statistics.stale_served,
        ),
        (
            "peregrine_cache_coalesced_total",
            "Misses that another's load answered.",
            statistics.coalesced,
        ),
        (
            "peregrine_cache_refreshes_total",
            "Loads that renewed an entry in the background.",
            statistics.refreshes,
        ),
        (
            "peregrine_cache_loads_total",
            "Loads that came to an end.",
            statistics.loads,
        ),
        (
            "peregrine_cache_load_failures_total",
            "Loads that failed.",
            statistics.load_failures,
        ),
        (
            "peregrine_cache_stored_total",
            "Answers that were stored.",
            statistics.stored,
        ),
        (
            "peregrine_cache_served_bytes_total",
            "Bytes of bodies served from memory.",
            statistics.bytes_served,
        ),
    ];
    for (metric, help, value) in counters {
        out.counter(metric, help, &name, value);
    }
    let seconds = |millis: u64| std::time::Duration::from_millis(millis).as_secs_f64();
    out.counter(
        "peregrine_cache_load_seconds_total",
        "Time that loads took together.",
        &name,
        seconds(statistics.load_time_ms),
    );
    let saved = seconds(statistics.load_time_saved_ms);
    out.counter(
        "peregrine_cache_saved_seconds_total",
        "Time that hits would have taken as loads.",
        &name,
        saved,
    );
    let by_reason = [
        (
            "peregrine_cache_misses_total",
            "Lookups that found nothing to serve at once.",
            &statistics.misses_by_reason,
        ),
        (
            "peregrine_cache_passed_total",
            "Answers that could not be stored.",
            &statistics.passed_by_reason,
        ),
        (
            "peregrine_cache_not_stored_total",
            "Bodies that were to be stored and are not.",
            &statistics.not_stored_by_reason,
        ),
        (
            "peregrine_cache_evictions_total",
            "Entries that left memory.",
            &statistics.evictions_by_cause,
        ),
    ];
    for (metric, help, counts) in by_reason {
        for (reason, count) in counts {
            out.counter(metric, help, &[name[0], ("reason", reason)], *count);
        }
    }
    out.gauge(
        "peregrine_cache_bytes",
        "Bytes that entries occupy.",
        &name,
        statistics.bytes,
    );
    out.gauge(
        "peregrine_cache_entries",
        "Entries, with markers and selectors.",
        &name,
        statistics.entries,
    );
}

fn of_target(upstream: &str, target: &TargetStatus, out: &mut Exposition) {
    let labels = [("upstream", upstream), ("target", &*target.target)];
    let up = u64::from(target.health == Health::Healthy);
    out.gauge(
        "peregrine_target_healthy",
        "1 while the target gets requests.",
        &labels,
        up,
    );
    let counters = [
        (
            "peregrine_target_requests_total",
            "Attempts that were made.",
            target.requests,
        ),
        (
            "peregrine_target_retries_total",
            "Attempts that were made again.",
            target.retries,
        ),
        (
            "peregrine_target_connects_total",
            "Connections that were made.",
            target.connects,
        ),
        (
            "peregrine_target_reuses_total",
            "Requests that found a connection ready.",
            target.reuses,
        ),
        (
            "peregrine_target_waits_total",
            "Requests that had to wait for a connection.",
            target.waits,
        ),
        (
            "peregrine_target_ejections_total",
            "How often the target was left out.",
            target.ejections,
        ),
    ];
    for (metric, help, value) in counters {
        out.counter(metric, help, &labels, value);
    }
    for (kind, count) in &target.errors {
        out.counter(
            "peregrine_target_errors_total",
            "Failures by kind.",
            &[labels[0], labels[1], ("kind", kind)],
            *count,
        );
    }
    out.gauge(
        "peregrine_target_in_flight",
        "Requests under way.",
        &labels,
        target.in_flight,
    );
    out.gauge(
        "peregrine_target_idle_connections",
        "Connections without a request.",
        &labels,
        target.idle,
    );
    out.gauge(
        "peregrine_target_waiting",
        "Requests that wait for a connection.",
        &labels,
        target.waiting,
    );
    out.histogram(
        "peregrine_target_first_byte_seconds",
        "The time to the first byte.",
        &labels,
        &target.first_byte,
    );
}

fn of_server(program: &Program, out: &mut Exposition) {
    let status = program.server.status();
    out.gauge(
        "peregrine_connections_open",
        "Connections of clients.",
        &[],
        status.connections_open,
    );
    out.gauge(
        "peregrine_connections_max",
        "The most connections of clients.",
        &[],
        status.connections_max,
    );
    out.counter(
        "peregrine_connections_total",
        "Connections that were taken.",
        &[],
        status.connections_accepted,
    );
    out.counter(
        "peregrine_accept_failures_total",
        "Times that no connection could be taken.",
        &[],
        status.accept_failures,
    );
    out.counter(
        "peregrine_stalled_connections_total",
        "Connections closed because the client stalled.",
        &[],
        status.stalled,
    );
    out.counter(
        "peregrine_cut_responses_total",
        "Answers that broke off.",
        &[],
        status.cut,
    );
    for (reason, count) in &status.refused {
        out.counter(
            "peregrine_refused_requests_total",
            "Requests that were refused before anything was asked.",
            &[("reason", reason)],
            *count,
        );
    }
}
