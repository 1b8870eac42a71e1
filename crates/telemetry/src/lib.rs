//! Counters, gauges and histograms that record without blocking, allocating or looking up a label; their text exposition;
//! the program's own log and the access log.
//!
//! A component creates its handles once, keeps them, and records through them. Labels exist only where handles are
//! gathered for exposition. Neither log ever makes a request wait.

pub mod access;
pub mod config;
pub mod counter;
mod escape;
pub mod histogram;
pub mod logs;
pub mod otlp;
pub mod parameters;
pub mod prometheus;
pub mod recorder;
pub mod sharded;
pub mod system;
pub mod table;
pub mod tail;
pub mod time;
pub mod top;
pub mod trace;

pub use access::{Access, AccessLog};
pub use config::LogConfig;
pub use counter::{Counter, Gauge};
pub use histogram::{Histogram, HistogramSnapshot, RareHistogram};
pub use parameters::PARAMETERS;
pub use prometheus::Exposition;
pub use recorder::Recorder;
pub use sharded::Counters;
pub use tail::Tail;
pub use top::TopKeys;
