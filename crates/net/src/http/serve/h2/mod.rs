//! HTTP/2 on a connection of a client (RFC 9113), with an engine of our own: one task for each connection owns all there is
//! of it, without a lock. It reads into one buffer, looks at frames where they were read, and writes all that is answered in
//! one turn together ([`connection`]). A request that the handler can answer at once is read and written without a map of
//! fields ([`short`]); any other is worked on in the same task, only when something rang for it ([`stream`], [`bell`]), and
//! ended when its client opens no window for it ([`stall`]).
//!
//! What frames and blocks of fields are made of is known to [`crate::http::frames`] and [`crate::http::hpack`]; what frames do
//! to [`receive`]; which requests are ones to [`head`].
//!
//! A client that does too much ([`meter::Excess`]) is told so with ENHANCE_YOUR_CALM and let go. One that is silent is let
//! go by GOAWAY, so that a request on its way is answered or known to be safe to send again.

mod bell;
mod connection;
mod head;
pub(super) mod meter;
mod receive;
mod request_body;
mod short;
mod stall;
mod stream;

use super::transport::Transport;
use super::{Open, ServerLimits, farewell};
use crate::drain::DrainWatch;
use crate::http::codec::wire::Wire;
use crate::http::{Handler, Peer, Refusal};
use connection::Connection;
use meter::Excess;
use std::future::poll_fn;
use std::sync::Arc;

/// The list of fields that is refused without a word is so much larger than the head that is refused with a problem.
const HARD_HEAD_FACTOR: usize = 2;

/// How a connection ended.
enum End {
    /// With all that was asked for answered, and the client told that there is no more.
    Done,
    /// The client is gone.
    Gone,
    /// The client did too much.
    Excess(Excess),
    /// A head was begun and not finished in time.
    HeaderTimeout,
    /// The client took nothing for too long.
    Stalled,
    /// The client broke the rules of HTTP/2.
    Protocol,
}

/// The largest list of fields that is looked at (RFC 9113 §6.5.2).
fn list_bytes_max(limits: &ServerLimits) -> usize {
    limits.header_size_max.saturating_mul(HARD_HEAD_FACTOR)
}

/// Serves the requests that arrive at `stream` until it ends.
pub(super) async fn serve<S: Transport, H: Handler>(
    stream: S,
    peer: Peer,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    let shared = &*open.shared;
    shared.statistics.http2.connections.increment();
    let wire = Wire::new(stream, Arc::clone(&shared.wheel), shared.limits.stall_timeout);
    let mut connection = Connection::new(wire, peer, shared, &*handler, &drain);
    let end = poll_fn(|cx| connection.poll(cx)).await;
    shared.statistics.http2.count(&end, &shared.statistics);
    let wire = connection.into_wire();
    match end {
        End::Gone => {}
        // What the kernel still holds for a client that takes nothing is not to be kept.
        End::Stalled => wire.stream.reset(),
        End::Done | End::Excess(_) | End::HeaderTimeout | End::Protocol => farewell::part(wire).await,
    }
}

impl super::status::Http2Statistics {
    fn count(&self, end: &End, all: &super::Statistics) {
        match end {
            End::Done | End::Gone => {}
            End::Excess(excess) => self.excesses[excess.index()].increment(),
            End::HeaderTimeout => all.refuse(Refusal::HeaderTimeout),
            End::Stalled => all.stalled.increment(),
            End::Protocol => self.protocol_errors.increment(),
        }
    }
}
