//! What is written to the store, and how it is read again at the next start.
//!
//! A second in which requests came is written at once, with the minute that it belongs to; a quiet one waits for
//! `insight.sample_interval`. Everything that is due goes out as one change, so that a crash leaves the second before.
//!
//! | table | key | value |
//! |---|---|---|
//! | `points` | resolution, end, what it is about | which series there are (a hash), their values |
//! | `series` | hash | the names of the series |
//! | `tallies` | step, end | a tally |
//! | `filling` | `tens`, `minute` | end, the tally of a span that is not over |
//! | `changes` | time, number | JSON |
//! | `reports` | time | JSON |

use crate::codec;
use crate::insight::{CHANGES_MAX, Insight, State};
use crate::ladder::STEPS;
use crate::model::{ChangeNote, ReportTitle};
use crate::report::KeptReport;
use crate::rings::{About, Point, Rings};
use crate::series::{GLOBAL, HEAT, ROUTE, Series, UPSTREAM};
use crate::store::{Store, StoreFault, Write};
use crate::tally::Tally;
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const POINTS: &str = "points";
const SERIES: &str = "series";
const TALLIES: &str = "tallies";
const FILLING: &str = "filling";
const CHANGES: &str = "changes";
const REPORTS: &str = "reports";

/// How many writes wait for a store that does not take them; more are dropped and counted. Ten minutes of a busy program
/// with 32 routes.
const WAITING_MAX: usize = 20_000;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Keeping {
    wanted: bool,
    due: bool,
    described: bool,
    written: u64,
    number: u32,
    waiting: Vec<Write>,
    /// Writes that were dropped because nobody took them.
    pub(crate) dropped: u64,
}

impl Keeping {
    pub(crate) const fn new(wanted: bool) -> Self {
        Self {
            wanted,
            due: false,
            described: false,
            written: 0,
            number: 0,
            waiting: Vec::new(),
            dropped: 0,
        }
    }

    fn put(&mut self, table: &'static str, key: Vec<u8>, value: Vec<u8>) {
        self.add(Write::Put { table, key, value });
    }

    fn add(&mut self, write: Write) {
        if !self.wanted {
            return;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.dropped += 1;
            return;
        }
        self.waiting.push(write);
    }

    pub(crate) fn point(&mut self, point: &Point) {
        if !self.wanted {
            return;
        }
        let (kind, name) = subject(&point.about);
        let mut key = point.resolution_s.to_be_bytes().to_vec();
        key.extend(point.at.to_be_bytes());
        key.push(kind);
        key.extend(name.as_bytes());
        let mut value = hash_of(&names(kind)).to_be_bytes().to_vec();
        value.extend(codec::of_row(&point.values));
        self.put(POINTS, key, value);
    }

    pub(crate) fn tally(&mut self, step: usize, end: u64, tally: &Tally) {
        if self.wanted {
            self.put(TALLIES, tally_key(step, end), codec::of_tally(tally));
        }
    }

    pub(crate) fn change(&mut self, note: &ChangeNote) {
        self.number = self.number.wrapping_add(1);
        let mut key = note.at.as_millis().to_be_bytes().to_vec();
        key.extend(self.number.to_be_bytes());
        self.put(CHANGES, key, serde_json::to_vec(note).unwrap_or_default());
        self.due = true;
    }

    pub(crate) fn report(&mut self, at: Time, json: &str) {
        self.put(REPORTS, at.as_millis().to_be_bytes().to_vec(), json.as_bytes().to_vec());
        self.due = true;
    }

    pub(crate) fn forget_report(&mut self, at: Time) {
        let key = at.as_millis().to_be_bytes().to_vec();
        self.add(Write::Remove { table: REPORTS, key });
    }

    /// A second is over.
    pub(crate) fn second(&mut self, at: u64, busy: bool, interval: Duration) {
        self.due |= busy || self.written.saturating_add(interval.as_secs()) <= at || self.written > at;
        if self.due {
            self.written = at;
        }
    }

    /// Lets go of all points and tallies: of those that are kept, and of those that wait.
    pub(crate) fn forget(&mut self) {
        let measured = [POINTS, TALLIES, FILLING];
        self.waiting.retain(|write| match write {
            Write::Put { table, .. } | Write::Remove { table, .. } | Write::RemoveRange { table, .. } => {
                !measured.contains(table)
            }
        });
        for table in measured {
            self.add(Write::RemoveRange {
                table,
                from: Vec::new(),
                until: vec![0xff; 16],
            });
        }
        self.due = true;
    }

    /// How many changes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn hurry(&mut self) {
        self.due = true;
    }

    /// Lets go of what is older than it is to be kept.
    pub(crate) fn prune(&mut self, at: u64, rings: &Rings, changes_from: Option<Time>) {
        for (resolution, kept_s) in rings.resolutions() {
            let cutoff = u32::try_from(at.saturating_sub(kept_s)).unwrap_or(u32::MAX);
            let key = |at: u32| [resolution.to_be_bytes(), at.to_be_bytes()].concat();
            self.add(Write::RemoveRange {
                table: POINTS,
                from: key(0),
                until: key(cutoff),
            });
        }
        for (step, (length, count)) in STEPS.iter().enumerate() {
            let cutoff = at.saturating_sub(length * *count as u64);
            self.add(Write::RemoveRange {
                table: TALLIES,
                from: tally_key(step, 0),
                until: tally_key(step, cutoff),
            });
        }
        if let Some(from) = changes_from {
            let until = from.as_millis().to_be_bytes().to_vec();
            self.add(Write::RemoveRange {
                table: CHANGES,
                from: Vec::new(),
                until,
            });
        }
    }
}

fn tally_key(step: usize, end: u64) -> Vec<u8> {
    let mut key = vec![u8::try_from(step).unwrap_or(u8::MAX)];
    key.extend(end.to_be_bytes());
    key
}

fn subject(about: &About) -> (u8, &str) {
    match about {
        About::All => (0, ""),
        About::Route(name) => (1, name),
        About::Upstream(name) => (2, name),
    }
}

fn about(kind: u8, name: &[u8]) -> Option<About> {
    let name = || std::str::from_utf8(name).ok().map(Arc::<str>::from);
    match kind {
        0 => Some(About::All),
        1 => name().map(About::Route),
        2 => name().map(About::Upstream),
        _ => None,
    }
}

/// The names of the columns of points about something of this kind.
fn names(kind: u8) -> String {
    let list: &[Series] = match kind {
        0 => GLOBAL,
        1 => ROUTE,
        _ => UPSTREAM,
    };
    let mut names: Vec<String> = list.iter().map(|series| series.name.to_owned()).collect();
    if kind == 0 {
        names.extend((0..HEAT).map(|column| format!("heat_{column}")));
    }
    names.join(",")
}

/// FNV-1a: the same in every version, which no hash of the library promises.
fn hash_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl State {
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        if !self.keeping.wanted || !self.keeping.due {
            return Vec::new();
        }
        self.keeping.due = false;
        if !self.keeping.described {
            self.keeping.described = true;
            for kind in 0..3 {
                let names = names(kind);
                self.keeping
                    .put(SERIES, hash_of(&names).to_be_bytes().to_vec(), names.into_bytes());
            }
        }
        for (key, filling) in [("tens", self.tens.as_ref()), ("minute", self.ladder.filling())] {
            if let Some((end, tally)) = filling {
                let mut value = end.to_be_bytes().to_vec();
                value.extend(codec::of_tally(tally));
                self.keeping.put(FILLING, key.as_bytes().to_vec(), value);
            }
        }
        std::mem::take(&mut self.keeping.waiting)
    }

    pub(crate) fn prune(&mut self, at: u64) {
        let is_full = self.changes.len() >= CHANGES_MAX;
        let oldest = self.changes.front().filter(|_| is_full).map(|note| note.at);
        self.keeping.prune(at, &self.rings, oldest);
    }
}

/// What was read at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Points.
    pub points: u64,
    /// Records that could not be understood and were left.
    pub unreadable: u64,
    /// When the oldest point ended.
    pub oldest: Option<Time>,
    /// When the newest point ended.
    pub newest: Option<Time>,
}

impl Insight {
    /// Takes back what an earlier program wrote. To be called before the first tick, on a thread that may wait; queries are
    /// answered meanwhile, from nothing. Points that would lie after `now` are left out.
    ///
    /// # Errors
    /// When the store cannot be read; what was read until then holds.
    pub fn restore(&self, store: &dyn Store, now: Time) -> Result<Restored, StoreFault> {
        let (retention, routes, upstreams) = {
            let config = &self.lock().config;
            (config.retention.get(), config.routes_max, config.upstreams_max)
        };
        let mut restored = Restored::default();
        let mut rings = Rings::new(retention, routes, upstreams);
        let outcome = read_points(store, now, &mut rings, &mut restored);
        self.lock().rings = rings;
        outcome?;
        self.lock().read_tallies(store, now, &mut restored)?;
        self.lock().read_notes(store, &mut restored)?;
        Ok(restored)
    }
}

/// Which column a stored value belongs to now.
type Columns = Vec<Option<usize>>;

fn read_points(store: &dyn Store, now: Time, rings: &mut Rings, restored: &mut Restored) -> Result<(), StoreFault> {
    let mut layouts: BTreeMap<(u32, u8), Columns> = BTreeMap::new();
    store.scan(SERIES, &[], &[0xff; 5], &mut |key, value| {
        if let (Ok(hash), Ok(stored)) = (key.try_into().map(u32::from_be_bytes), std::str::from_utf8(value)) {
            for kind in 0..3 {
                let known = names(kind);
                let place = |name: &str| known.split(',').position(|known| known == name);
                layouts.insert((hash, kind), stored.split(',').map(place).collect());
            }
        }
        true
    })?;
    store.scan(POINTS, &[], &[0xff; 9], &mut |key, value| {
        let point = point_of(key, value, &layouts);
        match point {
            Some(point) if u64::from(point.at) <= now.as_secs() => {
                let at = Time::from_millis(u64::from(point.at) * 1000);
                if point.about == About::All {
                    restored.oldest = Some(restored.oldest.map_or(at, |oldest| oldest.min(at)));
                    restored.newest = Some(restored.newest.map_or(at, |newest| newest.max(at)));
                }
                restored.points += 1;
                rings.push(&point);
            }
            Some(_) => {}
            None => restored.unreadable += 1,
        }
        true
    })
}

fn point_of(key: &[u8], value: &[u8], layouts: &BTreeMap<(u32, u8), Columns>) -> Option<Point> {
    let (resolution, rest) = key.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (kind, name) = rest.split_first()?;
    let (hash, row) = value.split_first_chunk()?;
    let columns = layouts.get(&(u32::from_be_bytes(*hash), *kind))?;
    let stored = codec::row(row, columns.len())?;
    let about = about(*kind, name)?;
    let mut values = vec![f32::NAN; about.columns()];
    for (column, value) in columns.iter().zip(stored) {
        if let Some(own) = column.and_then(|column| values.get_mut(column)) {
            *own = value;
        }
    }
    Some(Point {
        about,
        resolution_s: u32::from_be_bytes(*resolution),
        at: u32::from_be_bytes(*at),
        values,
    })
}

impl State {
    fn read_tallies(&mut self, store: &dyn Store, now: Time, restored: &mut Restored) -> Result<(), StoreFault> {
        let mut tallies = Vec::new();
        store.scan(TALLIES, &[], &[0xff; 9], &mut |key, value| {
            let read = key.split_first().and_then(|(step, end)| {
                Some((
                    usize::from(*step),
                    u64::from_be_bytes(end.try_into().ok()?),
                    codec::tally(value)?,
                ))
            });
            match read {
                Some(read) => tallies.push(read),
                None => restored.unreadable += 1,
            }
            true
        })?;
        for (step, end, tally) in tallies {
            if end <= now.as_secs() {
                self.ladder.restore(step, end, tally);
            }
        }
        let mut fillings = Vec::new();
        store.scan(FILLING, &[], &[0xff], &mut |key, value| {
            let read = value
                .split_first_chunk()
                .and_then(|(end, tally)| Some((u64::from_be_bytes(*end), codec::tally(tally)?)));
            match read {
                Some((end, tally)) => fillings.push((key == b"minute", end, tally)),
                None => restored.unreadable += 1,
            }
            true
        })?;
        let now_s = now.as_secs();
        for (is_minute, end, tally) in fillings {
            match (is_minute, end > now_s) {
                // The span goes on.
                (true, true) if end <= now_s + 60 => self.ladder.resume(end, tally),
                (false, true) if end <= now_s + 10 => self.tens = Some((end, tally)),
                (_, true) => {}
                // It was over while nothing ran.
                (true, false) => {
                    self.make(&tally, 60, end);
                    self.keeping.tally(0, end, &tally);
                    self.ladder.restore(0, end, tally);
                }
                (false, false) => drop(self.make(&tally, 10, end)),
            }
        }
        for (step, end, tally) in self.ladder.settle(now_s) {
            self.keeping.tally(step, end, &tally);
            if step == 1 {
                self.make(&tally, 900, end);
            }
        }
        Ok(())
    }

    fn read_notes(&mut self, store: &dyn Store, restored: &mut Restored) -> Result<(), StoreFault> {
        let (mut notes, mut reports) = (Vec::new(), Vec::new());
        store.scan(CHANGES, &[], &[0xff; 13], &mut |_, value| {
            match serde_json::from_slice(value) {
                Ok(note) => notes.push(note),
                Err(_) => restored.unreadable += 1,
            }
            true
        })?;
        store.scan(REPORTS, &[], &[0xff; 9], &mut |_, value| {
            let title = serde_json::from_slice::<ReportTitle>(value).ok();
            match title.zip(std::str::from_utf8(value).ok()) {
                Some((title, json)) => reports.push(KeptReport {
                    title,
                    json: json.into(),
                }),
                None => restored.unreadable += 1,
            }
            true
        })?;
        let since = std::mem::take(&mut self.changes);
        self.changes.extend(notes);
        self.changes.extend(since);
        while self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
        for at in self.reporting.take_back(reports) {
            self.keeping.forget_report(at);
        }
        Ok(())
    }
}
