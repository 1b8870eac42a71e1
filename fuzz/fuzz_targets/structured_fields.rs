//! See `peregrine_fuzz::structured_fields`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::structured_fields(bytes));
