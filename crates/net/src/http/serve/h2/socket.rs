//! The socket under HTTP/2: shows the meter what passes by, stops reading from a client that did too much, and fails when
//! the client takes nothing for too long. What the codec writes frame by frame is gathered, so that the answers of one turn
//! go out together: in one call, and over TLS in few records.

use super::super::transport::Transport;
use super::meter::Meter;
use crate::http::codec::pages;
use crate::timer::Timer;
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is gathered: a few records of TLS.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// What the socket and the connection on it both know. Both are polled in one task.
pub(super) struct Watched {
    pub(super) meter: Mutex<Meter>,
    stalled: AtomicBool,
    /// Whether what is written is to be held back, although the codec wants it sent.
    held: AtomicBool,
    /// Whether anything is.
    waits: AtomicBool,
}

impl Watched {
    pub(super) fn new(meter: Meter) -> Arc<Self> {
        Arc::new(Self {
            meter: Mutex::new(meter),
            stalled: AtomicBool::new(false),
            held: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        })
    }

    /// Holds back what is written from now on, up to some length, or lets the codec send it.
    pub(super) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Whether something is held back.
    pub(super) fn holds_back(&self) -> bool {
        self.held.load(Ordering::Relaxed) && self.waits()
    }

    /// Whether anything that was written is not sent.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
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
    /// What was written and not sent, behind what was.
    gathered: Vec<u8>,
    sent: usize,
}

impl<S> Drop for Socket<S> {
    fn drop(&mut self) {
        pages::give(std::mem::take(&mut self.gathered));
    }
}

impl<S: Transport> Socket<S> {
    pub(super) const fn new(stream: S, watched: Arc<Watched>, timer: Timer, stall_timeout: Duration) -> Self {
        Self {
            stream,
            watched,
            timer,
            stall_timeout,
            stalled_since: None,
            gathered: Vec::new(),
            sent: 0,
        }
    }

    /// Takes as much of `slices` as there is room for, once there is some.
    fn gather(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() - self.sent >= GATHERED_BYTES_MAX {
            ready!(self.poll_send(cx))?;
        }
        if self.gathered.capacity() == 0 {
            self.gathered = pages::take();
        } else if self.sent > 0 {
            self.gathered.drain(..self.sent);
            self.sent = 0;
        }
        let before = self.gathered.len();
        for slice in slices {
            let room = GATHERED_BYTES_MAX - self.gathered.len();
            self.gathered.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.watched.waits.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(self.gathered.len() - before))
    }

    /// Sends what was gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            let result = Pin::new(&mut self.stream).poll_write(cx, &self.gathered[self.sent..]);
            let count = ready!(self.written(result, cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.sent = 0;
        pages::give(std::mem::take(&mut self.gathered));
        self.watched.waits.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
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
        self.gather(&[IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gather(slices, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watched.held.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
