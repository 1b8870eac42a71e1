//! One connection of a client from its first byte to its end.

use super::request_body::RequestBody;
use super::socket::{Overdue, Progress, Socket};
use super::transport::Transport;
use super::{Open, Shared};
use crate::drain::DrainWatch;
use crate::http::{Body, BodyError, Handler, Peer, Refusal, framing};
use crate::timer::Timer;
use ::http::header::{CONNECTION, HeaderValue};
use ::http::{Request, Response};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The codec's read buffer holds the head, and pieces of the body up to this size.
const READ_BUFFER_BYTES_MIN: usize = 64 << 10;
/// How much of what a refused client still sends is read, so that it gets to see the answer before the connection resets.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// How the codec left a connection.
enum Left {
    /// Closed by the client, or after the last response.
    Done,
    /// With a head that no handler can answer.
    Refused(Refusal),
    /// With a response whose body failed.
    Cut,
    /// With a client that took nothing.
    Stalled,
}

/// Serves the requests that arrive at `stream` until it ends.
pub(super) async fn serve<S: Transport, H: Handler>(
    stream: S,
    peer: Peer,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    let _active = drain.active();
    let shared = &open.shared;
    let timer = || Timer::new(Arc::clone(&shared.parts.clock), Arc::clone(&shared.parts.runtime));
    let progress = Progress::new(Arc::clone(&shared.parts.clock), &shared.limits);
    let socket = Socket::new(stream, Arc::clone(&progress), &shared.limits, timer());
    let service = service_fn(|request| answer(request, peer, shared, &*handler, &progress, &drain));
    let mut connection = builder(shared).serve_connection(TokioIo::new(socket), service);
    let result = {
        let (mut started, mut draining, mut timer) = (pin!(drain.started()), false, timer());
        std::future::poll_fn(|cx| {
            if !draining && started.as_mut().poll(cx).is_ready() {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Ok(result));
            }
            // After the codec, which may just have finished a request or begun one.
            match progress.due() {
                Some((overdue, deadline)) => timer.poll_until(deadline, cx).map(|()| Err(overdue)),
                None => Poll::Pending,
            }
        })
        .await
    };
    let (stream, stalled, withheld) = connection.into_parts().io.into_inner().into_parts();
    let result = if stalled { Err(Overdue::Write) } else { result };
    end(stream, left(result, &withheld), &withheld, progress.is_unread(), shared).await;
}

fn builder(shared: &Shared) -> http1::Builder {
    let limits = &shared.limits;
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.header_size_max)
        .max_headers(limits.header_count_max)
        .max_buf_size(limits.header_size_max.max(READ_BUFFER_BYTES_MIN))
        // Times are kept by the socket: one lazy timer instead of one for each request.
        .header_read_timeout(None);
    builder
}

/// One request: into the form that a handler is promised, or refused.
async fn answer<H: Handler>(
    request: Request<Incoming>,
    peer: Peer,
    shared: &Arc<Shared>,
    handler: &H,
    progress: &Arc<Progress>,
    drain: &DrainWatch,
) -> Result<Response<Answer>, Infallible> {
    progress.begin();
    let (mut head, incoming) = request.into_parts();
    // The codec's handle for upgrades, which are not passed on.
    head.extensions.clear();
    let bounds = framing::Bounds {
        uri_length_max: shared.limits.uri_length_max,
        body_max: shared.limits.request_body_max,
    };
    let body = RequestBody::new(incoming, shared, Arc::clone(progress));
    let mut response = match framing::admit(&mut head, &bounds) {
        Ok(()) => {
            shared.statistics.requests.increment();
            let body = if body.is_end_stream() {
                Body::empty()
            } else {
                Body::stream(body)
            };
            handler.handle(Request::from_parts(head, body), peer).await
        }
        Err(refusal) => {
            shared.statistics.refuse(refusal);
            let mut response = refusal.problem().into_response();
            // Where the framing is in doubt, nothing that follows on the connection can be trusted.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    if drain.is_retiring() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Answer {
        body,
        progress: Arc::clone(progress),
    }))
}

/// The body of a response on its way out; the request is over when the codec lets go of it.
struct Answer {
    body: Body,
    progress: Arc<Progress>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

fn left(result: Result<hyper::Result<()>, Overdue>, withheld: &[u8]) -> Left {
    match result {
        Err(Overdue::Request) => Left::Done,
        Err(Overdue::Head) => Left::Refused(Refusal::HeaderTimeout),
        Err(Overdue::Write) => Left::Stalled,
        Ok(Err(error)) if error.is_user() => Left::Cut,
        Ok(Err(error)) if error.is_parse_version_h2() => Left::Refused(Refusal::Malformed),
        Ok(_) if withheld.starts_with(b"HTTP/1.1 400") => Left::Refused(Refusal::Malformed),
        Ok(_) if withheld.starts_with(b"HTTP/1.1 414") => Left::Refused(Refusal::UriTooLong),
        Ok(_) if withheld.starts_with(b"HTTP/1.1 431") => Left::Refused(Refusal::HeaderTooLarge),
        Ok(_) => Left::Done,
    }
}

/// Closes a connection so that the client understands why.
async fn end<S: Transport>(mut stream: S, left: Left, withheld: &[u8], unread: bool, shared: &Shared) {
    match left {
        Left::Refused(refusal) => {
            shared.statistics.refuse(refusal);
            refuse(stream, refusal, shared).await;
        }
        Left::Cut => {
            shared.statistics.cut.increment();
            stream.reset();
        }
        Left::Stalled => {
            shared.statistics.stalled.increment();
            stream.reset();
        }
        Left::Done => {
            if !withheld.is_empty() {
                // An answer of the codec that is none of the known ones goes out as it is. A client that is gone does
                // not need it.
                send(&mut stream, withheld, shared).await;
            }
            if unread {
                linger(stream, shared).await;
            } else {
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// Sends the problem that belongs to `refusal` to a client whose request no codec answers, and closes.
pub(super) async fn refuse<S: Transport>(mut stream: S, refusal: Refusal, shared: &Shared) {
    let body = refusal.problem().to_json();
    let status = refusal.status();
    let date = SystemTime::UNIX_EPOCH + Duration::from_millis(shared.parts.clock.wall().as_millis());
    let message = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\n\
         content-length: {}\r\ndate: {}\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
        httpdate::fmt_http_date(date),
    );
    if send(&mut stream, message.as_bytes(), shared).await {
        linger(stream, shared).await;
    }
}

/// Sends `bytes`, which fit any send buffer; where they do not, the client is not reading anyway. Whether they went out.
async fn send<S: Transport>(stream: &mut S, bytes: &[u8], shared: &Shared) -> bool {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    tokio::select! {
        written = write => written.is_ok(),
        () = shared.parts.runtime.sleep(LINGER_TIME) => false,
    }
}

/// Ends our side and reads what the client still sends, within bounds: closing with unread bytes would reset the connection
/// and could take the answer away from the client (RFC 9112 §9.6).
async fn linger<S: Transport>(mut stream: S, shared: &Shared) {
    let read = async {
        stream.shutdown().await?;
        let mut buffer = [0u8; 4096];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            left = left.saturating_sub(count);
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = read => {}
        () = shared.parts.runtime.sleep(LINGER_TIME) => {}
    }
}
