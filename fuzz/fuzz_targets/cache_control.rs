//! See `peregrine_fuzz::cache_control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::cache_control(bytes));
