//! Making encodings of stored bodies: once for each entry and coding, for the first who asks, by a few threads of the
//! blocking pool. What waits to be made is charged to the bodies under way and bounded; what finds no place is left out, and
//! the next who asks begins again.

use crate::budget::Charge;
use crate::codec;
use crate::coding::Coding;
use crate::engine::Engine;
use crate::entry::{Coded, Encoding, Entry, Kind};
use crate::hit::{Hit, length};
use crate::key::{Key, variant_hash};
use crate::lease::{Held, Variant};
use crate::outcome::EncodingOutcome;
use crate::sync::Mutex;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many encodings wait to be made.
const WAITING_MAX: usize = 256;
/// The share of the bodies under way that may wait to be encoded: one part in this many.
const IN_FLIGHT_PART: u64 = 4;
/// How often the entry may be replaced under the hands of one who brings it an encoding.
const ATTEMPTS_MAX: usize = 4;

/// Who makes encodings, and what waits to be made.
pub(crate) struct Encoder {
    state: Mutex<State>,
    workers_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    workers: usize,
    /// Of what waits or is being made.
    bytes: u64,
}

impl State {
    /// Whether a body of `length` bytes may wait. One may, however long it is.
    fn has_room(&self, length: u64, bytes_max: u64) -> bool {
        self.waiting.len() < WAITING_MAX && (self.bytes == 0 || self.bytes + length <= bytes_max)
    }
}

/// One encoding to be made.
struct Job {
    key: Key,
    hash: u64,
    hit: Hit,
    encoding: Encoding,
    /// Whether the encoding takes the place of the body as it was loaded.
    replaces: bool,
    /// For the body, which nobody else may hold any more, and what is made of it.
    charge: Charge,
}

impl Encoder {
    /// With half as many workers as there are `cores`.
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            state: Mutex::new(State::default()),
            workers_max: (cores / 2).max(1),
        }
    }

    /// Whether a body of `length` bytes finds a place.
    fn has_room(&self, length: u64, bytes_max: u64) -> bool {
        self.state.lock().has_room(length, bytes_max)
    }

    /// Lets `job` wait, unless too many do. Whether it did, and whether another worker is wanted.
    fn submit(&self, job: Job, bytes_max: u64) -> Result<bool, Job> {
        let mut state = self.state.lock();
        let length = length(&job.hit.0);
        if !state.has_room(length, bytes_max) {
            return Err(job);
        }
        state.bytes += length;
        state.waiting.push_back(job);
        let wanted = state.workers < self.workers_max;
        state.workers += usize::from(wanted);
        Ok(wanted)
    }

    /// The next job. Nothing ends the worker.
    fn next(&self, shift: &mut Shift<'_>) -> Option<Job> {
        let mut state = self.state.lock();
        state.bytes -= std::mem::take(&mut shift.bytes);
        let job = state.waiting.pop_front();
        match &job {
            Some(job) => shift.bytes = length(&job.hit.0),
            None => {
                state.workers -= 1;
                shift.is_over = true;
            }
        }
        job
    }
}

/// A worker's place, given back also by one that panics.
struct Shift<'a> {
    encoder: &'a Encoder,
    bytes: u64,
    is_over: bool,
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut state = self.encoder.state.lock();
            state.workers -= 1;
            state.bytes -= self.bytes;
        }
    }
}

impl Engine {
    /// Lets the body of `hit`, which was found under `key`, be made in `coding` too, if that is not done or under way, and is
    /// not known to be in vain. Returns at once; a later lookup finds what came of it. Where entries have to make room for
    /// others, one that nobody asked for again yet is left as it is: most of those go before anybody does, and an encoding
    /// costs more than the answer.
    pub fn encode(self: &Arc<Self>, key: &Key, hit: &Hit, coding: Coding) {
        if hit.0.coded_length(coding).is_some() || hit.hits() == 0 && key.namespace().tier().is_crowded() {
            return;
        }
        if hit.0.claim(coding) {
            let hash = self.place(key, &hit.0);
            self.begin(key, hash, hit, coding.into(), false);
        }
    }

    /// Compresses what was stored as its strategy says, and puts that in its place.
    pub(crate) fn compress_later(self: &Arc<Self>, held: &Held, variant: &Variant, hit: &Hit) {
        let size = usize::try_from(length(&hit.0)).unwrap_or(usize::MAX);
        let compressible = hit.0.compressible();
        let Some(encoding) = codec::choose(held.strategy.compression(), compressible, size) else {
            return;
        };
        let is_plain = hit.0.encoding() == Encoding::Identity;
        if is_plain && encoding.coding().is_none_or(|coding| hit.0.claim(coding)) {
            self.begin(&held.key, variant.hash(&held.key), hit, encoding, true);
        }
    }

    /// Where `entry` lies, if it is there.
    pub(crate) fn place(&self, key: &Key, entry: &Entry) -> u64 {
        if entry.variant().is_empty() && self.selector(key).is_none() {
            key.hash()
        } else {
            variant_hash(key.hash(), entry.variant())
        }
    }

    fn begin(self: &Arc<Self>, key: &Key, hash: u64, hit: &Hit, encoding: Encoding, replaces: bool) {
        let length = length(&hit.0);
        let in_flight_max = self.budget.bounds().in_flight_max;
        let bytes_max = in_flight_max / IN_FLIGHT_PART;
        let mut job = Job {
            key: key.clone(),
            hash,
            hit: hit.clone(),
            encoding,
            replaces,
            charge: self.charge(),
        };
        if length.saturating_mul(2) > in_flight_max {
            // It never finds a place, so nobody tries again.
            return self.finish(&job, EncodingOutcome::NoRoom);
        }
        // The body itself, and at most as much again.
        let has_room = self.encoder.has_room(length, bytes_max) && job.charge.grow(length * 2);
        let begun = if has_room {
            self.encoder.submit(job, bytes_max)
        } else {
            Err(job)
        };
        match begun {
            Ok(false) => {}
            Ok(true) => {
                let engine = Arc::clone(self);
                self.parts.runtime.spawn_blocking(Box::new(move || engine.work()));
            }
            Err(job) => self.finish(&job, EncodingOutcome::Crowded),
        }
    }

    /// A worker: makes what waits, until nothing does.
    fn work(&self) {
        let mut shift = Shift {
            encoder: &self.encoder,
            bytes: 0,
            is_over: false,
        };
        while let Some(job) = self.encoder.next(&mut shift) {
            let outcome = self.make(&job);
            self.finish(&job, outcome);
        }
    }

    fn finish(&self, job: &Job, outcome: EncodingOutcome) {
        job.key.namespace().counters().encoded(outcome);
        if let Some(coding) = job.encoding.coding() {
            match outcome {
                EncodingOutcome::Crowded => job.hit.0.unclaim(coding),
                EncodingOutcome::NoGain => {
                    job.hit.0.set_fruitless(coding);
                    // It may have another set of encodings by now.
                    if let Some(there) = self.there(job) {
                        there.set_fruitless(coding);
                    }
                }
                EncodingOutcome::Stored | EncodingOutcome::Overtaken | EncodingOutcome::NoRoom => {}
            }
        }
    }

    fn make(&self, job: &Job) -> EncodingOutcome {
        let Some(mut there) = self.there(job) else {
            return EncodingOutcome::Overtaken;
        };
        let body = job.hit.body();
        let length = body.length();
        let made = match job.encoding.coding() {
            Some(coding) => codec::pack(coding, || body.chunks(), length, codec::worthwhile(length)),
            None => codec::frames(body.chunks()),
        };
        let Some(pieces) = made else {
            return EncodingOutcome::NoGain;
        };
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = with_encoding(&there, job, length, pieces.clone()) else {
                return EncodingOutcome::NoRoom;
            };
            if entry.weight() > job.key.namespace().tier().weight_max() {
                return EncodingOutcome::NoRoom;
            }
            let shard = self.flights.lock(job.key.hash());
            let tier = job.key.namespace().tier();
            if tier.peek(job.hash).is_some_and(|now| now.same(&there)) {
                // Where it is refused all the same the value is gone: a miss.
                return match self.put(&job.key, job.hash, &entry) {
                    Ok(()) => EncodingOutcome::Stored,
                    Err(_) => EncodingOutcome::NoRoom,
                };
            }
            drop(shard);
            match self.there(job) {
                Some(now) => there = now,
                None => return EncodingOutcome::Overtaken,
            }
        }
        EncodingOutcome::Overtaken
    }

    /// What lies there now, if that is still the same body: the entry itself, or one that has other encodings or a new head.
    fn there(&self, job: &Job) -> Option<Entry> {
        let there = job.key.namespace().tier().peek(job.hash)?;
        let is_it = there.kind() == Kind::Value
            && there.is_under(job.key.text(), job.hit.variant())
            && (there.same(&job.hit.0) || there.shares_body(&job.hit.0) || same_bytes(&there, &job.hit));
        is_it.then_some(there)
    }
}

/// Whether the body of `there`, in whatever encoding it is kept, is that of `hit`.
fn same_bytes(there: &Entry, hit: &Hit) -> bool {
    let there = Hit(there.clone());
    there.length() == hit.length() && codec::same(there.body().chunks(), hit.body().chunks())
}

/// `there` with what was made of its body.
fn with_encoding(there: &Entry, job: &Job, length: u64, pieces: Vec<Bytes>) -> Option<Entry> {
    match job.encoding.coding() {
        Some(coding) if !job.replaces => there.with_coded(Coded {
            coding,
            pieces: pieces.into(),
        }),
        _ => there.recoded(job.encoding, length, pieces),
    }
}
