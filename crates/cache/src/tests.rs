//! The engine's promises and rules, as those who use it notice them.

mod bound;
mod coalescing;
mod encodings;
mod faults;
mod invalidation;
mod lookup;
mod operations;
mod parts;
mod streams;
mod variants;
