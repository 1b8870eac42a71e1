//! Encryption of what leaves memory: a key ring of master keys, one random data key for each tenant, and values sealed by
//! it. Destroying a tenant's data key erases what was stored for it, wherever copies of that lie.
//!
//! # Three kinds of keys
//!
//! * **Master keys** come from the configuration ([`KeyRing`]). The active one wraps data keys, the others still unwrap what
//!   they wrapped. They never touch a value.
//! * **Data keys** are 32 random bytes for each [`Owner`]: a tenant, or the namespace of what belongs to no tenant. They are
//!   kept wrapped where all nodes find them ([`KeyPlace`]), in a record for each owner; the first in it seals, the older ones
//!   still open. In memory a data key exists only as the state of its HMAC.
//! * **Value keys** exist for the length of a call: each value has one of its own.
//!
//! # How a value is sealed
//!
//! 24 random bytes are drawn. The first 12, with the data key, make the value's key (the counter mode of NIST SP 800-108r1
//! with HMAC-SHA-256); the last 12 are the nonce of AES-256-GCM under it. With random nonces under the data key itself, no
//! more than 2^32 values might be sealed (NIST SP 800-38D §8.3), by all nodes together, which none of them can count. So two
//! values would have to share all 24 bytes, which 2^80 of them do with a chance of 2^-32; XAES-256-GCM derives its keys for
//! the same reason. What is bound as additional data: version, key id, owner, and whatever the caller says of the place at
//! which the value lies, so that no ciphertext passes for another one's.
//!
//! # What is not promised
//!
//! Memory holds plaintext. Whoever has the master key and an old copy of a wrapped record can open what it sealed: erasing
//! destroys the record and the nodes' copies of it, not its backups.

mod config;
mod copied;
mod files;
mod place;
mod record;
mod report;
mod ring;
mod seal;
mod shared;
mod vault;

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use config::EncryptionConfig;
pub use files::Files;
pub use place::{InMemory, KeyPlace, KeyRecord, Listed, PlaceFault, Placing};
pub use report::{KeysStatistics, OwnerKeys, Page, Rotated};
pub use ring::{KeyRing, NewMasterKey};
pub use seal::{Owner, Ready, SEAL_OVERHEAD_BYTES, SealFault, Sealed, Sealer};
pub use shared::InRedis;
pub use vault::Keys;
