//! One connection and the exchange that is on it: the request goes out as the origin takes it, the heads of the answer come
//! in, both in the task of whoever waits. What follows the head is read by `body`.

use super::body::Incoming;
use super::fault::Fault;
use super::head::{Head, HeadRule, Heads};
use super::stream::{Idle, Stream};
use crate::config::HostRule;
use crate::http::codec::input::Input;
use crate::http::codec::output::Output;
use crate::http::codec::respond::{write_chunk_size, write_fields};
use crate::http::{BodyError, BodyFault, Interim};
use crate::upstream::error::{UpstreamError, UpstreamErrorKind};
use crate::upstream::head::{Trust, check};
use crate::upstream::outgoing::{Outgoing, SentBody, pass_on_interim};
use crate::upstream::sending::Sending;
use crate::upstream::target::Target;
use ::http::header::TRANSFER_ENCODING;
use ::http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use peregrine_base::{Clock, Instant, Party};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::ThreadId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of a request is gathered before it is written.
const GATHER_BYTES: usize = 64 << 10;
/// Up to here a piece of a body is copied behind what precedes it: one piece costs the system less to look at than two.
const COPIED_BYTES_MAX: usize = 4 << 10;
/// How often is written before it is looked for an answer.
const WRITES_AT_ONCE_MAX: usize = 16;

/// A connection of HTTP/1.1 to an origin.
pub(crate) struct Link {
    pub(super) stream: Stream,
    rule: HeadRule,
    /// The thread that opened it. Where each core has an event loop, that is the loop which drives it.
    opened_by: ThreadId,
    /// When it is too old for a further request.
    pub(crate) retires_at: Instant,
    pub(super) input: Input,
    output: Output,
    /// Whether the stream may hold back what was written to it.
    unflushed: bool,
    /// What the exchange is about.
    asked: Asked,
    /// The body of the request, while something is left of it.
    passing: Option<Passing>,
    /// How far the sending of the body is, for whoever waits for the answer.
    sending: Option<Arc<Sending>>,
    /// Whether it served an exchange before.
    used: bool,
    /// Whether a byte of the request was written.
    sent: bool,
    /// Why no more of the request can be written. An answer may have come all the same.
    deaf: Option<io::Error>,
    heads: Heads,
    pub(super) incoming: Incoming,
    /// Whether the answer lets another request follow.
    trust: Trust,
    /// Room for a piece of a body that did not come yet.
    pub(super) spare: BytesMut,
}

/// What of a request decides how its answer is read.
#[derive(Default)]
struct Asked {
    is_head: bool,
    /// The protocol that was offered.
    upgrade: Option<HeaderValue>,
    interim: Option<Interim>,
}

/// A request body on its way out.
struct Passing {
    body: SentBody,
    coding: Coding,
    /// Whether anything was taken of it.
    begun: bool,
}

enum Coding {
    /// So many bytes are left.
    Length(u64),
    Chunked,
}

/// What is left of a connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It can serve another one.
    Good,
    /// The origin, or a request that was not sent whole, ends it.
    Ends,
    /// Something came that was not beyond doubt.
    Doubtful,
}

impl Link {
    pub(crate) fn new(stream: Stream, rule: HeadRule) -> Self {
        Self {
            stream,
            rule,
            opened_by: std::thread::current().id(),
            retires_at: Instant::FAR,
            input: Input::default(),
            output: Output::default(),
            unflushed: false,
            asked: Asked::default(),
            passing: None,
            sending: None,
            used: false,
            sent: false,
            deaf: None,
            heads: Heads::default(),
            incoming: Incoming::Whole,
            trust: Trust::Full,
            spare: BytesMut::new(),
        }
    }

    /// Whether this thread opened it.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.opened_by == std::thread::current().id()
    }

    /// Begins an exchange: the head of `outgoing` and what is at hand of its body are ready to be written. Tells how far the
    /// sending of the body is, where there is one.
    pub(crate) fn begin(
        &mut self,
        outgoing: &mut Outgoing,
        target: &Target,
        rule: &HostRule,
        clock: &Arc<dyn Clock>,
    ) -> Option<Arc<Sending>> {
        self.asked = Asked {
            is_head: outgoing.is_head(),
            upgrade: outgoing.upgrade().cloned(),
            interim: outgoing.interim().cloned(),
        };
        (self.sent, self.heads, self.trust) = (false, Heads::default(), Trust::Full);
        self.output.text(|text| outgoing.write_http1(text, target, rule));
        let body = outgoing.lend_body(clock);
        self.sending = body.as_ref().and_then(SentBody::sending);
        self.passing = body.map(|body| Passing {
            coding: body.length().map_or(Coding::Chunked, Coding::Length),
            body,
            begun: false,
        });
        self.sending.clone()
    }

    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn answer(&mut self) -> Result<(Response<()>, Trust), Fault> {
        // One that was used has been looked at when it was taken up again.
        if !self.used && !self.stream.may_speak_first() && self.stream.look() == Idle::Spoke {
            return Err(Fault::Unsolicited);
        }
        std::future::poll_fn(|cx| self.poll_answer(cx)).await
    }

    /// After a failure: gives the request what it lent. Whether not a byte of it was sent and it is all there again.
    pub(crate) fn take_back(&mut self, outgoing: &mut Outgoing) -> bool {
        let untouched = self.passing.take().filter(|passing| !passing.begun);
        if let Some(passing) = untouched {
            outgoing.take_back(passing.body);
        }
        !self.sent && outgoing.is_whole()
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Response<()>, Trust), Fault>> {
        loop {
            self.send(cx)?;
            if !self.input.is_empty()
                && let Some(head) = self.heads.next(self.input.bytes(), self.rule)?
            {
                self.input.consume(head.length);
                if head.is_doubtful {
                    self.trust = Trust::Once;
                }
                if head.is_interim() {
                    self.tell(head.status, head.headers);
                    continue;
                }
                return Poll::Ready(self.settle(head));
            }
            match self.input.poll_fill(&mut self.stream, self.rule.bytes_max + 1, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.deaf.take().map_or(Fault::Ended, Fault::Io))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Io(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// An interim response.
    fn tell(&self, status: StatusCode, headers: HeaderMap) {
        if status == StatusCode::CONTINUE {
            // The client gets its own 100 when its body is asked for.
            self.sending.iter().for_each(|sending| sending.release());
        } else if let Some(interim) = &self.asked.interim {
            pass_on_interim(interim, status, headers);
        }
    }

    /// The head of the answer: how what follows it is framed (RFC 9112 §6.3).
    fn settle(&mut self, head: Head) -> Result<(Response<()>, Trust), Fault> {
        let Head {
            status,
            version,
            headers,
            keeps_open,
            ..
        } = head;
        let is_chunked = headers.contains_key(TRANSFER_ENCODING);
        if is_chunked && version == Version::HTTP_10 {
            // §6.1: such a message has been passed on by somebody who does not know chunks.
            return Err(Fault::Refused(UpstreamError::because(
                UpstreamErrorKind::Framing,
                "it has a Transfer-Encoding in HTTP/1.0",
            )));
        }
        let mut response = Response::new(());
        (*response.status_mut(), *response.version_mut()) = (status, version);
        *response.headers_mut() = headers;
        let (response, trust) = check(response, self.asked.upgrade.as_ref()).map_err(Fault::Refused)?;
        // A tunnel may live long.
        self.input.rest();
        let has_none = self.asked.is_head
            || matches!(
                status,
                StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        self.incoming = if has_none {
            Incoming::Whole
        } else {
            Incoming::of(response.headers(), is_chunked, self.rule)
        };
        if trust == Trust::Once {
            self.trust = Trust::Once;
        }
        if !keeps_open || matches!(self.incoming, Incoming::UntilEnd) {
            self.trust = self.trust.min(Trust::Last);
        }
        Ok((response, self.trust))
    }

    /// Writes what the origin takes of the request. An origin that takes no more of it may have answered, so only what can
    /// have no answer is an error.
    pub(super) fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        for _ in 0..WRITES_AT_ONCE_MAX {
            self.gather(cx)?;
            if self.output.is_empty() {
                return self.flush(cx);
            }
            match self.output.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(_)) => {
                    (self.sent, self.unflushed) = (true, true);
                    self.sending.iter().for_each(|sending| sending.took_some());
                }
                Poll::Ready(Err(error)) => return self.cannot_send(error),
                Poll::Pending => return Ok(()),
            }
            if self.output.is_empty() && self.passing.is_none() {
                return self.flush(cx);
            }
        }
        // There is more, after a look at what came.
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return self.cannot_send(error),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    fn cannot_send(&mut self, error: io::Error) -> Result<(), Fault> {
        if !self.sent {
            self.output = Output::default();
            return Err(Fault::Io(error));
        }
        self.stop_sending();
        self.deaf = Some(error);
        Ok(())
    }

    /// No more of the request is sent, which ends the connection with the answer.
    pub(super) fn stop_sending(&mut self) {
        (self.passing, self.unflushed) = (None, false);
        self.output = Output::default();
        self.trust = self.trust.min(Trust::Last);
    }

    /// Takes what there is of the request's body.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let Some(passing) = &mut self.passing
            && self.output.len() < GATHER_BYTES
        {
            let Poll::Ready(polled) = Pin::new(&mut passing.body).poll_frame(cx) else {
                return Ok(());
            };
            passing.begun = true;
            let trailers = match polled.transpose().map_err(Fault::RequestBody)?.map(Frame::into_data) {
                Some(Ok(bytes)) => {
                    write_piece(bytes, &mut passing.coding, &mut self.output)?;
                    if !matches!(passing.coding, Coding::Length(0)) {
                        continue;
                    }
                    if !passing.body.is_end_stream() {
                        // It learns that it has come to its end.
                        let _ = Pin::new(&mut passing.body).poll_frame(cx);
                    }
                    None
                }
                Some(Err(frame)) => frame.into_trailers().ok(),
                None => None,
            };
            write_end(&passing.coding, trailers.as_ref(), &mut self.output)?;
            self.sending.iter().for_each(|sending| sending.finished());
            self.passing = None;
        }
        Ok(())
    }

    /// What becomes of the connection once the answer was read. A request that was not sent whole would stand before the next.
    pub(crate) fn rest(&mut self) -> Rest {
        self.used = true;
        (self.asked, self.sending) = (Asked::default(), None);
        self.spare = BytesMut::new();
        match self.trust {
            Trust::Once => Rest::Doubtful,
            _ if !self.input.is_empty() => Rest::Doubtful,
            Trust::Last => Rest::Ends,
            Trust::Full if !self.is_sent() || !self.is_read() => Rest::Ends,
            Trust::Full => {
                self.input.rest();
                Rest::Good
            }
        }
    }

    /// Looks at a connection that nobody uses.
    pub(crate) fn look(&mut self) -> Idle {
        self.stream.look()
    }

    /// Whether nothing of the request that came so far is held back.
    #[cfg(test)]
    pub(crate) fn is_sent_but_for_body(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Whether nothing of the request is left to be sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.passing.is_none() && self.output.is_empty() && !self.unflushed
    }
}

/// A request's body must be what it was said to be: less or more would be taken for the next request.
fn lies(fault: BodyFault) -> Fault {
    Fault::RequestBody(BodyError::new(fault, Party::Peregrine))
}

fn write_piece(bytes: Bytes, coding: &mut Coding, output: &mut Output) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Ok(());
    }
    match coding {
        Coding::Length(left) => {
            let rest = left.checked_sub(bytes.len() as u64);
            *left = rest.ok_or_else(|| lies(BodyFault::Abandoned))?;
            append(bytes, output);
        }
        Coding::Chunked => {
            output.text(|text| write_chunk_size(text, bytes.len()));
            append(bytes, output);
            output.text(|text| text.extend_from_slice(b"\r\n"));
        }
    }
    Ok(())
}

fn append(bytes: Bytes, output: &mut Output) {
    if bytes.len() <= COPIED_BYTES_MAX {
        output.text(|text| text.extend_from_slice(&bytes));
    } else {
        output.body(bytes);
    }
}

fn write_end(coding: &Coding, trailers: Option<&HeaderMap>, output: &mut Output) -> Result<(), Fault> {
    match coding {
        Coding::Length(0) => {}
        Coding::Length(_) => return Err(lies(BodyFault::Truncated)),
        Coding::Chunked => output.text(|text| {
            text.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                // Only those that are permitted come so far.
                write_fields(text, trailers, |_| false);
            }
            text.extend_from_slice(b"\r\n");
        }),
    }
    Ok(())
}

/// After a 101: the bytes of another protocol, the first of which may have come with the head.
impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let here = this.input.bytes();
        if here.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let length = here.len().min(buffer.remaining());
        buffer.put_slice(&here[..length]);
        this.input.consume(length);
        this.input.rest();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
