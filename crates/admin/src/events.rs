//! What happens, as it happens: GET `events`, a stream of server-sent events.
//!
//! Guarantees: every event has a number, larger than all before it, also those of an earlier start; who comes again with the
//! last number that they saw gets what they missed, or is told how much of it is gone; there is one ring of events for
//! everybody, so that somebody who reads slowly costs nothing and misses something, which they are told; a stream ends with
//! the program, and when what let its reader in is over.

mod sources;
mod stream;
#[cfg(test)]
mod tests;

use crate::query::Query;
use crate::refusal::{Refusal, fault};
use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use parking_lot::Mutex;
use peregrine_base::{Clock, Runtime};
use peregrine_net::drain::DrainWatch;
use peregrine_telemetry::{Counter, Exposition};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The most events that are kept for somebody who comes again.
pub(crate) const KEPT_MAX: usize = 4096;
/// The most bytes of them.
const KEPT_MAX_BYTES: usize = 8 << 20;
/// The largest event; a larger one is left out.
const EVENT_MAX_BYTES: usize = 64 << 10;
/// The most streams at the same time.
pub(crate) const STREAMS_MAX: usize = 64;
/// How often something is sent on a stream on which nothing happens, so that both ends know that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Sample,
    Alert,
    Request,
    Change,
    Invalidation,
    Report,
    Audit,
}

impl Topic {
    pub(crate) const ALL: [Self; 7] = [
        Self::Sample,
        Self::Alert,
        Self::Request,
        Self::Change,
        Self::Invalidation,
        Self::Report,
        Self::Audit,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Alert => "alert",
            Self::Request => "request",
            Self::Change => "change",
            Self::Invalidation => "invalidation",
            Self::Report => "report",
            Self::Audit => "audit",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(u8);

impl Topics {
    pub(crate) const fn has(self, topic: Topic) -> bool {
        self.0 & topic.bit() != 0
    }

    #[must_use]
    pub(crate) const fn with(self, topic: Topic) -> Self {
        Self(self.0 | topic.bit())
    }
}

/// What somebody wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topics: Topics,
    /// The last number that they saw.
    pub(crate) after: Option<u64>,
}

impl Wanted {
    /// Reads the query, and `Last-Event-ID`, which counts more: a browser that comes again sends it beside the same query.
    pub(crate) fn of(request: &Parts) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        let mut query = Query::parse(request.uri.query(), &["topics", "after"], &mut faults);
        let mut topics = Topics::default();
        let named = query.take("topics").unwrap_or_default();
        for name in named.split(',').filter(|name| !name.is_empty()) {
            match Topic::ALL.iter().find(|topic| topic.as_str() == name) {
                Some(topic) => topics = topics.with(*topic),
                None => {
                    let known: Vec<&str> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
                    faults.push(fault("topics", format!("`{name}` is none of {}", known.join(", "))));
                }
            }
        }
        let after = query.number("after", &mut faults);
        if topics == Topics::default() && faults.is_empty() {
            faults.push(fault("topics", "is missing: name at least one"));
        }
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        let last = request.headers.get("last-event-id").map(HeaderValue::to_str);
        let last = last.and_then(|text| text.ok()?.trim().parse().ok());
        Ok(Self {
            topics,
            after: last.or(after),
        })
    }
}

/// One event, as it is sent.
struct Event {
    seq: u64,
    topic: Topic,
    text: Bytes,
}

/// Where events come together and go out.
pub(crate) struct Hub {
    runtime: Arc<dyn Runtime>,
    drain: DrainWatch,
    state: Mutex<State>,
    missed: Counter,
}

#[derive(Default)]
struct State {
    ring: VecDeque<Event>,
    bytes: usize,
    next: u64,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    /// Whether somebody takes requests from the tail.
    tailing: bool,
}

/// Somebody who listens.
struct Reader {
    topics: Topics,
    waker: Option<Waker>,
}

impl Hub {
    pub(crate) fn new(clock: &dyn Clock, runtime: Arc<dyn Runtime>, drain: DrainWatch) -> Arc<Self> {
        let state = State {
            // So that the numbers of this start are larger than those of the one before: no more than a thousand events
            // happen in a second for long.
            next: clock.wall().as_millis().max(1),
            ..State::default()
        };
        Arc::new(Self {
            runtime,
            drain,
            state: Mutex::new(state),
            missed: Counter::new(),
        })
    }

    /// Tells `data` to whoever listens to `topic`.
    pub(crate) fn publish(&self, topic: Topic, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else {
            tracing::error!(topic = topic.as_str(), "an event cannot be written as JSON");
            return;
        };
        if data.len() > EVENT_MAX_BYTES {
            tracing::warn!(
                topic = topic.as_str(),
                bytes = data.len(),
                "an event is too large to be told"
            );
            return;
        }
        let mut state = self.state.lock();
        let seq = state.next;
        state.next += 1;
        let text: Bytes = format!("id: {seq}\nevent: {}\ndata: {data}\n\n", topic.as_str()).into();
        state.bytes += text.len();
        state.ring.push_back(Event { seq, topic, text });
        while state.ring.len() > KEPT_MAX || state.bytes > KEPT_MAX_BYTES {
            let Some(oldest) = state.ring.pop_front() else { break };
            state.bytes -= oldest.text.len();
        }
        let readers = state.readers.values_mut().filter(|reader| reader.topics.has(topic));
        let wakers: Vec<Waker> = readers.filter_map(|reader| reader.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Adds its metrics.
    pub(crate) fn expose(&self, exposition: &mut Exposition) {
        let streams = self.state.lock().readers.len() as u64;
        exposition.gauge("peregrine_admin_event_streams", &[], streams);
        exposition.counter("peregrine_admin_events_missed_total", &[], self.missed.value());
    }
}

impl State {
    /// Whether somebody listens to `topic`.
    fn is_heard(&self, topic: Topic) -> bool {
        self.readers.values().any(|reader| reader.topics.has(topic))
    }
}
