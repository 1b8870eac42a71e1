//! Making an engine, and changing what it is configured by while it runs.

use crate::budget::{Bounds, Budget};
use crate::config::{CacheConfig, DEFAULT_NAME, Settings, SettingsError, StrategyConfig};
use crate::encoder::Encoder;
use crate::engine::{Engine, Limits, Mirrors, Parts, Registered};
use crate::entry::Entry;
use crate::key::Key;
use crate::keys::Keys;
use crate::ledger::{Ledger, Standing};
use crate::memory::{ClockPro, MemoryTier};
use crate::namespace::{NAMESPACES_MAX, Namespace};
use crate::outcome::Eviction;
use crate::strategy::Strategy;
use crate::sweeper::Sweeper;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, RwLock};
use crate::table::Flights;
use crate::turnover::{Directory, Invalidations};
use crate::wheel::Wheel;
use peregrine_base::parameter::Complaint;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Settings whose strategies and namespaces hold, and whose bounds do not yet: see [`Engine::define`].
#[derive(Debug)]
#[must_use = "its bounds do not hold yet"]
pub struct Defined(Settings);

impl Engine {
    /// An engine with `settings`. Where they name no strategy or namespace `default`, there is one with default values.
    ///
    /// # Errors
    /// Every rule between fields that is broken.
    pub fn new(parts: Parts, settings: Settings) -> Result<Arc<Self>, SettingsError> {
        let settings = checked(settings)?;
        let bounds = bounds(&settings);
        let directory = Directory::new();
        let shared = tier(Budget::capacity(bounds), &settings.cache, &directory);
        let engine = Self {
            seed: parts.random.next_u64(),
            limits: Limits {
                enabled: AtomicBool::new(true),
                object_size_max: AtomicU64::new(0),
                loads_max: AtomicUsize::new(0),
                redis_object_size_max: AtomicU64::new(0),
                reader_stall_max_ms: AtomicU64::new(0),
            },
            strategies: RwLock::new(BTreeMap::new()),
            namespaces: RwLock::new(Vec::new()),
            directory,
            budget: Arc::new(Budget::new(Arc::clone(&shared), bounds)),
            shared,
            ledger: Ledger::new(parts.random.next_u64()),
            membership: OnceLock::new(),
            flights: Flights::new(),
            wheel: Wheel::new(parts.clock.now()),
            sweeper: Sweeper::new(parts.clock.now()),
            encoder: Encoder::new(cores()),
            receipts: AtomicU64::new(0),
            expecting: AtomicUsize::new(0),
            mirrors: RwLock::new(Mirrors::default()),
            invalidations: Invalidations::default(),
            keys: Arc::new(Keys::new(Arc::clone(&parts.clock))),
            seals_all: AtomicBool::new(false),
            redis: std::sync::OnceLock::new(),
            parts,
        };
        engine.set_names(&settings);
        engine.set_bounds(&settings);
        Ok(Arc::new(engine))
    }

    /// Applies `settings` while the engine runs. Entries stay as far as there is room for them; namespaces keep their
    /// identity by name, so that handles stay good; strategies are new, so handles to them are to be asked for again.
    ///
    /// # Errors
    /// Every rule between fields that is broken; then nothing was changed.
    pub fn reconfigure(&self, settings: Settings) -> Result<(), SettingsError> {
        let defined = self.define(settings)?;
        self.settle(&defined);
        Ok(())
    }

    /// The first half of [`Engine::reconfigure`], for those who may still go back: strategies and namespaces are those of
    /// `settings`, and no entry goes. To go back is to define what was there before.
    ///
    /// # Errors
    /// Every rule between fields that is broken; then nothing was changed.
    pub fn define(&self, settings: Settings) -> Result<Defined, SettingsError> {
        let settings = checked(settings)?;
        self.check_names(&settings)?;
        self.set_names(&settings);
        Ok(Defined(settings))
    }

    /// The second half: bounds and quotas. What has no room any more goes.
    pub fn settle(&self, defined: &Defined) {
        self.set_bounds(&defined.0);
    }

    /// The strategy `name`, if it is configured.
    #[must_use]
    pub fn strategy(&self, name: &str) -> Option<Arc<Strategy>> {
        self.strategies.read().get(name).cloned()
    }

    /// The namespace `name`, if it is configured. The handle stays good for as long as the engine lives.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        let namespaces = self.namespaces.read();
        let found = namespaces
            .iter()
            .find(|one| one.configured && one.namespace.name() == name)?;
        Some(Arc::clone(&found.namespace))
    }

    /// The namespaces that are configured.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Arc<Namespace>> {
        let namespaces = self.namespaces.read();
        namespaces
            .iter()
            .filter(|one| one.configured)
            .map(|one| Arc::clone(&one.namespace))
            .collect()
    }

    /// All namespaces that ever were, for those who must not miss any.
    pub(crate) fn registered(&self) -> Vec<Arc<Namespace>> {
        self.namespaces
            .read()
            .iter()
            .map(|one| Arc::clone(&one.namespace))
            .collect()
    }

    /// The tiers that hold what there is: the shared one, and those of namespaces with a part of their own.
    pub(crate) fn tiers(&self) -> Vec<Arc<dyn MemoryTier>> {
        let namespaces = self.registered();
        let own = namespaces.iter().filter_map(|namespace| namespace.own());
        std::iter::once(&self.shared).chain(own).map(Arc::clone).collect()
    }

    /// The strategy of callers who name none.
    pub(crate) fn default_strategy(&self) -> Arc<Strategy> {
        self.strategy(DEFAULT_NAME)
            .expect("settings without a default strategy are given one")
    }

    /// Makes the strategies and namespaces of `settings`.
    fn set_names(&self, settings: &Settings) {
        self.note_encryption(settings);
        let named = |(name, config): (&String, &StrategyConfig)| {
            let config = StrategyConfig {
                tiers: Some(config.tiers(settings.redis)),
                ..config.clone()
            };
            (name.clone(), Arc::new(Strategy::new(name.clone(), config)))
        };
        *self.strategies.write() = settings.strategies.iter().map(named).collect();
        self.register(settings);
    }

    /// Applies the bounds of `settings`: from here on entries may go.
    fn set_bounds(&self, settings: &Settings) {
        self.limits.enabled.store(settings.cache.enabled, Ordering::Relaxed);
        self.limits
            .object_size_max
            .store(settings.cache.object_size_max.as_u64(), Ordering::Relaxed);
        self.limits
            .redis_object_size_max
            .store(settings.cache.redis_object_size_max.as_u64(), Ordering::Relaxed);
        self.limits.loads_max.store(
            usize::try_from(settings.cache.loads_max).unwrap_or(usize::MAX),
            Ordering::Relaxed,
        );
        let stall = u64::try_from(settings.cache.reader_stall_max.get().as_millis()).unwrap_or(u64::MAX);
        self.limits.reader_stall_max_ms.store(stall, Ordering::Relaxed);
        self.divide(settings);
        let tenants = self.directory.tenants();
        if tenants.configure(settings.quotas, &settings.tenants) {
            self.apply_quotas();
        }
    }

    /// Where a strategy is encrypted that was not, entries are there that do not say so.
    fn note_encryption(&self, settings: &Settings) {
        let before = self.strategies.read();
        let turned_on = |(name, config): (&String, &StrategyConfig)| {
            config.encryption && before.get(name).is_some_and(|strategy| !strategy.encryption())
        };
        if settings.strategies.iter().any(turned_on) {
            self.seals_all.store(true, Ordering::Relaxed);
        }
    }

    /// Whether any strategy is encrypted.
    pub(crate) fn encrypts(&self) -> bool {
        self.strategies.read().values().any(|strategy| strategy.encryption())
    }

    /// What seals what leaves memory.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Namespaces that are configured no more keep their numbers, and there are only so many.
    fn check_names(&self, settings: &Settings) -> Result<(), SettingsError> {
        let namespaces = self.namespaces.read();
        let is_known = |name: &&String| namespaces.iter().any(|one| one.namespace.name() == *name);
        let new = settings.namespaces.keys().filter(|name| !is_known(name)).count();
        let total = namespaces.len() + new;
        if total <= NAMESPACES_MAX {
            return Ok(());
        }
        let problem = format!("comes to {total} names with those that were configured since the start");
        let help = format!("at most {NAMESPACES_MAX} are told apart; restart the program to have it forget the others");
        Err(SettingsError(vec![Complaint::new("namespace", problem, help)]))
    }

    /// Makes the namespaces that are new.
    fn register(&self, settings: &Settings) {
        let mut namespaces = self.namespaces.write();
        for registered in namespaces.iter_mut() {
            registered.configured = settings.namespaces.contains_key(registered.namespace.name());
        }
        for name in settings.namespaces.keys() {
            if namespaces.iter().any(|one| one.namespace.name() == name) {
                continue;
            }
            let id = u16::try_from(namespaces.len()).unwrap_or(u16::MAX);
            let Some(counters) = self.directory.counters(id) else {
                continue;
            };
            let seed = self.seed ^ (namespaces.len() as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let namespace = Namespace::new(id, name, seed, Arc::clone(counters), Arc::clone(&self.shared));
            namespaces.push(Registered {
                namespace: Arc::new(namespace),
                configured: true,
            });
        }
    }

    /// Divides the memory: whoever gets less goes first, so that the sum is never above the bound.
    fn divide(&self, settings: &Settings) {
        let wanted = |namespace: &Namespace| {
            settings
                .namespaces
                .get(namespace.name())
                .and_then(|config| config.memory_max)
                .map(peregrine_base::ByteSize::as_u64)
        };
        let namespaces = self.registered();
        for namespace in &namespaces {
            let (now, then) = (namespace.memory_max().unwrap_or(0), wanted(namespace));
            if then.unwrap_or(0) < now {
                self.resize(namespace, then, &settings.cache);
            }
        }
        self.budget.configure(bounds(settings));
        for namespace in &namespaces {
            let then = wanted(namespace);
            if then != namespace.memory_max() {
                self.resize(namespace, then, &settings.cache);
            }
        }
    }

    /// Gives a namespace its part, and moves its entries where that is another tier.
    fn resize(&self, namespace: &Arc<Namespace>, bytes: Option<u64>, cache: &CacheConfig) {
        let before = Arc::clone(namespace.tier());
        // What is deleted by name while it still lies in the tier of before is found by its target.
        self.expecting.fetch_add(1, Ordering::SeqCst);
        namespace.set_memory_max(bytes, |bytes| tier(bytes, cache, &self.directory));
        let after = namespace.tier();
        if !Arc::ptr_eq(&before, after) {
            self.move_entries(namespace, &*before, &**after);
        }
        self.expecting.fetch_sub(1, Ordering::SeqCst);
        if let (None, Some(own)) = (bytes, namespace.own()) {
            own.resize(0);
        }
    }

    fn move_entries(&self, namespace: &Arc<Namespace>, from: &dyn MemoryTier, to: &dyn MemoryTier) {
        from.iterate(&mut |hash, entry: &Entry| {
            if entry.namespace() == namespace.id() {
                // Nobody writes or deletes it between the steps.
                let Some(key) = Key::from_text(namespace, entry.key()) else {
                    return true;
                };
                let _place = self.flights.lock(key.hash());
                let is_gone = || self.standing(entry, namespace) == Standing::Gone;
                let why = match to.peek(hash) {
                    Some(_) => Some(Eviction::Replaced),
                    None => is_gone().then_some(Eviction::Invalidated),
                };
                if from.remove(hash, entry, why) && why.is_none() {
                    // One that is refused is counted there.
                    let _ = to.insert(hash, entry.clone());
                }
            }
            true
        });
    }
}

/// `settings` with what must exist, if they keep the rules.
fn checked(mut settings: Settings) -> Result<Settings, SettingsError> {
    settings.strategies.entry(DEFAULT_NAME.to_owned()).or_default();
    settings.namespaces.entry(DEFAULT_NAME.to_owned()).or_default();
    settings.check().map_err(SettingsError)?;
    if settings.namespaces.len() > NAMESPACES_MAX {
        let problem = format!("has {} members", settings.namespaces.len());
        let help = format!("use at most {NAMESPACES_MAX} namespaces, and tenants or tags for what is finer");
        return Err(SettingsError(vec![Complaint::new("namespace", problem, help)]));
    }
    Ok(settings)
}

fn bounds(settings: &Settings) -> Bounds {
    let parts = settings
        .namespaces
        .values()
        .filter_map(|namespace| namespace.memory_max);
    Bounds {
        memory: settings.cache.memory.as_u64(),
        parts: parts.map(peregrine_base::ByteSize::as_u64).sum(),
        in_flight_max: settings.cache.in_flight_bound(),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn tier(bytes: u64, cache: &CacheConfig, directory: &Directory) -> Arc<dyn MemoryTier> {
    // Only one policy so far; the next one is chosen here by `cache.eviction`.
    let crate::config::EvictionPolicy::ClockPro = cache.eviction;
    Arc::new(ClockPro::new(
        bytes,
        cache.object_size_max.as_u64(),
        cores() * 4,
        directory.clone(),
    ))
}
