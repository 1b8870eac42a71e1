//! The lease: the right, and the duty, to load. Whoever holds it says what came of it by one of its consuming methods; one
//! that is dropped without a word wakes the followers, of whom the first to look again leads.

use crate::config::Compression;
use crate::engine::Engine;
use crate::entry::{BodyDraft, Entry, Kind, PACKED_MAX, SEGMENT_BYTES, tags_fit};
use crate::fill::Fill;
use crate::flight::{Closed, Flight, StreamHead};
use crate::hit::Hit;
use crate::invalidation::Invalidation;
use crate::key::{Key, TEXT_MAX};
use crate::ledger::{Position, Standing};
use crate::lookup::{Meta, Terms};
use crate::outcome::{LoadFailure, MissReason, NotStored, PassReason, Refused};
use crate::redis::ClusterLease;
use crate::selector::{Selector, Variants};
use crate::strategy::Strategy;
use crate::sync::Ordering;
use crate::table::Shard;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long nobody tries again to renew an entry whose renewal failed.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// The right to load, held by the leader.
#[must_use = "a lease that is dropped wakes everybody who waits for it"]
pub struct Lease {
    pub(crate) held: Option<Held>,
}

/// What a lease and the fill that follows it hold.
pub(crate) struct Held {
    pub(crate) engine: Arc<Engine>,
    pub(crate) flight: Arc<Flight>,
    pub(crate) key: Key,
    /// The variant that the leader asked for, where it was known when it asked.
    pub(crate) variant: Option<String>,
    pub(crate) strategy: Arc<Strategy>,
    pub(crate) stale: Option<Hit>,
    /// What is held of the value, where all of it is wanted and nothing of it is stored whole.
    pub(crate) parts: Option<Hit>,
    pub(crate) why: MissReason,
    pub(crate) alone: bool,
    /// What the leader asked for.
    pub(crate) terms: Terms,
    /// The lease of all nodes, where this load has it.
    pub(crate) cluster: Option<ClusterLease>,
}

/// The variant that an answer is, and the names by which it is told from others.
pub(crate) struct Variant {
    pub(crate) selector: Option<Selector>,
    pub(crate) text: String,
}

impl Lease {
    pub(crate) fn new(held: Held) -> Self {
        Self { held: Some(held) }
    }

    pub(crate) fn held(&self) -> &Held {
        self.held.as_ref().expect("only consuming methods take it")
    }

    /// The load is over for everybody, who were told so.
    pub(crate) fn over(&mut self) {
        if let Some(held) = self.held.take() {
            held.renewal_ended();
        }
    }

    pub(crate) fn held_mut(&mut self) -> &mut Held {
        self.held.as_mut().expect("only consuming methods take it")
    }

    pub(crate) fn take(mut self) -> Held {
        self.held.take().expect("only consuming methods take it")
    }

    /// Where the ledger of invalidations stood before the load began.
    #[must_use]
    pub fn position(&self) -> Position {
        self.held().flight.position
    }

    /// What lies there, too old or not to be used without validation: for validators, and in place of a failure. What was
    /// invalidated hard is not there any more.
    #[must_use]
    pub fn stale(&self) -> Option<&Hit> {
        self.held().stale.as_ref()
    }

    /// What is held of the value, fresh or not, for one who loads all of it: the origin need only send the rest, if it is still
    /// the same version. For one who loads a part it is [`Lease::stale`].
    #[must_use]
    pub fn parts(&self) -> Option<&Hit> {
        self.held().parts.as_ref()
    }

    /// The longest body that may be stored.
    #[must_use]
    pub fn length_max(&self) -> u64 {
        let held = self.held();
        held.engine.object_limit(&held.key)
    }

    /// The key that is loaded.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.held().key
    }

    /// Why the lookup gave this lease.
    #[must_use]
    pub fn why(&self) -> MissReason {
        self.held().why
    }

    /// Whether nobody waits for this load, because an earlier answer could not be stored or the leader wanted it so. It may
    /// be stored all the same, and then ends the loading alone.
    #[must_use]
    pub fn alone(&self) -> bool {
        self.held().alone
    }

    /// The head of the answer is known and it may be stored: those who wait for it begin to read. `variants` renders the
    /// leader's own request.
    ///
    /// # Errors
    /// The engine cannot store it: it is too large or has too many tags or variants. The followers were released.
    pub fn fill(self, meta: Meta, variants: &dyn Variants) -> Result<Fill, Refused> {
        let mut held = self.take();
        let limit = held.engine.object_limit(&held.key);
        if meta.length.is_some_and(|length| length > limit) {
            held.pass(PassReason::TooLarge);
            return Err(Refused {
                reason: PassReason::TooLarge,
            });
        }
        if meta.length.is_some_and(|length| held.is_too_long_for_redis(length)) {
            // Nobody on another node is to wait for it.
            held.cluster = None;
        }
        let (held, meta, variant) = held.settle(meta, variants)?;
        if meta.part.is_none() {
            held.bring_the_whole();
        }
        let head = StreamHead {
            head: meta.head.clone(),
            tags: meta.tags.clone(),
            length: meta.length,
            selector: variant.selector.clone(),
            variant: variant.text.clone(),
            part: meta.part.clone(),
            arrived: held.engine.parts.clock.now(),
            initial_age: meta.initial_age,
            fresh_for: meta.fresh_for,
            overdue: meta.overdue,
            stale_while_revalidate: meta.swr,
            must_validate: meta.must_validate,
        };
        held.flight.open(head, held.engine.charge());
        Ok(Fill::new(held, meta, variant, limit))
    }

    /// The whole answer is there. The hit is good for those who wait, and for the caller even where it could not be kept.
    ///
    /// # Errors
    /// It has too many tags or variants, or memory was refused. The followers were released.
    pub fn store(self, meta: Meta, body: &Bytes, variants: &dyn Variants) -> Result<Hit, Refused> {
        self.take().conclude(meta, variants, |held, meta, variant| {
            let chunks = [body.clone()];
            let body = if body.len() <= PACKED_MAX {
                BodyDraft::Packed(&chunks)
            } else {
                BodyDraft::Segments(segments(body))
            };
            held.engine.new_entry(held, meta, variant, body)
        })
    }

    /// The origin says that what lies there is still right (304, RFC 9111 §4.3.4): the body of [`Lease::stale`] with a new
    /// head and new deadlines. The hit is good for those who wait, and for the caller even where it could not be kept.
    ///
    /// # Errors
    /// Nothing lies there, or as [`Lease::store`].
    pub fn renew(self, meta: Meta, variants: &dyn Variants) -> Result<Hit, Refused> {
        let held = self.take();
        let Some(stale) = held.stale.clone() else {
            held.pass(PassReason::Other);
            return Err(Refused {
                reason: PassReason::Other,
            });
        };
        held.conclude(meta, variants, |held, meta, variant| {
            held.engine.renewed_entry(held, meta, variant, &stale.0)
        })
    }

    /// The answer may not be stored or shared. The followers are released at once, and for the strategy's `hit_for_miss` the
    /// next askers do not wait for each other.
    pub fn pass(self, reason: PassReason) {
        self.take().pass(reason);
    }

    /// The answer is for the leader only, and says nothing about the next. The followers are released at once; no marker.
    pub fn release(self, reason: PassReason) {
        self.take().close(Closed::Passed(reason), None);
    }

    /// What lies there was found outdated without anything to take its place: from now on it is stale (RFC 9111 §4.3.5). Where
    /// other nodes may have it too, all of its variants are; they are told once.
    pub fn outdate(self) {
        let held = self.take();
        let namespace = held.key.namespace();
        let is_good = |Hit(stale): &Hit| held.engine.standing(stale, namespace) == Standing::Valid;
        if held.engine.redis_tier(&held.strategy).is_some() && held.stale.as_ref().is_some_and(is_good) {
            held.engine.invalidate_uncounted(&Invalidation {
                keys: vec![held.key.text().to_owned()],
                scope: Some(vec![held.key.namespace().name().to_owned()]),
                tenant: Some(held.key.tenant().to_owned()).filter(|tenant| !tenant.is_empty()),
                soft: true,
                ..Invalidation::default()
            });
        }
        if let Some(Hit(stale)) = &held.stale {
            stale.soften();
            // An encoding of it may have been made since, which is another entry.
            let place = held.engine.place(&held.key, stale);
            let there = held.key.namespace().tier().peek(place);
            if let Some(there) = there.filter(|there| there.shares_body(stale)) {
                there.soften();
            }
        }
        held.close(Closed::Again, None);
    }

    /// There is no answer. The followers get the same failure.
    pub fn fail(self, failure: LoadFailure) {
        let held = self.take();
        held.key.namespace().counters().load_failures.increment();
        held.close(Closed::Failed(failure), None);
    }
}

/// `body` copied into segments.
pub(crate) fn segments(body: &Bytes) -> Box<[Bytes]> {
    body.chunks(SEGMENT_BYTES).map(Bytes::copy_from_slice).collect()
}

impl Drop for Held {
    /// Whatever became of the one who loads, nobody waits for it in vain.
    fn drop(&mut self) {
        if !self.flight.is_over() {
            self.close(Closed::Again, None);
        }
    }
}

impl Held {
    /// What is to be settled before an answer can be stored: its tags fit, its lifetime, its variant.
    pub(crate) fn settle(self, mut meta: Meta, variants: &dyn Variants) -> Result<(Self, Meta, Variant), Refused> {
        let refuse = |held: Self, reason| {
            held.pass(reason);
            Err(Refused { reason })
        };
        if !tags_fit(&meta.tags) {
            return refuse(self, PassReason::TooManyTags);
        }
        if meta.jitter {
            meta.fresh_for = self.strategy.jittered(meta.fresh_for, &*self.engine.parts.random);
        }
        let mut shard = self.engine.flights.lock(self.key.hash());
        let variant = self.settle_variant(&mut shard, &meta, variants);
        drop(shard);
        match variant {
            Some(variant) => Ok((self, meta, variant)),
            None => refuse(self, PassReason::VaryLimit),
        }
    }

    /// The whole answer is there: puts the entry that `make` makes of it into memory and gives it to those who wait.
    fn conclude(
        self,
        meta: Meta,
        variants: &dyn Variants,
        make: impl FnOnce(&Self, &Meta, &Variant) -> Option<Entry>,
    ) -> Result<Hit, Refused> {
        let (mut held, meta, variant) = self.settle(meta, variants)?;
        let Some(entry) = make(&held, &meta, &variant) else {
            held.close(Closed::Again, Some(NotStored::NoRoom));
            return Err(Refused {
                reason: PassReason::Other,
            });
        };
        let hit = Hit(entry);
        let outcome = if hit.length() > held.engine.object_limit(&held.key) {
            Err(NotStored::TooLarge)
        } else {
            let mut shard = held.engine.flights.lock(held.key.hash());
            held.engine.enter(&mut shard, &held, &variant, &hit.0)
        };
        if outcome.is_err() {
            held.unlist();
        }
        held.count(outcome);
        held.flight.close(Closed::Serve(hit.clone(), variant.selector.clone()));
        if outcome.is_ok() && hit.0.kind() == Kind::Value {
            held.written(&variant, &hit);
        }
        Ok(hit)
    }

    /// What becomes of a value in the background once it is in memory.
    pub(crate) fn written(&mut self, variant: &Variant, hit: &Hit) {
        let engine = Arc::clone(&self.engine);
        engine.compress_later(self, variant, hit);
        engine.write_through(self, variant, hit);
    }

    /// Finds out which variant the answer is, by the names of all answers seen so far and its own, and lets those who ask
    /// from now on know of them. Nothing when there are too many names.
    pub(crate) fn settle_variant(&self, shard: &mut Shard, meta: &Meta, variants: &dyn Variants) -> Option<Variant> {
        let stored = self.engine.selector(&self.key);
        let known = stored.as_ref().map(|entry| Selector::from_text(entry.variant()));
        let listed = shard.slot(self.key.text()).and_then(|slot| slot.selector.clone());
        let mut selector: Option<Selector> = None;
        for names in [known.clone(), listed, meta.selector.clone()].into_iter().flatten() {
            selector = Some(selector.map_or(names.clone(), |so_far| so_far.union(&names)));
        }
        if selector.as_ref().is_some_and(|selector| !selector.fits()) {
            return None;
        }
        let mut text = String::new();
        if let Some(selector) = &selector {
            variants.variant(selector, &mut text);
            if text.len() > TEXT_MAX {
                return None;
            }
            self.engine.keep_selector(
                &self.key,
                (selector, &text),
                stored.as_ref(),
                meta,
                self.strategy.encryption(),
            );
        }
        if let Some(slot) = shard.slot(self.key.text()) {
            slot.selector.clone_from(&selector);
            if let Some(listed) = slot.find(&self.flight) {
                listed.variant = selector.is_some().then(|| text.clone());
            }
        }
        Some(Variant { selector, text })
    }

    /// Whether a body of `length` bytes is not written to Redis, as far as that can be said before it is compressed.
    fn is_too_long_for_redis(&self, length: u64) -> bool {
        let limit = self.engine.limits.redis_object_size_max.load(Ordering::Relaxed);
        length > limit && self.strategy.compression() == Compression::Off
    }

    /// A part was asked for and the whole comes: from now on everybody may wait for it.
    fn bring_the_whole(&self) {
        let mut shard = self.engine.flights.lock(self.key.hash());
        let slot = shard.slot(self.key.text());
        if let Some(listed) = slot.and_then(|slot| slot.find(&self.flight)) {
            listed.part = None;
        }
    }

    /// The answer may not be shared.
    pub(crate) fn pass(self, reason: PassReason) {
        self.key.namespace().counters().passed(reason);
        let mut shard = self.engine.flights.lock(self.key.hash());
        self.engine.mark(&shard, &self, reason);
        self.engine.flights.unlist(&mut shard, self.key.text(), &self.flight);
        drop(shard);
        self.count_load();
        self.renewal_ended();
        self.flight.close(Closed::Passed(reason));
    }

    /// The load is over and nothing of it is stored.
    pub(crate) fn close(&self, closed: Closed, why: Option<NotStored>) {
        self.unlist();
        self.renewal_ended();
        if let Some(why) = why {
            self.key.namespace().counters().not_stored(why);
        }
        self.count_load();
        self.flight.close(closed);
    }

    /// Takes the load out of the table: nobody joins from now on.
    pub(crate) fn unlist(&self) {
        let mut shard = self.engine.flights.lock(self.key.hash());
        self.engine.flights.unlist(&mut shard, self.key.text(), &self.flight);
    }

    /// Counts a load that brought a body, stored or not.
    pub(crate) fn count(&self, outcome: Result<(), NotStored>) {
        let counters = self.key.namespace().counters();
        match outcome {
            Ok(()) => counters.stored.increment(),
            Err(why) => {
                counters.not_stored(why);
                self.renewal_ended();
            }
        }
        self.count_load();
    }

    fn count_load(&self) {
        self.key.namespace().counters().loaded(self.took());
    }

    /// How long the load has taken.
    pub(crate) fn took(&self) -> Duration {
        self.engine.parts.clock.now().since(self.flight.started)
    }

    /// What was to be renewed was not: after a pause somebody may try again.
    fn renewal_ended(&self) {
        if let Some(stale) = &self.stale {
            stale.0.renewal_failed(self.engine.parts.clock.now(), RENEWAL_PAUSE);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.held.as_ref().map(|held| held.key.text());
        f.debug_struct("Lease").field("key", &key).finish_non_exhaustive()
    }
}
