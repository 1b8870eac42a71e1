//! Namespaces: parts of the key space with their own statistics, their own part of the ledger and, where one is set, their
//! own part of the memory. A namespace is found by name once and lives as long as the engine; a reload changes what it may
//! use, never who it is, so that handles and counters survive.

use crate::backplane::wire;
use crate::key::escape_into;
use crate::ledger::Scope;
use crate::memory::MemoryTier;
use crate::statistics::Counters;
use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The most namespaces that an engine has.
pub(crate) const NAMESPACES_MAX: usize = 1024;

/// A part of the key space.
pub struct Namespace {
    id: u16,
    name: String,
    escaped: String,
    seed: u64,
    target_seed: u64,
    wire_id: u128,
    scope: Scope,
    counters: Arc<Counters>,
    shared: Arc<dyn MemoryTier>,
    /// Made when the namespace first gets a part of its own, and kept.
    own: OnceLock<Arc<dyn MemoryTier>>,
    /// The bytes of its own part; zero: it has none.
    memory_max: AtomicU64,
}

impl Namespace {
    pub(crate) fn new(id: u16, name: &str, seed: u64, counters: Arc<Counters>, shared: Arc<dyn MemoryTier>) -> Self {
        let mut escaped = String::new();
        escape_into(name, &mut escaped);
        Self {
            id,
            name: name.to_owned(),
            escaped,
            seed,
            target_seed: wire::seed_of(name),
            wire_id: wire::namespace_id(name),
            scope: Scope::default(),
            counters,
            shared,
            own: OnceLock::new(),
            memory_max: AtomicU64::new(0),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name as it stands in keys.
    pub(crate) fn escaped(&self) -> &str {
        &self.escaped
    }

    /// Its number in entries.
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// What the hashes of its keys begin with, in this process.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// What the hashes of its targets begin with, on every node.
    pub(crate) fn target_seed(&self) -> u64 {
        self.target_seed
    }

    /// What other nodes call it.
    pub(crate) fn wire_id(&self) -> u128 {
        self.wire_id
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where its entries are.
    #[inline]
    pub(crate) fn tier(&self) -> &Arc<dyn MemoryTier> {
        match self.own.get() {
            Some(own) if self.memory_max.load(Ordering::Acquire) > 0 => own,
            _ => &self.shared,
        }
    }

    /// The tier of its own, if it ever had one.
    pub(crate) fn own(&self) -> Option<&Arc<dyn MemoryTier>> {
        self.own.get()
    }

    /// The bytes of its own part of the memory, if it has one.
    pub(crate) fn memory_max(&self) -> Option<u64> {
        Some(self.memory_max.load(Ordering::Acquire)).filter(|bytes| *bytes > 0)
    }

    /// Gives it a part of its own, or takes it away; the entries are the engine's to move.
    pub(crate) fn set_memory_max(&self, bytes: Option<u64>, make: impl FnOnce(u64) -> Arc<dyn MemoryTier>) {
        if let Some(bytes) = bytes {
            self.own.get_or_init(|| make(bytes)).resize(bytes);
        }
        self.memory_max.store(bytes.unwrap_or(0), Ordering::Release);
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .field("memory_max", &self.memory_max())
            .finish_non_exhaustive()
    }
}
