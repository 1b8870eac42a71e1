//! The variants of one key that were stored last: the selector's entry remembers their texts, as many as are of use in one
//! question to the origin. A text is a way to look, never a promise that something lies there.

use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::hit::Hit;
use crate::key::{Key, variant_hash};
use crate::lease::{Lease, Variant};
use crate::ledger::Standing;
use crate::lookup::{Ask, Meta, Usable};
use crate::selector::Selector;
use bytes::Bytes;

/// How many variants of a key are remembered.
const REMEMBERED_MAX: usize = 8;
/// The most bytes of their texts.
const TEXTS_BYTES_MAX: usize = 4096;

/// The other variants of a key.
#[derive(Clone, Debug)]
pub struct Siblings {
    /// The names by which they differ.
    pub selector: Selector,
    /// What is stored of them, fresh or not; what was invalidated hard is not there any more.
    pub hits: Vec<Hit>,
}

/// The texts that the entry of a selector remembers, the latest first.
pub(crate) fn remembered(selector: &Entry) -> impl Iterator<Item = &str> {
    let mut rest = selector.packed_body();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        rest = after;
        std::str::from_utf8(text).ok()
    })
}

/// What the entry of a selector is to remember: `text`, and of `before` what there is room for.
pub(crate) fn remembering<'a>(text: &'a str, before: impl Iterator<Item = &'a str>) -> Bytes {
    let mut out = Vec::new();
    let others = before.filter(|other| *other != text);
    for text in std::iter::once(text).chain(others).take(REMEMBERED_MAX) {
        let Ok(length) = u16::try_from(text.len()) else {
            continue;
        };
        if out.len() + text.len() + 2 <= TEXTS_BYTES_MAX {
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.into()
}

impl Engine {
    /// What is stored of the variant of `key` that `text` names.
    fn sibling(&self, key: &Key, text: &str) -> Option<Hit> {
        let entry = key.namespace().tier().peek(variant_hash(key.hash(), text))?;
        let is_meant = entry.kind() == Kind::Value && entry.is_under(key.text(), text);
        (is_meant && self.standing(&entry, key.namespace()) != Standing::Gone).then_some(Hit(entry))
    }
}

impl Engine {
    /// A fresh variant of `key` beside the one that is asked for, of which nothing is stored: the first, in the order in which
    /// they were stored last, that `will_do`. That is asked with the names by which they differ, the text of the variant that was
    /// asked for, and the other. Counts nothing: who answers with it says so by [`Engine::answered`].
    pub fn fresh_sibling(
        &self,
        key: &Key,
        ask: &Ask<'_>,
        will_do: impl Fn(&Selector, &str, &Hit) -> bool,
    ) -> Option<Hit> {
        if self.is_off(key) {
            return None;
        }
        let found = self.find_quietly(key, ask);
        if found.entry.is_some() || found.marker.is_some() {
            return None;
        }
        let (names, own) = (found.selector?, found.variant?);
        let selector = self.selector(key)?;
        remembered(&selector).filter(|text| *text != own).find_map(|text| {
            let (entry, usable) = self.find_other(key, ask, text).take_usable()?;
            let hit = Hit(entry);
            (usable == Usable::Fresh && will_do(&names, &own, &hit)).then_some(hit)
        })
    }
}

impl Lease {
    /// The variants beside the one that is loaded, as far as they are remembered: the origin may find that one of them is what
    /// it would send (RFC 9111 §4.3.1).
    #[must_use]
    pub fn siblings(&self) -> Option<Siblings> {
        let held = self.held();
        // Found after the position was read, as what a renewal renews must be.
        let entry = held.engine.selector(&held.key)?;
        let own = held.variant.as_deref();
        let others = remembered(&entry).filter(|text| Some(*text) != own);
        Some(Siblings {
            selector: Selector::from_text(entry.variant()),
            hits: others.filter_map(|text| held.engine.sibling(&held.key, text)).collect(),
        })
    }

    /// The origin found that `hit`, another variant, is what it would send: from now on that is [`Lease::stale`].
    pub fn adopt(&mut self, hit: Hit) {
        if let Some(held) = &mut self.held {
            held.stale = Some(hit);
        }
    }

    /// What the origin said confirms `hit` too, another variant of the key (RFC 9111 §4.3.4): its body with a new head and new
    /// deadlines. Whether it is stored.
    pub fn renew_also(&self, selector: &Selector, hit: &Hit, meta: &Meta) -> bool {
        let held = self.held();
        let variant = Variant {
            selector: Some(selector.clone()),
            text: hit.variant().to_owned(),
        };
        let Some(entry) = held.engine.renewed_entry(held, meta, &variant, &hit.0) else {
            return false;
        };
        let hash = variant.hash(&held.key);
        let _shard = held.engine.flights.lock(held.key.hash());
        let tier = held.key.namespace().tier();
        let is_there = tier.peek(hash).is_some_and(|there| there.same(&hit.0));
        let is_overtaken =
            held.flight.is_overtaken() || held.engine.standing(&entry, held.key.namespace()) == Standing::Gone;
        // Somebody may have stored another since.
        is_there && !is_overtaken && held.engine.put(&held.key, hash, &entry).is_ok()
    }
}
