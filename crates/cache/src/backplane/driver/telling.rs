//! Carrying what was invalidated here to Redis, and waiting for who has heard of it.

use super::super::Member;
use super::super::Told;
use super::super::link::Line;
use super::super::outbox::Parcel;
use super::super::protocol::Confirming;
use super::super::receipts::{Accepted, Settled, Standings, Ticket, pauses, redis_layer};
use super::super::scripts::{InvalidateReply, MARKS_MAX};
use super::{Inner, Shard, ShardState};
use crate::invalidation::Layer;
use peregrine_base::Instant;
use std::sync::Arc;
use std::time::Duration;

/// Beside two answers of Redis, one that fails and the one that says so, an invalidation waits so long before it is called
/// journaled.
const ACCEPT_EXTRA: Duration = Duration::from_secs(1);
/// How long a receipt waits for nodes, whatever bound they have.
const NODES_WAIT_MAX: Duration = Duration::from_secs(30);
/// Before an invalidation that was not confirmed is told again, so that two primaries that contradict each other are not asked
/// in turns without a pause.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Tells shard `number` what waits for it, until the end.
pub(super) async fn tell(inner: Arc<Inner>, number: usize) {
    let shard = &inner.shards[number];
    let mut line = inner.link.line(&shard.keys);
    while !inner.is_leaving() {
        tokio::select! {
            () = shard.told.notified() => {}
            () = inner.left() => return,
        }
        while let Some(member) = inner.member(shard) {
            if shard.state() != ShardState::InStep {
                note_new(&inner, shard).await;
                break;
            }
            if !tell_all(&inner, &member, shard, &mut *line).await {
                break;
            }
        }
    }
}

/// Tells Redis what waits; whether there was anything and all of it was confirmed.
async fn tell_all(inner: &Arc<Inner>, member: &Member, shard: &Shard, line: &mut dyn Line) -> bool {
    let parcels = take(member, shard);
    // All of them first: nobody knows how many parts Redis takes.
    write_down(inner, shard, &parcels).await;
    let mut parts = parcels.chunks(MARKS_MAX);
    while let Some(part) = parts.next() {
        let confirmed = deliver(inner, member, shard, line, part).await;
        if !confirmed {
            parts.by_ref().for_each(|part| keep(inner, member, shard, part));
        }
        shard.tellings.send_modify(|tellings| *tellings += 1);
        if !confirmed {
            return false;
        }
    }
    !parcels.is_empty()
}

/// Redis cannot be told now: only writes down what is new, however much waits.
async fn note_new(inner: &Arc<Inner>, shard: &Shard) {
    let new = shard.outbox.lock().take_new();
    let written = write_down(inner, shard, &new).await;
    if !written {
        shard.outbox.lock().put_back_new(&new);
    }
    // Read after it was written: whoever finds that Redis is away lets go only of what stands in the journal.
    if shard.state() == ShardState::Away {
        new.iter().for_each(|parcel| let_go(inner, shard, parcel));
    }
}

/// What waits; it is on the way from now on.
fn take(member: &Member, shard: &Shard) -> Vec<Parcel> {
    let mut outbox = shard.outbox.lock();
    let unsent = member.unsent();
    outbox.send(unsent.into_iter().map(|(id, _)| id))
}

/// Writes into the journal what of `parcels` does not stand there; whether it does now, as far as there is a journal.
async fn write_down(inner: &Arc<Inner>, shard: &Shard, parcels: &[Parcel]) -> bool {
    let unwritten = shard.outbox.lock().unwritten(parcels);
    if inner.journal.is_none() || unwritten.is_empty() {
        return true;
    }
    let written = inner.write(shard.number, &unwritten).await;
    if written {
        let twice = shard.outbox.lock().written(&unwritten);
        inner.strike(shard.number, &twice);
    }
    written
}

/// Tells Redis of `parcels`; whether all of them were confirmed.
async fn deliver(inner: &Arc<Inner>, member: &Member, shard: &Shard, line: &mut dyn Line, parcels: &[Parcel]) -> bool {
    let (ShardState::InStep, Some(replicas)) = (shard.state(), inner.replicas()) else {
        keep(inner, member, shard, parcels);
        return false;
    };
    let marks: Vec<_> = parcels.iter().map(|parcel| parcel.mark.clone()).collect();
    let call = shard.keys.invalidate(inner.parts.random.next_u64(), &marks);
    let began = inner.now();
    let answered = line.ask(&call, replicas, inner.replicas_wait()).await;
    inner.counts.telling.record(inner.now().since(began));
    let answered = answered.map_err(|fault| fault.kind).and_then(|(value, acknowledged)| {
        let reply = InvalidateReply::parse(&value).map_err(|_| "garbled")?;
        Ok((reply, acknowledged >= replicas))
    });
    match answered {
        Ok((reply, acknowledged)) => {
            let confirmed = confirm(inner, member, shard, parcels, &reply, acknowledged);
            if !confirmed {
                inner.counts.unconfirmed.increment();
                inner.parts.runtime.sleep(AGAIN_AFTER).await;
                shard.asked.notify_one();
            }
            confirmed
        }
        Err(kind) => {
            inner.counts.fault(kind);
            // Whether Redis is away is for the next round to say, which is asked for now.
            shard.note(ShardState::Doubtful, inner.now());
            keep(inner, member, shard, parcels);
            shard.asked.notify_one();
            false
        }
    }
}

/// Takes in what Redis answered about `parcels`, in their order; whether all of them are confirmed.
fn confirm(
    inner: &Arc<Inner>,
    member: &Member,
    shard: &Shard,
    parcels: &[Parcel],
    reply: &InvalidateReply,
    acknowledged: bool,
) -> bool {
    let (mut over, mut all) = (Vec::new(), true);
    for (at, parcel) in parcels.iter().enumerate() {
        let after = parcels.len() - at - 1;
        let one = InvalidateReply {
            generation: reply.generation.clone(),
            seq: reply.seq.saturating_sub(after as u64),
            before: reply.before.get(at).copied().into_iter().collect(),
        };
        match member.invalidate_reply(parcel.id, &one, acknowledged) {
            Confirming::Confirmed(stamp) => {
                let (mark, tickets) = shard.outbox.lock().confirm(parcel.id);
                over.extend(mark);
                inner.counts.confirmed.increment();
                let accepted = Accepted {
                    shard: shard.number,
                    generation: stamp.generation,
                    seq: stamp.seq,
                };
                tickets.iter().for_each(|ticket| ticket.accept(accepted));
            }
            Confirming::Pending => {
                shard.outbox.lock().put_off(parcel.id);
                all = false;
            }
        }
    }
    inner.strike(shard.number, &over);
    all
}

/// `parcels` wait again, for Redis to be back. Whoever wants a receipt for them waits only while it is not known to be away.
fn keep(inner: &Inner, member: &Member, shard: &Shard, parcels: &[Parcel]) {
    let away = shard.state() == ShardState::Away;
    for parcel in parcels {
        member.invalidate_failed(parcel.id);
        shard.outbox.lock().put_off(parcel.id);
        if away {
            let_go(inner, shard, parcel);
        }
    }
}

/// Nobody waits for `parcel` any longer.
fn let_go(inner: &Inner, shard: &Shard, parcel: &Parcel) {
    let (tickets, journaled) = shard.outbox.lock().take_tickets(parcel.id);
    inner.put_off(tickets, journaled);
}

impl Inner {
    fn put_off(&self, tickets: Vec<Arc<Ticket>>, journaled: bool) {
        for ticket in tickets {
            self.counts.put_off.increment();
            ticket.put_off(journaled);
        }
    }

    /// Redis is away: nobody waits for it any longer. What is on its way to the journal at this moment is put off when it
    /// stands there.
    pub(super) fn put_off_all(&self, shard: &Shard) {
        let tickets = shard.outbox.lock().take_journaled_tickets(self.journal.is_none());
        self.put_off(tickets, self.journal.is_some());
    }

    /// What is known of an invalidation for which nobody waits any longer.
    fn give_up(&self, ticket: &Arc<Ticket>) -> Settled {
        let outboxes_hold = self.shards.iter().all(|shard| shard.outbox.lock().is_journaled(ticket));
        Settled::PutOff {
            journaled: self.journal.is_some() && outboxes_hold && ticket.is_journaled_so_far(),
        }
    }

    /// Waits for what becomes of an invalidation in Redis.
    pub(super) async fn settled(&self, ticket: &Arc<Ticket>) -> Settled {
        tokio::select! {
            settled = ticket.settled() => settled,
            () = self.parts.runtime.sleep(self.config.answer_max * 2 + ACCEPT_EXTRA) => self.give_up(ticket),
        }
    }

    /// Waits for what becomes of an invalidation in Redis and at the nodes.
    pub(super) async fn receipt(self: Arc<Self>, ticket: Arc<Ticket>, reached: Vec<u32>, started: Instant) -> Told {
        let settled = self.settled(&ticket).await;
        let took = self.now().since(started);
        match settled {
            Settled::Accepted(accepted) => {
                let redis = redis_layer(reached.len(), reached.len(), took);
                let nodes = self.gather(&accepted, started).await;
                Told {
                    layers: vec![redis, nodes],
                    journaled: false,
                }
            }
            Settled::PutOff { journaled } => {
                let mut standings = Standings::new(&self.config.node, Duration::ZERO);
                for shard in &self.shards {
                    standings.add_unknown(&shard.nodes.last());
                }
                Told {
                    layers: vec![redis_layer(0, reached.len(), took), standings.layer(took)],
                    journaled,
                }
            }
        }
    }

    /// Waits until every node has heard of what was `accepted` now, or believes nothing older any more.
    async fn gather(self: &Arc<Self>, accepted: &[Accepted], started: Instant) -> Layer {
        let since = self.now();
        for pause in pauses() {
            self.parts.runtime.sleep(pause).await;
            let mut standings = Standings::new(&self.config.node, self.now().since(since));
            let mut known = true;
            for one in accepted {
                let Some(shard) = self.shard(one.shard) else { continue };
                match shard.nodes.rows(self, shard).await {
                    Some(rows) => {
                        standings.add(one, &rows);
                        standings.add(one, &shard.nodes.lost());
                    }
                    None => {
                        known = false;
                        standings.add(one, &shard.nodes.last());
                    }
                }
            }
            let waited = self.now().since(since);
            let open = standings.patience().is_some();
            // A look that failed says nothing about nodes that came meanwhile.
            let hopeless = waited > NODES_WAIT_MAX || (!known && waited > self.config.freshness_bound);
            if (known && !open) || hopeless {
                return standings.layer(self.now().since(started));
            }
        }
        unreachable!("the pauses never end")
    }
}
