//! See `peregrine_fuzz::key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::key(bytes));
