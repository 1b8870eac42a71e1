//! HTTP/2 towards an origin: one connection, many requests at once. It stands on the crate `h2` itself, since hyper's client
//! keeps interim responses such as 103 to itself.
//!
//! A request's stream lives as long as somebody waits for its response: dropped before the end, it is reset, and with it what is
//! still to be sent of the request's body. A connection is closed when nobody may send over it any more and its last stream is
//! over, or when it has streams but does not answer a ping.

use super::error::UpstreamErrorKind;
use super::http1::HeadRule;
use super::outgoing::{SentBody, pass_on_interim};
use crate::http::{BodyError, BodyFault};
use ::h2::client::{Builder, Connection, ResponseFuture};
use ::h2::{Reason, RecvStream, SendStream};
use ::http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use peregrine_base::{Party, Runtime};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// The most requests at once on one connection. Where the target takes fewer, the others wait on the connection within their
/// time limits.
pub(crate) const STREAMS_MAX: u32 = 100;
/// How much of one response may be on its way before it is read.
const STREAM_WINDOW_BYTES: u32 = 512 << 10;
/// The same for all responses of a connection: as much as all of them may have, so that those whose readers take their time
/// leave the others theirs.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// How much of a request's body may wait to be written.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// How often a connection in use is asked whether it still lives, and how long the answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Fields that mean a connection of HTTP/1 and make a message of HTTP/2 malformed (RFC 9113 §8.2.2).
const OF_A_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The sending half of a connection.
#[derive(Clone)]
pub(crate) struct Streams {
    sender: ::h2::client::SendRequest<Bytes>,
    open: Arc<AtomicUsize>,
    /// Whether nothing new is to be sent over it.
    retired: Arc<AtomicBool>,
    interim_max: usize,
    runtime: Arc<dyn Runtime>,
}

/// Why there is no response.
pub(crate) struct Failed {
    pub(crate) error: StreamError,
    /// The message, when not a byte of it was sent.
    pub(crate) message: Option<Request<SentBody>>,
}

/// What went wrong with a stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The connection or the stream failed.
    #[error("{0}")]
    Http2(#[from] ::h2::Error),
    /// There are more interim responses than anybody wants.
    #[error("there are more interim responses than interim_max")]
    TooManyInterim,
}

impl StreamError {
    /// Whether the connection is over with it, and not the stream alone.
    pub(crate) fn ends_connection(&self) -> bool {
        matches!(self, Self::Http2(error) if error.is_io() || error.is_go_away())
    }

    /// Whether the origin says that it has processed nothing of the request: by refusing its stream (RFC 9113 §8.7), or by
    /// ending the connection before it (§6.8). A stream that such an end does not leave out has another error.
    pub(crate) fn was_unprocessed(&self) -> bool {
        let says_so = |error: &::h2::Error| error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        matches!(self, Self::Http2(error) if error.is_remote() && says_so(error))
    }

    /// What it tells about the origin.
    pub(crate) fn kind(&self) -> UpstreamErrorKind {
        match self {
            Self::TooManyInterim => UpstreamErrorKind::TooManyInterim,
            // What we found wrong with its frames, not what it found wrong with ours.
            Self::Http2(error) if error.is_library() => match error.reason() {
                Some(Reason::PROTOCOL_ERROR | Reason::COMPRESSION_ERROR | Reason::FRAME_SIZE_ERROR) => {
                    UpstreamErrorKind::Protocol
                }
                _ => UpstreamErrorKind::Broken,
            },
            Self::Http2(_) => UpstreamErrorKind::Broken,
        }
    }
}

/// Begins to speak HTTP/2 over `stream`.
pub(crate) async fn begin<S>(stream: S, rule: HeadRule, runtime: Arc<dyn Runtime>) -> Result<Streams, ::h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_header_list_size(u32::try_from(rule.bytes_max).unwrap_or(u32::MAX));
    let (sender, connection) = builder.handshake(stream).await?;
    let open = Arc::new(AtomicUsize::new(0));
    runtime.spawn(Box::pin(run(connection, Arc::clone(&open), Arc::clone(&runtime))));
    Ok(Streams {
        sender,
        open,
        retired: Arc::default(),
        interim_max: rule.interim_max,
        runtime,
    })
}

/// Runs a connection to its end. Its errors reach whoever uses it.
async fn run<S>(mut connection: Connection<S>, open: Arc<AtomicUsize>, runtime: Arc<dyn Runtime>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut pings = connection.ping_pong().expect("nobody took it before");
    let silent = async {
        loop {
            runtime.sleep(PING_INTERVAL).await;
            // An idle connection costs nobody an answer.
            if open.load(Ordering::Acquire) == 0 {
                continue;
            }
            let answered = tokio::select! {
                pong = pings.ping(::h2::Ping::opaque()) => pong.is_ok(),
                () = runtime.sleep(PING_INTERVAL) => false,
            };
            if !answered {
                return;
            }
        }
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to an origin ended");
            }
        }
        () = silent => tracing::debug!("a connection to an origin is silent and was closed"),
    }
}

impl Streams {
    /// It gets no further requests: one was not answered in time, and the connection may be the reason. Those under way go on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether nothing can or should be sent over it any more.
    pub(crate) fn is_closed(&self) -> bool {
        if self.retired.load(Ordering::Acquire) {
            return true;
        }
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.sender.clone().poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Sends `message` and waits for the head of the response.
    pub(crate) async fn send(&self, message: Request<SentBody>) -> Result<Response<StreamBody>, Failed> {
        let mut sender = match self.sender.clone().ready().await {
            Ok(sender) => sender,
            Err(error) => {
                let (error, message) = (error.into(), Some(message));
                return Err(Failed { error, message });
            }
        };
        let (mut head, body) = message.into_parts();
        strip(&mut head.headers);
        head.extensions.clear();
        let interim = body.interim();
        let is_whole = body.is_end_stream();
        let sent = sender.send_request(Request::from_parts(head, ()), is_whole);
        let (mut response, stream) = sent.map_err(Failed::sent)?;
        let underway = Underway::new(&self.open);
        let (guard, dropped) = oneshot::channel();
        if !is_whole {
            self.runtime.spawn(Box::pin(pass_on(stream, body, dropped)));
        }
        let mut told = 0;
        let answered = std::future::poll_fn(|cx| {
            while let Poll::Ready(Some(said)) = response.poll_informational(cx) {
                let said = said?;
                told += 1;
                if told > self.interim_max {
                    return Poll::Ready(Err(StreamError::TooManyInterim));
                }
                // The client gets its own 100 when its body is asked for.
                if let Some(interim) = &interim
                    && said.status() != StatusCode::CONTINUE
                {
                    let (head, ()) = said.into_parts();
                    pass_on_interim(interim, head.status, head.headers);
                }
            }
            poll_response(&mut response, cx)
        });
        let answered = answered.await.map_err(Failed::sent)?;
        let (head, incoming) = answered.into_parts();
        let body = StreamBody::new(incoming, &head.headers, underway, guard);
        Ok(Response::from_parts(head, body))
    }
}

fn poll_response(
    response: &mut ResponseFuture,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, StreamError>> {
    Pin::new(response).poll(cx).map_err(StreamError::from)
}

impl Failed {
    /// Some of the message was sent.
    fn sent(error: impl Into<StreamError>) -> Self {
        Self {
            error: error.into(),
            message: None,
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in &OF_A_CONNECTION {
        headers.remove(name);
    }
    // RFC 9113 §8.2.2: the only thing that it may say.
    if headers.get(TE).is_some_and(|value| value != "trailers") {
        headers.remove(TE);
    }
}

/// A stream that counts as open.
struct Underway(Arc<AtomicUsize>);

impl Underway {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(open))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sends `body`, unless nobody waits for the response any more. An end that is not clean does not look like one.
async fn pass_on(mut stream: SendStream<Bytes>, mut body: SentBody, mut dropped: oneshot::Receiver<()>) {
    let sending = body.sending();
    let all = async {
        loop {
            let Some(frame) = std::future::poll_fn(|cx| poll_frame(&mut stream, &mut body, cx)).await? else {
                return stream.send_data(Bytes::new(), true).map_err(|_| Reason::CANCEL);
            };
            match frame.into_data() {
                Ok(mut data) => {
                    while !data.is_empty() {
                        stream.reserve_capacity(data.len());
                        let room = std::future::poll_fn(|cx| poll_room(&mut stream, cx)).await?;
                        let piece = data.split_to(room.min(data.len()));
                        let is_last = data.is_empty() && body.is_end_stream();
                        stream.send_data(piece, is_last).map_err(|_| Reason::CANCEL)?;
                        sending.iter().for_each(|sending| sending.took_some());
                        if is_last {
                            return Ok(());
                        }
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return stream.send_trailers(trailers).map_err(|_| Reason::CANCEL);
                    }
                }
            }
        }
    };
    let sent = tokio::select! {
        biased;
        sent = all => sent,
        _nobody = &mut dropped => Err(Reason::CANCEL),
    };
    if let Err(reason) = sent {
        stream.send_reset(reason);
    }
}

/// The next piece of the body; an error when the origin wants no more of it, or there is none to be had.
fn poll_frame(
    stream: &mut SendStream<Bytes>,
    body: &mut SentBody,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, Reason>> {
    if let Poll::Ready(reset) = stream.poll_reset(cx) {
        // RFC 9113 §8.1: an origin that has answered may say so without an error.
        return Poll::Ready(Err(reset.unwrap_or(Reason::CANCEL)));
    }
    let next = ready!(Pin::new(body).poll_frame(cx));
    Poll::Ready(next.transpose().map_err(|_| Reason::INTERNAL_ERROR))
}

/// How much the origin takes now.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<usize, Reason>> {
    loop {
        let room = stream.capacity();
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        if !matches!(ready!(stream.poll_capacity(cx)), Some(Ok(_))) {
            return Poll::Ready(Err(Reason::CANCEL));
        }
    }
}

/// The body of a response on its way in.
pub(crate) struct StreamBody {
    incoming: RecvStream,
    /// What is left of the announced length.
    left: Option<u64>,
    /// All data came; trailers may follow.
    data_ended: bool,
    _underway: Underway,
    /// Dropped, it ends the sending of the request's body.
    _guard: oneshot::Sender<()>,
}

impl StreamBody {
    fn new(incoming: RecvStream, headers: &HeaderMap, underway: Underway, guard: oneshot::Sender<()>) -> Self {
        // h2 refuses a stream that brings another length than it announced.
        let announced = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let left = if incoming.is_end_stream() { Some(0) } else { announced() };
        Self {
            incoming,
            left,
            data_ended: false,
            _underway: underway,
            _guard: guard,
        }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.data_ended {
            match ready!(self.incoming.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It fails when the stream is gone, which the next poll says.
                    let _ = self.incoming.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Also where it says NO_ERROR: that it wants no more of the request it may only say behind the end of the answer
                // (RFC 9113 §8.1), and then h2 gives that end.
                Some(Err(error)) => return Poll::Ready(Some(Err(fault(&error)))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.incoming.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers).map_err(|error| fault(&error))))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn fault(error: &::h2::Error) -> BodyError {
    let fault = if error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR) {
        BodyFault::Malformed
    } else if error.is_remote() {
        // The origin took its answer back.
        BodyFault::Truncated
    } else {
        BodyFault::Broken
    };
    BodyError::new(fault, Party::Upstream)
}
