//! The socket under the codec. It notes what the connection is doing ([`Progress`]), ends it when the client takes nothing
//! for too long, and keeps back the empty answer that the codec gives to a head it cannot read, so that a problem can be sent
//! in its place.

use super::ServerLimits;
use super::transport::Transport;
use crate::timer::Timer;
use peregrine_base::{Clock, Instant};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes of the codec's own answer that are kept back; it is a head of four lines.
const WITHHELD_BYTES_MAX: usize = 4096;

/// What a connection is doing, shared between its socket and the requests on it. All of them run in one task.
pub(super) struct Progress {
    phase: AtomicU8,
    /// When the phase must be over, in nanoseconds of the clock.
    deadline: AtomicU64,
    /// Everything that belongs to requests has been written, so that what is written next is the codec's own answer.
    quiet: AtomicBool,
    unread: AtomicBool,
    clock: Arc<dyn Clock>,
    keepalive_timeout: Duration,
}

/// No request; the next byte may come any time.
const IDLE: u8 = 0;
/// A head has begun to arrive.
const HEAD: u8 = 1;
/// A request is being answered.
const SERVING: u8 = 2;

/// What takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The next request.
    Request,
    /// The head of a request, of which something is there.
    Head,
    /// The client, who takes nothing of what he is sent.
    Write,
}

impl Progress {
    /// A connection that was just taken: its first head is due within the limit for heads.
    pub(super) fn new(clock: Arc<dyn Clock>, limits: &ServerLimits) -> Arc<Self> {
        let deadline = clock.now().after(limits.header_timeout);
        Arc::new(Self {
            phase: AtomicU8::new(IDLE),
            deadline: AtomicU64::new(deadline.as_nanos()),
            quiet: AtomicBool::new(true),
            unread: AtomicBool::new(false),
            clock,
            keepalive_timeout: limits.keepalive_timeout,
        })
    }

    /// The head is there.
    pub(super) fn begin(&self) {
        self.quiet.store(false, Ordering::Relaxed);
        self.phase.store(SERVING, Ordering::Relaxed);
    }

    /// The response has been handed to the codec, which may still have to write much of it.
    pub(super) fn finish(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
    }

    /// A request body was dropped before its end.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// What the client has to do, and until when; nothing while it waits for a response.
    pub(super) fn due(&self) -> Option<(Overdue, Instant)> {
        let overdue = match self.phase() {
            IDLE if self.is_quiet() => Overdue::Request,
            HEAD => Overdue::Head,
            _ => return None,
        };
        Some((overdue, Instant::from_nanos(self.deadline.load(Ordering::Relaxed))))
    }

    /// Something arrived.
    fn arrived(&self, header_timeout: Duration) {
        if self.phase() == IDLE && self.is_quiet() {
            self.enter(HEAD, header_timeout);
        }
    }

    /// Everything that the codec had to write has been written.
    fn flushed(&self) {
        if self.phase() == IDLE && !self.is_quiet() {
            self.quiet.store(true, Ordering::Relaxed);
            self.enter(IDLE, self.keepalive_timeout);
        }
    }

    /// Whether what is written now is the codec's own answer: it belongs to no request.
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    fn enter(&self, phase: u8, limit: Duration) {
        self.deadline
            .store(self.clock.now().after(limit).as_nanos(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }
}

pub(super) struct Socket<S> {
    stream: S,
    progress: Arc<Progress>,
    header_timeout: Duration,
    stall_timeout: Duration,
    timer: Timer,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
    overdue: bool,
    withheld: Vec<u8>,
}

impl<S: Transport> Socket<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>, limits: &ServerLimits, timer: Timer) -> Self {
        Self {
            stream,
            progress,
            header_timeout: limits.header_timeout,
            stall_timeout: limits.stall_timeout,
            timer,
            stalled_since: None,
            overdue: false,
            withheld: Vec::new(),
        }
    }

    /// The stream; whether the client took nothing for too long; what the codec answered by itself to a head that it could
    /// not read.
    pub(super) fn into_parts(self) -> (S, bool, Vec<u8>) {
        (self.stream, self.overdue, self.withheld)
    }

    /// Nothing could be written.
    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let now = self.timer.now();
        let since = *self.stalled_since.get_or_insert(now);
        if self.timer.poll_until(since.after(self.stall_timeout), cx).is_pending() {
            return Poll::Pending;
        }
        self.overdue = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn withhold(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.withheld.len() + bytes.len() > WITHHELD_BYTES_MAX {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.withheld.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn written(&mut self, result: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if result.is_pending() {
            return self.stalled(cx);
        }
        self.stalled_since = None;
        result
    }
}

impl<S: Transport> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.progress.arrived(self.header_timeout);
        }
        result
    }
}

impl<S: Transport> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.progress.is_quiet() {
            return self.withhold(bytes);
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.progress.is_quiet() {
            let first = slices
                .iter()
                .find(|slice| !slice.is_empty())
                .map_or(&[][..], |slice| &slice[..]);
            return self.withhold(first);
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The codec flushes when its buffer is empty, so without a request everything that belongs to one has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress.flushed();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Does nothing: how the connection ends is decided when the codec has let go of it, and there may be a refusal to send.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
