//! What would make it better. Each rule looks at numbers of the span and at what is configured, and says something only when
//! both show that a parameter costs something; it names the parameter, its value and the one to set, with the numbers that
//! it stands on. Nothing is advised that the configuration already says.

mod compression;
mod rules;

use crate::model::{Confidence, Evidence, ParameterChange, Recommendation};
use crate::reading::{NamespaceReading, Reading, RouteReading};
use crate::tally::{RouteTally, Tally};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many recommendations there are at most, the surest first.
const RECOMMENDATIONS_MAX: usize = 12;

/// What the configuration says, as a file writes it.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    /// Each parameter that has a value, by its dotted name.
    pub values: BTreeMap<String, String>,
    /// What each holds where nobody sets it, by its name in the table of parameters.
    pub defaults: BTreeMap<&'static str, &'static str>,
}

impl Configured {
    /// The value of a parameter as the file writes it.
    pub(super) fn text(&self, parameter: &str) -> Option<&str> {
        self.values.get(parameter).map(String::as_str)
    }

    /// What the parameter with this name in the table holds where nobody sets it.
    pub(super) fn default_of(&self, row: &str) -> Option<&'static str> {
        self.defaults.get(row).copied()
    }

    /// A text, without its quotes.
    pub(super) fn word(&self, parameter: &str) -> Option<&str> {
        Some(self.text(parameter)?.trim_matches('"'))
    }

    /// A duration in seconds.
    pub(super) fn seconds(&self, parameter: &str) -> Option<f64> {
        let span: peregrine_base::Span = self.word(parameter)?.parse().ok()?;
        Some(span.get().as_secs_f64())
    }

    /// A number.
    pub(super) fn number(&self, parameter: &str) -> Option<f64> {
        self.word(parameter)?.parse().ok()
    }

    /// A size in bytes.
    pub(super) fn bytes(&self, parameter: &str) -> Option<u64> {
        let size: peregrine_base::ByteSize = self.word(parameter)?.parse().ok()?;
        Some(size.as_u64())
    }
}

/// What rules look at.
pub(super) struct Facts<'a> {
    /// The span.
    pub(super) total: &'a Tally,
    /// The numbers at its end.
    pub(super) reading: &'a Reading,
    /// The numbers at its beginning, for what is counted by reason; nothing for the first span, which began with the
    /// program.
    pub(super) before: Option<&'a Reading>,
    /// What is configured.
    pub(super) configured: &'a Configured,
}

/// What a route did, with what belongs to it.
struct RouteFacts<'a> {
    reading: &'a RouteReading,
    did: &'a RouteTally,
    /// How often each reason was given within the span.
    reasons: BTreeMap<&'static str, u64>,
    /// The route at the beginning of the span.
    before: Option<&'a RouteReading>,
}

impl Facts<'_> {
    fn routes(&self) -> Vec<RouteFacts<'_>> {
        let facts = self.total.routes.iter().filter_map(|(name, did)| {
            let reading = self.reading.routes.iter().find(|route| route.name == *name)?;
            let before = self
                .before
                .and_then(|before| before.routes.iter().find(|route| route.name == *name));
            let counted =
                |word: &str| before.and_then(|route| route.did.reasons.iter().find(|reason| reason.word == word));
            let reasons = reading.did.reasons.iter().map(|reason| {
                let old = counted(reason.word).map_or(0, |old| old.count);
                (
                    reason.word,
                    if reason.count >= old {
                        reason.count - old
                    } else {
                        reason.count
                    },
                )
            });
            let reasons = reasons.filter(|(_, count)| *count > 0).collect();
            Some(RouteFacts {
                reading,
                did,
                reasons,
                before,
            })
        });
        facts.collect()
    }

    /// By how much a number of a namespace grew within the span.
    fn grew(&self, namespace: &str, of: impl Fn(&NamespaceReading) -> u64) -> u64 {
        let Some(now) = self.reading.cache.namespaces.get(namespace).map(&of) else {
            return 0;
        };
        let before = self
            .before
            .and_then(|before| before.cache.namespaces.get(namespace))
            .map_or(0, of);
        if now >= before { now - before } else { now }
    }
}

impl RouteFacts<'_> {
    fn reason(&self, word: &str) -> u64 {
        self.reasons.get(word).copied().unwrap_or(0)
    }

    /// The name of a parameter of the route's strategy.
    fn of_strategy(&self, field: &str) -> String {
        format!("strategy.{}.{field}", self.reading.strategy)
    }

    fn name(&self) -> &Arc<str> {
        &self.reading.name
    }
}

/// A recommendation while it is put together.
struct Advice(Recommendation);

impl Advice {
    /// The rule and what it is about make its name.
    fn new(rule: &str, about: &str, title: String, why: String) -> Self {
        let id = if about.is_empty() {
            rule.to_owned()
        } else {
            format!("{rule}:{about}")
        };
        Self(Recommendation {
            id,
            title,
            why,
            evidence: Vec::new(),
            change: Vec::new(),
            toml: String::new(),
            expected: String::new(),
            confidence: Confidence::Medium,
            risk: String::new(),
            applicable: true,
        })
    }

    fn evidence(mut self, what: &str, value: f64, unit: &str) -> Self {
        let (what, unit) = (what.to_owned(), unit.to_owned());
        self.0.evidence.push(Evidence { what, value, unit });
        self
    }

    /// `parameter` is to become `to`, written as in TOML.
    fn set(mut self, configured: &Configured, parameter: &str, to: &str) -> Self {
        self.0.change.push(ParameterChange {
            parameter: parameter.to_owned(),
            from: configured.text(parameter).map(str::to_owned),
            to: to.to_owned(),
        });
        self
    }

    fn sure(mut self, confidence: Confidence) -> Self {
        self.0.confidence = confidence;
        self
    }

    /// Somebody has to decide first whether it is right.
    fn undecided(mut self) -> Self {
        self.0.applicable = false;
        self
    }

    fn so(mut self, expected: String, risk: &str) -> Recommendation {
        self.0.toml = toml(&self.0.change);
        self.0.expected = expected;
        self.0.risk = risk.to_owned();
        self.0
    }
}

/// The changes as they are written in the file: a table for each, with its fields.
fn toml(changes: &[ParameterChange]) -> String {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for change in changes {
        // An element of an array of tables is meant by its place, and its fields may be dotted.
        let (table, field) = match change.parameter.split_once("].") {
            Some((element, field)) => {
                let (array, place) = element.split_once('[').unwrap_or((element, "0"));
                let number = place.parse::<usize>().unwrap_or(0) + 1;
                (format!("[[{array}]] # the one that is there, number {number}"), field)
            }
            None => match change.parameter.rsplit_once('.') {
                Some((table, field)) => (format!("[{table}]"), field),
                None => continue,
            },
        };
        tables
            .entry(table)
            .or_default()
            .push(format!("{field} = {}", change.to));
    }
    let tables = tables
        .into_iter()
        .map(|(table, fields)| format!("{table}\n{}", fields.join("\n")));
    tables.collect::<Vec<_>>().join("\n\n")
}

/// What `facts` suggest, the surest and weightiest first. The same advice for several routes of one strategy is given once.
pub(super) fn of(facts: &Facts<'_>) -> Vec<Recommendation> {
    let mut found = rules::of_program(facts);
    for route in facts.routes() {
        found.extend(rules::of_route(facts, &route));
        found.extend(compression::of_route(facts, &route));
    }
    let mut told: Vec<Recommendation> = Vec::new();
    for one in found {
        let known = told.iter().any(|known| {
            let same = |own: &ParameterChange| one.change.iter().any(|other| other.parameter == own.parameter);
            known.change.iter().any(same)
        });
        if !known {
            told.push(one);
        }
    }
    told.sort_by_key(|one| std::cmp::Reverse((one.confidence, one.applicable)));
    told.truncate(RECOMMENDATIONS_MAX);
    told
}
