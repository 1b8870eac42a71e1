//! Alerts, their rules and silences, and objectives.

use crate::time::Time;
use crate::values::Labels;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything about alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertsReport {
    /// Those that are pending, fire, or are resolved and not yet forgotten.
    pub alerts: Vec<Alert>,
    /// What makes them.
    pub rules: Vec<AlertRule>,
    /// Which of them nobody is told about.
    pub silences: Vec<Silence>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Look at once.
    Critical,
    /// Look today.
    High,
    /// Look this week.
    Medium,
    /// Worth knowing.
    Low,
}

impl Severity {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// Whether it is at least as bad as `other`.
    #[must_use]
    pub fn is_at_least(self, other: Self) -> bool {
        self <= other
    }
}

/// How an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Its condition holds, but not yet for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It fired.
    Resolved,
}

impl AlertState {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What it means to a rule when there is no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing: an alert stays as it is.
    #[default]
    Keep,
    /// That all is well.
    Ok,
    /// That it is past the threshold.
    Breach,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its number.
    pub id: String,
    /// The name of its rule.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// How it is.
    pub state: AlertState,
    /// The series that it is about.
    pub metric: String,
    /// The labels of that series.
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
    /// The newest value.
    pub value: Option<f64>,
    /// The value that it must not pass.
    pub threshold: f64,
    /// What is the matter, for people.
    pub text: String,
    /// Since when its condition holds.
    pub since: Time,
    /// When it began to fire.
    pub fired: Option<Time>,
    /// When it ended.
    pub resolved: Option<Time>,
    /// Who looks after it.
    pub acknowledged: Option<Acknowledgement>,
    /// The silence because of which nobody is told.
    pub silenced_by: Option<String>,
    /// What to do.
    pub next_step: String,
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Time,
    /// What they say about it.
    pub note: Option<String>,
}

/// What makes an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertRule {
    /// Its name.
    pub name: String,
    /// The series that it looks at.
    pub metric: String,
    /// Whose: of a route, of an upstream, of each of them (`*`); that of all together when there are none.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
    /// The alert's condition holds above this.
    pub above: Option<f64>,
    /// The alert's condition holds below this.
    pub below: Option<f64>,
    /// It ends only when the value is back beyond this.
    pub clear: Option<f64>,
    /// For how long the condition must hold.
    pub for_s: f64,
    /// For how long it goes on firing after the condition has ended.
    pub keep_firing_s: f64,
    /// How bad it is.
    pub severity: Severity,
    /// With fewer requests within that time a number that is computed from requests says nothing.
    pub min_events: f64,
    /// What it means when there is no number.
    #[serde(default)]
    pub missing: Missing,
    /// What its alerts are told together with; those of the same rule when there is none.
    #[serde(default)]
    pub group: Option<String>,
    /// Who is told; everybody when nobody is named.
    #[serde(default)]
    pub notify: Vec<String>,
    /// What it says instead of the usual sentence.
    #[serde(default)]
    pub text: Option<String>,
    /// What to do, instead of the usual.
    #[serde(default)]
    pub next_step: Option<String>,
    /// Whether it is looked at.
    pub enabled: bool,
    /// Whether it is one of those that are there by themselves.
    #[serde(default, rename = "default")]
    pub is_default: bool,
}

/// Which alerts nobody is told about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silence {
    /// Its number.
    pub id: String,
    /// The rule; all when there is none.
    pub rule: Option<String>,
    /// Only alerts with these labels.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
    /// Until when.
    pub until: Time,
    /// Whose it is.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What an objective is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SloKind {
    /// Answers within the threshold.
    Latency,
    /// Answers without an error.
    Availability,
}

/// How an objective is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SloState {
    /// It holds.
    Ok,
    /// The budget is being used up too fast.
    Burning,
    /// The budget is used up.
    Exhausted,
    /// Nothing was measured yet.
    NoData,
    /// Nothing is measured any more: it stays as it was.
    Frozen,
}

/// How an objective stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SloStatus {
    /// Its name.
    pub name: String,
    /// The route that it is about; all when there is none.
    pub route: Option<String>,
    /// What it is about.
    pub kind: SloKind,
    /// Which part of the requests is to be good.
    pub objective: f64,
    /// Within how long an answer is good.
    pub threshold_ms: Option<f64>,
    /// The span that it is about.
    pub window_s: f64,
    /// Requests that were good.
    pub good: u64,
    /// All of them.
    pub total: u64,
    /// The first of the second.
    pub attained: Option<f64>,
    /// Which part of the bad ones that are allowed is left: from 1 down, negative when there were more.
    pub budget_left: Option<f64>,
    /// How fast the budget is used up over several windows; 1 is just as fast as allowed.
    pub burn: Vec<Burn>,
    /// When the budget is used up if it goes on like this.
    pub exhausted_in_s: Option<f64>,
    /// How it is, in a word.
    pub state: SloState,
    /// The alerts that it made.
    pub alerts: Vec<String>,
}

/// How fast an error budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Burn {
    /// Over which span.
    pub window_s: f64,
    /// How many times as fast as allowed.
    pub rate: Option<f64>,
}
