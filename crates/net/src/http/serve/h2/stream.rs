//! One request over HTTP/2, from its head to the end of its answer.

use super::super::{Shared, Statistics};
use super::Underway;
use super::head::Facts;
use super::request_body::RequestBody;
use crate::http::last_hop::last_hop;
use crate::http::{Body, BodyError, Handler, Interim, Peer, Problem, Refusal, hygiene};
use crate::timer::Timer;
use ::h2::server::SendResponse;
use ::h2::{Reason, RecvStream, SendStream};
use ::http::header::{CONTENT_LENGTH, DATE};
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body as _;
use peregrine_base::{Instant, WallTime};
use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

/// A request and the way back to who asked.
pub(super) struct Exchange {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) peer: Peer,
    pub(super) shared: Arc<Shared>,
    pub(super) _underway: Underway,
}

/// Why an answer did not reach its end.
enum Broken {
    /// The client took the request back, or is gone.
    Gone,
    /// The client took nothing for too long.
    Stalled,
    /// The body failed.
    Cut,
}

impl Exchange {
    /// Answers the request of `head` by `handler`, unless it is refused. When the client takes it back, the handler's work is dropped.
    pub(super) async fn run<H: Handler>(
        mut self,
        mut head: Parts,
        admitted: Result<Facts, Refusal>,
        incoming: RecvStream,
        handler: &H,
    ) {
        let is_head = head.method == Method::HEAD;
        let response = match admitted.map(|facts| (facts, last_hop(&mut head))) {
            Err(refusal) => refusal.problem().into_response(),
            Ok((_, Some(answer))) => answer,
            Ok((facts, None)) => {
                let interim = Interim::default();
                head.extensions.insert(interim.clone());
                let body = self.body_of(facts, incoming, &interim);
                let handling = pin!(handler.handle(Request::from_parts(head, body), self.peer));
                match answered(&mut self.respond, handling, &interim).await {
                    Some(response) => response,
                    None => return,
                }
            }
        };
        let response = if response.status().is_informational() {
            // 101 has no meaning here (RFC 9113 §8.6), and no other is final.
            Problem::new(StatusCode::BAD_GATEWAY, "protocol").into_response()
        } else {
            response
        };
        self.send(response, is_head).await;
    }

    fn body_of(&self, facts: Facts, incoming: RecvStream, interim: &Interim) -> Body {
        if incoming.is_end_stream() {
            return Body::empty();
        }
        let ask = facts.expects_continue.then(|| interim.clone());
        Body::stream(RequestBody::new(incoming, facts.length, ask, &self.shared))
    }

    async fn send(mut self, response: Response<Body>, is_head: bool) {
        let (mut head, body) = response.into_parts();
        head.extensions.clear();
        hygiene::strip_hop_by_hop(&mut head.headers);
        if !head.headers.contains_key(DATE) {
            head.headers.insert(DATE, date(self.shared.parts.clock.wall()));
        }
        let bodiless = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = body.length().filter(|length| !bodiless || (is_head && *length > 0));
        if let Some(length) = length
            && !head.headers.contains_key(CONTENT_LENGTH)
        {
            head.headers.insert(CONTENT_LENGTH, length.into());
        }
        let ended = bodiless || body.is_empty();
        // It fails when the client is gone.
        let Ok(stream) = self.respond.send_response(Response::from_parts(head, ()), ended) else {
            return;
        };
        if !ended {
            deliver(Outgoing::new(stream, &self.shared), body, &self.shared.statistics).await;
        }
    }
}

/// Sends `body` and counts how that ended.
pub(super) async fn deliver(outgoing: Outgoing, body: Body, statistics: &Statistics) {
    match outgoing.send(body).await {
        Ok(()) | Err(Broken::Gone) => {}
        Err(Broken::Stalled) => statistics.stalled.increment(),
        Err(Broken::Cut) => statistics.cut.increment(),
    }
}

/// The `Date` of `wall`. It is made once for each second.
pub(super) fn date(wall: WallTime) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((u64::MAX, HeaderValue::from_static(""))) };
    }
    LAST.with_borrow_mut(|(second, value)| {
        if *second != wall.as_secs() {
            *second = wall.as_secs();
            let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(wall.as_secs()));
            *value = HeaderValue::try_from(date).expect("a date is a field value");
        }
        value.clone()
    })
}

/// The answer; nothing when the client is gone before. What the handler says in between goes out as it comes.
async fn answered(
    respond: &mut SendResponse<Bytes>,
    mut handling: Pin<&mut impl Future<Output = Response<Body>>>,
    interim: &Interim,
) -> Option<Response<Body>> {
    let response = std::future::poll_fn(|cx| {
        if respond.poll_reset(cx).is_ready() {
            return Poll::Ready(None);
        }
        let handled = handling.as_mut().poll(cx);
        while let Some((status, headers)) = interim.next(cx) {
            let mut said = Response::new(());
            *said.status_mut() = status;
            *said.headers_mut() = headers;
            hygiene::strip_hop_by_hop(said.headers_mut());
            // It fails when the client is gone, which the next turn says.
            let _ = respond.send_informational(said);
        }
        handled.map(Some)
    })
    .await;
    interim.end();
    response
}

/// An answer's body on its way out. Nothing is handed to the codec that the client's window has no room for, so what waits
/// is bounded, and a client that opens no window is noticed.
pub(super) struct Outgoing {
    stream: SendStream<Bytes>,
    timer: Timer,
    stall_timeout: Duration,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
}

impl Outgoing {
    pub(super) fn new(stream: SendStream<Bytes>, shared: &Shared) -> Self {
        Self {
            stream,
            timer: Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime)),
            stall_timeout: shared.limits.stall_timeout,
            stalled_since: None,
        }
    }

    async fn send(mut self, mut body: Body) -> Result<(), Broken> {
        let sent = self.send_all(&mut body).await;
        match &sent {
            // An end that is not clean must not look like one.
            Err(Broken::Cut) => self.stream.send_reset(Reason::INTERNAL_ERROR),
            Err(Broken::Stalled) => self.stream.send_reset(Reason::CANCEL),
            Ok(()) | Err(Broken::Gone) => {}
        }
        sent
    }

    async fn send_all(&mut self, body: &mut Body) -> Result<(), Broken> {
        loop {
            let frame = std::future::poll_fn(|cx| self.poll_frame(body, cx)).await?;
            let Some(frame) = frame else {
                return self.send_data(Bytes::new(), true);
            };
            match frame.into_data() {
                Ok(mut data) => {
                    while !data.is_empty() {
                        self.stream.reserve_capacity(data.len());
                        let room = std::future::poll_fn(|cx| self.poll_room(cx)).await?;
                        let piece = data.split_to(room.min(data.len()));
                        let last = data.is_empty() && body.is_end_stream();
                        self.send_data(piece, last)?;
                        if last {
                            return Ok(());
                        }
                    }
                }
                Err(frame) => {
                    if let Ok(mut trailers) = frame.into_trailers() {
                        hygiene::strip_hop_by_hop(&mut trailers);
                        return self.stream.send_trailers(trailers).map_err(|_| Broken::Gone);
                    }
                }
            }
        }
    }

    fn send_data(&mut self, data: Bytes, last: bool) -> Result<(), Broken> {
        self.stream.send_data(data, last).map_err(|_| Broken::Gone)
    }

    fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<http_body::Frame<Bytes>>, Broken>> {
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Broken::Gone));
        }
        let next: Poll<Option<Result<_, BodyError>>> = Pin::new(body).poll_frame(cx);
        next.map(|next| next.transpose().map_err(|_| Broken::Cut))
    }

    /// How much the client takes now.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Broken::Gone));
        }
        loop {
            let room = self.stream.capacity();
            if room > 0 {
                self.stalled_since = None;
                return Poll::Ready(Ok(room));
            }
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(Err(Broken::Gone)),
                Poll::Pending => break,
            }
        }
        let now = self.timer.now();
        let since = *self.stalled_since.get_or_insert(now);
        self.timer
            .poll_until(since.after(self.stall_timeout), cx)
            .map(|()| Err(Broken::Stalled))
    }
}
