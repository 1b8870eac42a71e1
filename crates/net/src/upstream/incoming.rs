//! The body of a response on its way in. It keeps to the time limits, ends cleanly only when it is whole, and then gives its
//! connection back; dropped before, it takes the connection with it.

use super::head::Trust;
use super::pool::Connection;
use super::sending::Holding;
use super::streams::StreamBody;
use super::ticket::Ticket;
use super::trailers;
use crate::http::{BodyError, BodyFault};
use crate::timer::Timer;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use peregrine_base::{Instant, Party};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The bytes of a response as its connection brings them.
pub(crate) enum Arriving {
    Http1(Incoming),
    Http2(StreamBody),
}

impl Arriving {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Http1(incoming) => {
                let polled = Pin::new(incoming).poll_frame(cx);
                polled.map_err(|error| BodyError::from_hyper(&error, Party::Upstream))
            }
            Self::Http2(stream) => stream.poll_frame(cx),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(stream) => stream.size_hint(),
        }
    }
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
    /// The response was read to its end.
    pub(crate) fn finish(self) {
        self.ticket.succeeded();
        // A response may come before the request was sent whole; what is left of the request would then stand before the
        // next one.
        if self.sending.is_whole() {
            let member = self.ticket.member();
            if self.trust == Trust::Once || self.connection.is_doubtful() {
                member.statistics().not_reused.increment();
            } else {
                member.pool().give_back(self.connection, self.keep_alive);
            }
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

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(held) = self.held.take() {
            held.ticket.body_failed(fault);
        }
        Poll::Ready(Some(Err(BodyError::new(fault, Party::Upstream))))
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
        if self.held.is_none() {
            return Poll::Ready(None);
        }
        match self.incoming.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting_since = None;
                let frame = match frame.into_trailers() {
                    Ok(fields) => Frame::trailers(trailers::permitted(fields)),
                    Err(frame) => frame,
                };
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => self.fail(error.fault),
            Poll::Pending => {
                let now = self.timer.now();
                let idle = self.waiting_since.get_or_insert(now).after(self.idle_timeout);
                let (deadline, fault) = if idle <= self.deadline {
                    (idle, BodyFault::IdleTimeout)
                } else {
                    (self.deadline, BodyFault::TotalTimeout)
                };
                ready!(self.timer.poll_until(deadline, cx));
                self.fail(fault)
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
