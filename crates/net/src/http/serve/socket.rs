//! The socket under the codec. It knows what the connection is doing ([`Progress`]) and enforces the time limits that go
//! with it; and it keeps back the empty answer that the codec gives to a head it cannot read, so that a problem can be
//! sent in its place.

use super::ServerLimits;
use crate::timer::Timer;
use peregrine_base::{Clock, Instant};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most bytes of the codec's own answer that are kept back; it is a head of four lines.
const WITHHELD_BYTES_MAX: usize = 4096;

/// What a connection is doing, shared between its socket and the requests on it. All of them run in one task.
pub(super) struct Progress {
    phase: AtomicU8,
    /// When the phase must be over, in nanoseconds of the clock.
    deadline: AtomicU64,
    unread: AtomicBool,
    /// Everything that belongs to requests has been written, so that what is written next is the codec's own answer.
    quiet: AtomicBool,
    clock: Arc<dyn Clock>,
    keepalive_timeout: Duration,
}

/// No request; the next byte may come any time.
const IDLE: u8 = 0;
/// A head has begun to arrive.
const HEAD: u8 = 1;
/// A request is being answered.
const SERVING: u8 = 2;

impl Progress {
    /// A connection that was just taken: its first head is due within the limit for heads.
    pub(super) fn new(clock: Arc<dyn Clock>, limits: &ServerLimits) -> Arc<Self> {
        let deadline = clock.now().after(limits.header_timeout);
        Arc::new(Self {
            phase: AtomicU8::new(IDLE),
            deadline: AtomicU64::new(deadline.as_nanos()),
            unread: AtomicBool::new(false),
            quiet: AtomicBool::new(true),
            clock,
            keepalive_timeout: limits.keepalive_timeout,
        })
    }

    /// The head is there.
    pub(super) fn begin(&self) {
        self.quiet.store(false, Ordering::Relaxed);
        self.phase.store(SERVING, Ordering::Relaxed);
    }

    /// The response has been handed to the codec.
    pub(super) fn finish(&self) {
        self.enter(IDLE, self.keepalive_timeout);
    }

    /// A request body was dropped before its end.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether what is written now is the codec's own answer: it belongs to no request.
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// Everything that the codec had to write has been written.
    fn flushed(&self) {
        if self.phase() != SERVING {
            self.quiet.store(true, Ordering::Relaxed);
        }
    }

    fn enter(&self, phase: u8, limit: Duration) {
        self.deadline
            .store(self.clock.now().after(limit).as_nanos(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    fn deadline(&self) -> Instant {
        Instant::from_nanos(self.deadline.load(Ordering::Relaxed))
    }
}

/// How a time limit of the socket ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request.
    Head,
    /// The client took nothing of what it was sent.
    Write,
}

pub(super) struct Socket {
    stream: TcpStream,
    progress: Arc<Progress>,
    header_timeout: Duration,
    stall_timeout: Duration,
    read_timer: Timer,
    write_timer: Timer,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
    overdue: Option<Overdue>,
    withheld: Vec<u8>,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        progress: Arc<Progress>,
        limits: &ServerLimits,
        timer: impl Fn() -> Timer,
    ) -> Self {
        Self {
            stream,
            progress,
            header_timeout: limits.header_timeout,
            stall_timeout: limits.stall_timeout,
            read_timer: timer(),
            write_timer: timer(),
            stalled_since: None,
            overdue: None,
            withheld: Vec::new(),
        }
    }

    /// The stream; how a time limit ended it; what the codec answered by itself to a head that it could not read.
    pub(super) fn into_parts(self) -> (TcpStream, Option<Overdue>, Vec<u8>) {
        (self.stream, self.overdue, self.withheld)
    }

    /// Nothing arrived.
    fn waited(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.progress.phase();
        if phase == SERVING || self.read_timer.poll_until(self.progress.deadline(), cx).is_pending() {
            return Poll::Pending;
        }
        if phase == HEAD {
            self.overdue = Some(Overdue::Head);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        // Nothing read reads as the end: the codec closes an idle connection without a word.
        Poll::Ready(Ok(()))
    }

    /// Nothing could be written.
    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let now = self.write_timer.now();
        let since = *self.stalled_since.get_or_insert(now);
        if self
            .write_timer
            .poll_until(since.after(self.stall_timeout), cx)
            .is_pending()
        {
            return Poll::Pending;
        }
        self.overdue = Some(Overdue::Write);
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

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => self.waited(cx),
            Poll::Ready(result) => {
                if buffer.filled().len() > before && self.progress.phase() == IDLE {
                    self.progress.enter(HEAD, self.header_timeout);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl AsyncWrite for Socket {
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
