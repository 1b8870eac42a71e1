//! One connection as bytes: what arrived, what is to go out, and the one alarm that watches over both.

use super::input::Input;
use super::output::Output;
use crate::wheel::{Alarm, Wheel};
use peregrine_base::Instant;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

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

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
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
        while !self.output.is_empty() {
            match self.output.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(_)) => (self.stalled_since, self.unflushed) = (None, true),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(WriteFault::Gone)),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => (self.stalled_since, self.unflushed) = (None, false),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(WriteFault::Gone)),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_stalled(&mut self, cx: &Context<'_>) -> Poll<Result<(), WriteFault>> {
        let since = match self.stalled_since {
            Some(since) => since,
            None => *self.stalled_since.insert(self.alarm.now()),
        };
        let due = self.alarm.poll_until(since.after(self.stall_timeout), cx);
        due.map(|()| Err(WriteFault::Stalled))
    }

    /// The limit for a client who is waited for.
    pub(crate) const fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }
}
