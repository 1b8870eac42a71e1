//! Asking what was invalidated.

use super::super::Member;
use super::super::link::{Bell, Line};
use super::super::scripts::SyncReply;
use super::{Inner, Shard, ShardState};
use peregrine_base::Instant;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rounds that a nudge, or an answer with something new in it, begins are at least so far apart; up to as much again by
/// chance, so that many nodes do not ask at the same time.
const GAP_MIN: Duration = Duration::from_millis(5);
/// After a round that failed the next one is at least so much later, however many ask for it.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// After a round that failed the next one is at most so much later, however long the bound is.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// What came of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// This node knows everything that happened before the round began; whether it learned something new by it.
    Verified { moved: bool },
    /// An answer came that not enough replicas stand behind.
    Unacknowledged,
    /// No answer came.
    Failed,
    /// There is no engine any more.
    Over,
}

/// Keeps this node in step with shard `number`, until the end.
pub(super) async fn follow(inner: Arc<Inner>, number: usize) {
    let shard = &inner.shards[number];
    let mut line = inner.link.line(&shard.keys);
    let mut bell = inner.link.bell(&shard.keys);
    while !inner.is_leaving() {
        let began = inner.now();
        let round = tokio::select! {
            round = ask(&inner, shard, &mut *line) => round,
            () = inner.left() => break,
        };
        conclude(&inner, shard, round);
        let quarter = inner.config.freshness_bound / 4;
        let (moved, due) = match round {
            Round::Over => break,
            Round::Verified { moved } => (moved, began.after(quarter)),
            Round::Unacknowledged | Round::Failed => {
                inner.parts.runtime.sleep(RETRY_MIN).await;
                (false, began.after(quarter.min(RETRY_MAX)))
            }
        };
        tokio::select! {
            () = reason(&inner, shard, &mut *bell, (began, due), moved) => {}
            () = inner.left() => break,
        }
    }
    // Whoever waits for the last round sees by this that there is none any more.
    shard.rounds.send_replace(u64::MAX);
}

/// Waits for a reason to ask again after a round that `began` then, at most until `due`.
async fn reason(inner: &Inner, shard: &Shard, bell: &mut dyn Bell, (began, due): (Instant, Instant), moved: bool) {
    let sleep = |until: Instant| inner.parts.runtime.sleep(until.since(inner.now()));
    let spread = GAP_MIN.mul_f64(1.0 + inner.parts.random.next_unit());
    let soonest = began.after(spread);
    let wake = async {
        if !moved {
            tokio::select! {
                () = bell.rung() => {}
                () = sleep(due) => return,
            }
        }
        // Asking once more tells the others that this node has heard.
        sleep(soonest).await;
    };
    tokio::select! {
        () = wake => {}
        () = shard.asked.notified() => {}
    }
    // Nudges that came meanwhile are answered by this round.
    loop {
        tokio::select! {
            biased;
            () = bell.rung() => {}
            () = std::future::ready(()) => break,
        }
    }
}

/// One round: questions until everything that there is was answered.
async fn ask(inner: &Inner, shard: &Shard, line: &mut dyn Line) -> Round {
    let Some(replicas) = replicas(inner, line).await else {
        return Round::Failed;
    };
    let mut moved = false;
    loop {
        let Some(member) = inner.member(shard) else {
            return Round::Over;
        };
        let Some(request) = member.begin_sync() else {
            return Round::Failed;
        };
        let salt = inner.parts.random.next_u64();
        let call = shard
            .keys
            .sync(salt, &inner.config.node, &request, inner.config.freshness_bound);
        let answered = line.ask(&call, replicas, inner.replicas_wait()).await;
        inner.counts.asking.record(inner.now().since(request.sent));
        let (value, acknowledged) = match answered {
            Ok(answered) => answered,
            Err(fault) => {
                member.sync_failed(&request);
                inner.counts.fault(fault.kind);
                return Round::Failed;
            }
        };
        let Ok(reply) = SyncReply::parse(&value) else {
            member.sync_failed(&request);
            inner.counts.fault("garbled");
            return Round::Failed;
        };
        let_own_be_confirmed(inner, &member, shard, &reply).await;
        let before = member.standing();
        let synced = member.sync_reply(&request, reply, acknowledged >= replicas);
        let after = member.standing();
        inner.counts.syncs.increment();
        if before.generation.is_some() && before.generation != after.generation {
            inner.counts.generations.increment();
        }
        moved |= (before.generation, before.cursor) != (after.generation, after.cursor);
        if !synced.more {
            return if synced.verified {
                Round::Verified { moved }
            } else {
                inner.counts.fault("unacknowledged");
                Round::Unacknowledged
            };
        }
    }
}

/// Two connections bring the answers to what is told and to what is asked, in whichever order. Gives what was written here the
/// time to be confirmed before `reply` tells of it, but never so much that a round would be missed.
async fn let_own_be_confirmed(inner: &Inner, member: &Member, shard: &Shard, reply: &SyncReply) {
    let mut tellings = shard.tellings.subscribe();
    tokio::select! {
        biased;
        _ = tellings.wait_for(|_| !member.may_tell_of_own(reply)) => {}
        () = inner.parts.runtime.sleep(inner.config.freshness_bound / 4) => {}
    }
}

/// How many replicas have to acknowledge: what is configured, or as many as there are when the primary answers first.
async fn replicas(inner: &Inner, line: &mut dyn Line) -> Option<u32> {
    if let Some(known) = inner.replicas() {
        return Some(known);
    }
    match line.replicas().await {
        Ok(attached) => {
            let replicas = attached.max(inner.link.replicas_known());
            inner.replicas.store(replicas, Ordering::Relaxed);
            Some(replicas)
        }
        Err(fault) => {
            inner.counts.fault(fault.kind);
            None
        }
    }
}

/// Tells everybody what came of a round.
fn conclude(inner: &Inner, shard: &Shard, round: Round) {
    match round {
        Round::Over => return,
        Round::Verified { .. } => {
            shard.note(ShardState::InStep, inner.now());
            if shard.outbox.lock().len() > 0 {
                shard.told.notify_one();
            }
        }
        Round::Unacknowledged | Round::Failed => {
            shard.note(ShardState::Away, inner.now());
            inner.put_off_all(shard);
        }
    }
    shard.rounds.send_modify(|rounds| *rounds += 1);
}
