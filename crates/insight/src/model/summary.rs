//! How things are, at a glance.

use super::alerts::{Alert, SloStatus};
use super::figures::{Figures, RouteFigures};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How things are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// When it was made.
    pub at: Time,
    /// The span that `range`, `saved`, `score`, `apdex` and `top_routes` are about.
    pub range_s: u64,
    /// The version of the program.
    pub version: String,
    /// How this node is called.
    pub node: String,
    /// Since the start.
    pub uptime_s: u64,
    /// In one word.
    pub status: Status,
    /// What is not well, for people.
    pub complaints: Vec<String>,
    /// In one number.
    pub score: Score,
    /// How satisfied users are with the speed.
    pub apdex: Apdex,
    /// Over the last ten seconds.
    pub now: Figures,
    /// Over the range.
    pub range: Figures,
    /// What the cache saved over the range.
    pub saved: Saved,
    /// Each objective.
    pub slos: Vec<SloStatus>,
    /// Alerts that fire, worst first.
    pub alerts: Vec<Alert>,
    /// Routes by the time that they cost origins, at most ten.
    pub top_routes: Vec<RouteFigures>,
    /// What was changed, newest first, at most fifty.
    pub changes: Vec<ChangeNote>,
}

/// How things are, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    #[default]
    Ok,
    /// It serves, and something is wrong.
    Degraded,
    /// It does not serve as it should.
    Failing,
}

/// How things are, in one number from 0 to 100, with the way it is computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// The score; `null`, and so is the grade, when there was no request.
    pub value: Option<f64>,
    /// `A` from 90 on, `B` from 80, `C` from 70, `D` from 60, else `F`.
    #[schema(schema_with = super::words::grade)]
    pub grade: Option<String>,
    /// How it is computed, in a sentence.
    pub formula: String,
    /// What it is made of.
    pub parts: Vec<ScorePart>,
}

/// A part of the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScorePart {
    /// Its name.
    pub name: String,
    /// How much it counts beside the others.
    pub weight: f64,
    /// What was measured; `null` leaves the part out.
    pub measured: Option<f64>,
    /// The unit of that.
    pub unit: String,
    /// What makes 100.
    pub good: f64,
    /// What makes 0.
    pub bad: f64,
    /// What it makes.
    pub score: Option<f64>,
    /// Why it counts.
    pub why: String,
}

/// How satisfied users are with the speed: satisfied and half of the tolerating, of all. An error frustrates however soon
/// it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Apdex {
    /// From 0 to 1.
    pub value: Option<f64>,
    /// What satisfies; four times as much is tolerated.
    pub threshold_ms: f64,
    /// Answers within the threshold.
    pub satisfied: u64,
    /// Answers within four times the threshold.
    pub tolerating: u64,
    /// All others.
    pub frustrated: u64,
}

/// What the cache saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Saved {
    /// Since when.
    pub since: Time,
    /// Requests that did not go to the origin.
    pub origin_requests: u64,
    /// Time that the origin did not spend.
    pub origin_seconds: f64,
    /// Bytes that the origin did not send.
    pub bytes: u64,
    /// What that would have cost; `null` while no cost is configured.
    pub money: Option<f64>,
    /// In what.
    pub currency: Option<String>,
    /// How each number is computed, in sentences.
    pub how: Vec<String>,
    /// Each route, the most time first.
    pub routes: Vec<SavedOfRoute>,
}

/// What the cache saved on one route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SavedOfRoute {
    /// Its name.
    pub route: String,
    /// Requests that did not go to the origin.
    pub origin_requests: u64,
    /// Time that the origin did not spend.
    pub origin_seconds: f64,
    /// Bytes that the origin did not send.
    pub bytes: u64,
    /// What that would have cost.
    pub money: Option<f64>,
}

/// Something that was changed, by somebody or by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeNote {
    /// When.
    pub at: Time,
    /// What kind of thing.
    pub kind: ChangeKind,
    /// What, for people.
    pub text: String,
    /// Who did it, where that is known.
    pub by: Option<String>,
    /// Its number where it has one, such as that of a receipt.
    pub id: Option<String>,
}

/// What kind of thing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The program started.
    Start,
    /// The configuration was read again.
    Reload,
    /// Entries were invalidated.
    Invalidation,
    /// A node came or went.
    Node,
    /// A target of an upstream came or went.
    Upstream,
    /// An alert began or ended.
    Alert,
    /// A parameter was changed.
    Config,
}
