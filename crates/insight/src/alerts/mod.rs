//! Alerts: numbers that left their bounds for long enough that a person should look.
//!
//! One look ([`Alerts::look`]) judges every rule by the numbers of the moment, moves each alert on (pending, firing,
//! resolved; `live.rs`) and gathers what receivers do not know yet. What a receiver was told stands in the alert itself, so
//! that it is told of a state once however often the alert is looked at, through restarts too; silences and group waits only
//! decide when. Nothing here reads a clock, sends or writes: moments and numbers come in, notifications and
//! [`Alerts::saved`] come out.
//!
//! Bounds: [`RULES_MAX`] rules, [`LIVE_MAX`] alerts at a time, [`OVER_MAX`] that are over; what does not fit is counted.

mod changes;
mod check;
pub mod config;
pub(crate) mod defaults;
mod known;
mod live;
pub mod parameters;
mod rule;
mod silence;
mod telling;
mod words;

#[cfg(test)]
mod tests;

pub use changes::SILENCE_TIME_MAX;
pub use check::check_rules;
pub(crate) use check::{check_receivers, name_problem, nearest};
pub use config::{AlertConfig, AlertsConfig, rules};
pub use known::Known;
pub use live::Moment;
pub use parameters::PARAMETERS;
pub use rule::{Observed, Verdict};
pub use telling::{Notification, Receiver};

use crate::model::{Acknowledgement, Alert, AlertRule, AlertState, AlertsReport};
use crate::time::Time;
use crate::values::{Labels, Values};
use live::{Live, Step};
use peregrine_base::Complaint;
use serde::{Deserialize, Serialize};
use silence::Quiet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use telling::Telling;

/// The most rules; each costs a question at every look.
pub const RULES_MAX: usize = 200;
/// So many of them may come with Peregrine.
pub(crate) const RULES_GIVEN_MAX: usize = 20;
/// The most alerts that are pending or firing at a time: a rule for each route of a large configuration, all of them slow.
pub const LIVE_MAX: usize = 500;
/// The most alerts that are over and still shown.
pub const OVER_MAX: usize = 200;
/// Something that was judged elsewhere: a burn rate, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The rule that it goes by.
    pub rule: AlertRule,
    /// Of what.
    pub labels: Labels,
    /// What came of it.
    pub verdict: Verdict,
    /// The number.
    pub value: Option<f64>,
    /// The sentence.
    pub text: String,
}

/// Why a call did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is nothing with this id; a sentence that says so.
    Unknown(String),
    /// What was sent cannot be used.
    Unusable(Vec<Complaint>),
    /// There are too many already.
    Full(String),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// Alerts that fired.
    pub fired: u64,
    /// Alerts that ended.
    pub resolved: u64,
    /// Alerts that were not made because there were too many.
    pub left_out: u64,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedAlerts {
    rules: Vec<AlertRule>,
    live: Vec<Live>,
    over: Vec<Live>,
    silences: Vec<Quiet>,
    serial: u64,
}

/// The alerts of a node.
#[derive(Debug, Default)]
pub struct Alerts {
    /// What the configuration says, the defaults among it.
    configured: Vec<AlertRule>,
    /// What the API said over it.
    overrides: Vec<AlertRule>,
    /// What holds.
    rules: Vec<AlertRule>,
    live: BTreeMap<(String, Labels), Live>,
    over: VecDeque<Live>,
    silences: Vec<Quiet>,
    telling: Telling,
    /// What may be named; nothing before somebody said it.
    known: Option<Known>,
    serial: u64,
    counts: AlertCounts,
    /// Whether something changed that [`Alerts::saved`] holds.
    is_changed: bool,
}

impl Alerts {
    /// From now on these are the rules of the configuration and the receivers; what the API set stays over them.
    pub fn configure(&mut self, rules: Vec<AlertRule>, receivers: Vec<Receiver>, group_wait: Duration) {
        self.configured = rules;
        // Whoever is gone has nothing to be told of what is over; of what goes on, the next look says who is told.
        for live in &mut self.over {
            live.receivers
                .retain(|name| receivers.iter().any(|known| known.name == *name));
        }
        self.telling.configure(receivers, group_wait);
        self.join();
    }

    /// From now on this is what rules and silences that are set may name.
    pub fn know(&mut self, known: Known) {
        self.known = Some(known);
    }

    /// What holds: the configured rules, each replaced by the API's of its name, and the API's own.
    fn join(&mut self) {
        let own = |rule: &AlertRule| self.overrides.iter().find(|own| own.name == rule.name);
        let mut rules: Vec<AlertRule> = self
            .configured
            .iter()
            .map(|rule| own(rule).unwrap_or(rule).clone())
            .collect();
        let added = self
            .overrides
            .iter()
            .filter(|own| self.configured.iter().all(|rule| rule.name != own.name));
        rules.extend(added.cloned());
        self.rules = rules;
    }

    /// Takes up what a program before kept. Alerts that fired go on firing until they are looked at.
    pub fn restore(&mut self, saved: SavedAlerts) {
        self.overrides = saved.rules;
        self.live = saved
            .live
            .into_iter()
            .map(|live| ((live.rule.clone(), live.labels.clone()), live))
            .collect();
        self.over = saved.over.into();
        let known = self.telling.names();
        for live in &mut self.over {
            live.receivers.retain(|name| known.contains(&name.as_str()));
        }
        self.silences = saved.silences;
        self.serial = saved.serial;
        self.join();
    }

    /// What is to be kept, if it changed since the last call.
    pub fn saved(&mut self) -> Option<SavedAlerts> {
        std::mem::take(&mut self.is_changed).then(|| SavedAlerts {
            rules: self.overrides.clone(),
            live: self
                .live
                .values()
                .filter(|live| live.state == AlertState::Firing)
                .cloned()
                .collect(),
            over: self.over.iter().cloned().collect(),
            silences: self.silences.clone(),
            serial: self.serial,
        })
    }

    /// Looks at every rule, and at what was `judged` elsewhere. The alerts that changed their state.
    pub fn look(&mut self, moment: Moment, values: &dyn Values, judged: Vec<Judged>) -> Vec<Alert> {
        let mut changed = Vec::new();
        let mut seen = BTreeSet::new();
        let observed = self.observe(values);
        for judged in observed.into_iter().chain(judged) {
            let key = (judged.rule.name.clone(), judged.labels.clone());
            self.apply(moment, &key, judged, &mut changed);
            seen.insert(key);
        }
        let unseen: Vec<_> = self.live.keys().filter(|key| !seen.contains(*key)).cloned().collect();
        for key in unseen {
            let is_watched = self.rules.iter().any(|rule| rule.enabled && rule.name == key.0);
            if !is_watched || self.live.get_mut(&key).is_some_and(|live| live.is_gone(moment)) {
                self.end(moment, &key, &mut changed);
            }
        }
        self.silences.retain(|silence| silence.holds(moment.wall));
        changed
    }

    /// The judgement of every rule that is on.
    fn observe(&self, values: &dyn Values) -> Vec<Judged> {
        let mut all = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.enabled) {
            for labels in expand(rule, values) {
                let observed = rule.observe(values, &labels);
                all.push(Judged {
                    rule: rule.clone(),
                    verdict: rule.judge(observed),
                    text: words::text(rule, &labels, observed.value),
                    value: observed.value,
                    labels,
                });
            }
        }
        all
    }

    fn apply(&mut self, moment: Moment, key: &(String, Labels), judged: Judged, changed: &mut Vec<Alert>) {
        let rule = &judged.rule;
        let is_new = !self.live.contains_key(key);
        if is_new {
            if judged.verdict != Verdict::Breach {
                return;
            }
            if self.live.len() >= LIVE_MAX {
                self.counts.left_out += 1;
                return;
            }
            let id = self.next_id(moment);
            self.live.insert(key.clone(), begin(id, moment, &judged));
        }
        let Some(live) = self.live.get_mut(key) else { return };
        if judged.value.is_some() {
            live.value = judged.value;
            live.threshold = rule.threshold(judged.value);
            live.text.clone_from(&judged.text);
        }
        live.severity = rule.severity;
        rule.group().clone_into(&mut live.group);
        live.receivers = self.telling.receivers_of(rule);
        match live.look(moment, rule, judged.verdict) {
            Step::Same if is_new => changed.push(shown(live, &self.silences)),
            Step::Same => {}
            Step::Fired => {
                self.counts.fired += 1;
                self.is_changed = true;
                changed.push(shown(live, &self.silences));
            }
            Step::Dropped => {
                self.live.remove(key);
            }
            Step::Resolved => self.end(moment, key, changed),
        }
    }

    /// Takes an alert out of those that are looked at; one that fired is over.
    fn end(&mut self, moment: Moment, key: &(String, Labels), changed: &mut Vec<Alert>) {
        let Some(mut live) = self.live.remove(key) else { return };
        if live.state == AlertState::Pending {
            return;
        }
        live.resolve(moment);
        self.counts.resolved += 1;
        self.is_changed = true;
        changed.push(shown(&live, &self.silences));
        self.over.push_back(live);
        self.make_room();
    }

    /// Forgets what has been over for longest, first of that which everybody knows.
    fn make_room(&mut self) {
        while self.over.len() > OVER_MAX {
            let told = self.over.iter().position(Live::is_told).unwrap_or(0);
            self.over.remove(told);
        }
    }

    /// What receivers are to be told now.
    pub fn tell(&mut self, moment: Moment) -> Vec<Notification> {
        let silences = &self.silences;
        let alerts = self.live.values_mut().chain(self.over.iter_mut());
        let told = self.telling.tell(moment, &mut self.serial, alerts, silences);
        self.is_changed |= !told.is_empty();
        told
    }

    fn next_id(&mut self, moment: Moment) -> String {
        self.serial += 1;
        format!("{:x}-{:x}", moment.wall.as_millis(), self.serial)
    }

    /// All of it, the worst first.
    #[must_use]
    pub fn report(&self) -> AlertsReport {
        AlertsReport {
            alerts: self.shown(),
            rules: self.rules.clone(),
            silences: self.silences.iter().map(Quiet::shown).collect(),
        }
    }

    /// Every alert: firing, pending, resolved; within them the worst first, then the newest.
    #[must_use]
    pub fn shown(&self) -> Vec<Alert> {
        let mut all: Vec<&Live> = self.live.values().chain(&self.over).collect();
        let order = |state| match state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        // The most severe is the first of its enum.
        all.sort_by_key(|live| (order(live.state), live.severity, std::cmp::Reverse(live.since)));
        all.into_iter().map(|live| shown(live, &self.silences)).collect()
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> AlertCounts {
        self.counts
    }

    /// How many alerts there are of each state and severity, for metrics.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut numbers = BTreeMap::new();
        for live in self.live.values() {
            *numbers
                .entry((live.state.as_str(), live.severity.as_str()))
                .or_default() += 1;
        }
        numbers
    }

    /// How many silences hold.
    #[must_use]
    pub fn silences(&self) -> usize {
        self.silences.len()
    }
}

/// What a rule is about now: what it names if that is there; with `*` for a label, one of each that there is.
fn expand(rule: &AlertRule, values: &dyn Values) -> Vec<Labels> {
    if rule.labels.is_empty() {
        return vec![Labels::new()];
    }
    let fits = |labels: &Labels| {
        labels.len() == rule.labels.len()
            && rule
                .labels
                .iter()
                .all(|(name, wanted)| labels.get(name).is_some_and(|value| wanted == "*" || wanted == value))
    };
    values.label_sets(&rule.metric).into_iter().filter(fits).collect()
}

/// A new alert, pending.
fn begin(id: String, moment: Moment, judged: &Judged) -> Live {
    let rule = &judged.rule;
    Live {
        id,
        rule: rule.name.clone(),
        group: rule.group().to_owned(),
        severity: rule.severity,
        state: AlertState::Pending,
        metric: rule.metric.clone(),
        labels: judged.labels.clone(),
        value: judged.value,
        threshold: rule.threshold(judged.value),
        text: judged.text.clone(),
        next_step: words::next_step(rule),
        since: moment.wall.as_millis(),
        fired: None,
        resolved: None,
        acknowledged: None,
        receivers: Vec::new(),
        told: BTreeMap::new(),
        watch: live::Watch::default(),
    }
}

/// An alert as people see it.
fn shown(live: &Live, silences: &[Quiet]) -> Alert {
    Alert {
        id: live.id.clone(),
        rule: live.rule.clone(),
        severity: live.severity,
        state: live.state,
        metric: live.metric.clone(),
        labels: live.labels.clone(),
        value: live.value,
        threshold: live.threshold,
        text: live.text.clone(),
        since: Time::from_millis(live.since),
        fired: live.fired.map(Time::from_millis),
        resolved: live.resolved.map(Time::from_millis),
        acknowledged: live.acknowledged.as_ref().map(|known| Acknowledgement {
            by: known.by.clone(),
            at: Time::from_millis(known.at),
            note: known.note.clone(),
        }),
        silenced_by: silences
            .iter()
            .find(|silence| silence.covers(&live.rule, &live.labels))
            .map(|silence| silence.id.clone()),
        next_step: live.next_step.clone(),
    }
}
