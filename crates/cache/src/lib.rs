//! The cache engine: entries in memory, one load for all who ask, and invalidation that is right at once. It knows no
//! protocol. A plane makes a [`Key`], says on which terms it asks ([`Ask`]), and does what [`Lookup`] tells it; callers who
//! are no proxy have [`Engine::get_or_load`] and the calls by name.
//!
//! # The way of a question
//!
//! [`Engine::lookup`] looks under the key, compares what lies there with the invalidations since its load began, then with
//! its deadlines and the asker's terms. What may be served is served; near the end of its life, or past it within a window
//! of grace (RFC 5861), one asker gets a [`Lease`] to renew it in the background. Otherwise the first asker gets the lease
//! and loads; the others get a [`Follower`] and read the same body as it arrives. When the load ends, the body is made one
//! entry and put into memory, unless something has overtaken it.
//!
//! # Invalidation by counters
//!
//! There is no index from tags to entries: it would have to be bounded, and kept in step with evictions, and an
//! invalidation would take as long as it reaches far. Instead the node counts its invalidations (`lc`), remembers for each
//! target the count at which it was last invalidated, and every entry carries the count that was read *before its load
//! began*. An entry is good as long as none of its targets was raised above that. The check costs two loads of counters
//! while nothing is invalidated, and a few lookups in a table the first time that an entry is met after something was. A
//! sweeper brings resident entries up to date, so that old targets can be forgotten; what it did not meet counts as gone
//! (the floor). The `ledger` module tells why no order of events brings an old value back.
//!
//! Considered and left out: removing entries when they are invalidated (the table of loads would need the same care again,
//! and a load that began before would still bring the old value afterwards); wall-clock times in place of counts (two
//! events in one tick, and clocks that step); a version per tag (a missing one cannot say whether it was never raised).
//!
//! # One load
//!
//! Loads under way are listed by key. The lock of a key's place in that list is also the lock under which values enter
//! memory: whoever holds it sees the load or the value, never neither. An asker that arrives after an invalidation does not
//! join a load from before it but begins another; the first may finish for those who came earlier, and is not stored. A
//! follower looks at the ledger again when the head of the answer is known, because only then are its tags: the ledger
//! remembers the last invalidation of a target and not the ones before, so any that is newer than the load turns the
//! follower away, even if it came after the follower did. An answer that cannot be shared releases everybody as soon as its
//! head is known and leaves a marker, so that the next askers do not wait in line for an answer that is not for them either.
//!
//! # Memory
//!
//! `cache.memory` bounds entries and bodies under way together. An entry is one allocation with its texts and, up to
//! 64 KiB, its body; larger bodies lie in segments of 256 KiB. Namespaces with a part of their own have a tier of their
//! own; the others share what is left; bodies under way take their room from the shared tier and give it back. A body is
//! copied as it arrives, because what arrives may be a slice of a much larger network buffer. One that outgrows its limit
//! is let go: those who read it go on, at the pace of the slowest, within a window.
//!
//! # Encodings
//!
//! A body may be kept in content codings too, made once for the first who takes it so, on a few threads of the blocking pool
//! and never on the event loop. They belong to the entry: they count in its weight, a renewal takes them along, and whatever
//! ends the entry ends them. Making one replaces the entry by one that has it, if what lies there is still the same body.
//!
//! # Invariants
//!
//! * A value's position was read before its load began, and before the look that found what a renewal renews.
//! * Targets are written before `lc` is published; the floor is raised before targets are forgotten and read after they
//!   were looked for.
//! * Values enter memory only under the lock of their key's place in the list of loads, and leave the list in the same step.
//! * Only the whole text of a key decides whether an entry is the one that is meant; hashes only find it.
//! * A body whose length is not what its head announced is never stored.
//! * Locks are taken in this order: a key's place, a flight, the budget, a tier. No waker is called under a lock.
//! * Nothing here reads the clock, draws lots, spawns or sleeps except through [`Parts`].
//! * No error of the cache reaches an asker: the worst is a miss.

pub mod backplane;
mod budget;
mod codec;
mod coding;
mod config;
mod decoded;
mod encoder;
mod engine;
mod entry;
mod faults;
mod fill;
mod find;
mod flight;
mod follower;
mod fresh;
mod gathering;
mod hit;
mod invalidation;
mod key;
mod keys;
mod lease;
mod ledger;
mod lingering;
mod listing;
mod load;
mod lookup;
mod memory;
mod namespace;
mod operations;
mod outcome;
mod parameters;
mod parts;
mod pattern;
mod promise;
mod reach;
mod redis;
mod selector;
mod setup;
mod siblings;
mod snapshot;
mod spans;
mod statistics;
mod store;
mod strategy;
mod stream;
mod sweeper;
mod sync;
mod table;
mod tenants;
mod turnover;
mod wheel;
mod written;

#[cfg(feature = "shuttle")]
#[cfg(test)]
mod explored;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod testing;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use coding::Coding;
pub use config::{
    CacheConfig, Compression, DEFAULT_NAME, EvictionPolicy, Freshness, NamespaceConfig, RangeLoad, Settings,
    SettingsError, StrategyConfig, Tier, WhenUnverified,
};
pub use decoded::Decoded;
pub use engine::{Engine, Mirror, MirrorId, Parts};
pub use entry::Tags;
pub use fill::{Fill, Finished};
pub use follower::{Followed, Follower, Reader};
pub use gathering::Gathering;
pub use hit::{Body, Chunks, Encoded, EncodedChunks, Hit, Slice};
pub use invalidation::{Invalidation, Layer, Matched, NodeReceipt, NodeState, Receipt};
pub use key::{Key, is_tenant_name};
pub use keys::{
    EncryptionConfig, Files, InMemory, InRedis, KeyPlace, KeyRecord, KeyRing, Keys, KeysStatistics, Listed,
    NewMasterKey, Owner, OwnerKeys, Page, PlaceFault, Placing, Ready, Rotated, SEAL_OVERHEAD_BYTES, SealFault, Sealed,
    Sealer,
};
pub use lease::Lease;
pub use ledger::Position;
pub use listing::{EntriesQuery, EntryView, Found, TagView};
pub use load::Loaded;
pub use lookup::{Ask, Lookup, Meta, PartAsk, PartMeta, Peek, Usable};
pub use namespace::Namespace;
pub use operations::SetOptions;
pub use outcome::{
    Abandoned, Bypass, EncodingOutcome, Eviction, LoadFailure, MissReason, NotStored, PassReason, Refused, StaleWhy,
};
pub use parameters::{PARAMETERS, TENANT_PARAMETERS};
pub use pattern::Glob;
pub use redis::{
    EnvelopeFault, Recalled, RedisLease, RedisMiss, RedisPeek, RedisTierConfig, RedisTierStatistics, RedisWrite,
    check_envelope,
};
pub use selector::{NoVariants, Selector, Variants};
pub use setup::Defined;
pub use siblings::Siblings;
pub use snapshot::{Expecting, Provenance, Restored, SnapshotFault, SnapshotLimits, Written, check_snapshot};
pub use spans::{ByteSpan, ByteSpans, PartMap, Piece};
pub use statistics::{NamespaceStatistics, Statistics};
pub use strategy::Strategy;
pub use tenants::{TenantQuota, TenantQuotas, TenantStatistics};
pub use turnover::{InvalidationStatistics, LagStatistics, RouteId, RouteStatistics};
pub use written::{BeforeWrite, Unreached};
