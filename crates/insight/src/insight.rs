//! The core: takes a reading each second and keeps what follows from it. Everything behind one lock, which a tick and a
//! query hold for well under a millisecond; requests never come here.

use crate::config::InsightConfig;
use crate::events::{Event, Events};
use crate::figures;
use crate::keeping::Keeping;
use crate::ladder::{Ladder, NOW_S};
use crate::model::{ChangeKind, ChangeNote, Sample};
use crate::reading::Reading;
use crate::report::Reporting;
use crate::rings::{About, Point, Rings};
use crate::series::{GLOBAL, widen};
use crate::store::Write;
use crate::tally::Tally;
use crate::time::Time;
use crate::values::Values;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// How many changes are remembered.
pub(crate) const CHANGES_MAX: usize = 500;

/// How often what is too old is removed from the store, in seconds.
const PRUNE_EVERY_S: u64 = 60;

/// What happened, what it means and what to do about it.
#[derive(Debug)]
pub struct Insight {
    pub(crate) version: &'static str,
    pub(crate) node: String,
    pub(crate) state: Mutex<State>,
    events: Events,
}

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: InsightConfig,
    /// The newest reading.
    pub(crate) reading: Option<Arc<Reading>>,
    pub(crate) rings: Rings,
    pub(crate) ladder: Ladder,
    /// The ten seconds that are being filled, and when they end.
    pub(crate) tens: Option<(u64, Tally)>,
    /// The last ten seconds, with gauges of the newest one.
    pub(crate) now: Tally,
    /// What was changed, oldest first.
    pub(crate) changes: VecDeque<ChangeNote>,
    /// Since when each target of an upstream is as it is, by upstream and URL.
    pub(crate) healths: BTreeMap<(Arc<str>, Arc<str>), Health>,
    /// Which nodes are there.
    nodes: Option<Vec<String>>,
    /// Reports and recommendations.
    pub(crate) reporting: Reporting,
    /// What is to be written.
    pub(crate) keeping: Keeping,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InsightStatus {
    /// Bytes that points occupy in memory.
    pub memory_bytes: u64,
    /// Changes that wait to be written.
    pub writes_waiting: u64,
    /// Changes that were dropped because too many waited.
    pub writes_dropped: u64,
}

/// How a target is, and since when.
type Health = (&'static str, Time);

impl Insight {
    /// Nothing has happened yet. `version` is the program's, `node` what this node is called.
    #[must_use]
    pub fn new(config: InsightConfig, version: &'static str, node: impl Into<String>) -> Self {
        let rings = Rings::new(config.retention.get(), config.routes_max, config.upstreams_max);
        let keeping = Keeping::new(config.persist);
        Self {
            version,
            node: node.into(),
            events: Events::default(),
            state: Mutex::new(State {
                config,
                reading: None,
                rings,
                ladder: Ladder::default(),
                tens: None,
                now: Tally::default(),
                changes: VecDeque::new(),
                healths: BTreeMap::new(),
                nodes: None,
                reporting: Reporting::default(),
                keeping,
            }),
        }
    }

    /// Takes over what a reload can change: costs, the threshold of the Apdex, intervals.
    pub fn reconfigure(&self, config: InsightConfig) {
        self.state.lock().config = config;
    }

    /// What is configured.
    #[must_use]
    pub fn config(&self) -> InsightConfig {
        self.state.lock().config.clone()
    }

    /// Takes the numbers of all rooms at one moment, about once a second; a second reading within the same second of civil
    /// time is left to the next.
    pub fn tick(&self, reading: Reading) {
        let mut notes = Vec::new();
        let sample = {
            let mut state = self.state.lock();
            let made = state.tick(reading, &mut notes);
            made.filter(|_| self.events.is_heard())
        };
        notes
            .into_iter()
            .for_each(|note| self.events.publish(Event::Change(note)));
        if let Some(point) = sample {
            self.events.publish(Event::Sample(sample_of(&point)));
        }
    }

    /// Everything from now on; a listener who is too slow misses the oldest and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Where events are told.
    #[must_use]
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// Remembers that something was changed, and tells it.
    pub fn note(&self, note: ChangeNote) {
        self.state.lock().note(note.clone());
        self.events.publish(Event::Change(note));
    }

    /// What was changed, newest first, at most `limit`.
    #[must_use]
    pub fn changes(&self, limit: usize) -> Vec<ChangeNote> {
        self.state.lock().changes.iter().rev().take(limit).cloned().collect()
    }

    /// The newest numbers, for as long as `look` looks at them. Nothing else of insight may be called meanwhile.
    pub fn with_values<T>(&self, look: impl FnOnce(&dyn Values) -> T) -> T {
        look(&*self.state.lock())
    }

    /// When the newest reading was taken.
    #[must_use]
    pub fn at(&self) -> Time {
        self.state.lock().at()
    }

    /// What is to be written since this was called last; nothing while nothing is due. The caller must write all of it, in
    /// order and at once, or lose it.
    #[must_use]
    pub fn take_writes(&self) -> Vec<Write> {
        self.state.lock().take_writes()
    }

    /// As [`Insight::take_writes`], whether or not it is due: before the end of the program.
    #[must_use]
    pub fn take_all_writes(&self) -> Vec<Write> {
        let mut state = self.state.lock();
        state.keeping.hurry();
        state.take_writes()
    }

    /// How much there is, for metrics.
    #[must_use]
    pub fn status(&self) -> InsightStatus {
        let state = self.state.lock();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        InsightStatus {
            memory_bytes: wide(state.rings.bytes()),
            writes_waiting: wide(state.keeping.waiting()),
            writes_dropped: state.keeping.dropped,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

fn sample_of(point: &Point) -> Sample {
    let values = GLOBAL.iter().zip(&point.values);
    Sample {
        at: u64::from(point.at),
        values: values
            .map(|(series, value)| (series.name.to_owned(), widen(*value)))
            .collect(),
    }
}

impl State {
    /// When the newest reading was taken.
    pub(crate) fn at(&self) -> Time {
        self.reading
            .as_ref()
            .map_or_else(Time::default, |reading| reading.at.into())
    }

    /// The answer that satisfies a user.
    pub(crate) fn threshold(&self) -> Duration {
        self.config.apdex_threshold.get()
    }

    fn tick(&mut self, reading: Reading, notes: &mut Vec<ChangeNote>) -> Option<Point> {
        let at = reading.at.as_secs();
        if self.reading.as_ref().is_some_and(|before| before.at.as_secs() == at) {
            return None;
        }
        self.notice(&reading, notes);
        let tally = Tally::between(&reading, self.reading.as_deref(), &mut self.rings);
        self.reading = Some(Arc::new(reading));
        let busy = tally.all.outcomes.total() > 0;
        let second = self.make(&tally, 1, at);
        if let Some((end, filled)) = self.tens.take_if(|(end, _)| *end != at.div_ceil(NOW_S) * NOW_S) {
            self.make(&filled, 10, end);
        }
        let (_, tens) = self
            .tens
            .get_or_insert_with(|| (at.div_ceil(NOW_S) * NOW_S, Tally::default()));
        tens.merge(&tally);
        let gauges = tally.gauges;
        for (step, end, filled) in self.ladder.push(at, tally) {
            self.keeping.tally(step, end, &filled);
            match step {
                0 => drop(self.make(&filled, 60, end)),
                1 => drop(self.make(&filled, 900, end)),
                _ => {}
            }
        }
        self.now = self.ladder.total(at, Duration::from_secs(NOW_S));
        self.now.gauges = gauges;
        self.keeping.second(at, busy, self.config.sample_interval.get());
        if at.is_multiple_of(PRUNE_EVERY_S) {
            self.prune(at);
        }
        second
    }

    /// Makes the points of `tally`, keeps them, and answers with that of the whole program.
    pub(crate) fn make(&mut self, tally: &Tally, resolution_s: u32, at: u64) -> Option<Point> {
        let points = self.rings.points(tally, resolution_s, at, self.threshold());
        for point in &points {
            self.rings.push(point);
            self.keeping.point(point);
        }
        points.into_iter().find(|point| point.about == About::All)
    }

    pub(crate) fn note(&mut self, note: ChangeNote) {
        self.keeping.change(&note);
        if self.changes.len() >= CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(note);
    }

    /// Notes which targets and nodes came or went.
    fn notice(&mut self, reading: &Reading, notes: &mut Vec<ChangeNote>) {
        let at = Time::from(reading.at);
        let note = |kind, text| ChangeNote {
            at,
            kind,
            text,
            by: None,
            id: None,
        };
        let mut healths = BTreeMap::new();
        for upstream in &reading.upstreams {
            for target in &upstream.targets {
                let key = (Arc::clone(&upstream.name), Arc::clone(&target.url));
                let before = self.healths.get(&key).copied();
                let since = match before {
                    Some((health, since)) if health == target.health => since,
                    _ => at,
                };
                if let Some((health, _)) = before
                    && health != target.health
                    && [health, target.health]
                        .iter()
                        .any(|health| matches!(*health, "unhealthy" | "ejected"))
                {
                    let text = format!("{}: {} is {}, was {health}", upstream.name, target.url, target.health);
                    notes.push(note(ChangeKind::Upstream, text));
                }
                healths.insert(key, (target.health, since));
            }
        }
        self.healths = healths;
        let nodes = reading.sharing.as_ref().filter(|sharing| sharing.up);
        if let Some(sharing) = nodes {
            let names: Vec<String> = sharing.nodes.iter().map(|node| node.name.clone()).collect();
            if let Some(before) = &self.nodes {
                let came = names.iter().filter(|name| !before.contains(name));
                let went = before.iter().filter(|name| !names.contains(name));
                notes.extend(came.map(|name| note(ChangeKind::Node, format!("node {name} came"))));
                notes.extend(went.map(|name| note(ChangeKind::Node, format!("node {name} went"))));
            }
            self.nodes = Some(names);
        }
        notes.iter().for_each(|note| self.note(note.clone()));
    }

    /// The newest values of what `about` is about.
    pub(crate) fn newest(&self, about: &About) -> Vec<f32> {
        let (routes, upstreams) = (&self.now.routes, &self.now.upstreams);
        match about {
            About::All => figures::global_row(&self.now, self.threshold()),
            About::Route(name) => figures::route_row(routes.get(name).unwrap_or(&Default::default()), self.now.seconds),
            About::Upstream(name) => {
                figures::upstream_row(upstreams.get(name).unwrap_or(&Default::default()), self.now.seconds)
            }
        }
    }
}
