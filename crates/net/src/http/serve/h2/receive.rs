//! What each frame of a client does (RFC 9113 §5, §6): to the connection, to the request that it belongs to, or to both as
//! the end of one.

use super::super::transport::Transport;
use super::connection::{Connection, LEAVING, stream_window};
use super::head::{self, Head, Wrong};
use super::meter::{Excess, PREFACE};
use super::request_body;
use super::stream::{OUTPUT_BYTES_MAX, Stream};
use super::{End, list_bytes_max};
use crate::http::codec::input::Input;
use crate::http::frames::{
    self, Code, Fault, Frame, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, Settings, WINDOW_MAX, kind,
};
use crate::http::hpack::Fields;
use crate::http::last_hop::last_hop;
use crate::http::{Body, BodyFault, Handler, Interim, Refusal};
use ::http::{HeaderMap, Request, StatusCode};
use peregrine_base::Instant;

/// How many requests are taken up before the others of the event loop have their turn.
const REQUESTS_PER_TURN_MAX: usize = 128;

/// How a connection begins, and heads on it.
#[derive(Default)]
pub(super) struct Opening {
    /// Whether the client has said that it speaks HTTP/2 (RFC 9113 §3.4).
    preface: bool,
    /// Whether it has said what it takes, as it has to before all else.
    greeted: bool,
    /// A head of which there is a piece.
    head: Option<Pieces>,
    /// Since when there is something of a head and not all.
    pub(super) head_since: Option<Instant>,
}

/// The pieces of a head until the last one comes.
struct Pieces {
    stream: u32,
    end: bool,
    block: Vec<u8>,
}

impl Opening {
    pub(super) const fn is_begun(&self) -> bool {
        self.preface
    }
}

/// Why no further frame is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hunger {
    /// There is no whole one.
    Hungry,
    /// Too much waits for the client.
    Full,
    /// Others have their turn.
    Turn,
}

impl<S: Transport, H: Handler> Connection<'_, S, H> {
    /// Lets all frames that are there do what they do.
    pub(super) fn take_frames(&mut self) -> Result<Hunger, End> {
        // Apart, so that a frame can be looked at where it was read.
        let mut input = std::mem::take(&mut self.wire.input);
        let taken = self.take_from(&mut input);
        self.wire.input = input;
        taken
    }

    fn take_from(&mut self, input: &mut Input) -> Result<Hunger, End> {
        if !self.opening.preface {
            let begin = &input.bytes()[..input.bytes().len().min(PREFACE.len())];
            if !PREFACE.starts_with(begin) {
                return Err(self.fail(Code::Protocol, End::Protocol));
            }
            if begin.len() < PREFACE.len() {
                return Ok(Hunger::Hungry);
            }
            input.consume(PREFACE.len());
            self.opening.preface = true;
        }
        loop {
            if self.asked >= REQUESTS_PER_TURN_MAX {
                return Ok(Hunger::Turn);
            }
            if self.wire.output.len() >= OUTPUT_BYTES_MAX {
                return Ok(Hunger::Full);
            }
            let bytes = input.bytes();
            let Some(header) = Header::read(bytes) else {
                return Ok(Hunger::Hungry);
            };
            if header.length > PAYLOAD_BYTES_MAX {
                return Err(self.fail(Code::FrameSize, End::Protocol));
            }
            let Some(payload) = bytes[HEADER_BYTES..].get(..header.length) else {
                if matches!(header.kind, kind::HEADERS | kind::CONTINUATION) {
                    self.opening.head_since.get_or_insert(self.now);
                }
                return Ok(Hunger::Hungry);
            };
            self.meter.frame(&header);
            if let Some(excess) = self.meter.excess() {
                return Err(self.fail(Code::Calm, End::Excess(excess)));
            }
            self.frame(&header, payload)?;
            input.consume(HEADER_BYTES + header.length);
        }
    }

    fn frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), End> {
        let frame = match Frame::read(header, payload) {
            Ok(frame) => frame,
            Err(Fault::Connection(code)) => return Err(self.fail(code, End::Protocol)),
            // §5.1: there is nothing that could be reset.
            Err(Fault::Stream(id, code)) if self.is_idle(id) || self.opening.head.is_some() => {
                return Err(self.fail(code, End::Protocol));
            }
            Err(Fault::Stream(id, code)) => {
                self.reset_for_fault(id, code);
                return Ok(());
            }
        };
        let begins = matches!(frame, Frame::Settings(_));
        // §3.4: what the client takes comes first. §6.10: nothing comes between the pieces of a head.
        let expected = match &self.opening.head {
            Some(pieces) => matches!(frame, Frame::Continuation { stream, .. } if stream == pieces.stream),
            None => !matches!(frame, Frame::Continuation { .. }),
        };
        if !(self.opening.greeted || begins) || !expected {
            return Err(self.fail(Code::Protocol, End::Protocol));
        }
        self.opening.greeted = true;
        match frame {
            Frame::Data {
                stream,
                data,
                size,
                end,
            } => self.data(stream, data, size, end),
            Frame::Headers {
                stream,
                block,
                end,
                whole,
            } => self.headers(stream, block, end, whole),
            Frame::Continuation { block, whole, .. } => self.continuation(block, whole),
            Frame::Reset { stream } => self.taken_back(stream),
            Frame::Settings(payload) => self.settings(payload),
            Frame::WindowUpdate { stream, increment } => self.window_update(stream, increment),
            Frame::Ping(said) => {
                self.wire
                    .output
                    .text(|text| frames::write(text, kind::PING, frames::flag::ACK, 0, &said));
                Ok(())
            }
            Frame::Pong(said) => {
                self.knows |= said == LEAVING && self.leaving.is_some();
                Ok(())
            }
            Frame::GoAway => {
                // It asks for nothing more; what it asked for is answered.
                if self.leaving.is_none() {
                    self.leaving = Some(self.now);
                    self.tell_last();
                }
                Ok(())
            }
            Frame::SettingsKnown | Frame::Ignored => Ok(()),
        }
    }

    /// Whether nothing was ever asked under this number (§5.1). Ours are the even ones, and we ask for nothing.
    const fn is_idle(&self, id: u32) -> bool {
        id > self.last || id.is_multiple_of(2)
    }

    fn protocol(&mut self) -> Result<(), End> {
        Err(self.fail(Code::Protocol, End::Protocol))
    }

    /// §6.1, §6.9.
    fn data(&mut self, id: u32, data: &[u8], size: u32, end: bool) -> Result<(), End> {
        self.window -= i64::from(size);
        if self.window < 0 {
            return Err(self.fail(Code::FlowControl, End::Protocol));
        }
        self.renew_window();
        if self.window == 0 {
            self.room.end();
        }
        if self.is_idle(id) {
            return self.protocol();
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            // Nobody takes it, and the window of the connection is not to run dry for it.
            self.give_back_to_all(size);
            if !self.was_reset(id) {
                self.reset_for_fault(id, Code::StreamClosed);
            }
            return Ok(());
        };
        let receiving = &mut stream.receiving;
        if receiving.ended {
            self.give_back_to_all(size);
            self.reset_for_fault(id, Code::StreamClosed);
            return Ok(());
        }
        receiving.window -= i64::from(size);
        let length = data.len() as u64;
        let left = receiving.left.map(|left| left.checked_sub(length));
        let fits = left.is_none_or(|left| left.is_some_and(|left| !end || left == 0));
        if receiving.window < 0 || !fits {
            // §8.1.1: another length than was announced is malformed.
            let code = if fits { Code::FlowControl } else { Code::Protocol };
            self.give_back_to_all(size);
            self.reset_for_fault(id, code);
            return Ok(());
        }
        receiving.left = left.flatten();
        let taken = receiving.inbox.as_ref().is_some_and(|inbox| inbox.push(data));
        // What is given back at once: padding, or all of it when nobody takes it.
        let unused = if taken {
            size - u32::try_from(data.len()).unwrap_or(size)
        } else {
            size
        };
        if taken {
            receiving.credit += unused;
        }
        receiving.ended = end;
        if end && let Some(inbox) = &receiving.inbox {
            inbox.finish(None);
        }
        if unused > 0 {
            self.give_back_to_all(unused);
            self.give_back(id);
        }
        if end {
            self.advance(id);
        }
        Ok(())
    }

    /// §6.2.
    fn headers(&mut self, id: u32, block: &[u8], end: bool, whole: bool) -> Result<(), End> {
        if id.is_multiple_of(2) {
            return self.protocol();
        }
        if whole {
            self.opening.head_since = None;
            return self.block(id, block, end);
        }
        self.opening.head_since.get_or_insert(self.now);
        self.opening.head = Some(Pieces {
            stream: id,
            end,
            block: block.to_vec(),
        });
        Ok(())
    }

    /// §6.10.
    fn continuation(&mut self, block: &[u8], whole: bool) -> Result<(), End> {
        let Some(mut pieces) = self.opening.head.take() else {
            return self.protocol();
        };
        if pieces.block.len() + block.len() > list_bytes_max(&self.shared.limits) + PAYLOAD_BYTES_MAX {
            return Err(self.fail(Code::Calm, End::Excess(Excess::Codec)));
        }
        pieces.block.extend_from_slice(block);
        if whole {
            self.opening.head_since = None;
            return self.block(pieces.stream, &pieces.block, pieces.end);
        }
        self.opening.head = Some(pieces);
        Ok(())
    }

    /// A block of fields is whole: a request, or trailers.
    fn block(&mut self, id: u32, block: &[u8], end: bool) -> Result<(), End> {
        Fields::with(list_bytes_max(&self.shared.limits), |fields| {
            if self.decoder.decode(block, fields).is_err() {
                return Err(self.fail(Code::Compression, End::Protocol));
            }
            if id > self.last {
                self.last = id;
                self.request(id, fields, end);
                return Ok(());
            }
            if self.streams.contains_key(&id) {
                self.trailers(id, fields, end);
            } else if !self.was_reset(id) {
                // §5.1.1, or §5.1: a number comes once.
                return Err(self.fail(Code::StreamClosed, End::Protocol));
            }
            Ok(())
        })
    }

    /// A request whose head is here.
    fn request(&mut self, id: u32, fields: &mut Fields, end: bool) {
        self.asked += 1;
        if self.told.is_some() {
            // §6.8: the client knows that nothing is done for it.
            return self.write_reset(id, Code::Refused);
        }
        self.served = true;
        self.changed = self.now;
        let statistics = &self.shared.statistics;
        if self.streams.len() >= self.shared.limits.http2.streams_max as usize {
            // §5.1.2.
            statistics.http2.refused.increment();
            return self.write_reset(id, Code::Refused);
        }
        if fields.is_cut() {
            statistics.http2.refused.increment();
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            self.outbound().head(id, status, &HeaderMap::new(), true);
            if !end {
                self.write_reset(id, Code::NoError);
            }
            return;
        }
        let refusal = match head::read(fields, end, &self.shared.limits) {
            Ok(head) => {
                statistics.requests.increment();
                if head.may_be_short(fields, end) && self.answer_at_once(id, &head, fields) {
                    return;
                }
                match self.begin(id, &head, fields, end) {
                    Ok(()) => return,
                    Err(refusal) => refusal,
                }
            }
            Err(Wrong::Refused(refusal)) => refusal,
            Err(Wrong::Malformed) => {
                statistics.http2.refused.increment();
                return self.reset_for_fault(id, Code::Protocol);
            }
        };
        self.shared.statistics.refuse(refusal);
        let is_head = (0..fields.len()).any(|at| fields.name(at) == b":method" && fields.value(at) == b"HEAD");
        let mut stream = Stream::new(id, &self.bell, self.peer_window, is_head);
        stream.receiving.ended = end;
        stream.receiving.window = i64::from(stream_window(&self.shared.limits));
        let shared = self.shared;
        stream.answer(id, refusal.problem().into_response(), &mut self.outbound(), shared);
        self.add(id, stream);
    }

    /// Gives a request to the handler.
    fn begin(&mut self, id: u32, head: &Head, fields: &Fields, end: bool) -> Result<(), Refusal> {
        let mut parts = head.parts(fields)?;
        let mut stream = Stream::new(id, &self.bell, self.peer_window, head.is_head(fields));
        let interim = Interim::default();
        parts.extensions.insert(interim.clone());
        let body = if end {
            Body::empty()
        } else {
            let ask = head.facts.expects_continue.then(|| interim.clone());
            let owner = stream.waker().clone();
            let (inbox, body) = request_body::channel(head.facts.length, ask, owner, &self.room, self.shared);
            let receiving = &mut stream.receiving;
            receiving.window = i64::from(stream_window(&self.shared.limits));
            (receiving.left, receiving.ended) = (head.facts.length, false);
            receiving.inbox = Some(inbox);
            Body::stream(body)
        };
        let (handler, peer) = (self.handler, self.peer);
        let thinking = Box::pin(async move {
            match last_hop(&mut parts) {
                Some(answer) => answer,
                None => handler.handle(Request::from_parts(parts, body), peer).await,
            }
        });
        stream.think(thinking, interim);
        self.add(id, stream);
        Ok(())
    }

    /// A block behind a body, or where none may be.
    fn trailers(&mut self, id: u32, fields: &Fields, end: bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let receiving = &mut stream.receiving;
        if receiving.ended {
            return self.reset_for_fault(id, Code::StreamClosed);
        }
        // §8.1: they end the request, which has all that was announced then.
        let complete = end && receiving.left.is_none_or(|left| left == 0) && !fields.is_cut();
        let Some(trailers) = head::trailers(fields, &self.shared.limits).filter(|_| complete) else {
            return self.reset_for_fault(id, Code::Protocol);
        };
        receiving.ended = true;
        if let Some(inbox) = &receiving.inbox {
            inbox.finish(Some(trailers).filter(|trailers| !trailers.is_empty()));
        }
        self.advance(id);
    }

    /// §6.4.
    fn taken_back(&mut self, id: u32) -> Result<(), End> {
        if self.is_idle(id) {
            return self.protocol();
        }
        if let Some(stream) = self.streams.get(&id) {
            if let Some(inbox) = &stream.receiving.inbox {
                inbox.fail(BodyFault::Truncated);
            }
            self.remove(id);
        }
        Ok(())
    }

    /// §6.5, §6.9.2.
    fn settings(&mut self, payload: &[u8]) -> Result<(), End> {
        let settings = match Settings::read(payload) {
            Ok(settings) => settings,
            Err(Fault::Connection(code) | Fault::Stream(_, code)) => return Err(self.fail(code, End::Protocol)),
        };
        if let Some(window) = settings.window {
            let more = i64::from(window) - self.peer_window;
            self.peer_window = i64::from(window);
            for stream in self.streams.values_mut() {
                stream.window += more;
                if stream.window > i64::from(WINDOW_MAX) {
                    return Err(self.fail(Code::FlowControl, End::Protocol));
                }
            }
            if more > 0 {
                self.unblock(None);
            }
        }
        self.wire
            .output
            .text(|text| frames::write(text, kind::SETTINGS, frames::flag::ACK, 0, &[]));
        Ok(())
    }

    /// §6.9.
    fn window_update(&mut self, id: u32, increment: u32) -> Result<(), End> {
        if id == 0 {
            self.send_window += i64::from(increment);
            if self.send_window > i64::from(WINDOW_MAX) {
                return Err(self.fail(Code::FlowControl, End::Protocol));
            }
            self.unblock(None);
            return Ok(());
        }
        if self.is_idle(id) {
            return self.protocol();
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.window += i64::from(increment);
            if stream.window > i64::from(WINDOW_MAX) {
                self.reset_for_fault(id, Code::FlowControl);
                return Ok(());
            }
            self.unblock(Some(id));
        }
        Ok(())
    }
}
