//! Where spans wait for the sender: in batches of what one request carries, each of them one piece of bytes that is sent as
//! it is, behind what is said of all of them.

use super::message::Message;
use super::{BATCH_MAX, QUEUE_MAX, Resource, wire};
use crate::{Counter, Exposition};
use prost::Message as _;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `ExportTraceServiceRequest.resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// `ResourceSpans.resource` and `ResourceSpans.scope_spans`.
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
/// `ScopeSpans.scope` and `ScopeSpans.spans`.
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
/// Room for so many bytes of spans at once, so that a batch moves once or twice while it grows.
const BATCH_BYTES: usize = 64 << 10;

/// Spans that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// All but the last are full.
    batches: Mutex<VecDeque<Batch>>,
    queued: Counter,
    pub(super) dropped: Counter,
}

#[derive(Debug)]
struct Batch {
    /// Fields `spans` of a `ScopeSpans`, one behind the other.
    fields: Vec<u8>,
    spans: usize,
}

impl Queue {
    /// Takes the span that `write` writes; drops it where too many wait.
    pub(super) fn push(&self, write: impl FnOnce(&mut Message<'_>)) {
        thread_local! {
            static SPAN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        SPAN.with_borrow_mut(|span| {
            span.clear();
            write(&mut Message(span));
            let mut batches = self.lock();
            if waiting(&batches) >= QUEUE_MAX {
                drop(batches);
                return self.dropped.increment();
            }
            if batches.back().is_none_or(|batch| batch.spans >= BATCH_MAX) {
                batches.push_back(Batch {
                    fields: Vec::with_capacity(BATCH_BYTES),
                    spans: 0,
                });
            }
            if let Some(batch) = batches.back_mut() {
                Message(&mut batch.fields).bytes(SPANS, span);
                batch.spans += 1;
            }
            drop(batches);
            self.queued.increment();
        });
    }

    /// The body of a request with the first batch, in two pieces, and how many spans that has; nothing where none wait.
    pub(super) fn take(&self, resource: &Resource) -> Option<([Vec<u8>; 2], u64)> {
        let Batch { fields, spans } = self.lock().pop_front()?;
        let resource = wire::Resource::from(resource).encode_to_vec();
        let scope = wire::Scope::own().encode_to_vec();
        // From the inside out: each is as long as what it has before the spans, and the spans.
        let mut scope_spans = Vec::new();
        Message(&mut scope_spans).bytes(SCOPE, &scope);
        let mut resource_spans = Vec::new();
        let mut message = Message(&mut resource_spans);
        message.bytes(RESOURCE, &resource);
        message.opened(SCOPE_SPANS, &scope_spans, fields.len());
        let mut head = Vec::new();
        Message(&mut head).opened(RESOURCE_SPANS, &resource_spans, fields.len());
        Some(([head, fields], u64::try_from(spans).unwrap_or(u64::MAX)))
    }

    /// How many spans wait.
    pub(super) fn waiting(&self) -> usize {
        waiting(&self.lock())
    }

    /// Its metrics.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        for (outcome, count) in [("queued", self.queued.value()), ("dropped", self.dropped.value())] {
            exposition.counter("peregrine_otlp_spans_total", &[("outcome", outcome)], count);
        }
        exposition.gauge("peregrine_otlp_spans_waiting", &[], self.waiting());
    }

    /// What waits. A thread that panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Batch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(batches: &VecDeque<Batch>) -> usize {
    batches.iter().map(|batch| batch.spans).sum()
}
