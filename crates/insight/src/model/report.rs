//! What changed, what it means, and what to do about it.

use super::alerts::{Alert, SloStatus};
use super::figures::{Figures, RouteFigures};
use super::summary::{ChangeNote, Saved};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What happened in a span of time, compared with the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Its number.
    pub id: String,
    /// When it was made.
    pub at: Time,
    /// When its span begins.
    pub from: Time,
    /// When its span ends.
    pub to: Time,
    /// What it is about, in a line.
    pub title: String,
    /// What matters, a sentence each.
    pub headline: Vec<String>,
    /// The figures of its span.
    pub figures: Figures,
    /// The figures of the span before, which is as long.
    pub before: Figures,
    /// Which of them changed.
    pub changes: Vec<FigureChange>,
    /// Where things are going.
    pub trends: Vec<Trend>,
    /// Routes by the time that they cost origins, at most ten.
    pub top_routes: Vec<RouteFigures>,
    /// What the cache saved.
    pub saved: Saved,
    /// Each objective.
    pub slos: Vec<SloStatus>,
    /// Alerts that fire.
    pub alerts: Vec<Alert>,
    /// What to do.
    pub recommendations: Vec<Recommendation>,
    /// What was changed meanwhile.
    pub notes: Vec<ChangeNote>,
}

/// How sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Could be chance.
    Low,
    /// Rather so.
    Medium,
    /// Hardly chance.
    High,
}

/// A figure that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FigureChange {
    /// Which.
    pub what: String,
    /// What it was.
    pub from: Option<f64>,
    /// What it is.
    pub to: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// Whether that is better; `null` where it is neither.
    pub better: Option<bool>,
    /// How sure it is that this is more than chance.
    pub confidence: Confidence,
}

/// Where a series is going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trend {
    /// Which.
    pub series: String,
    /// By how much it changes in an hour: the median of all slopes between two points (Theil and Sen).
    pub slope_per_h: Option<f64>,
    /// The unit of the series.
    pub unit: String,
    /// How sure it is that there is a trend, from 0 to 1: one minus the two-sided p of Mann and Kendall's test.
    pub confidence: Option<f64>,
    /// In words.
    pub text: String,
}

/// Something that would make it better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// Its name: the rule and what it is about. The same advice has the same name in every report.
    pub id: String,
    /// What to do, in a line.
    pub title: String,
    /// Why, in a sentence or two.
    pub why: String,
    /// The numbers behind it.
    pub evidence: Vec<Evidence>,
    /// What to change in the configuration.
    pub change: Vec<ParameterChange>,
    /// The same as it is written in the file.
    pub toml: String,
    /// What would become better, and by how much.
    pub expected: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// What could become worse.
    pub risk: String,
    /// Whether it can be applied by itself; otherwise somebody has to decide something first.
    pub applicable: bool,
}

/// A number behind a recommendation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// What it is.
    pub what: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// A change of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParameterChange {
    /// Its name, as in the reference.
    pub parameter: String,
    /// What it is, as in the file; `null` when it is not set.
    pub from: Option<String>,
    /// What it should be, as in the file.
    pub to: String,
}

/// A report by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportTitle {
    /// Its number.
    pub id: String,
    /// When it was made.
    pub at: Time,
    /// What it is about.
    pub title: String,
}

/// The reports that are kept, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportTitles {
    /// Each of them.
    pub reports: Vec<ReportTitle>,
}
