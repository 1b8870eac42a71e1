//! The sweeper frees what deadlines and invalidations have made useless, and so lets the ledger forget old targets without
//! losing what is still good: a walk brings every resident entry up to date with the ledger, and what was raised before it
//! began need not be remembered afterwards, except for loads that are older still.

use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::ledger::{Position, Standing};
use crate::memory::MemoryTier;
use crate::namespace::Namespace;
use crate::outcome::Eviction;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use peregrine_base::Instant;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the sweeper looks whether there is anything to do.
const INTERVAL: Duration = Duration::from_secs(1);
/// Useless bytes that are fewer than the share `1 / WORTH_A_WALK` of the memory wait for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const WORTH_A_WALK: u64 = 32;
/// How long patterns are looked at in every check before a walk makes them superfluous.
const PATTERN_PATIENCE: Duration = Duration::from_secs(5);

/// When the sweeper walked last, and whether it walks now.
pub(crate) struct Sweeper {
    walked: AtomicU64,
    walking: AtomicBool,
}

impl Sweeper {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            walked: AtomicU64::new(now.as_nanos()),
            walking: AtomicBool::new(false),
        }
    }
}

impl Engine {
    /// Starts the sweeper on the runtime. It ends when the engine is dropped. To be called once.
    pub fn run_sweeper(self: &Arc<Self>) {
        let engine: Weak<Self> = Arc::downgrade(self);
        let runtime = Arc::clone(&self.parts.runtime);
        let sleeping = Arc::clone(&runtime);
        runtime.spawn(Box::pin(async move {
            loop {
                sleeping.sleep(INTERVAL).await;
                let Some(engine) = engine.upgrade() else { return };
                engine.count_lingering();
                if engine.sweep_is_due() {
                    let runtime = Arc::clone(&engine.parts.runtime);
                    runtime.spawn_blocking(Box::new(move || engine.sweep()));
                }
            }
        }));
    }

    /// Counts what left memory and is still read.
    pub(crate) fn count_lingering(&self) {
        self.budget.linger(self.directory.lingering().bytes());
    }

    /// Whether a walk is worth its time.
    fn sweep_is_due(&self) -> bool {
        let now = self.parts.clock.now();
        let waited = now.since(Instant::from_nanos(self.sweeper.walked.load(Ordering::Relaxed)));
        let useless = self.wheel.due(now);
        let patterns = || self.registered().iter().any(|namespace| namespace.scope().globs() > 0);
        useless > self.budget.bounds().memory / WORTH_A_WALK
            || (useless > 0 && waited >= PATIENCE)
            || self.ledger.crowded()
            || (waited >= PATTERN_PATIENCE && patterns())
    }

    /// Walks all entries once, unless another walk is under way.
    pub(crate) fn sweep(&self) {
        if self.sweeper.walking.swap(true, Ordering::Acquire) {
            return;
        }
        let now = self.parts.clock.now();
        // Loads that are under way now bring entries that were not checked since; what concerns them is still needed.
        let position = self.ledger.position();
        let upto = self.flights.oldest().map_or(position, |oldest| oldest.min(position));
        // What a snapshot still brings is older than everything.
        let upto = if self.expects_snapshot() {
            Position::default()
        } else {
            upto
        };
        self.wheel.restart(now);
        let namespaces = self.registered();
        for tier in self.tiers() {
            self.walk(&*tier, &namespaces, now);
        }
        let patterns = namespaces.iter().any(|namespace| namespace.scope().globs() > 0);
        if patterns || self.ledger.crowded() {
            self.ledger
                .trim(upto, namespaces.iter().map(|namespace| namespace.scope()));
        }
        self.sweeper.walked.store(now.as_nanos(), Ordering::Relaxed);
        self.sweeper.walking.store(false, Ordering::Release);
    }

    fn walk(&self, tier: &dyn MemoryTier, namespaces: &[Arc<Namespace>], now: Instant) {
        tier.iterate(&mut |hash, entry| {
            let Some(namespace) = namespaces.get(usize::from(entry.namespace())) else {
                return true;
            };
            match self.useless(tier, namespace, entry, now) {
                None => self.wheel.note(entry.useless_from(), entry.weight()),
                Some(why) => {
                    tier.remove(hash, entry, Some(why));
                }
            }
            true
        });
    }

    /// Why nobody can use `entry` any more.
    fn useless(&self, tier: &dyn MemoryTier, namespace: &Namespace, entry: &Entry, now: Instant) -> Option<Eviction> {
        if now >= entry.useless_from() {
            return Some(Eviction::Expired);
        }
        // Put there by somebody who had asked for the tier before the namespace got another.
        if !std::ptr::addr_eq(Arc::as_ptr(namespace.tier()), tier) {
            return Some(Eviction::Removed);
        }
        let gone = entry.kind() != Kind::Selector && self.standing(entry, namespace) == Standing::Gone;
        gone.then_some(Eviction::Invalidated)
    }
}
