//! One request on the long way: the handler thinks, its body streams in, interim responses, the head and the body of the
//! answer go out, all in one task and each only as fast as the other side takes it.

use super::chunked::may_trail;
use super::receive::{Received, Receiving};
use super::respond::{self, Framed, Onward, Sending};
use super::transport::Transport;
use super::wire::{Wire, WriteFault};
use crate::drain::DrainWatch;
use crate::http::tunnel::Duplex;
use crate::http::{Body, Interim, Problem, Tunnel};
use ::http::header::CONNECTION;
use ::http::{HeaderMap, Method, Response, StatusCode, Version};
use bytes::Bytes;
use http_body::Body as _;
use peregrine_base::{Clock, Instant};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much of a body is gathered before it is written: enough for one call to be worth it, little enough not to be held up.
const GATHER_BYTES: usize = 256 << 10;
/// How many bytes may arrive ahead of their turn: the next requests of a client who does not wait for answers.
const AHEAD_BYTES_MAX: usize = super::pages::PAGE_BYTES;

/// What the codec has to remember of a request while a handler has it.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) takes_trailers: bool,
    pub(crate) upgrade: bool,
}

/// How an exchange ended.
pub(crate) enum Ended {
    /// Well; the next request may come.
    Open,
    /// Well; this was the last one. The client may still be sending what nobody reads.
    Last { unread: bool },
    /// The client went away.
    Gone,
    /// The client ended its side before it had all of its answer, which only the end of the connection delimits. It may still
    /// listen, and must not take what it got for all.
    Midway,
    /// The body of the answer failed.
    Cut,
    /// The client took nothing for too long.
    Stalled,
    /// With another protocol.
    Tunnel(Box<dyn Duplex>),
}

type Thinking<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

enum Stage<'a> {
    Thinking(Thinking<'a>),
    Answering {
        body: Body,
        sending: Sending,
    },
    Tunnel(Box<dyn Duplex>),
    Answered,
    /// The body of the answer failed; what there was of it still goes out, so that the client sees an answer cut short and
    /// not none.
    Cut,
}

/// The exchange.
pub(crate) struct Exchange<'a> {
    asked: Asked,
    interim: Interim,
    receiving: Option<Receiving>,
    stage: Stage<'a>,
    /// Whether the connection goes on after it.
    open: bool,
    /// Whether only the end of the connection says where the answer ends, so that any other end has to be a reset.
    ends_it: bool,
    /// Since when only the rest of the request body is waited for.
    answered_since: Option<Instant>,
    clock: &'a dyn Clock,
    drain: &'a DrainWatch,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        asked: Asked,
        interim: Interim,
        receiving: Option<Receiving>,
        thinking: Thinking<'a>,
        clock: &'a dyn Clock,
        drain: &'a DrainWatch,
    ) -> Self {
        Self {
            asked,
            interim,
            receiving,
            stage: Stage::Thinking(thinking),
            open: false,
            ends_it: false,
            answered_since: None,
            clock,
            drain,
        }
    }

    /// How the request body came in; nothing when there was none.
    pub(crate) fn received(&self) -> Option<Received> {
        self.receiving.as_ref().map(|receiving| receiving.state)
    }

    /// Moves whatever can move.
    pub(crate) fn poll<S: Transport>(&mut self, wire: &mut Wire<S>, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            self.think(wire, cx);
            let received = match &mut self.receiving {
                Some(receiving) => receiving.poll(wire, cx),
                None => Poll::Ready(Received::Whole),
            };
            let waits = match self.gather(wire, cx) {
                Ok(waits) => waits,
                Err(NotWhole) => {
                    self.stage = Stage::Cut;
                    false
                }
            };
            match wire.poll_flush(cx) {
                Poll::Ready(Ok(())) if waits => {}
                Poll::Ready(Ok(())) => match self.stage {
                    Stage::Thinking(_) => {}
                    Stage::Answering { .. } => continue,
                    Stage::Answered | Stage::Tunnel(_) => return self.end(received, wire, cx),
                    Stage::Cut => return Poll::Ready(Ended::Cut),
                },
                Poll::Ready(Err(WriteFault::Gone)) => return Poll::Ready(Ended::Gone),
                Poll::Ready(Err(WriteFault::Stalled)) => return Poll::Ready(Ended::Stalled),
                Poll::Pending => {}
            }
            // Once nothing but the last of the answer has to go out, the client gets that though it ended its side.
            let is_open = matches!(self.stage, Stage::Thinking(_) | Stage::Answering { .. });
            if is_open && received == Poll::Ready(Received::Whole) && is_gone(wire, cx) {
                return Poll::Ready(match self.stage {
                    Stage::Answering {
                        sending: Sending::UntilClose,
                        ..
                    } => Ended::Midway,
                    _ => Ended::Gone,
                });
            }
            return Poll::Pending;
        }
    }

    /// Lets the handler think, and writes what it says before its answer, and the head of that.
    fn think<S: Transport>(&mut self, wire: &mut Wire<S>, cx: &mut Context<'_>) {
        let Stage::Thinking(thinking) = &mut self.stage else {
            return;
        };
        let answer = thinking.as_mut().poll(cx);
        while let Some((status, headers)) = self.interim.next(cx) {
            wire.output.text(|text| respond::write_interim(text, status, &headers));
        }
        if let Poll::Ready(response) = answer {
            self.interim.end();
            self.answer(response, wire, cx);
        }
    }

    /// Writes the head of the answer.
    fn answer<S>(&mut self, response: Response<Body>, wire: &mut Wire<S>, cx: &mut Context<'_>)
    where
        S: Transport,
    {
        let (mut head, mut body) = response.into_parts();
        let mut tunnel = None;
        if head.status.is_informational() {
            tunnel = head.extensions.get::<Tunnel>().and_then(Tunnel::take);
            if head.status != StatusCode::SWITCHING_PROTOCOLS || !self.asked.upgrade || tunnel.is_none() {
                let problem = Problem::new(StatusCode::BAD_GATEWAY, "unexpected_upgrade")
                    .detail("The origin changed the protocol of a connection without being asked to.");
                (head, body) = problem.into_response().into_parts();
                tunnel = None;
            }
        }
        let framed = Framed::of(
            &self.asked.method,
            self.asked.version,
            head.status,
            &head.headers,
            &body,
        );
        let is_received = self.receiving.as_mut().is_none_or(|receiving| {
            if receiving.is_unasked() {
                // RFC 9110 §10.1.1: the client may send its body or not, and nobody could tell which it did.
                receiving.give_up(None);
            }
            // Of a body that an answer overtakes hardly anybody takes the rest: the client learns now that its next request
            // would not be read (RFC 9112 §9.6).
            receiving.poll(wire, cx) == Poll::Ready(Received::Whole)
        });
        self.open = self.asked.keep_alive
            && is_received
            && framed.sending != Sending::UntilClose
            && !says_close(&head.headers)
            && !self.drain.is_leaving();
        let onward = match tunnel {
            Some(_) => Onward::Upgrade,
            None => Onward::of(self.asked.version, self.open),
        };
        self.ends_it = framed.sending == Sending::UntilClose;
        if self.ends_it {
            // RFC 9112 §8: what is cut short must not look whole, not even when it is our program or its task that ends.
            wire.stream.reset();
        }
        let wall = self.clock.wall();
        wire.output
            .text(|text| respond::write_head(text, head.status, &head.headers, framed, onward, wall));
        self.stage = match (tunnel, framed.sending) {
            (Some(tunnel), _) => Stage::Tunnel(tunnel),
            (None, Sending::Nothing) => Stage::Answered,
            (None, sending) => Stage::Answering { body, sending },
        };
    }

    /// Takes what there is of the answer's body; whether more has to be waited for.
    fn gather<S>(&mut self, wire: &mut Wire<S>, cx: &mut Context<'_>) -> Result<bool, NotWhole> {
        let Stage::Answering { body, sending } = &mut self.stage else {
            return Ok(false);
        };
        while wire.output.len() < GATHER_BYTES {
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Err(_))) => return Err(NotWhole),
                Poll::Ready(Some(Ok(frame))) => Some(frame),
                Poll::Ready(None) => None,
            };
            let trailers = match frame.map(http_body::Frame::into_data) {
                Some(Ok(bytes)) => {
                    write_piece(bytes, sending, wire)?;
                    if let Some(receiving) = &mut self.receiving {
                        receiving.answered();
                    }
                    if *sending != Sending::Length(0) {
                        continue;
                    }
                    if !body.is_end_stream() {
                        // It learns that it has come to its end, and may have to wait for that no longer.
                        let _ = Pin::new(&mut *body).poll_frame(cx);
                    }
                    None
                }
                Some(Err(frame)) => frame.into_trailers().ok(),
                None => None,
            };
            let trailers = trailers.filter(|_| self.asked.takes_trailers);
            write_end(*sending, trailers.as_ref(), wire)?;
            self.stage = Stage::Answered;
            break;
        }
        Ok(false)
    }

    /// Everything has been written; the rest of the request body may still be under way to whoever takes it.
    fn end<S: Transport>(&mut self, received: Poll<Received>, wire: &mut Wire<S>, cx: &Context<'_>) -> Poll<Ended> {
        if let Stage::Tunnel(tunnel) = std::mem::replace(&mut self.stage, Stage::Answered) {
            return Poll::Ready(Ended::Tunnel(tunnel));
        }
        if std::mem::take(&mut self.ends_it) {
            wire.stream.keep();
        }
        match received {
            Poll::Ready(Received::Whole) if self.open => Poll::Ready(Ended::Open),
            Poll::Ready(received) => Poll::Ready(Ended::Last {
                unread: received != Received::Whole || !wire.input.is_empty(),
            }),
            Poll::Pending => {
                let since = *self.answered_since.get_or_insert_with(|| wire.alarm.now());
                let due = wire.alarm.poll_until(since.after(wire.stall_timeout()), cx);
                due.map(|()| Ended::Last { unread: true })
            }
        }
    }
}

/// The body did not come to its end.
struct NotWhole;

fn write_piece<S>(bytes: Bytes, sending: &mut Sending, wire: &mut Wire<S>) -> Result<(), NotWhole> {
    if bytes.is_empty() {
        return Ok(());
    }
    match sending {
        Sending::Length(left) => {
            // More than was announced would be taken for the next answer.
            *left = left.checked_sub(bytes.len() as u64).ok_or(NotWhole)?;
            wire.output.body(bytes);
        }
        Sending::Chunked => {
            wire.output.text(|text| respond::write_chunk_size(text, bytes.len()));
            wire.output.body(bytes);
            wire.output.text(|text| text.extend_from_slice(b"\r\n"));
        }
        Sending::UntilClose => wire.output.body(bytes),
        Sending::Nothing => {}
    }
    Ok(())
}

fn write_end<S>(sending: Sending, trailers: Option<&HeaderMap>, wire: &mut Wire<S>) -> Result<(), NotWhole> {
    match sending {
        Sending::Length(left) if left > 0 => return Err(NotWhole),
        Sending::Chunked => wire.output.text(|text| {
            text.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                respond::write_fields(text, trailers, |name| !may_trail(name));
            }
            text.extend_from_slice(b"\r\n");
        }),
        _ => {}
    }
    Ok(())
}

/// Whether the client has ended its side. What it sends instead waits for its turn.
fn is_gone<S: Transport>(wire: &mut Wire<S>, cx: &mut Context<'_>) -> bool {
    while wire.input.bytes().len() < AHEAD_BYTES_MAX {
        match wire.input.poll_fill(&mut wire.stream, AHEAD_BYTES_MAX, cx) {
            Poll::Ready(Ok(0) | Err(_)) => return true,
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return false,
        }
    }
    false
}

/// Whether the handler wants the connection closed.
fn says_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}
