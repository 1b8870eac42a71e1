//! Applying what was recommended: as a change of the configuration file like any other, while what it was computed from still
//! holds.

use super::Admin;
use super::noting::Note;
use crate::answer::Answer;
use crate::api::config::{ConfigReport, PatchRequest};
use crate::api::monitoring::{Applied, AppliedReport, ForceRequest};
use crate::audit::read::AuditQuery;
use crate::json;
use crate::refusal::Refusal;
use peregrine_insight::model::Recommendation;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many of those that were applied are listed.
const APPLIED_MAX: usize = 100;
/// The word of the call in the audit log.
pub(crate) const FORCE: &str = "optimization_force";

impl Admin {
    /// Applies the recommendation that is asked for.
    pub(super) async fn force(&self, body: &[u8], note: &mut Note) -> Result<Answer, Refusal> {
        let ForceRequest { id, dry_run } = json::read(body)?;
        let recommended = self.insight.recommendations().into_iter().find(|one| one.id == id);
        let recommended = recommended.ok_or_else(|| {
            Refusal::not_found(format!(
                "There is no recommendation `{id}` now; see `optimization/recommendations`."
            ))
        })?;
        note.target(&recommended.title);
        if !recommended.applicable {
            let why = "This one cannot be applied by itself: put its TOML into the file where it belongs.";
            return Err(Refusal::conflict(why));
        }
        let holds = self.control.config().await?;
        still_holds(&recommended, &holds)?;
        let changes = changes(&recommended);
        note.before(&recommended.change);
        let patched = self
            .control
            .patch_config(PatchRequest { changes, dry_run }, Some(holds.etag));
        let patched = patched.await?;
        note.after(&patched);
        Answer::json(&patched)
    }

    /// The recommendations that were applied from here, the newest first, as the audit log knows them.
    pub(super) async fn applied(&self) -> Result<Answer, Refusal> {
        let asked = AuditQuery {
            limit: APPLIED_MAX,
            what: Some(FORCE.to_owned()),
            ..AuditQuery::default()
        };
        let records = self.audit.page(asked).await?.records.into_iter();
        Answer::json(&AppliedReport {
            applied: records
                .map(|record| Applied {
                    at: record.at,
                    by: record.who,
                    title: record.target,
                    change: record.before,
                    outcome: record.outcome,
                })
                .collect(),
        })
    }
}

/// Somebody may have changed what it was computed from.
fn still_holds(recommended: &Recommendation, holds: &ConfigReport) -> Result<(), Refusal> {
    for change in &recommended.change {
        let known = holds
            .parameters
            .iter()
            .find(|parameter| parameter.name == change.parameter);
        let now = known.map(|parameter| parameter.text.as_str());
        if let (Some(from), Some(now)) = (&change.from, now)
            && from != now
        {
            let parameter = &change.parameter;
            return Err(Refusal::conflict(format!(
                "`{parameter}` is {now} now and was {from} when this was recommended; POST `optimization/run` looks anew."
            )));
        }
    }
    Ok(())
}

/// The changes as PATCH `config` takes them. What the file writes for numbers, flags, texts and lists of them is JSON too;
/// anything else is a text.
fn changes(recommended: &Recommendation) -> BTreeMap<String, Value> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let changes = recommended.change.iter();
    changes
        .map(|change| (change.parameter.clone(), value(&change.to)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::config::ParameterReport;
    use serde_json::json;

    fn recommended() -> Recommendation {
        let change =
            |parameter: &str, from: Option<&str>, to: &str| json!({"parameter": parameter, "from": from, "to": to});
        serde_json::from_value(json!({
            "id": "r", "title": "more memory", "why": "", "evidence": [], "toml": "", "expected": "", "confidence": "high",
            "risk": "", "applicable": true,
            "change": [
                change("cache.memory", Some("\"64MiB\""), "\"128MiB\""),
                change("strategy.api.refresh_ahead", None, "0.8"),
            ],
        }))
        .unwrap()
    }

    fn holding(memory: &str) -> ConfigReport {
        let parameter = ParameterReport {
            name: "cache.memory".to_owned(),
            text: memory.to_owned(),
            ..ParameterReport::default()
        };
        ConfigReport {
            parameters: vec![parameter],
            ..ConfigReport::default()
        }
    }

    #[test]
    fn a_change_is_written_as_the_configuration_takes_it() {
        let expected = json!({"cache.memory": "128MiB", "strategy.api.refresh_ahead": 0.8});
        assert_eq!(json!(changes(&recommended())), expected);
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_undone() {
        assert!(still_holds(&recommended(), &holding("\"64MiB\"")).is_ok());
        assert!(still_holds(&recommended(), &holding("\"96MiB\"")).is_err());
    }
}
