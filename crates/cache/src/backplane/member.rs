//! The engine as a member of a group of nodes: what lookups ask of the trust, what loads carry, how values from Redis are
//! checked, and the handle by which whoever talks to Redis moves the protocol on.

use super::generation::{Gen, Stamp};
use super::ground::Ground;
use super::outward::{Joining, Outward};
use super::protocol::{Confirming, Effect, Node, NotGood, PendingId, SyncRequest};
use super::records::ValueTargets;
use super::scripts::{InvalidateReply, SyncReply};
use super::trust::{Glance, ShardTrust};
use super::wire::{self, Mark, Shared};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::hit::Hit;
use crate::invalidation::Invalidation;
use crate::key::Key;
use crate::ledger::{Position, Standing};
use crate::namespace::Namespace;
use crate::sync::{AtomicU64, Mutex, Ordering};
use peregrine_base::Instant;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an engine knows of other nodes.
pub(crate) struct Membership {
    pub(super) outward: Arc<dyn Outward>,
    bound_ns: AtomicU64,
    seats: Box<[Seat]>,
}

/// One control shard.
#[derive(Debug, Default)]
struct Seat {
    trust: ShardTrust,
    node: Mutex<Node>,
}

/// What a lookup knows of other nodes: the first thing that it reads.
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    trust: &'a ShardTrust,
    glance: Glance,
    bound: Duration,
}

impl Sight<'_> {
    /// Whether `entry`, which was compared with the ledger since, may be served at `now`, which was read after that.
    #[inline]
    pub(crate) fn admits_entry(&self, entry: &Entry, now: Instant) -> bool {
        let load = (entry.position().lc, entry.load_start(now));
        self.trust.admits(self.glance, load, now, self.bound)
    }

    /// The same for a load that began at `position` and `started`.
    pub(crate) fn admits_load(&self, position: Position, started: Instant, now: Instant) -> bool {
        self.trust
            .admits(self.glance, (position.lc, Some(started)), now, self.bound)
    }
}

/// How a value from Redis stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueStanding {
    /// It is good. An entry that is made of it has this position, and its stamp may be renewed to the one in it.
    Good(Position),
    /// It is stale, else as [`ValueStanding::Good`].
    Soft(Position),
    /// It is not to be used.
    No(NotGood),
}

/// What an answer to SYNC came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// There are more records: ask again at once.
    pub more: bool,
    /// Everything that happened before the question is known now.
    pub verified: bool,
    /// [`Member::unsent`] has something.
    pub replay: bool,
    /// There was something new: other nodes learn that it arrived by the next question.
    pub news: bool,
}

/// Where a control shard stands, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberStanding {
    /// Its generation, once it is known.
    pub generation: Option<Gen>,
    /// Up to where this node knows of invalidations.
    pub cursor: u64,
    /// What was invalidated up to here is not known in detail.
    pub floor: u64,
    /// Up to when everything that happened is known.
    pub verified_at: Option<Instant>,
    /// How many invalidations are not confirmed.
    pub pending: usize,
}

impl Engine {
    /// Makes the engine one of several nodes. From now on what is in memory is served only while nothing older than the bound
    /// can be unknown. To be called once, before the first request; later calls change nothing.
    pub fn join_backplane(&self, joining: Joining) {
        let seats = (0..joining.shards.max(1)).map(|_| Seat::default()).collect();
        let membership = Membership {
            outward: joining.outward,
            bound_ns: AtomicU64::new(nanos(joining.bound)),
            seats,
        };
        let _ = self.membership.set(membership);
    }

    /// Changes the bound.
    pub fn set_freshness_bound(&self, bound: Duration) {
        if let Some(membership) = self.membership.get() {
            membership.bound_ns.store(nanos(bound), Ordering::Relaxed);
        }
    }

    /// The handle of a control shard. That of one which the engine does not have does nothing.
    #[must_use]
    pub fn member(self: &Arc<Self>, shard: u32) -> Member {
        Member {
            engine: Arc::clone(self),
            shard: usize::try_from(shard).unwrap_or(usize::MAX),
        }
    }

    /// Into how many control shards namespaces are divided; zero without a backplane.
    #[must_use]
    pub fn control_shards(&self) -> u32 {
        let seats = self.membership.get().map_or(0, |membership| membership.seats.len());
        u32::try_from(seats).unwrap_or(u32::MAX)
    }

    fn seat(&self, namespace: &Namespace) -> Option<(&Membership, &Seat)> {
        let membership = self.membership.get()?;
        let seat = match &*membership.seats {
            [only] => only,
            seats => {
                let shard = wire::shard_of(namespace.name(), self.control_shards());
                seats.get(usize::try_from(shard).ok()?)?
            }
        };
        Some((membership, seat))
    }

    /// The control shard of a namespace.
    #[must_use]
    pub fn control_shard(&self, namespace: &Namespace) -> u32 {
        wire::shard_of(namespace.name(), self.control_shards())
    }

    /// To be asked before anything else of a check; nothing without a backplane.
    #[inline]
    pub(crate) fn sight(&self, namespace: &Namespace) -> Option<Sight<'_>> {
        let (membership, seat) = self.seat(namespace)?;
        Some(Sight {
            trust: &seat.trust,
            glance: seat.trust.glance(),
            bound: membership.bound(),
        })
    }

    /// Where a load that begins now stands. `looked` is from before the look that found what the load may only confirm.
    pub(crate) fn position_of_load(&self, key: &Key, looked: Option<Position>) -> Position {
        let stamp = self.stamp_now(key.namespace());
        let now = self.ledger.position();
        match looked {
            None => Position { stamp, ..now },
            // What was invalidated since the look is known to the stamp, and was not to the look.
            Some(looked) => Position {
                stamp: stamp.filter(|_| looked.lc == now.lc),
                ..looked
            },
        }
    }

    /// What a value that is loaded from now on carries in Redis; nothing before the first answer.
    #[must_use]
    pub fn stamp_now(&self, namespace: &Namespace) -> Option<Stamp> {
        self.seat(namespace)?.1.trust.stand()
    }

    /// Up to where nothing that nodes told each other reached `entry`, as far as the ledger says so afterwards; nothing where
    /// something may have been missed since it was loaded.
    pub(crate) fn stamp_of(&self, entry: &Entry, namespace: &Namespace) -> Option<Stamp> {
        let (_, seat) = self.seat(namespace)?;
        // Before the floor: what follows a gap is not said of what was loaded before it.
        let stamp = seat.trust.stand()?;
        let (lc, now) = (entry.position().lc, self.parts.clock.now());
        let gapless = seat.trust.admits(seat.trust.glance(), (lc, None), now, Duration::MAX);
        gapless.then_some(stamp)
    }

    /// Whether this node knows now what happened in the shared log of `namespace`.
    pub(crate) fn is_in_step(&self, namespace: &Namespace) -> bool {
        self.seat(namespace).is_some_and(|(membership, seat)| {
            let verified_at = seat.node.lock().verified_at();
            verified_at.is_some_and(|at| self.parts.clock.now().since(at) <= membership.bound())
        })
    }

    /// Values in Redis from below this are not used.
    #[must_use]
    pub fn value_floor(&self, namespace: &Namespace) -> u64 {
        self.seat(namespace).map_or(0, |(_, seat)| seat.node.lock().floor())
    }

    /// Whether `hit`, which lies or lay under `key`, may be served without a label as far as other nodes are concerned.
    #[must_use]
    pub fn is_trusted(&self, key: &Key, hit: &Hit) -> bool {
        let Some(sight) = self.sight(key.namespace()) else {
            return true;
        };
        self.standing(&hit.0, key.namespace()) != Standing::Gone && sight.admits_entry(&hit.0, self.parts.clock.now())
    }

    /// How the value of `key` with `tags` stands that was read from Redis with `stamp` before it. To be called after it was
    /// read, and before its first byte is used.
    #[must_use]
    pub fn check_value<'t>(&self, key: &Key, tags: impl Iterator<Item = &'t str>, stamp: Stamp) -> ValueStanding {
        // First: what is invalidated while this looks must reach the entry that is made of it.
        let position = self.ledger.position();
        let Some((membership, seat)) = self.seat(key.namespace()) else {
            return ValueStanding::No(NotGood::Unverified);
        };
        let targets = ValueTargets::new(key.namespace().name(), key.text(), tags);
        let node = seat.node.lock();
        let checked = node.check(stamp, &targets, self.parts.clock.now(), membership.bound());
        let position = Position {
            stamp: node.stamp(),
            ..position
        };
        match checked {
            Ok(Standing::Valid) => ValueStanding::Good(position),
            Ok(_) => ValueStanding::Soft(position),
            Err(why) => ValueStanding::No(why),
        }
    }

    /// What was just written under `key` is not to be taken out by the news that it was written, once Redis confirms that.
    pub(crate) fn keep_written(&self, key: &Key) {
        if let Some((_, seat)) = self.seat(key.namespace()) {
            seat.node.lock().keep_own(self.mark_of_key(key).mark);
        }
    }

    /// `request` as the marks that tell other nodes of it.
    #[must_use]
    pub fn marks_of(&self, request: &Invalidation) -> Vec<Shared> {
        let shards = self.control_shards();
        let shared = |(namespace, target): (Option<&Namespace>, wire::Target)| Shared {
            namespace: namespace.map_or(0, Namespace::wire_id),
            shard: namespace.map(|namespace| wire::shard_of(namespace.name(), shards)),
            mark: Mark {
                soft: request.soft,
                target,
            },
        };
        self.reach_of(request).targets().into_iter().map(shared).collect()
    }

    /// The mark of one key that was set or deleted by name.
    #[must_use]
    pub fn mark_of_key(&self, key: &Key) -> Shared {
        let namespace = key.namespace();
        Shared {
            namespace: namespace.wire_id(),
            shard: Some(self.control_shard(namespace)),
            mark: Mark {
                soft: false,
                target: wire::Target::Key(wire::key_hash(namespace.target_seed(), key.text())),
            },
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("shards", &self.seats.len())
            .finish_non_exhaustive()
    }
}

impl Membership {
    fn bound(&self) -> Duration {
        Duration::from_nanos(self.bound_ns.load(Ordering::Relaxed))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The handle of one control shard, for whoever talks to Redis. What it is told reaches the ledger and the trust before it
/// returns.
#[derive(Clone, Debug)]
pub struct Member {
    engine: Arc<Engine>,
    shard: usize,
}

impl Member {
    /// The question to ask, unless one is outstanding.
    #[must_use]
    pub fn begin_sync(&self) -> Option<SyncRequest> {
        // The clock before the lock: a thread that is stopped there asks later than it says, never earlier.
        let now = self.engine.parts.clock.now();
        self.with_node(|node| node.begin_sync(now))?
    }

    /// Whether the answer to what was told is better taken in before `reply`: see [`Node::may_tell_of_own`].
    pub(crate) fn may_tell_of_own(&self, reply: &SyncReply) -> bool {
        self.with_node(|node| node.may_tell_of_own(reply)).unwrap_or(false)
    }

    /// The answer to a question, and whether as many replicas as are needed acknowledged it.
    #[must_use]
    pub fn sync_reply(&self, request: &SyncRequest, reply: SyncReply, acknowledged: bool) -> Synced {
        let now = self.engine.parts.clock.now();
        let Some(effects) = self.change(|node| {
            let effects = node.sync_reply(request, reply, acknowledged, now);
            (effects.clone(), effects)
        }) else {
            return Synced::default();
        };
        let has = |wanted: fn(&Effect) -> bool| effects.iter().any(wanted);
        Synced {
            more: has(|effect| matches!(effect, Effect::More)),
            verified: has(|effect| matches!(effect, Effect::Verified(_))),
            replay: has(|effect| matches!(effect, Effect::Replay)),
            news: has(|effect| matches!(effect, Effect::Raise(_) | Effect::RaiseFloor)),
        }
    }

    /// There will be no answer, or nobody listens to it any more: its connection is closed.
    pub fn sync_failed(&self, request: &SyncRequest) {
        self.with_node(|node| node.sync_failed(request));
    }

    /// Notes that `marks` hold here and are to be told to Redis. To be called before the invalidation returns.
    #[must_use]
    pub fn pend(&self, marks: Vec<Mark>) -> PendingId {
        self.with_node(|node| node.pend(marks)).unwrap_or_default()
    }

    /// Another invalidation is told by the one that is pending as `id` and has not been sent.
    pub fn pend_again(&self, id: PendingId) {
        self.with_node(|node| node.pend_again(id));
    }

    /// What is to be sent; it counts as sent from now on.
    #[must_use]
    pub fn unsent(&self) -> Vec<(PendingId, Vec<Mark>)> {
        self.with_node(Node::unsent).unwrap_or_default()
    }

    /// Redis entered an invalidation, and whether as many replicas as are needed acknowledged it.
    #[must_use]
    pub fn invalidate_reply(&self, id: PendingId, reply: &InvalidateReply, acknowledged: bool) -> Confirming {
        let confirming = self.change(|node| {
            let (confirming, effects) = node.invalidate_reply(id, reply, acknowledged);
            (effects, confirming)
        });
        confirming.unwrap_or(Confirming::Pending)
    }

    /// Nothing is known of what became of it: it is sent again.
    pub fn invalidate_failed(&self, id: PendingId) {
        self.with_node(|node| node.invalidate_failed(id));
    }

    /// Forgets unconfirmed invalidations for `marks`, which reach at least what they reach.
    #[must_use]
    pub fn replace_pending(&self, ids: &[PendingId], marks: Vec<Mark>) -> PendingId {
        self.with_node(|node| node.replace_pending(ids, marks))
            .unwrap_or_default()
    }

    /// Where the shard stands.
    #[must_use]
    pub fn standing(&self) -> MemberStanding {
        let standing = |node: &mut Node| MemberStanding {
            generation: node.stamp().map(|stamp| stamp.generation),
            cursor: node.stamp().map_or(0, |stamp| stamp.seq),
            floor: node.floor(),
            verified_at: node.verified_at(),
            pending: node.pending(),
        };
        self.with_node(standing).unwrap_or_default()
    }

    fn seat(&self) -> Option<&Seat> {
        self.engine.membership.get()?.seats.get(self.shard)
    }

    fn with_node<R>(&self, look: impl FnOnce(&mut Node) -> R) -> Option<R> {
        Some(look(&mut self.seat()?.node.lock()))
    }

    /// Changes the node and does what follows from it, in one step for whoever else does.
    fn change<R>(&self, change: impl FnOnce(&mut Node) -> (Vec<Effect>, R)) -> Option<R> {
        let seat = self.seat()?;
        let namespaces = self.engine.registered();
        let scope = |id| {
            let found = namespaces.iter().find(|namespace| namespace.wire_id() == id);
            found.map(|namespace| namespace.scope())
        };
        let ground = Ground {
            ledger: &self.engine.ledger,
            trust: &seat.trust,
            scope: &scope,
        };
        let mut node = seat.node.lock();
        let (effects, result) = change(&mut node);
        ground.apply(&effects);
        Some(result)
    }
}
