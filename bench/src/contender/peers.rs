//! The peers: the caches for Rust programs that are used most, and a map, which is no cache but shows what memory alone costs.

use super::{Contender, Contents, LIFETIME, Name};
use bytes::Bytes;
use foyer::{Cache as FoyerCache, CacheBuilder, EvictionConfig, LfuConfig, LruConfig, S3FifoConfig};
use moka::sync::Cache as MokaCache;
use peregrine_base::{Clock, Instant, SystemClock};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// moka, the most used one in Rust: TinyLFU with an LRU window.
pub(crate) struct Moka {
    cache: MokaCache<String, Bytes>,
    contents: Arc<Contents>,
}

impl Moka {
    /// Room for `capacity` entries.
    pub(crate) fn new(contents: &Arc<Contents>, capacity: u64) -> Self {
        let cache = MokaCache::builder()
            .max_capacity(capacity)
            .time_to_live(LIFETIME)
            .build();
        Self {
            cache,
            contents: contents.clone(),
        }
    }
}

impl Contender for Moka {
    fn get(&self, key: u32) -> Option<u8> {
        self.cache.get(Name::of(key).as_str())?.first().copied()
    }

    fn put(&self, key: u32) {
        self.cache
            .insert(Name::of(key).as_str().to_owned(), self.contents.copy(key));
    }

    fn entries(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.entry_count()
    }
}

/// foyer, in memory only. It has no lifetimes, so they are kept beside the value and checked here.
pub(crate) struct Foyer {
    cache: FoyerCache<String, Timed>,
    contents: Arc<Contents>,
}

/// A value with its end.
pub(crate) struct Timed {
    value: Bytes,
    until: Instant,
}

/// Which of foyer's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoyerPolicy {
    /// Least recently used with a share for what was used often: foyer's default.
    Lru,
    /// S3-FIFO.
    S3Fifo,
    /// W-TinyLFU.
    Lfu,
}

impl Foyer {
    /// Room for `capacity` entries.
    pub(crate) fn new(contents: &Arc<Contents>, capacity: usize, policy: FoyerPolicy) -> Self {
        let eviction: EvictionConfig = match policy {
            FoyerPolicy::Lru => LruConfig::default().into(),
            FoyerPolicy::S3Fifo => S3FifoConfig::default().into(),
            FoyerPolicy::Lfu => LfuConfig::default().into(),
        };
        let cache = CacheBuilder::new(capacity).with_eviction_config(eviction).build();
        Self {
            cache,
            contents: contents.clone(),
        }
    }
}

impl Contender for Foyer {
    fn get(&self, key: u32) -> Option<u8> {
        let entry = self.cache.get(Name::of(key).as_str())?;
        let timed = entry.value();
        (timed.until > SystemClock.now()).then(|| timed.value.first().copied())?
    }

    fn put(&self, key: u32) {
        let timed = Timed {
            value: self.contents.copy(key),
            until: SystemClock.now().after(LIFETIME),
        };
        self.cache.insert(Name::of(key).as_str().to_owned(), timed);
    }

    fn entries(&self) -> u64 {
        self.cache.entries() as u64
    }
}

/// A map behind a lock: no bound, no eviction, no deadlines, no tags, no statistics.
pub(crate) struct Map {
    map: RwLock<HashMap<String, Bytes>>,
    contents: Arc<Contents>,
}

impl Map {
    /// An empty one.
    pub(crate) fn new(contents: &Arc<Contents>) -> Self {
        Self {
            map: RwLock::default(),
            contents: contents.clone(),
        }
    }
}

impl Contender for Map {
    fn get(&self, key: u32) -> Option<u8> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(Name::of(key).as_str())?.first().copied()
    }

    fn put(&self, key: u32) {
        let (name, value) = (Name::of(key).as_str().to_owned(), self.contents.copy(key));
        let before = self
            .map
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, value);
        drop(before);
    }

    fn entries(&self) -> u64 {
        self.map.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}
