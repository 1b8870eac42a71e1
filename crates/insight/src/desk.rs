//! Where alerts, objectives and the outbox meet: what is kept of them, and in which order things happen.
//!
//! [`Desk::tick`] judges, and answers with everything that must be kept before anybody is told ([`Write`]); only then are
//! letters fetched by [`Desk::due`]. That an alert was told and the letter that tells it are written together, so that a kill
//! between them loses neither and makes no third.

#[cfg(test)]
mod tests;

use crate::alerts::{
    AlertConfig, AlertCounts, Alerts, Known, Moment, RULES_GIVEN_MAX, RULES_MAX, Refused, SavedAlerts,
};
use crate::model::{Alert, AlertRule, AlertState, AlertsReport, Silence, SloStatus};
use crate::notify::{self, Delivery, NotifyConfig, Outbox, Posted, ReceiverStatus};
use crate::slo::{SLOS_MAX, SloConfig, Slos};
use crate::store::{Store, StoreFault, Write};
use crate::values::{Labels, Values};
use peregrine_base::Complaint;
use std::collections::BTreeMap;
use std::time::Duration;

/// The table in which the state of alerts is kept, under one key.
const TABLE: &str = "alerts";
/// That key.
const STATE: &[u8] = b"state";

/// What is watched and who is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeskConfig {
    /// What this node is called.
    pub node: String,
    /// The rules, with those that come with Peregrine: [`crate::alerts::rules`].
    pub rules: Vec<AlertRule>,
    /// How long news of a group waits for more.
    pub group_wait: Duration,
    /// The objectives: [`crate::slo::objectives`].
    pub objectives: Vec<SloConfig>,
    /// Who is told.
    pub receivers: BTreeMap<String, NotifyConfig>,
    /// What rules and silences that are set later may name; nothing: anything.
    pub known: Option<Known>,
}

/// The most receivers; each has a line of letters.
pub const RECEIVERS_MAX: usize = 32;

/// Whether there are more rules, objectives or receivers configured than there can be.
///
/// # Errors
/// With what there is too much of.
pub fn limits(
    alerts: &[AlertConfig],
    objectives: &[SloConfig],
    receivers: &BTreeMap<String, NotifyConfig>,
) -> Result<(), Vec<Complaint>> {
    let counts = [
        ("alert", alerts.len(), RULES_MAX - RULES_GIVEN_MAX),
        ("slo", objectives.len(), SLOS_MAX),
        ("notify", receivers.len(), RECEIVERS_MAX),
    ];
    let too_many = counts.into_iter().filter(|(_, count, max)| count > max);
    let complaints: Vec<Complaint> = too_many
        .map(|(field, count, max)| Complaint::new(field, format!("there are {count}"), format!("there can be {max}")))
        .collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// What a tick brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ticked {
    /// The alerts that changed their state.
    pub changed: Vec<Alert>,
    /// What is to be kept.
    pub writes: Vec<Write>,
}

/// How alerts and receivers stand, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskStatus {
    /// Alerts by state and severity.
    pub alerts: BTreeMap<(&'static str, &'static str), u64>,
    /// What was counted of alerts.
    pub counts: AlertCounts,
    /// Silences that hold.
    pub silences: usize,
    /// Every receiver.
    pub receivers: BTreeMap<String, ReceiverStatus>,
}

/// Alerts, objectives and what is told of them.
#[derive(Debug, Default)]
pub struct Desk {
    node: String,
    alerts: Alerts,
    slos: Slos,
    outbox: Outbox,
}

impl Desk {
    /// From now on this holds. The writes are of letters whose receiver is no more.
    pub fn configure(&mut self, config: DeskConfig) -> Vec<Write> {
        self.node = config.node;
        let receivers = config.receivers.iter().map(|(name, receiver)| receiver.receiver(name));
        self.alerts
            .configure(config.rules, receivers.collect(), config.group_wait);
        if let Some(known) = config.known {
            self.alerts.know(known);
        }
        self.slos.configure(config.objectives);
        self.outbox.configure(config.receivers)
    }

    /// Takes up what a program before kept; to be called once, after [`Desk::configure`].
    ///
    /// # Errors
    /// When the store cannot be read. A state of alerts that cannot be understood is passed over.
    pub fn restore(&mut self, store: &dyn Store) -> Result<Vec<Write>, StoreFault> {
        let mut state = None;
        store.scan(TABLE, STATE, b"state\0", &mut |_, value| {
            state = serde_json::from_slice::<SavedAlerts>(value).ok();
            false
        })?;
        if let Some(state) = state {
            self.alerts.restore(state);
        }
        let mut letters = Vec::new();
        store.scan(notify::TABLE, b"", &[0xff], &mut |key, value| {
            letters.push((key.to_vec(), value.to_vec()));
            true
        })?;
        Ok(self.outbox.restore(letters))
    }

    /// Looks at everything once.
    pub fn tick(&mut self, moment: Moment, values: &dyn Values) -> Ticked {
        let judged = self.slos.look(moment, values);
        let changed = self.alerts.look(moment, values, judged);
        let told = self.alerts.tell(moment);
        let mut writes: Vec<Write> = told.into_iter().flat_map(|told| self.outbox.put(told)).collect();
        writes.extend(self.keep());
        Ticked { changed, writes }
    }

    /// What of the alerts is to be kept, if it changed.
    fn keep(&mut self) -> Option<Write> {
        let saved = self.alerts.saved()?;
        let value = serde_json::to_vec(&saved).expect("what is saved has names for its fields");
        Some(Write::Put {
            table: TABLE,
            key: STATE.to_vec(),
            value,
        })
    }

    /// What is to be sent now: [`Outbox::due`].
    pub fn due(&mut self, moment: Moment) -> (Vec<Delivery>, Vec<Write>) {
        self.outbox.due(moment, &self.node)
    }

    /// Hears what came of a letter: [`Outbox::done`].
    pub fn done(&mut self, moment: Moment, delivery: &Delivery, posted: Posted, chance: f64) -> Vec<Write> {
        self.outbox
            .done(moment, &delivery.receiver, &delivery.id, posted, chance)
    }

    /// Everything about alerts.
    #[must_use]
    pub fn report(&self) -> AlertsReport {
        self.alerts.report()
    }

    /// Those that fire, the worst first.
    #[must_use]
    pub fn firing(&self) -> Vec<Alert> {
        let all = self.alerts.shown().into_iter();
        all.filter(|alert| alert.state == AlertState::Firing).collect()
    }

    /// Those that fire and that the silence `id` holds back.
    #[must_use]
    pub fn silenced_by(&self, id: &str) -> Vec<Alert> {
        let firing = self.firing().into_iter();
        firing
            .filter(|alert| alert.silenced_by.as_deref() == Some(id))
            .collect()
    }

    /// How every objective stands, with the alerts that it made.
    #[must_use]
    pub fn slos(&self) -> Vec<SloStatus> {
        let firing = self.firing();
        let mut all = self.slos.status();
        for slo in &mut all {
            let own = firing.iter().filter(|alert| alert.labels.get("slo") == Some(&slo.name));
            slo.alerts = own.map(|alert| alert.id.clone()).collect();
        }
        all
    }

    /// How it stands, for metrics.
    #[must_use]
    pub fn status(&self) -> DeskStatus {
        DeskStatus {
            alerts: self.alerts.numbers(),
            counts: self.alerts.counts(),
            silences: self.alerts.silences(),
            receivers: self.outbox.status(),
        }
    }

    /// [`Alerts::set_rules`]; what is to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn set_rules(&mut self, rules: Vec<AlertRule>) -> Result<Vec<Write>, Refused> {
        self.alerts.set_rules(rules)?;
        Ok(self.keep().into_iter().collect())
    }

    /// [`Alerts::silence`]; the silence and what is to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn silence(
        &mut self,
        moment: Moment,
        about: (Option<String>, Labels),
        time: Duration,
        by_and_reason: (&str, &str),
    ) -> Result<(Silence, Vec<Write>), Refused> {
        let silence = self.alerts.silence(moment, about, time, by_and_reason)?;
        Ok((silence, self.keep().into_iter().collect()))
    }

    /// [`Alerts::end_silence`]; the silence and what is to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn end_silence(&mut self, id: &str) -> Result<(Silence, Vec<Write>), Refused> {
        let silence = self.alerts.end_silence(id)?;
        Ok((silence, self.keep().into_iter().collect()))
    }

    /// [`Alerts::acknowledge`]; the alert and what is to be kept.
    ///
    /// # Errors
    /// As there.
    pub fn acknowledge(
        &mut self,
        moment: Moment,
        id: &str,
        by: &str,
        note: Option<&str>,
    ) -> Result<(Alert, Vec<Write>), Refused> {
        let alert = self.alerts.acknowledge(moment, id, by, note)?;
        Ok((alert, self.keep().into_iter().collect()))
    }

    /// [`Alerts::forget`]; how many, and what is to be kept.
    pub fn forget(&mut self) -> (usize, Vec<Write>) {
        let count = self.alerts.forget();
        (count, self.keep().into_iter().collect())
    }
}
