//! A value as it lies in Redis.

use peregrine_cache::check_envelope;

/// Any bytes are an envelope or are refused; one that is taken writes itself again as it was, and a whole one is none without its
/// last byte.
pub fn envelope(bytes: &[u8]) {
    if check_envelope(bytes, false) == Ok(true) {
        let cut = &bytes[..bytes.len() - 1];
        assert!(
            check_envelope(cut, false).is_err(),
            "an envelope without its last byte is taken for whole"
        );
    }
    // What lies behind the checksum, which nothing but chance would get past.
    let _ = check_envelope(bytes, true);
}
