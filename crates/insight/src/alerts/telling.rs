//! Who is told what, and when. News of one group for one receiver waits for the group's time, so that ten routes that
//! become slow together are one message. What came and went within that time is told to nobody.

use super::live::{Live, Moment, Told};
use super::shown;
use super::silence::Quiet;
use crate::model::{Alert, AlertRule, Severity};
use peregrine_base::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// In `notify`: nobody.
pub(crate) const NOBODY: &str = "nobody";

/// Somebody who is told, as far as alerts are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// The least severity it is told of.
    pub severity_min: Severity,
    /// Whether it is told that an alert ended.
    pub resolved: bool,
}

/// What a receiver is told at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Its name for good: a receiver that sees it again may throw the second away.
    pub id: String,
    /// Who is told.
    pub receiver: String,
    /// The group.
    pub group: String,
    /// When it was written, in milliseconds of civil time.
    pub at: u64,
    /// What is told, the worst first.
    pub alerts: Vec<Alert>,
}

/// Who is told, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    receivers: Vec<Receiver>,
    group_wait: Duration,
    /// Since when a group has news for a receiver.
    waiting: BTreeMap<(String, String), Instant>,
}

impl Telling {
    pub(crate) fn configure(&mut self, receivers: Vec<Receiver>, group_wait: Duration) {
        self.receivers = receivers;
        self.group_wait = group_wait;
    }

    /// The names of all receivers.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.receivers.iter().map(|receiver| receiver.name.as_str()).collect()
    }

    /// Who is told of alerts of `rule`: those that it names, or everybody; never one to whom it is not severe enough.
    pub(crate) fn receivers_of(&self, rule: &AlertRule) -> Vec<String> {
        let named = |receiver: &Receiver| rule.notify.is_empty() || rule.notify.contains(&receiver.name);
        let wanted = self
            .receivers
            .iter()
            .filter(|receiver| named(receiver) && rule.severity.is_at_least(receiver.severity_min));
        wanted.map(|receiver| receiver.name.clone()).collect()
    }

    /// What is to be told now; the alerts know that it was.
    pub(crate) fn tell<'a>(
        &mut self,
        moment: Moment,
        serial: &mut u64,
        alerts: impl Iterator<Item = &'a mut Live>,
        silences: &[Quiet],
    ) -> Vec<Notification> {
        let is_held = |live: &Live| {
            let mut holding = silences.iter().filter(|silence| silence.holds(moment.wall));
            holding.any(|silence| silence.covers(&live.rule, &live.labels))
        };
        let mut all: Vec<&'a mut Live> = alerts.filter(|live| !is_held(live)).collect();
        let mut written = Vec::new();
        self.waiting
            .retain(|(receiver, _), _| self.receivers.iter().any(|known| known.name == *receiver));
        for receiver in &self.receivers {
            let groups = news_for(receiver, &mut all);
            self.waiting
                .retain(|(name, group), _| *name != receiver.name || groups.contains_key(group));
            for (group, indices) in groups {
                let key = (receiver.name.clone(), group);
                let since = *self.waiting.entry(key.clone()).or_insert(moment.now);
                if moment.now.since(since) < self.group_wait {
                    continue;
                }
                self.waiting.remove(&key);
                let mut told: Vec<Alert> = Vec::new();
                for index in indices {
                    let live = &mut *all[index];
                    if let Some(news) = live.news_for(&receiver.name) {
                        live.told.insert(receiver.name.clone(), news);
                        told.push(shown(live, silences));
                    }
                }
                told.sort_by_key(|alert| (alert.state, alert.severity));
                *serial += 1;
                written.push(Notification {
                    id: format!("{:x}-{serial:x}", moment.wall.as_millis()),
                    receiver: key.0,
                    group: key.1,
                    at: moment.wall.as_millis(),
                    alerts: told,
                });
            }
        }
        written
    }
}

/// The places in `all` of the alerts that `receiver` does not know yet, by group. Of ends that it does not want to hear of it
/// is told nothing, for good.
fn news_for(receiver: &Receiver, all: &mut [&mut Live]) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, live) in all.iter_mut().enumerate() {
        if !live.receivers.contains(&receiver.name) {
            continue;
        }
        match live.news_for(&receiver.name) {
            Some(Told::Resolved) if !receiver.resolved => {
                live.told.insert(receiver.name.clone(), Told::Resolved);
            }
            Some(_) => groups.entry(live.group.clone()).or_default().push(index),
            None => {}
        }
    }
    groups
}
