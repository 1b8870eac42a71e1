//! What the backplane counts, and how it shows itself.

use super::super::journal::{Journal, JournalCounts, Record};
use super::Inner;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use peregrine_telemetry::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// A counter of what is rare enough for one cell.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) syncs: Count,
    pub(super) generations: Count,
    pub(super) told: Count,
    pub(super) confirmed: Count,
    pub(super) unconfirmed: Count,
    pub(super) put_off: Count,
    pub(super) adopted: Count,
    pub(super) asking: Histogram,
    pub(super) telling: Histogram,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    /// An exchange failed for the reason `kind`.
    pub(super) fn fault(&self, kind: &'static str) {
        *self.faults.lock().entry(kind).or_default() += 1;
    }
}

/// The journal with what went wrong with it.
#[derive(Debug)]
pub(super) struct Journaling {
    journal: Mutex<Journal>,
    failures: AtomicU64,
    well: AtomicBool,
}

impl Journaling {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal: Mutex::new(journal),
            failures: AtomicU64::new(0),
            well: AtomicBool::new(true),
        }
    }

    fn note(&self, done: std::io::Result<()>) -> bool {
        let well = done.is_ok();
        if !well {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.well.store(well, Ordering::Relaxed);
        well
    }

    /// Whether the last write succeeded.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    /// Adds `records`; whether they are safe.
    pub(super) fn add(&self, records: &[Record]) -> bool {
        let added = self.journal.lock().add(records);
        self.note(added)
    }

    /// Takes `records` out.
    pub(super) fn confirm(&self, records: &[Record]) {
        let confirmed = self.journal.lock().confirm(records);
        self.note(confirmed);
    }

    /// What programs that ended have left.
    pub(super) fn adopt(&self) -> Vec<Record> {
        let adopted = self.journal.lock().adopt();
        adopted.unwrap_or_else(|error| {
            self.note(Err(error));
            Vec::new()
        })
    }

    /// The end.
    pub(super) fn close(&self) {
        self.journal.lock().close();
    }

    fn status(&self) -> JournalStatus {
        let JournalCounts {
            bytes,
            records,
            rewrites,
            adopted,
            damaged,
        } = self.journal.lock().counts();
        JournalStatus {
            bytes,
            records,
            rewrites,
            adopted,
            damaged,
            failures: self.failures.load(Ordering::Relaxed),
            well: self.is_well(),
        }
    }
}

/// How a node takes part in the backplane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackplaneStatus {
    /// How it is called.
    pub node: String,
    /// For how long memory is believed without having asked, in milliseconds.
    pub freshness_bound_ms: u64,
    /// How many replicas must have an invalidation; nothing before anybody could be asked.
    pub replicas: Option<u32>,
    /// Invalidations that were to be told.
    pub told: u64,
    /// Targets that Redis has confirmed.
    pub confirmed: u64,
    /// Exchanges after which not all targets were confirmed: another primary, or too few replicas.
    pub unconfirmed: u64,
    /// Targets that wait for Redis to be back, counted when somebody was told so.
    pub put_off: u64,
    /// Targets that were taken over from programs that ended.
    pub adopted: u64,
    /// Targets that became their namespace for want of room.
    pub overflows: u64,
    /// Targets that Redis has not confirmed.
    pub pending: u64,
    /// Questions that were answered.
    pub syncs: u64,
    /// Exchanges that failed, by reason.
    pub faults: BTreeMap<&'static str, u64>,
    /// Times that Redis began another history.
    pub generation_changes: u64,
    /// The journal; nothing where none is kept.
    pub journal: Option<JournalStatus>,
    /// Each control shard.
    pub shards: Vec<ShardStatus>,
    /// Every node that was there when the table was read last.
    pub nodes: Vec<NodeStatus>,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalStatus {
    /// Its size.
    pub bytes: u64,
    /// Targets in it that Redis has not confirmed.
    pub records: u64,
    /// Times that it was written anew.
    pub rewrites: u64,
    /// Targets that were taken over from journals of programs that ended.
    pub adopted: u64,
    /// Such journals that ended in the middle of a record.
    pub damaged: u64,
    /// Writes that failed.
    pub failures: u64,
    /// Whether the last write succeeded.
    pub well: bool,
}

/// How the way to a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BackplaneShardState)]
pub enum ShardState {
    /// Nothing is known yet.
    Starting,
    /// This node knows what happened.
    InStep,
    /// An exchange failed; the next one will tell.
    Doubtful,
    /// Redis does not answer, or not with enough replicas.
    Away,
}

impl ShardState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Starting, Self::InStep, Self::Doubtful, Self::Away];

    /// The word in logs, metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::InStep => "in_step",
            Self::Doubtful => "doubtful",
            Self::Away => "away",
        }
    }
}

/// A control shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BackplaneShard)]
pub struct ShardStatus {
    /// Its number.
    pub shard: u32,
    /// How the way to it is.
    pub state: ShardState,
    /// For how long, in milliseconds.
    pub since_ms: u64,
    /// The history that it is in.
    pub generation: Option<String>,
    /// Up to where this node knows of invalidations.
    pub cursor: u64,
    /// Up to where they are not known in detail any more.
    pub floor: u64,
    /// How long ago everything was known, in milliseconds.
    pub verified_ms_ago: Option<u64>,
    /// Targets that Redis has not confirmed.
    pub pending: u64,
}

/// A node among those that share a Redis, by the table there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BackplaneNode)]
pub struct NodeStatus {
    /// How it is called.
    pub node: String,
    /// Whether it is this one.
    pub own: bool,
    /// How many invalidations it had not heard of when it asked last; nothing where it is in another history.
    pub behind: Option<u64>,
    /// How long ago it asked, in milliseconds.
    pub silent_ms: u64,
    /// Its own freshness bound, in milliseconds.
    pub bound_ms: u64,
    /// Whether it is silent for longer than that, so that it believes its memory no longer.
    pub lapsed: bool,
}

impl Inner {
    pub(super) fn status(&self) -> BackplaneStatus {
        let counts = &self.counts;
        let outboxes = self.shards.iter().map(|shard| {
            let outbox = shard.outbox.lock();
            (outbox.len() as u64, outbox.overflows())
        });
        let (pending, overflows) = outboxes.fold((0, 0), |(len, over), one| (len + one.0, over + one.1));
        BackplaneStatus {
            node: self.config.node.clone(),
            freshness_bound_ms: millis(self.config.freshness_bound),
            replicas: self.replicas(),
            told: counts.told.value(),
            confirmed: counts.confirmed.value(),
            unconfirmed: counts.unconfirmed.value(),
            put_off: counts.put_off.value(),
            adopted: counts.adopted.value(),
            overflows,
            pending,
            syncs: counts.syncs.value(),
            faults: counts.faults.lock().clone(),
            generation_changes: counts.generations.value(),
            journal: self.journal.as_ref().map(Journaling::status),
            shards: self.shard_statuses(),
            nodes: self.node_statuses(),
        }
    }

    fn shard_statuses(&self) -> Vec<ShardStatus> {
        let now = self.now();
        let status = |shard: &super::Shard| {
            let standing = self.member(shard).map(|member| member.standing()).unwrap_or_default();
            let way = *shard.way.lock();
            ShardStatus {
                shard: shard.number,
                state: way.state,
                since_ms: millis(now.since(way.since)),
                generation: standing.generation.map(|generation| generation.to_string()),
                cursor: standing.cursor,
                floor: standing.floor,
                verified_ms_ago: standing.verified_at.map(|at| millis(now.since(at))),
                pending: shard.outbox.lock().len() as u64,
            }
        };
        self.shards.iter().map(status).collect()
    }

    /// The nodes, each as the shard sees it in which it is furthest behind.
    fn node_statuses(&self) -> Vec<NodeStatus> {
        let mut nodes: BTreeMap<String, NodeStatus> = BTreeMap::new();
        for shard in &self.shards {
            let standing = self.member(shard).map(|member| member.standing()).unwrap_or_default();
            let passed = self.now().since(shard.nodes.read_at());
            for row in shard.nodes.last().iter() {
                let silent = row.silent + passed;
                let same = standing.generation == Some(row.generation);
                let status = NodeStatus {
                    own: row.name == self.config.node,
                    node: row.name.clone(),
                    behind: same.then(|| standing.cursor.saturating_sub(row.cursor)),
                    silent_ms: millis(silent),
                    bound_ms: millis(row.bound),
                    lapsed: row.silent > row.bound,
                };
                let worse = |known: &NodeStatus| {
                    let rank = |one: &NodeStatus| (one.lapsed, one.behind.unwrap_or(u64::MAX));
                    rank(&status) > rank(known)
                };
                if nodes.get(&row.name).is_none_or(worse) {
                    nodes.insert(row.name.clone(), status);
                }
            }
        }
        nodes.into_values().collect()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
