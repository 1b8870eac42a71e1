//! What people change: rules, silences, who looks after an alert. Everything is checked before anything changes.

use super::check::{self, check_rules};
use super::live::{Acknowledged, Moment};
use super::silence::{Quiet, SILENCES_MAX};
use super::{Alerts, Refused, shown};
use crate::model::{Alert, AlertRule, Silence};
use crate::values::Labels;
use peregrine_base::Complaint;
use std::time::Duration;

/// The longest that a silence may last: one that is forgotten must end by itself.
pub const SILENCE_TIME_MAX: Duration = Duration::from_secs(90 * 86_400);
/// The longest text that a call may leave: a reason, a note.
const TEXT_LENGTH_MAX: usize = 1000;

impl Alerts {
    /// Makes `rules` what holds, and keeps what of it differs from the configuration. A rule of the configuration that is not
    /// among them is switched off.
    ///
    /// # Errors
    /// With everything that is wrong with them; nothing changes then.
    pub fn set_rules(&mut self, rules: Vec<AlertRule>) -> Result<(), Refused> {
        let complaints = check_rules(&rules, &self.telling.names(), self.known.as_ref());
        if !complaints.is_empty() {
            return Err(Refused::Unusable(complaints));
        }
        let configured = |name: &str| self.configured.iter().find(|rule| rule.name == name);
        let mut overrides: Vec<AlertRule> = Vec::new();
        for mut rule in rules.iter().cloned() {
            let known = configured(&rule.name);
            rule.is_default = known.is_some_and(|known| known.is_default);
            if known != Some(&rule) {
                overrides.push(rule);
            }
        }
        let missing = self
            .configured
            .iter()
            .filter(|known| rules.iter().all(|rule| rule.name != known.name));
        overrides.extend(missing.map(|known| AlertRule {
            enabled: false,
            ..known.clone()
        }));
        self.overrides = overrides;
        self.is_changed = true;
        self.join();
        Ok(())
    }

    /// Holds back what is told of alerts of `rule` (`*`: any) with `labels` for `time`.
    ///
    /// # Errors
    /// When it says neither a rule nor labels, lasts for too long or not at all, or there are too many.
    pub fn silence(
        &mut self,
        moment: Moment,
        (rule, labels): (Option<String>, Labels),
        time: Duration,
        (by, reason): (&str, &str),
    ) -> Result<Silence, Refused> {
        let mut complaints = Vec::new();
        if rule.is_none() && labels.is_empty() {
            let help = "name a rule, labels, or the rule `*` for all of them";
            complaints.push(Complaint::new("rule", "is missing, and so are labels", help));
        }
        if let Some(name) = rule.as_deref().filter(|name| *name != "*")
            && !self.rules.iter().any(|rule| rule.name == name)
            && !self.live.keys().any(|(rule, _)| rule == name)
            && !self
                .known
                .iter()
                .flat_map(|known| &known.slos)
                .any(|slo| crate::slo::is_rule_of(name, slo))
        {
            let near = check::nearest(name, self.rules.iter().map(|rule| rule.name.as_str()));
            let help = near.map_or_else(|| "see GET alerts".to_owned(), |near| format!("did you mean `{near}`?"));
            complaints.push(Complaint::new("rule", format!("no rule is called `{name}`"), help));
        }
        // What fires may be silenced, though what it is about is gone.
        let is_live = self
            .live
            .keys()
            .any(|(_, of)| labels.iter().all(|(name, value)| of.get(name) == Some(value)));
        if let Some(known) = self.known.as_ref().filter(|_| !is_live) {
            complaints.extend(known.check_labels(&labels, false));
        }
        if time.is_zero() || time > SILENCE_TIME_MAX {
            complaints.push(Complaint::new(
                "for_s",
                "must be from 1 s to 90 days",
                "silence it again later",
            ));
        }
        if reason.len() > TEXT_LENGTH_MAX {
            complaints.push(Complaint::new("reason", "is longer than 1000 bytes", "be brief"));
        }
        if !complaints.is_empty() {
            return Err(Refused::Unusable(complaints));
        }
        if self.silences.len() >= SILENCES_MAX {
            return Err(Refused::Full(format!(
                "there are {SILENCES_MAX} silences already; end some of them"
            )));
        }
        let id = self.next_id(moment);
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let quiet = Quiet {
            id,
            rule,
            labels,
            until: moment.wall.as_millis().saturating_add(millis),
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        let shown = quiet.shown();
        self.silences.push(quiet);
        self.is_changed = true;
        Ok(shown)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn end_silence(&mut self, id: &str) -> Result<Silence, Refused> {
        let position = self.silences.iter().position(|silence| silence.id == id);
        let position = position.ok_or_else(|| Refused::Unknown(format!("there is no silence `{id}`")))?;
        self.is_changed = true;
        Ok(self.silences.remove(position).shown())
    }

    /// Notes that `by` looks after an alert.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn acknowledge(&mut self, moment: Moment, id: &str, by: &str, note: Option<&str>) -> Result<Alert, Refused> {
        if note.is_some_and(|note| note.len() > TEXT_LENGTH_MAX) {
            let complaint = Complaint::new("note", "is longer than 1000 bytes", "be brief");
            return Err(Refused::Unusable(vec![complaint]));
        }
        let mut all = self.live.values_mut().chain(self.over.iter_mut());
        let live = all
            .find(|live| live.id == id)
            .ok_or_else(|| Refused::Unknown(format!("there is no alert `{id}`")))?;
        live.acknowledged = Some(Acknowledged {
            by: by.to_owned(),
            at: moment.wall.as_millis(),
            note: note.map(str::to_owned),
        });
        self.is_changed = true;
        Ok(shown(live, &self.silences))
    }

    /// Forgets the alerts that are over and that everybody knows to be; how many.
    pub fn forget(&mut self) -> usize {
        let before = self.over.len();
        self.over.retain(|live| !live.is_told());
        self.is_changed |= self.over.len() != before;
        before - self.over.len()
    }
}
