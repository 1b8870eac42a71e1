//! What the tier counts, and how it shows it.

use crate::outcome::words;
use crate::redis::envelope::EnvelopeFault;
use crate::statistics::{PerReason, Tally};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

words! {
    /// Why Redis did not answer a load.
    RedisMiss {
        /// Nothing lies there.
        Absent = "absent",
        /// What lies there is no envelope, or is damaged.
        Damaged = "damaged",
        /// Another version of Peregrine wrote it.
        Version = "version",
        /// It is of another key with the same name.
        OtherKey = "other_key",
        /// It is sealed and there is no key to open it.
        NoKey = "no_key",
        /// It is not sealed, and its strategy takes nothing else.
        Plain = "plain",
        /// It is larger than what is stored here, or there was no memory for it.
        NoRoom = "no_room",
        /// This node does not know of all invalidations, and could not find out in time.
        Unverified = "unverified",
        /// It was loaded before a failover or restart of Redis.
        OtherGeneration = "other_generation",
        /// What was invalidated since it was loaded is not known in detail any more.
        BelowFloor = "below_floor",
        /// It was invalidated.
        Invalidated = "invalidated",
        /// How old it is cannot be told.
        NoClock = "no_clock",
        /// It is stale, or does not do on the terms of the asker: it is validated.
        Stale = "stale",
        /// Redis is away, or did not answer in time.
        Away = "away",
    }
}

words! {
    /// What became of a value that was to be written to Redis.
    RedisWrite {
        /// It lies there.
        Stored = "stored",
        /// What lies there is newer.
        Newer = "newer",
        /// It was set by name, and then written over, taken out or invalidated before Redis had heard of it.
        Overtaken = "overtaken",
        /// Another node loads it meanwhile.
        LeaseLost = "lease_lost",
        /// It is larger than `cache.redis_object_size_max`.
        TooLarge = "too_large",
        /// Something was invalidated while its load began, or this node does not know where Redis stands.
        NoPosition = "no_position",
        /// It may leave memory only sealed, and there is no key.
        NoKey = "no_key",
        /// This node has written as much for its tenant as it may (`tenants.redis_max`).
        Quota = "quota",
        /// Too many wait to be written.
        Crowded = "crowded",
        /// Redis is away, did not answer in time or refused it.
        Failed = "failed",
    }
}

words! {
    /// How a load came by the lease of all nodes, or why it goes without.
    RedisLease {
        /// It has it.
        Taken = "taken",
        /// Another node had it and brought the value.
        Waited = "waited",
        /// Another node had it and brought nothing to share.
        Passed = "passed",
        /// Another node had it for longer than is waited.
        TimedOut = "timed_out",
        /// Redis is away.
        Away = "away",
    }
}

impl From<EnvelopeFault> for RedisMiss {
    fn from(fault: EnvelopeFault) -> Self {
        match fault {
            EnvelopeFault::NotOne | EnvelopeFault::Damaged => Self::Damaged,
            EnvelopeFault::Version => Self::Version,
            EnvelopeFault::OtherKey => Self::OtherKey,
            EnvelopeFault::NoKey => Self::NoKey,
            EnvelopeFault::Plain => Self::Plain,
            EnvelopeFault::TooLarge | EnvelopeFault::NoRoom => Self::NoRoom,
        }
    }
}

/// The counters of the tier.
#[derive(Debug, Default)]
pub(super) struct TierCounters {
    pub(super) hits: Tally,
    pub(super) bytes_read: Tally,
    pub(super) bytes_written: Tally,
    /// What was written, before compression.
    pub(super) bytes_written_plain: Tally,
    pub(super) restamped: Tally,
    misses: PerReason<RedisMiss>,
    writes: PerReason<RedisWrite>,
    leases: PerReason<RedisLease>,
}

impl TierCounters {
    pub(super) fn missed(&self, why: RedisMiss) {
        self.misses.increment(why);
    }

    pub(super) fn written(&self, outcome: RedisWrite) {
        self.writes.increment(outcome);
    }

    pub(super) fn leased(&self, how: RedisLease) {
        self.leases.increment(how);
    }

    pub(super) fn snapshot(&self, queued: u64, queued_bytes: u64) -> RedisTierStatistics {
        RedisTierStatistics {
            hits: self.hits.value(),
            misses: self.misses.total(),
            misses_by_reason: self.misses.by_word(),
            bytes_read: self.bytes_read.value(),
            bytes_written: self.bytes_written.value(),
            bytes_written_plain: self.bytes_written_plain.value(),
            restamped: self.restamped.value(),
            writes_by_outcome: self.writes.by_word(),
            leases_by_outcome: self.leases.by_word(),
            queued,
            queued_bytes,
        }
    }
}

/// What the Redis tier did since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RedisTierStatistics {
    /// Loads that a value in Redis answered.
    pub hits: u64,
    /// Loads for which Redis was asked in vain.
    pub misses: u64,
    /// These by [`RedisMiss`].
    pub misses_by_reason: BTreeMap<&'static str, u64>,
    /// Bytes of envelopes that were read.
    pub bytes_read: u64,
    /// Bytes of envelopes that were written.
    pub bytes_written: u64,
    /// Bytes that their bodies have without compression.
    pub bytes_written_plain: u64,
    /// Values whose position was brought up to date where they lie.
    pub restamped: u64,
    /// Values that were to be written, by [`RedisWrite`].
    pub writes_by_outcome: BTreeMap<&'static str, u64>,
    /// How loads came by the lease of all nodes, by [`RedisLease`].
    pub leases_by_outcome: BTreeMap<&'static str, u64>,
    /// Values that wait to be written.
    pub queued: u64,
    /// Bytes of these.
    pub queued_bytes: u64,
}
