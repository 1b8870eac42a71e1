//! Following and reading: what those do who wait for another's load.

use crate::backplane::Sight;
use crate::engine::Engine;
use crate::find::usable;
use crate::flight::{Closed, Flight, Head, StreamHead};
use crate::hit::Hit;
use crate::key::Key;
use crate::lookup::{PartMeta, Terms, Usable};
use crate::outcome::{LoadFailure, MissReason, PassReason};
use crate::selector::{Selector, Variants};
use bytes::Bytes;
use peregrine_base::Instant;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// One who waits for another's load.
pub struct Follower {
    engine: Arc<Engine>,
    key: Key,
    flight: Arc<Flight>,
    /// Taken when it becomes a reader's.
    seat: Option<usize>,
    stale: Option<Hit>,
    why: MissReason,
    terms: Terms,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Followed {
    /// The answer is being loaded: read it as it arrives.
    Stream(Reader),
    /// Here it is.
    Serve(Hit),
    /// Here it is, and no origin was asked for it: another node had loaded it.
    Recalled(Hit),
    /// Look up again: the load is of another variant, its leader went away, or an invalidation overtook it.
    Again,
    /// The answer may not be shared: load for yourself.
    Passed(PassReason),
    /// The load failed.
    Failed(LoadFailure),
}

impl Follower {
    pub(crate) fn new(
        engine: Arc<Engine>,
        key: Key,
        flight: Arc<Flight>,
        seat: usize,
        stale: Option<Hit>,
        why: MissReason,
        terms: Terms,
    ) -> Self {
        Self {
            engine,
            key,
            flight,
            seat: Some(seat),
            stale,
            why,
            terms,
        }
    }

    /// Why the lookup found nothing that it may serve as it is.
    #[must_use]
    pub fn why(&self) -> MissReason {
        self.why
    }

    /// What lies there meanwhile, too old to be served without more ado.
    #[must_use]
    pub fn stale(&self) -> Option<&Hit> {
        self.stale.as_ref()
    }

    /// Waits until the head of the answer is known, or that there is none. May be dropped and called again.
    pub async fn wait(&mut self, variants: &dyn Variants) -> Followed {
        let Some(seat) = self.seat else { return Followed::Again };
        let head = poll_fn(|cx| self.flight.poll_head(seat, cx)).await;
        let followed = match head {
            Head::Open(head) => self.read(seat, &head, variants),
            Head::Closed(Closed::Again) => Followed::Again,
            Head::Closed(Closed::Passed(reason)) => Followed::Passed(reason),
            Head::Closed(Closed::Failed(failure)) => Followed::Failed(failure),
            Head::Closed(Closed::Serve(hit, selector)) => self.take(hit, selector.as_ref(), variants),
            Head::Closed(Closed::Recalled(hit, selector)) => self.take_recalled(hit, selector.as_ref(), variants),
        };
        if matches!(
            followed,
            Followed::Stream(_) | Followed::Serve(_) | Followed::Recalled(_)
        ) {
            self.key.namespace().counters().coalesced.increment();
        }
        followed
    }

    /// The seat becomes a reader's, if the answer is one for this asker.
    fn read(&mut self, seat: usize, head: &Arc<StreamHead>, variants: &dyn Variants) -> Followed {
        if !self.is_wanted(head.selector.as_ref(), &head.variant, variants) || self.is_overtaken(&head.tags) {
            return Followed::Again;
        }
        if !head.may_be_shared() {
            return Followed::Passed(PassReason::Validation);
        }
        self.seat = None;
        let reader = Reader {
            flight: Arc::clone(&self.flight),
            head: Some(Arc::clone(head)),
            seat: Some(seat),
        };
        Followed::Stream(reader)
    }

    /// Takes what was there at once.
    fn take(&self, hit: Hit, selector: Option<&Selector>, variants: &dyn Variants) -> Followed {
        let tags: Vec<String> = hit.tags().map(str::to_owned).collect();
        if !self.is_wanted(selector, hit.variant(), variants) || self.is_overtaken(&tags) {
            return Followed::Again;
        }
        let now = self.engine.parts.clock.now();
        if hit.0.must_validate() || now >= hit.fresh_until().max(hit.stale_while_revalidate_until()) {
            return Followed::Passed(PassReason::Validation);
        }
        Followed::Serve(hit)
    }

    /// Takes what came from Redis. Its load began before this asker came, so what holds for a value in memory holds for it.
    fn take_recalled(&self, hit: Hit, selector: Option<&Selector>, variants: &dyn Variants) -> Followed {
        let (now, strategy) = (self.engine.parts.clock.now(), self.engine.default_strategy());
        let terms = self.terms.ask(now, &strategy);
        if self.is_wanted(selector, hit.variant(), variants)
            && self.engine.is_trusted(&self.key, &hit)
            && usable(&hit.0, hit.0.softened(), &terms) == Ok(Usable::Fresh)
        {
            Followed::Recalled(hit)
        } else {
            Followed::Again
        }
    }

    /// Whether the answer is of this asker's variant.
    fn is_wanted(&self, selector: Option<&Selector>, variant: &str, variants: &dyn Variants) -> bool {
        let Some(selector) = selector else {
            return variant.is_empty();
        };
        let mut wanted = String::new();
        variants.variant(selector, &mut wanted);
        wanted == variant
    }

    /// Whether an invalidation reached the answer since its load began, or may have on another node. It may have come before
    /// this asker, and the ledger knows only the last one of each target, so any counts. What other nodes did after this asker
    /// came does not concern it.
    fn is_overtaken(&self, tags: &[String]) -> bool {
        let (engine, flight) = (&self.engine, &self.flight);
        let sight = engine.sight(self.key.namespace());
        if engine.reached(&self.key, tags, flight.position) {
            return true;
        }
        let admits = |sight: Sight<'_>| sight.admits_load(flight.position, flight.started, engine.parts.clock.now());
        flight.started < self.terms.arrived && !sight.is_none_or(admits)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.flight.leave(seat);
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("key", &self.key.text())
            .finish_non_exhaustive()
    }
}

/// Reads a body from its first byte on, as it arrives.
pub struct Reader {
    flight: Arc<Flight>,
    head: Option<Arc<StreamHead>>,
    seat: Option<usize>,
}

impl Reader {
    pub(crate) fn new(flight: Arc<Flight>) -> Self {
        let (head, seat) = (flight.head(), flight.take_seat());
        Self { flight, head, seat }
    }

    /// The head of the answer, as its leader gave it.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.head.as_ref().map_or(&[], |head| &head.head)
    }

    /// The length of the body in bytes, where it is announced.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.head.as_ref().and_then(|head| head.length)
    }

    /// Which part of the value the body is; nothing when it is all of it.
    #[must_use]
    pub fn part(&self) -> Option<&PartMeta> {
        self.head.as_ref().and_then(|head| head.part.as_ref())
    }

    /// How old the answer is at `now`, with the age that it had when it arrived (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        self.head.as_ref().map_or(Duration::ZERO, |head| {
            head.initial_age.saturating_add(now.since(head.arrived))
        })
    }

    /// The next piece of the body; nothing at its end. A failure is the last that is read.
    pub async fn next(&mut self) -> Option<Result<Bytes, LoadFailure>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Reader::next`], for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, LoadFailure>>> {
        match self.seat {
            Some(seat) => self.flight.poll_piece(seat, cx),
            // Once, where the first bytes had gone before there was a seat.
            None => Poll::Ready(self.head.take().map(|_| Err(LoadFailure::Abandoned))),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.flight.leave(seat);
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("length", &self.length())
            .finish_non_exhaustive()
    }
}
