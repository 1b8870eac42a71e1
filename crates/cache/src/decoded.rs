//! Stored bodies that came in a content coding, without it: for an asker who takes none. The entry stays as it is; nothing of
//! this is stored.

use crate::codec;
use crate::coding::Coding;
use crate::hit::Hit;
use bytes::{Bytes, BytesMut};

/// What is decoded once and held until it is read; a longer one is decoded again, piece by piece, while it is read.
const HELD_BYTES_MAX: usize = 256 << 10;

/// A stored body without the coding that it came in.
#[derive(Clone, Debug)]
pub struct Decoded {
    hit: Hit,
    coding: Coding,
    length: u64,
    held: Option<Bytes>,
}

impl Hit {
    /// The body without `coding`, which it came in. Reads all of it: nothing where that is damaged, or comes to more than
    /// `limit` bytes, as what a small body unpacks to may.
    #[must_use]
    pub fn decoded(&self, coding: Coding, limit: u64) -> Option<Decoded> {
        let mut pieces = codec::unpack_foreign(coding, self.body().chunks(), limit)?;
        let (mut length, mut held) = (0, Some(BytesMut::new()));
        for piece in pieces.by_ref() {
            length += piece.len() as u64;
            held = held.filter(|held| held.len() + piece.len() <= HELD_BYTES_MAX);
            if let Some(held) = &mut held {
                held.extend_from_slice(&piece);
            }
        }
        pieces.ends_here().then(|| Decoded {
            hit: self.clone(),
            coding,
            length,
            held: held.map(BytesMut::freeze),
        })
    }
}

impl Decoded {
    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its bytes in pieces of at most 256 KiB.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + Send + Unpin + use<> {
        let again = match self.held {
            Some(_) => None,
            None => codec::unpack_foreign(self.coding, self.hit.body().chunks(), self.length),
        };
        let held = self.held.clone().filter(|held| !held.is_empty());
        held.into_iter().chain(again.into_iter().flatten())
    }
}
