//! The engine's promises and rules, as those who use it notice them.

mod bound;
mod coalescing;
mod encodings;
mod faults;
mod invalidation;
mod lingering;
mod lookup;
mod mirror;
mod nodes;
mod operations;
#[expect(clippy::cast_possible_truncation, reason = "positions in tests are small")]
mod parts;
mod streams;
mod tenants;
mod turnover;
mod variants;
