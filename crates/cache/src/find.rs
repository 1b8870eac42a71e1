//! Finding: what lies under a key for one asker, and whether it may have it.

use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::key::{Key, variant_hash};
use crate::ledger::{Checked, Position, Standing};
use crate::lookup::{Ask, Usable};
use crate::namespace::Namespace;
use crate::outcome::{Eviction, MissReason, PassReason, StaleWhy};
use crate::selector::Selector;
use peregrine_base::Instant;
use std::cell::RefCell;

/// What was found under a key.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Where the entry is, or would be.
    pub(crate) hash: u64,
    /// The value, unless it is gone.
    pub(crate) entry: Option<Entry>,
    /// How the asker may use it, or why not.
    pub(crate) usable: Result<Usable, MissReason>,
    /// The names by which variants differ, where anything is known of that.
    pub(crate) selector: Option<Selector>,
    /// The asker's variant under that selector; nothing while there is none. A hit leaves it out.
    pub(crate) variant: Option<String>,
    /// Why an earlier answer could not be stored.
    pub(crate) marker: Option<PassReason>,
}

impl Found {
    fn nothing(hash: u64, why: MissReason) -> Self {
        Self { hash, entry: None, usable: Err(why), selector: None, variant: None, marker: None }
    }
}

thread_local! {
    /// Where variants are rendered, so that a hit allocates nothing.
    static RENDERED: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Engine {
    /// Looks, and notes in the tier that somebody wanted it.
    #[inline]
    pub(crate) fn find(&self, key: &Key, ask: &Ask<'_>) -> Found {
        self.look(key, ask, false)
    }

    /// Looks; with `quietly` the tier notes nothing and what is gone stays for the sweeper.
    pub(crate) fn look(&self, key: &Key, ask: &Ask<'_>, quietly: bool) -> Found {
        let Some(entry) = self.fetch(key, key.hash(), quietly) else { return Found::nothing(key.hash(), MissReason::Absent) };
        match entry.kind() {
            Kind::Value if entry.is_under(key.text(), "") => self.judge(key, key.hash(), entry, ask, quietly),
            Kind::Selector if entry.key() == key.text() => self.look_for_variant(key, &entry, ask, quietly),
            Kind::Marker(why) if entry.is_under(key.text(), "") => self.judge_marker(key, key.hash(), &entry, why, ask),
            // Another key with the same hash: a miss, and soon replaced.
            _ => Found::nothing(key.hash(), MissReason::Absent),
        }
    }

    fn fetch(&self, key: &Key, hash: u64, quietly: bool) -> Option<Entry> {
        let tier = key.namespace().tier();
        if quietly { tier.peek(hash) } else { tier.get(hash) }
    }

    fn look_for_variant(&self, key: &Key, selector: &Entry, ask: &Ask<'_>, quietly: bool) -> Found {
        let names = Selector::from_text(selector.variant());
        let mut variant = RENDERED.take();
        variant.clear();
        ask.variants.variant(&names, &mut variant);
        let hash = variant_hash(key.hash(), &variant);
        let entry = self.fetch(key, hash, quietly).filter(|entry| entry.is_under(key.text(), &variant));
        let mut found = match entry.map(|entry| (entry.kind(), entry)) {
            Some((Kind::Value, entry)) => self.judge(key, hash, entry, ask, quietly),
            Some((Kind::Marker(why), entry)) => self.judge_marker(key, hash, &entry, why, ask),
            _ => Found::nothing(hash, MissReason::Variant),
        };
        if found.usable.is_err() || quietly {
            found.variant = Some(variant.clone());
        }
        found.selector = Some(names);
        RENDERED.set(variant);
        found
    }

    fn judge_marker(&self, key: &Key, hash: u64, marker: &Entry, why: PassReason, ask: &Ask<'_>) -> Found {
        let holds = ask.now < marker.fresh_until() && self.standing(marker, key.namespace()) == Standing::Valid;
        if holds {
            Found { marker: Some(why), ..Found::nothing(hash, MissReason::HitForMiss) }
        } else {
            Found::nothing(hash, MissReason::Absent)
        }
    }

    /// Whether invalidations and deadlines let this asker have `entry`.
    fn judge(&self, key: &Key, hash: u64, entry: Entry, ask: &Ask<'_>, quietly: bool) -> Found {
        let softened = match self.standing(&entry, key.namespace()) {
            Standing::Valid => false,
            Standing::Soft => true,
            Standing::Gone => {
                if !quietly && key.namespace().tier().remove(hash, &entry) {
                    key.namespace().counters().evicted(Eviction::Invalidated);
                }
                return Found::nothing(hash, MissReason::Invalidated);
            }
        };
        let usable = usable(&entry, softened, ask);
        Found { hash, entry: Some(entry), usable, selector: None, variant: None, marker: None }
    }

    /// How `entry` stands to the invalidations since its load began. Skipped when nothing was invalidated since it was last
    /// checked: two loads of counters.
    pub(crate) fn standing(&self, entry: &Entry, namespace: &Namespace) -> Standing {
        let lc = self.ledger.position().lc;
        let known = entry.checked();
        if known < lc {
            let checked =
                Checked { seed: namespace.seed(), scope: namespace.scope(), key: entry.key(), tags: entry.tags() };
            match self.ledger.standing(checked, entry.position(), known) {
                Standing::Gone => return Standing::Gone,
                standing => entry.set_checked(lc, standing == Standing::Soft),
            }
        }
        if entry.softened() { Standing::Soft } else { Standing::Valid }
    }

    /// Whether an invalidation reached something with this key and these tags whose load began at `since`.
    pub(crate) fn reached(&self, key: &Key, tags: &[String], since: Position) -> bool {
        self.reach(key, tags, since) != Standing::Valid
    }

    /// How something with this key and these tags whose load began at `since` stands.
    pub(crate) fn reach(&self, key: &Key, tags: &[String], since: Position) -> Standing {
        let namespace = key.namespace();
        let tags = tags.iter().map(String::as_str);
        let checked = Checked { seed: namespace.seed(), scope: namespace.scope(), key: key.text(), tags };
        self.ledger.standing(checked, since, since.lc)
    }

    /// The entry that says how the variants of `key` differ.
    pub(crate) fn selector(&self, key: &Key) -> Option<Entry> {
        let entry = key.namespace().tier().peek(key.hash())?;
        (entry.kind() == Kind::Selector && entry.key() == key.text()).then_some(entry)
    }
}

/// Whether deadlines and terms let the asker have `entry`, and how.
fn usable(entry: &Entry, softened: bool, ask: &Ask<'_>) -> Result<Usable, MissReason> {
    if entry.must_validate() {
        return Err(MissReason::Validation);
    }
    if ask.validate || ask.age_max.is_some_and(|max| entry.age(ask.now) > max) {
        return Err(MissReason::Asked);
    }
    let fresh_until = entry.fresh_until();
    if !softened && ask.now < fresh_until {
        let enough = ask.fresh_min.is_zero() || fresh_until.since(ask.now) >= ask.fresh_min;
        return if enough { Ok(Usable::Fresh) } else { Err(MissReason::Asked) };
    }
    let over = if softened { MissReason::Invalidated } else { MissReason::Expired };
    if entry.never_stale() || !ask.fresh_min.is_zero() {
        return Err(over);
    }
    if within(ask.now, fresh_until, entry.stale_while_revalidate()) {
        return Ok(Usable::Stale(StaleWhy::WhileRevalidate));
    }
    match ask.stale_max {
        Some(max) if ask.now.since(fresh_until) <= max => Ok(Usable::Stale(StaleWhy::Asked)),
        _ => Err(over),
    }
}

/// Whether `now` lies in a window of grace after `fresh_until`.
fn within(now: Instant, fresh_until: Instant, window: std::time::Duration) -> bool {
    !window.is_zero() && now < fresh_until.after(window)
}
