//! How connections are closed, so that the client understands why.

use super::Shared;
use super::connection::Ending;
use super::transport::Transport;
use crate::http::Refusal;
use crate::http::codec::pages::PAGE_BYTES;
use crate::http::codec::respond::{self, Framed, Onward};
use crate::http::codec::wire::Wire;
use ::http::{Method, Response, Version};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How much of what a refused client still sends is read, so that it gets to see the answer before the connection resets.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// How long that may take, and how long the answer may take to go out.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Ends the connection of `wire`.
pub(super) async fn end<S: Transport>(mut wire: Wire<S>, ending: Ending, shared: &Shared) {
    match ending {
        Ending::Done => {}
        Ending::Unread => return linger(&mut wire).await,
        Ending::Idle => shared.statistics.idle.increment(),
        Ending::Refused(refusal) => {
            shared.statistics.refuse(refusal);
            return say(&mut wire, refusal, shared).await;
        }
        Ending::Midway => return wire.stream.reset(),
        Ending::Cut => {
            shared.statistics.cut.increment();
            return wire.stream.reset();
        }
        Ending::Stalled => {
            shared.statistics.stalled.increment();
            return wire.stream.reset();
        }
    }
    shut(&mut wire).await;
}

/// Ends our side; whether the client could be told.
async fn shut<S: Transport>(wire: &mut Wire<S>) -> bool {
    let deadline = wire.alarm.now().after(LINGER_TIME);
    poll_fn(|cx| match Pin::new(&mut wire.stream).poll_shutdown(cx) {
        Poll::Ready(shut) => Poll::Ready(shut.is_ok()),
        Poll::Pending => wire.alarm.poll_until(deadline, cx).map(|()| false),
    })
    .await
}

/// Sends the problem that belongs to `refusal` to a client whose request nobody reads, and closes.
pub(super) async fn refuse<S: Transport>(stream: S, refusal: Refusal, shared: &Shared) {
    let mut wire = Wire::new(stream, Arc::clone(&shared.wheel), LINGER_TIME);
    say(&mut wire, refusal, shared).await;
}

/// Sends what is still to be said, and closes.
pub(super) async fn part<S: Transport>(mut wire: Wire<S>) {
    let deadline = wire.alarm.now().after(LINGER_TIME);
    let said = poll_fn(|cx| match wire.poll_flush(cx) {
        Poll::Ready(flushed) => Poll::Ready(flushed.is_ok()),
        Poll::Pending => wire.alarm.poll_until(deadline, cx).map(|()| false),
    });
    if said.await {
        linger(&mut wire).await;
    }
}

async fn say<S: Transport>(wire: &mut Wire<S>, refusal: Refusal, shared: &Shared) {
    let (head, mut body) = Response::from(refusal.problem()).into_parts();
    let framed = Framed::of(&Method::GET, Version::HTTP_11, head.status, &head.headers, &body);
    let wall = shared.parts.clock.wall();
    wire.output
        .text(|text| respond::write_head(text, head.status, &head.headers, framed, Onward::Close, wall));
    if let Some(Ok(bytes)) = body.next().await {
        wire.output.body(bytes);
    }
    if poll_fn(|cx| wire.poll_flush(cx)).await.is_ok() {
        linger(wire).await;
    }
}

/// Ends our side and reads what the client still sends, within bounds: closing with unread bytes would reset the connection
/// and could take the answer away from the client (RFC 9112 §9.6).
async fn linger<S: Transport>(wire: &mut Wire<S>) {
    if !shut(wire).await {
        return;
    }
    let deadline = wire.alarm.now().after(LINGER_TIME);
    let mut left = LINGER_BYTES_MAX;
    poll_fn(|cx| {
        while left > 0 {
            let here = wire.input.bytes().len();
            wire.input.consume(here);
            match wire.input.poll_fill(&mut wire.stream, PAGE_BYTES, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(count)) => left = left.saturating_sub(count),
                Poll::Pending => return wire.alarm.poll_until(deadline, cx),
            }
        }
        Poll::Ready(())
    })
    .await;
}
