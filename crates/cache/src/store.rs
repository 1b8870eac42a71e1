//! Storing: from an answer to an entry in memory, under the rules that keep an older answer from taking the place of a newer
//! one. Everything here happens under the lock of the key's place in the table of loads.

use crate::budget::Charge;
use crate::config::Tier;
use crate::engine::Engine;
use crate::entry::{BodyDraft, Draft, Encoding, Entry, Kind, PACKED_MAX};
use crate::key::{Key, part_hash, variant_hash};
use crate::lease::{Held, Variant};
use crate::ledger::Standing;
use crate::lookup::{Meta, PartMeta};
use crate::memory::Inserted;
use crate::outcome::{Eviction, NotStored, PassReason};
use crate::parts::{self, Joined};
use crate::selector::Selector;
use crate::siblings;
use crate::spans::{ByteSpan, ByteSpans, PartMap};
use crate::sync::Ordering;
use crate::table::Shard;
use crate::tenants::Note;
use bytes::Bytes;
use peregrine_base::Instant;
use std::sync::Arc;
use std::time::Duration;

/// What is left free of the largest entry for key, head and tags.
const TEXT_ALLOWANCE_BYTES: u64 = 64 << 10;
/// How long a selector is kept past the variants that need it.
const SELECTOR_MARGIN: Duration = Duration::from_secs(3600);

impl Variant {
    /// Where the variant of `key` is stored.
    pub(crate) fn hash(&self, key: &Key) -> u64 {
        if self.selector.is_some() {
            variant_hash(key.hash(), &self.text)
        } else {
            key.hash()
        }
    }
}

impl<'a> Draft<'a> {
    /// An entry of `kind` under `key` that holds nothing and is good for `fresh_for`.
    pub(crate) fn empty(kind: Kind, key: &'a Key, variant: &'a str, now: Instant, fresh_for: Duration) -> Self {
        Self {
            kind,
            namespace: key.namespace().id(),
            route: key.route(),
            key: key.text(),
            variant,
            tags: &[],
            head: &[],
            body: BodyDraft::Packed(&[]),
            encoding: Encoding::Identity,
            coded: Box::default(),
            position: crate::ledger::Position::default(),
            load_start: None,
            now,
            age: Duration::ZERO,
            fresh_for,
            overdue: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            cost: Duration::ZERO,
            must_validate: false,
            never_stale: false,
            negative: false,
            compressible: false,
            confidential: false,
        }
    }

    /// As `meta` says.
    fn with_meta(mut self, meta: &'a Meta) -> Self {
        self.tags = &meta.tags;
        self.head = &meta.head;
        self.age = meta.initial_age;
        self.fresh_for = meta.fresh_for;
        self.overdue = meta.overdue;
        self.stale_while_revalidate = meta.swr;
        self.stale_if_error = meta.sie;
        self.must_validate = meta.must_validate;
        self.never_stale = meta.never_stale;
        self.negative = meta.negative;
        self.compressible = meta.compressible;
        self
    }
}

impl Engine {
    /// The largest body that may be stored under `key`.
    pub(crate) fn object_limit(&self, key: &Key) -> u64 {
        let configured = self.limits.object_size_max.load(Ordering::Relaxed);
        let tier = key.namespace().tier().weight_max();
        let fitting = tier.saturating_sub(TEXT_ALLOWANCE_BYTES.min(tier / 16));
        configured.min(fitting).min(self.budget.bounds().in_flight_max)
    }

    /// What a body under way is charged to.
    pub(crate) fn charge(&self) -> Charge {
        Charge::new(Arc::clone(&self.budget))
    }

    /// The entry of an answer; nothing when memory is refused.
    pub(crate) fn new_entry(&self, held: &Held, meta: &Meta, variant: &Variant, body: BodyDraft<'_>) -> Option<Entry> {
        let now = self.parts.clock.now();
        let draft = Draft::empty(Kind::Value, &held.key, &variant.text, now, meta.fresh_for).with_meta(meta);
        Entry::new(Draft {
            body,
            position: held.flight.position,
            load_start: Some(held.flight.started),
            cost: held.took(),
            confidential: held.strategy.encryption(),
            ..draft
        })
    }

    /// The entry of an answer that confirmed `stale`: its body, with the encodings that were made of it, under a new head and
    /// new deadlines.
    pub(crate) fn renewed_entry(&self, held: &Held, meta: &Meta, variant: &Variant, stale: &Entry) -> Option<Entry> {
        let now = self.parts.clock.now();
        // Encodings may have been made since the lease was given.
        let there = held.key.namespace().tier().peek(variant.hash(&held.key));
        let latest = there.filter(|there| there.shares_body(stale));
        let latest = latest.as_ref().unwrap_or(stale);
        let packed = [Bytes::copy_from_slice(stale.packed_body())];
        let body = match stale.segments() {
            Some(segments) => BodyDraft::Segments(segments.into()),
            None => BodyDraft::Packed(&packed),
        };
        let draft = Draft::empty(stale.kind(), &held.key, &variant.text, now, meta.fresh_for).with_meta(meta);
        let cost = Duration::from_micros(stale.cost_us());
        let mut head = crate::hit::parts(stale).map_or(Some(Vec::new()), |parts| parts.encode())?;
        head.extend_from_slice(&meta.head);
        let renewed = Entry::new(Draft {
            head: &head,
            body,
            encoding: stale.encoding(),
            coded: latest.all_coded().into(),
            // A part has no encodings: it is a part of the one that the origin chose.
            compressible: draft.compressible && stale.kind() == Kind::Value,
            position: held.flight.position,
            load_start: Some(held.flight.started),
            cost,
            confidential: held.strategy.encryption() || stale.confidential(),
            ..draft
        })?;
        renewed.inherit(latest);
        Some(renewed)
    }

    /// Puts a part of a value into memory, together with what is held of the same version; the whole value once nothing is
    /// missing any more. What is held of another version is replaced.
    pub(crate) fn enter_part(
        &self,
        shard: &mut Shard,
        held: &Held,
        (meta, variant): (&Meta, &Variant),
        part: &PartMeta,
        body: &[Bytes],
    ) -> Result<Entry, NotStored> {
        let length: usize = body.iter().map(Bytes::len).sum();
        let span =
            ByteSpan::new(part.start, part.start.saturating_add(length as u64)).ok_or(NotStored::LengthMismatch)?;
        let new = PartMap {
            spans: ByteSpans::one(span),
            complete: part.complete,
            validator: part.validator.clone(),
        };
        let stored = self.parts_at(&held.key, &variant.text, variant.hash(&held.key));
        // What it may be joined with was perhaps confidential before the strategy changed.
        let confidential = held.strategy.encryption() || stored.as_ref().is_some_and(Entry::confidential);
        let joined = stored.and_then(|old| Joined::of(&old, &new, span, body, meta, self.object_limit(&held.key)));
        let joined = joined.unwrap_or_else(|| Joined {
            parts: new,
            chunks: parts::compact(body.iter().map(|chunk| (chunk.clone(), true))),
            tags: meta.tags.clone(),
        });
        let entry = self
            .part_entry(held, (meta, variant), joined, confidential)
            .ok_or(NotStored::NoRoom)?;
        self.enter(shard, held, variant, &entry)?;
        Ok(entry)
    }

    /// The entry of what is held of a value, or of the value where that is everything.
    fn part_entry(
        &self,
        held: &Held,
        (meta, variant): (&Meta, &Variant),
        joined: Joined,
        confidential: bool,
    ) -> Option<Entry> {
        let Joined { parts, chunks, tags } = joined;
        let is_whole = parts.are_everything();
        let mut head = if is_whole { Vec::new() } else { parts.encode()? };
        head.extend_from_slice(&meta.head);
        let packed = parts.spans.total() <= PACKED_MAX as u64;
        let now = self.parts.clock.now();
        let draft = Draft::empty(Kind::Value, &held.key, &variant.text, now, meta.fresh_for).with_meta(meta);
        Entry::new(Draft {
            kind: if is_whole { Kind::Value } else { Kind::Part },
            compressible: meta.compressible && is_whole,
            confidential,
            tags: &tags,
            head: &head,
            body: if packed {
                BodyDraft::Packed(&chunks)
            } else {
                BodyDraft::Segments(chunks.into())
            },
            position: held.flight.position,
            load_start: Some(held.flight.started),
            cost: held.took(),
            ..draft
        })
    }

    /// Puts the entry of a load into memory and takes the load out of the table, in one step for everybody else; unless
    /// something newer is there or has reached it.
    pub(crate) fn enter(
        &self,
        shard: &mut Shard,
        held: &Held,
        variant: &Variant,
        entry: &Entry,
    ) -> Result<(), NotStored> {
        if held.flight.is_overtaken() || self.standing(entry, held.key.namespace()) == Standing::Gone {
            return Err(NotStored::Overtaken);
        }
        let whole = variant.hash(&held.key);
        let hash = if entry.kind() == Kind::Part {
            part_hash(whole)
        } else {
            whole
        };
        let tier = held.key.namespace().tier();
        // What began later is newer, even if it was there first: answers overtake each other on their way (RFC 9111 §4). Parts
        // of one version come in any order.
        let now = self.parts.clock.now();
        let is_of_this_version = |there: &Entry| {
            let (there, new) = (crate::hit::parts(there), crate::hit::parts(entry));
            there.zip(new).is_some_and(|(there, new)| there.belong_together(&new))
        };
        let began_later = |there: &Entry| {
            let start = there.load_start(now).filter(|_| !is_of_this_version(there));
            start.is_some_and(|start| start > held.flight.started)
        };
        let newer = |there: Entry| {
            let is_ahead = there.position().lc > entry.position().lc;
            there.kind() == entry.kind() && (is_ahead || began_later(&there))
        };
        if tier.peek(hash).is_some_and(newer) {
            return Err(NotStored::Overtaken);
        }
        if !held.strategy.keeps_in(Tier::Memory) {
            self.flights.unlist(shard, held.key.text(), &held.flight);
            return Ok(());
        }
        self.put(&held.key, hash, entry)?;
        if entry.kind() == Kind::Value
            && let Some(parts) = tier.peek(part_hash(whole))
            && parts.kind() == Kind::Part
            && parts.is_under(held.key.text(), &variant.text)
        {
            tier.remove(part_hash(whole), &parts, Some(Eviction::Replaced));
        }
        self.flights.unlist(shard, held.key.text(), &held.flight);
        Ok(())
    }

    /// Puts an entry into its namespace's tier.
    pub(crate) fn put(&self, key: &Key, hash: u64, entry: &Entry) -> Result<(), NotStored> {
        let limited = || self.directory.tenants().limited(key.tenant());
        if limited().is_some_and(|account| !account.takes(entry.weight())) {
            return Err(NotStored::Quota);
        }
        match key.namespace().tier().insert(hash, entry.clone()) {
            Inserted::Stored => {
                self.wheel.note(entry.useless_from(), entry.weight());
                // Asked for again: now that the entry is counted there, the account is the tenant's for as long as it is in.
                if let Some(account) = &limited() {
                    let note = Note {
                        namespace: entry.namespace(),
                        hash,
                        hits: entry.hits(),
                    };
                    if account.note(note) {
                        self.tidy_notes(account);
                    }
                    self.keep_to_quota(account, hash);
                }
                Ok(())
            }
            Inserted::Refused => Err(NotStored::NoRoom),
        }
    }

    /// Notes that the answer of a load could not be stored, so that nobody waits for the next. What can still be served stays.
    pub(crate) fn mark(&self, _: &Shard, held: &Held, reason: PassReason) {
        let lifetime = held.strategy.hit_for_miss();
        if lifetime.is_zero() || reason == PassReason::OriginError || held.flight.is_overtaken() {
            return;
        }
        let variant = match (self.selector(&held.key), &held.variant) {
            (None, _) => Variant {
                selector: None,
                text: String::new(),
            },
            (Some(entry), Some(text)) => Variant {
                selector: Some(Selector::from_text(entry.variant())),
                text: text.clone(),
            },
            // The load began before anybody knew that there are variants, so it cannot say which one may not be shared.
            (Some(_), None) => return,
        };
        let hash = variant.hash(&held.key);
        let now = self.parts.clock.now();
        let kept = |there: Entry| {
            let until = if reason == PassReason::Status {
                there.until(there.stale_if_error())
            } else {
                there.fresh_until()
            };
            there.kind() == Kind::Value && now < until && self.standing(&there, held.key.namespace()) == Standing::Valid
        };
        if held.key.namespace().tier().peek(hash).is_some_and(kept) {
            return;
        }
        let draft = Draft::empty(Kind::Marker(reason), &held.key, &variant.text, now, lifetime);
        if let Some(marker) = Entry::new(Draft {
            position: held.flight.position,
            ..draft
        }) {
            // Without a marker the next asker leads again: a miss, as before.
            let _ = self.put(&held.key, hash, &marker);
        }
    }

    /// Lets those who ask for `key` know by which names its variants differ, for as long as the answer of `meta` may live, and
    /// that the one with `text` is among them.
    pub(crate) fn keep_selector(
        &self,
        key: &Key,
        (selector, text): (&Selector, &str),
        stored: Option<&Entry>,
        meta: &Meta,
        confidential: bool,
    ) {
        let now = self.parts.clock.now();
        let needed = meta
            .fresh_for
            .saturating_add(meta.swr.max(meta.sie))
            .saturating_add(SELECTOR_MARGIN);
        let stored = stored.filter(|entry| entry.variant() == selector.as_str());
        let is_lasting = |entry: &Entry| entry.fresh_until() >= now.after(needed);
        let is_known = |entry: &Entry| siblings::remembered(entry).any(|other| other == text);
        let is_sealed = |entry: &Entry| entry.confidential() || !confidential;
        if stored.is_some_and(|entry| is_lasting(entry) && is_known(entry) && is_sealed(entry)) {
            return;
        }
        let left = stored.map_or(Duration::ZERO, |entry| entry.fresh_until().since(now));
        let fresh_for = needed.saturating_mul(2).max(left);
        let texts = [siblings::remembering(
            text,
            stored.into_iter().flat_map(siblings::remembered),
        )];
        let draft = Draft::empty(Kind::Selector, key, selector.as_str(), now, fresh_for);
        if let Some(entry) = Entry::new(Draft {
            body: BodyDraft::Packed(&texts),
            // It shows the key, and of its variants the texts.
            confidential: confidential || stored.is_some_and(Entry::confidential),
            ..draft
        }) {
            let _ = self.put(key, key.hash(), &entry);
        }
    }
}
