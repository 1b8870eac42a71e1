//! One alert: pending, firing, resolved. It counts only time in which it was looked at: a pause (the machine slept, the
//! program was busy, the number was missing) neither makes an alert fire nor ends it.

use super::rule::Verdict;
use crate::model::{AlertRule, AlertState, Severity};
use crate::values::Labels;
use peregrine_base::{Instant, WallTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time between two looks that counts as one in which nothing was missed.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How long an alert of a route that is not there any more goes on.
const GONE_TIME: Duration = Duration::from_secs(60);

/// Now, on both clocks: durations are measured on the first, dates are told by the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic.
    pub now: Instant,
    /// Civil.
    pub wall: WallTime,
}

/// What a receiver was told of an alert last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    Firing,
    Resolved,
}

/// Who looks after an alert, since when (milliseconds of civil time), and what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    pub(crate) by: String,
    pub(crate) at: u64,
    pub(crate) note: Option<String>,
}

/// An alert with what is known of it. Dates are milliseconds of civil time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) group: String,
    pub(crate) severity: Severity,
    pub(crate) state: AlertState,
    pub(crate) metric: String,
    pub(crate) labels: Labels,
    pub(crate) value: Option<f64>,
    pub(crate) threshold: f64,
    pub(crate) text: String,
    pub(crate) next_step: String,
    pub(crate) since: u64,
    pub(crate) fired: Option<u64>,
    pub(crate) resolved: Option<u64>,
    pub(crate) acknowledged: Option<Acknowledged>,
    /// The receivers it is for.
    pub(crate) receivers: Vec<String>,
    /// What each of them was told last.
    pub(crate) told: BTreeMap<String, Told>,
    #[serde(skip)]
    pub(crate) watch: Watch,
}

/// What an alert counts from look to look. It is not kept over a restart: the count begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// When it was looked at last, if that look found a number.
    last: Option<Instant>,
    /// How long it has been past the threshold without a pause; while it fires, how long it has been well.
    held: Duration,
    /// Whether the last look found what `held` counts.
    holding: bool,
    /// How long there has been nothing to look at.
    gone: Duration,
}

impl Watch {
    /// Counts one look at which what is waited for holds or not; how long it has held.
    fn look(&mut self, now: Instant, holds: bool) -> Duration {
        let step = self.last.map_or(Duration::ZERO, |last| now.since(last));
        if !holds {
            self.held = Duration::ZERO;
        } else if self.holding && step <= STEP_MAX {
            self.held = self.held.saturating_add(step);
        }
        self.holding = holds;
        self.gone = Duration::ZERO;
        self.last = Some(now);
        self.held
    }

    /// A look that found no number: what comes next does not count the time until then.
    const fn pause(&mut self) {
        self.last = None;
    }

    /// A look that found neither a number nor what it would be of; how long that has been so.
    fn miss(&mut self, now: Instant) -> Duration {
        let step = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.gone = self.gone.saturating_add(step.min(STEP_MAX));
        self.last = Some(now);
        self.holding = false;
        self.gone
    }

    /// Begins to wait for something else.
    const fn restart(&mut self, now: Instant) {
        self.held = Duration::ZERO;
        self.holding = false;
        self.last = Some(now);
    }
}

/// What a look changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing that anybody would be told.
    Same,
    /// It fires from now on.
    Fired,
    /// It was pending and is forgotten: it never lasted.
    Dropped,
    /// It is over.
    Resolved,
}

impl Live {
    /// Looks at it once more.
    pub(crate) fn look(&mut self, moment: Moment, rule: &AlertRule, verdict: Verdict) -> Step {
        if verdict == Verdict::Missing {
            self.watch.pause();
            return Step::Same;
        }
        match self.state {
            AlertState::Pending => {
                if verdict != Verdict::Breach {
                    return Step::Dropped;
                }
                if self.watch.look(moment.now, true) < rule.lasting() {
                    return Step::Same;
                }
                self.state = AlertState::Firing;
                self.fired = Some(moment.wall.as_millis());
                self.watch.restart(moment.now);
                Step::Fired
            }
            AlertState::Firing => {
                let well = matches!(verdict, Verdict::Clear | Verdict::TooFew);
                let held = self.watch.look(moment.now, well);
                if !well || held < rule.keep_firing() {
                    return Step::Same;
                }
                self.resolve(moment);
                Step::Resolved
            }
            AlertState::Resolved => Step::Same,
        }
    }

    /// Looks for it where it is not: whether it has not been there for so long that it will not come back. After a start some
    /// routes are known only when they are used.
    pub(crate) fn is_gone(&mut self, moment: Moment) -> bool {
        self.watch.miss(moment.now) >= GONE_TIME
    }

    /// It is over, whatever the number says.
    pub(crate) fn resolve(&mut self, moment: Moment) {
        self.state = AlertState::Resolved;
        self.resolved = Some(moment.wall.as_millis());
    }

    /// What `receiver` does not know yet, if anything. Who was never told that it fired is not told that it ended.
    pub(crate) fn news_for(&self, receiver: &str) -> Option<Told> {
        match (self.state, self.told.get(receiver)) {
            (AlertState::Firing, None) => Some(Told::Firing),
            (AlertState::Resolved, Some(Told::Firing)) => Some(Told::Resolved),
            _ => None,
        }
    }

    /// Whether nobody has to be told anything any more.
    pub(crate) fn is_told(&self) -> bool {
        self.receivers.iter().all(|receiver| self.news_for(receiver).is_none())
    }
}
