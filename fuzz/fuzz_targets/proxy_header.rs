//! See `peregrine_fuzz::proxy_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| peregrine_fuzz::proxy_header(bytes));
