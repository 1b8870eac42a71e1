//! The backplane at work: the tasks that keep a node in step with the others, and what the engine sees of them.
//!
//! Each control shard has two tasks, each with a connection of its own on which one question is under way at a time:
//!
//! * `following` asks what was invalidated: four times within the freshness bound, when a nudge says so, and when an asker may
//!   not trust what was found. What the protocol makes of an answer reaches ledger and trust in one step.
//! * `telling` carries what was invalidated here: into the journal, then to Redis; what was confirmed leaves the journal. What
//!   was not waits, and is told again when the answer to the other task says that Redis is back.
//!
//! A third task takes over now and then what programs that ended have left in their journals, and reads the table of nodes
//! for who looks at statistics.
//!
//! Nothing here decides what may be served: that is the protocol's, whose state lies with the engine.

mod following;
mod nodes;
mod status;
mod telling;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use status::{BackplaneStatus, JournalStatus, NodeStatus, ShardState, ShardStatus};

use super::journal::{Journal, Record};
use super::link::{Link, RedisLink};
use super::outbox::{MARKS_MAX, Outbox};
use super::receipts::{Accepted, Settled, Ticket};
use super::scripts::ControlKeys;
use super::wire::{Mark, Shared};
use super::{Joining, Member, Outward, Stamping, Telling, Verifying};
use crate::engine::{Engine, Parts};
use crate::promise::promise;
use crate::sync::{AtomicU32, Mutex, Ordering};
use nodes::NodeTable;
use peregrine_base::Instant;
use peregrine_store::Redis;
use peregrine_telemetry::HistogramSnapshot;
use status::{Counts, Journaling};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long somebody who may not trust what was found waits for an answer.
const VERIFY_MAX: Duration = Duration::from_millis(100);
/// How long the end waits for what is on the way.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// How often journals of programs that ended are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(5);
/// The longest that one exchange waits for replicas.
const REPLICAS_WAIT_MAX: Duration = Duration::from_millis(500);

/// What is known of the replicas before anybody could be asked.
const REPLICAS_UNKNOWN: u32 = u32::MAX;

/// How a node takes part.
#[derive(Clone, Debug)]
pub struct BackplaneConfig {
    /// For how long memory is believed without having asked.
    pub freshness_bound: Duration,
    /// How this node is called; no other has this name.
    pub node: String,
    /// How long Redis may take to answer.
    pub answer_max: Duration,
    /// Over how many logs the namespaces are spread.
    pub control_shards: u16,
    /// How many replicas must have an invalidation; as many as there are at the start where nothing is set.
    pub replicas_min: Option<u32>,
    /// The directory of the journal; without one, what Redis has not confirmed ends with the program.
    pub journal: Option<PathBuf>,
    /// What the names of all keys begin with.
    pub prefix: String,
}

/// Why there is no backplane.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be kept in {directory}: {error}")]
pub struct BackplaneError {
    directory: String,
    error: std::io::Error,
}

/// A node's part in the backplane.
pub struct Backplane(Arc<Inner>);

/// What the tasks share.
struct Inner {
    config: BackplaneConfig,
    parts: Parts,
    engine: Weak<Engine>,
    link: Box<dyn Link>,
    shards: Vec<Shard>,
    journal: Option<Journaling>,
    replicas: AtomicU32,
    counts: Counts,
    leaving: watch::Sender<bool>,
}

/// One control shard.
struct Shard {
    number: u32,
    keys: ControlKeys,
    outbox: Mutex<Outbox>,
    /// Something waits to be told.
    told: Notify,
    /// Somebody wants an answer now.
    asked: Notify,
    /// How many rounds of asking have ended.
    rounds: watch::Sender<u64>,
    /// How many times it was told of something, or could not be.
    tellings: watch::Sender<u64>,
    way: Mutex<Way>,
    nodes: NodeTable,
}

/// How the way to a shard is.
#[derive(Clone, Copy, Debug)]
struct Way {
    state: ShardState,
    /// Since when.
    since: Instant,
    /// When a round failed last.
    failed: Instant,
}

impl Backplane {
    /// Lets `engine` take part over `redis`. Returns at once; to be called inside the runtime, before the first request.
    ///
    /// # Errors
    /// When the journal cannot be kept where it should.
    pub fn start(
        engine: &Arc<Engine>,
        redis: Arc<Redis>,
        config: BackplaneConfig,
        parts: Parts,
    ) -> Result<Arc<Self>, BackplaneError> {
        Self::start_over(engine, Box::new(RedisLink(redis)), config, parts)
    }

    fn start_over(
        engine: &Arc<Engine>,
        link: Box<dyn Link>,
        config: BackplaneConfig,
        parts: Parts,
    ) -> Result<Arc<Self>, BackplaneError> {
        let journal = match &config.journal {
            None => None,
            Some(directory) => {
                let name = format!("{:016x}", parts.random.next_u64());
                let journal = Journal::create(directory, &name).map_err(|error| BackplaneError {
                    directory: directory.display().to_string(),
                    error,
                })?;
                Some(Journaling::new(journal))
            }
        };
        let now = parts.clock.now();
        let count = config.control_shards.max(1);
        let shards: Vec<Shard> = (0..u32::from(count))
            .map(|number| Shard::new(number, &config.prefix, now))
            .collect();
        let inner = Arc::new(Inner {
            replicas: AtomicU32::new(config.replicas_min.unwrap_or(REPLICAS_UNKNOWN)),
            config,
            parts,
            engine: Arc::downgrade(engine),
            link,
            shards,
            journal,
            counts: Counts::default(),
            leaving: watch::Sender::new(false),
        });
        let backplane = Arc::new(Self(Arc::clone(&inner)));
        engine.join_backplane(Joining {
            shards: u32::from(count),
            bound: inner.config.freshness_bound,
            outward: Arc::clone(&backplane) as Arc<dyn Outward>,
        });
        for number in 0..inner.shards.len() {
            let (one, other) = (Arc::clone(&inner), Arc::clone(&inner));
            inner.parts.runtime.spawn(Box::pin(following::follow(one, number)));
            inner.parts.runtime.spawn(Box::pin(telling::tell(other, number)));
        }
        let chores = Arc::clone(&inner);
        inner.parts.runtime.spawn(Box::pin(chores.do_chores()));
        Ok(backplane)
    }

    /// How the node stands.
    #[must_use]
    pub fn status(&self) -> BackplaneStatus {
        self.0.status()
    }

    /// How long questions took, and how long it took until Redis had an invalidation.
    #[must_use]
    pub fn durations(&self) -> (HistogramSnapshot, HistogramSnapshot) {
        (self.0.counts.asking.snapshot(), self.0.counts.telling.snapshot())
    }

    /// The end: what is on the way is told, within a second, and the others need not wait for this node any more.
    pub async fn leave(&self) {
        let inner = &self.0;
        let empty = async {
            while inner
                .shards
                .iter()
                .any(|shard| shard.outbox.lock().len() > 0 && shard.is_in_step())
            {
                inner.shards.iter().for_each(|shard| shard.told.notify_one());
                inner.parts.runtime.sleep(Duration::from_millis(5)).await;
            }
            inner.leaving.send_replace(true);
            for shard in &inner.shards {
                // A round that is under way would enter the node again.
                let mut rounds = shard.rounds.subscribe();
                let _ = rounds.wait_for(|round| *round == u64::MAX).await;
                let _ = inner.link.read(&shard.keys.leave(&inner.config.node)).await;
            }
        };
        tokio::select! {
            () = empty => {}
            () = inner.parts.runtime.sleep(LEAVE_MAX) => {}
        }
        inner.leaving.send_replace(true);
        if let Some(journal) = &inner.journal {
            journal.close();
        }
    }
}

impl Outward for Backplane {
    fn verify(&self, shard: u32) -> Verifying {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let Some(shard) = inner.shard(shard) else { return };
            if inner.is_leaving() || shard.failed_just_now(inner.now(), inner.config.freshness_bound) {
                return;
            }
            let mut rounds = shard.rounds.subscribe();
            shard.asked.notify_one();
            tokio::select! {
                _ = rounds.changed() => {}
                () = inner.parts.runtime.sleep(VERIFY_MAX) => {}
            }
        })
    }

    fn tell(&self, marks: Vec<Shared>) -> Telling {
        let started = self.0.now();
        let ticket = Arc::new(Ticket::default());
        let reached = self.0.take_in(&marks, &ticket);
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.receipt(ticket, reached, started).await })
    }

    fn tell_of_write(&self, mark: Shared) -> Stamping {
        let ticket = Arc::new(Ticket::default());
        self.0.take_in(&[mark], &ticket);
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            match inner.settled(&ticket).await {
                Settled::Accepted(accepted) => accepted.last().map(Accepted::stamp),
                Settled::PutOff { .. } => None,
            }
        })
    }
}

impl Inner {
    fn now(&self) -> Instant {
        self.parts.clock.now()
    }

    fn shard(&self, number: u32) -> Option<&Shard> {
        self.shards.get(usize::try_from(number).ok()?)
    }

    /// The engine's side of a shard; nothing when there is no engine any more.
    fn member(&self, shard: &Shard) -> Option<Member> {
        Some(self.engine.upgrade()?.member(shard.number))
    }

    fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Completes at the end.
    async fn left(&self) {
        // It is gone only with all of this.
        let _ = self.leaving.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// How many replicas have to have what was written; nothing while that is not known.
    fn replicas(&self) -> Option<u32> {
        let replicas = self.replicas.load(Ordering::Relaxed);
        (replicas != REPLICAS_UNKNOWN).then_some(replicas)
    }

    fn replicas_wait(&self) -> Duration {
        self.config.freshness_bound.min(REPLICAS_WAIT_MAX)
    }

    /// The shards that `shared` goes to.
    fn shards_of(&self, shard: Option<u32>) -> impl Iterator<Item = &Shard> {
        self.shards
            .iter()
            .filter(move |one| shard.is_none_or(|number| one.number == number))
    }

    /// Takes in `marks` to be told; the numbers of the shards that they go to.
    fn take_in(&self, marks: &[Shared], ticket: &Arc<Ticket>) -> Vec<u32> {
        let mut reached: Vec<u32> = Vec::new();
        for shared in marks {
            for shard in self.shards_of(shared.shard) {
                let Some(member) = self.member(shard) else { continue };
                let mut outbox = shard.outbox.lock();
                if let Some(joined) = outbox.put(shared, ticket, |mark| member.pend(vec![mark])) {
                    member.pend_again(joined);
                }
                drop(outbox);
                if !reached.contains(&shard.number) {
                    reached.push(shard.number);
                }
            }
        }
        self.counts.told.increment();
        for number in &reached {
            self.shards_of(Some(*number)).for_each(|shard| shard.told.notify_one());
        }
        reached
    }

    /// Writes `marks` of `shard` into the journal; whether they stand there.
    async fn write(self: &Arc<Self>, shard: u32, marks: &[Mark]) -> bool {
        let records = records(shard, marks);
        let (giver, written) = promise();
        let inner = Arc::clone(self);
        self.parts.runtime.spawn_blocking(Box::new(move || {
            giver.give(inner.journal.as_ref().is_some_and(|journal| journal.add(&records)));
        }));
        written.await.unwrap_or(false)
    }

    /// Takes `marks` of `shard` out of the journal.
    fn strike(self: &Arc<Self>, shard: u32, marks: &[Mark]) {
        if marks.is_empty() || self.journal.is_none() {
            return;
        }
        let records = records(shard, marks);
        let inner = Arc::clone(self);
        self.parts.runtime.spawn_blocking(Box::new(move || {
            if let Some(journal) = &inner.journal {
                journal.confirm(&records);
            }
        }));
    }

    /// Takes over what programs that ended have left, and keeps the table of nodes fresh, until the end.
    async fn do_chores(self: Arc<Self>) {
        let mut adopted = Instant::ZERO;
        while !self.is_leaving() && self.engine.strong_count() > 0 {
            if self.journal.is_some() && self.now().since(adopted) >= ADOPT_EVERY {
                adopted = self.now();
                self.adopt().await;
            }
            for shard in &self.shards {
                if shard.is_in_step() {
                    shard.nodes.rows(&self, shard).await;
                }
            }
            tokio::select! {
                () = self.left() => {}
                () = self.parts.runtime.sleep(self.config.freshness_bound.clamp(NODES_EVERY.0, NODES_EVERY.1)) => {}
            }
        }
    }

    /// Takes over what programs that ended have left in their journals.
    async fn adopt(self: &Arc<Self>) {
        let (giver, found) = promise();
        let inner = Arc::clone(self);
        self.parts.runtime.spawn_blocking(Box::new(move || {
            giver.give(inner.journal.as_ref().map(Journaling::adopt).unwrap_or_default());
        }));
        let found = found.await.unwrap_or_default();
        for Record { shard, target } in found {
            let mark = Mark::parse_or_all(&target);
            let found = u32::from(shard);
            let known = Some(found).filter(|found| self.shard(*found).is_some());
            // Where it would go by now is not known any more when the number of shards was changed: everywhere, then.
            let mut all_added = true;
            for shard in self.shards_of(known) {
                let added = known.is_some() || self.write(shard.number, std::slice::from_ref(&mark)).await;
                all_added &= added;
                let Some(member) = self.member(shard) else { return };
                let mut outbox = shard.outbox.lock();
                let twice = outbox.put_back(mark.clone(), added, |mark| member.pend(vec![mark]));
                drop(outbox);
                if twice {
                    self.strike(shard.number, std::slice::from_ref(&mark));
                }
                shard.told.notify_one();
            }
            if known.is_none() && all_added {
                self.strike(found, &[mark]);
            }
            self.counts.adopted.increment();
        }
    }
}

/// How often the table of nodes is read for statistics: within these.
const NODES_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// `marks` as the journal keeps them.
fn records(shard: u32, marks: &[Mark]) -> Vec<Record> {
    let shard = u16::try_from(shard).unwrap_or(u16::MAX);
    let record = |mark: &Mark| Record {
        shard,
        target: mark.to_string().into_bytes().into(),
    };
    marks.iter().map(record).collect()
}

impl Shard {
    fn new(number: u32, prefix: &str, now: Instant) -> Self {
        Self {
            number,
            keys: ControlKeys::new(prefix, number),
            outbox: Mutex::new(Outbox::new(MARKS_MAX)),
            told: Notify::new(),
            asked: Notify::new(),
            rounds: watch::Sender::new(0),
            tellings: watch::Sender::new(0),
            way: Mutex::new(Way {
                state: ShardState::Starting,
                since: now,
                failed: Instant::ZERO,
            }),
            nodes: NodeTable::default(),
        }
    }

    fn is_in_step(&self) -> bool {
        self.way.lock().state == ShardState::InStep
    }

    fn state(&self) -> ShardState {
        self.way.lock().state
    }

    /// Notes how the way to the shard is; whether that is news.
    fn note(&self, state: ShardState, now: Instant) -> bool {
        let mut way = self.way.lock();
        if state == ShardState::Away {
            way.failed = now;
        }
        let news = way.state != state;
        if news {
            (way.state, way.since) = (state, now);
        }
        news
    }

    /// Whether asking again would only make somebody wait.
    fn failed_just_now(&self, now: Instant, bound: Duration) -> bool {
        let way = self.way.lock();
        way.state == ShardState::Away && now.since(way.failed) < (bound / 8).min(VERIFY_MAX)
    }
}
