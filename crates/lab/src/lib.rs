//! The laboratory of Peregrine: a sample shop API with a known truth, a load generator, a request mix, and a checker that
//! compares every answer with the truth. `peregrine demo` and `peregrine bench` are made of these pieces, and so are the
//! end-to-end tests.
//!
//! Nothing here is part of serving: no data plane imports it.

pub mod chance;
pub mod checker;
pub mod drive;
pub mod freshness;
pub mod load;
pub mod mix;
pub mod progress;
pub mod report;
pub mod shop;
