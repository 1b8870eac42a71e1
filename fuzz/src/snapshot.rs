//! A snapshot of the memory tier.

use peregrine_cache::check_snapshot;

/// Any bytes are a whole snapshot or are refused, and a snapshot that is cut short is never whole.
pub fn snapshot(bytes: &[u8]) {
    if check_snapshot(bytes).is_ok() && !bytes.is_empty() {
        let cut = &bytes[..bytes.len() - 1];
        assert!(
            check_snapshot(cut).is_err(),
            "a snapshot without its last byte is taken for whole"
        );
    }
}
