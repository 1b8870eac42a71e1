//! What is measured and what follows from it: the queries and bodies of the calls, and the answers that only wrap what
//! insight says.

use super::{Checked, check_name, check_names};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_base::Span;
use peregrine_insight::model::{
    AlertRule, History, NodeReport, Recommendation, RouteFigures, SloStatus, Summary, UpstreamReport,
};
use peregrine_insight::query::POINTS_MAX;
use peregrine_insight::report::ReportFormat;
use peregrine_insight::{HistoryQuery, Labels, Time};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// The figures of a summary when no other range is asked for.
const RANGE_DEFAULT: Duration = Duration::from_mins(15);
/// The shortest range.
const RANGE_MIN: Duration = Duration::from_mins(1);
/// The longest: what is kept.
const RANGE_MAX: Duration = Duration::from_hours(30 * 24);
/// The range of a history when nothing is asked for.
const HISTORY_DEFAULT: Duration = Duration::from_hours(1);
/// What a history is made of, by the words for it.
const RESOLUTIONS: [(&str, Option<u64>); 5] = [
    ("auto", None),
    ("1s", Some(1)),
    ("10s", Some(10)),
    ("1m", Some(60)),
    ("15m", Some(900)),
];
/// How many reports are listed when nothing else is asked for.
const REPORTS_DEFAULT: u64 = 100;
/// The longest text that a silence or an acknowledgement leaves.
const TEXT_MAX_BYTES: usize = 1000;

/// Everything that the first page of the dashboard needs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Dashboard {
    /// How things are.
    pub summary: Summary,
    /// The last fifteen minutes, with the heat map.
    pub history: History,
}

/// The objectives.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SlosReport {
    /// How each of them stands.
    pub slos: Vec<SloStatus>,
}

/// The routes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoutesReport {
    /// The span that it is about, in seconds.
    pub range_s: u64,
    /// What each of them did within it, those that cost origins most first.
    pub routes: Vec<RouteFigures>,
    /// Those that have no history of their own, because there are more than `insight.routes_max`: what each of them did since
    /// the start.
    pub without_history: Vec<RouteFigures>,
}

/// That what was measured is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetricsReset {
    /// How many points of history there were.
    pub forgotten_points: u64,
    /// When figures began anew.
    pub since: Time,
}

/// The upstreams.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UpstreamsReport {
    /// Each with its targets.
    pub upstreams: Vec<UpstreamReport>,
}

/// The nodes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodesReport {
    /// Each of them, this one included.
    pub nodes: Vec<NodeReport>,
}

/// What would make things better.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecommendationsReport {
    /// When they were computed.
    pub at: Time,
    /// The most useful first.
    pub recommendations: Vec<Recommendation>,
}

/// Which recommendation is to be applied.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceRequest {
    /// Its id.
    pub id: String,
    /// Whether only to say what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

impl Checked for ForceRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name("id", &self.id, faults);
    }
}

/// The recommendations that were applied.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedReport {
    /// The newest first.
    pub applied: Vec<Applied>,
}

/// A recommendation that was applied, or refused.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// When.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Which.
    pub title: String,
    /// The parameters, from what to what.
    pub change: serde_json::Value,
    /// What came of it: `done`, or why not.
    pub outcome: String,
}

/// How many alerts that are over were forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// So many.
    pub forgotten: usize,
}

/// All rules that the API sets; those of the configuration and those that come with Peregrine are changed by rules of their names.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesRequest {
    /// The rules.
    pub rules: Vec<AlertRule>,
}

impl Checked for RulesRequest {
    // What a rule may say is checked where rules are understood.
    fn check(&self, _: &mut Vec<Fault>) {}
}

/// Which alerts nobody is to be told about, for how long and why.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// The rule; without it those of all rules that have the labels.
    #[serde(default)]
    pub rule: Option<String>,
    /// Only alerts with these labels.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: Labels,
    /// For how many seconds.
    pub for_s: f64,
    /// Why, for whoever wonders later.
    pub reason: String,
}

impl Checked for SilenceRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        if Duration::try_from_secs_f64(self.for_s).is_err() || self.for_s < 1.0 {
            faults.push(fault("for_s", "is no span of a second or more"));
        }
        check_text("reason", &self.reason, faults);
    }
}

/// That somebody looks after an alert.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// The alert.
    pub id: String,
    /// What the others should know.
    #[serde(default)]
    pub note: Option<String>,
}

impl Checked for AcknowledgeRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        check_name("id", &self.id, faults);
        if let Some(note) = &self.note {
            check_text("note", note, faults);
        }
    }
}

fn check_text(field: &str, text: &str, faults: &mut Vec<Fault>) {
    check_names(field, [text.to_owned()].iter(), faults);
    if text.len() > TEXT_MAX_BYTES {
        faults.push(fault(field, format!("is longer than {TEXT_MAX_BYTES} bytes")));
    }
}

/// The range that figures are asked for.
pub(crate) fn range(query: Option<&str>) -> Result<Duration, Refusal> {
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &["range"], &mut faults);
    let range = take_range(&mut query, RANGE_DEFAULT, &mut faults);
    done(range, faults)
}

/// The points that are asked for; `now` in seconds since 1970.
pub(crate) fn history(query: Option<&str>, now: u64) -> Result<HistoryQuery, Refusal> {
    let known = [
        "resolution",
        "range",
        "from",
        "to",
        "limit",
        "series",
        "route",
        "upstream",
        "heat",
    ];
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &known, &mut faults);
    let range = take_range(&mut query, HISTORY_DEFAULT, &mut faults);
    let resolution = query.take("resolution").unwrap_or_else(|| "auto".to_owned());
    let resolution = RESOLUTIONS.iter().find(|(word, _)| *word == resolution);
    if resolution.is_none() {
        let words: Vec<&str> = RESOLUTIONS.iter().map(|(word, _)| *word).collect();
        faults.push(fault("resolution", format!("is none of {}", words.join(", "))));
    }
    let until = query.number("to", &mut faults).unwrap_or(now);
    let from = query.number("from", &mut faults);
    let from = from.unwrap_or_else(|| until.saturating_sub(range.as_secs()));
    if from > until {
        faults.push(fault("from", "is later than `to`; both are seconds since 1970"));
    }
    let limit = query.number("limit", &mut faults);
    if limit.is_some_and(|limit| limit == 0 || limit > POINTS_MAX as u64) {
        faults.push(fault("limit", format!("is not between 1 and {POINTS_MAX}")));
    }
    let series = query.take("series").unwrap_or_default();
    let series = series.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
    let heat = match query.take("heat").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            faults.push(fault("heat", "is neither `true` nor `false`"));
            false
        }
    };
    let asked = HistoryQuery {
        resolution_s: resolution.and_then(|(_, seconds)| *seconds),
        from,
        until,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        series: series.collect(),
        route: query.take("route"),
        upstream: query.take("upstream"),
        heat,
    };
    done(asked, faults)
}

/// Which report is asked for, and how it is to be written.
pub(crate) struct ReportQuery {
    /// The newest without one.
    pub(crate) id: Option<String>,
    /// JSON without one.
    pub(crate) format: Option<ReportFormat>,
}

/// The report that is asked for.
pub(crate) fn report(query: Option<&str>) -> Result<ReportQuery, Refusal> {
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &["id", "format"], &mut faults);
    let format = match query.take("format").as_deref() {
        None | Some("json") => None,
        Some("markdown") => Some(ReportFormat::Markdown),
        Some("html") => Some(ReportFormat::Html),
        Some(_) => {
            faults.push(fault("format", "is none of json, markdown, html"));
            None
        }
    };
    done(
        ReportQuery {
            id: query.take("id"),
            format,
        },
        faults,
    )
}

/// How many reports are to be listed.
pub(crate) fn reports(query: Option<&str>) -> Result<usize, Refusal> {
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &["limit"], &mut faults);
    let limit = query.number("limit", &mut faults).unwrap_or(REPORTS_DEFAULT);
    done(usize::try_from(limit).unwrap_or(usize::MAX), faults)
}

/// The first page's history.
pub(crate) fn first_history(now: u64) -> HistoryQuery {
    HistoryQuery {
        from: now.saturating_sub(RANGE_DEFAULT.as_secs()),
        until: now,
        heat: true,
        ..HistoryQuery::default()
    }
}

fn take_range(query: &mut Query, default: Duration, faults: &mut Vec<Fault>) -> Duration {
    let Some(text) = query.take("range") else {
        return default;
    };
    match text.parse::<Span>() {
        Ok(span) if (RANGE_MIN..=RANGE_MAX).contains(&span.get()) => span.get(),
        Ok(_) => {
            faults.push(fault("range", "is not between 1m and 30d"));
            default
        }
        Err(error) => {
            faults.push(fault("range", error.to_string()));
            default
        }
    }
}

fn done<T>(asked: T, faults: Vec<Fault>) -> Result<T, Refusal> {
    if faults.is_empty() {
        Ok(asked)
    } else {
        Err(Refusal::invalid(faults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_asked_for_by_range_or_from_and_to() {
        let asked = history(
            Some("range=2h&resolution=10s&series=hit_ratio,p&heat=true&limit=5"),
            10_000,
        )
        .unwrap();
        assert_eq!((asked.from, asked.until, asked.resolution_s), (2_800, 10_000, Some(10)));
        assert_eq!(
            (asked.series, asked.heat, asked.limit),
            (vec!["hit_ratio".to_owned(), "p".to_owned()], true, Some(5))
        );
        let asked = history(Some("from=10&to=20&route=api"), 10_000).unwrap();
        assert_eq!((asked.from, asked.until, asked.route.as_deref()), (10, 20, Some("api")));
    }

    #[tokio::test]
    async fn every_fault_of_a_query_is_named_at_once() {
        for (query, count) in [
            ("range=1s", 1),
            ("range=soon&resolution=2s&heat=yes", 3),
            ("from=30&to=20&limit=0&colour=red", 3),
        ] {
            let (problem, _) = history(Some(query), 100).unwrap_err().into_parts();
            let body = problem.into_response().into_body().collect(1 << 16).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["errors"].as_array().unwrap().len(), count, "{query}: {body}");
        }
        assert!(range(Some("range=31d")).is_err());
        assert_eq!(range(None).unwrap(), Duration::from_mins(15));
    }
}
