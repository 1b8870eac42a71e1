//! Alerts under a clock that the test moves.

mod api;
mod life;
mod properties;
mod telling;

use super::*;
use crate::values::Counts;
use peregrine_base::{Clock, ManualClock};

/// Numbers that a test sets.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) values: BTreeMap<(String, Labels), f64>,
    pub(super) requests: u64,
}

impl Values for Fake {
    fn value(&self, metric: &str, labels: &Labels) -> Option<f64> {
        self.values.get(&(metric.to_owned(), labels.clone())).copied()
    }

    fn label_sets(&self, metric: &str) -> Vec<Labels> {
        let known = self.values.keys().filter(|(name, _)| name == metric);
        known.map(|(_, labels)| labels.clone()).collect()
    }

    fn counts(&self, _: Option<&str>, window: Duration, _: Option<Duration>) -> Option<Counts> {
        Some(Counts {
            good: self.requests,
            total: self.requests,
            seen: window,
        })
    }
}

/// Alerts, their numbers and their clock.
pub(super) struct Bench {
    pub(super) alerts: Alerts,
    pub(super) fake: Fake,
    pub(super) clock: ManualClock,
    pub(super) told: Vec<Notification>,
    pub(super) changed: Vec<Alert>,
}

pub(super) const GROUP_WAIT: Duration = Duration::from_secs(3);

/// Fires above 1 after ten seconds, ends at 0.8 after five.
pub(super) fn rule(name: &str) -> AlertRule {
    AlertRule {
        name: name.to_owned(),
        metric: "error_ratio".to_owned(),
        above: Some(1.0),
        clear: Some(0.8),
        for_s: 10.0,
        keep_firing_s: 5.0,
        min_events: 20.0,
        is_default: false,
        ..defaults::rules().remove(0)
    }
}

pub(super) fn receiver(name: &str) -> Receiver {
    Receiver {
        name: name.to_owned(),
        severity_min: crate::model::Severity::Low,
        resolved: true,
    }
}

impl Bench {
    pub(super) fn new(rules: Vec<AlertRule>, receivers: &[&str]) -> Self {
        let mut alerts = Alerts::default();
        alerts.configure(rules, receivers.iter().map(|name| receiver(name)).collect(), GROUP_WAIT);
        Self {
            alerts,
            fake: Fake {
                requests: 1000,
                ..Fake::default()
            },
            clock: ManualClock::default(),
            told: Vec::new(),
            changed: Vec::new(),
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            wall: self.clock.wall(),
        }
    }

    pub(super) fn set(&mut self, metric: &str, value: Option<f64>) {
        self.set_of(metric, Labels::new(), value);
    }

    pub(super) fn set_of(&mut self, metric: &str, labels: Labels, value: Option<f64>) {
        let key = (metric.to_owned(), labels);
        match value {
            Some(value) => self.fake.values.insert(key, value),
            None => self.fake.values.remove(&key),
        };
    }

    /// Looks once a second for `seconds`.
    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            let moment = self.moment();
            self.changed.extend(self.alerts.look(moment, &self.fake, Vec::new()));
            self.told.extend(self.alerts.tell(moment));
        }
    }

    /// Sets the error ratio and looks for `seconds`.
    pub(super) fn at(&mut self, value: impl Into<Option<f64>>, seconds: u64) {
        self.set("error_ratio", value.into());
        self.run(seconds);
    }

    /// The states of all alerts, in the order in which they are shown.
    pub(super) fn states(&self) -> Vec<AlertState> {
        self.alerts.shown().iter().map(|alert| alert.state).collect()
    }
}
