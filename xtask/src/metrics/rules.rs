//! Recording and alerting rules for Prometheus. The thresholds are those of Peregrine's own alerts, for whoever has an
//! Alertmanager already.

use std::fmt::Write as _;

/// A number that is computed beforehand: its name and its expression.
const RECORDED: &[(&str, &str)] = &[
    (
        "peregrine:requests:rate5m",
        "sum by (job, instance, route) (rate(peregrine_requests_total[5m]))",
    ),
    (
        "peregrine:errors:ratio_rate5m",
        "sum by (job, instance, route) (rate(peregrine_responses_total{class=\"5xx\"}[5m])) \
         / sum by (job, instance, route) (rate(peregrine_responses_total[5m]))",
    ),
    (
        "peregrine:hits:ratio_rate5m",
        "sum by (job, instance, route) (rate(peregrine_requests_total{cache=~\"hit|stale.*|unverified|collapsed\"}[5m])) \
         / sum by (job, instance, route) (rate(peregrine_requests_total{cache!~\"untouched|bypass\"}[5m]))",
    ),
    (
        "peregrine:request_duration_seconds:p50_rate5m",
        "histogram_quantile(0.5, sum by (job, instance, route, le) (rate(peregrine_request_duration_seconds_bucket[5m])))",
    ),
    (
        "peregrine:request_duration_seconds:p95_rate5m",
        "histogram_quantile(0.95, sum by (job, instance, route, le) (rate(peregrine_request_duration_seconds_bucket[5m])))",
    ),
    (
        "peregrine:request_duration_seconds:p99_rate5m",
        "histogram_quantile(0.99, sum by (job, instance, route, le) (rate(peregrine_request_duration_seconds_bucket[5m])))",
    ),
    (
        "peregrine:upstream_first_byte_seconds:p95_rate5m",
        "histogram_quantile(0.95, sum by (job, instance, route, le) (rate(peregrine_upstream_first_byte_seconds_bucket[5m])))",
    ),
    (
        "peregrine:origin_saved_seconds:rate5m",
        "sum by (job, instance, route) (rate(peregrine_origin_saved_seconds_total[5m]))",
    ),
];

struct Alert {
    name: &'static str,
    expression: &'static str,
    lasting: &'static str,
    severity: &'static str,
    summary: &'static str,
    next_step: &'static str,
}

const ALERTS: &[Alert] = &[
    Alert {
        name: "PeregrineSlow",
        expression: "peregrine:request_duration_seconds:p95_rate5m > 1 and peregrine:requests:rate5m > 0.1",
        lasting: "5m",
        severity: "high",
        summary: "95% of the requests of {{ $labels.route }} take up to {{ $value | humanizeDuration }}",
        next_step: "Compare peregrine_upstream_first_byte_seconds: if the origin is as slow, the cause is there.",
    },
    Alert {
        name: "PeregrineErrors",
        expression: "peregrine:errors:ratio_rate5m > 0.05 and peregrine:requests:rate5m > 0.1",
        lasting: "2m",
        severity: "critical",
        summary: "{{ $value | humanizePercentage }} of the answers of {{ $labels.route }} are errors",
        next_step: "peregrine_request_failures_total says by kind what went wrong; the access log says where.",
    },
    Alert {
        name: "PeregrineFewHits",
        expression: "peregrine:hits:ratio_rate5m < 0.7 and peregrine:requests:rate5m > 1",
        lasting: "15m",
        severity: "low",
        summary: "The cache answers only {{ $value | humanizePercentage }} of the requests of {{ $labels.route }}",
        next_step: "`peregrine stats` names the reasons of misses and what could be changed.",
    },
    Alert {
        name: "PeregrineMemory",
        expression: "process_resident_memory_bytes / peregrine_cgroup_memory_max_bytes > 0.8 \
                     or process_resident_memory_bytes / peregrine_machine_memory_bytes > 0.8",
        lasting: "5m",
        severity: "medium",
        summary: "Peregrine uses {{ $value | humanizePercentage }} of the memory that it may use",
        next_step: "Lower cache.memory, or give it more.",
    },
    Alert {
        name: "PeregrineProcessor",
        expression: "rate(process_cpu_seconds_total[5m]) / peregrine_machine_cpus > 0.8",
        lasting: "10m",
        severity: "medium",
        summary: "Peregrine uses {{ $value | humanizePercentage }} of the processors that it may use",
        next_step: "Look which route has the requests; compression and TLS cost most.",
    },
    Alert {
        name: "PeregrineTargetDown",
        expression: "peregrine_target_healthy == 0",
        lasting: "1m",
        severity: "critical",
        summary: "{{ $labels.target }} of {{ $labels.upstream }} gets no requests",
        next_step: "peregrine_target_errors_total and the log say why it was left out. The only target of an upstream \
                    is never left out by failures: set health.path to see it here.",
    },
    Alert {
        name: "PeregrineRedisDown",
        expression: "peregrine_redis_up == 0",
        lasting: "1m",
        severity: "critical",
        summary: "Redis does not answer {{ $labels.instance }}",
        next_step: "Misses go to the origin meanwhile, and invalidations wait; look at Redis first.",
    },
    Alert {
        name: "PeregrineDown",
        expression: "absent(peregrine_uptime_seconds)",
        lasting: "2m",
        severity: "critical",
        summary: "No Peregrine can be scraped",
        next_step: "Look whether it runs, and whether the scrape has the token of the admin API.",
    },
    Alert {
        name: "PeregrineUnverified",
        expression: "rate(peregrine_requests_total{cache=\"unverified\"}[5m]) > 0",
        lasting: "5m",
        severity: "medium",
        summary: "{{ $labels.instance }} serves answers that other nodes may have invalidated",
        next_step: "It cannot ask Redis within cache.freshness_bound; see peregrine_backplane_failures_total.",
    },
    Alert {
        name: "PeregrineCertificateEnds",
        expression: "peregrine_tls_certificate_not_after_seconds - time() < 14 * 86400",
        lasting: "1h",
        severity: "high",
        summary: "The certificate {{ $labels.name }} ends in {{ $value | humanizeDuration }}",
        next_step: "Renew {{ $labels.file }}; Peregrine takes it into use by itself.",
    },
    Alert {
        name: "PeregrineFiles",
        expression: "process_open_fds / process_max_fds > 0.8",
        lasting: "5m",
        severity: "high",
        summary: "{{ $value | humanizePercentage }} of the files that may be open are",
        next_step: "Raise the limit of open files, or lower server.connections_max.",
    },
    Alert {
        name: "PeregrineLogLost",
        expression: "rate(peregrine_access_log_lines_total{outcome!=\"written\"}[5m]) > 0",
        lasting: "5m",
        severity: "low",
        summary: "Lines of the access log are lost ({{ $labels.outcome }})",
        next_step: "Look at the disk or the reader behind log.access_path, or sample with log.access_sample.",
    },
];

/// All expressions, to be checked.
pub(super) fn expressions() -> Vec<String> {
    let recorded = RECORDED.iter().map(|(_, expression)| *expression);
    recorded
        .chain(ALERTS.iter().map(|alert| alert.expression))
        .map(str::to_owned)
        .collect()
}

/// The file.
pub(super) fn rules() -> String {
    let mut out = String::from(
        "# Recording and alerting rules for Peregrine. Made by `make reference` from xtask/src/metrics/rules.rs and checked\n\
         # against the table of metrics; edit them there, or a copy of this file.\n\
         groups:\n  - name: peregrine-recorded\n    rules:\n",
    );
    for (name, expression) in RECORDED {
        let _ = write!(out, "      - record: {name}\n        expr: {}\n", quoted(expression));
    }
    out.push_str("  - name: peregrine-alerts\n    rules:\n");
    for alert in ALERTS {
        let _ = write!(
            out,
            "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          severity: {}\n        annotations:\n          \
             summary: {}\n          description: {}\n",
            alert.name,
            quoted(alert.expression),
            alert.lasting,
            alert.severity,
            quoted(alert.summary),
            quoted(alert.next_step),
        );
    }
    out
}

/// A text as YAML in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
