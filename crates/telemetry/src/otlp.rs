//! OpenTelemetry's protocol: spans of requests and all metrics, as the bodies of OTLP/HTTP with protobuf. Sending them is the
//! program's business; here are the queue between the planes and the sender, and the messages.
//!
//! A plane hands over a span without waiting; while the collector does not keep up, spans are dropped and counted. Without a
//! `[otlp]` section a plane pays for one relaxed load.

mod metrics;
mod spans;
#[cfg(test)]
mod tests;
mod wire;

pub use metrics::metrics_request;
pub use spans::{Fetched, LookedUp};

use crate::access::Access;
use crate::trace::{SpanId, Trace, TraceId, TraceParent};
use crate::{Counter, Exposition};
use peregrine_base::{Instant, Random, Secret, Span as Pause, WallTime};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many spans wait for the sender; what comes on top is dropped.
pub const QUEUE_MAX: usize = 4096;
/// How many spans one request carries.
pub const BATCH_MAX: usize = 512;

/// The typed form of `[otlp]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// Where the collector is, without `/v1/traces`; nothing is sent without it.
    pub endpoint: Option<String>,
    /// Fields of each request to it.
    pub headers: BTreeMap<String, String>,
    /// The value of `authorization` in them.
    pub authorization: Option<Secret>,
    /// How often metrics are sent, and how long spans wait at most.
    pub interval: Pause,
    /// How many of the traces that begin here are recorded.
    pub sample: f64,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// Whether spans are sent.
    pub traces: bool,
    /// The name of the service.
    pub service_name: String,
    /// More of what describes it.
    pub attributes: BTreeMap<String, String>,
}

/// Who sends: the resource that all signals are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource(pub Vec<(String, String)>);

/// Takes spans of requests.
#[derive(Debug)]
pub struct Tracer {
    sample: f64,
    queue: Mutex<Vec<wire::Span>>,
    queued: Counter,
    dropped: Counter,
}

impl Tracer {
    /// A tracer that records so many of the traces that begin here.
    #[must_use]
    pub fn new(sample: f64) -> Self {
        Self {
            sample,
            queue: Mutex::default(),
            queued: Counter::new(),
            dropped: Counter::new(),
        }
    }

    /// The part that a request has in the trace that it brings, or in a new one.
    pub fn begin(&self, traceparent: Option<&[u8]>, random: &dyn Random, began: (Instant, WallTime)) -> Trace {
        let parent = traceparent.and_then(TraceParent::parse);
        Trace {
            id: parent.map_or_else(|| TraceId::new(random), |parent| parent.trace),
            span: SpanId::new(random),
            parent: parent.map(|parent| parent.span),
            sampled: parent.map_or_else(|| random.next_unit() < self.sample, |parent| parent.sampled),
            began: began.0,
            began_wall: began.1,
        }
    }

    /// Takes the span of a finished request.
    pub fn finished(&self, trace: &Trace, access: &Access<'_>, redacted: &str) {
        self.push(spans::of_request(trace, access, redacted));
    }

    /// Takes the span of a request to an origin.
    pub fn fetched(&self, trace: &Trace, fetched: &Fetched<'_>) {
        self.push(spans::of_fetch(trace, fetched));
    }

    /// Takes the span of asking the cache.
    pub fn looked_up(&self, trace: &Trace, looked_up: &LookedUp<'_>) {
        self.push(spans::of_lookup(trace, looked_up));
    }

    fn push(&self, span: wire::Span) {
        let mut queue = self.lock();
        if queue.len() >= QUEUE_MAX {
            drop(queue);
            return self.dropped.increment();
        }
        queue.push(span);
        drop(queue);
        self.queued.increment();
    }

    /// The body of a request with at most [`BATCH_MAX`] of the spans that wait, and how many those are; nothing where none do.
    #[must_use]
    pub fn take(&self, resource: &Resource) -> Option<(Vec<u8>, u64)> {
        let mut queue = self.lock();
        let count = queue.len().min(BATCH_MAX);
        let spans: Vec<_> = queue.drain(..count).collect();
        drop(queue);
        let taken = u64::try_from(count).ok().filter(|count| *count > 0)?;
        Some((spans::request(resource, spans), taken))
    }

    /// How many spans wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        for (outcome, count) in [("queued", self.queued.value()), ("dropped", self.dropped.value())] {
            exposition.counter("peregrine_otlp_spans_total", &[("outcome", outcome)], count);
        }
        exposition.gauge("peregrine_otlp_spans_waiting", &[], self.waiting());
    }

    /// What waits. A thread that panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, Vec<wire::Span>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
