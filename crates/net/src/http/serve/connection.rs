//! One connection of a client from its first byte to its end: heads are read one after the other, what can be answered at
//! once is, and together with what arrived together; the rest goes the long way, one at a time. What is refused, cut short
//! or overdue ends the connection.

use super::transport::Transport;
use super::{Open, Shared, farewell};
use crate::drain::DrainWatch;
use crate::http::codec::exchange::{Asked, Ended, Exchange};
use crate::http::codec::fields::Framing;
use crate::http::codec::receive::{Received, Receiving};
use crate::http::codec::relay::{self, Relayed};
use crate::http::codec::respond::{self, Onward};
use crate::http::codec::scan::Scan;
use crate::http::codec::wire::{Wire, WriteFault};
use crate::http::codec::{HeadLimits, head, request};
use crate::http::last_hop::{last_hop, may_count_hops};
use crate::http::tunnel::Duplex;
use crate::http::{Answer, Body, Handler, Interim, Peer, Refusal};
use ::http::request::Parts;
use ::http::{Request, Version};
use peregrine_base::Instant;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(super) use farewell::refuse;

/// How many empty lines may stand before a request line. RFC 9112 §2.2 asks for one, behind the body of a client that
/// believes a body ends with a line end.
const EMPTY_LINES_MAX: u8 = 4;
/// How much is gathered of the answers to requests that arrived together.
const GATHER_BYTES: usize = 64 << 10;
/// For how many fields there is room on the stack.
const FIELDS_USUAL_MAX: usize = 128;

/// How a connection ends.
pub(super) enum Ending {
    /// The client has all it is going to get, or is gone.
    Done,
    /// It has, and may still be sending what nobody reads.
    Unread,
    /// With a head that no handler sees.
    Refused(Refusal),
    /// Without a further request.
    Idle,
    /// Without the rest of a response, which the client seems not to want.
    Midway,
    /// With a response whose body failed.
    Cut,
    /// With a client that took nothing.
    Stalled,
}

/// Serves the requests that arrive at `stream` until it ends.
pub(super) async fn serve<S: Transport, H: Handler>(
    stream: S,
    peer: Peer,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    let shared = &*open.shared;
    let wire = Wire::new(stream, Arc::clone(&shared.wheel), shared.limits.stall_timeout);
    let idle_until = wire.alarm.now().after(shared.limits.header_timeout);
    let mut connection = Connection {
        wire,
        peer,
        shared,
        handler: &*handler,
        drain: &drain,
        limits: HeadLimits::from(&shared.limits),
        arriving: Arriving::default(),
        answered: false,
        idle_until,
        ending: None,
    };
    let ending = connection.run().await;
    farewell::end(connection.wire, ending, shared).await;
}

struct Connection<'a, S, H> {
    wire: Wire<S>,
    peer: Peer,
    shared: &'a Shared,
    handler: &'a H,
    drain: &'a DrainWatch,
    limits: HeadLimits,
    arriving: Arriving,
    /// Whether anything was answered since it was last waited for the next request.
    answered: bool,
    /// Until when the next request is waited for.
    idle_until: Instant,
    /// How it ends, once what was gathered has been written.
    ending: Option<Ending>,
}

/// A head of which something is there.
#[derive(Default)]
struct Arriving {
    scan: Scan,
    empty_lines: u8,
    /// Since when there is something of it and not all.
    since: Option<Instant>,
}

/// What comes after the requests that were answered at once.
enum Next {
    /// A request that goes the long way.
    Request(Box<Arrived>),
    End(Ending),
}

/// A request on its way to a handler.
struct Arrived {
    parts: Parts,
    body: Body,
    asked: Asked,
    receiving: Option<Receiving>,
}

/// What was at the beginning of the input.
enum Step {
    /// A request that has its answer.
    Answered,
    /// Not enough.
    Incomplete,
    /// A request that goes the long way.
    Request(Box<Arrived>),
    /// The last that is looked at.
    End(Ending),
}

impl<S: Transport, H: Handler> Connection<'_, S, H> {
    async fn run(&mut self) -> Ending {
        loop {
            let arrived = match poll_fn(|cx| self.poll_next(cx)).await {
                Next::Request(arrived) => arrived,
                Next::End(ending) => return ending,
            };
            match self.exchange(*arrived).await {
                Ended::Open => self.answered = true,
                Ended::Last { unread: true } => return Ending::Unread,
                Ended::Last { unread: false } | Ended::Gone => return Ending::Done,
                Ended::Midway => return Ending::Midway,
                Ended::Cut => return Ending::Cut,
                Ended::Stalled => return Ending::Stalled,
                Ended::Tunnel(other) => return self.tunnel(other).await,
            }
        }
    }

    /// Answers at once what can be, and waits for more: the request that cannot, or the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if self.ending.is_some() || self.wire.output.len() >= GATHER_BYTES {
                if let Err(ending) = ready!(self.poll_flush(cx)) {
                    return Poll::Ready(Next::End(ending));
                }
                if let Some(ending) = self.ending.take() {
                    return Poll::Ready(Next::End(ending));
                }
            }
            match self.step() {
                Step::Answered => continue,
                // What was gathered before goes out with the beginning of its answer, or while it is waited for.
                Step::Request(arrived) => return Poll::Ready(Next::Request(arrived)),
                // Remembered, because nothing behind it may be looked at while what was gathered goes out.
                Step::End(ending) => {
                    self.ending = Some(ending);
                    continue;
                }
                Step::Incomplete => {}
            }
            if let Err(ending) = ready!(self.poll_flush(cx)) {
                return Poll::Ready(Next::End(ending));
            }
            let room = self.limits.size_max;
            match self.wire.input.poll_fill(&mut self.wire.stream, room, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End(Ending::Done)),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return self.poll_overdue(cx).map(Next::End),
            }
        }
    }

    /// Ready once everything has been written, or cannot be.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        self.wire.poll_flush(cx).map_err(|fault| match fault {
            WriteFault::Gone => Ending::Done,
            WriteFault::Stalled => Ending::Stalled,
        })
    }

    /// Nothing more is there: how long it is waited for.
    fn poll_overdue(&mut self, cx: &Context<'_>) -> Poll<Ending> {
        let now = self.wire.alarm.now();
        let (deadline, ending) = if self.wire.input.is_empty() {
            if self.drain.is_started() {
                return Poll::Ready(Ending::Done);
            }
            if std::mem::take(&mut self.answered) {
                self.idle_until = now.after(self.shared.limits.keepalive_timeout);
            }
            (self.idle_until, Ending::Idle)
        } else {
            let since = *self.arriving.since.get_or_insert(now);
            let deadline = since.after(self.shared.limits.header_timeout);
            (deadline, Ending::Refused(Refusal::HeaderTimeout))
        };
        if now >= deadline {
            return Poll::Ready(ending);
        }
        self.wire.alarm.set(deadline, now, cx);
        // Whoever starts the drain wakes all who have an alarm; who had none yet has to look again.
        if self.wire.input.is_empty() && self.drain.is_started() {
            return Poll::Ready(Ending::Done);
        }
        Poll::Pending
    }

    /// Looks at the beginning of the input.
    fn step(&mut self) -> Step {
        match self.take_head() {
            Ok(Some(Taken::Answered { last: false })) => Step::Answered,
            Ok(Some(Taken::Answered { last: true })) if self.wire.input.is_empty() => Step::End(Ending::Done),
            Ok(Some(Taken::Answered { last: true })) => Step::End(Ending::Unread),
            Ok(Some(Taken::Request(arrived))) => Step::Request(arrived),
            Ok(None) => Step::Incomplete,
            Err(refusal) => Step::End(Ending::Refused(refusal)),
        }
    }

    /// Takes the next head out of the input, with its answer if there is one at once; nothing while it is not whole.
    fn take_head(&mut self) -> Result<Option<Taken>, Refusal> {
        if !self.arriving.begins(&mut self.wire.input)? {
            return Ok(None);
        }
        let bytes = self.wire.input.bytes();
        let searched = self.arriving.scan.has_begun();
        if searched && self.arriving.scan.search(bytes)?.is_none() {
            let full = bytes.len() >= self.limits.size_max;
            return if full { Err(Refusal::HeaderTooLarge) } else { Ok(None) };
        }
        let mut usual = [const { MaybeUninit::uninit() }; FIELDS_USUAL_MAX];
        let mut many = Vec::new();
        let room = if self.limits.count_max <= FIELDS_USUAL_MAX {
            &mut usual[..]
        } else {
            many.reserve_exact(self.limits.count_max);
            many.spare_capacity_mut()
        };
        let Some(head) = head::parse(bytes, room, &self.limits)? else {
            return match self.arriving.scan.search(bytes)? {
                None if !searched => Ok(None),
                _ => Err(Refusal::Malformed),
            };
        };
        self.arriving = Arriving::default();
        self.answered = true;
        self.shared.statistics.requests.increment();
        let open = head.facts.keep_alive && !self.drain.is_leaving();
        if may_be_short(&head) {
            let onward = Onward::of(head.version, open);
            let clock = &*self.shared.parts.clock;
            let answered = Answer::with(|answer| {
                let is_answered = self.handler.at_once(&head.view(), &self.peer, answer);
                if is_answered {
                    self.wire.output.text(|text| {
                        respond::write_status(text, answer.status);
                        text.extend_from_slice(&answer.head);
                        respond::end_head(text, answer.dated, onward, || clock.wall());
                        text.extend_from_slice(&answer.copied);
                    });
                    answer.body.drain(..).for_each(|bytes| self.wire.output.body(bytes));
                }
                is_answered
            });
            if answered {
                let length = head.length;
                self.wire.input.consume(length);
                return Ok(Some(Taken::Answered { last: !open }));
            }
        }
        let parts = request::parts(&head, bytes)?;
        let (length, facts) = (head.length, head.facts);
        self.wire.input.consume(length);
        let asked = Asked {
            method: parts.method.clone(),
            version: parts.version,
            keep_alive: facts.keep_alive,
            takes_trailers: facts.takes_trailers,
            upgrade: facts.upgrade,
        };
        let (receiving, body) = self.body(facts.framing, facts.expects_continue);
        Ok(Some(Taken::Request(Box::new(Arrived {
            parts,
            body,
            asked,
            receiving,
        }))))
    }

    /// The body of the request whose head was just taken: as it is here, or as it comes in.
    fn body(&mut self, framing: Framing, ask: bool) -> (Option<Receiving>, Body) {
        match framing {
            Framing::Nothing => (None, Body::empty()),
            Framing::Length(length) if length <= self.wire.input.bytes().len() as u64 => {
                let length = usize::try_from(length).expect("as much as is in memory");
                (None, Body::full(self.wire.input.split(length)))
            }
            _ => {
                let (receiving, body) = Receiving::new(framing, self.limits.body_max, ask);
                (Some(receiving), Body::stream(body))
            }
        }
    }

    /// The long way of one request.
    async fn exchange(&mut self, arrived: Arrived) -> Ended {
        let Arrived {
            mut parts,
            body,
            asked,
            receiving,
        } = arrived;
        let (interim, handler, peer) = (Interim::default(), self.handler, self.peer);
        if asked.version == Version::HTTP_11 {
            parts.extensions.insert(interim.clone());
        }
        let thinking = Box::pin(async move {
            match last_hop(&mut parts) {
                Some(answer) => answer,
                None => handler.handle(Request::from_parts(parts, body), peer).await,
            }
        });
        let clock = &*self.shared.parts.clock;
        let mut exchange = Exchange::new(asked, interim, receiving, thinking, clock, self.drain);
        let ended = poll_fn(|cx| exchange.poll(&mut self.wire, cx)).await;
        if let Some(Received::Broken(Some(fault))) = exchange.received() {
            self.shared.statistics.fail_body(fault);
        }
        ended
    }

    /// The connection after it changed its protocol.
    async fn tunnel(&mut self, other: Box<dyn Duplex>) -> Ending {
        let statistics = &self.shared.statistics;
        let _open = statistics.open_tunnel();
        match relay::relay(&mut self.wire, other, self.shared.limits.tunnel_idle_timeout).await {
            Relayed::Ended => {}
            Relayed::Idle => statistics.tunnels_idle.increment(),
        }
        Ending::Done
    }
}

enum Taken {
    Answered { last: bool },
    Request(Box<Arrived>),
}

impl Arriving {
    /// Whether a request line begins at the beginning of `input`, once empty lines were passed over.
    fn begins(&mut self, input: &mut crate::http::codec::input::Input) -> Result<bool, Refusal> {
        loop {
            match input.bytes() {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] if self.empty_lines < EMPTY_LINES_MAX => {
                    input.consume(2);
                    self.empty_lines += 1;
                }
                [b'\r' | b'\n', ..] => return Err(Refusal::Malformed),
                _ => return Ok(true),
            }
        }
    }
}

/// Whether a handler may answer without a body being read or hops being counted.
fn may_be_short(head: &head::Head<'_>) -> bool {
    let counts_hops = head.facts.max_forwards && may_count_hops(head.method);
    !(head.facts.announces_body || head.facts.upgrade || counts_hops)
}
