//! The rules that come with Peregrine. A `[[alert]]` of the same name takes the place of one; `alerts.defaults = false`
//! leaves them all away.

use crate::model::{AlertRule, Missing, Severity};
use crate::values::Labels;

/// A rule without a threshold.
fn rule(
    name: &str,
    metric: &str,
    severity: Severity,
    (for_s, keep_firing_s): (f64, f64),
    min_events: f64,
) -> AlertRule {
    AlertRule {
        name: name.to_owned(),
        metric: metric.to_owned(),
        labels: Labels::new(),
        above: None,
        below: None,
        clear: None,
        for_s,
        keep_firing_s,
        severity,
        min_events,
        missing: Missing::Keep,
        group: None,
        notify: Vec::new(),
        text: None,
        next_step: None,
        enabled: true,
        is_default: true,
    }
}

/// All of them. Each ends a good part below where it begins, so that a number that swings around the threshold is one alert.
pub(crate) fn rules() -> Vec<AlertRule> {
    let above = |rule, above, clear| AlertRule {
        above: Some(above),
        clear: Some(clear),
        ..rule
    };
    let dependency = rule(
        "dependency_down",
        "dependencies_down",
        Severity::Critical,
        (10.0, 30.0),
        0.0,
    );
    let ratio = rule("hit_ratio", "hit_ratio", Severity::Low, (600.0, 300.0), 100.0);
    vec![
        AlertRule {
            above: Some(0.0),
            ..dependency
        },
        above(
            rule("errors", "error_ratio", Severity::Critical, (60.0, 60.0), 20.0),
            0.05,
            0.03,
        ),
        above(
            rule("response_time", "latency_p95_ms", Severity::High, (60.0, 60.0), 20.0),
            1000.0,
            800.0,
        ),
        above(
            rule("memory", "memory_ratio", Severity::Medium, (60.0, 60.0), 0.0),
            0.8,
            0.75,
        ),
        above(rule("cpu", "cpu_ratio", Severity::Medium, (300.0, 60.0), 0.0), 0.8, 0.7),
        AlertRule {
            below: Some(0.7),
            clear: Some(0.75),
            ..ratio
        },
    ]
}
