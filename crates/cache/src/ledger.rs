//! The ledger of invalidations: a counter `lc` that every invalidation raises, and for each target the `lc` of its last one.
//!
//! A value carries the `lc` that was read *before* its load began. It is good as long as none of its targets (its tags, its
//! key, its namespace, everything, a pattern that matches it) was raised above that. So an invalidation costs the same
//! whether it reaches one entry or a million, and there is no index from tags to entries that could grow or go wrong.
//!
//! The order of reads and writes carries the promise P1:
//! * an invalidation writes its targets first and publishes `lc` last (release); who reads the new `lc` (acquire) therefore
//!   sees the targets;
//! * a value is entered with its old `lc` and as checked up to that only, so that a check which raced with the invalidation
//!   is caught by the next lookup;
//! * who forgets targets raises the floor before, and a check reads the floor *after* it looked for the targets.
//!
//! Targets are remembered as 64-bit hashes, which are the same on every node (see [`crate::backplane::wire`]). Two that collide
//! are invalidated together: never too little, at worst too much. Where they lie in the table depends on a secret of the
//! process, so that nobody outside can aim many at one place.

use crate::backplane::Stamp;
use crate::backplane::wire::{key_hash, low_half, path_hash, resource_hash, tag_hash, tenant_hash, tenant_seed};
use crate::key::Subject;
use crate::pattern::Glob;
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// How many targets are remembered before the oldest are forgotten.
pub(crate) const TARGETS_MAX: usize = 100_000;
/// How many patterns of a namespace are remembered before the oldest is forgotten.
pub(crate) const GLOBS_MAX: usize = 256;
/// Into how many tables the targets are spread; a power of two.
#[cfg(not(feature = "shuttle"))]
const SHARDS: usize = 16;
#[cfg(feature = "shuttle")]
const SHARDS: usize = 2;

/// Where the ledger stood: what was invalidated up to here is known to whoever holds this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The node's own counter of invalidations.
    pub lc: u64,
    /// The same in the log that nodes share, for values that others may read. Nothing without Redis, and where it is not known
    /// to be as old as `lc`: such a value stays here.
    pub stamp: Option<Stamp>,
}

impl Position {
    /// One that nodes do not share.
    pub(crate) const fn local(lc: u64) -> Self {
        Self { lc, stamp: None }
    }
}

/// How a value stands to the invalidations since its load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing reached it.
    Valid,
    /// It is stale.
    Soft,
    /// It is gone.
    Gone,
}

/// What one invalidation reaches.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// All entries of all namespaces.
    All,
    /// A hash from [`tag_target`], [`key_target`], [`resource_target`] or [`path_target`].
    Hash(u64),
}

/// The last hard and the last soft invalidation of something; zero: never.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    hard: AtomicU64,
    soft: AtomicU64,
}

/// The last hard and the last soft invalidation of something, as it is remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raised {
    hard: u64,
    soft: u64,
}

impl Raised {
    pub(crate) fn standing(self, since: u64) -> Standing {
        if self.hard > since {
            Standing::Gone
        } else if self.soft > since {
            Standing::Soft
        } else {
            Standing::Valid
        }
    }

    fn raise(&mut self, lc: u64, soft: bool) {
        if soft { self.soft = lc } else { self.hard = lc }
    }

    /// As `raise`, unless it stands there or higher already; whether it did not.
    pub(crate) fn raise_to(&mut self, number: u64, soft: bool) -> bool {
        let news = number > if soft { self.soft } else { self.hard };
        if news {
            self.raise(number, soft);
        }
        news
    }

    pub(crate) fn last_of(self, soft: bool) -> u64 {
        if soft { self.soft } else { self.hard }
    }

    pub(crate) fn last(self) -> u64 {
        self.hard.max(self.soft)
    }
}

impl Standing {
    pub(crate) fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Gone, _) | (_, Self::Gone) => Self::Gone,
            (Self::Soft, _) | (_, Self::Soft) => Self::Soft,
            _ => Self::Valid,
        }
    }
}

impl Marks {
    fn raise(&self, lc: u64, soft: bool) {
        if soft {
            self.soft.store(lc, Ordering::Release)
        } else {
            self.hard.store(lc, Ordering::Release)
        }
    }

    fn read(&self) -> Raised {
        Raised {
            hard: self.hard.load(Ordering::Acquire),
            soft: self.soft.load(Ordering::Acquire),
        }
    }
}

/// A namespace's part of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    whole: Marks,
    /// How many globs there are, so that a check takes no lock where there are none.
    live: AtomicU64,
    globs: RwLock<Vec<LiveGlob>>,
    /// Globs up to here are forgotten.
    floor: AtomicU64,
}

#[derive(Debug)]
struct LiveGlob {
    glob: Glob,
    raised: Raised,
}

/// Hashes that are already well mixed.
#[derive(Default)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Table = HashMap<u64, Raised, BuildHasherDefault<Passed>>;

/// The invalidations of a node.
#[derive(Debug)]
pub(crate) struct Ledger {
    lc: AtomicU64,
    floor: AtomicU64,
    all: Marks,
    targets: [RwLock<Table>; SHARDS],
    /// Held by who raises or forgets; holds the number of targets.
    writing: Mutex<usize>,
    targets_max: usize,
    secret: u64,
}

/// Everything that a check needs to know of a value.
pub(crate) struct Checked<'a, Tags> {
    pub(crate) seed: u64,
    pub(crate) scope: &'a Scope,
    pub(crate) key: &'a str,
    pub(crate) tags: Tags,
}

/// The target of a tag in the namespace whose targets begin with `seed`.
pub(crate) fn tag_target(seed: u64, tag: &str) -> u64 {
    low_half(tag_hash(seed, tag))
}

/// The target of one key, by its whole text.
pub(crate) fn key_target(seed: u64, text: &str) -> u64 {
    low_half(key_hash(seed, text))
}

/// The target of a URL or name, whatever tenant and method.
pub(crate) fn resource_target(seed: u64, resource: &str) -> u64 {
    low_half(resource_hash(seed, resource))
}

/// The target of a path with its query, whatever host.
pub(crate) fn path_target(seed: u64, path: &str) -> u64 {
    low_half(path_hash(seed, path))
}

impl Ledger {
    pub(crate) fn new(secret: u64) -> Self {
        Self {
            secret,
            ..Self::with_limit(TARGETS_MAX)
        }
    }

    pub(crate) fn with_limit(targets_max: usize) -> Self {
        Self {
            secret: 0,
            lc: AtomicU64::new(1),
            floor: AtomicU64::new(0),
            all: Marks::default(),
            targets: std::array::from_fn(|_| RwLock::new(Table::default())),
            writing: Mutex::new(0),
            targets_max,
        }
    }

    /// Where the ledger stands now. To be read before a load begins.
    pub(crate) fn position(&self) -> Position {
        Position::local(self.lc.load(Ordering::Acquire))
    }

    /// How something whose load began at `since` stands. `known` is up to where it was found good before: what was
    /// forgotten above that cannot be ruled out.
    pub(crate) fn standing<'t, Tags>(&self, checked: Checked<'_, Tags>, since: Position, known: u64) -> Standing
    where
        Tags: Iterator<Item = &'t str>,
    {
        if crate::faults::overlooks_invalidations() {
            return Standing::Valid;
        }
        let since = since.lc;
        let mut standing = self
            .all
            .read()
            .standing(since)
            .worse(checked.scope.whole.read().standing(since));
        let subject = Subject::of(checked.key);
        let mut look = |target| {
            if standing != Standing::Gone {
                standing = standing.worse(self.raised(target).standing(since));
            }
        };
        look(key_target(checked.seed, checked.key));
        look(resource_target(checked.seed, &subject.resource));
        if let Some(path) = subject.path {
            look(path_target(checked.seed, path));
        }
        let of_tenant = (!subject.tenant.is_empty()).then(|| tenant_seed(checked.seed, subject.tenant));
        for tag in checked.tags {
            look(tag_target(checked.seed, tag));
            if let Some(seed) = of_tenant {
                look(tag_target(seed, tag));
            }
        }
        if let Some(seed) = of_tenant {
            look(low_half(tenant_hash(seed)));
            look(resource_target(seed, &subject.resource));
            if let Some(path) = subject.path {
                look(path_target(seed, path));
            }
        }
        if checked.scope.live.load(Ordering::Acquire) > 0 {
            for live in checked.scope.globs.read().iter() {
                let one = live.raised.standing(since);
                if one != Standing::Valid && live.glob.matches_subject(&subject) {
                    standing = standing.worse(one);
                }
            }
        }
        // Last: what was forgotten while the targets were looked for lies below the floor that is read now.
        let floor = self
            .floor
            .load(Ordering::Acquire)
            .max(checked.scope.floor.load(Ordering::Acquire));
        if known < floor { Standing::Gone } else { standing }
    }

    fn raised(&self, target: u64) -> Raised {
        let target = self.place(target);
        self.shard(target).map_or_else(Raised::default, |shard| {
            shard.read().get(&target).copied().unwrap_or_default()
        })
    }

    /// What a target is called in the tables.
    fn place(&self, target: u64) -> u64 {
        let product = u128::from(target ^ self.secret) * u128::from(self.secret.rotate_left(32) | 1 << 63 | 1);
        low_half(product) ^ low_half(product >> 64)
    }

    fn shard(&self, target: u64) -> Option<&RwLock<Table>> {
        // The high bits, because the table below uses the low ones.
        self.targets
            .get(usize::try_from(target >> 60).unwrap_or(0) & (SHARDS - 1))
    }

    /// Moves on without an invalidation: a load that begins later can be told from one that began before.
    pub(crate) fn advance(&self) -> Position {
        self.raise(false, &[], &[], &[])
    }

    /// Enters an invalidation; when this returns, every check that begins later sees it.
    pub(crate) fn raise(
        &self,
        soft: bool,
        targets: &[Target],
        wholes: &[&Scope],
        globs: &[(&Scope, Glob)],
    ) -> Position {
        let mut count = self.writing.lock();
        let lc = self.lc.load(Ordering::Acquire) + 1;
        for target in targets {
            match target {
                Target::All => self.all.raise(lc, soft),
                Target::Hash(hash) => *count += usize::from(self.enter(*hash, lc, soft)),
            }
        }
        for scope in wholes {
            scope.whole.raise(lc, soft);
        }
        for (scope, glob) in globs {
            scope.enter(glob, lc, soft);
        }
        if *count > self.targets_max {
            *count -= self.forget_oldest(*count - self.targets_max + self.targets_max / 8);
        }
        self.lc.store(lc, Ordering::Release);
        Position::local(lc)
    }

    /// Raises one target; whether it is a new one.
    fn enter(&self, target: u64, lc: u64, soft: bool) -> bool {
        let target = self.place(target);
        let Some(shard) = self.shard(target) else { return false };
        let mut table = shard.write();
        let before = table.len();
        table.entry(target).or_default().raise(lc, soft);
        table.len() > before
    }

    /// Forgets at least `count` targets, the oldest ones, in an emergency: values that were not checked since are lost.
    fn forget_oldest(&self, count: usize) -> usize {
        let mut ages: Vec<u64> = Vec::new();
        for shard in &self.targets {
            ages.extend(shard.read().values().map(|raised| raised.last()));
        }
        let index = count.min(ages.len()).saturating_sub(1);
        if ages.is_empty() {
            return 0;
        }
        let (_, cut, _) = ages.select_nth_unstable(index);
        self.forget(*cut)
    }

    /// Raises the floor to `upto` and drops the targets that were not raised since; how many.
    fn forget(&self, upto: u64) -> usize {
        // The floor first: see the module's text.
        if self.floor.load(Ordering::Acquire) < upto {
            self.floor.store(upto, Ordering::Release);
        }
        let mut dropped = 0;
        for shard in &self.targets {
            let mut table = shard.write();
            let before = table.len();
            table.retain(|_, raised| raised.last() > upto);
            dropped += before - table.len();
        }
        dropped
    }

    /// Forgets what was raised up to `upto`, after a sweep has found every resident value good or not up to there.
    pub(crate) fn trim<'s>(&self, upto: Position, scopes: impl Iterator<Item = &'s Scope>) {
        let mut count = self.writing.lock();
        *count -= self.forget(upto.lc);
        for scope in scopes {
            scope.forget(upto.lc);
        }
    }

    /// How many targets are remembered.
    pub(crate) fn targets(&self) -> usize {
        *self.writing.lock()
    }

    /// Whether the table is full enough that a sweep should make room in time.
    pub(crate) fn crowded(&self) -> bool {
        self.targets() > self.targets_max / 2
    }
}

impl Scope {
    /// How many globs are remembered.
    pub(crate) fn globs(&self) -> u64 {
        self.live.load(Ordering::Acquire)
    }

    fn enter(&self, glob: &Glob, lc: u64, soft: bool) {
        let mut globs = self.globs.write();
        if let Some(at) = globs.iter().position(|live| live.glob == *glob) {
            // To the end: the list is in the order of the last invalidation.
            let mut live = globs.remove(at);
            live.raised.raise(lc, soft);
            globs.push(live);
            return;
        }
        if globs.len() >= GLOBS_MAX {
            let oldest = globs.first().map_or(0, |live| live.raised.last());
            self.floor
                .store(oldest.max(self.floor.load(Ordering::Acquire)), Ordering::Release);
            globs.remove(0);
        }
        let mut raised = Raised::default();
        raised.raise(lc, soft);
        globs.push(LiveGlob {
            glob: glob.clone(),
            raised,
        });
        self.live.store(globs.len() as u64, Ordering::Release);
    }

    fn forget(&self, upto: u64) {
        if self.live.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut globs = self.globs.write();
        if globs.iter().any(|live| live.raised.last() <= upto) {
            self.floor
                .store(upto.max(self.floor.load(Ordering::Acquire)), Ordering::Release);
            globs.retain(|live| live.raised.last() > upto);
            self.live.store(globs.len() as u64, Ordering::Release);
        }
    }
}
