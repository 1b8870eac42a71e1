//! The socket under HTTP/2: shows the meter what passes by, stops reading from a client that did too much, and fails when
//! the client takes nothing for too long.

use super::super::transport::Transport;
use super::meter::Meter;
use crate::timer::Timer;
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the socket and the connection on it both know. Both are polled in one task.
pub(super) struct Watched {
    pub(super) meter: Mutex<Meter>,
    stalled: AtomicBool,
}

impl Watched {
    pub(super) fn new(meter: Meter) -> Arc<Self> {
        Arc::new(Self {
            meter: Mutex::new(meter),
            stalled: AtomicBool::new(false),
        })
    }

    /// Whether the client took nothing for too long.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }
}

pub(super) struct Socket<S> {
    stream: S,
    watched: Arc<Watched>,
    timer: Timer,
    stall_timeout: Duration,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
}

impl<S: Transport> Socket<S> {
    pub(super) const fn new(stream: S, watched: Arc<Watched>, timer: Timer, stall_timeout: Duration) -> Self {
        Self {
            stream,
            watched,
            timer,
            stall_timeout,
            stalled_since: None,
        }
    }

    fn written(&mut self, result: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                let now = self.timer.now();
                let since = *self.stalled_since.get_or_insert(now);
                if self.timer.poll_until(since.after(self.stall_timeout), cx).is_pending() {
                    return Poll::Pending;
                }
                self.watched.stalled.store(true, Ordering::Relaxed);
                // What the kernel still holds for a client that takes nothing is not to be kept.
                self.stream.reset();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(Ok(count)) => {
                self.stalled_since = None;
                self.watched.meter.lock().sent(count);
                Poll::Ready(Ok(count))
            }
            failed => failed,
        }
    }
}

impl<S: Transport> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.watched.meter.lock().excess().is_some() {
            // The connection notices in the same turn and ends; nothing more is read.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let arrived = &buffer.filled()[before..];
        if !arrived.is_empty() {
            let now = self.timer.now();
            self.watched.meter.lock().received(arrived, now);
        }
        result
    }
}

impl<S: Transport> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(result, cx)
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
