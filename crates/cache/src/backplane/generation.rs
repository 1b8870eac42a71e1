//! Generations: the name of one unbroken history of a control shard, and the place of a value in it.

use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The generation.
    pub generation: Gen,
    /// The number of the last invalidation that was known when the load began.
    pub seq: u64,
}
