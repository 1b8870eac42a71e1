//! The short way over HTTP/2: a request that the handler answers where it was read is written where answers are, without a
//! task, a map of fields or anything that is remembered of it. What the client's windows have no room for follows as on the
//! long way, so what waits is bounded alike.

use super::super::transport::Transport;
use super::connection::Connection;
use super::head::{FIELDS_SHORT_MAX, Head};
use super::stream::{BODIES_BYTES_MAX, Outbound, Stream, write_data_header};
use crate::http::frames::{self, PAYLOAD_BYTES_MAX, flag};
use crate::http::hpack::{Fields, encode};
use crate::http::{Answer, Body, Handler};
use bytes::Bytes;

impl<S: Transport, H: Handler> Connection<'_, S, H> {
    /// Answers the request of `head` at once, if the handler does.
    pub(super) fn answer_at_once(&mut self, id: u32, head: &Head, fields: &Fields) -> bool {
        let mut room = [httparse::EMPTY_HEADER; FIELDS_SHORT_MAX];
        let Some(view) = head.view(fields, &mut room) else {
            return false;
        };
        Answer::with(|answer| {
            let (handler, peer) = (self.handler, self.peer);
            handler.at_once(&view, &peer, answer) && self.write_answer(id, answer)
        })
    }

    /// Writes `answer`; false when its lines are none.
    fn write_answer(&mut self, id: u32, answer: &mut Answer) -> bool {
        let length = answer.copied.len() + answer.body.iter().map(Bytes::len).sum::<usize>();
        let room = self.send_window.min(self.peer_window);
        let fits = !self.scarce
            && length <= PAYLOAD_BYTES_MAX
            && i64::try_from(length).is_ok_and(|length| length <= room)
            && self.wire.output.len() < BODIES_BYTES_MAX;
        let (clock, tableless) = (&self.shared.parts.clock, self.tableless);
        let mut written = false;
        self.wire.output.text(|text| {
            written = frames::write_block(text, id, length == 0, |block| {
                encode::begin(block, tableless);
                encode::status(block, answer.status);
                let are_lines = encode::lines(block, &answer.head);
                if !answer.dated {
                    encode::date(block, clock.wall());
                }
                are_lines
            });
            if written && fits && length > 0 {
                write_data_header(text, id, length, flag::END_STREAM);
                text.extend_from_slice(&answer.copied);
            }
        });
        if !written {
            return false;
        }
        self.tableless = true;
        if length == 0 {
            return true;
        }
        let pieces = answer.body.drain(..);
        if fits {
            pieces.for_each(|piece| self.wire.output.body(piece));
            self.outbound().took(length, true);
            return true;
        }
        let copied = (!answer.copied.is_empty()).then(|| Bytes::copy_from_slice(&answer.copied));
        let body = Body::chunks(copied.into_iter().chain(pieces));
        let mut stream = Stream::new(id, &self.bell, self.peer_window, false);
        stream.deliver(body);
        self.add(id, stream);
        true
    }

    /// Where answers go.
    pub(super) const fn outbound(&mut self) -> Outbound<'_> {
        Outbound {
            output: &mut self.wire.output,
            window: &mut self.send_window,
            sent: &mut self.sent,
            tableless: &mut self.tableless,
        }
    }
}
