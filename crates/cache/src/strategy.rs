//! A strategy: a named caching policy, frozen when the configuration was read. The engine honours what concerns lifetimes,
//! limits and codecs; what only HTTP understands it hands through.

use crate::coding::Coding;
use crate::config::{Compression, Freshness, RangeLoad, StrategyConfig, Tier, WhenUnverified};
use peregrine_base::Random;
use peregrine_store::ReadFrom;
use std::time::Duration;

/// A named caching policy. Immutable: a reload makes new ones, and who holds an old one finishes by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    name: String,
    config: StrategyConfig,
}

impl Strategy {
    /// The strategy `name` as configured.
    #[must_use]
    pub fn new(name: impl Into<String>, config: StrategyConfig) -> Self {
        Self {
            name: name.into(),
            config,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lifetime that the strategy gives.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.config.ttl.get()
    }

    /// Who decides about lifetimes.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.config.freshness
    }

    /// The methods whose answers are stored, as written.
    #[must_use]
    pub fn cache_methods(&self) -> &[String] {
        &self.config.cache_methods
    }

    /// Whether `Last-Modified` gives a lifetime where nothing else does.
    #[must_use]
    pub fn heuristic(&self) -> bool {
        self.config.heuristic
    }

    /// How long past its lifetime an entry is served while it is renewed.
    #[must_use]
    pub fn stale_while_revalidate(&self) -> Duration {
        self.config.stale_while_revalidate.get()
    }

    /// How long past its lifetime an entry is served in place of a failure.
    #[must_use]
    pub fn stale_if_error(&self) -> Duration {
        self.config.stale_if_error.get()
    }

    /// From which share of its lifetime on an entry is renewed in the background; 0: never.
    #[must_use]
    pub fn refresh_ahead(&self) -> f64 {
        self.config.refresh_ahead
    }

    /// Lifetime of negative answers; zero: as any other.
    #[must_use]
    pub fn negative_ttl(&self) -> Duration {
        self.config.negative_ttl.get()
    }

    /// The statuses that say that something is not there.
    #[must_use]
    pub fn negative_statuses(&self) -> &[u16] {
        &self.config.negative_statuses
    }

    /// How long an asker waits for a load before a stale entry is served.
    #[must_use]
    pub fn load_soft_limit(&self) -> Option<Duration> {
        self.config.load_soft_limit.map(peregrine_base::Span::get)
    }

    /// How long a load may take until its answer begins. [`crate::Engine::get_or_load`] gets a whole value at once and so
    /// applies it to all of the load.
    #[must_use]
    pub fn load_hard_limit(&self) -> Duration {
        self.config.load_hard_limit.get()
    }

    /// How long the marker of an answer that could not be stored lives.
    #[must_use]
    pub fn hit_for_miss(&self) -> Duration {
        self.config.hit_for_miss.get()
    }

    /// How stored bodies are compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.config.compression
    }

    /// The content codings that clients are offered, those that the server prefers first.
    #[must_use]
    pub fn encode(&self) -> &[Coding] {
        &self.config.encode
    }

    /// The smallest body that is offered encoded, in bytes.
    #[must_use]
    pub fn encode_min_bytes(&self) -> u64 {
        self.config.encode_min_size.as_u64()
    }

    /// Patterns of the media types that are worth encoding.
    #[must_use]
    pub fn encode_types(&self) -> &[String] {
        &self.config.encode_types
    }

    /// What a request for a part does where neither the part nor the whole is stored.
    #[must_use]
    pub fn range(&self) -> RangeLoad {
        self.config.range
    }

    /// What becomes of a stored value while it cannot be told whether other nodes have invalidated it.
    #[must_use]
    pub fn unverified(&self) -> WhenUnverified {
        self.config.unverified
    }

    /// Whether answers that set a cookie may be stored.
    #[must_use]
    pub fn allow_set_cookie(&self) -> bool {
        self.config.allow_set_cookie
    }

    /// Whether answers to authorized requests may be stored.
    #[must_use]
    pub fn allow_authorization(&self) -> bool {
        self.config.allow_authorization
    }

    /// Whether its entries are kept in `tier`.
    #[must_use]
    pub fn keeps_in(&self, tier: Tier) -> bool {
        // Whoever makes an engine fills in what is not set; without one there is memory.
        self.config
            .tiers
            .as_ref()
            .map_or(tier == Tier::Memory, |tiers| tiers.contains(&tier))
    }

    /// Which servers of Redis its values are read from, as far as `redis.read_from` allows it.
    pub(crate) fn read_from(&self) -> ReadFrom {
        if self.config.replica_reads {
            ReadFrom::Replica
        } else {
            ReadFrom::Primary
        }
    }

    /// Whether entries leave memory sealed only: for Redis and for the disk.
    #[must_use]
    pub fn encryption(&self) -> bool {
        self.config.encryption
    }

    /// `lifetime` shortened by a random share of at most the strategy's jitter.
    pub(crate) fn jittered(&self, lifetime: Duration, random: &dyn Random) -> Duration {
        let share = self.config.ttl_jitter;
        if share <= 0.0 {
            lifetime
        } else {
            lifetime.mul_f64(1.0 - share.min(0.5) * random.next_unit())
        }
    }
}
