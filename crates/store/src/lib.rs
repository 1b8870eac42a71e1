//! What Peregrine keeps outside of itself: the client of Redis and Valkey, and in [`embedded`] a file of its own.
//!
//! The client of Redis and Valkey: one server, a primary that sentinels watch, or a cluster. It knows connections, time limits
//! and who owns which key, and nothing about caching.
//!
//! # What it promises
//!
//! **Nobody waits for a server that is away.** Connections are made in the background, by supervisors that begin again with
//! growing pauses. Whoever asks while there is none is told so at once ([`StoreError::Away`]). Whoever asks while there is one
//! waits at most `redis.operation_timeout`; the first request that a silent server lets wait so long closes its connections,
//! and new ones count only when the server has answered on them. A server that is stopped therefore costs one time limit, not
//! one for each request.
//!
//! **A reply never reaches another question.** Requests share connections and replies come in order; whoever stops waiting
//! leaves a place in that order behind. A [`Control`] goes further: it is one connection for one asker, closed as soon as a
//! reply did not come in time.
//!
//! **Nothing is sent twice that may have been executed.** Only what a server refused to execute is sent elsewhere: `MOVED`,
//! `ASK`, `NOSCRIPT`. Every error says whether the request may have been executed all the same
//! ([`StoreError::maybe_executed`]).
//!
//! **The primary is the primary.** With sentinels every connection asks for the server's role first, and of several sentinels
//! that differ the one with the highest epoch is believed (`sentinel.rs`); in a cluster the nodes themselves refuse what is not
//! theirs, and the map of slots follows them (`cluster.rs`).
//!
//! **Nothing secret is shown**: not by `Debug`, not in an error, not in a log line, not in the status. Servers that repeat what
//! they were sent are not quoted.
//!
//! # How it is built
//!
//! ```text
//! Redis (client.rs) ── one key: core.rs ──┐                     ┌─ Wire (wire.rs): one connection, many askers
//!                   └─ many keys: many.rs ┼─► Map ─► Node ──────┤     made by dial.rs: TCP, TLS, HELLO, ROLE
//! Control (control.rs), Nudges ───────────┘  map.rs  node.rs    └─ supervisors, the circuit
//!                                              ▲
//!                       sentinel.rs, cluster.rs: who is who, drawn anew on every doubt
//! ```
//!
//! Of the crate `redis` only the codec and the multiplexed connection are used, over sockets that are made here. Its cluster
//! client refuses pipelines over several slots and asks once for each slot; its Sentinel client does not say that a failover
//! happened; its own time limits are switched off, so that there is one place where time is measured.
//!
//! Limits: connections to a server (`redis.connections`), requests that wait on one of them (`redis.in_flight_max`, then
//! [`StoreError::Busy`]), time to connect and to reply, redirections, attempts (pauses up to a second), nudges that are kept,
//! hosts of a URL. Counted in [`RedisStatus`].

mod client;
mod cluster;
mod config;
mod control;
mod core;
mod counters;
mod dial;
pub mod embedded;
mod error;
mod latency;
mod many;
mod map;
mod node;
mod nudges;
mod parameters;
mod place;
mod reply;
mod script;
mod sentinel;
mod slot;
mod status;
mod tls;
mod wire;

pub use client::{Parts, Redis};
pub use config::{ReadFrom, RedisConfig, RedisTlsConfig};
pub use control::{Acknowledged, Control};
pub use error::{ErrorKind, StoreError};
pub use nudges::{Nudge, Nudges};
pub use parameters::PARAMETERS;
pub use place::Mode;
pub use reply::Reply;
pub use script::Script;
pub use status::{NodeStatus, RedisStatus, State};

#[cfg(test)]
mod tests;
