//! Reports: every few minutes, what happened in the time since the one before, compared with the same time before that; where
//! things are going; and what to do about it.
//!
//! The reports of a day are kept, and of the days before the first of each hour, up to a week: at most 432 of them, as JSON
//! of about 10 kB, 4 MB together.

mod changes;
mod html;
mod markdown;
mod recommend;
mod trend;
mod words;

#[cfg(test)]
mod tests;

use crate::figures;
use crate::insight::{Insight, State};
use crate::model::{
    Alert, FigureChange, Recommendation, Report, ReportTitle, ReportTitles, Severity, SloStatus, Trend,
};
use crate::query::HistoryQuery;
use crate::reading::Reading;
use crate::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use recommend::Configured;

/// For how long every report is kept, and for how long the first of each hour.
const ALL_KEPT: Duration = Duration::from_secs(86_400);
const HOURLY_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How many are kept, whatever the interval.
const REPORTS_MAX: usize = 432;
/// How far back trends look.
const TREND_RANGE: Duration = Duration::from_secs(3600);
/// How many changes a report shows.
const NOTES_MAX: usize = 50;

/// A report as it is kept: what a list shows of it, and all of it as JSON.
#[derive(Debug)]
pub(crate) struct KeptReport {
    pub(crate) title: ReportTitle,
    pub(crate) json: Arc<str>,
}

/// The reading at the last report, and when reports were due last.
#[derive(Debug, Default)]
pub(crate) struct Reporting {
    /// Oldest first.
    pub(crate) kept: VecDeque<KeptReport>,
    /// What was counted by reason until the last report.
    before: Option<Arc<Reading>>,
    /// When the next one is due, in seconds since 1970.
    due: Option<u64>,
    /// What was recommended last, and from which span.
    pub(crate) recommendations: Vec<Recommendation>,
}

/// How a report is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// As Markdown.
    Markdown,
    /// As a page that stands for itself and prints well. It has one `<style>` and no script.
    Html,
}

/// The hash of the `<style>` of a report's page, as a Content-Security-Policy names it: `'sha256-…'`.
#[must_use]
pub fn style_hash() -> &'static str {
    html::style_hash()
}

/// Shows a report.
#[must_use]
pub fn render(report: &Report, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => markdown::render(report),
        ReportFormat::Html => html::render(report),
    }
}

impl Insight {
    /// Makes a report if one is due: at the first multiple of `insight.report_interval` of civil time since the last.
    /// `configured` is what the configuration says now; `slos` and `alerts` (those that fire) come from whoever keeps them.
    pub fn report_if_due(
        &self,
        configured: impl FnOnce() -> Configured,
        watched: impl FnOnce() -> (Vec<SloStatus>, Vec<Alert>),
    ) -> Option<ReportTitle> {
        let is_due = {
            let mut state = self.lock();
            let interval = state.config.report_interval.get().as_secs().max(1);
            let at = state.at().as_secs();
            let next = (at / interval + 1) * interval;
            let due = *state.reporting.due.get_or_insert(next);
            // A clock that was put back does not put the report off by as much.
            let is_due = at >= due || due > at + interval;
            if is_due {
                state.reporting.due = Some(next);
            }
            is_due
        };
        is_due.then(|| self.report_now(configured(), watched())).flatten()
    }

    /// Makes a report of the time since the last multiple of the interval before now; nothing before the first reading.
    pub fn report_now(&self, configured: Configured, watched: (Vec<SloStatus>, Vec<Alert>)) -> Option<ReportTitle> {
        let title = self.lock().make_report(&configured, watched)?;
        self.events().publish(crate::Event::Report(title.clone()));
        Some(title)
    }

    /// Computes recommendations from what was counted since the last report.
    pub fn recommend(&self, configured: &Configured) -> Vec<Recommendation> {
        let mut state = self.lock();
        let interval = state.config.report_interval.get();
        let found = state.recommend(configured, interval);
        state.reporting.recommendations.clone_from(&found);
        found
    }

    /// What was recommended last.
    #[must_use]
    pub fn recommendations(&self) -> Vec<Recommendation> {
        self.lock().reporting.recommendations.clone()
    }

    /// The report called `id`; the newest when there is no `id`.
    #[must_use]
    pub fn report(&self, id: Option<&str>) -> Option<Report> {
        let json = {
            let state = self.lock();
            let kept = &state.reporting.kept;
            let found = match id {
                None => kept.back(),
                Some(id) => kept.iter().find(|report| report.title.id == id),
            };
            Arc::clone(&found?.json)
        };
        serde_json::from_str(&json).ok()
    }

    /// The reports that are kept, newest first, at most `limit`.
    #[must_use]
    pub fn reports(&self, limit: usize) -> ReportTitles {
        let state = self.lock();
        let newest = state.reporting.kept.iter().rev().take(limit);
        ReportTitles {
            reports: newest.map(|report| report.title.clone()).collect(),
        }
    }
}

impl State {
    fn make_report(
        &mut self,
        configured: &Configured,
        (slos, alerts): (Vec<SloStatus>, Vec<Alert>),
    ) -> Option<ReportTitle> {
        let reading = Arc::clone(self.reading.as_ref()?);
        let (at, span) = (self.at(), self.config.report_interval.get());
        let (from, begin) = (at.before(span), at.before(span * 2));
        let total = self.ladder.between(from.as_secs(), at.as_secs());
        let earlier = self.ladder.between(begin.as_secs(), from.as_secs());
        let (figures, before) = (figures::of_all(&total), figures::of_all(&earlier));
        let mut top_routes = figures::of_routes(&total, &reading);
        top_routes.truncate(crate::answers::ROUTES_SHOWN);
        let changes = changes::of(&total, &earlier);
        let trends = self.trends(at);
        let recommendations = self.recommend(configured, span);
        self.reporting.recommendations.clone_from(&recommendations);
        self.reporting.before = Some(Arc::clone(&reading));
        let notes = self.changes.iter().rev().filter(|note| note.at > from).take(NOTES_MAX);
        let mut report = Report {
            id: format!("r{}", at.as_millis()),
            at,
            from,
            to: at,
            title: String::new(),
            headline: Vec::new(),
            figures,
            before,
            changes,
            trends,
            top_routes,
            saved: self.saved(&total, from),
            slos,
            alerts,
            recommendations,
            notes: notes.cloned().collect(),
        };
        report.headline = words::headline(&report);
        report.title = words::title(&report);
        let title = ReportTitle {
            id: report.id.clone(),
            at,
            title: report.title.clone(),
        };
        self.keep_report(&report, title.clone());
        Some(title)
    }

    fn keep_report(&mut self, report: &Report, title: ReportTitle) {
        let Ok(json) = serde_json::to_string(report) else {
            return;
        };
        self.keeping.report(report.at, &json);
        self.reporting.kept.push_back(KeptReport {
            title,
            json: json.into(),
        });
        for at in self.reporting.thin(report.at) {
            self.keeping.forget_report(at);
        }
    }

    /// Where the series of the last hour are going.
    fn trends(&self, at: Time) -> Vec<Trend> {
        let query = HistoryQuery {
            resolution_s: Some(60),
            from: at.before(TREND_RANGE).as_secs(),
            until: at.as_secs(),
            ..HistoryQuery::default()
        };
        trend::of(&self.points(&query))
    }

    fn recommend(&self, configured: &Configured, span: Duration) -> Vec<Recommendation> {
        let Some(reading) = &self.reading else {
            return Vec::new();
        };
        let at = self.at();
        let total = self.ladder.between(at.before(span).as_secs(), at.as_secs());
        recommend::of(&recommend::Facts {
            total: &total,
            reading,
            before: self.reporting.before.as_deref(),
            configured,
        })
    }
}

impl Reporting {
    /// Takes back what an earlier program kept; answers with the times of those for which there is no room.
    pub(crate) fn take_back(&mut self, kept: Vec<KeptReport>) -> Vec<Time> {
        self.kept.extend(kept);
        let newest = self.kept.back().map(|report| report.title.at);
        newest.map_or_else(Vec::new, |newest| self.thin(newest))
    }

    /// Lets go of what is not to be kept at `now`; answers with the times of what goes.
    fn thin(&mut self, now: Time) -> Vec<Time> {
        let mut gone = Vec::new();
        let mut hours: BTreeMap<u64, Time> = BTreeMap::new();
        for report in &self.kept {
            hours.entry(report.title.at.as_secs() / 3600).or_insert(report.title.at);
        }
        self.kept.retain(|report| {
            let at = report.title.at;
            let is_first = hours.get(&(at.as_secs() / 3600)) == Some(&at);
            let age = now.since(at);
            let stays = age <= ALL_KEPT || (is_first && age <= HOURLY_KEPT);
            if !stays {
                gone.push(at);
            }
            stays
        });
        while self.kept.len() > REPORTS_MAX {
            gone.extend(self.kept.pop_front().map(|report| report.title.at));
        }
        gone
    }
}

/// How bad the worst of `alerts` is.
fn worst(alerts: &[Alert]) -> Option<Severity> {
    alerts.iter().map(|alert| alert.severity).min()
}

/// Those changes that are for the worse and no chance.
fn setbacks(changes: &[FigureChange]) -> impl Iterator<Item = &FigureChange> {
    changes
        .iter()
        .filter(|change| change.better == Some(false) && change.confidence >= crate::model::Confidence::Medium)
}
