//! Answers that wait for a window of the client for too long. Their time begins when all that the windows took before has
//! left us: until then it is our output that they wait for, which a client may take as slowly as it likes, as long as it
//! takes something ([`crate::http::codec::wire`]).

use super::super::transport::Transport;
use super::connection::Connection;
use super::meter::Sent;
use crate::http::Handler;
use crate::http::frames::Code;
use peregrine_base::Instant;

/// An answer that waits for a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    pub(super) since: Instant,
    /// Where the output of the connection ended then.
    end: u64,
    /// When all of that had gone out, as far as was seen.
    pub(super) sent_at: Option<Instant>,
}

impl Blocked {
    /// From `now` on, with an output up to `end`.
    pub(super) const fn new(now: Instant, end: u64) -> Self {
        Self {
            since: now,
            end,
            sent_at: None,
        }
    }
}

impl<S: Transport, H: Handler> Connection<'_, S, H> {
    /// What is in the output of bodies is on its way, `sent` too.
    pub(super) const fn note_flow(&mut self, sent: &Sent) {
        if sent.bytes > 0 {
            self.bodies_end = self.wire.output.end();
        }
        if self.wire.output.written() < self.bodies_end {
            self.flowed = self.now;
        }
    }

    /// Some of the output may have gone out: the time of those begins that waited for it. Each waits for what was before it
    /// and not until there is nothing left, or a client that always takes something could let others wait for ever.
    pub(super) fn note_sent(&mut self) {
        if !std::mem::take(&mut self.unsent) {
            return;
        }
        let written = self.wire.output.written();
        let waiting = self.streams.values_mut().filter_map(|stream| stream.blocked.as_mut());
        for blocked in waiting.filter(|blocked| blocked.sent_at.is_none()) {
            if blocked.end <= written {
                blocked.sent_at = Some(self.now);
                self.due = self.due.min(self.now.after(self.shared.limits.stall_timeout));
            } else {
                self.unsent = true;
            }
        }
    }

    /// Ends the requests that have waited too long for a window. That of all of them is shut to nobody alone: who waits for it
    /// while others have their turn waits for them, not for the client.
    pub(super) fn end_stalled(&mut self) {
        let (now, timeout, flowed) = (self.now, self.shared.limits.stall_timeout, self.flowed);
        let waiting = self.streams.iter().filter_map(|(id, stream)| {
            let since = stream.blocked?.sent_at?;
            Some((*id, if stream.window > 0 { since.max(flowed) } else { since }))
        });
        let (over, left): (Vec<_>, Vec<_>) = waiting.partition(|(_, since)| since.after(timeout) <= now);
        self.due = left
            .iter()
            .map(|(_, since)| since.after(timeout))
            .min()
            .unwrap_or(Instant::FAR);
        for (id, _) in over {
            self.shared.statistics.stalled.increment();
            self.cut(id, Code::Cancel);
        }
    }
}
