//! Values that come with the answer to a write. The write invalidates what it changed, and what it brings is to outlive that,
//! but no other invalidation since the write was sent: another write may have been answered meanwhile, and then nobody knows
//! which of the two the value is from. So the ledger is read before the write is sent and again when it is answered, and what
//! was raised from then on must be the write's own invalidations and nothing else.

use crate::engine::Engine;
use crate::key::Key;
use crate::lease::Lease;
use crate::ledger::Position;
use crate::lookup::Ask;
use crate::sync::Ordering;
use std::sync::Arc;

/// Where the ledger stood before a write was sent.
#[derive(Clone, Copy, Debug)]
pub struct BeforeWrite(Position);

/// Where the ledger stood when a write was answered and nothing had reached what it brings.
#[derive(Clone, Copy, Debug)]
pub struct Unreached(Position);

impl Engine {
    /// To be asked before a write is sent.
    #[must_use]
    pub fn before_write(&self) -> BeforeWrite {
        BeforeWrite(self.ledger.position())
    }

    /// To be asked when the write is answered, before it invalidates anything: nothing where somebody else invalidated a value
    /// under `key` with these `tags` meanwhile.
    #[must_use]
    pub fn unreached(&self, before: BeforeWrite, key: &Key, tags: &[String]) -> Option<Unreached> {
        // Read before the check: what is raised after it shows in `lead_written`.
        let position = self.ledger.position();
        (!self.reached(key, tags, before.0)).then_some(Unreached(position))
    }

    /// A lease for what the write brings, after its own invalidations, of which there were `own`. Nothing where anything else
    /// was invalidated since, or there is no room: then the value is not stored.
    #[must_use]
    pub fn lead_written(self: &Arc<Self>, unreached: Unreached, own: u64, key: &Key, ask: &Ask<'_>) -> Option<Lease> {
        if self.is_off(key) || self.flights.count() >= self.limits.loads_max.load(Ordering::Relaxed) {
            return None;
        }
        let lease = self.lead_alone(key, ask);
        if lease.position().lc == unreached.0.lc + own {
            return Some(lease);
        }
        None
    }
}
