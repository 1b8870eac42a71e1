//! The simulation: several nodes, one control shard, none to two replicas, virtual time. The protocol, the trust and the
//! ledger are the real ones; Redis is a [`twin`] of the scripts (that it is one, `twin::tests` show against a real server).
//! Everything that time and chance may do happens by one seed: answers late or lost, nodes frozen, killed with a journal or
//! cut off, primaries killed, cut off, frozen, deposed, brought back, restarted empty or from an old file, keys flushed or
//! evicted, values read from replicas, written late, or put back to an older version.
//!
//! [`history`] checks every answer against the promises P1 and P2, and against the receipts: a node that is named as confirmed
//! serves nothing older from then on. Each rule of the protocol can be switched off
//! ([`Missing`]), and then the simulation must find a schedule that breaks a promise: a check that cannot fail shows nothing.
//! P3 is a matter of the engine's table of loads, whose interleavings are explored elsewhere (`explored`).
//!
//! `PEREGRINE_SIMULATION_COUNT=100000 PEREGRINE_SIMULATION_SEED=1 cargo test -p peregrine-cache simulation` runs more.

mod against_redis;
mod faults;
mod history;
mod node;
mod requests;
mod servers;
mod tests;
mod twin;

use history::History;
use node::SimNode;
use servers::Server;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

/// Microseconds.
pub(super) type Time = u64;
pub(super) const SECOND: Time = 1_000_000;
/// The freshness bound.
pub(super) const BOUND: Time = SECOND;

/// The rule that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    /// The answer to a question that was given up is used.
    LateReplies,
    /// Nobody waits for replicas.
    Replicas,
    /// `verified_at` is when the answer was received.
    VerifiedWhenSent,
    /// An invalidation counts as confirmed in whatever generation.
    ConfirmedGeneration,
    /// Values of other generations are used.
    ValueGeneration,
    /// Values below the floor are used.
    ValueFloor,
    /// Values that a pending invalidation reaches are used.
    Pending,
    /// A new generation, or a gap, leaves memory alone.
    GapFloor,
    /// A missing salt is replaced by always the same.
    Salt,
    /// That members of the set are missing goes unnoticed.
    Count,
    /// A generation is named without the history of replication.
    Replid,
    /// `verified_at` is read last.
    VerifiedFirst,
    /// The clock is the one that was read some time ago.
    ClockNow,
    /// A value carries the position of the end of its load.
    CapturedBefore,
    /// Who waits for another's load takes it, whatever happened.
    FollowerCheck,
    /// Who waits for another's load compares it with invalidations only.
    FollowerTrust,
    /// What was loaded within the bound is served even if it is from before a gap.
    GapBeforeAge,
    /// A node says that it has heard of the first page of an answer.
    WholeAnswers,
}

impl Missing {
    pub(super) const ALL: [Self; 18] = [
        Self::LateReplies,
        Self::Replicas,
        Self::VerifiedWhenSent,
        Self::ConfirmedGeneration,
        Self::ValueGeneration,
        Self::ValueFloor,
        Self::Pending,
        Self::GapFloor,
        Self::Salt,
        Self::Count,
        Self::Replid,
        Self::VerifiedFirst,
        Self::ClockNow,
        Self::CapturedBefore,
        Self::FollowerCheck,
        Self::FollowerTrust,
        Self::GapBeforeAge,
        Self::WholeAnswers,
    ];
}

/// A value in Redis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) stamp: crate::backplane::Stamp,
    pub(super) loaded: Time,
}

/// What happens next.
type Act = Box<dyn FnOnce(&mut World)>;

struct Event {
    at: Time,
    order: u64,
    act: Act,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Chance, by a seed (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// From `low` to `high` milliseconds.
    pub(super) fn millis(&mut self, low: u64, high: u64) -> Time {
        low * 1000 + self.below((high - low) * 1000 + 1)
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// Everything.
pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) now: Time,
    queue: BinaryHeap<Event>,
    events: u64,
    ids: u64,
    pub(super) missing: Missing,
    servers: Vec<Server>,
    pub(super) primary: usize,
    /// How many replicas have to acknowledge.
    pub(super) replicas: usize,
    /// Between a node and a server.
    pub(super) cut: HashSet<(usize, usize)>,
    /// Between two servers.
    pub(super) cut_servers: HashSet<(usize, usize)>,
    /// The states of the primary every quarter of a second, as a file would have kept them.
    saved: Vec<twin::Twin>,
    /// By key, the latest last.
    pub(super) values: HashMap<usize, Vec<Envelope>>,
    nodes: Vec<SimNode>,
    pub(super) targets_kept: usize,
    pub(super) page: usize,
    /// Whether a deposed primary may go on answering.
    pub(super) split: bool,
    history: History,
    pub(super) trace: Vec<(Time, String)>,
}

const NODES: usize = 3;
/// How long a schedule is.
const LENGTH: Time = 14 * SECOND;

impl World {
    /// `split`: a deposed primary goes on answering until it hears of it.
    pub(super) fn new(seed: u64, missing: Missing, split: bool) -> Self {
        let mut chance = Chance::new(seed);
        let replicas = chance.pick(&[0, 1, 1, 1, 2]);
        let targets_kept = chance.pick(&[1, 2, 50]);
        let page = chance.pick(&[1, 2, 5000, 5000]);
        let mut world = Self {
            chance,
            now: 0,
            queue: BinaryHeap::new(),
            events: 0,
            ids: 0,
            missing,
            servers: Vec::new(),
            primary: 0,
            replicas: if missing == Missing::Replicas { 0 } else { replicas },
            cut: HashSet::new(),
            cut_servers: HashSet::new(),
            saved: Vec::new(),
            values: HashMap::new(),
            nodes: Vec::new(),
            targets_kept,
            page,
            split,
            history: History::new(NODES),
            trace: Vec::new(),
        };
        for _ in 0..=replicas {
            let (run_id, replid) = (world.id(), world.id());
            world.servers.push(Server::new(run_id, replid));
        }
        let followers: Vec<usize> = (1..world.servers.len()).collect();
        world.attach(0, &followers);
        world.servers[0].is_primary = true;
        for number in 0..NODES {
            world.nodes.push(SimNode::new(number, missing));
            world.start_node(number);
        }
        world
    }

    /// A number that nobody had.
    pub(super) fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn after(&mut self, delay: Time, act: impl FnOnce(&mut Self) + 'static) {
        self.events += 1;
        self.queue.push(Event {
            at: self.now + delay,
            order: self.events,
            act: Box::new(act),
        });
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.trace.push((self.now, what.into()));
    }

    /// Lets everything happen; what broke a promise, if anything did.
    pub(super) fn run(mut self) -> Ended {
        self.save_now_and_then();
        let first = self.chance.millis(500, 2000);
        self.after(first, Self::fault_now_and_then);
        self.read_now_and_then();
        self.after(SECOND / 2, Self::invalidate_now_and_then);
        while let Some(event) = self.queue.pop() {
            if event.at > LENGTH || self.history.violation.is_some() {
                break;
            }
            self.now = event.at;
            (event.act)(&mut self);
        }
        Ended {
            violation: self.history.violation.take(),
            plain: self.history.plain,
            unverified: self.history.unverified,
            trace: self.trace,
        }
    }

    fn save_now_and_then(&mut self) {
        let state = self.servers[self.primary].state.clone();
        self.saved.push(state);
        self.after(SECOND / 4, Self::save_now_and_then);
    }

    fn fault_now_and_then(&mut self) {
        self.fault();
        let next = self.chance.millis(100, 3000);
        self.after(next, Self::fault_now_and_then);
    }

    fn read_now_and_then(&mut self) {
        let node = self.any_node();
        let key = self.any_key();
        self.post(node, move |world| world.read(node, key));
        let next = self.chance.millis(0, 50);
        self.after(next, Self::read_now_and_then);
    }

    fn invalidate_now_and_then(&mut self) {
        let node = self.any_node();
        let what = history::Reached::any(&mut self.chance);
        self.post(node, move |world| world.invalidate(node, what));
        let next = self.chance.millis(0, 1700);
        self.after(next, Self::invalidate_now_and_then);
    }

    fn any_node(&mut self) -> usize {
        usize::try_from(self.chance.below(NODES as u64)).unwrap()
    }

    fn any_key(&mut self) -> usize {
        usize::try_from(self.chance.below(history::KEYS.len() as u64)).unwrap()
    }
}

/// How a schedule ended.
pub(super) struct Ended {
    pub(super) violation: Option<String>,
    pub(super) plain: u64,
    pub(super) unverified: u64,
    pub(super) trace: Vec<(Time, String)>,
}

/// Something that is called with what came of a question, perhaps more than once.
type Heard<T> = Rc<dyn Fn(&mut World, Option<T>)>;
