//! Content codings (RFC 9110 §8.4.1): the encodings that clients take, and in which the engine keeps a body beside, or in
//! place of, the body as it was loaded.

use serde::Deserialize;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub enum Coding {
    /// Zstandard (RFC 8878), one frame with a window of at most 8 MiB (RFC 9659).
    #[serde(rename = "zstd")]
    Zstd,
    /// Brotli (RFC 7932).
    #[serde(rename = "br")]
    Brotli,
    /// Gzip (RFC 1952), one member.
    #[serde(rename = "gzip")]
    Gzip,
}

impl Coding {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}
