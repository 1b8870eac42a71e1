//! One request over HTTP/2, from its head to the end of its answer: the handler thinks, interim answers, the head and the
//! body of the answer are written, each only as fast as the client takes it. It runs in its connection's task.

use super::super::Shared;
use super::bell::{Bell, Ring};
use super::meter::Sent;
use super::request_body::Inbox;
use super::stall::Blocked;
use crate::http::codec::output::Output;
use crate::http::frames::{self, PAYLOAD_BYTES_MAX, flag, kind};
use crate::http::hpack::encode;
use crate::http::{Body, Interim, Problem, hygiene};
use ::http::header::{CONTENT_LENGTH, DATE, TRAILER};
use ::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use http_body::Body as _;
use peregrine_base::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How much may wait for the socket before no further frame is looked at: each may call for a reply.
pub(super) const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// How much may wait before no more of a body is written for it: less than what keeps frames from being looked at, which
/// have to be though the client takes no answer (RFC 9113 §5.2.2).
pub(super) const BODIES_BYTES_MAX: usize = OUTPUT_BYTES_MAX / 2;
/// How much of one answer is written before others have their turn.
const TURN_BYTES: usize = 64 << 10;
/// So much in one frame earns the client control frames of its own, though its window cut it short.
const EARNING_BYTES_MIN: usize = 1 << 10;
/// Up to this length a piece of a body is copied behind its frame's header, which costs less than a piece of its own.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// A handler at work.
pub(super) type Thinking<'a> = Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>;

/// A request that was not answered at once.
pub(super) struct Stream<'a> {
    stage: Stage<'a>,
    is_head: bool,
    /// How much of the answer the client takes; less than nothing after it made its windows smaller (RFC 9113 §6.9.2).
    pub(super) window: i64,
    pub(super) receiving: Receiving,
    /// Whether the answer waits for a window.
    pub(super) blocked: Option<Blocked>,
    /// Whether it stands in the connection's queue of those that have more to write.
    pub(super) queued: bool,
    ring: Arc<Ring>,
    waker: Waker,
}

/// The body of the request, as it comes in.
pub(super) struct Receiving {
    /// How much the client may still send.
    pub(super) window: i64,
    /// How much was taken that it was not told of.
    pub(super) credit: u32,
    /// How much is to come of what was announced.
    pub(super) left: Option<u64>,
    pub(super) ended: bool,
    pub(super) inbox: Option<Inbox>,
}

enum Stage<'a> {
    Thinking(Thinking<'a>, Interim),
    Answering(Answering),
    Answered,
}

struct Answering {
    body: Body,
    /// What was taken of the body and not written.
    rest: Bytes,
    /// How much is to come of what the head announced.
    left: Option<u64>,
}

/// Where an answer goes.
pub(super) struct Outbound<'o> {
    pub(super) output: &'o mut Output,
    /// How much all answers of the connection may take.
    pub(super) window: &'o mut i64,
    /// How much they took.
    pub(super) sent: &'o mut Sent,
    /// Whether the client knows that our side uses no table of fields.
    pub(super) tableless: &'o mut bool,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It waits, and rings or is called when that is over.
    Waits,
    /// It has more to write, and others their turn.
    More,
    /// The answer is written.
    Ended,
    /// The body of the answer failed.
    Cut,
}

impl<'a> Stream<'a> {
    /// A request whose work is still to be given to it.
    pub(super) fn new(stream: u32, bell: &Arc<Bell>, window: i64, is_head: bool) -> Self {
        let ring = Ring::new(stream, bell);
        Self {
            stage: Stage::Answered,
            is_head,
            window,
            receiving: Receiving {
                window: 0,
                credit: 0,
                left: None,
                ended: true,
                inbox: None,
            },
            blocked: None,
            queued: false,
            waker: Waker::from(Arc::clone(&ring)),
            ring,
        }
    }

    /// Wakes the connection for this request.
    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Lets `thinking` find the answer.
    pub(super) fn think(&mut self, thinking: Thinking<'a>, interim: Interim) {
        self.stage = Stage::Thinking(thinking, interim);
    }

    /// Lets `body` be written behind a head that was.
    pub(super) fn deliver(&mut self, body: Body) {
        self.stage = Stage::Answering(Answering {
            left: body.length(),
            body,
            rest: Bytes::new(),
        });
    }

    /// Moves whatever can move.
    pub(super) fn poll(&mut self, id: u32, out: &mut Outbound<'_>, shared: &Shared, now: Instant) -> Turn {
        self.ring.heard();
        if let Stage::Thinking(thinking, interim) = &mut self.stage {
            let mut cx = Context::from_waker(&self.waker);
            // A handler that panics ends its request, and not all that are under way beside it.
            let polled = catch_unwind(AssertUnwindSafe(|| thinking.as_mut().poll(&mut cx)));
            let Ok(answer) = polled else {
                self.stage = Stage::Answered;
                return Turn::Cut;
            };
            while let Some((status, mut headers)) = interim.next(&cx) {
                hygiene::strip_hop_by_hop(&mut headers);
                out.head(id, status, &headers, false);
            }
            let Poll::Ready(response) = answer else {
                return Turn::Waits;
            };
            interim.end();
            self.answer(id, response, out, shared);
        }
        let Stage::Answering(answering) = &mut self.stage else {
            return Turn::Ended;
        };
        let mut cx = Context::from_waker(&self.waker);
        let before = out.sent.bytes;
        let turn = answering.poll(id, &mut self.window, out, &mut cx);
        let blocked = turn == Turn::Waits && !answering.rest.is_empty();
        if !blocked || out.sent.bytes > before {
            self.blocked = None;
        }
        if blocked {
            let end = out.output.end();
            self.blocked.get_or_insert_with(|| Blocked::new(now, end));
        }
        if turn == Turn::Ended {
            self.stage = Stage::Answered;
        }
        turn
    }

    /// Writes the head of the answer.
    pub(super) fn answer(&mut self, id: u32, response: Response<Body>, out: &mut Outbound<'_>, shared: &Shared) {
        let response = if response.status().is_informational() {
            // 101 has no meaning here (RFC 9113 §8.6), and no other is final.
            Problem::new(StatusCode::BAD_GATEWAY, "protocol").into_response()
        } else {
            response
        };
        let (mut head, body) = response.into_parts();
        let headers = &mut head.headers;
        let trailers: Vec<_> = headers.get_all(TRAILER).iter().cloned().collect();
        hygiene::strip_hop_by_hop(headers);
        let bodiless = self.is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let length = body.length().or(announced).filter(|_| !bodiless);
        if bodiless {
            let own = body.length().filter(|length| self.is_head && *length > 0);
            if let (None, Some(length)) = (announced, own) {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            if head.status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6.
                headers.remove(CONTENT_LENGTH);
            }
        } else if length != announced {
            headers.remove(CONTENT_LENGTH);
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, length.into());
            }
        }
        if length.is_none() && !bodiless {
            // Who made the answer says what will stand behind its body (RFC 9110 §6.6.2).
            for names in trailers {
                headers.append(TRAILER, names);
            }
        }
        let ended = bodiless || (body.is_empty() && length.unwrap_or(0) == 0);
        let wall = (!headers.contains_key(DATE)).then(|| shared.parts.clock.wall());
        out.block(id, ended, |block| {
            encode::status(block, head.status);
            encode::fields(block, headers);
            if let Some(wall) = wall {
                encode::date(block, wall);
            }
        });
        self.stage = if ended {
            Stage::Answered
        } else {
            Stage::Answering(Answering {
                body,
                rest: Bytes::new(),
                left: length,
            })
        };
    }
}

impl Answering {
    /// Writes what there is of the body and the windows have room for.
    fn poll(&mut self, id: u32, window: &mut i64, out: &mut Outbound<'_>, cx: &mut Context<'_>) -> Turn {
        let mut written = 0;
        loop {
            while !self.rest.is_empty() {
                if written >= TURN_BYTES || out.output.len() >= BODIES_BYTES_MAX {
                    return Turn::More;
                }
                let room = usize::try_from((*window).min(*out.window)).unwrap_or(0);
                if room == 0 {
                    return Turn::Waits;
                }
                let piece = self.rest.split_to(room.min(self.rest.len()).min(PAYLOAD_BYTES_MAX));
                written += piece.len();
                *window -= i64::try_from(piece.len()).expect("less than a frame");
                let last = self.rest.is_empty() && self.left.is_none_or(|left| left == 0) && self.body.is_end_stream();
                // A window that is opened byte by byte is not what earns more of its like.
                let earns = self.rest.is_empty() || piece.len() >= EARNING_BYTES_MIN;
                out.data(id, piece, last, earns);
                if last {
                    return Turn::Ended;
                }
            }
            let body = Pin::new(&mut self.body);
            let Ok(polled) = catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) else {
                return Turn::Cut;
            };
            let frame = match polled {
                Poll::Pending => return Turn::Waits,
                Poll::Ready(Some(Err(_))) => return Turn::Cut,
                Poll::Ready(frame) => frame.and_then(Result::ok),
            };
            let trailers = match frame.map(http_body::Frame::into_data) {
                Some(Ok(data)) => {
                    if let Some(left) = &mut self.left {
                        // More than was announced is malformed (RFC 9113 §8.1.1), as is less.
                        match left.checked_sub(data.len() as u64) {
                            Some(less) => *left = less,
                            None => return Turn::Cut,
                        }
                    }
                    self.rest = data;
                    continue;
                }
                Some(Err(frame)) => frame.into_trailers().ok(),
                None => None,
            };
            if self.left.is_some_and(|left| left > 0) {
                return Turn::Cut;
            }
            match trailers {
                Some(mut trailers) => {
                    hygiene::strip_hop_by_hop(&mut trailers);
                    out.trailers(id, &trailers);
                }
                None => out.data(id, Bytes::new(), true, true),
            }
            return Turn::Ended;
        }
    }
}

impl Outbound<'_> {
    /// Writes a head; `end` when nothing follows.
    pub(super) fn head(&mut self, id: u32, status: StatusCode, headers: &HeaderMap, end: bool) {
        self.block(id, end, |block| {
            encode::status(block, status);
            encode::fields(block, headers);
        });
    }

    fn trailers(&mut self, id: u32, headers: &HeaderMap) {
        self.block(id, true, |block| encode::fields(block, headers));
    }

    /// Writes a block of fields; the first one of a connection says that no table is used.
    fn block(&mut self, id: u32, end: bool, fill: impl FnOnce(&mut Vec<u8>)) {
        let tableless = std::mem::replace(self.tableless, true);
        self.output.text(|text| {
            frames::write_block(text, id, end, |block| {
                encode::begin(block, tableless);
                fill(block);
                true
            });
        });
    }

    /// Writes a piece of a body, for which the windows have room; `earns` where they did not cut it short.
    fn data(&mut self, id: u32, piece: Bytes, end: bool, earns: bool) {
        let flags = if end { flag::END_STREAM } else { 0 };
        let length = piece.len();
        self.took(length, earns);
        let copied = length <= COPIED_BYTES_MAX;
        self.output.text(|text| {
            write_data_header(text, id, length, flags);
            if copied {
                text.extend_from_slice(&piece);
            }
        });
        if !copied {
            self.output.body(piece);
        }
    }

    /// So much of the connection's window is used, by a frame that `earns` the client control frames or not.
    pub(super) fn took(&mut self, length: usize, earns: bool) {
        *self.window -= i64::try_from(length).unwrap_or(i64::MAX);
        self.sent.bytes += length as u64;
        self.sent.frames += u64::from(earns);
    }
}

/// Writes what stands before `length` bytes of a body.
pub(super) fn write_data_header(text: &mut Vec<u8>, id: u32, length: usize, flags: u8) {
    let header = frames::Header {
        length,
        kind: kind::DATA,
        flags,
        stream: id,
    };
    text.extend_from_slice(&header.bytes());
}
