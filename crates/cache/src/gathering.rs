//! Parts of one value that arrive in one answer, one after the other: gathered while they pass, and put into memory together
//! when all of them are there. Nothing is stored before, and nobody waits for it.

use crate::budget::Charge;
use crate::entry::Kind;
use crate::flight::Closed;
use crate::lease::{Held, Lease};
use crate::lookup::{Meta, PartMeta};
use crate::outcome::{NotStored, PassReason, Refused};
use crate::selector::Variants;
use bytes::Bytes;
use std::fmt;

/// Parts under way. Dropped before [`Gathering::keep`], nothing of them is stored.
pub struct Gathering {
    held: Option<Held>,
    charge: Charge,
    limit: u64,
    length: u64,
    parts: Vec<(u64, Vec<Bytes>)>,
}

impl Lease {
    /// Begins to gather parts. To be done before they are asked for: what is invalidated from then on overtakes them.
    #[must_use]
    pub fn gather(self) -> Gathering {
        let limit = self.length_max();
        let held = self.take();
        Gathering {
            charge: held.engine.charge(),
            held: Some(held),
            limit,
            length: 0,
            parts: Vec::new(),
        }
    }
}

impl Gathering {
    /// The next part begins, at the position `start` of the value.
    pub fn begin(&mut self, start: u64) {
        self.parts.push((start, Vec::new()));
    }

    /// More of the part that began last, which is copied. False where there is no room for it: then nothing can be kept.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let more = bytes.len() as u64;
        let Some((_, chunks)) = self.parts.last_mut() else {
            return false;
        };
        self.length = self.length.saturating_add(more);
        let has_room = self.length <= self.limit && self.charge.grow(more);
        if has_room {
            chunks.push(Bytes::copy_from_slice(bytes));
        }
        has_room
    }

    /// All parts are there, of the version of a value of `complete` bytes that `validator` names. `variants` renders the
    /// request that they answer.
    ///
    /// # Errors
    /// They are not stored: there are too many tags or variants, there is no room, or something newer reached them.
    pub fn keep(mut self, meta: Meta, complete: u64, validator: &[u8], variants: &dyn Variants) -> Result<(), Refused> {
        let held = self.held.take().expect("only consuming methods take it");
        let (held, meta, variant) = held.settle(meta, variants)?;
        let mut outcome = Ok(());
        let mut shard = held.engine.flights.lock(held.key.hash());
        for (start, chunks) in &self.parts {
            let part = PartMeta {
                start: *start,
                complete,
                validator: Some(validator.to_vec()),
            };
            let entered = held
                .engine
                .enter_part(&mut shard, &held, (&meta, &variant), &part, chunks);
            match entered {
                // Together with what was held already they are the whole.
                Ok(entry) if entry.kind() == Kind::Value => break,
                Ok(_) => {}
                Err(why) => outcome = outcome.and(Err(why)),
            }
        }
        drop(shard);
        held.unlist();
        held.count(outcome);
        held.flight.close(Closed::Again);
        outcome.map_err(|why: NotStored| Refused {
            reason: match why {
                NotStored::TooLarge => PassReason::TooLarge,
                _ => PassReason::Other,
            },
        })
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.close(Closed::Again, None);
        }
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
