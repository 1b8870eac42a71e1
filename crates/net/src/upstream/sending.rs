//! How far the sending of a request body is, and whether it may begin.

use crate::http::{BodyError, BodyFault};
use bytes::Bytes;
use http_body::Frame;
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant, Party};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How far the sending of a request body is, for whoever waits for the response.
pub(crate) struct Sending {
    clock: Arc<dyn Clock>,
    state: Mutex<SendingState>,
}

struct SendingState {
    /// The last time that the target took a piece.
    moved: Instant,
    stage: Stage,
    hold: Hold,
    waker: Option<Waker>,
}

/// Whether the body waits for the target to ask for it (`Expect: 100-continue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// Nobody said anything yet.
    Held,
    /// It may be sent.
    Released,
    /// There was an answer without it, which has been read: it is not sent any more.
    Refused,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The target may take the next piece.
    Offered,
    /// The client has to send the next piece.
    Awaited,
    Whole,
    Failed(BodyFault),
}

impl Sending {
    /// `held` until [`Sending::release`].
    pub(crate) fn new(clock: Arc<dyn Clock>, held: bool) -> Self {
        let state = Mutex::new(SendingState {
            moved: clock.now(),
            stage: Stage::Offered,
            hold: if held { Hold::Held } else { Hold::Released },
            waker: None,
        });
        Self { clock, state }
    }

    /// Whether the body waits for the target to ask for it.
    pub(crate) fn is_held(&self) -> bool {
        self.state.lock().hold == Hold::Held
    }

    /// The body may be sent.
    pub(crate) fn release(&self) {
        self.leave(Hold::Released);
    }

    /// A body that is still held is not sent any more.
    fn refuse(&self) {
        self.leave(Hold::Refused);
    }

    fn leave(&self, hold: Hold) {
        let mut state = self.state.lock();
        if state.hold != Hold::Held {
            return;
        }
        state.hold = hold;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once the body may be sent; an error when it never may.
    pub(crate) fn poll_released(&self, cx: &Context<'_>) -> Poll<Result<(), BodyError>> {
        let mut state = self.state.lock();
        match state.hold {
            Hold::Released => Poll::Ready(Ok(())),
            Hold::Refused => Poll::Ready(Err(BodyError::new(BodyFault::Abandoned, Party::Peregrine))),
            Hold::Held => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The body was polled; `over` when that was its last frame.
    pub(crate) fn polled(&self, polled: &Poll<Option<Result<Frame<Bytes>, BodyError>>>, over: bool) {
        self.enter(match polled {
            Poll::Pending => Stage::Awaited,
            Poll::Ready(Some(Err(error))) => Stage::Failed(error.fault),
            Poll::Ready(None) => Stage::Whole,
            // Nothing comes after trailers, and nobody asks.
            Poll::Ready(Some(Ok(frame))) if over || frame.is_trailers() => Stage::Whole,
            Poll::Ready(Some(Ok(_))) => Stage::Offered,
        });
    }

    /// All that was announced of it was taken, whether it knows that or not.
    pub(crate) fn finished(&self) {
        self.enter(Stage::Whole);
    }

    /// The target took some of what was offered, if not all.
    pub(crate) fn took_some(&self) {
        let now = self.clock.now();
        self.state.lock().moved = now;
    }

    fn enter(&self, stage: Stage) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if matches!(state.stage, Stage::Failed(_)) {
            return;
        }
        if !matches!(stage, Stage::Awaited) || !matches!(state.stage, Stage::Awaited) {
            state.moved = now;
        }
        state.stage = stage;
    }

    /// Since when the target is the one who is waited for; `None` while it is the client.
    pub(crate) fn target_due_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        match state.stage {
            Stage::Awaited => None,
            Stage::Offered | Stage::Whole | Stage::Failed(_) => Some(state.moved),
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Whole)
    }

    /// Why the body could not be sent, when it was not the target's fault.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        match self.state.lock().stage {
            Stage::Failed(fault) => Some(fault),
            Stage::Offered | Stage::Awaited | Stage::Whole => None,
        }
    }
}

/// The sending of a request body while its response is read. When that is over, a body that nobody asked for is not sent.
pub(crate) struct Holding(Option<Arc<Sending>>);

impl Holding {
    pub(crate) const fn new(sending: Option<Arc<Sending>>) -> Self {
        Self(sending)
    }

    /// Since when the target is waited for, by whoever waits for a piece of its response since `waiting_since`: while the
    /// client has to send more of its request, it is not.
    pub(crate) fn target_due_since(&self, waiting_since: Instant, now: Instant) -> Instant {
        let due_since = |sending: &Arc<Sending>| sending.target_due_since().unwrap_or(now);
        self.0
            .as_ref()
            .map_or(waiting_since, |sending| due_since(sending).max(waiting_since))
    }

    /// Whether nothing of the request is left to send.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|sending| sending.is_whole())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(sending) = &self.0 {
            sending.refuse();
        }
    }
}
