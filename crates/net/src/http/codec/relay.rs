//! After a 101: bytes both ways, in which nobody here reads anything.

use super::input::Input;
use super::pages::PAGE_BYTES;
use super::transport::Transport;
use super::wire::Wire;
use crate::http::tunnel::Duplex;
use peregrine_base::Instant;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// Both sides ended, or one broke off.
    Ended,
    /// Nothing moved for too long.
    Idle,
}

/// Passes bytes between the client of `wire` (what it sent ahead first) and `other` until both have ended, one breaks off,
/// or nothing has moved for `idle_timeout`.
pub(crate) async fn relay<S>(wire: &mut Wire<S>, mut other: Box<dyn Duplex>, idle_timeout: Duration) -> Relayed
where
    S: Transport,
{
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut back = Input::default();
    let mut deadline = wire.alarm.now().after(idle_timeout);
    std::future::poll_fn(|cx| {
        let sent = up.poll_pass(&mut wire.input, &mut wire.stream, &mut other, cx);
        let received = down.poll_pass(&mut back, &mut other, &mut wire.stream, cx);
        match (sent, received) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(Relayed::Ended),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Relayed::Ended),
            _ => {}
        }
        if std::mem::take(&mut up.moved) | std::mem::take(&mut down.moved) {
            deadline = wire.alarm.now().after(idle_timeout);
        }
        poll_idle(wire, deadline, cx)
    })
    .await
}

fn poll_idle<S>(wire: &mut Wire<S>, deadline: Instant, cx: &Context<'_>) -> Poll<Relayed> {
    wire.alarm.poll_until(deadline, cx).map(|()| Relayed::Idle)
}

/// One direction.
#[derive(Default)]
struct Way {
    /// Whether something moved since somebody looked.
    moved: bool,
    unflushed: bool,
    ended: bool,
    closed: bool,
}

impl Way {
    /// Ready when the one side has ended and the other was told.
    fn poll_pass<R, W>(
        &mut self,
        input: &mut Input,
        from: &mut R,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.closed {
            while !input.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, input.bytes()))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                input.consume(written);
                (self.moved, self.unflushed) = (true, true);
            }
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.closed = true;
                break;
            }
            match input.poll_fill(from, PAGE_BYTES, cx) {
                Poll::Ready(Ok(count)) => {
                    self.moved |= count > 0;
                    self.ended = count == 0;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
