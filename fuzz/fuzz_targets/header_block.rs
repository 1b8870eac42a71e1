//! See `peregrine_fuzz::header_block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::header_block(bytes));
