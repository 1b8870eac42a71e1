//! GET `cache/strategies`: the caching policies that are configured, what each of them means in words, who uses it, and what
//! came of it.

use crate::api::config::ParameterReport;
use peregrine_insight::model::{ApplicationMetrics, Figures};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// What the parameters of strategies begin with.
const PREFIX: &str = "strategy.";

/// The strategies.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct StrategiesReport {
    /// By their names.
    pub strategies: Vec<StrategyReport>,
}

/// A strategy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct StrategyReport {
    /// Its name.
    pub strategy: String,
    /// What its settings mean together, in sentences.
    pub explained: Vec<String>,
    /// The routes that use it, those that cost origins the most time first.
    pub routes: Vec<String>,
    /// The namespaces in which they store.
    pub namespaces: Vec<String>,
    /// What its routes did since the start; nothing where nothing was measured.
    pub figures: Option<Figures>,
    /// Its parameters with what holds, what set it and what it does.
    pub settings: Vec<ParameterReport>,
}

/// The strategies among the `parameters` that hold, with what was measured of them.
pub(crate) fn report(parameters: Vec<ParameterReport>, measured: &ApplicationMetrics) -> StrategiesReport {
    let mut by_name: BTreeMap<String, Vec<ParameterReport>> = BTreeMap::new();
    for parameter in parameters {
        let named = parameter
            .name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.rsplit_once('.'));
        if let Some((name, _)) = named {
            // A name that is no bare key of TOML stands in quotes.
            let name = name.trim_matches('"').to_owned();
            by_name.entry(name).or_default().push(parameter);
        }
    }
    // One that holds without being configured has no parameters here.
    for route in &measured.routes {
        by_name.entry(route.strategy.clone()).or_default();
    }
    let strategy = |(name, settings): (String, Vec<ParameterReport>)| {
        let routes = measured.routes.iter().filter(|route| route.strategy == name);
        let figures = measured.strategies.iter().find(|figures| figures.strategy == name);
        let namespaces: BTreeSet<String> = routes.clone().map(|route| route.namespace.clone()).collect();
        StrategyReport {
            explained: Settings(&settings).explained(),
            routes: routes.map(|route| route.route.clone()).collect(),
            namespaces: namespaces.into_iter().collect(),
            figures: figures.map(|known| known.figures.clone()),
            strategy: name,
            settings,
        }
    };
    StrategiesReport {
        strategies: by_name
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .map(strategy)
            .collect(),
    }
}

/// The settings of one strategy.
struct Settings<'a>(&'a [ParameterReport]);

impl Settings<'_> {
    /// What `field` is set to, as text; nothing where it is not set.
    fn get(&self, field: &str) -> Option<String> {
        let found = self.0.iter().find(|parameter| {
            let own = parameter.name.rsplit_once('.').map(|(_, own)| own);
            own == Some(field)
        })?;
        match &found.value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A span, where it is one.
    fn span(&self, field: &str) -> Option<String> {
        self.get(field)
            .filter(|text| text.contains(|letter: char| ('1'..='9').contains(&letter)))
    }

    fn is(&self, field: &str, word: &str) -> bool {
        self.get(field).is_some_and(|value| value == word)
    }

    fn explained(&self) -> Vec<String> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ttl = self.get("ttl").unwrap_or_default();
        let mut told = vec![match self.get("freshness").as_deref() {
            Some("force") => format!("Answers are fresh for {ttl}, whatever the origin says."),
            Some("fallback") => {
                format!("Answers are fresh as long as the origin says, for {ttl} where it says nothing.")
            }
            _ => "Answers are fresh as long as the origin says; where it says nothing they are not stored.".to_owned(),
        }];
        if self.is("heuristic", "true") {
            told.push("With `Last-Modified` and no lifetime they are fresh for a tenth of their age.".to_owned());
        }
        let share = self.get("refresh_ahead").and_then(|share| share.parse::<f64>().ok());
        if let Some(share) = share.filter(|share| *share > 0.0) {
            let percent = share * 100.0;
            told.push(format!(
                "From {percent:.0}% of their lifetime on they are renewed in the background."
            ));
        }
        let spans = [
            (
                "stale_while_revalidate",
                "For {} past it they are served while they are renewed.",
            ),
            ("stale_if_error", "For {} past it they stand in where the origin fails."),
            ("negative_ttl", "That something is not there is remembered for {}."),
            (
                "load_soft_limit",
                "Who has waited for {} gets a stale answer where there is one.",
            ),
        ];
        for (field, sentence) in spans {
            told.extend(self.span(field).map(|span| sentence.replace("{}", &span)));
        }
        if let Some(compression) = self.get("compression").filter(|word| word != "off") {
            told.push(format!("Stored bodies are compressed: {compression}."));
        }
        if self.is("encryption", "true") {
            told.push("Entries leave memory encrypted only.".to_owned());
        }
        let doubts = [
            ("allow_set_cookie", "Answers that set a cookie are stored."),
            (
                "allow_authorization",
                "Answers to requests with `Authorization` are stored.",
            ),
        ];
        let doubts = doubts.iter().filter(|(field, _)| self.is(field, "true"));
        told.extend(doubts.map(|(_, sentence)| (*sentence).to_owned()));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_insight::model::{RouteFigures, StrategyFigures};
    use serde_json::{Value, json};

    fn parameter(name: &str, value: Value) -> ParameterReport {
        ParameterReport {
            name: name.to_owned(),
            value,
            ..ParameterReport::default()
        }
    }

    #[test]
    fn a_strategy_is_told_with_what_it_means_and_who_uses_it() {
        let parameters = vec![
            parameter("cache.memory", json!("1GiB")),
            parameter("strategy.pages.ttl", json!("5m")),
            parameter("strategy.pages.freshness", json!("fallback")),
            parameter("strategy.pages.stale_while_revalidate", json!("1m")),
            parameter("strategy.pages.stale_if_error", json!("0s")),
            parameter("strategy.pages.refresh_ahead", json!(0.8)),
            parameter("strategy.pages.load_soft_limit", Value::Null),
            parameter("strategy.pages.encryption", json!(true)),
            parameter("strategy.unused.freshness", json!("origin")),
        ];
        let route = |name: &str, strategy: &str, namespace: &str| RouteFigures {
            route: name.to_owned(),
            strategy: strategy.to_owned(),
            namespace: namespace.to_owned(),
            ..RouteFigures::default()
        };
        let did = StrategyFigures {
            strategy: "pages".to_owned(),
            figures: Figures {
                requests: Some(7.0),
                ..Figures::default()
            },
            ..StrategyFigures::default()
        };
        let measured = ApplicationMetrics {
            routes: vec![
                route("/b", "pages", "default"),
                route("/a", "pages", "images"),
                route("/c", "default", "default"),
            ],
            strategies: vec![did],
            ..ApplicationMetrics::default()
        };
        let told = report(parameters, &measured).strategies;
        let names: Vec<&str> = told.iter().map(|one| one.strategy.as_str()).collect();
        assert_eq!(names, ["default", "pages", "unused"]);
        let pages = &told[1];
        assert_eq!(pages.settings.len(), 7);
        assert_eq!(
            (pages.routes.as_slice(), pages.namespaces.as_slice()),
            (
                &["/b".to_owned(), "/a".to_owned()][..],
                &["default".to_owned(), "images".to_owned()][..]
            )
        );
        assert_eq!(pages.figures.as_ref().unwrap().requests, Some(7.0));
        assert_eq!(
            pages.explained,
            [
                "Answers are fresh as long as the origin says, for 5m where it says nothing.",
                "From 80% of their lifetime on they are renewed in the background.",
                "For 1m past it they are served while they are renewed.",
                "Entries leave memory encrypted only.",
            ]
        );
        assert_eq!((told[2].figures.as_ref(), told[2].routes.len()), (None, 0));
    }
}
