//! The cache engine.

mod codec;
pub mod config;
mod entry;
mod hit;
mod invalidation;
mod key;
mod ledger;
mod memory;
mod namespace;
mod outcome;
mod parameters;
mod pattern;
mod selector;
mod statistics;
mod strategy;
mod stub;
mod sync;

pub use config::{CacheConfig, Compression, Freshness, NamespaceConfig, Settings, SettingsError, StrategyConfig};
pub use entry::Tags;
pub use hit::{Body, Chunks, Hit};
pub use invalidation::{Invalidation, Layer, Matched, Receipt};
pub use key::Key;
pub use ledger::Position;
pub use namespace::Namespace;
pub use outcome::{Abandoned, Bypass, Eviction, LoadFailure, MissReason, NotStored, PassReason, Refused, StaleWhy};
pub use parameters::PARAMETERS;
pub use pattern::Glob;
pub use selector::{NoVariants, Selector, Variants};
pub use statistics::{NamespaceStatistics, Statistics};
pub use strategy::Strategy;
pub use stub::*;
