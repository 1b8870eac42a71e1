//! One stream: the body of an answer that goes on.

use super::{HEARTBEAT, Hub, Reader, STREAMS_MAX, Wanted};
use crate::refusal::Refusal;
use bytes::{Bytes, BytesMut};
use peregrine_base::Task;
use peregrine_net::http::Body;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many bytes are sent at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Whether what let the reader in still would.
pub(crate) type StillGood = Box<dyn Fn() -> bool + Send>;

/// A reader's place.
struct Stream {
    hub: Arc<Hub>,
    id: u64,
    /// The number of the event that is to come next.
    next: u64,
    wanted: Wanted,
    /// What is sent before anything else.
    greeting: Option<Bytes>,
    draining: Task,
    heartbeat: Task,
    still_good: StillGood,
    over: bool,
}

impl Hub {
    /// A stream of what is `wanted`, for as long as the reader is `still_good`.
    pub(crate) fn stream(self: &Arc<Self>, wanted: Wanted, node: &str, still_good: StillGood) -> Result<Body, Refusal> {
        let (id, next, newest) = {
            let mut state = self.state.lock();
            if state.readers.len() >= STREAMS_MAX {
                let why = format!("There are {STREAMS_MAX} streams of events already.");
                return Err(Refusal::unavailable(why));
            }
            let id = state.next_reader;
            state.next_reader += 1;
            let reader = Reader {
                topics: wanted.topics,
                waker: None,
            };
            state.readers.insert(id, reader);
            // A number from elsewhere, that is still to come, is as good as none.
            let next = wanted
                .after
                .map_or(state.next, |after| after.saturating_add(1).min(state.next));
            (id, next, state.next - 1)
        };
        // Whoever breaks off before the first event comes again with this number.
        let seq = if wanted.after.is_some() {
            next.saturating_sub(1)
        } else {
            newest
        };
        let hello = serde_json::json!({ "seq": newest, "node": node });
        let drain = self.drain.clone();
        let mut stream = Stream {
            hub: Arc::clone(self),
            id,
            next,
            wanted,
            greeting: Some(format!("id: {seq}\nevent: hello\ndata: {hello}\n\n").into()),
            draining: Box::pin(async move { drain.started().await }),
            heartbeat: self.runtime.sleep(HEARTBEAT),
            still_good,
            over: false,
        };
        Ok(Body::from_poll(None, move |cx| {
            stream.poll(cx).map(|piece| piece.map(Ok))
        }))
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(greeting) = self.greeting.take() {
            return Poll::Ready(Some(greeting));
        }
        if self.over || self.draining.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Some(piece) = self.take(cx) {
            return Poll::Ready(Some(piece));
        }
        if self.heartbeat.as_mut().poll(cx).is_ready() {
            self.heartbeat = self.hub.runtime.sleep(HEARTBEAT);
            if (self.still_good)() {
                return Poll::Ready(Some(Bytes::from_static(b":\n\n")));
            }
            self.over = true;
            return Poll::Ready(Some(Bytes::from_static(
                b"event: end\ndata: {\"reason\":\"session_over\"}\n\n",
            )));
        }
        Poll::Pending
    }

    /// The events that are there; when there are none, `cx` is woken by the next.
    fn take(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let mut piece = BytesMut::new();
        let mut state = self.hub.state.lock();
        let oldest = state.ring.front().map_or(state.next, |event| event.seq);
        if self.next < oldest {
            let missed = oldest - self.next;
            self.hub.missed.add(missed);
            let gap = format!("id: {}\nevent: gap\ndata: {{\"missed\":{missed}}}\n\n", oldest - 1);
            piece.extend_from_slice(gap.as_bytes());
            self.next = oldest;
        }
        let from = usize::try_from(self.next - oldest).unwrap_or(usize::MAX);
        for event in state.ring.iter().skip(from) {
            if piece.len() >= PIECE_BYTES {
                break;
            }
            self.next = event.seq + 1;
            if self.wanted.topics.has(event.topic) {
                piece.extend_from_slice(&event.text);
            }
        }
        if !piece.is_empty() {
            return Some(piece.freeze());
        }
        if let Some(reader) = state.readers.get_mut(&self.id) {
            reader.waker = Some(cx.waker().clone());
        }
        None
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.hub.state.lock().readers.remove(&self.id);
    }
}
