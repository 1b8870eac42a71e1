//! A request body on its way in: decoded, bounded in size and in the time between its pieces, and never ended early in
//! silence. The client is asked for it (100) when the handler first wants some.

use super::chunked::{ChunkedDecoder, Decoded};
use super::fields::Framing;
use super::input::Input;
use super::intake::{self, Demand, Intake, RequestBody};
use super::pages::PAGE_BYTES;
use super::transport::Transport;
use super::wire::Wire;
use crate::http::BodyFault;
use bytes::Bytes;
use http_body::Frame;
use peregrine_base::Instant;
use std::task::{Context, Poll};

/// How far a body has come in.
pub(crate) struct Receiving {
    intake: Intake,
    coding: Coding,
    /// How many bytes it may still have.
    allowed: u64,
    /// Whether the client still waits to be asked.
    ask: bool,
    /// Since when the client is waited for.
    waiting_since: Option<Instant>,
    pub(crate) state: Received,
}

enum Coding {
    Length(u64),
    Chunked(ChunkedDecoder),
}

/// How a body came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Not all of it yet.
    Partly,
    /// To its last byte: what follows is the next request.
    Whole,
    /// Only partly: the rest is not wanted, or the client did not send it well. What follows is no request.
    Broken(Option<BodyFault>),
}

impl Receiving {
    /// Of a body with `framing` and at most `body_max` bytes; `ask` when the client waits to be asked.
    pub(crate) fn new(framing: Framing, body_max: u64, ask: bool) -> (Self, RequestBody) {
        let (coding, length) = match framing {
            Framing::Chunked => (Coding::Chunked(ChunkedDecoder::default()), None),
            Framing::Length(length) => (Coding::Length(length), Some(length)),
            Framing::Nothing => (Coding::Length(0), Some(0)),
        };
        let (intake, body) = intake::channel(length);
        let this = Self {
            intake,
            coding,
            allowed: body_max,
            ask,
            waiting_since: None,
            state: Received::Partly,
        };
        (this, body)
    }

    /// Whether the client waits to be asked, and was not.
    pub(crate) const fn is_unasked(&self) -> bool {
        self.ask
    }

    /// The client is sent its answer meanwhile: both may talk by turns.
    pub(crate) const fn answered(&mut self) {
        self.waiting_since = None;
    }

    /// Gives up what has not come.
    pub(crate) fn give_up(&mut self, fault: Option<BodyFault>) {
        self.intake.fail(fault.unwrap_or(BodyFault::Abandoned));
        self.state = Received::Broken(fault);
    }

    /// Reads as long as more is wanted and there is more. Ready when it is all in, or will not be.
    pub(crate) fn poll<S: Transport>(&mut self, wire: &mut Wire<S>, cx: &mut Context<'_>) -> Poll<Received> {
        while self.state == Received::Partly {
            match self.intake.demand(cx) {
                Demand::Dropped => {
                    self.skip(&mut wire.input);
                    break;
                }
                Demand::Waits => return Poll::Pending,
                Demand::Wanted => {}
            }
            if std::mem::take(&mut self.ask) && wire.input.is_empty() {
                wire.output
                    .text(|text| text.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
            }
            if wire.input.is_empty() {
                let Poll::Ready(read) = self.poll_read(wire, cx) else {
                    return self.poll_stalled(wire, cx);
                };
                self.waiting_since = None;
                if let Err(fault) = read {
                    self.give_up(Some(fault));
                }
            } else if let Err(fault) = self.decode(&mut wire.input) {
                self.give_up(Some(fault));
            }
        }
        Poll::Ready(self.state)
    }

    /// Reads more, past the buffer where all of it belongs to the body.
    fn poll_read<S: Transport>(&mut self, wire: &mut Wire<S>, cx: &mut Context<'_>) -> Poll<Result<(), BodyFault>> {
        let data_left = match &self.coding {
            Coding::Length(left) => *left,
            Coding::Chunked(decoder) => decoder.data_left(),
        };
        if data_left < PAGE_BYTES as u64 {
            return wire
                .input
                .poll_fill(&mut wire.stream, PAGE_BYTES, cx)
                .map(|read| match read {
                    Ok(0) => Err(BodyFault::Truncated),
                    Ok(_) => Ok(()),
                    Err(_) => Err(BodyFault::Broken),
                });
        }
        wire.input
            .poll_body(&mut wire.stream, data_left, cx)
            .map(|read| match read {
                Ok(bytes) if bytes.is_empty() => Err(BodyFault::Truncated),
                Ok(bytes) => {
                    match &mut self.coding {
                        Coding::Length(left) => *left -= bytes.len() as u64,
                        Coding::Chunked(decoder) => decoder.take(bytes.len()),
                    }
                    self.push(bytes)
                }
                Err(_) => Err(BodyFault::Broken),
            })
    }

    fn poll_stalled<S: Transport>(&mut self, wire: &mut Wire<S>, cx: &Context<'_>) -> Poll<Received> {
        let since = *self.waiting_since.get_or_insert_with(|| wire.alarm.now());
        let deadline = since.after(wire.stall_timeout());
        wire.alarm.poll_until(deadline, cx).map(|()| {
            self.give_up(Some(BodyFault::IdleTimeout));
            self.state
        })
    }

    /// Passes on what is here of the next piece.
    fn decode(&mut self, input: &mut Input) -> Result<(), BodyFault> {
        match &mut self.coding {
            Coding::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.bytes().len());
                *left -= length as u64;
                self.push(input.split(length))
            }
            Coding::Chunked(decoder) => match decoder.decode(input.bytes()).map_err(|_| BodyFault::Malformed)? {
                Decoded::Nothing(length) => {
                    input.consume(length);
                    self.within_size()
                }
                Decoded::Data { skip, length } => {
                    input.consume(skip);
                    self.push(input.split(length))
                }
                Decoded::End(length) => {
                    input.consume(length);
                    if let Some(trailers) = decoder.trailers().map_err(|_| BodyFault::Malformed)? {
                        self.intake.push(Frame::trailers(trailers));
                    }
                    self.intake.finish();
                    self.state = Received::Whole;
                    Ok(())
                }
            },
        }
    }

    /// A chunk that is too large is refused when its size is known.
    fn within_size(&self) -> Result<(), BodyFault> {
        match &self.coding {
            Coding::Chunked(decoder) if decoder.data_left() > self.allowed => Err(BodyFault::TooLarge),
            _ => Ok(()),
        }
    }

    /// Nobody wants the rest: it is passed over when it is here already.
    fn skip(&mut self, input: &mut Input) {
        self.state = Received::Broken(None);
        while !input.is_empty() {
            let (length, whole) = match &mut self.coding {
                Coding::Length(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.bytes().len());
                    *left -= length as u64;
                    (length, *left == 0)
                }
                Coding::Chunked(decoder) => match decoder.decode(input.bytes()) {
                    Ok(Decoded::Nothing(length)) => (length, false),
                    Ok(Decoded::Data { skip, length }) => (skip + length, false),
                    Ok(Decoded::End(length)) => (length, true),
                    Err(_) => return,
                },
            };
            input.consume(length);
            if whole {
                self.state = Received::Whole;
                return;
            }
        }
    }

    fn push(&mut self, bytes: Bytes) -> Result<(), BodyFault> {
        self.allowed = self
            .allowed
            .checked_sub(bytes.len() as u64)
            .ok_or(BodyFault::TooLarge)?;
        self.within_size()?;
        self.intake.push(Frame::data(bytes));
        if matches!(self.coding, Coding::Length(0)) {
            self.intake.finish();
            self.state = Received::Whole;
        }
        Ok(())
    }
}
