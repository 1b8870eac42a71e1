//! The body of a response on its way in. It keeps to the time limits, ends cleanly only when it is whole, and then gives its
//! connection back; dropped before, it takes the connection with it.

use super::head::Trust;
use super::http1::Rest;
use super::pool::{Connection, Lane};
use super::sending::Holding;
use super::streams::StreamBody;
use super::ticket::Ticket;
use super::trailers;
use crate::http::{BodyError, BodyFault};
use crate::timer::Timer;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use peregrine_base::{Instant, Party};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The bytes of a response as its connection brings them.
pub(crate) enum Arriving {
    /// They are read from the connection itself.
    Http1,
    Http2(StreamBody),
}

pub(crate) struct ResponseBody {
    incoming: Arriving,
    /// `None` once the body is over, one way or the other.
    held: Option<Held>,
    timer: Timer,
    idle_timeout: Duration,
    deadline: Instant,
    /// Since when the next piece is waited for. A reader who takes his time is not the origin's fault.
    waiting_since: Option<Instant>,
}

/// What a response holds while it is under way.
pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) ticket: Ticket,
    pub(crate) sending: Holding,
    /// How long the target keeps the connection, if it says so.
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) trust: Trust,
}

impl Held {
    fn poll_frame(
        &mut self,
        incoming: &mut Arriving,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match (incoming, &mut self.connection.lane) {
            (Arriving::Http2(stream), _) => stream.poll_frame(cx),
            (Arriving::Http1, Lane::Http1(link)) => link.poll_frame(cx),
            (Arriving::Http1, Lane::Http2 { .. }) => Poll::Ready(None),
        }
    }

    /// Whether nothing of the response is left to be read.
    pub(crate) fn is_over(&self, incoming: &Arriving) -> bool {
        match (incoming, &self.connection.lane) {
            (Arriving::Http2(stream), _) => stream.is_end_stream(),
            (Arriving::Http1, Lane::Http1(link)) => link.is_read(),
            (Arriving::Http1, Lane::Http2 { .. }) => true,
        }
    }

    fn size_hint(&self, incoming: &Arriving) -> SizeHint {
        match (incoming, &self.connection.lane) {
            (Arriving::Http2(stream), _) => stream.size_hint(),
            (Arriving::Http1, Lane::Http1(link)) => link.left(),
            (Arriving::Http1, Lane::Http2 { .. }) => SizeHint::with_exact(0),
        }
    }

    /// The response was read to its end.
    pub(crate) fn finish(mut self) {
        self.ticket.succeeded();
        // A response may come before the request was sent whole; what is left of the request would then stand before the
        // next one.
        if !self.sending.is_whole() {
            return;
        }
        let member = self.ticket.member();
        let rest = match &mut self.connection.lane {
            Lane::Http1(link) => link.rest(),
            Lane::Http2 { .. } if self.trust == Trust::Once => Rest::Doubtful,
            Lane::Http2 { .. } => Rest::Good,
        };
        match rest {
            Rest::Good => member.pool().give_back(self.connection, self.keep_alive),
            Rest::Ends => {}
            Rest::Doubtful => member.statistics().not_reused.increment(),
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(incoming: Arriving, held: Held, timer: Timer, idle_timeout: Duration, deadline: Instant) -> Self {
        Self {
            incoming,
            held: Some(held),
            timer,
            idle_timeout,
            deadline,
            waiting_since: None,
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let held = self.held.take();
        // A request that broke off while its answer came is not the target's fault.
        if let Some(held) = held.filter(|_| error.party == Party::Upstream) {
            held.ticket.body_failed(error.fault);
        }
        Poll::Ready(Some(Err(error)))
    }

    fn finish(&mut self) {
        if let Some(held) = self.held.take() {
            held.finish();
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // Also while there is always something to read.
        if this.held.is_some() && this.deadline < Instant::FAR && this.deadline <= this.timer.now() {
            return this.fail(BodyError::new(BodyFault::TotalTimeout, Party::Upstream));
        }
        let Some(held) = &mut this.held else {
            return Poll::Ready(None);
        };
        match held.poll_frame(&mut this.incoming, cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting_since = None;
                let frame = match frame.into_trailers() {
                    Ok(fields) => Frame::trailers(trailers::permitted(fields)),
                    Err(frame) => frame,
                };
                if held.is_over(&this.incoming) {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => this.fail(error),
            Poll::Pending => loop {
                let now = this.timer.now();
                let waiting_since = *this.waiting_since.get_or_insert(now);
                let due_since = held.sending.target_due_since(waiting_since, now);
                let idle = due_since.after(this.idle_timeout);
                let (deadline, fault) = if idle <= this.deadline {
                    (idle, BodyFault::IdleTimeout)
                } else {
                    (this.deadline, BodyFault::TotalTimeout)
                };
                if deadline <= now {
                    return this.fail(BodyError::new(fault, Party::Upstream));
                }
                ready!(this.timer.poll_until(deadline, cx));
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.is_over(&self.incoming))
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref();
        held.map_or_else(|| SizeHint::with_exact(0), |held| held.size_hint(&self.incoming))
    }
}
