//! Parts of one value that arrive in one answer, one after the other: gathered while they pass, and put into memory together
//! when all of them are there. Nothing is stored before, and nobody waits for it.

use crate::budget::{Budget, Charge, PIECE_OVERHEAD_BYTES};
use crate::entry::Kind;
use crate::flight::Closed;
use crate::lease::{Held, Lease};
use crate::lookup::{Meta, PartMeta};
use crate::outcome::{NotStored, PassReason, Refused};
use crate::selector::Variants;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// All that are gathered together get this part of what bodies under way may have: they come as slowly as their client takes
/// them, and are to leave room for those that come as fast as origins send.
const IN_FLIGHT_PART: u64 = 4;
/// What takes longer to pass is not kept.
const GATHERED_FOR_MAX: Duration = Duration::from_secs(60);

/// Parts under way. Dropped before [`Gathering::keep`], nothing of them is stored.
pub struct Gathering {
    held: Option<Held>,
    charge: Charge,
    budget: Arc<Budget>,
    /// What it took of the part that all have.
    gathered: u64,
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
            budget: Arc::clone(&held.engine.budget),
            gathered: 0,
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
        self.length = self.length.saturating_add(more);
        let has_room = self.length <= self.limit && self.is_in_time() && self.take_room(more + PIECE_OVERHEAD_BYTES);
        let Some((_, chunks)) = self.parts.last_mut().filter(|_| has_room) else {
            return false;
        };
        chunks.push(Bytes::copy_from_slice(bytes));
        true
    }

    fn is_in_time(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.took() <= GATHERED_FOR_MAX)
    }

    fn take_room(&mut self, more: u64) -> bool {
        let taken = self.budget.gather(more, IN_FLIGHT_PART);
        self.gathered += if taken { more } else { 0 };
        taken && self.charge.grow(more)
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
        self.budget.end_gathering(self.gathered);
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
