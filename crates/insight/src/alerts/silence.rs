//! Silences: what is known and is not to be told about for a while. A silence holds back telling, never looking: the alert is
//! still shown, with the silence's name. When the silence ends before the alert, people are told then.

use crate::model::Silence;
use crate::time::Time;
use crate::values::Labels;
use peregrine_base::WallTime;
use serde::{Deserialize, Serialize};

/// The most at a time.
pub(crate) const SILENCES_MAX: usize = 200;

/// A silence; `until` in milliseconds of civil time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quiet {
    pub(crate) id: String,
    pub(crate) rule: Option<String>,
    pub(crate) labels: Labels,
    pub(crate) until: u64,
    pub(crate) by: String,
    pub(crate) reason: String,
}

impl Quiet {
    /// Whether it still holds.
    pub(crate) const fn holds(&self, wall: WallTime) -> bool {
        wall.as_millis() < self.until
    }

    /// Whether it is about an alert of `rule` with `labels`.
    pub(crate) fn covers(&self, rule: &str, labels: &Labels) -> bool {
        let same_rule = self.rule.as_deref().is_none_or(|name| name == rule || name == "*");
        same_rule && self.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
    }

    /// As people see it.
    pub(crate) fn shown(&self) -> Silence {
        Silence {
            id: self.id.clone(),
            rule: self.rule.clone(),
            labels: self.labels.clone(),
            until: Time::from_millis(self.until),
            by: self.by.clone(),
            reason: self.reason.clone(),
        }
    }
}
