//! What is fuzzed: one function for every parser at an edge, from any bytes to nothing. A function fails by panicking, either
//! where the parser does or where what it said contradicts itself.
//!
//! Two things call them: libFuzzer, which looks for new ways through the code (`make fuzz`, see fuzz_targets/), and the twin
//! (tests/twin.rs), which runs with all tests: it repeats the seeds, everything that was ever found, and mutations of both.

mod configuration;
mod envelope;
mod http1;
mod http2;
mod key;
mod policy;
mod snapshot;

pub use configuration::configuration;
pub use envelope::envelope;
pub use http1::{chunked_body, proxy_header, request_head, response_head};
pub use http2::{frames, header_block};
pub use key::key;
pub use policy::{cache_control, range, structured_fields};
pub use snapshot::snapshot;

/// A target: the name of its folders in `seeds/` and `found/`, what is called, and how many mutations its twin tries.
pub type Target = (&'static str, fn(&[u8]), usize);

/// Every target.
pub const TARGETS: [Target; 13] = [
    ("request_head", request_head, 20_000),
    ("chunked_body", chunked_body, 20_000),
    ("response_head", response_head, 20_000),
    ("header_block", header_block, 20_000),
    ("frames", frames, 20_000),
    ("cache_control", cache_control, 10_000),
    ("structured_fields", structured_fields, 10_000),
    ("range", range, 10_000),
    ("key", key, 10_000),
    ("snapshot", snapshot, 2_000),
    ("envelope", envelope, 20_000),
    ("configuration", configuration, 300),
    ("proxy_header", proxy_header, 20_000),
];
