//! See `peregrine_fuzz::range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::range(bytes));
