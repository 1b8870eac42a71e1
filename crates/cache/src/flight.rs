//! A flight: one load and everybody who waits for it or reads it. The leader fills it; each follower and reader has a seat,
//! which remembers how far it has read and whom to wake. A follower takes its seat before the head of the answer is known, so
//! that a body which turns out too large to be held is still there from its first byte for those who came in time.
//!
//! All state is behind one lock, which is held for moments: to clone a piece of the body, or to take the wakers. Wakers are
//! called after it is released.

use crate::budget::Charge;
use crate::hit::{Hit, Slice};
use crate::ledger::Position;
use crate::lookup::{Ask, PartMeta};
use crate::outcome::{LoadFailure, PassReason};
use crate::selector::Selector;
use crate::stream::Stream;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use bytes::Bytes;
use peregrine_base::Instant;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The most who wait for one load or read it; whoever comes then loads too.
const SEATS_MAX: usize = 65_536;

/// One load.
pub(crate) struct Flight {
    /// Where the ledger stood before the load began.
    pub(crate) position: Position,
    /// When the load began.
    pub(crate) started: Instant,
    /// A write overtook the load: what it brings is older than what is there.
    overtaken: AtomicBool,
    /// What it brings is for its own asker only.
    own: AtomicBool,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    seats: Vec<Option<Seat>>,
    /// The seats that are empty.
    free: Vec<usize>,
    /// The leader, while it waits for readers.
    source: Option<Waker>,
    /// How many readers have not read all of the first piece that is held, of a body that is not stored: when the last of
    /// them has, it is dropped. To look at all of them for every piece that one reads would be as many looks as there are
    /// readers, times themselves.
    behind: usize,
}

enum Phase {
    /// The head of the answer is not known.
    Loading,
    /// The answer is to be stored, and its body arrives.
    Open(Arc<StreamHead>, Stream, Option<End>),
    /// There is nothing to read.
    Closed(Closed),
}

/// How a body came to its end.
type End = Result<(), LoadFailure>;

/// Why there is nothing to read.
#[derive(Clone, Debug)]
pub(crate) enum Closed {
    /// Everybody looks up again.
    Again,
    /// The answer may not be shared.
    Passed(PassReason),
    /// The load failed.
    Failed(LoadFailure),
    /// The answer was there at once; the names by which its variant was told.
    Serve(Hit, Option<Selector>),
    /// The same, from Redis: it is as old as it is, and may not do for everybody.
    Recalled(Hit, Option<Selector>),
}

/// The head of an answer that is being stored.
#[derive(Debug)]
pub(crate) struct StreamHead {
    pub(crate) head: Bytes,
    pub(crate) tags: Vec<String>,
    pub(crate) length: Option<u64>,
    pub(crate) selector: Option<Selector>,
    pub(crate) variant: String,
    /// Which part of the value the body is.
    pub(crate) part: Option<PartMeta>,
    /// When the head arrived, and how old the answer was then.
    pub(crate) arrived: Instant,
    pub(crate) initial_age: Duration,
    /// For how long it is fresh from then on, and may be served while it is renewed.
    pub(crate) fresh_for: Duration,
    /// For how long it had not been fresh any more then.
    pub(crate) overdue: Duration,
    pub(crate) stale_while_revalidate: Duration,
    /// Whether each use has to be confirmed by the origin.
    pub(crate) must_validate: bool,
}

impl StreamHead {
    /// Whether others than its own asker may have the answer: not what each use has to be confirmed of, and not what arrives
    /// stale (RFC 9111 §4, §5.2.2.4).
    pub(crate) fn may_be_shared(&self) -> bool {
        !(self.must_validate || self.fresh_for.is_zero() && self.stale_while_revalidate.is_zero())
    }

    /// Whether it may answer who came after it had arrived, by the rules for what is stored.
    pub(crate) fn will_do(&self, ask: &Ask<'_>) -> bool {
        let there_for = ask.now.since(self.arrived);
        let age = self.initial_age.saturating_add(there_for);
        if self.must_validate || ask.validate || ask.age_max.is_some_and(|max| age > max) {
            return false;
        }
        if there_for < self.fresh_for {
            return there_for.saturating_add(ask.fresh_min) <= self.fresh_for;
        }
        let is_useful = there_for < self.fresh_for.saturating_add(self.stale_while_revalidate);
        is_useful && ask.takes_stale(there_for.saturating_sub(self.fresh_for).saturating_add(self.overdue))
    }
}

/// Somebody who waits or reads.
#[derive(Default)]
struct Seat {
    offset: u64,
    waker: Option<Waker>,
    /// Whether it read anything since the source began to wait.
    moved: bool,
    /// It held up the others for too long.
    cut_off: bool,
    /// It was told of the end.
    done: bool,
}

/// What a follower finds.
pub(crate) enum Head {
    Open(Arc<StreamHead>),
    Closed(Closed),
}

/// What becomes of a chunk.
pub(crate) enum Offered {
    /// It was taken.
    Taken {
        /// Whether the body is still to be stored.
        storing: bool,
    },
    /// Readers have to catch up first. The body is not stored.
    Wait(Bytes),
    /// Nobody wants it.
    Abandoned,
}

impl Flight {
    pub(crate) fn new(position: Position, started: Instant) -> Self {
        let state = State {
            phase: Phase::Loading,
            seats: Vec::new(),
            free: Vec::new(),
            source: None,
            behind: 0,
        };
        Self {
            position,
            started,
            overtaken: AtomicBool::new(false),
            own: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Notes that a write overtook the load. The caller holds the lock of the flight's place in the table.
    pub(crate) fn overtake(&self) {
        self.overtaken.store(true, Ordering::Relaxed);
    }

    /// Whether a write overtook the load. The caller holds the lock of the flight's place in the table.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.overtaken.load(Ordering::Relaxed)
    }

    /// Whether what it brings is for its own asker only, as far as is known.
    pub(crate) fn is_own(&self) -> bool {
        self.own.load(Ordering::Relaxed)
    }

    /// Takes a seat at the first byte; nothing when that is not held any more, or soon will not be.
    pub(crate) fn take_seat(&self) -> Option<usize> {
        self.state.lock().take_seat()
    }

    /// Gives a seat back.
    pub(crate) fn leave(&self, seat: usize) {
        let mut state = self.state.lock();
        if let Some(left) = state.seats.get_mut(seat).and_then(Option::take) {
            state.free.push(seat);
            if !left.cut_off {
                state.moved(left.offset, u64::MAX);
            }
        }
        let source = state.source.take();
        drop(state);
        wake(source);
    }

    /// The head, when it is known. Tags of an open answer tell whether an invalidation overtook it.
    pub(crate) fn head(&self) -> Option<Arc<StreamHead>> {
        match &self.state.lock().phase {
            Phase::Open(head, ..) => Some(Arc::clone(head)),
            _ => None,
        }
    }

    /// Waits for the head.
    pub(crate) fn poll_head(&self, seat: usize, cx: &Context<'_>) -> Poll<Head> {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Loading => {
                state.wait(seat, cx);
                Poll::Pending
            }
            // It failed before this one began to read: better a failure than half a body.
            Phase::Open(_, _, Some(Err(failure))) => Poll::Ready(Head::Closed(Closed::Failed(*failure))),
            Phase::Open(head, ..) => Poll::Ready(Head::Open(Arc::clone(head))),
            Phase::Closed(closed) => Poll::Ready(Head::Closed(closed.clone())),
        }
    }

    /// Waits for the next piece of the body.
    pub(crate) fn poll_piece(&self, seat: usize, cx: &Context<'_>) -> Poll<Option<Result<Bytes, LoadFailure>>> {
        let mut state = self.state.lock();
        let piece = state.next(seat, cx);
        let source = if matches!(piece, Poll::Ready(Some(Ok(_)))) {
            state.source.take()
        } else {
            None
        };
        drop(state);
        wake(source);
        piece
    }

    /// The head is known and the answer is to be stored.
    pub(crate) fn open(&self, head: StreamHead, charge: Charge) {
        self.own.store(!head.may_be_shared(), Ordering::Relaxed);
        self.change(|state| state.phase = Phase::Open(Arc::new(head), Stream::new(charge), None));
    }

    /// There is nothing to read. A body that is being read ends with a failure.
    pub(crate) fn close(&self, closed: Closed) {
        self.change(|state| match (&mut state.phase, &closed) {
            (Phase::Open(_, stream, end), closed) => {
                let failure = if let Closed::Failed(failure) = closed {
                    *failure
                } else {
                    LoadFailure::Abandoned
                };
                end.get_or_insert(Err(failure));
                stream.stop_storing();
                state.release();
            }
            (phase, _) => *phase = Phase::Closed(closed),
        });
    }

    /// Whether everybody knows what became of the load.
    pub(crate) fn is_over(&self) -> bool {
        match &self.state.lock().phase {
            Phase::Loading => false,
            Phase::Open(_, _, end) => end.is_some(),
            Phase::Closed(_) => true,
        }
    }

    /// Offers a chunk of the body. `limit` is the largest body that is stored.
    pub(crate) fn offer(&self, chunk: Bytes, limit: u64) -> Offered {
        let mut state = self.state.lock();
        let offered = state.offer(chunk, limit);
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        offered
    }

    /// Waits until a chunk of `length` bytes that is not stored would be taken, or refused for good.
    pub(crate) fn poll_room(&self, length: usize, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let Phase::Open(_, stream, None) = &state.phase else {
            return Poll::Ready(());
        };
        if stream.has_room(length) || !state.is_read() {
            return Poll::Ready(());
        }
        state.source = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Begins to watch who reads.
    pub(crate) fn watch(&self) {
        self.state
            .lock()
            .seats
            .iter_mut()
            .flatten()
            .for_each(|seat| seat.moved = false);
    }

    /// Cuts off those who read nothing since [`Flight::watch`] though there was something to read.
    pub(crate) fn cut_off_stalled(&self) {
        self.change(|state| {
            let Phase::Open(_, stream, _) = &state.phase else {
                return;
            };
            let received = stream.received();
            let stalled = state
                .seats
                .iter_mut()
                .flatten()
                .filter(|seat| !seat.moved && seat.offset < received);
            stalled.for_each(|seat| seat.cut_off = true);
            state.release();
        });
    }

    /// Looks at the body under way, if there is one.
    pub(crate) fn with_stream<R>(&self, look: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        match &mut self.state.lock().phase {
            Phase::Open(_, stream, _) => Some(look(stream)),
            _ => None,
        }
    }

    /// The body is over. What was stored is read from `stored` from now on: the same bytes there.
    pub(crate) fn end(&self, end: End, stored: Option<Slice>) {
        self.change(|state| {
            let Phase::Open(_, stream, over) = &mut state.phase else {
                return;
            };
            over.get_or_insert(end);
            match stored {
                Some(chunks) => stream.hand_over(chunks),
                None => stream.stop_storing(),
            }
            state.release();
        });
    }

    /// Changes the state and wakes everybody.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state: MutexGuard<'_, State> = self.state.lock();
        change(&mut state);
        let wakers = state.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl State {
    fn take_seat(&mut self) -> Option<usize> {
        if self.free.is_empty() && self.seats.len() >= SEATS_MAX {
            return None;
        }
        if let Phase::Open(_, stream, end) = &self.phase
            && (stream.start() > 0 || !(stream.storing() || end.is_some()))
        {
            return None;
        }
        let index = self.free.pop().unwrap_or(self.seats.len());
        match self.seats.get_mut(index) {
            Some(place) => *place = Some(Seat::default()),
            None => self.seats.push(Some(Seat::default())),
        }
        self.release();
        Some(index)
    }

    /// Whether somebody reads.
    fn is_read(&self) -> bool {
        self.seats.iter().flatten().any(|seat| !seat.cut_off)
    }

    fn wait(&mut self, seat: usize, cx: &Context<'_>) {
        if let Some(Some(seat)) = self.seats.get_mut(seat) {
            match &mut seat.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    fn wakers(&mut self) -> Vec<Waker> {
        let source = self.source.take();
        self.seats
            .iter_mut()
            .flatten()
            .filter_map(|seat| seat.waker.take())
            .chain(source)
            .collect()
    }

    fn next(&mut self, seat: usize, cx: &Context<'_>) -> Poll<Option<Result<Bytes, LoadFailure>>> {
        let Some(Some(place)) = self.seats.get_mut(seat) else {
            return Poll::Ready(None);
        };
        let Phase::Open(_, stream, end) = &self.phase else {
            return Poll::Ready(None);
        };
        if place.done {
            return Poll::Ready(None);
        }
        if place.cut_off {
            place.done = true;
            return Poll::Ready(Some(Err(LoadFailure::Stalled)));
        }
        if let Some(piece) = stream.at(place.offset) {
            let from = place.offset;
            place.offset += piece.len() as u64;
            place.moved = true;
            let to = place.offset;
            self.moved(from, to);
            return Poll::Ready(Some(Ok(piece)));
        }
        match end {
            None => {
                self.wait(seat, cx);
                Poll::Pending
            }
            Some(end) => {
                place.done = true;
                Poll::Ready(end.err().map(Err))
            }
        }
    }

    /// A reader went on from one place to another.
    fn moved(&mut self, from: u64, to: u64) {
        let Phase::Open(_, stream, _) = &self.phase else {
            return;
        };
        let end = stream.first_end();
        if !stream.storing() && from < end && to >= end {
            self.behind = self.behind.saturating_sub(1);
            if self.behind == 0 {
                self.release();
            }
        }
    }

    /// Drops what every reader has seen, where it is not to be stored.
    fn release(&mut self) {
        let Phase::Open(_, stream, _) = &mut self.phase else {
            return;
        };
        if stream.storing() {
            return;
        }
        let offsets = || {
            self.seats
                .iter()
                .flatten()
                .filter(|seat| !seat.cut_off)
                .map(|seat| seat.offset)
        };
        stream.release(offsets().min().unwrap_or(u64::MAX));
        let end = stream.first_end();
        self.behind = offsets().filter(|offset| *offset < end).count();
    }

    fn offer(&mut self, chunk: Bytes, limit: u64) -> Offered {
        let Phase::Open(_, stream, end) = &mut self.phase else {
            return Offered::Abandoned;
        };
        if end.is_some() {
            return Offered::Abandoned;
        }
        if stream.storing() {
            let fits = stream.received().saturating_add(chunk.len() as u64) <= limit;
            if fits && stream.keep(&chunk) {
                return Offered::Taken { storing: true };
            }
            stream.stop_storing();
            self.release();
        }
        if !self.is_read() {
            return Offered::Abandoned;
        }
        let Phase::Open(_, stream, _) = &mut self.phase else {
            return Offered::Abandoned;
        };
        if !stream.has_room(chunk.len()) {
            return Offered::Wait(chunk);
        }
        stream.pass_on(chunk);
        if self.behind == 0 {
            self.release();
        }
        Offered::Taken { storing: false }
    }
}
