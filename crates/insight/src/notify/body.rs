//! What is written to a receiver.
//!
//! The webhook's body has a version: fields are added within it, and taken away or changed only with the next. Slack's is what
//! its incoming webhooks take: a text for the list of notifications, and an attachment for each alert.

use super::config::{NotifyConfig, NotifyKind};
use super::sign::signature;
use crate::alerts::Notification;
use crate::model::{Alert, AlertState, Severity};
use crate::time::Time;
use peregrine_base::WallTime;
use serde_json::{Value, json};

/// The version of the webhook's body.
const VERSION: u32 = 1;
/// The most alerts that one message shows; the others are counted. Slack shows no more attachments well.
const SHOWN_MAX: usize = 20;

/// A message as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// JSON.
    pub body: String,
    /// Fields of the request, beside `Content-Type`.
    pub fields: Vec<(&'static str, String)>,
}

impl Letter {
    /// Writes `notification` from the node `node` as `config` wants it, for being sent at `wall`.
    #[must_use]
    pub fn write(config: &NotifyConfig, notification: &Notification, node: &str, wall: WallTime) -> Self {
        match config.kind {
            NotifyKind::Webhook => {
                let body = webhook(notification, node).to_string();
                let mut fields = vec![("peregrine-delivery", notification.id.clone())];
                if let Some(secret) = &config.secret {
                    fields.push(("peregrine-signature", signature(secret, wall, &body)));
                }
                Self { body, fields }
            }
            NotifyKind::Slack => Self {
                body: slack(notification, node).to_string(),
                fields: Vec::new(),
            },
        }
    }
}

/// How many of `alerts` fire.
fn firing(alerts: &[Alert]) -> usize {
    alerts.iter().filter(|alert| alert.state == AlertState::Firing).count()
}

fn webhook(notification: &Notification, node: &str) -> Value {
    let alerts = &notification.alerts;
    let status = match firing(alerts) {
        0 => "resolved",
        count if count == alerts.len() => "firing",
        _ => "mixed",
    };
    json!({
        "version": VERSION,
        "kind": "alerts",
        "id": notification.id,
        "at": Time::from_millis(notification.at),
        "node": node,
        "receiver": notification.receiver,
        "group": notification.group,
        "status": status,
        "alerts": &alerts[..alerts.len().min(SHOWN_MAX)],
        "left_out": alerts.len().saturating_sub(SHOWN_MAX),
    })
}

fn slack(notification: &Notification, node: &str) -> Value {
    let alerts = &notification.alerts;
    let count = firing(alerts);
    let head = match (count, alerts.len() - count) {
        (0, 1) => "Resolved".to_owned(),
        (0, over) => format!("{over} alerts resolved"),
        (1, 0) => "Alert".to_owned(),
        (count, 0) => format!("{count} alerts"),
        (count, over) => format!("{count} firing, {over} resolved"),
    };
    let first = alerts.first().map(|alert| alert.text.as_str()).unwrap_or_default();
    let mut attachments: Vec<Value> = alerts.iter().take(SHOWN_MAX).map(attachment).collect();
    if alerts.len() > SHOWN_MAX {
        attachments.push(json!({ "text": format!("and {} more", alerts.len() - SHOWN_MAX) }));
    }
    json!({
        "text": escaped(&format!("{head} · {first} · {node}")),
        "attachments": attachments,
    })
}

fn attachment(alert: &Alert) -> Value {
    let is_over = alert.state == AlertState::Resolved;
    let color = match (is_over, alert.severity) {
        (true, _) => "#2e7d32",
        (false, Severity::Critical) => "#b00020",
        (false, Severity::High) => "#e65100",
        (false, Severity::Medium) => "#f9a825",
        (false, Severity::Low) => "#546e7a",
    };
    let word = if is_over { "resolved" } else { alert.severity.as_str() };
    let since = if is_over { alert.resolved } else { alert.fired };
    let mut shown = json!({
        "color": color,
        "title": escaped(&format!("{}: {word}", alert.rule)),
        "text": escaped(&alert.text),
        "fallback": escaped(&alert.text),
        "ts": since.unwrap_or(alert.since).as_secs(),
    });
    if !is_over && let Some(fields) = shown.as_object_mut() {
        fields.insert("footer".to_owned(), Value::String(escaped(&alert.next_step)));
    }
    shown
}

/// As Slack wants text to be written: the three characters that would begin something else.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
