//! The typed form of `[[slo]]`. Every default and bound stands in [`super::PARAMETERS`].

use crate::alerts::Known;
use crate::model::SloKind;
use peregrine_base::{Complaint, Fallback, Span};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most objectives: each is several questions to history.
pub const SLOS_MAX: usize = 64;
/// The name of the objective that is there when none is configured.
const DEFAULT_NAME: &str = "responses";

/// One `[[slo]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SloConfig {
    /// Its name.
    pub name: String,
    /// The route; all of them when there is none.
    pub route: Option<String>,
    /// What makes an answer good.
    pub kind: SloKind,
    /// Which part is to be good.
    pub objective: f64,
    /// Within how long an answer is good.
    pub threshold: Span,
    /// The time that it is about.
    pub window: Span,
    /// Fewer requests raise no alert.
    pub min_events: u32,
    /// Who is told.
    pub notify: Vec<String>,
    /// Whether it is computed.
    pub enabled: bool,
}

impl SloConfig {
    /// The objective that is there when none is configured: every field at its default.
    #[must_use]
    pub fn standard() -> Self {
        let mut whole = Map::new();
        for row in super::PARAMETERS {
            let Some(name) = row.name.strip_prefix("slo[].") else {
                continue;
            };
            if let Fallback::Toml(text) = row.fallback {
                // Texts, numbers and lists read the same in TOML and JSON.
                whole.insert(
                    name.to_owned(),
                    serde_json::from_str(text).expect("a default is written well"),
                );
            }
        }
        whole.insert("name".to_owned(), Value::String(DEFAULT_NAME.to_owned()));
        serde_json::from_value(Value::Object(whole)).expect("the table has every field")
    }

    /// The threshold in milliseconds, where it counts.
    #[must_use]
    pub fn threshold_ms(&self) -> Option<f64> {
        (self.kind == SloKind::Latency).then(|| self.threshold.get().as_secs_f64() * 1000.0)
    }

    /// Rules that no row of the table says, and which names there are: of `receivers` and what else is `known`.
    ///
    /// # Errors
    /// With what cannot hold.
    pub fn check(&self, receivers: &[&str], known: &Known) -> Result<(), Vec<Complaint>> {
        let mut all = Vec::new();
        if let Some(problem) = crate::alerts::name_problem(&self.name) {
            all.push(Complaint::new("name", problem, "such as \"checkout_fast\""));
        }
        let route = self.route.as_deref();
        all.extend(route.and_then(|route| known.check_route("route", route)));
        all.extend(crate::alerts::check_receivers(&self.notify, receivers));
        if all.is_empty() { Ok(()) } else { Err(all) }
    }
}

/// The objectives of a configuration: what it says, or the standard one when it says nothing.
#[must_use]
pub fn objectives(configured: &[SloConfig]) -> Vec<SloConfig> {
    if configured.is_empty() {
        return vec![SloConfig::standard()];
    }
    configured.iter().filter(|slo| slo.enabled).cloned().collect()
}
