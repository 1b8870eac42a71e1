//! The desk behind a lock, as the program and the admin API share it. What is to be kept gathers here until the program
//! writes it, once a second; nothing is sent that was not written before.

#[cfg(test)]
mod tests;

use crate::alerts::{Moment, Refused};
use crate::desk::{Desk, DeskConfig, DeskStatus};
use crate::model::{Alert, AlertRule, AlertsReport, Silence, SloStatus};
use crate::notify::{Delivery, Posted};
use crate::store::{Store, StoreFault, Write};
use crate::values::{Labels, Values};
use parking_lot::Mutex;
use std::time::Duration;

/// Alerts, objectives and notifications of a node.
#[derive(Debug, Default)]
pub struct Alerting(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    desk: Desk,
    writes: Vec<Write>,
    /// Alerts that somebody silenced or acknowledged since the last tick.
    touched: Vec<Alert>,
}

impl Inner {
    fn keep<T>(&mut self, (answer, writes): (T, Vec<Write>)) -> T {
        self.writes.extend(writes);
        answer
    }
}

impl Alerting {
    /// What `config` says, with nothing that has happened yet.
    #[must_use]
    pub fn new(config: DeskConfig) -> Self {
        let alerting = Self::default();
        alerting.configure(config);
        alerting
    }

    /// From now on `config` holds; what the API set and what happened stays.
    pub fn configure(&self, config: DeskConfig) {
        let mut inner = self.0.lock();
        let writes = inner.desk.configure(config);
        inner.writes.extend(writes);
    }

    /// Takes up what a program before kept; to be called once, before the first [`Alerting::tick`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn restore(&self, store: &dyn Store) -> Result<(), StoreFault> {
        let mut inner = self.0.lock();
        let writes = inner.desk.restore(store)?;
        inner.writes.extend(writes);
        Ok(())
    }

    /// Looks at everything once; the alerts that changed, for whoever listens.
    pub fn tick(&self, moment: Moment, values: &dyn Values) -> Vec<Alert> {
        let mut inner = self.0.lock();
        let ticked = inner.desk.tick(moment, values);
        inner.keep((ticked.changed, ticked.writes))
    }

    /// The firing alerts that were silenced, or not any more, or acknowledged since the last call, for whoever listens.
    #[must_use]
    pub fn take_touched(&self) -> Vec<Alert> {
        std::mem::take(&mut self.0.lock().touched)
    }

    /// What is to be kept since the last call. The caller writes all of it, in order, before it calls [`Alerting::due`].
    #[must_use]
    pub fn take_writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.0.lock().writes)
    }

    /// What is to be sent now; each is answered by [`Alerting::done`].
    #[must_use]
    pub fn due(&self, moment: Moment) -> Vec<Delivery> {
        let mut inner = self.0.lock();
        let due = inner.desk.due(moment);
        inner.keep(due)
    }

    /// Hears what came of a delivery; `chance` is from 0 to 1.
    pub fn done(&self, moment: Moment, delivery: &Delivery, posted: Posted, chance: f64) {
        let mut inner = self.0.lock();
        let writes = inner.desk.done(moment, delivery, posted, chance);
        inner.writes.extend(writes);
    }

    /// Everything about alerts, the worst first.
    #[must_use]
    pub fn alerts(&self) -> AlertsReport {
        self.0.lock().desk.report()
    }

    /// The alerts that fire, the worst first.
    #[must_use]
    pub fn firing(&self) -> Vec<Alert> {
        self.0.lock().desk.firing()
    }

    /// How every objective stands.
    #[must_use]
    pub fn slos(&self) -> Vec<SloStatus> {
        self.0.lock().desk.slos()
    }

    /// How it stands, for metrics.
    #[must_use]
    pub fn status(&self) -> DeskStatus {
        self.0.lock().desk.status()
    }

    /// Makes `rules` what holds: [`crate::alerts::Alerts::set_rules`].
    ///
    /// # Errors
    /// With everything that is wrong with them; nothing changes then.
    pub fn set_rules(&self, rules: Vec<AlertRule>) -> Result<AlertsReport, Refused> {
        let mut inner = self.0.lock();
        let writes = inner.desk.set_rules(rules)?;
        inner.writes.extend(writes);
        Ok(inner.desk.report())
    }

    /// Holds back what is told of alerts of `about` (a rule, `*` for any, and labels) for `time`; `by` whom and why.
    ///
    /// # Errors
    /// When it says neither a rule nor labels, lasts too long or not at all, or there are too many.
    pub fn silence(
        &self,
        moment: Moment,
        about: (Option<String>, Labels),
        time: Duration,
        by_and_reason: (&str, &str),
    ) -> Result<Silence, Refused> {
        let mut inner = self.0.lock();
        let silence = inner.desk.silence(moment, about, time, by_and_reason)?;
        let silence = inner.keep(silence);
        let now_silent = inner.desk.silenced_by(&silence.id);
        inner.touched.extend(now_silent);
        Ok(silence)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn end_silence(&self, id: &str) -> Result<Silence, Refused> {
        let mut inner = self.0.lock();
        let were_silent = inner.desk.silenced_by(id);
        let silence = inner.desk.end_silence(id)?;
        let silence = inner.keep(silence);
        let firing = inner.desk.firing().into_iter();
        let now_heard = firing.filter(|alert| were_silent.iter().any(|before| before.id == alert.id));
        inner.touched.extend(now_heard);
        Ok(silence)
    }

    /// Notes that `by` looks after an alert.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn acknowledge(&self, moment: Moment, id: &str, by: &str, note: Option<&str>) -> Result<Alert, Refused> {
        let mut inner = self.0.lock();
        let alert = inner.desk.acknowledge(moment, id, by, note)?;
        let alert = inner.keep(alert);
        inner.touched.push(alert.clone());
        Ok(alert)
    }

    /// Forgets the alerts that are over and that everybody knows to be; how many.
    pub fn forget(&self) -> usize {
        let mut inner = self.0.lock();
        let forgotten = inner.desk.forget();
        inner.keep(forgotten)
    }
}
