//! OpenTelemetry's protocol: spans of requests and all metrics, as the bodies of OTLP/HTTP with protobuf. Sending them is the
//! program's business; here are the queue between the planes and the sender, and the messages.
//!
//! A plane hands over a span without waiting; while the collector does not keep up, spans are dropped and counted. Without a
//! `[otlp]` section a plane pays for one relaxed load.

mod message;
mod metrics;
mod queue;
mod spans;
#[cfg(test)]
mod tests;
mod wire;

pub use metrics::metrics_request;
pub use spans::{Fetched, LookedUp};

use crate::Exposition;
use crate::access::Access;
use crate::trace::{SpanId, Trace, TraceId, TraceParent};
use peregrine_base::{Instant, Random, Secret, Span as Pause, WallTime};
use queue::Queue;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    queue: Queue,
}

impl Tracer {
    /// A tracer that records so many of the traces that begin here.
    #[must_use]
    pub fn new(sample: f64) -> Self {
        Self {
            sample,
            queue: Queue::default(),
        }
    }

    /// The part that a request has in the trace that it brings, or in a new one.
    pub fn begin(&self, traceparent: Option<&[u8]>, random: &dyn Random, began: (Instant, WallTime)) -> Trace {
        let parent = traceparent.and_then(TraceParent::parse);
        trace(parent, self.is_recorded(parent, random), random, began)
    }

    /// As [`begin`](Self::begin), of a request that goes no further than here: it has a part in a trace only where that is
    /// recorded, and only then is anybody asked when it `began`.
    pub fn begin_recorded(
        &self,
        traceparent: Option<&[u8]>,
        random: &dyn Random,
        began: impl FnOnce() -> (Instant, WallTime),
    ) -> Option<Trace> {
        let parent = traceparent.and_then(TraceParent::parse);
        self.is_recorded(parent, random)
            .then(|| trace(parent, true, random, began()))
    }

    fn is_recorded(&self, parent: Option<TraceParent>, random: &dyn Random) -> bool {
        parent.map_or_else(|| random.next_unit() < self.sample, |parent| parent.sampled)
    }

    /// Takes the span of a finished request.
    pub fn finished(&self, trace: &Trace, access: &Access<'_>, redacted: &str) {
        self.queue.push(|span| spans::of_request(trace, access, redacted, span));
    }

    /// Takes the span of a request to an origin.
    pub fn fetched(&self, trace: &Trace, fetched: &Fetched<'_>) {
        self.queue.push(|span| spans::of_fetch(trace, fetched, span));
    }

    /// Takes the span of asking the cache.
    pub fn looked_up(&self, trace: &Trace, looked_up: &LookedUp<'_>) {
        self.queue.push(|span| spans::of_lookup(trace, looked_up, span));
    }

    /// The body of a request with at most [`BATCH_MAX`] of the spans that wait, in pieces, and how many those are; nothing
    /// where none do.
    #[must_use]
    pub fn take(&self, resource: &Resource) -> Option<([Vec<u8>; 2], u64)> {
        self.queue.take(resource)
    }

    /// How many spans wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        self.queue.expose(exposition);
    }
}

/// The part of a request in the trace of `parent`, or in one that begins with it.
fn trace(
    parent: Option<TraceParent>,
    sampled: bool,
    random: &dyn Random,
    (began, began_wall): (Instant, WallTime),
) -> Trace {
    Trace {
        id: parent.map_or_else(|| TraceId::new(random), |parent| parent.trace),
        span: SpanId::new(random),
        parent: parent.map(|parent| parent.span),
        sampled,
        began,
        began_wall,
    }
}
