//! The dashboard for Grafana: from what a person asks first (is it well, is it fast, what does it save) down to single parts.

use serde_json::{Value, json};

/// Grafana's grid is so wide.
const WIDTH: u64 = 24;

/// One panel: title, what it is for, unit, kind, width, height, and queries with their legends.
struct Panel {
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    kind: &'static str,
    size: (u64, u64),
    queries: &'static [(&'static str, &'static str)],
}

const fn stat(
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    query: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        about,
        unit,
        kind: "stat",
        size: (4, 4),
        queries: query,
    }
}

const fn lines(
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel {
        title,
        about,
        unit,
        kind: "timeseries",
        size: (8, 8),
        queries,
    }
}

/// Rows of the dashboard with their panels.
const ROWS: &[(&str, &[Panel])] = &[
    (
        "At a glance",
        &[
            stat(
                "Requests",
                "Of all routes.",
                "reqps",
                &[(
                    "sum(rate(peregrine_requests_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "",
                )],
            ),
            stat(
                "Errors",
                "Answers with a status of 5xx.",
                "percentunit",
                &[(
                    "sum(rate(peregrine_responses_total{instance=~\"$instance\", route=~\"$route\", class=\"5xx\"}[$__rate_interval])) / \
                     sum(rate(peregrine_responses_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "",
                )],
            ),
            stat(
                "Hits",
                "Requests that the cache, or another request's load, answered, of those that asked it.",
                "percentunit",
                &[(
                    "sum(rate(peregrine_requests_total{instance=~\"$instance\", route=~\"$route\", \
                     cache=~\"hit|stale.*|unverified|collapsed\"}[$__rate_interval])) / sum(rate(peregrine_requests_total{instance=~\"$instance\", \
                     route=~\"$route\", cache!~\"untouched|bypass\"}[$__rate_interval]))",
                    "",
                )],
            ),
            stat(
                "p95",
                "95% of the requests take less.",
                "s",
                &[(
                    "histogram_quantile(0.95, sum by (le) (rate(peregrine_request_duration_seconds_bucket{instance=~\"$instance\", \
                     route=~\"$route\"}[$__rate_interval])))",
                    "",
                )],
            ),
            stat(
                "Origin time saved",
                "Seconds of the origin's work that were spared each second.",
                "none",
                &[(
                    "sum(rate(peregrine_origin_saved_seconds_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "",
                )],
            ),
            stat(
                "Targets out",
                "Targets that get no requests.",
                "none",
                &[("sum(peregrine_target_healthy{instance=~\"$instance\"} == bool 0)", "")],
            ),
        ],
    ),
    (
        "Requests",
        &[
            lines(
                "Requests by what the cache did",
                "The words are those of the access log.",
                "reqps",
                &[(
                    "sum by (cache) (rate(peregrine_requests_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "{{cache}}",
                )],
            ),
            lines(
                "Latency",
                "From the parsed request to the end of the answer.",
                "s",
                &[
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(peregrine_request_duration_seconds_bucket{instance=~\"$instance\", \
                         route=~\"$route\"}[$__rate_interval])))",
                        "p50",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) (rate(peregrine_request_duration_seconds_bucket{instance=~\"$instance\", \
                         route=~\"$route\"}[$__rate_interval])))",
                        "p95",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(peregrine_request_duration_seconds_bucket{instance=~\"$instance\", \
                         route=~\"$route\"}[$__rate_interval])))",
                        "p99",
                    ),
                ],
            ),
            lines(
                "What goes wrong",
                "By kind; clients that left included.",
                "reqps",
                &[(
                    "sum by (kind) (rate(peregrine_request_failures_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "{{kind}}",
                )],
            ),
        ],
    ),
    (
        "The cache",
        &[
            lines(
                "Answers by tier",
                "From memory, or from Redis.",
                "reqps",
                &[(
                    "sum by (tier) (rate(peregrine_hits_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "{{tier}}",
                )],
            ),
            lines(
                "Why not from the cache",
                "Reasons of decisions; docs/reference/reasons.md explains each.",
                "reqps",
                &[(
                    "topk(10, sum by (reason) (rate(peregrine_decisions_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval])))",
                    "{{reason}}",
                )],
            ),
            lines(
                "Memory of the cache",
                "By namespace.",
                "bytes",
                &[(
                    "sum by (namespace) (peregrine_cache_bytes{instance=~\"$instance\"})",
                    "{{namespace}}",
                )],
            ),
            lines(
                "Evictions",
                "Entries that left memory, by cause.",
                "cps",
                &[(
                    "sum by (reason) (rate(peregrine_cache_evictions_total{instance=~\"$instance\"}[$__rate_interval]))",
                    "{{reason}}",
                )],
            ),
            lines(
                "What was spared",
                "Bytes that the origin did not send, beside those that were sent.",
                "Bps",
                &[
                    (
                        "sum(rate(peregrine_saved_bytes_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                        "spared",
                    ),
                    (
                        "sum(rate(peregrine_sent_bytes_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                        "sent",
                    ),
                ],
            ),
            lines(
                "Tenants",
                "Bytes in memory, of the largest ten.",
                "bytes",
                &[(
                    "topk(10, sum by (tenant) (peregrine_tenant_bytes{instance=~\"$instance\"}))",
                    "{{tenant}}",
                )],
            ),
        ],
    ),
    (
        "Upstreams",
        &[
            lines(
                "Requests to the origin",
                "Renewals in the background included.",
                "reqps",
                &[(
                    "sum by (route) (rate(peregrine_origin_requests_total{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval]))",
                    "{{route}}",
                )],
            ),
            lines(
                "Time to the first byte, p95",
                "By target.",
                "s",
                &[(
                    "histogram_quantile(0.95, sum by (upstream, target, le) \
                     (rate(peregrine_target_first_byte_seconds_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                    "{{upstream}} {{target}}",
                )],
            ),
            lines(
                "Waiting for a connection, p95",
                "Grows when connections to the origin are too few.",
                "s",
                &[(
                    "histogram_quantile(0.95, sum by (route, le) \
                     (rate(peregrine_upstream_wait_seconds_bucket{instance=~\"$instance\", route=~\"$route\"}[$__rate_interval])))",
                    "{{route}}",
                )],
            ),
            lines(
                "Errors and retries",
                "Of targets.",
                "cps",
                &[
                    (
                        "sum by (target, kind) (rate(peregrine_target_errors_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{target}} {{kind}}",
                    ),
                    (
                        "sum by (target) (rate(peregrine_target_retries_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{target}} retries",
                    ),
                ],
            ),
            lines(
                "Under way",
                "Requests at each target.",
                "none",
                &[(
                    "sum by (target) (peregrine_target_in_flight{instance=~\"$instance\"})",
                    "{{target}}",
                )],
            ),
            lines(
                "Healthy",
                "1 while a target gets requests.",
                "none",
                &[(
                    "min by (upstream, target) (peregrine_target_healthy{instance=~\"$instance\"})",
                    "{{upstream}} {{target}}",
                )],
            ),
        ],
    ),
    (
        "Clients",
        &[
            lines(
                "Connections",
                "Of clients; tunnels are those that changed their protocol, WebSocket above all.",
                "none",
                &[
                    ("sum(peregrine_connections_open{instance=~\"$instance\"})", "open"),
                    ("sum(peregrine_tunnels_open{instance=~\"$instance\"})", "tunnels"),
                ],
            ),
            lines(
                "Turned away",
                "Requests that were refused before anything was asked.",
                "reqps",
                &[(
                    "sum by (reason) (rate(peregrine_refused_requests_total{instance=~\"$instance\"}[$__rate_interval]))",
                    "{{reason}}",
                )],
            ),
            lines(
                "TLS",
                "Handshakes, and those that resumed.",
                "cps",
                &[
                    (
                        "sum(rate(peregrine_tls_handshakes_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "handshakes",
                    ),
                    (
                        "sum(rate(peregrine_tls_resumptions_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "resumed",
                    ),
                ],
            ),
        ],
    ),
    (
        "Nodes and Redis",
        &[
            lines(
                "How long ago everything was known",
                "Beyond cache.freshness_bound a node does not believe its memory.",
                "s",
                &[(
                    "max by (instance) (peregrine_backplane_verified_age_seconds{instance=~\"$instance\"})",
                    "{{instance}}",
                )],
            ),
            lines(
                "Until an invalidation is everywhere, p95",
                "From telling Redis until it and its replicas have it.",
                "s",
                &[(
                    "histogram_quantile(0.95, sum by (le) \
                     (rate(peregrine_backplane_invalidate_duration_seconds_bucket{instance=~\"$instance\"}[$__rate_interval])))",
                    "p95",
                )],
            ),
            lines(
                "Redis",
                "Operations, and those that failed.",
                "ops",
                &[
                    (
                        "sum(rate(peregrine_redis_commands_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "operations",
                    ),
                    (
                        "sum by (kind) (rate(peregrine_redis_errors_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{kind}}",
                    ),
                ],
            ),
        ],
    ),
    (
        "The process",
        &[
            lines(
                "Processor",
                "Of one core.",
                "percentunit",
                &[(
                    "rate(process_cpu_seconds_total{instance=~\"$instance\"}[$__rate_interval])",
                    "{{instance}}",
                )],
            ),
            lines(
                "Memory",
                "What is resident, and what the control group allows.",
                "bytes",
                &[
                    ("process_resident_memory_bytes{instance=~\"$instance\"}", "{{instance}}"),
                    (
                        "peregrine_cgroup_memory_max_bytes{instance=~\"$instance\"}",
                        "{{instance}} limit",
                    ),
                ],
            ),
            lines(
                "Files",
                "Open files and sockets.",
                "none",
                &[("process_open_fds{instance=~\"$instance\"}", "{{instance}}")],
            ),
        ],
    ),
];

/// All expressions, to be checked.
pub(super) fn expressions() -> Vec<String> {
    let panels = ROWS.iter().flat_map(|(_, panels)| *panels);
    panels
        .flat_map(|panel| panel.queries)
        .map(|(expression, _)| (*expression).to_owned())
        .collect()
}

/// The file.
pub(super) fn dashboard() -> String {
    let (mut panels, mut id, mut y) = (Vec::new(), 0u64, 0u64);
    for (title, row) in ROWS {
        id += 1;
        let place = json!({"h": 1, "w": WIDTH, "x": 0, "y": y});
        panels
            .push(json!({"id": id, "type": "row", "title": title, "collapsed": false, "gridPos": place, "panels": []}));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in *row {
            let (wide, high) = panel.size;
            if x + wide > WIDTH {
                (x, y) = (0, y + height);
            }
            id += 1;
            panels.push(drawn(panel, id, json!({"h": high, "w": wide, "x": x, "y": y})));
            (x, height) = (x + wide, high);
        }
        y += height;
    }
    let variable = |name: &str, query: &str| {
        json!({
            "name": name, "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"}, "refresh": 2,
            "query": {"query": query, "refId": name}, "definition": query, "includeAll": true, "multi": true, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}, "sort": 1,
        })
    };
    let whole = json!({
        "title": "Peregrine", "uid": "peregrine", "tags": ["peregrine"], "schemaVersion": 39, "editable": true,
        "description": "Made by `make reference` from xtask/src/metrics/grafana.rs and checked against the table of metrics.",
        "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "timezone": "browser", "graphTooltip": 1,
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
            variable("instance", "label_values(peregrine_uptime_seconds, instance)"),
            variable("route", "label_values(peregrine_route_info{instance=~\"$instance\"}, route)"),
        ]},
        "panels": panels,
    });
    format!("{whole:#}\n")
}

fn drawn(panel: &Panel, id: u64, place: Value) -> Value {
    let letters = ["A", "B", "C", "D"];
    let targets = panel.queries.iter().zip(letters).map(|((expression, legend), letter)| {
        json!({
            "refId": letter, "expr": expression, "legendFormat": if legend.is_empty() { "__auto" } else { legend },
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
        })
    });
    let options = match panel.kind {
        "stat" => json!({"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}),
        _ => {
            json!({"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}})
        }
    };
    json!({
        "id": id, "type": panel.kind, "title": panel.title, "description": panel.about, "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${datasource}"}, "targets": targets.collect::<Vec<_>>(), "options": options,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
    })
}
