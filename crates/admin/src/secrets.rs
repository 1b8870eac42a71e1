//! Bytes that nobody can foretell, and how what must be recognised is kept without being kept.

use crate::refusal::Refusal;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

/// What is kept of a secret of 256 random bits: enough to know it again, nothing to use. A slow hash is for what people
/// choose; nobody tries 2^256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// The digest of `text`.
    pub(crate) fn of(text: impl AsRef<[u8]>) -> Self {
        let digest = digest::digest(&digest::SHA256, text.as_ref());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// It in hex.
    pub(crate) fn hex(&self) -> String {
        hex(&self.0)
    }

    /// What [`Digest::hex`] wrote.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// A text that nobody can guess: `COUNT` random bytes in hex.
pub(crate) fn unguessable<const COUNT: usize>() -> Result<String, Refusal> {
    let mut bytes = [0u8; COUNT];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(hex(&bytes)),
        Err(_) => Err(Refusal::failed("The system gives no random bytes.")),
    }
}

/// `bytes` in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_known_again() {
        let digest = Digest::of("abc");
        assert_eq!(
            digest.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
        assert_ne!(unguessable::<32>().unwrap(), unguessable::<32>().unwrap());
        assert_eq!(unguessable::<32>().unwrap().len(), 64);
    }
}
