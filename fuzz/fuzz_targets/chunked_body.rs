//! See `peregrine_fuzz::chunked_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::chunked_body(bytes));
