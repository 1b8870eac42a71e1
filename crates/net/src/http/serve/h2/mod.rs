//! HTTP/2 on a connection of a client (RFC 9113). The crate `h2` reads and writes the frames and keeps their rules; limits,
//! time, refusals, drain and counting are ours. A request that the handler can answer at once is answered where it was read
//! ([`short`]), and what is answered together goes out together; any other runs in a task of its own ([`stream`]).
//!
//! A client that does too much ([`meter::Excess`]) is told so with ENHANCE_YOUR_CALM and let go. One that is silent is let
//! go by GOAWAY, so that a request on its way is answered or known to be safe to send again.

mod head;
pub(super) mod meter;
mod request_body;
mod short;
mod socket;
mod stream;

use super::transport::Transport;
use super::{Open, Shared};
use crate::drain::DrainWatch;
use crate::http::{Handler, Peer, Refusal};
use crate::timer::Timer;
use ::h2::Reason;
use ::h2::server::{Builder, Connection, SendResponse};
use ::http::request::Parts;
use bytes::Bytes;
use meter::{Allowed, Excess, Meter};
use peregrine_base::Instant;
use short::Short;
use socket::{Socket, Watched};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use stream::Exchange;

/// How many times the window of a request all requests of a connection may have together.
const CONNECTION_WINDOWS: u32 = 4;
/// How much of an answer may wait for the socket.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// How long a client may take to let go once it was told to.
const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// The head that the codec refuses by itself is so much larger than the one that is refused with a problem.
const HARD_HEAD_FACTOR: u32 = 2;

/// How many requests may be answered at once before the others of the event loop have their turn.
const ANSWERS_PER_TURN_MAX: usize = 128;

/// How a connection ended.
enum End {
    /// Closed by the client, or after a GOAWAY.
    Done,
    /// The client did too much.
    Excess(Excess),
    /// A head was begun and not finished in time.
    HeaderTimeout,
    /// The client took nothing for too long.
    Stalled,
    /// The client broke the rules of HTTP/2.
    Protocol,
}

/// Requests under way on a connection, and when that last changed.
#[derive(Default)]
struct Activity {
    open: AtomicUsize,
    served: AtomicUsize,
    changed: AtomicU64,
}

/// Serves the requests that arrive at `stream` until it ends.
pub(super) async fn serve<S: Transport, H: Handler>(
    stream: S,
    peer: Peer,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    let shared = Arc::clone(&open.shared);
    shared.statistics.http2.connections.increment();
    let timer = || Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime));
    let now = shared.parts.clock.now();
    let watched = Watched::new(Meter::new(Allowed::from(&shared.limits), now));
    let socket = Socket::new(stream, Arc::clone(&watched), timer(), shared.limits.stall_timeout);
    let connection = tokio::select! {
        () = shared.parts.runtime.sleep(shared.limits.header_timeout) => return,
        // The client sends first; without it there is nothing to be polite about.
        () = drain.started() => return,
        connection = builder(&shared).handshake::<_, Bytes>(socket) => connection,
    };
    let Ok(connection) = connection else {
        return shared.statistics.http2.protocol_errors.increment();
    };
    let activity = Arc::new(Activity::default());
    activity.changed.store(now.as_nanos(), Ordering::Relaxed);
    let mut running = Running {
        connection,
        watched,
        activity,
        timer: timer(),
        shared: Arc::clone(&shared),
        handler,
        peer,
        leaving: None,
        reason: None,
        answered: 0,
        shown: 0,
    };
    let end = {
        let mut retiring = pin!(drain.retiring());
        std::future::poll_fn(|cx| {
            if running.leaving.is_none() && retiring.as_mut().poll(cx).is_ready() {
                running.leave();
            }
            running.poll(cx)
        })
        .await
    };
    shared.statistics.http2.count(&end, &shared.statistics);
}

fn builder(shared: &Shared) -> Builder {
    let limits = &shared.limits;
    let head_max = u32::try_from(limits.header_size_max).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.http2.streams_max)
        .max_header_list_size(head_max.saturating_mul(HARD_HEAD_FACTOR))
        .initial_window_size(limits.http2.window)
        .initial_connection_window_size(limits.http2.window.saturating_mul(CONNECTION_WINDOWS))
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    builder
}

/// A connection whose handshake is done.
struct Running<S: Transport, H> {
    connection: Connection<Socket<S>, Bytes>,
    watched: Arc<Watched>,
    activity: Arc<Activity>,
    timer: Timer,
    shared: Arc<Shared>,
    handler: Arc<H>,
    peer: Peer,
    /// Since when the client has been told to leave.
    leaving: Option<Instant>,
    /// Why it was told so at once.
    reason: Option<End>,
    /// How many requests were answered at once in this turn.
    answered: usize,
    /// How many requests the codec has shown, or refused and was counted for.
    shown: u64,
}

impl<S: Transport, H: Handler> Running<S, H> {
    /// Takes what arrives and sends what is ready until the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(end) = self.accept(cx) {
                return Poll::Ready(end);
            }
            if self.reason.is_none()
                && let Some(reason) = self.overdone()
            {
                // Sent in the next round; nothing more is read.
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                (self.leaving, self.reason) = (Some(self.timer.now()), Some(reason));
                continue;
            }
            let (deadline, overdue) = self.due();
            if self.timer.poll_until(deadline, cx).is_pending() {
                return Poll::Pending;
            }
            match overdue {
                Overdue::Look => {}
                Overdue::Silence => self.leave(),
                Overdue::Leaving => return Poll::Ready(self.reason.take().unwrap_or(End::Done)),
            }
        }
    }

    /// Takes all requests that are there. What is written meanwhile is held back until there is no further one.
    fn accept(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.answered = 0;
        self.watched.hold(true);
        loop {
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.ended(Some(&error))),
                Poll::Ready(None) => return Poll::Ready(self.ended(None)),
                // Once more, and the codec writes.
                Poll::Pending if self.watched.holds_back() => {
                    self.watched.hold(false);
                    continue;
                }
                Poll::Pending => {
                    self.count_refused();
                    break;
                }
            }
            if self.answered >= ANSWERS_PER_TURN_MAX {
                // Others have their turn; what is held back goes out in the next one at the latest.
                cx.waker().wake_by_ref();
                break;
            }
            self.watched.hold(true);
        }
        if self.answered > 0 {
            let now = self.timer.now().as_nanos();
            self.activity.changed.store(now, Ordering::Relaxed);
        }
        Poll::Pending
    }

    /// Counts the requests that arrived and were not shown: the codec refused them. While it waits for the socket, or once
    /// the client was told to leave, it may just not have looked at them.
    fn count_refused(&mut self) {
        if self.leaving.is_some() || self.watched.waits() {
            return;
        }
        let arrived = self.watched.meter.lock().requests();
        let refused = arrived.saturating_sub(self.shown);
        self.shared.statistics.http2.refused.add(refused);
        self.shown += refused;
    }

    /// Answers a request, or sees to it that somebody does.
    fn begin(&mut self, request: ::http::Request<::h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        self.shown += 1;
        let (mut head, incoming) = request.into_parts();
        // The codec's own.
        head.extensions.clear();
        let admitted = head::admit(&mut head, &self.shared.limits);
        match &admitted {
            Err(refusal) => self.shared.statistics.refuse(*refusal),
            Ok(facts) => {
                self.shared.statistics.requests.increment();
                let may_be_short = short::may_be_short(&head, facts, incoming.is_end_stream());
                if may_be_short && self.answer_at_once(&head, &mut respond) {
                    return;
                }
            }
        }
        let exchange = Exchange {
            respond,
            peer: self.peer,
            shared: Arc::clone(&self.shared),
            _underway: self.underway(),
        };
        let handler = Arc::clone(&self.handler);
        let task = async move { exchange.run(head, admitted, incoming, &*handler).await };
        self.shared.parts.runtime.spawn(Box::pin(task));
    }

    /// Answers the request of `head`, if the handler does at once.
    fn answer_at_once(&mut self, head: &Parts, respond: &mut SendResponse<Bytes>) -> bool {
        let wall = || self.shared.parts.clock.wall();
        match short::answer(&*self.handler, head, &self.peer, respond, wall) {
            Short::No => return false,
            Short::Answered => {
                self.activity.served.fetch_add(1, Ordering::Relaxed);
                self.answered += 1;
            }
            Short::Waits(stream, body) => {
                let finish = short::finish(stream, body, Arc::clone(&self.shared), self.underway());
                self.shared.parts.runtime.spawn(Box::pin(finish));
            }
        }
        true
    }

    fn underway(&self) -> Underway {
        Underway::new(&self.activity, &self.shared)
    }

    /// Tells the client that no further request will be answered; those under way will.
    fn leave(&mut self) {
        self.connection.graceful_shutdown();
        self.leaving = Some(self.timer.now());
    }

    /// What ends the connection at once.
    fn overdone(&self) -> Option<End> {
        let meter = self.watched.meter.lock();
        if let Some(excess) = meter.excess() {
            return Some(End::Excess(excess));
        }
        let since = meter.head_since()?;
        (self.timer.now() >= since.after(self.shared.limits.header_timeout)).then_some(End::HeaderTimeout)
    }

    /// Until when something has to happen, and what it means if it does not.
    fn due(&self) -> (Instant, Overdue) {
        let (now, limits) = (self.timer.now(), &self.shared.limits);
        let idle = self.activity.open.load(Ordering::Acquire) == 0;
        if let Some(since) = self.leaving {
            return if idle || self.reason.is_some() {
                let changed = Instant::from_nanos(self.activity.changed.load(Ordering::Relaxed));
                (since.max(changed).after(FAREWELL_TIME), Overdue::Leaving)
            } else {
                (now.after(FAREWELL_TIME), Overdue::Look)
            };
        }
        let silence = if self.activity.served.load(Ordering::Relaxed) == 0 {
            limits.header_timeout
        } else {
            limits.keepalive_timeout
        };
        let (deadline, overdue) = if idle {
            let changed = Instant::from_nanos(self.activity.changed.load(Ordering::Relaxed));
            (changed.after(silence), Overdue::Silence)
        } else {
            // Nobody tells when a request ends without a word; looking now and then is enough.
            (now.after(silence), Overdue::Look)
        };
        match self.watched.meter.lock().head_since() {
            Some(since) if since.after(limits.header_timeout) < deadline => {
                (since.after(limits.header_timeout), Overdue::Look)
            }
            _ => (deadline, overdue),
        }
    }

    /// How a connection ended that the codec is done with.
    fn ended(&mut self, error: Option<&::h2::Error>) -> End {
        if let Some(reason) = self.reason.take() {
            return reason;
        }
        if self.watched.is_stalled() {
            return End::Stalled;
        }
        match error {
            Some(error) if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) && !error.is_remote() => {
                End::Excess(self.watched.meter.lock().excess().unwrap_or(Excess::Codec))
            }
            Some(error) if !error.is_io() && !error.is_remote() => End::Protocol,
            _ => End::Done,
        }
    }
}

/// What it means that a time has come.
enum Overdue {
    /// Nothing yet; it has to be looked at again.
    Look,
    /// The client asks for nothing.
    Silence,
    /// The client does not leave, although it was told to and nothing is under way.
    Leaving,
}

/// Counts a request as under way until it is dropped.
struct Underway {
    activity: Arc<Activity>,
    shared: Arc<Shared>,
}

impl Underway {
    fn new(activity: &Arc<Activity>, shared: &Arc<Shared>) -> Self {
        activity.open.fetch_add(1, Ordering::AcqRel);
        activity.served.fetch_add(1, Ordering::Relaxed);
        Self {
            activity: Arc::clone(activity),
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let now = self.shared.parts.clock.now();
        self.activity.changed.store(now.as_nanos(), Ordering::Relaxed);
        self.activity.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl super::status::Http2Statistics {
    fn count(&self, end: &End, all: &super::Statistics) {
        match end {
            End::Done => {}
            End::Excess(excess) => self.excesses[excess.index()].increment(),
            End::HeaderTimeout => all.refuse(Refusal::HeaderTimeout),
            End::Stalled => all.stalled.increment(),
            End::Protocol => self.protocol_errors.increment(),
        }
    }
}
