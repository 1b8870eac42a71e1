//! The body of a request between the connection that reads it and the handler that takes it: one piece at a time, read only
//! when it is asked for, so that a slow taker slows the client down and nothing else.

use crate::http::{BodyError, BodyFault};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use peregrine_base::Party;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Both ends, for a body of `length` bytes if that is known.
pub(crate) fn channel(length: Option<u64>) -> (Intake, RequestBody) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let body = RequestBody {
        shared: Arc::clone(&shared),
        left: length,
    };
    (Intake(shared), body)
}

#[derive(Default)]
struct Shared {
    piece: Option<Frame<Bytes>>,
    /// Whether somebody waits for the next piece.
    wanted: bool,
    end: End,
    taker: Option<Waker>,
    reader: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// All of it is here.
    Whole,
    /// It cannot go on.
    Failed(BodyFault),
    /// Nobody takes it any more.
    Dropped,
}

/// What the connection is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// To read the next piece.
    Wanted,
    /// Nothing now; its task is woken when that changes.
    Waits,
    /// Nothing any more.
    Dropped,
}

/// The connection's end.
pub(crate) struct Intake(Arc<Mutex<Shared>>);

impl Intake {
    pub(crate) fn demand(&self, cx: &Context<'_>) -> Demand {
        let mut shared = self.0.lock();
        if shared.end == End::Dropped {
            return Demand::Dropped;
        }
        if shared.wanted && shared.piece.is_none() {
            return Demand::Wanted;
        }
        if !shared
            .reader
            .as_ref()
            .is_some_and(|reader| reader.will_wake(cx.waker()))
        {
            shared.reader = Some(cx.waker().clone());
        }
        Demand::Waits
    }

    /// The next piece, which was wanted.
    pub(crate) fn push(&self, piece: Frame<Bytes>) {
        self.change(|shared| {
            debug_assert!(shared.piece.is_none(), "one piece at a time");
            shared.piece = Some(piece);
            shared.wanted = false;
        });
    }

    /// There is no more.
    pub(crate) fn finish(&self) {
        self.end(End::Whole);
    }

    /// There will be no more.
    pub(crate) fn fail(&self, fault: BodyFault) {
        self.end(End::Failed(fault));
    }

    fn end(&self, end: End) {
        self.change(|shared| {
            if shared.end == End::Open {
                shared.end = end;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        let mut shared = self.0.lock();
        change(&mut shared);
        let taker = shared.taker.take();
        drop(shared);
        if let Some(taker) = taker {
            taker.wake();
        }
    }
}

impl Drop for Intake {
    /// A connection that is gone sends no more.
    fn drop(&mut self) {
        self.fail(BodyFault::Truncated);
    }
}

/// The handler's end.
pub(crate) struct RequestBody {
    shared: Arc<Mutex<Shared>>,
    left: Option<u64>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let mut shared = this.shared.lock();
        let piece = shared.piece.take();
        let polled = match (&piece, shared.end) {
            (None, End::Open) => {
                shared.taker = Some(cx.waker().clone());
                Poll::Pending
            }
            (None, End::Failed(fault)) => {
                // Told once.
                shared.end = End::Whole;
                return Poll::Ready(Some(Err(BodyError::new(fault, Party::Downstream))));
            }
            (None, End::Whole | End::Dropped) => return Poll::Ready(None),
            (Some(_), _) => Poll::Ready(piece.map(Ok)),
        };
        // One piece ahead, so that reading and passing on overlap.
        let asks = !shared.wanted && shared.end == End::Open;
        shared.wanted |= asks;
        let reader = if asks { shared.reader.take() } else { None };
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
        if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&polled, &mut this.left) {
            *left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let whole = || {
            let shared = self.shared.lock();
            shared.end == End::Whole && shared.piece.is_none()
        };
        self.left == Some(0) || whole()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.end = End::Dropped;
        let reader = shared.reader.take();
        drop(shared);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
