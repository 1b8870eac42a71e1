//! Servers for tests: real Redis on free ports, alone, as a primary with a replica and three sentinels, or as a cluster of
//! six, and a TCP proxy that cuts, freezes, delays and swallows. Whatever is started here ends with its value, also when a
//! test panics; whatever is waited for is a condition with a generous limit.
//!
//! Nothing of the house is used, so that any crate's tests may use this one. Everything panics when it fails, and shows
//! what the server wrote.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this is a part of tests, which fail loudly"
)]
#![expect(clippy::disallowed_methods, reason = "the world that a test runs in has real time")]

mod cluster;
mod port;
mod proxy;
mod redis;
mod resp;
mod sentinel;
mod tls;
mod wait;

pub use cluster::RedisCluster;
pub use proxy::Proxy;
pub use redis::RedisServer;
pub use resp::Said;
pub use sentinel::SentinelSet;
pub use tls::TlsFiles;
pub use wait::{eventually, until};
