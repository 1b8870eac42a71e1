//! A connection of HTTP/2 as one task that owns all there is of it: it reads what came, lets each frame do what it does
//! ([`super::receive`]), looks at the requests that rang, and writes it all together, as long as the client takes it.

use super::super::transport::Transport;
use super::super::{ServerLimits, Shared};
use super::End;
use super::bell::Bell;
use super::meter::{Allowed, Meter, Sent};
use super::receive::{Hunger, Opening};
use super::request_body::{Inbox, Room};
use super::stream::{BODIES_BYTES_MAX, Outbound, Stream, Turn};
use crate::drain::DrainWatch;
use crate::http::codec::pages::PAGE_BYTES;
use crate::http::codec::wire::{Wire, WriteFault};
use crate::http::frames::{self, Code, WINDOW_FIRST, WINDOW_MAX, kind};
use crate::http::hpack::Decoder;
use crate::http::{BodyFault, Handler, Peer};
use peregrine_base::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many times the window of a request all requests of a connection may have together.
const CONNECTION_WINDOWS: u32 = 4;
/// How long a client may take to let go once it was told to.
const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// How much may be read ahead: one frame that is not whole, and what came with its end. A buffer of that size is kept to be
/// used again.
const INPUT_BYTES_MAX: usize = 2 * PAGE_BYTES - 1;
/// How many requests that were reset here are remembered at least, so that what was under way to them is let pass; and how
/// many times those that may be under way at once.
const RESET_KEPT_MIN: usize = 64;
const RESET_KEPT_TIMES: usize = 2;
/// What is asked with the first GOAWAY: when it comes back, the client knows.
pub(super) const LEAVING: [u8; 8] = *b"leaving.";

/// A connection.
pub(super) struct Connection<'a, S, H> {
    pub(super) wire: Wire<S>,
    pub(super) peer: Peer,
    pub(super) shared: &'a Shared,
    pub(super) handler: &'a H,
    drain: &'a DrainWatch,
    pub(super) meter: Meter,
    pub(super) decoder: Decoder,
    pub(super) opening: Opening,
    pub(super) bell: Arc<Bell>,
    pub(super) streams: BTreeMap<u32, Stream<'a>>,
    /// Those that have more to write and wait for their turn.
    queue: VecDeque<u32>,
    /// The highest number of a request so far (RFC 9113 §5.1.1).
    pub(super) last: u32,
    /// Those that were reset here, the last ones, in their order and to be found.
    reset: VecDeque<u32>,
    reset_set: BTreeSet<u32>,
    /// How much the client takes of all answers together, and of each one at first.
    pub(super) send_window: i64,
    pub(super) peer_window: i64,
    /// How much it may send of all bodies together, and what was taken of that and not given back.
    pub(super) window: i64,
    pub(super) room: Arc<Room>,
    pub(super) credit: u32,
    /// What was written of bodies since the meter was told.
    pub(super) sent: Sent,
    /// Up to where the output has something of bodies, and when that was last on its way.
    pub(super) bodies_end: u64,
    pub(super) flowed: Instant,
    /// Whether the client knows that our side uses no table of fields.
    pub(super) tableless: bool,
    /// Whether there are requests whose answers wait for the window of all of them.
    pub(super) scarce: bool,
    /// How many requests were taken up in this turn.
    pub(super) asked: usize,
    /// Whether there was any request.
    pub(super) served: bool,
    pub(super) now: Instant,
    /// When a request ended last, or the connection began.
    pub(super) changed: Instant,
    /// Whether there are requests that wait for a window and for what they have written.
    pub(super) unsent: bool,
    /// Not after the first time at which a request has waited too long for a window.
    pub(super) due: Instant,
    /// Since when the client has been told to leave.
    pub(super) leaving: Option<Instant>,
    /// Whether it knows.
    pub(super) knows: bool,
    /// Up to which request it was told that there are answers.
    pub(super) told: Option<u32>,
    /// The numbers of those that rang, to be used again.
    rung: Vec<u32>,
    /// Whether there was anything since then that could ring.
    worked: bool,
}

/// The window of a request: never less than what a client that has heard nothing yet takes it for.
pub(super) fn stream_window(limits: &ServerLimits) -> u32 {
    limits.http2.window.clamp(WINDOW_FIRST, WINDOW_MAX)
}

/// That of all requests of a connection.
fn connection_window(limits: &ServerLimits) -> u32 {
    stream_window(limits).saturating_mul(CONNECTION_WINDOWS).min(WINDOW_MAX)
}

impl<'a, S: Transport, H: Handler> Connection<'a, S, H> {
    pub(super) fn new(wire: Wire<S>, peer: Peer, shared: &'a Shared, handler: &'a H, drain: &'a DrainWatch) -> Self {
        let now = wire.alarm.now();
        let mut connection = Self {
            wire,
            peer,
            shared,
            handler,
            drain,
            meter: Meter::new(Allowed::from(&shared.limits), now),
            decoder: Decoder::default(),
            opening: Opening::default(),
            bell: Arc::default(),
            streams: BTreeMap::new(),
            queue: VecDeque::new(),
            last: 0,
            reset: VecDeque::new(),
            reset_set: BTreeSet::new(),
            send_window: i64::from(WINDOW_FIRST),
            peer_window: i64::from(WINDOW_FIRST),
            window: i64::from(connection_window(&shared.limits)),
            room: Arc::new(Room::new(now)),
            credit: 0,
            sent: Sent::default(),
            bodies_end: 0,
            flowed: now,
            tableless: false,
            scarce: false,
            asked: 0,
            served: false,
            now,
            changed: now,
            unsent: false,
            due: Instant::FAR,
            leaving: None,
            knows: false,
            told: None,
            rung: Vec::new(),
            worked: false,
        };
        connection.greet();
        connection
    }

    /// Says what there is to know of us (RFC 9113 §3.4).
    fn greet(&mut self) {
        let limits = &self.shared.limits;
        let (window, all) = (stream_window(limits), connection_window(limits));
        let settings = [
            // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE.
            (3, limits.http2.streams_max),
            (4, window),
            (6, u32::try_from(super::list_bytes_max(limits)).unwrap_or(u32::MAX)),
        ];
        self.wire.output.text(|text| {
            frames::write_settings(text, &settings);
            if all > WINDOW_FIRST {
                frames::write_window(text, 0, all - WINDOW_FIRST);
            }
        });
    }

    /// What is left when it has ended; all work for its requests is dropped, and their bodies come to no end.
    pub(super) fn into_wire(self) -> Wire<S> {
        let receiving = self.streams.values().map(|stream| &stream.receiving);
        for inbox in receiving.filter_map(|receiving| receiving.inbox.as_ref()) {
            inbox.fail(BodyFault::Broken);
            self.count_fault(inbox);
        }
        self.wire
    }

    /// Takes what arrives and sends what is ready until the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.now = self.wire.alarm.now();
        self.meter.turn(self.now);
        self.asked = 0;
        loop {
            if self.opening.is_begun() && self.leaving.is_none() && self.drain.is_retiring() {
                self.leave();
            }
            self.hear();
            let hunger = match self.take_frames() {
                Ok(hunger) => hunger,
                Err(end) => return Poll::Ready(end),
            };
            self.write_queue();
            let sent = std::mem::take(&mut self.sent);
            self.note_flow(&sent);
            self.meter.sent(&sent);
            let flushed = match self.wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(WriteFault::Gone)) => return Poll::Ready(End::Gone),
                Poll::Ready(Err(WriteFault::Stalled)) => return Poll::Ready(End::Stalled),
                Poll::Pending => false,
            };
            self.note_sent();
            if flushed && self.told.is_some() && self.streams.is_empty() {
                return Poll::Ready(End::Done);
            }
            match hunger {
                Hunger::Turn => {
                    // Others of the event loop have their turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Hunger::Full if flushed => continue,
                // No frame is looked at before the client takes the replies to those that were; the work for its requests goes on.
                Hunger::Full => return self.wait(cx),
                Hunger::Hungry => {}
            }
            match self.wire.input.poll_fill(&mut self.wire.stream, INPUT_BYTES_MAX, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(End::Gone),
                Poll::Ready(Ok(_)) => continue,
                // What a client asked for before it knew may come right behind its word that it knows.
                Poll::Pending if self.knows && self.told.is_none() => {
                    self.tell_last();
                    continue;
                }
                Poll::Pending if flushed && !self.queue.is_empty() => continue,
                Poll::Pending => {}
            }
            let deadline = match self.look() {
                Ok(Some(deadline)) => deadline,
                Ok(None) => continue,
                Err(end) => return Poll::Ready(end),
            };
            self.wire.alarm.set(deadline, self.now, cx);
            // Whoever retires wakes all who have an alarm; who had none yet has to look again.
            let retires = if self.opening.is_begun() {
                self.leaving.is_none() && self.drain.is_retiring()
            } else {
                self.drain.is_started()
            };
            if !retires {
                return self.wait(cx);
            }
        }
    }

    /// Waits until something rings. What has rung by now is looked at in the next turn, not in this one: it may ring because
    /// this one has used up what the runtime lets a task do in one go.
    fn wait(&self, cx: &Context<'_>) -> Poll<End> {
        if self.worked && self.bell.listen(cx.waker()) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Looks at the requests that rang.
    fn hear(&mut self) {
        if !self.worked {
            return;
        }
        self.worked = !self.streams.is_empty();
        let mut rung = std::mem::take(&mut self.rung);
        self.bell.take(&mut rung);
        for id in rung.drain(..) {
            self.advance(id);
        }
        self.rung = rung;
    }

    /// Lets those that have more to write do so, one after the other, while there is room.
    fn write_queue(&mut self) {
        loop {
            while self.wire.output.len() < BODIES_BYTES_MAX
                && let Some(id) = self.queue.pop_front()
            {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.queued = false;
                }
                self.advance_within(id, true);
            }
            if !(self.scarce && self.queue.is_empty() && self.send_window > 0) {
                return;
            }
            // Those that waited are through, or gone: whoever stood back for them may write now.
            self.scarce = false;
            self.unblock(None);
        }
    }

    /// Takes up a request that was not answered at once.
    pub(super) fn add(&mut self, id: u32, stream: Stream<'a>) {
        self.streams.insert(id, stream);
        self.worked = true;
        self.advance(id);
    }

    /// Moves a request as far as it goes. While others wait for the window of the connection it stands back with its data.
    pub(super) fn advance(&mut self, id: u32) {
        self.advance_within(id, !self.scarce);
    }

    fn advance_within(&mut self, id: u32, in_turn: bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let mut nothing = 0;
        let mut out = Outbound {
            output: &mut self.wire.output,
            window: if in_turn { &mut self.send_window } else { &mut nothing },
            sent: &mut self.sent,
            tableless: &mut self.tableless,
        };
        let before = out.sent.bytes;
        let turn = stream.poll(id, &mut out, self.shared, self.now);
        if self.sent.bytes > before
            && let Some(inbox) = &stream.receiving.inbox
        {
            inbox.answered(self.now);
        }
        if let Some(blocked) = &stream.blocked {
            self.unsent |= blocked.sent_at.is_none();
            self.scarce |= stream.window > 0;
        }
        if turn == Turn::More && !stream.queued {
            stream.queued = true;
            self.queue.push_back(id);
        }
        self.give_back(id);
        match turn {
            Turn::Waits | Turn::More => {}
            Turn::Ended => self.finish(id),
            Turn::Cut => {
                self.shared.statistics.cut.increment();
                // An end that is not clean must not look like one.
                self.cut(id, Code::Internal);
            }
        }
    }

    /// Lets the client send as much again as was taken of a request's body.
    pub(super) fn give_back(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let receiving = &mut stream.receiving;
        let Some(inbox) = &receiving.inbox else { return };
        let taken = u32::try_from(inbox.take_credit()).unwrap_or(WINDOW_MAX);
        receiving.credit += taken;
        let worth = receiving.credit >= stream_window(&self.shared.limits) / 2;
        if worth && !receiving.ended && !inbox.is_given_up() {
            let credit = std::mem::take(&mut receiving.credit);
            receiving.window += i64::from(credit);
            self.wire.output.text(|text| frames::write_window(text, id, credit));
        }
        if taken > 0 {
            self.give_back_to_all(taken);
        }
    }

    /// The same for the window of the connection.
    pub(super) fn give_back_to_all(&mut self, taken: u32) {
        self.credit += taken;
        self.renew_window();
    }

    /// Opens the window of the connection again once there is as much to give back as is left of it. That is half of it, and
    /// less while some of it is not taken: what waits must not keep from the others what they may have.
    pub(super) fn renew_window(&mut self) {
        if self.credit > 0 && i64::from(self.credit) >= self.window {
            let credit = std::mem::take(&mut self.credit);
            self.window += i64::from(credit);
            self.room.begin(self.now);
            self.wire.output.text(|text| frames::write_window(text, 0, credit));
        }
    }

    /// The answer is written.
    pub(super) fn finish(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id) else { return };
        let receiving = &stream.receiving;
        if receiving.ended {
            self.remove(id);
        } else if receiving.inbox.as_ref().is_none_or(Inbox::is_given_up) {
            // RFC 9113 §8.1: what is still to come is of no use.
            self.cut(id, Code::NoError);
        }
    }

    fn count_fault(&self, inbox: &Inbox) {
        if let Some(fault) = inbox.take_fault() {
            self.shared.statistics.fail_body(fault);
        }
    }

    /// A request is over.
    pub(super) fn remove(&mut self, id: u32) {
        if let Some(stream) = self.streams.remove(&id)
            && let Some(inbox) = &stream.receiving.inbox
        {
            self.count_fault(inbox);
            let taken = u32::try_from(inbox.close()).unwrap_or(WINDOW_MAX);
            self.give_back_to_all(taken);
        }
        self.changed = self.now;
    }

    /// Ends a request from here.
    pub(super) fn cut(&mut self, id: u32, code: Code) {
        self.remove(id);
        self.write_reset(id, code);
    }

    /// Says that a request is over, and lets pass what is under way to it.
    pub(super) fn write_reset(&mut self, id: u32, code: Code) {
        if self.reset_set.insert(id) {
            self.reset.push_back(id);
        }
        let at_once = self.shared.limits.http2.streams_max as usize;
        if self.reset.len() > (RESET_KEPT_TIMES * at_once).max(RESET_KEPT_MIN)
            && let Some(oldest) = self.reset.pop_front()
        {
            self.reset_set.remove(&oldest);
        }
        self.wire.output.text(|text| frames::write_reset(text, id, code));
    }

    /// Whether a request that is no more was reset here, not long ago.
    pub(super) fn was_reset(&self, id: u32) -> bool {
        self.reset_set.contains(&id)
    }

    /// Ends a request for what the client did, which is counted.
    pub(super) fn reset_for_fault(&mut self, id: u32, code: Code) {
        self.meter.reset();
        if let Some(stream) = self.streams.get(&id)
            && let Some(inbox) = &stream.receiving.inbox
        {
            inbox.fail(BodyFault::Malformed);
        }
        self.cut(id, code);
    }

    /// Ends the connection at once: the client is told why, and all work for it is dropped.
    pub(super) fn fail(&mut self, code: Code, end: End) -> End {
        // §6.8: it never becomes more than what was said before.
        let last = self.told.unwrap_or(self.last);
        self.wire.output.text(|text| frames::write_goaway(text, last, code));
        end
    }

    /// Tells the client that there will be no further answers; those under way will be (RFC 9113 §6.8).
    pub(super) fn leave(&mut self) {
        self.leaving = Some(self.now);
        self.wire.output.text(|text| {
            frames::write_goaway(text, WINDOW_MAX, Code::NoError);
            frames::write(text, kind::PING, 0, 0, &LEAVING);
        });
    }

    /// The client knows that it is to leave: what it has asked for until now is answered, and nothing else.
    pub(super) fn tell_last(&mut self) {
        let last = *self.told.get_or_insert(self.last);
        self.wire
            .output
            .text(|text| frames::write_goaway(text, last, Code::NoError));
    }

    /// Windows have grown: those that wait for them may write.
    pub(super) fn unblock(&mut self, id: Option<u32>) {
        let some = id.map_or(0..=u32::MAX, |id| id..=id);
        let mut waiting: Vec<(Instant, u32)> = Vec::new();
        for (id, stream) in self.streams.range_mut(some) {
            if let Some(blocked) = stream.blocked.filter(|_| !stream.queued) {
                stream.queued = true;
                waiting.push((blocked.since, *id));
            }
        }
        // Who has waited longest comes first, or the first ones would take it all whenever there is little.
        waiting.sort_unstable();
        self.queue.extend(waiting.into_iter().map(|(_, id)| id));
    }

    /// Until when something has to happen; nothing when something did just now.
    fn look(&mut self) -> Result<Option<Instant>, End> {
        let limits = &self.shared.limits;
        let idle = self.streams.is_empty();
        if !self.opening.is_begun() {
            let deadline = self.changed.after(limits.header_timeout);
            // The client sends first; without it there is nothing to be polite about.
            let over = self.now >= deadline || self.drain.is_started();
            return if over { Err(End::Gone) } else { Ok(Some(deadline)) };
        }
        let mut deadline = Instant::FAR;
        if let Some(since) = self.opening.head_since {
            deadline = since.after(limits.header_timeout);
            if self.now >= deadline {
                return Err(self.fail(Code::Calm, End::HeaderTimeout));
            }
        }
        if self.now >= self.due {
            self.end_stalled();
            return Ok(None);
        }
        deadline = deadline.min(self.due);
        if let Some(since) = self.leaving.filter(|_| self.told.is_none()) {
            let until = since.after(FAREWELL_TIME);
            if self.now >= until {
                // It does not say that it knows: it is told all the same up to where there are answers.
                self.tell_last();
                return Ok(None);
            }
            deadline = deadline.min(until);
        } else if idle && self.leaving.is_none() {
            let silence = if self.served {
                limits.keepalive_timeout
            } else {
                limits.header_timeout
            };
            let until = self.changed.after(silence);
            if self.now >= until {
                self.shared.statistics.idle.increment();
                self.leave();
                return Ok(None);
            }
            deadline = deadline.min(until);
        }
        Ok(Some(deadline))
    }
}
