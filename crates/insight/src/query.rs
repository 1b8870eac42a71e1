//! Answers about the past: series of points, and the newest values for alerts and objectives.

use crate::insight::{Insight, State};
use crate::model::{Heat, History};
use crate::ring::Ring;
use crate::rings::About;
use crate::series::{GLOBAL, HEAT_BOUNDS_MS, ROUTE, UPSTREAM, place, widen};
use crate::values::{Counts, Labels, Values};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many points an answer has at most when nothing else is asked for, so that a chart of any range is quick.
pub const POINTS_DEFAULT: usize = 3000;

/// The most points of an answer.
pub const POINTS_MAX: usize = 50_000;

/// What is asked of history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Seconds that a point stands for: 1, 10, 60 or 900; nothing for the finest that reaches far enough and has no more
    /// points than asked for.
    pub resolution_s: Option<u64>,
    /// Only points that ended after this, in seconds since 1970.
    pub from: u64,
    /// Only points that ended at this at the latest.
    pub until: u64,
    /// At most so many points, the newest.
    pub limit: Option<usize>,
    /// Only these series; all when there are none. Unknown ones are left out.
    pub series: Vec<String>,
    /// Of this route.
    pub route: Option<String>,
    /// Of this upstream.
    pub upstream: Option<String>,
    /// With the heat map, which is of the whole program only.
    pub heat: bool,
}

impl Insight {
    /// Points of the past. Of a route or upstream without a history of its own there are none.
    #[must_use]
    pub fn history(&self, query: &HistoryQuery) -> History {
        self.lock().points(query)
    }
}

impl State {
    /// Points of the past.
    pub(crate) fn points(&self, query: &HistoryQuery) -> History {
        let about = match (&query.route, &query.upstream) {
            (Some(route), _) => About::Route(route.as_str().into()),
            (None, Some(upstream)) => About::Upstream(upstream.as_str().into()),
            (None, None) => About::All,
        };
        let limit = query.limit.unwrap_or(POINTS_DEFAULT).clamp(1, POINTS_MAX);
        let Some(ring) = choose(self.rings.about(&about), query, limit) else {
            return History {
                resolution_s: query.resolution_s.unwrap_or(1),
                ..History::default()
            };
        };
        let mut points = ring.between(query.from, query.until);
        points.start = points.start.max(points.end.saturating_sub(limit));
        let wanted = |name: &str| query.series.is_empty() || query.series.iter().any(|series| series == name);
        let columns = about
            .series()
            .iter()
            .enumerate()
            .filter(|(_, series)| wanted(series.name));
        let column = |column: usize| points.clone().map(|place| widen(ring.value(column, place))).collect();
        let heat = (query.heat && about == About::All).then(|| Heat {
            bounds_ms: HEAT_BOUNDS_MS.to_vec(),
            counts: points.clone().map(|place| heat_at(ring, place)).collect(),
        });
        History {
            resolution_s: u64::from(ring.resolution_s()),
            at: points.clone().map(|place| u64::from(ring.at(place))).collect(),
            series: columns
                .map(|(place, series)| (series.name.to_owned(), column(place)))
                .collect(),
            heat,
        }
    }
}

/// The ring that answers.
fn choose<'a>(rings: &'a [Ring], query: &HistoryQuery, limit: usize) -> Option<&'a Ring> {
    let range = query.until.saturating_sub(query.from);
    let resolution = |ring: &Ring| u64::from(ring.resolution_s());
    if let Some(wanted) = query.resolution_s {
        // Of a route there are no seconds: the next coarser points stand in, and the answer says which they are.
        return rings.iter().find(|ring| resolution(ring) >= wanted).or(rings.last());
    }
    let newest = rings.first()?.newest().map_or(query.until, u64::from);
    let reach = newest.saturating_sub(query.from);
    let fits = |ring: &&Ring| ring.span_s() >= reach && range / resolution(ring) <= limit as u64;
    rings.iter().find(fits).or(rings.last())
}

fn heat_at(ring: &Ring, place: usize) -> Vec<u64> {
    let count = |column: usize| {
        let count = ring.value(GLOBAL.len() + column, place);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count that was narrowed"
        )]
        let count = if count.is_finite() { count.round() as u64 } else { 0 };
        count
    };
    (0..=HEAT_BOUNDS_MS.len()).map(count).collect()
}

/// The only label there is for a part of the program.
fn subject(labels: &Labels) -> Option<About> {
    let mut labels = labels.iter();
    let about = match labels.next() {
        None => About::All,
        Some((name, value)) if name == "route" => About::Route(value.as_str().into()),
        Some((name, value)) if name == "upstream" => About::Upstream(value.as_str().into()),
        Some(_) => return None,
    };
    labels.next().is_none().then_some(about)
}

impl Values for State {
    fn value(&self, metric: &str, labels: &Labels) -> Option<f64> {
        let about = subject(labels)?;
        let place = place(about.series(), metric)?;
        self.reading.as_ref()?;
        let is_known = about == About::All || self.rings.subjects().any(|known| *known == about);
        is_known
            .then(|| self.newest(&about).get(place).copied().and_then(widen))
            .flatten()
    }

    fn label_sets(&self, metric: &str) -> Vec<Labels> {
        let mut sets = Vec::new();
        if place(GLOBAL, metric).is_some() {
            sets.push(Labels::new());
        }
        for about in self.rings.subjects() {
            let (label, name, known) = match about {
                About::All => continue,
                About::Route(name) => ("route", name, place(ROUTE, metric)),
                About::Upstream(name) => ("upstream", name, place(UPSTREAM, metric)),
            };
            if known.is_some() {
                sets.push(BTreeMap::from([(label.to_owned(), name.to_string())]));
            }
        }
        sets
    }

    fn counts(&self, route: Option<&str>, window: Duration, threshold: Option<Duration>) -> Option<Counts> {
        let (mut counts, mut seconds) = (Counts::default(), 0.0);
        self.ladder.within(self.at().as_secs(), window, &mut |tally| {
            seconds += tally.seconds;
            let did = match route {
                None => Some(&tally.all),
                Some(route) => tally.routes.get(route),
            };
            let Some(did) = did else { return };
            let total = did.duration.count();
            counts.total += total;
            counts.good += match threshold {
                Some(threshold) => did.duration.count_at_most(threshold),
                None => total.saturating_sub(did.failed()),
            };
        });
        if let Some(route) = route
            && !self
                .rings
                .subjects()
                .any(|known| matches!(known, About::Route(name) if **name == *route))
        {
            return None;
        }
        counts.seen = Duration::try_from_secs_f64(seconds).unwrap_or_default().min(window);
        (seconds > 0.0).then_some(counts)
    }
}
