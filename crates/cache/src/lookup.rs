//! The question and the answers: what an asker says, what a lookup says, and what a load says about its answer.

use crate::follower::Follower;
use crate::hit::Hit;
use crate::lease::Lease;
use crate::outcome::{Bypass, MissReason, PassReason, StaleWhy};
use crate::selector::{Selector, Variants};
use crate::strategy::Strategy;
use bytes::Bytes;
use peregrine_base::Instant;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The terms of one lookup.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The time, read after the request was.
    pub now: Instant,
    /// The strategy by which a load would be stored.
    pub strategy: &'a Arc<Strategy>,
    /// The greatest age that will do (`max-age` of a request, RFC 9111 §5.2.1.1).
    pub age_max: Option<Duration>,
    /// How much longer the entry must be fresh (`min-fresh`, RFC 9111 §5.2.1.3).
    pub fresh_min: Duration,
    /// How stale an entry may be (`max-stale`, RFC 9111 §5.2.1.2); nothing: not at all, [`Duration::MAX`]: no matter how.
    pub stale_max: Option<Duration>,
    /// Whether what is stored may not be used before the origin has confirmed it (`no-cache`, RFC 9111 §5.2.1.4).
    pub validate: bool,
    /// Renders the variant that is wanted.
    pub variants: &'a dyn Variants,
    /// Whether the asker would load. Otherwise it neither leads nor follows.
    pub lead: bool,
    /// The part of the value that will do, where not all of it is asked for.
    pub part: Option<PartAsk<'a>>,
    /// When the asker first asked, where this is not the first time. A load that began later is always good enough.
    pub arrived: Instant,
    /// Whether [`Engine::verify`](crate::Engine::verify) was waited for since. Then nobody is sent there again: what cannot be verified is loaded, or
    /// served with a label, as the strategy says.
    pub verified: bool,
}

/// A question for a part of a value. The whole will do as well, stored or on its way.
#[derive(Clone, Copy)]
pub struct PartAsk<'a> {
    /// The part as the asker writes it. Who asks for the same part of something that is not there shares a load.
    pub text: &'a str,
    /// Whether what is held of the value has the part.
    pub lies_in: &'a (dyn Fn(&Hit) -> bool + Sync),
}

impl<'a> Ask<'a> {
    /// Terms without any condition.
    #[must_use]
    pub fn plain(now: Instant, strategy: &'a Arc<Strategy>) -> Self {
        Self {
            now,
            strategy,
            age_max: None,
            fresh_min: Duration::ZERO,
            stale_max: None,
            validate: false,
            variants: &crate::selector::NoVariants,
            lead: true,
            part: None,
            arrived: now,
            verified: false,
        }
    }
}

/// What an asker said about age and staleness, for what comes while it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) arrived: Instant,
    pub(crate) validate: bool,
    /// Whether a part is asked for.
    pub(crate) is_part: bool,
    age_max: Option<Duration>,
    fresh_min: Duration,
    stale_max: Option<Duration>,
}

impl Terms {
    /// The same as terms of a lookup at `now`.
    pub(crate) fn ask(self, now: Instant, strategy: &Arc<Strategy>) -> Ask<'_> {
        Ask {
            age_max: self.age_max,
            fresh_min: self.fresh_min,
            stale_max: self.stale_max,
            validate: self.validate,
            lead: false,
            ..Ask::plain(now, strategy)
        }
    }
}

impl Ask<'_> {
    /// Whether the asker's own terms leave `hit` to it, were it served before the origin has answered.
    #[must_use]
    pub fn takes(&self, hit: &Hit) -> bool {
        let (entry, fresh_until) = (&hit.0, hit.0.fresh_until());
        let is_fresh = !entry.softened() && self.now < fresh_until && fresh_until.since(self.now) >= self.fresh_min;
        !self.validate
            && self.age_max.is_none_or(|max| entry.age(self.now) <= max)
            && (is_fresh || self.takes_stale(entry.stale_for(self.now)))
    }

    /// Whether the asker takes what has been stale for `over`. Who bounds the age and says nothing of staleness wants none
    /// (RFC 9111 §5.2.1.1), nor does who wants freshness left (§5.2.1.3); who bounds staleness takes no more (§5.2.1.2).
    #[inline]
    pub(crate) fn takes_stale(&self, over: Duration) -> bool {
        self.fresh_min.is_zero() && self.stale_max.map_or(self.age_max.is_none(), |max| over <= max)
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            arrived: self.arrived,
            validate: self.validate,
            is_part: self.part.is_some(),
            age_max: self.age_max,
            fresh_min: self.fresh_min,
            stale_max: self.stale_max,
        }
    }
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("now", &self.now)
            .field("strategy", &self.strategy.name())
            .field("validate", &self.validate)
            .field("lead", &self.lead)
            .finish_non_exhaustive()
    }
}

/// What the cache says to an asker.
#[derive(Debug)]
pub enum Lookup {
    /// Here it is.
    Fresh {
        /// The value.
        hit: Hit,
        /// Its time is nearly over: the asker should renew it in the background.
        refresh: Option<Lease>,
    },
    /// Here it is; it is stale and may be served all the same.
    Stale {
        /// The value.
        hit: Hit,
        /// Why it may be served.
        why: StaleWhy,
        /// Nobody renews it yet: the asker should, in the background.
        refresh: Option<Lease>,
    },
    /// It is the asker's turn to load. Where [`Lease::alone`] says so, nobody waits for it.
    Lead(Lease),
    /// Somebody loads it already.
    Follow(Follower),
    /// The asker should load for itself alone, and store nothing.
    Bypass(Bypass),
    /// Something is there, but other nodes may have invalidated it without this one having heard of it: the asker should wait
    /// for [`Engine::verify`](crate::Engine::verify) and look up again with [`Ask::verified`]. Without a backplane it does not occur.
    Unverified,
}

/// What lies under a key, and what a lookup on the same terms would make of it.
#[derive(Clone, Debug)]
pub struct Peek {
    /// The value of the asker's variant, gone or not.
    pub hit: Option<Hit>,
    /// What is held of the value, where it is not there whole; gone parts never.
    pub parts: Option<Hit>,
    /// How it may be used, or why not.
    pub usable: Result<Usable, MissReason>,
    /// The names by which the variants under the key differ.
    pub selector: Option<Selector>,
    /// Why an earlier answer could not be stored.
    pub marker: Option<PassReason>,
    /// Whether a load is under way.
    pub loading: bool,
}

/// How a value may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usable {
    /// As it is.
    Fresh,
    /// Though it is stale.
    Stale(StaleWhy),
}

/// What is known of an answer when its head is, and by which it is stored.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// The head, in whatever form the caller reads it back.
    pub head: Bytes,
    /// Its tags, each at most 255 bytes.
    pub tags: Vec<String>,
    /// How old it was when it arrived.
    pub initial_age: Duration,
    /// How long it is fresh from now on; the age is already taken off.
    pub fresh_for: Duration,
    /// For how long it had not been fresh any more when it arrived; then it is fresh for no time, and what may follow counts
    /// from its arrival.
    pub overdue: Duration,
    /// How long past that it may be served while it is renewed.
    pub swr: Duration,
    /// How long past that it may be served in place of a failure.
    pub sie: Duration,
    /// The length of the body in bytes, where it is announced.
    pub length: Option<u64>,
    /// Whether its type promises a gain from compression.
    pub compressible: bool,
    /// The names by which it differs from other variants (`Vary`).
    pub selector: Option<Selector>,
    /// Whether it must be validated before every use (stored `no-cache`, RFC 9111 §5.2.2.4).
    pub must_validate: bool,
    /// Whether it may never be served stale, whatever an asker accepts (`must-revalidate`, RFC 9111 §5.2.2.2).
    pub never_stale: bool,
    /// Whether it says that something is not there.
    pub negative: bool,
    /// Whether `fresh_for` came from the strategy, so that the strategy's jitter applies.
    pub jitter: bool,
    /// Which part of the value the body is, where it is not all of it; `length` is then that of the part.
    pub part: Option<PartMeta>,
}

impl Meta {
    /// Counts the time since the head arrived: age, lifetime and what may follow it run from then (RFC 9111 §4.2.3).
    pub fn grow_older(&mut self, took: Duration) {
        let overdue = took.saturating_sub(self.fresh_for);
        self.initial_age = self.initial_age.saturating_add(took);
        self.fresh_for = self.fresh_for.saturating_sub(took);
        self.overdue = self.overdue.saturating_add(overdue);
        self.swr = self.swr.saturating_sub(overdue);
        self.sie = self.sie.saturating_sub(overdue);
    }
}

/// Which part of a value a body is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartMeta {
    /// The position of its first byte.
    pub start: u64,
    /// The length of the whole value.
    pub complete: u64,
    /// What tells this version of the value from every other, byte by byte. A part without one is put together with nothing.
    pub validator: Option<Vec<u8>>,
}
