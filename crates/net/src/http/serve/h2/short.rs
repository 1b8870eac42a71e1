//! The short way over HTTP/2: a request that the handler answers where it was read is answered in the connection's own task.
//! What the client's windows have no room for goes out in a task, as on the long way, so what waits is bounded alike.

use super::Underway;
use super::head::Facts;
use super::stream::{self, Outgoing};
use crate::http::hygiene::X_REQUEST_ID;
use crate::http::last_hop::may_count_hops;
use crate::http::{Answer, Body, Handler, HeadView, Peer};
use ::h2::SendStream;
use ::h2::server::SendResponse;
use ::http::header::{DATE, HOST, MAX_FORWARDS};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Response};
use bytes::Bytes;
use peregrine_base::WallTime;
use std::sync::Arc;

/// For how many fields there is room on the stack; a head with more goes the long way.
const FIELDS_MAX: usize = 32;
/// For how many fields the map of an answer has room without growing.
const FIELDS_USUAL: usize = 16;

/// Whether a handler may answer without a body being read or hops being counted.
pub(super) fn may_be_short(head: &Parts, facts: &Facts, ended: bool) -> bool {
    let counts_hops = may_count_hops(head.method.as_str()) && head.headers.contains_key(MAX_FORWARDS);
    ended && facts.length.is_none() && !facts.expects_continue && !counts_hops
}

/// What a handler sees of `head`, with `room` for its fields; nothing when there are too many.
fn view<'a>(head: &'a Parts, room: &'a mut [httparse::Header<'a>; FIELDS_MAX]) -> Option<HeadView<'a>> {
    let mut count = 0;
    for (name, value) in &head.headers {
        *room.get_mut(count)? = httparse::Header {
            name: name.as_str(),
            value: value.as_bytes(),
        };
        count += 1;
    }
    let host = head.headers.get(HOST)?;
    Some(HeadView {
        method: head.method.as_str(),
        target: head.uri.path_and_query()?.as_str(),
        host: std::str::from_utf8(host.as_bytes()).ok()?,
        version: head.version,
        fields: &room[..count],
        body: false,
    })
}

/// What became of a request.
pub(super) enum Short {
    /// The handler does not answer it at once.
    No,
    /// It was answered; the client may be gone.
    Answered,
    /// The head of its answer is sent, and the rest waits for the client's windows.
    Waits(SendStream<Bytes>, Body),
}

/// Answers the request of `head` at once, if `handler` does.
pub(super) fn answer<H: Handler>(
    handler: &H,
    head: &Parts,
    peer: &Peer,
    respond: &mut SendResponse<Bytes>,
    wall: impl FnOnce() -> WallTime,
) -> Short {
    let mut room = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let Some(view) = view(head, &mut room) else {
        return Short::No;
    };
    Answer::with(|answer| {
        if handler.at_once(&view, peer, answer) {
            send(answer, respond, wall)
        } else {
            Short::No
        }
    })
}

fn send(answer: &mut Answer, respond: &mut SendResponse<Bytes>, wall: impl FnOnce() -> WallTime) -> Short {
    let Some(mut headers) = fields(&answer.head) else {
        return Short::No;
    };
    if !answer.dated {
        headers.insert(DATE, stream::date(wall()));
    }
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    let copied = (!answer.copied.is_empty()).then(|| Bytes::copy_from_slice(&answer.copied));
    let length = answer.copied.len() + answer.body.iter().map(Bytes::len).sum::<usize>();
    // It fails when the client is gone, as does the rest.
    let Ok(mut stream) = respond.send_response(response, length == 0) else {
        return Short::Answered;
    };
    if length == 0 {
        return Short::Answered;
    }
    let pieces = copied.into_iter().chain(answer.body.drain(..));
    stream.reserve_capacity(length);
    if stream.capacity() < length {
        return Short::Waits(stream, Body::chunks(pieces.collect::<Vec<_>>()));
    }
    let mut left = length;
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        left -= piece.len();
        if stream.send_data(piece, left == 0).is_err() {
            break;
        }
    }
    Short::Answered
}

/// The lines of an answer as the codec takes them, with values that share one copy; nothing when the handler wrote what is
/// no field.
fn fields(lines: &[u8]) -> Option<HeaderMap> {
    let whole = Bytes::copy_from_slice(lines);
    let mut headers = HeaderMap::with_capacity(FIELDS_USUAL);
    let mut at = 0;
    while at < lines.len() {
        let length = lines[at..].iter().position(|byte| *byte == b'\r')?;
        let line = &lines[at..at + length];
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_lowercase(&line[..colon]).ok()?;
        let mut value = if colon + 2 < length {
            HeaderValue::from_maybe_shared(whole.slice(at + colon + 2..at + length)).ok()?
        } else {
            HeaderValue::from_static("")
        };
        // Never the same twice: in the table of the connection (RFC 7541 §2.3.2) it would only push out what comes again.
        value.set_sensitive(name == X_REQUEST_ID);
        headers.append(name, value);
        at += length + 2;
    }
    Some(headers)
}

/// Sends what of an answer waits for the client's windows.
pub(super) async fn finish(
    stream: SendStream<Bytes>,
    body: Body,
    shared: Arc<super::super::Shared>,
    underway: Underway,
) {
    stream::deliver(Outgoing::new(stream, &shared), body, &shared.statistics).await;
    drop(underway);
}
