//! Finding: what lies under a key for one asker, and whether it may have it.

use crate::backplane::Sight;
use crate::config::WhenUnverified;
use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::hit::Hit;
use crate::key::{Key, part_hash, variant_hash};
use crate::ledger::{Checked, Position, Standing};
use crate::lookup::{Ask, PartAsk, Usable};
use crate::namespace::Namespace;
use crate::outcome::{Eviction, MissReason, PassReason, StaleWhy};
use crate::selector::Selector;
use std::cell::RefCell;

/// What was found under a key.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Where the ledger stood before the look. A load that renews what was found may not claim to be newer.
    pub(crate) position: Position,
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
    /// The value and how it may be used, if it may.
    #[inline]
    pub(crate) fn take_usable(&mut self) -> Option<(Entry, Usable)> {
        let usable = self.usable.ok()?;
        Some((self.entry.take()?, usable))
    }

    /// Whether the asker should first see whether other nodes know better.
    pub(crate) fn is_to_be_verified(&self, ask: &Ask<'_>) -> bool {
        !ask.verified && self.usable == Err(MissReason::Unverified)
    }

    /// Why the value may not be used.
    pub(crate) fn why(&self) -> MissReason {
        self.usable.err().unwrap_or(MissReason::Asked)
    }
}

thread_local! {
    /// Where variants are rendered, so that a hit allocates nothing.
    static RENDERED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// One look.
struct Look<'a> {
    engine: &'a Engine,
    key: &'a Key,
    ask: &'a Ask<'a>,
    /// What is known of other nodes, from before everything else.
    sight: Option<Sight<'a>>,
    position: Position,
    /// The tier notes nothing.
    quietly: bool,
    /// What is gone leaves the tier, for which it is counted once; else that is left to another look, or the sweeper.
    frees: bool,
}

impl<'a> Look<'a> {
    #[inline]
    fn new(engine: &'a Engine, key: &'a Key, ask: &'a Ask<'a>, quietly: bool) -> Self {
        Self {
            engine,
            key,
            ask,
            sight: engine.sight(key.namespace()),
            position: engine.ledger.position(),
            quietly,
            frees: !quietly,
        }
    }
}

impl Engine {
    /// Looks, and notes in the tier that somebody wanted it.
    #[inline]
    pub(crate) fn find(&self, key: &Key, ask: &Ask<'_>) -> Found {
        Look::new(self, key, ask, false).look()
    }

    /// The same for who may look again: what that one finds, and why not, is as if nobody had looked before.
    #[inline]
    pub(crate) fn find_at_once(&self, key: &Key, ask: &Ask<'_>) -> Found {
        let look = Look::new(self, key, ask, false);
        Look { frees: false, ..look }.look()
    }

    /// Looks and leaves no trace.
    pub(crate) fn find_quietly(&self, key: &Key, ask: &Ask<'_>) -> Found {
        Look::new(self, key, ask, true).look()
    }

    /// What is stored of the variant of `key` that `text` names, judged by the terms of an asker who asked for another.
    pub(crate) fn find_other(&self, key: &Key, ask: &Ask<'_>, text: &str) -> Found {
        let look = Look::new(self, key, ask, false);
        let hash = variant_hash(key.hash(), text);
        let entry = look.fetch(hash);
        match entry.filter(|entry| entry.kind() == Kind::Value && entry.is_under(key.text(), text)) {
            Some(entry) => look.judge(hash, entry),
            None => look.nothing(hash, MissReason::Variant),
        }
    }

    /// How `entry` stands to the invalidations since its load began. Skipped when nothing was invalidated since it was last
    /// checked: two loads of counters.
    pub(crate) fn standing(&self, entry: &Entry, namespace: &Namespace) -> Standing {
        let lc = self.ledger.position().lc;
        let known = entry.checked();
        if known < lc {
            let checked = Checked {
                seed: namespace.target_seed(),
                scope: namespace.scope(),
                key: entry.key(),
                tags: entry.tags(),
            };
            match self.ledger.standing(checked, entry.position(), known) {
                Standing::Gone => return Standing::Gone,
                standing => entry.set_checked(lc, standing == Standing::Soft),
            }
        }
        if entry.softened() {
            Standing::Soft
        } else {
            Standing::Valid
        }
    }

    /// Whether an invalidation reached something with this key and these tags whose load began at `since`.
    pub(crate) fn reached(&self, key: &Key, tags: &[String], since: Position) -> bool {
        // An invalidation that is only being entered does not count yet: a load that begins now has the same position, so
        // one after the other would be taken for overtaken.
        if since.lc == self.ledger.position().lc {
            return false;
        }
        let namespace = key.namespace();
        let tags = tags.iter().map(String::as_str);
        let checked = Checked {
            seed: namespace.target_seed(),
            scope: namespace.scope(),
            key: key.text(),
            tags,
        };
        self.ledger.standing(checked, since, since.lc) != Standing::Valid
    }

    /// What is held of the value at `hash`, unless an invalidation took it. The caller read its position before.
    pub(crate) fn parts_at(&self, key: &Key, variant: &str, hash: u64) -> Option<Entry> {
        let entry = key.namespace().tier().peek(part_hash(hash))?;
        let is_meant = entry.kind() == Kind::Part && entry.is_under(key.text(), variant);
        (is_meant && self.standing(&entry, key.namespace()) != Standing::Gone).then_some(entry)
    }

    /// Whether an invalidation took `hit`, which lies or lay under `key`, since it was handed out.
    #[must_use]
    pub fn is_gone(&self, key: &Key, hit: &Hit) -> bool {
        self.standing(&hit.0, key.namespace()) == Standing::Gone
    }

    /// The entry that says how the variants of `key` differ.
    pub(crate) fn selector(&self, key: &Key) -> Option<Entry> {
        let entry = key.namespace().tier().peek(key.hash())?;
        (entry.kind() == Kind::Selector && entry.key() == key.text()).then_some(entry)
    }
}

impl Look<'_> {
    fn look(self) -> Found {
        let found = self.look_for_whole();
        match self.ask.part {
            Some(part) if found.entry.is_none() => self.look_for_part(found, part),
            _ => found,
        }
    }

    /// What is held of the value, where the whole is not there and a part will do.
    fn look_for_part(&self, whole: Found, part: PartAsk<'_>) -> Found {
        let hash = part_hash(whole.hash);
        let variant = whole.variant.as_deref().unwrap_or_default();
        let stored = self
            .fetch(hash)
            .filter(|entry| entry.kind() == Kind::Part && entry.is_under(self.key.text(), variant));
        let Some(entry) = stored else { return whole };
        let judged = self.judge(hash, entry);
        let lies_in = judged
            .entry
            .as_ref()
            .is_some_and(|entry| (part.lies_in)(&Hit(entry.clone())));
        Found {
            hash: if judged.entry.is_some() { hash } else { whole.hash },
            usable: judged
                .usable
                .and_then(|usable| if lies_in { Ok(usable) } else { Err(MissReason::Part) }),
            entry: judged.entry,
            ..whole
        }
    }

    fn look_for_whole(&self) -> Found {
        let hash = self.key.hash();
        let Some(entry) = self.fetch(hash) else {
            return self.nothing(hash, MissReason::Absent);
        };
        match entry.kind() {
            Kind::Value if entry.is_under(self.key.text(), "") => self.judge(hash, entry),
            Kind::Selector if entry.key() == self.key.text() => self.look_for_variant(&entry),
            Kind::Marker(why) if entry.is_under(self.key.text(), "") => self.heed(hash, &entry, why),
            // Another key with the same hash: a miss, and soon replaced.
            _ => self.nothing(hash, MissReason::Absent),
        }
    }

    fn fetch(&self, hash: u64) -> Option<Entry> {
        let tier = self.key.namespace().tier();
        if self.quietly { tier.peek(hash) } else { tier.get(hash) }
    }

    fn nothing(&self, hash: u64, why: MissReason) -> Found {
        let position = self.position;
        Found {
            position,
            hash,
            entry: None,
            usable: Err(why),
            selector: None,
            variant: None,
            marker: None,
        }
    }

    fn look_for_variant(&self, selector: &Entry) -> Found {
        let names = Selector::from_text(selector.variant());
        let mut variant = RENDERED.take();
        variant.clear();
        self.ask.variants.variant(&names, &mut variant);
        let hash = variant_hash(self.key.hash(), &variant);
        let entry = self
            .fetch(hash)
            .filter(|entry| entry.is_under(self.key.text(), &variant));
        let mut found = match entry.map(|entry| (entry.kind(), entry)) {
            Some((Kind::Value, entry)) => self.judge(hash, entry),
            Some((Kind::Marker(why), entry)) => self.heed(hash, &entry, why),
            _ => self.nothing(hash, MissReason::Variant),
        };
        if found.usable.is_err() {
            found.variant = Some(variant.clone());
        }
        found.selector = Some(names);
        RENDERED.set(variant);
        found
    }

    /// Whether a marker still holds.
    fn heed(&self, hash: u64, marker: &Entry, why: PassReason) -> Found {
        let standing = self.engine.standing(marker, self.key.namespace());
        if self.ask.now < marker.fresh_until() && standing == Standing::Valid {
            Found {
                marker: Some(why),
                ..self.nothing(hash, MissReason::HitForMiss)
            }
        } else {
            self.nothing(hash, MissReason::Absent)
        }
    }

    /// Whether invalidations and deadlines let this asker have `entry`.
    fn judge(&self, hash: u64, entry: Entry) -> Found {
        let softened = match self.engine.standing(&entry, self.key.namespace()) {
            Standing::Valid => false,
            Standing::Soft => true,
            Standing::Gone => {
                if self.frees {
                    let tier = self.key.namespace().tier();
                    tier.remove(hash, &entry, Some(Eviction::Invalidated));
                }
                return self.nothing(hash, MissReason::Invalidated);
            }
        };
        let usable = usable(&entry, softened, self.ask).and_then(|usable| self.trusted(&entry, usable));
        Found {
            entry: Some(entry),
            usable,
            ..self.nothing(hash, MissReason::Absent)
        }
    }
}

impl Look<'_> {
    /// Whether what deadlines allow may be served as far as other nodes are concerned.
    #[inline]
    fn trusted(&self, entry: &Entry, usable: Usable) -> Result<Usable, MissReason> {
        let Some(sight) = &self.sight else { return Ok(usable) };
        // Now, and not when the asker looked at the clock: see `backplane::trust`.
        if sight.admits_entry(entry, self.engine.parts.clock.now()) {
            return Ok(usable);
        }
        let label = self.ask.verified && self.ask.strategy.unverified() == WhenUnverified::Serve;
        if label {
            Ok(Usable::Stale(StaleWhy::Unverified))
        } else {
            Err(MissReason::Unverified)
        }
    }
}

/// Whether deadlines and terms let the asker have `entry`, and how.
pub(crate) fn usable(entry: &Entry, softened: bool, ask: &Ask<'_>) -> Result<Usable, MissReason> {
    if entry.must_validate() {
        return Err(MissReason::Validation);
    }
    let unwanted = ask.validate || ask.age_max.is_some_and(|max| entry.age(ask.now) > max);
    let fresh_until = entry.fresh_until();
    if !softened && ask.now < fresh_until {
        let enough = ask.fresh_min.is_zero() || fresh_until.since(ask.now) >= ask.fresh_min;
        return if enough && !unwanted {
            Ok(Usable::Fresh)
        } else {
            Err(MissReason::Asked)
        };
    }
    // Whatever the asker says: that is why only of what is fresh (RFC 9211 §2.2).
    let over = if softened {
        MissReason::Invalidated
    } else {
        MissReason::Expired
    };
    if unwanted || entry.never_stale() || !ask.takes_stale(entry.stale_for(ask.now)) {
        return Err(over);
    }
    let window = entry.stale_while_revalidate();
    if !window.is_zero() && ask.now < entry.until(window) {
        return Ok(Usable::Stale(StaleWhy::WhileRevalidate));
    }
    match ask.stale_max {
        Some(_) => Ok(Usable::Stale(StaleWhy::Asked)),
        None => Err(over),
    }
}
