//! The tier of values in Redis: what several nodes share. Reads promote into memory, writes go through, one node loads for all.
//!
//! Names are in `names`, the form of what is written in `envelope`.

#[allow(dead_code, reason = "who reads and writes them comes next")]
mod envelope;
#[allow(dead_code, reason = "who reads and writes them comes next")]
mod names;

pub use envelope::{EnvelopeFault, check_envelope};
