//! Alerts, objectives and notifications as the program runs them: once a second, beside history. What is to be told is
//! written to the store before it is sent; a store that cannot be written is complained about and holds up nobody.

mod post;

use super::program::Program;
use crate::config::Settings;
use peregrine_base::{Random, Runtime, SystemRandom, TokioRuntime};
use peregrine_insight::alerts::Moment;
use peregrine_insight::model::{AlertState, ChangeKind, ChangeNote};
use peregrine_insight::notify::{Delivery, Posted};
use peregrine_insight::store::Store;
use peregrine_insight::{Alerting, DeskConfig, Event, Insight};
use std::sync::Arc;

/// What is watched and who is told, as `settings` say, on the node `node`.
pub(super) fn config(settings: &Settings, node: &str) -> DeskConfig {
    DeskConfig {
        node: node.to_owned(),
        rules: peregrine_insight::alerts::rules(&settings.alerts, &settings.alert),
        group_wait: settings.alerts.group_wait.get(),
        objectives: peregrine_insight::slo::objectives(&settings.slo),
        receivers: settings.notify.clone(),
        known: Some(settings.known_names()),
    }
}

/// Now, on both clocks.
pub(super) fn moment() -> Moment {
    let clock = Program::clock();
    Moment {
        now: clock.now(),
        wall: clock.wall(),
    }
}

/// Takes up what the program before kept. To be called once, before [`look`].
pub(super) fn restore(alerting: &Alerting, store: &dyn Store) {
    if let Err(error) = alerting.restore(store) {
        tracing::warn!(%error, "alerts, silences and notifications of before cannot be read");
    }
}

/// Looks at everything once. What came of it is to be kept ([`Alerting::take_writes`]) before anything is sent.
pub(super) fn look(alerting: &Alerting, insight: &Insight) {
    let changed = insight.with_values(|values| alerting.tick(moment(), values));
    for alert in changed {
        let (rule, state, severity) = (alert.rule.as_str(), alert.state.as_str(), alert.severity.as_str());
        tracing::info!(rule, state, severity, "alert: {}", alert.text);
        let word = match alert.state {
            AlertState::Pending => None,
            AlertState::Firing => Some("alert"),
            AlertState::Resolved => Some("over"),
        };
        if let Some(word) = word {
            insight.note(ChangeNote {
                at: moment().wall.into(),
                kind: ChangeKind::Alert,
                text: format!("{word}: {}", alert.text),
                by: None,
                id: Some(alert.id.clone()),
            });
        }
        insight.events().publish(Event::Alert(Box::new(alert)));
    }
    for alert in alerting.take_touched() {
        insight.events().publish(Event::Alert(Box::new(alert)));
    }
}

/// Sends what is due; nobody waits for it.
pub(super) fn send(alerting: &Arc<Alerting>) {
    for delivery in alerting.due(moment()) {
        let alerting = Arc::clone(alerting);
        TokioRuntime.spawn(Box::pin(async move {
            // On a task of its own, so that the line goes on whatever becomes of it.
            let posted = tokio::spawn(post::post(delivery.clone())).await;
            let posted = posted.unwrap_or(Posted::Unreachable);
            say(&delivery, posted);
            alerting.done(moment(), &delivery, posted, SystemRandom.next_unit());
        }));
    }
}

fn say(delivery: &Delivery, posted: Posted) {
    let (receiver, id, result) = (delivery.receiver.as_str(), delivery.id.as_str(), posted.as_str());
    match posted {
        Posted::Delivered => tracing::info!(receiver, id, "notified"),
        Posted::Status(status, _) => tracing::warn!(receiver, id, status, "a notification was not taken"),
        Posted::Redirected | Posted::Unreachable | Posted::TimedOut => {
            tracing::warn!(receiver, id, result, "a notification did not arrive");
        }
    }
}
