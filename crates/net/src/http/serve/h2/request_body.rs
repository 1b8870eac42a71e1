//! The body of a request over HTTP/2, between the connection that reads it and whoever takes it: bounded in size, in what
//! waits (the client's window opens as it is taken, so a body that nobody reads costs one window), and in the time between
//! its pieces; never ended early in silence.

use super::super::Shared;
use crate::http::{BodyError, BodyFault, Interim};
use crate::timer::Timer;
use ::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use peregrine_base::{Instant, Party};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Whether the client of a connection may send more of any body.
pub(super) struct Room(Mutex<Instant>);

impl Room {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// The window of all requests is used up.
    pub(super) fn end(&self) {
        *self.0.lock() = Instant::FAR;
    }

    /// There is room, again or as before.
    pub(super) fn begin(&self, now: Instant) {
        let mut since = self.0.lock();
        if *since == Instant::FAR {
            *since = now;
        }
    }

    /// Since when the client is waited for, by who waits since `waiting_since`.
    fn due_since(&self, waiting_since: Instant, now: Instant) -> Instant {
        waiting_since.max(*self.0.lock()).min(now)
    }
}

/// What has come and was not taken.
struct Shelf {
    data: BytesMut,
    trailers: Option<HeaderMap>,
    end: End,
    /// Why it failed whoever took it.
    fault: Option<BodyFault>,
    /// How much was taken since the connection last asked.
    taken: usize,
    taker: Option<Waker>,
    /// The connection, which wants to know what is taken.
    owner: Waker,
    /// When something of the answer was written last.
    answered: Instant,
    /// Nobody takes it any more.
    given_up: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Whole,
    Failed(BodyFault),
}

/// Both ends of a body of `length` bytes, if that is known. `owner` is woken when something is taken; `ask` is told once when
/// it is asked for.
pub(super) fn channel(
    length: Option<u64>,
    ask: Option<Interim>,
    owner: Waker,
    room: &Arc<Room>,
    shared: &Shared,
) -> (Inbox, RequestBody) {
    let shelf = Arc::new(Mutex::new(Shelf {
        data: BytesMut::new(),
        trailers: None,
        end: End::Open,
        fault: None,
        taken: 0,
        taker: None,
        owner,
        answered: Instant::ZERO,
        given_up: false,
    }));
    let body = RequestBody {
        shelf: Arc::clone(&shelf),
        length,
        left: shared.limits.request_body_max,
        timer: Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime)),
        stall_timeout: shared.limits.stall_timeout,
        waiting_since: None,
        room: Arc::clone(room),
        ask,
        over: false,
    };
    (Inbox(shelf), body)
}

/// The connection's end.
pub(super) struct Inbox(Arc<Mutex<Shelf>>);

impl Inbox {
    /// Puts `data` where it is taken; false when nobody does.
    pub(super) fn push(&self, data: &[u8]) -> bool {
        let mut taken = false;
        self.change(|shelf| {
            taken = !shelf.given_up;
            if taken {
                shelf.data.extend_from_slice(data);
            }
        });
        taken
    }

    /// The client is sent its answer meanwhile: both may talk by turns.
    pub(super) fn answered(&self, now: Instant) {
        self.0.lock().answered = now;
    }

    /// There is no more.
    pub(super) fn finish(&self, trailers: Option<HeaderMap>) {
        self.change(|shelf| {
            if shelf.end == End::Open {
                (shelf.end, shelf.trailers) = (End::Whole, trailers);
            }
        });
    }

    /// There will be no more.
    pub(super) fn fail(&self, fault: BodyFault) {
        self.change(|shelf| {
            if shelf.end == End::Open {
                shelf.end = End::Failed(fault);
                if !shelf.given_up {
                    shelf.fault.get_or_insert(fault);
                }
            }
        });
    }

    /// Why it failed whoever took it, if it did; told once.
    pub(super) fn take_fault(&self) -> Option<BodyFault> {
        self.0.lock().fault.take()
    }

    /// How much was taken since the last time.
    pub(super) fn take_credit(&self) -> usize {
        std::mem::take(&mut self.0.lock().taken)
    }

    /// The request is over here: how much of the windows is to be given back, with what still waits to be taken. What is
    /// taken from now on counts no more.
    pub(super) fn close(&self) -> usize {
        let mut shelf = self.0.lock();
        std::mem::take(&mut shelf.taken) + shelf.data.len()
    }

    /// Whether nobody takes it any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.0.lock().given_up
    }

    fn change(&self, change: impl FnOnce(&mut Shelf)) {
        let mut shelf = self.0.lock();
        change(&mut shelf);
        let taker = shelf.taker.take();
        drop(shelf);
        if let Some(taker) = taker {
            taker.wake();
        }
    }
}

impl Drop for Inbox {
    /// A connection that is gone sends no more.
    fn drop(&mut self) {
        self.fail(BodyFault::Broken);
    }
}

/// The handler's end.
pub(super) struct RequestBody {
    shelf: Arc<Mutex<Shelf>>,
    /// How much of what the client announced is to come.
    length: Option<u64>,
    left: u64,
    timer: Timer,
    stall_timeout: Duration,
    /// Since when the next piece is waited for.
    waiting_since: Option<Instant>,
    room: Arc<Room>,
    /// Told once, for a client that waits to be asked for its body.
    ask: Option<Interim>,
    over: bool,
}

impl RequestBody {
    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.over = true;
        self.shelf.lock().fault.get_or_insert(fault);
        Poll::Ready(Some(Err(BodyError::new(fault, Party::Downstream))))
    }

    /// Data, then trailers, then nothing.
    fn poll_shelf(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let mut shelf = self.shelf.lock();
        if !shelf.data.is_empty() {
            let data = shelf.data.split().freeze();
            shelf.taken += data.len();
            let owner = shelf.owner.clone();
            drop(shelf);
            owner.wake();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match shelf.end {
            End::Open => {
                shelf.taker = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Whole => Poll::Ready(shelf.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            End::Failed(fault) => Poll::Ready(Some(Err(fault))),
        }
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
        match self.poll_shelf(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting_since = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = self.left.checked_sub(length) else {
                    return self.fail(BodyFault::TooLarge);
                };
                self.left = left;
                self.length = self.length.map(|announced| announced.saturating_sub(length));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(fault))) => self.fail(fault),
            Poll::Ready(None) => {
                self.over = true;
                Poll::Ready(None)
            }
            Poll::Pending => loop {
                let now = self.timer.now();
                let since = *self.waiting_since.get_or_insert(now);
                let due_since = self.room.due_since(since, now).max(self.shelf.lock().answered);
                let deadline = due_since.after(self.stall_timeout);
                if deadline <= now {
                    return self.fail(BodyFault::IdleTimeout);
                }
                ready!(self.timer.poll_until(deadline, cx));
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || {
            let shelf = self.shelf.lock();
            shelf.end == End::Whole && shelf.data.is_empty() && shelf.trailers.is_none()
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut shelf = self.shelf.lock();
        shelf.given_up = true;
        // What nobody takes has no place in the windows either.
        shelf.taken += shelf.data.len();
        shelf.data = BytesMut::new();
        let owner = shelf.owner.clone();
        drop(shelf);
        owner.wake();
    }
}
