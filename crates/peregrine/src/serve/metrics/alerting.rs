//! Metrics of alerts, objectives and of who is told.

use super::Of;
use peregrine_insight::Alerting;
use peregrine_telemetry::Exposition;

/// Adds them.
pub(super) fn expose(alerting: &Alerting, out: &mut Exposition) {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let status = alerting.status();
    for ((state, severity), count) in &status.alerts {
        let labels = [("state", *state), ("severity", *severity)];
        out.gauge("peregrine_alerts", &labels, *count);
    }
    let mut of = Of { out, labels: &[] };
    of.counter("peregrine_alerts_fired_total", status.counts.fired);
    of.counter("peregrine_alerts_resolved_total", status.counts.resolved);
    of.counter("peregrine_alerts_left_out_total", status.counts.left_out);
    of.gauge("peregrine_silences", number(status.silences));
    for (receiver, status) in &status.receivers {
        let labels = [("receiver", receiver.as_str())];
        let mut of = Of { out, labels: &labels };
        of.gauge("peregrine_notifications_waiting", number(status.waiting));
        let attempts = status.attempts.iter().map(|(result, count)| (*result, *count));
        of.counters("peregrine_notification_attempts_total", "result", attempts);
        let dropped = status.dropped.iter().map(|(reason, count)| (*reason, *count));
        of.counters("peregrine_notifications_dropped_total", "reason", dropped);
    }
    for slo in alerting.slos() {
        let name = slo.name.as_str();
        if let Some(left) = slo.budget_left {
            out.gauge("peregrine_slo_budget_left_ratio", &[("slo", name)], left);
        }
        for burn in &slo.burn {
            let window = burn.window_s.to_string();
            if let Some(rate) = burn.rate {
                out.gauge("peregrine_slo_burn_rate", &[("slo", name), ("window_s", &window)], rate);
            }
        }
    }
}
