//! Peregrine's engine, used as a plane uses it: the clock is read for each lookup, each entry has two tags and deadlines, and
//! statistics are on, as they always are.

use super::{Contender, Contents, LIFETIME, Name};
use peregrine_base::{ByteSize, Clock, SystemClock, SystemRandom, TokioRuntime};
use peregrine_cache::{
    Ask, CacheConfig, Engine, Key, Lookup, Meta, Namespace, NoVariants, Parts, SetOptions, Settings, Strategy,
};
use std::cell::RefCell;
use std::sync::Arc;

/// The tag that every entry has.
pub(crate) const COMMON_TAG: &str = "catalogue";
/// How many tags there are that each have their share of the entries.
pub(crate) const GROUPS: u32 = 1000;
/// The largest value that an engine is made for here: more would make its shards fewer than in practice.
const OBJECT_MAX: ByteSize = ByteSize::kib(64);

/// The engine with keys in hand, hashed before.
pub(crate) struct Peregrine {
    /// For measurements that only it takes part in.
    pub(crate) engine: Arc<Engine>,
    namespace: Arc<Namespace>,
    strategy: Arc<Strategy>,
    keys: Box<[Key]>,
    /// The options of each group of keys: its tags.
    options: Box<[SetOptions]>,
    contents: Arc<Contents>,
}

/// The same, but each lookup makes its key from a name, as a plane does: the text is put together and hashed, in memory that
/// is used again for the next.
pub(crate) struct ByName<'a>(pub(crate) &'a Peregrine);

impl Peregrine {
    /// Room for `capacity` entries of `contents`.
    pub(crate) fn new(contents: &Arc<Contents>, capacity: u64) -> Self {
        let mut empty = Self::without_keys(contents, capacity);
        empty.keys = (0..contents.keys)
            .map(|key| Key::named(&empty.namespace, "", Name::of(key).as_str()))
            .collect();
        empty
    }

    /// The same without keys in hand: it can store only.
    pub(crate) fn without_keys(contents: &Arc<Contents>, capacity: u64) -> Self {
        // What one weighs, asked of an engine that has room for it for certain.
        let one = Self::with_memory(contents, ByteSize::mib(16));
        one.put(0);
        let weight = one.engine.statistics().total.bytes;
        Self::with_memory(contents, ByteSize::bytes(capacity.saturating_mul(weight).max(1 << 20)))
    }

    /// The same, and what it stores has no tags.
    pub(crate) fn without_tags(contents: &Arc<Contents>, capacity: u64) -> Self {
        let mut empty = Self::without_keys(contents, capacity);
        empty.options.iter_mut().for_each(|options| options.tags.clear());
        empty
    }

    /// How long the texts of keys are beside the names: namespace, tenant and method.
    pub(crate) fn key_prefix_bytes(&self) -> u64 {
        Key::named(&self.namespace, "", "").text().len() as u64
    }

    fn with_memory(contents: &Arc<Contents>, memory: ByteSize) -> Self {
        let cache = CacheConfig {
            memory,
            object_size_max: OBJECT_MAX,
            ..CacheConfig::default()
        };
        let settings = Settings {
            cache,
            ..Settings::default()
        };
        let parts = Parts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SystemRandom),
        };
        let engine = Engine::new(parts, settings).expect("the defaults with another size are settings");
        let namespace = engine.namespace("default").expect("there is always a default");
        let strategy = engine.strategy("default").expect("there is always a default");
        let options = (0..GROUPS).map(|group| SetOptions {
            ttl: Some(LIFETIME),
            strategy: None,
            tags: tags(group),
        });
        Self {
            engine,
            namespace,
            strategy,
            keys: Box::default(),
            options: options.collect(),
            contents: contents.clone(),
        }
    }

    /// The terms of a request that asks for nothing special.
    fn ask(&self, lead: bool) -> Ask<'_> {
        Ask {
            lead,
            ..Ask::plain(SystemClock.now(), &self.strategy)
        }
    }

    /// A hit, as a plane answers it at once.
    fn first_byte(&self, key: &Key) -> Option<u8> {
        let hit = self.engine.fresh(key, &self.ask(false))?;
        self.engine.answered(key, &hit);
        hit.as_slice()?.first().copied()
    }
}

impl Contender for Peregrine {
    fn get(&self, key: u32) -> Option<u8> {
        self.first_byte(&self.keys[key as usize])
    }

    fn put(&self, key: u32) {
        let name = Name::of(key);
        let options = &self.options[(key % GROUPS) as usize];
        self.engine
            .set(&self.namespace, name.as_str(), self.contents.copy(key), options);
    }

    fn entries(&self) -> u64 {
        self.engine.statistics().total.entries
    }

    fn accounted_bytes(&self) -> Option<u64> {
        Some(self.engine.statistics().total.bytes)
    }

    /// By lookup, lease and store, as a plane does it.
    fn ask(&self, key: u32) -> bool {
        match self.engine.lookup(&self.keys[key as usize], &self.ask(true)) {
            Lookup::Fresh { .. } => true,
            Lookup::Lead(lease) => {
                let meta = Meta {
                    tags: tags(key % GROUPS),
                    fresh_for: LIFETIME,
                    ..Meta::default()
                };
                let _ = lease.store(meta, &self.contents.copy(key), &NoVariants);
                false
            }
            _ => false,
        }
    }
}

impl Contender for ByName<'_> {
    fn get(&self, key: u32) -> Option<u8> {
        thread_local! {
            static KEY: RefCell<Option<Key>> = const { RefCell::new(None) };
        }
        let Self(peregrine) = self;
        KEY.with_borrow_mut(|room| {
            let text = room.get_or_insert_with(|| Key::blank(&peregrine.namespace));
            text.rewrite_named(&peregrine.namespace, "", Name::of(key).as_str());
            peregrine.first_byte(text)
        })
    }

    fn put(&self, key: u32) {
        self.0.put(key);
    }

    fn entries(&self) -> u64 {
        self.0.entries()
    }
}

/// The two tags of the entries of a group.
pub(crate) fn tags(group: u32) -> Vec<String> {
    vec![COMMON_TAG.to_owned(), format!("product-{group:04}")]
}
