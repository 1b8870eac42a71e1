//! The cache engine.

mod budget;
mod codec;
mod config;
mod engine;
mod entry;
mod fill;
mod find;
mod flight;
mod follower;
mod hit;
mod invalidation;
mod key;
mod lease;
mod ledger;
mod load;
mod lookup;
mod memory;
mod namespace;
mod operations;
mod outcome;
mod parameters;
mod pattern;
mod promise;
mod reach;
mod selector;
mod setup;
mod statistics;
mod store;
mod strategy;
mod stream;
mod sweeper;
mod sync;
mod table;
mod wheel;

#[cfg(feature = "shuttle")]
#[cfg(test)]
mod explored;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod testing;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use config::{
    CacheConfig, Compression, DEFAULT_NAME, EvictionPolicy, Freshness, NamespaceConfig, Settings, SettingsError,
    StrategyConfig,
};
pub use engine::{Engine, Parts};
pub use entry::Tags;
pub use fill::{Fill, Finished};
pub use follower::{Followed, Follower, Reader};
pub use hit::{Body, Chunks, Hit};
pub use invalidation::{Invalidation, Layer, Matched, Receipt};
pub use key::Key;
pub use lease::Lease;
pub use ledger::Position;
pub use load::Loaded;
pub use lookup::{Ask, Lookup, Meta, Peek, Usable};
pub use namespace::Namespace;
pub use operations::SetOptions;
pub use outcome::{Abandoned, Bypass, Eviction, LoadFailure, MissReason, NotStored, PassReason, Refused, StaleWhy};
pub use parameters::PARAMETERS;
pub use pattern::Glob;
pub use selector::{NoVariants, Selector, Variants};
pub use statistics::{NamespaceStatistics, Statistics};
pub use strategy::Strategy;
