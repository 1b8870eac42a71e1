//! The backplane: how many nodes keep one truth.
//!
//! Nodes that share a Redis tell each other of invalidations by an ordered log. Each control shard there counts its
//! invalidations (`seq`) and remembers for each target the number of the last one; a node remembers up to where it has read
//! (its *cursor*) and asks for the rest, several times within the freshness bound and whenever it is nudged. A nudge may be
//! lost, a question may be lost, the node may sleep: nothing is lost with it, the next answer brings all that is above the
//! cursor. A hit in memory costs no round trip.
//!
//! # Why not a version for each tag
//!
//! The tags of a response are known only when it has arrived, versions spread over the slots of a cluster cannot be read in
//! one round trip, and a version that is missing cannot say whether it was never raised or was evicted. One log has a *floor*:
//! what was forgotten lies below it, and whatever is older is not used.
//!
//! # What can go wrong with a log, and what is done about it
//!
//! * **It is another log.** Redis restarted empty, a replica was promoted, somebody flushed it. Each answer names the
//!   *generation* of the log: which process, which history of replication, and a salt that is made anew when anything is
//!   missing. In a new generation nothing older is trusted: what lies in memory becomes doubtful (`lc_floor`), values in Redis
//!   of another generation are not used.
//! * **It is a log that nobody writes any more.** A primary that was deposed and does not know it answers as before. So an
//!   answer counts only when the replicas have acknowledged the write that it was (`WAIT`), and nothing of it is taken
//!   otherwise.
//! * **Parts of it are missing.** Eviction under memory pressure can take members of the set or the hash of numbers: the count
//!   of members is kept beside them, and a difference begins a new generation.
//! * **An answer comes late.** It says what was true when it was given. A node publishes as *verified* the moment at which it
//!   sent the question, and the answer to a question that it gave up is thrown away with the connection.
//! * **The node stands still.** Between reading `verified_at` and serving, a thread may be stopped for a minute. The clock is
//!   read last, and it is one that counts suspension.
//!
//! # Where things are
//!
//! `wire` is what stands in the set, `scripts` what runs in Redis, `protocol` the rules as a state machine without I/O,
//! `records` what a node knows of a shard, `trust` what lookups read, `ground` where effects of the protocol reach both the
//! ledger and the trust, `member` how the engine uses all that, `outward` what it asks of
//! whoever talks to Redis.

mod driver;
mod generation;
mod ground;
mod journal;
mod link;
mod member;
mod outbox;
mod outward;
mod protocol;
mod receipts;
mod records;
pub mod scripts;
mod trust;
pub mod wire;

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use driver::{
    Backplane, BackplaneConfig, BackplaneError, BackplaneStatus, JournalStatus, NodeStatus, ShardState, ShardStatus,
};
pub use generation::{Gen, Generation, Stamp};
pub use member::{Member, MemberStanding, Synced, ValueStanding};
pub(crate) use member::{Membership, Sight};
pub use outward::{Joining, Outward, Stamping, Telling, Told, Verifying};
pub use protocol::{Confirming, Effect, Node, NotGood, PendingId, Rules, SyncRequest};
