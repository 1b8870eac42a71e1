//! What one node knows of one control shard, and what it makes of an answer: the rules of the backplane as a state machine.
//! It takes times and messages as arguments and says what is to be done as [`Effect`]s, in the order in which they are to be
//! done; it neither sends nor waits nor locks, so that the simulation runs the same code as the program.
//!
//! The rules, in the order of an answer to SYNC ([`Node::sync_reply`]):
//!
//! 1. Another generation, or a floor above the cursor: something may have been missed, so what is in memory is doubtful.
//! 2. Every new record reaches the ledger.
//! 3. The cursor and the floor are taken.
//! 4. If this was the last page: everything that happened before the *question was sent* is known here.
//! 5. What this node invalidated and nobody confirmed is sent again.
//!
//! An answer that the replicas did not acknowledge changes nothing: a primary that was deposed and does not know it yet gives
//! such answers, and its history is not the one that counts. An answer to a question that was given up changes nothing either.

use super::generation::{Generation, Stamp};
use super::records::{Records, ValueTargets};
use super::scripts::{InvalidateReply, SyncReply};
use super::wire::Mark;
use crate::ledger::Standing;
use peregrine_base::Instant;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Which rules hold. In the program all of them; the simulation shows of each that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The answer to a question that was given up is thrown away.
    pub(crate) late_replies_are_dropped: bool,
    /// An answer counts only when the replicas acknowledged it.
    pub(crate) replicas_acknowledge: bool,
    /// What is known is known as of the sending of the question, not of the receiving of the answer.
    pub(crate) verified_when_sent: bool,
    /// An invalidation is confirmed only in the generation that the node is in.
    pub(crate) confirmed_in_own_generation: bool,
    /// A value of another generation is not used.
    pub(crate) values_of_own_generation: bool,
    /// A value below the floor is not used.
    pub(crate) values_above_floor: bool,
    /// A value that an unconfirmed invalidation reaches is not used.
    pub(crate) pending_reaches_values: bool,
    /// An answer with another generation or a floor above the cursor makes memory doubtful.
    pub(crate) gaps_raise_the_floor: bool,
    /// A node says that it has heard of what whole answers told, not of their first pages.
    pub(crate) whole_answers_are_heard: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            late_replies_are_dropped: true,
            replicas_acknowledge: true,
            verified_when_sent: true,
            confirmed_in_own_generation: true,
            values_of_own_generation: true,
            values_above_floor: true,
            pending_reaches_values: true,
            gaps_raise_the_floor: true,
            whole_answers_are_heard: true,
        }
    }
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `lc_floor = ++lc`: what is in memory is doubtful.
    RaiseFloor,
    /// These reach the ledger at `++lc`.
    Raise(Vec<Mark>),
    /// A load that begins from now on carries this.
    Stand(Stamp),
    /// Everything that happened before this is known here.
    Verified(Instant),
    /// What [`Node::unsent`] gives is to be sent.
    Replay,
    /// There are more records: ask again at once.
    More,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    id: u64,
    /// The generation that the node knows.
    pub generation: Option<Generation>,
    /// Up to where it was told of invalidations.
    pub cursor: u64,
    /// Up to where it knows of all of them, which receipts count on. In the middle of an answer that is less: a target that was
    /// invalidated again meanwhile stands further behind, and not where it stood.
    pub heard: u64,
    /// When it was sent.
    pub sent: Instant,
}

/// A name for an invalidation that is not confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingId(u64);

/// What became of an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirming {
    /// Redis has it, and will not lose it by a failover that the replicas were told of.
    Confirmed(Stamp),
    /// It stays pending and is sent again after the next answer to SYNC.
    Pending,
}

/// Why a value from Redis is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotGood {
    /// It has been too long since this node knew of all invalidations.
    Unverified,
    /// It was loaded in another generation.
    OtherGeneration,
    /// What was invalidated since it was loaded is not known in detail any more.
    BelowFloor,
    /// It was invalidated.
    Invalidated,
    /// It was invalidated here, which is not confirmed yet.
    Pending,
}

impl NotGood {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unverified,
        Self::OtherGeneration,
        Self::BelowFloor,
        Self::Invalidated,
        Self::Pending,
    ];

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::OtherGeneration => "other_generation",
            Self::BelowFloor => "below_floor",
            Self::Invalidated => "invalidated",
            Self::Pending => "pending",
        }
    }
}

/// A node's part of the protocol for one control shard.
#[derive(Debug)]
pub struct Node {
    rules: Rules,
    generation: Option<Generation>,
    cursor: u64,
    /// The cursor at the end of the last whole answer of this generation.
    heard: u64,
    floor: u64,
    records: Records,
    /// Whether the records of this generation have all arrived once.
    complete: bool,
    verified_at: Option<Instant>,
    pending: BTreeMap<PendingId, Pending>,
    pended_so_far: u64,
    outstanding: Option<u64>,
    syncs: u64,
}

#[derive(Debug)]
struct Pending {
    marks: Vec<Mark>,
    sent: bool,
    /// It was made by writing a value here, which it is not to reach.
    by_writing: bool,
}

impl Node {
    /// One that knows nothing.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            generation: None,
            cursor: 0,
            heard: 0,
            floor: 0,
            records: Records::default(),
            complete: false,
            verified_at: None,
            pending: BTreeMap::new(),
            pended_so_far: 0,
            outstanding: None,
            syncs: 0,
        }
    }

    /// The question to ask, unless one is outstanding. `now` is read from a clock that counts suspension, before it is sent.
    pub fn begin_sync(&mut self, now: Instant) -> Option<SyncRequest> {
        if self.outstanding.is_some() {
            return None;
        }
        self.syncs += 1;
        self.outstanding = Some(self.syncs);
        Some(SyncRequest {
            id: self.syncs,
            generation: self.generation.clone(),
            cursor: self.cursor,
            heard: if self.rules.whole_answers_are_heard {
                self.heard
            } else {
                self.cursor
            },
            sent: now,
        })
    }

    /// The question was given up: there will be no answer, or nobody listens to it any more.
    pub fn sync_failed(&mut self, request: &SyncRequest) {
        self.settle(request);
    }

    /// Whether `request` was the outstanding one; it is no longer.
    fn settle(&mut self, request: &SyncRequest) -> bool {
        let current = self.outstanding == Some(request.id);
        if current {
            self.outstanding = None;
        }
        current
    }

    /// The answer to a question, and whether the replicas acknowledged it. `now` is used by nothing but a rule that is off.
    pub fn sync_reply(
        &mut self,
        request: &SyncRequest,
        reply: SyncReply,
        acknowledged: bool,
        now: Instant,
    ) -> Vec<Effect> {
        let current = self.settle(request);
        let dropped = !current && self.rules.late_replies_are_dropped;
        if dropped || (!acknowledged && self.rules.replicas_acknowledge) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let generation = reply.generation.id();
        let last = reply.last;
        if self.generation.as_ref().map(Generation::id) == Some(generation) {
            self.continue_generation(reply, &mut effects);
        } else {
            self.begin_generation(reply, &mut effects);
        }
        effects.push(Effect::Stand(Stamp {
            generation,
            seq: self.cursor,
        }));
        if last {
            self.complete = true;
            self.heard = self.cursor;
            let at = if self.rules.verified_when_sent {
                request.sent
            } else {
                now
            };
            self.verified_at = self.verified_at.max(Some(at));
            effects.push(Effect::Verified(at));
        } else {
            effects.push(Effect::More);
        }
        if self.pending.values().any(|pending| !pending.sent) {
            effects.push(Effect::Replay);
        }
        effects
    }

    fn continue_generation(&mut self, reply: SyncReply, effects: &mut Vec<Effect>) {
        if reply.floor > self.cursor && self.rules.gaps_raise_the_floor {
            effects.push(Effect::RaiseFloor);
        }
        let upto = reply.upto();
        let records = reply.records.into_iter();
        let new: Vec<Mark> = records
            .filter(|(mark, seq)| self.records.enter(mark, *seq))
            .map(|(mark, _)| mark)
            .collect();
        if !new.is_empty() {
            effects.push(Effect::Raise(new));
        }
        self.cursor = self.cursor.max(upto);
        self.floor = self.floor.max(reply.floor);
        self.records.forget(self.floor);
    }

    /// Nothing is known of what happened between the generations. The records say what was invalidated since some time in
    /// the past, so they are not for the ledger, which would forget more for them than they tell; memory is doubtful anyway.
    fn begin_generation(&mut self, reply: SyncReply, effects: &mut Vec<Effect>) {
        if self.rules.gaps_raise_the_floor {
            effects.push(Effect::RaiseFloor);
        }
        self.records = Records::default();
        self.complete = false;
        self.heard = 0;
        (self.cursor, self.floor) = (reply.upto(), reply.floor);
        for (mark, seq) in reply.records {
            self.records.enter(&mark, seq);
        }
        self.generation = Some(reply.generation);
        // What Redis may have confirmed in the other generation is not known in this one.
        self.pending.values_mut().for_each(|pending| pending.sent = false);
    }

    /// Notes that `marks` hold here and are to be told to Redis. To be called before the invalidation returns.
    pub fn pend(&mut self, marks: Vec<Mark>) -> PendingId {
        self.pended_so_far += 1;
        let id = PendingId(self.pended_so_far);
        let pending = Pending {
            marks,
            sent: false,
            by_writing: false,
        };
        self.pending.insert(id, pending);
        id
    }

    /// Another invalidation is told by the one that is pending as `id` and has not been sent. Unless a value is written again,
    /// it reaches what was written before.
    pub fn pend_again(&mut self, id: PendingId) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.by_writing = false;
        }
    }

    /// The pending invalidation of `mark` alone was made by writing a value here.
    pub(crate) fn keep_own(&mut self, mark: Mark) {
        let own = self
            .pending
            .values_mut()
            .rev()
            .find(|pending| pending.marks == [mark.clone()]);
        if let Some(pending) = own {
            pending.by_writing = true;
        }
    }

    /// Whether `reply` may tell of nothing but what was written here, of which Redis has not answered yet whether it heard.
    /// Where that answer is taken in first, the value stays; the other way round it goes, as if another node had invalidated it.
    pub(crate) fn may_tell_of_own(&self, reply: &SyncReply) -> bool {
        let own = self
            .pending
            .values()
            .filter(|pending| pending.sent && pending.by_writing);
        let own: HashSet<&Mark> = own.flat_map(|pending| &pending.marks).collect();
        let is_own = |(mark, seq): &(Mark, u64)| own.contains(mark) && !self.records.know(mark, *seq);
        !own.is_empty() && reply.records.iter().any(is_own)
    }

    /// What is to be sent; it counts as sent from now on. The oldest first.
    pub fn unsent(&mut self) -> Vec<(PendingId, Vec<Mark>)> {
        let unsent = self.pending.iter_mut().filter(|(_, pending)| !pending.sent);
        unsent
            .map(|(id, pending)| {
                pending.sent = true;
                (*id, pending.marks.clone())
            })
            .collect()
    }

    /// Redis entered an invalidation, and whether the replicas acknowledged it.
    pub fn invalidate_reply(
        &mut self,
        id: PendingId,
        reply: &InvalidateReply,
        acknowledged: bool,
    ) -> (Confirming, Vec<Effect>) {
        let own = self.generation.as_ref().map(Generation::id) == Some(reply.generation.id());
        let counts = own || !self.rules.confirmed_in_own_generation;
        let acknowledged = acknowledged || !self.rules.replicas_acknowledge;
        if !(counts && acknowledged) {
            self.invalidate_failed(id);
            return (Confirming::Pending, Vec::new());
        }
        let Some(pending) = self.pending.remove(&id) else {
            return (Confirming::Pending, Vec::new());
        };
        let by_writing = pending.by_writing && !self.hides_another(&pending, reply);
        let first = reply.seq.saturating_sub(pending.marks.len() as u64);
        for (mark, seq) in pending.marks.iter().zip(first + 1..) {
            self.records.enter(mark, seq);
        }
        let stamp = Stamp {
            generation: reply.generation.id(),
            seq: reply.seq,
        };
        if by_writing {
            return (Confirming::Confirmed(stamp), Vec::new());
        }
        // Once more: loads that began between the call and this moment do not know whether they are older.
        (Confirming::Confirmed(stamp), vec![Effect::Raise(pending.marks)])
    }

    /// Whether another node's invalidation of the same target, of which this node has not heard, stood where `pending` stands
    /// now. It came after the value was written here, or may have, and no answer to SYNC tells of it any more.
    fn hides_another(&self, pending: &Pending, reply: &InvalidateReply) -> bool {
        let mut marks = pending.marks.iter().enumerate();
        marks.any(|(at, mark)| {
            // What is not said may be anything.
            let before = reply.before.get(at).copied().unwrap_or(u64::MAX);
            before > self.cursor && !self.records.know(mark, before)
        })
    }

    /// Forgets unconfirmed invalidations for `marks`, which reach at least what they reach.
    pub fn replace_pending(&mut self, ids: &[PendingId], marks: Vec<Mark>) -> PendingId {
        let id = self.pend(marks);
        ids.iter().for_each(|id| drop(self.pending.remove(id)));
        id
    }

    /// Nothing is known of what became of it.
    pub fn invalidate_failed(&mut self, id: PendingId) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.sent = false;
        }
    }

    /// How a value from Redis that was loaded at `stamp` stands. `now` is read after the value was.
    ///
    /// # Errors
    /// Why it is not to be used.
    pub(crate) fn check(
        &self,
        stamp: Stamp,
        targets: &ValueTargets<'_>,
        now: Instant,
        bound: Duration,
    ) -> Result<Standing, NotGood> {
        let verified = self.verified_at.is_some_and(|at| now.since(at) <= bound);
        if !(verified && self.complete) {
            return Err(NotGood::Unverified);
        }
        let own = self.generation.as_ref().map(Generation::id) == Some(stamp.generation);
        if !own && self.rules.values_of_own_generation {
            return Err(NotGood::OtherGeneration);
        }
        if stamp.seq < self.floor && self.rules.values_above_floor {
            return Err(NotGood::BelowFloor);
        }
        let standing = self.records.standing(targets, stamp.seq);
        if standing == Standing::Gone {
            return Err(NotGood::Invalidated);
        }
        if !self.rules.pending_reaches_values {
            return Ok(standing);
        }
        let pending = self.pending.values().flat_map(|pending| &pending.marks);
        match pending
            .filter(|mark| targets.are_reached_by(&mark.target))
            .map(|mark| mark.soft)
            .min()
        {
            Some(false) => Err(NotGood::Pending),
            Some(true) => Ok(Standing::Soft),
            None => Ok(standing),
        }
    }

    /// What a load that begins now carries.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        let generation = self.generation.as_ref()?;
        Some(Stamp {
            generation: generation.id(),
            seq: self.cursor,
        })
    }

    /// What was invalidated up to here is not known in detail.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Up to when everything that happened is known.
    #[must_use]
    pub fn verified_at(&self) -> Option<Instant> {
        self.verified_at
    }

    /// How many invalidations are not confirmed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether a question is outstanding.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.outstanding.is_some()
    }
}

impl SyncReply {
    /// Up to where it tells everything.
    fn upto(&self) -> u64 {
        match self.records.last() {
            Some((_, seq)) if !self.last => *seq,
            _ => self.seq,
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new(Rules::default())
    }
}
