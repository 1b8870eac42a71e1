//! The typed form of `[alerts]` and `[[alert]]`. Every default and bound stands in [`super::PARAMETERS`].

use super::check::check_rule;
use super::defaults;
use super::known::Known;
use crate::model::{AlertRule, Missing, Severity};
use crate::values::Labels;
use peregrine_base::{Complaint, Span};
use serde::Deserialize;

/// `[alerts]`: what holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// Whether the rules that come with Peregrine hold.
    pub defaults: bool,
    /// How long news of a group waits for more of it.
    pub group_wait: Span,
}

/// One `[[alert]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertConfig {
    /// The name of the rule.
    pub name: String,
    /// The series.
    pub metric: String,
    /// Of what; `*` means each.
    pub labels: Labels,
    /// It fires above this.
    pub above: Option<f64>,
    /// It fires below this.
    pub below: Option<f64>,
    /// It ends when the number is back here.
    pub clear: Option<f64>,
    /// How long the number must be past the threshold.
    #[serde(rename = "for")]
    pub lasting: Span,
    /// How long it must be well before the alert ends.
    pub keep_firing: Span,
    /// How bad it is.
    pub severity: Severity,
    /// Fewer requests within `for` say nothing.
    pub min_events: u32,
    /// What it means when there is no number.
    pub missing: Missing,
    /// What it is told together with.
    pub group: Option<String>,
    /// Who is told; everybody when nobody is named.
    pub notify: Vec<String>,
    /// What it says instead of the usual sentence.
    pub text: Option<String>,
    /// What to do, instead of the usual.
    pub next_step: Option<String>,
    /// Whether it is looked at.
    pub enabled: bool,
}

impl AlertConfig {
    /// The rule that it says.
    #[must_use]
    pub fn rule(&self) -> AlertRule {
        AlertRule {
            name: self.name.clone(),
            metric: self.metric.clone(),
            labels: self.labels.clone(),
            above: self.above,
            below: self.below,
            clear: self.clear,
            for_s: self.lasting.get().as_secs_f64(),
            keep_firing_s: self.keep_firing.get().as_secs_f64(),
            severity: self.severity,
            min_events: f64::from(self.min_events),
            missing: self.missing,
            group: self.group.clone(),
            notify: self.notify.clone(),
            text: self.text.clone(),
            next_step: self.next_step.clone(),
            enabled: self.enabled,
            is_default: false,
        }
    }

    /// Rules between fields, and which names there are: of `receivers` and what else is `known`.
    ///
    /// # Errors
    /// With what cannot hold.
    pub fn check(&self, receivers: &[&str], known: &Known) -> Result<(), Vec<Complaint>> {
        let complaints = check_rule(&self.rule(), receivers, Some(known));
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}

/// The rules of a configuration: those that come with Peregrine, unless one of the configuration has the name or they are
/// not wanted, and then the configuration's own.
#[must_use]
pub fn rules(config: &AlertsConfig, alerts: &[AlertConfig]) -> Vec<AlertRule> {
    let own: Vec<AlertRule> = alerts.iter().map(AlertConfig::rule).collect();
    let given = defaults::rules().into_iter().filter(|_| config.defaults);
    let mut all: Vec<AlertRule> = given
        .filter(|given| own.iter().all(|own| own.name != given.name))
        .collect();
    all.extend(own);
    all
}
