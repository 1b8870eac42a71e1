//! Generations: the name of one unbroken history of a control shard, and the place of a value in it.

use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A generation in 128 bits: the hash of what the scripts call it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gen(u128);

impl Gen {
    /// No generation: before the first answer of Redis, and without Redis.
    pub const NONE: Self = Self(0);

    /// The generation that the scripts call `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(xxh3_128(text.as_bytes()).max(1))
    }

    /// Whether it is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Its 16 bytes, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`Gen::to_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Gen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A generation with the text that the scripts know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    text: Box<str>,
    gen_of_text: Gen,
}

impl Generation {
    /// The generation that the scripts call `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            gen_of_text: Gen::of(text),
        }
    }

    /// As the scripts know it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In 128 bits.
    #[must_use]
    pub const fn id(&self) -> Gen {
        self.gen_of_text
    }
}

/// Up to where a value knows of invalidations: everything in this generation up to `seq` was before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The generation.
    pub generation: Gen,
    /// The number of the last invalidation that was known when the load began.
    pub seq: u64,
}

impl Stamp {
    /// How long it is where it stands before a value in Redis.
    pub const BYTES: usize = 36;
    const MAGIC: [u8; 4] = *b"pgv1";

    /// As it stands before the value with the name `name`. It has a check of its own, because it is renewed in place.
    #[must_use]
    pub fn encode(self, name: u128) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (generation, seq) = (self.generation.to_bytes(), self.seq.to_be_bytes());
        let check = self.check(name).to_be_bytes();
        let parts = Self::MAGIC.iter().chain(&generation).chain(&seq).chain(&check);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        bytes
    }

    /// What stands before the value with the name `name`; nothing when it is damaged, of another value or of no version known.
    #[must_use]
    pub fn decode(bytes: &[u8], name: u128) -> Option<Self> {
        let rest = bytes.strip_prefix(&Self::MAGIC)?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let check = rest.first_chunk()?;
        let stamp = Self {
            generation: Gen::from_bytes(*generation),
            seq: u64::from_be_bytes(*seq),
        };
        (u64::from_be_bytes(*check) == stamp.check(name)).then_some(stamp)
    }

    fn check(self, name: u128) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&name.to_be_bytes());
        hash.update(&self.generation.to_bytes());
        hash.update(&self.seq.to_be_bytes());
        hash.digest()
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_only_as_it_was_written() {
        let stamp = Stamp {
            generation: Gen::of("a:b:c"),
            seq: 0x0102_0304_0506,
        };
        let bytes = stamp.encode(7);
        assert_eq!(&bytes[..4], b"pgv1");
        assert_eq!(&bytes[20..28], &stamp.seq.to_be_bytes());
        assert_eq!(Stamp::decode(&bytes, 7), Some(stamp));
        assert_eq!(Stamp::decode(&bytes, 8), None, "it stands before another value");
        for at in 0..Stamp::BYTES {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(Stamp::decode(&damaged, 7), None, "byte {at}");
            assert_eq!(Stamp::decode(&bytes[..at], 7), None);
        }
    }

    #[test]
    fn generations_are_never_none() {
        assert!(!Gen::of("").is_none() && Gen::NONE.is_none());
        let generation = Gen::of("x");
        assert_eq!(Gen::from_bytes(generation.to_bytes()), generation);
    }
}
