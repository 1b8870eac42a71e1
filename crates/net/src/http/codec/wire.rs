//! One connection as bytes: what arrived, what is to go out, and the one alarm that watches over both.

use super::input::Input;
use super::output::Output;
use super::transport::Transport;
use crate::wheel::{Alarm, Wheel};
use peregrine_base::Instant;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The connection.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) alarm: Alarm,
    stall_timeout: Duration,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
    /// Whether the stream may hold back what was written to it.
    unflushed: bool,
}

/// Why nothing can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// The client is gone.
    Gone,
    /// The client took nothing for too long.
    Stalled,
}

impl<S: Transport> Wire<S> {
    pub(crate) fn new(stream: S, wheel: Arc<Wheel>, stall_timeout: Duration) -> Self {
        Self {
            stream,
            input: Input::default(),
            output: Output::default(),
            alarm: Alarm::new(wheel),
            stall_timeout,
            stalled_since: None,
            unflushed: false,
        }
    }

    /// Ready once everything has been written.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteFault>> {
        match self.poll_written(cx) {
            Poll::Ready(written) => Poll::Ready(written.map_err(|_| WriteFault::Gone)),
            Poll::Pending => self.poll_stalled(cx),
        }
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            ready!(self.output.poll_write(&mut self.stream, cx))?;
            (self.stalled_since, self.unflushed) = (None, true);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            (self.stalled_since, self.unflushed) = (None, false);
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing goes out now. The system says that there is room only when a third of its buffer is free, often more than a
    /// megabyte: a client that took less than that until its time is over is slow, and not gone.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteFault>> {
        ready!(self.poll_overdue(cx));
        let sent = self.stream.sent();
        self.stream.insist();
        match self.poll_written(cx) {
            Poll::Ready(written) => Poll::Ready(written.map_err(|_| WriteFault::Gone)),
            Poll::Pending if self.stream.sent() == sent => Poll::Ready(Err(WriteFault::Stalled)),
            Poll::Pending => {
                self.stalled_since = None;
                self.poll_overdue(cx).map(|()| Err(WriteFault::Stalled))
            }
        }
    }

    /// Ready once the client has taken nothing for too long, as far as the system says.
    fn poll_overdue(&mut self, cx: &Context<'_>) -> Poll<()> {
        let since = *self.stalled_since.get_or_insert_with(|| self.alarm.now());
        self.alarm.poll_until(since.after(self.stall_timeout), cx)
    }

    /// The limit for a client who is waited for.
    pub(crate) const fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }
}
