//! What is told of the data keys: to people, to metrics, to who rotates them. Never any part of a key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the data keys of an engine are and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeysStatistics {
    /// The id of the master key that wraps, if there is a key ring.
    pub active: Option<String>,
    /// Where the data keys are.
    pub place: String,
    /// Of how many owners the data keys are in memory.
    pub held: u64,
    /// Data keys that were made.
    pub created: u64,
    /// Records that were read.
    pub read: u64,
    /// Data keys in them that were opened by a master key.
    pub unwrapped: u64,
    /// Data keys in them that were not: their master key is not in the ring, or they are damaged.
    pub unreadable: u64,
    /// Data keys that were destroyed by this node.
    pub erased: u64,
    /// Values that were sealed.
    pub sealed: u64,
    /// Values that were opened.
    pub opened: u64,
    /// Values that were not sealed or opened because no key was at hand.
    pub no_key: u64,
    /// Values that could not be opened by the right key.
    pub damaged: u64,
    /// Questions that the place of the keys did not answer.
    pub unreachable: u64,
    /// What went wrong last, if anything did.
    pub fault: Option<String>,
}

/// The data keys of an owner, as people see them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct OwnerKeys {
    /// `tenant.NAME` or `namespace.NAME`.
    pub owner: String,
    /// How many data keys there are.
    pub data_keys: usize,
    /// How many are remembered as erased.
    pub erased: usize,
    /// When the newest was made: civil time, in milliseconds.
    pub created_ms: u64,
    /// The ids of the master keys that wrap them, each once.
    pub master_keys: Vec<String>,
    /// Whether all of them are in the key ring.
    pub readable: bool,
}

/// Some of the owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Page {
    /// The owners.
    pub owners: Vec<OwnerKeys>,
    /// With what to ask for the next; nothing at the end.
    pub next: Option<String>,
}

/// What a rotation did with some of the owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Rotated {
    /// How many owners it looked at.
    pub owners: u64,
    /// How many data keys the active master key wraps now and did not before.
    pub rewrapped: u64,
    /// How many owners have a new data key.
    pub renewed: u64,
    /// How many data keys stayed as they were, because the master key that wraps them is not in the key ring.
    pub unreadable: u64,
    /// With what to go on; nothing at the end.
    pub next: Option<String>,
}
