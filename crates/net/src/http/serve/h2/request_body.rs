//! The body of a request over HTTP/2: bounded in size and in the time between its pieces, and never ended early in silence.
//! The client's window opens as the handler takes what came, so a body that nobody reads costs one window.

use super::super::Shared;
use crate::http::{BodyError, BodyFault, Interim};
use crate::timer::Timer;
use ::h2::{Reason, RecvStream};
use ::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use peregrine_base::{Instant, Party};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub(super) struct RequestBody {
    incoming: RecvStream,
    /// What the client announced.
    length: Option<u64>,
    left: u64,
    timer: Timer,
    stall_timeout: Duration,
    /// Since when the next piece is waited for.
    waiting_since: Option<Instant>,
    /// Told once, for a client that waits to be asked for its body.
    ask: Option<Interim>,
    /// All data came; trailers may follow.
    data_ended: bool,
    over: bool,
}

impl RequestBody {
    pub(super) fn new(incoming: RecvStream, length: Option<u64>, ask: Option<Interim>, shared: &Shared) -> Self {
        Self {
            incoming,
            length,
            left: shared.limits.request_body_max,
            timer: Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime)),
            stall_timeout: shared.limits.stall_timeout,
            waiting_since: None,
            ask,
            data_ended: false,
            over: false,
        }
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.over = true;
        Poll::Ready(Some(Err(BodyError::new(fault, Party::Downstream))))
    }

    /// Data, then trailers, then nothing.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ::h2::Error>>> {
        if !self.data_ended {
            match ready!(self.incoming.poll_data(cx)) {
                Some(data) => return Poll::Ready(Some(data.map(Frame::data))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.incoming.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(|fields| Frame::trailers(harmless(fields)))))
    }
}

/// Trailers without what tells where a message ends or goes (RFC 9110 §6.5.1).
fn harmless(mut fields: HeaderMap) -> HeaderMap {
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, HOST] {
        fields.remove(name);
    }
    fields
}

fn fault_of(error: &::h2::Error) -> BodyFault {
    if error.is_io() {
        BodyFault::Broken
    } else if error.is_remote() {
        // The client took its request back.
        BodyFault::Truncated
    } else if error.reason() == Some(Reason::PROTOCOL_ERROR) {
        // Another length than it announced, for one.
        BodyFault::Malformed
    } else {
        BodyFault::Broken
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(ask) = self.ask.take() {
            ask.send(StatusCode::CONTINUE, HeaderMap::new());
        }
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting_since = None;
                let length = frame.data_ref().map_or(0, Bytes::len);
                // It fails when the stream is gone, which the next poll says.
                let _ = self.incoming.flow_control().release_capacity(length);
                let Some(left) = self.left.checked_sub(length as u64) else {
                    return self.fail(BodyFault::TooLarge);
                };
                self.left = left;
                self.length = self.length.map(|announced| announced.saturating_sub(length as u64));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.fail(fault_of(&error)),
            Poll::Ready(None) => {
                self.over = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let now = self.timer.now();
                let since = *self.waiting_since.get_or_insert(now);
                let deadline = since.after(self.stall_timeout);
                ready!(self.timer.poll_until(deadline, cx));
                self.fail(BodyFault::IdleTimeout)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
