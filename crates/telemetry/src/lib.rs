//! Counters, gauges and histograms that record without blocking, allocating or looking up a label; their text exposition;
//! and the program's logs.
//!
//! A component creates its handles once, keeps them, and records through them. Labels exist only where handles are
//! gathered for exposition.

pub mod counter;
pub mod histogram;

pub use counter::{Counter, Gauge};
pub use histogram::{Histogram, HistogramSnapshot};
