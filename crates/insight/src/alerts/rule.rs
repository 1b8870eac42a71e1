//! A rule: which number is watched, where it may not go, and how sure one wants to be. The same shape is what the admin API
//! shows and takes; [`AlertRule::judge`] is the whole of its arithmetic.

use crate::model::{AlertRule, Missing};
use crate::values::{Labels, Values};
use std::time::Duration;

/// The shortest time over which events are counted: numbers are of the last ten seconds.
const EVENTS_TIME_MIN: Duration = Duration::from_secs(10);
/// The longest: what was an hour ago says nothing of now.
const EVENTS_TIME_MAX: Duration = Duration::from_secs(3600);

/// A number, and how many requests stand behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// The number; nothing when it is not known now.
    pub value: Option<f64>,
    /// The requests; nothing when that is not known, `u64::MAX` for a number that is measured, not counted.
    pub events: Option<u64>,
}

/// What a rule says of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is past the threshold.
    Breach,
    /// It is on the good side of the threshold and not yet past the mark at which a firing alert ends.
    Between,
    /// It is well.
    Clear,
    /// Too few requests stand behind it to say anything; for an alert the same as well.
    TooFew,
    /// There is none, so that nothing changes.
    Missing,
}

impl AlertRule {
    /// How long the number must be past the threshold.
    #[must_use]
    pub fn lasting(&self) -> Duration {
        seconds(self.for_s)
    }

    /// How long it must be well before a firing alert ends.
    #[must_use]
    pub fn keep_firing(&self) -> Duration {
        seconds(self.keep_firing_s)
    }

    /// The threshold that `value` is past, or would be past first.
    #[must_use]
    pub fn threshold(&self, value: Option<f64>) -> f64 {
        match (self.above, self.below) {
            (Some(_), Some(below)) if value.is_some_and(|value| value < below) => below,
            (Some(bound), _) | (None, Some(bound)) => bound,
            (None, None) => 0.0,
        }
    }

    /// What alerts of it are grouped by when somebody is told.
    #[must_use]
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.name)
    }

    /// What it looks at, of what `labels` name.
    pub(crate) fn observe(&self, values: &dyn Values, labels: &Labels) -> Observed {
        let time = self.lasting().clamp(EVENTS_TIME_MIN, EVENTS_TIME_MAX);
        let events = if super::words::is_of_requests(&self.metric, labels) {
            let counts = values.counts(labels.get("route").map(String::as_str), time, None);
            counts.map(|counts| counts.total)
        } else {
            Some(u64::MAX)
        };
        Observed {
            value: values.value(&self.metric, labels).filter(|value| value.is_finite()),
            events,
        }
    }

    /// What `observed` means to it.
    #[must_use]
    pub fn judge(&self, observed: Observed) -> Verdict {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a few requests more or less among 2^53 change nothing"
        )]
        let are_few = observed.events.is_some_and(|events| (events as f64) < self.min_events);
        if are_few {
            return Verdict::TooFew;
        }
        let (Some(value), Some(_)) = (observed.value, observed.events) else {
            return match self.missing {
                Missing::Keep => Verdict::Missing,
                Missing::Ok => Verdict::Clear,
                Missing::Breach => Verdict::Breach,
            };
        };
        if self.above.is_some_and(|above| value > above) || self.below.is_some_and(|below| value < below) {
            return Verdict::Breach;
        }
        let is_between = self.clear.is_some_and(|clear| match (self.above, self.below) {
            (Some(_), None) => value > clear,
            (None, Some(_)) => value < clear,
            _ => false,
        });
        if is_between { Verdict::Between } else { Verdict::Clear }
    }
}

/// `number` of seconds as a duration; what cannot be one is none. Rules are checked before they are used.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}
