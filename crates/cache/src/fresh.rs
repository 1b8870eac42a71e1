//! The short way of a lookup: what is fresh, for an asker who can answer at once and otherwise asks again by
//! [`Engine::lookup`]. It looks and judges as that does, and leaves no trace but that the tier notes the wish.

use crate::engine::Engine;
use crate::entry::Entry;
use crate::hit::{Hit, length};
use crate::key::Key;
use crate::lookup::{Ask, Usable};

impl Engine {
    /// The value under `key` if it is fresh and nobody has to renew it yet. Counts nothing: who answers with it says so by
    /// [`Engine::answered`]. Takes no lock beyond the tier's own and allocates nothing.
    #[inline]
    pub fn fresh(&self, key: &Key, ask: &Ask<'_>) -> Option<Hit> {
        if self.is_off(key) {
            return None;
        }
        let (entry, usable) = self.find_at_once(key, ask).take_usable()?;
        let renew = self.refresh_ahead_due(&entry, ask) && entry.renewal_due(ask.now);
        (usable == Usable::Fresh && !renew).then(|| Hit(entry))
    }

    /// Counts that what [`Engine::fresh`] found under `key` answers a request.
    #[inline]
    pub fn answered(&self, key: &Key, hit: &Hit) {
        key.namespace().counters().hits.increment();
        self.count_served(key, &hit.0);
    }

    /// Counts what a stored value spares, fresh or stale.
    pub(crate) fn count_served(&self, key: &Key, entry: &Entry) {
        let counters = key.namespace().counters();
        entry.hit();
        self.directory.tenants().hit(key.text());
        counters.bytes_served.add(length(entry));
        counters.saved_micros.add(entry.cost_us());
    }
}
