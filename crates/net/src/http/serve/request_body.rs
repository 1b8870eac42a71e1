//! The body of a request on its way in: bounded in size, in the time between its pieces, and never ended early in silence.

use super::Shared;
use super::socket::Progress;
use crate::http::{BodyError, BodyFault};
use crate::timer::Timer;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use peregrine_base::{Instant, Party};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub(super) struct RequestBody {
    incoming: Incoming,
    left: u64,
    timer: Timer,
    stall_timeout: Duration,
    /// Since when the next piece is waited for.
    waiting_since: Option<Instant>,
    progress: Arc<Progress>,
    failed: bool,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, shared: &Shared, progress: Arc<Progress>) -> Self {
        Self {
            incoming,
            left: shared.limits.request_body_max,
            timer: Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime)),
            stall_timeout: shared.limits.stall_timeout,
            waiting_since: None,
            progress,
            failed: false,
        }
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.failed = true;
        Poll::Ready(Some(Err(BodyError::new(fault, Party::Downstream))))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting_since = None;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(left) = self.left.checked_sub(length) else {
                    return self.fail(BodyFault::TooLarge);
                };
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let fault = BodyError::from_hyper(&error, Party::Downstream).fault;
                self.fail(fault)
            }
            Poll::Ready(None) => Poll::Ready(None),
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
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.incoming.is_end_stream() {
            self.progress.leave_unread();
        }
    }
}
