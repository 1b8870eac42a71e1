//! Alerts, objectives and who is told.

use super::{Metric, counter, gauge};

pub(super) const ROWS: &[Metric] = &[
    gauge(
        "peregrine_alerts",
        &["state", "severity"],
        "Alerts by state and severity.",
    ),
    counter("peregrine_alerts_fired_total", &[], "Alerts that fired."),
    counter("peregrine_alerts_resolved_total", &[], "Alerts that ended."),
    counter(
        "peregrine_alerts_left_out_total",
        &[],
        "Times an alert was not made because there were too many.",
    ),
    gauge("peregrine_silences", &[], "Silences that hold."),
    gauge(
        "peregrine_notifications_waiting",
        &["receiver"],
        "Notifications that have not arrived.",
    ),
    counter(
        "peregrine_notification_attempts_total",
        &["receiver", "result"],
        "Attempts to notify, by what came of them.",
    ),
    counter(
        "peregrine_notifications_dropped_total",
        &["receiver", "reason"],
        "Notifications that never arrived, by why.",
    ),
    gauge(
        "peregrine_slo_budget_left_ratio",
        &["slo"],
        "The part of an objective's error budget that is left; negative when more is used up.",
    ),
    gauge(
        "peregrine_slo_burn_rate",
        &["slo", "window_s"],
        "How many times as fast as allowed an error budget is used up, over a window.",
    ),
];
