//! The body of an answer: read as it is asked for, into pieces of the size that it is said to have, and ended only where its
//! framing says so. While it is read, what is left of the request goes on.

use super::fault::Fault;
use super::head::HeadRule;
use super::link::Link;
use crate::http::codec::pages::PAGE_BYTES;
use crate::http::codec::{ChunkedDecoder, Decoded};
use crate::http::{BodyError, BodyFault};
use ::http::HeaderMap;
use ::http::header::CONTENT_LENGTH;
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use peregrine_base::Party;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;

/// How much of a body is read at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Where the body of an answer ends.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Here.
    Whole,
    /// After so many bytes, at least one.
    Length(u64),
    /// Where its chunks say so.
    Chunked(Box<ChunkedDecoder>),
    /// Where the connection does.
    UntilEnd,
}

impl Incoming {
    /// As `headers`, which were checked, say.
    pub(super) fn of(headers: &HeaderMap, is_chunked: bool, rule: HeadRule) -> Self {
        if is_chunked {
            let decoder = ChunkedDecoder::of_answer(rule.bytes_max, rule.fields_max);
            return Self::Chunked(Box::new(decoder));
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        match length.and_then(|length| length.parse().ok()) {
            Some(0) => Self::Whole,
            Some(length) => Self::Length(length),
            None => Self::UntilEnd,
        }
    }
}

impl Link {
    /// The next piece of the body, its trailers, or its end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.is_sent()
            && let Err(Fault::RequestBody(error)) = self.send(cx)
        {
            if error.fault != BodyFault::Abandoned {
                return Poll::Ready(Some(Err(error)));
            }
            // The client was not asked for its body, since the answer was there first (RFC 9110 §10.1.1): it still counts.
            self.stop_sending();
        }
        let polled = ready!(self.poll_piece(cx));
        Poll::Ready(match polled {
            Ok(frame) => frame.map(Ok),
            Err(fault) => Some(Err(BodyError::new(fault, Party::Upstream))),
        })
    }

    /// Whether nothing of the body is left to be read.
    pub(crate) const fn is_read(&self) -> bool {
        matches!(self.incoming, Incoming::Whole)
    }

    /// How much of the body is left.
    pub(crate) fn left(&self) -> SizeHint {
        match self.incoming {
            Incoming::Whole => SizeHint::with_exact(0),
            Incoming::Length(left) => SizeHint::with_exact(left),
            Incoming::Chunked(_) | Incoming::UntilEnd => SizeHint::default(),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyFault>> {
        loop {
            while !self.input.is_empty() && !self.is_read() {
                if let Some(frame) = self.decode()? {
                    return Poll::Ready(Ok(Some(frame)));
                }
            }
            let data_left = match &self.incoming {
                Incoming::Whole => return Poll::Ready(Ok(None)),
                Incoming::Length(left) => *left,
                Incoming::Chunked(decoder) => decoder.data_left(),
                Incoming::UntilEnd => u64::MAX,
            };
            if data_left < PAGE_BYTES as u64 {
                let read = ready!(self.input.poll_fill(&mut self.stream, PAGE_BYTES, cx));
                if read.map_err(|error| fault_of(&error))? == 0 {
                    return Poll::Ready(Err(BodyFault::Truncated));
                }
                continue;
            }
            let piece = ready!(self.poll_direct(data_left, cx)).map_err(|error| fault_of(&error))?;
            match &mut self.incoming {
                Incoming::UntilEnd if piece.is_empty() => self.incoming = Incoming::Whole,
                _ if piece.is_empty() => return Poll::Ready(Err(BodyFault::Truncated)),
                incoming => {
                    incoming.take(piece.len());
                    return Poll::Ready(Ok(Some(Frame::data(piece))));
                }
            }
        }
    }

    /// Passes on what is here of the next piece.
    fn decode(&mut self) -> Result<Option<Frame<Bytes>>, BodyFault> {
        let here = self.input.bytes();
        let length = match &mut self.incoming {
            Incoming::Whole => return Ok(None),
            Incoming::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX).min(here.len()),
            Incoming::UntilEnd => here.len(),
            Incoming::Chunked(decoder) => {
                return match decoder.decode(here).map_err(|_| BodyFault::Malformed)? {
                    Decoded::Nothing(length) => {
                        self.input.consume(length);
                        Ok(None)
                    }
                    Decoded::Data { skip, length } => {
                        self.input.consume(skip);
                        Ok(Some(Frame::data(self.input.split(length))))
                    }
                    Decoded::End(length) => {
                        self.input.consume(length);
                        let trailers = decoder.trailers().map_err(|_| BodyFault::Malformed)?;
                        self.incoming = Incoming::Whole;
                        Ok(trailers.map(Frame::trailers))
                    }
                };
            }
        };
        self.incoming.take(length);
        Ok(Some(Frame::data(self.input.split(length))))
    }

    /// Reads up to `left` bytes of the body without a copy; empty at the end of the stream. There is nothing in the buffer.
    fn poll_direct(&mut self, left: u64, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        if self.spare.capacity() < length {
            self.spare = BytesMut::with_capacity(length);
        }
        let count = {
            let mut room = (&mut self.spare).limit(length);
            ready!(pin!(self.stream.read_buf(&mut room)).poll(cx))?
        };
        if count >= self.spare.capacity() / 2 || count == 0 {
            return Poll::Ready(Ok(std::mem::take(&mut self.spare).freeze()));
        }
        // Whoever keeps the piece must not keep the room beside it.
        let piece = Bytes::copy_from_slice(&self.spare);
        self.spare.clear();
        Poll::Ready(Ok(piece))
    }
}

impl Incoming {
    /// So many bytes of it were passed on, past the decoder of chunks.
    fn take(&mut self, length: usize) {
        match self {
            Self::Length(left) => {
                *left -= length as u64;
                if *left == 0 {
                    *self = Self::Whole;
                }
            }
            Self::Chunked(decoder) => decoder.take(length),
            Self::Whole | Self::UntilEnd => {}
        }
    }
}

/// What an error of the stream says about a body. TLS without its end (RFC 8446 §6.1) is a body cut short.
fn fault_of(error: &io::Error) -> BodyFault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BodyFault::Truncated,
        io::ErrorKind::TimedOut => BodyFault::IdleTimeout,
        _ => BodyFault::Broken,
    }
}
