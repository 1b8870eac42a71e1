//! The signature of a webhook: HMAC-SHA256 (RFC 2104) over the time of sending and the body, so that a receiver knows who
//! wrote it and that it is not an old one sent again.

use peregrine_base::{Secret, WallTime};
use ring::hmac;
use std::fmt::Write as _;

/// The value of `Peregrine-Signature` for `body` sent at `at`: `t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of
/// `SECONDS.BODY` with the receiver's secret.
#[must_use]
pub fn signature(secret: &Secret, at: WallTime, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let seconds = at.as_secs();
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in tag.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
