//! The typed configuration of the engine: `[cache]`, `[strategy.NAME]` and `[namespace.NAME]`. Defaults and bounds of single
//! fields stand in [`crate::PARAMETERS`]; here are the types and the rules between fields.

use crate::coding::Coding;
use crate::tenants::{TenantQuota, TenantQuotas};
use peregrine_base::parameter::Complaint;
use peregrine_base::{ByteSize, Span};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The default of `encode_min_size`: with its head, less fits one packet anyway.
const ENCODE_MIN_BYTES: u64 = 1400;
/// The default of `encode_types`.
const ENCODE_TYPES: [&str; 16] = [
    "text/*",
    "*+json",
    "*+xml",
    "*+text",
    "application/json",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/xml",
    "application/wasm",
    "application/yaml",
    "application/graphql",
    "application/x-ndjson",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
];

/// The longest name of a node: that of a machine may be as long.
const NODE_NAME_BYTES_MAX: usize = 64;

/// The name of the strategy and of the namespace that always exist.
pub const DEFAULT_NAME: &str = "default";

/// Everything that the engine is configured by.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The engine as a whole.
    pub cache: CacheConfig,
    /// The strategies by name. `default` is added by the engine where it is missing.
    pub strategies: BTreeMap<String, StrategyConfig>,
    /// The namespaces by name. `default` is added by the engine where it is missing.
    pub namespaces: BTreeMap<String, NamespaceConfig>,
    /// What each tenant may hold.
    pub quotas: TenantQuotas,
    /// What single tenants may hold, by name.
    pub tenants: BTreeMap<String, TenantQuota>,
    /// Whether there is a Redis for strategies to keep entries in (`redis.url`).
    pub redis: bool,
}

/// `[cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Whether anything is cached at all.
    pub enabled: bool,
    /// The bound of all entries and bodies under way together.
    pub memory: ByteSize,
    /// The policy by which entries make room for others.
    pub eviction: EvictionPolicy,
    /// The largest body that is stored or shared while it loads.
    pub object_size_max: ByteSize,
    /// The bound of bodies under way, a part of `memory`; a quarter of it where nothing is set.
    pub in_flight_max: Option<ByteSize>,
    /// How many loads may be under way.
    pub loads_max: u32,
    /// How long a reader of a body that is not stored may hold up the others.
    pub reader_stall_max: Span,
    /// Whether what is in memory is written when the program ends and read when it begins.
    pub snapshot: bool,
    /// How large that may become.
    pub snapshot_max: ByteSize,
    /// With Redis: after how long without a word of the node that loads for all of them another one loads.
    pub lease: Span,
    /// The largest body, as it is kept, that is written to Redis.
    pub redis_object_size_max: ByteSize,
    /// With Redis: for how long an entry in memory is believed without having asked whether anything was invalidated.
    pub freshness_bound: Span,
    /// With Redis: how this node is called among the others; the name of the machine where nothing is set.
    pub node_name: Option<String>,
    /// With Redis: over how many logs of invalidations the namespaces are spread.
    pub control_shards: u16,
    /// With Redis: how many replicas have to have an invalidation; as many as there are at the start where nothing is set.
    pub replicas_min: Option<u32>,
}

/// How entries make room for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum EvictionPolicy {
    /// Like Clock-PRO and S3-FIFO: resists scans, remembers what it evicted.
    #[serde(rename = "clock-pro")]
    ClockPro,
}

/// `[strategy.NAME]`: a named caching policy. Some fields mean something to HTTP only; the engine carries them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyConfig {
    /// Lifetime that the strategy gives; how `freshness` uses it.
    pub ttl: Span,
    /// The share by which a lifetime of the strategy is shortened at random, 0 to 0.5.
    pub ttl_jitter: f64,
    /// Who decides about lifetimes.
    pub freshness: Freshness,
    /// The methods whose answers are stored.
    pub cache_methods: Vec<String>,
    /// Whether `Last-Modified` gives a lifetime where nothing else does (RFC 9111 §4.2.2).
    pub heuristic: bool,
    /// How long past its lifetime an entry is served while it is renewed (RFC 5861 §3).
    pub stale_while_revalidate: Span,
    /// How long past its lifetime an entry is served in place of a failure (RFC 5861 §4).
    pub stale_if_error: Span,
    /// From which share of its lifetime on an entry is renewed in the background; 0: not before it is stale.
    pub refresh_ahead: f64,
    /// Lifetime of answers with one of `negative_statuses`; zero: as any other answer.
    pub negative_ttl: Span,
    /// The statuses that say that something is not there.
    pub negative_statuses: Vec<u16>,
    /// How long an asker waits for a load before a stale entry is served while the load goes on.
    pub load_soft_limit: Option<Span>,
    /// How long a load may take until its answer begins.
    pub load_hard_limit: Span,
    /// How long askers do not wait for each other after an answer that could not be stored.
    pub hit_for_miss: Span,
    /// How stored bodies are compressed.
    pub compression: Compression,
    /// The content codings that clients are offered, those that the server prefers first.
    pub encode: Vec<Coding>,
    /// The smallest body that is offered encoded.
    pub encode_min_size: ByteSize,
    /// Patterns of the media types that are worth it.
    pub encode_types: Vec<String>,
    /// What a request for a part of something does that is not stored.
    pub range: RangeLoad,
    /// Whether answers that set a cookie may be stored.
    pub allow_set_cookie: bool,
    /// Whether answers to authorized requests may be stored though RFC 9111 §3.5 does not allow it.
    pub allow_authorization: bool,
    /// What becomes of a stored value while it cannot be told whether other nodes have invalidated it.
    pub unverified: WhenUnverified,
    /// The tiers that keep the entries; where nothing is set, memory, and Redis where there is one.
    pub tiers: Option<Vec<Tier>>,
    /// Whether its values are read from replicas of Redis, where those are read from at all.
    pub replica_reads: bool,
    /// Whether entries leave memory sealed only.
    pub encryption: bool,
}

/// Where entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// In the memory of this node.
    Memory,
    /// In the Redis that nodes share.
    Redis,
}

/// Who decides about lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// The origin alone.
    #[default]
    Origin,
    /// The strategy where the origin says nothing.
    Fallback,
    /// The strategy, whatever the origin says.
    Force,
}

/// How stored bodies are compressed: in place of the body as it was loaded, which is unpacked for clients who take nothing
/// else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard where type and size promise a gain; kept only where the gain is measured.
    Auto,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
    /// LZ4 blocks: the fastest to unpack.
    Lz4,
    /// Not at all.
    #[default]
    Off,
}

/// What becomes of a stored value while it cannot be told whether other nodes have invalidated it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnverified {
    /// It is loaded again; what is stored stands in when that fails.
    #[default]
    Load,
    /// It is served with a label.
    Serve,
}

/// What a request for a part does where neither the part nor the whole is stored (RFC 9110 §14.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeLoad {
    /// Asks for the part, or for what is missing of it, and stores that.
    #[default]
    FetchParts,
    /// Loads and stores the whole.
    FetchWhole,
    /// Goes past the cache.
    Pass,
}

/// `[namespace.NAME]`: a part of the key space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceConfig {
    /// The namespace's own part of `cache.memory`; where nothing is set it shares what no other namespace has.
    pub memory_max: Option<ByteSize>,
}

/// Settings that contradict themselves or each other. Names every fault, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct SettingsError(pub Vec<Complaint>);

fn describe(complaints: &[Complaint]) -> String {
    let lines: Vec<_> = complaints
        .iter()
        .map(|c| format!("{} {} ({})", c.field, c.problem, c.help))
        .collect();
    lines.join("; ")
}

impl Default for CacheConfig {
    /// The defaults of [`crate::PARAMETERS`], for callers without a configuration file.
    fn default() -> Self {
        Self {
            enabled: true,
            memory: ByteSize::mib(256),
            eviction: EvictionPolicy::ClockPro,
            object_size_max: ByteSize::mib(32),
            in_flight_max: None,
            loads_max: 65_536,
            reader_stall_max: Span::new(std::time::Duration::from_secs(30)),
            snapshot: true,
            snapshot_max: ByteSize::mib(1024),
            lease: Span::new(std::time::Duration::from_secs(3)),
            redis_object_size_max: ByteSize::mib(1),
            freshness_bound: Span::new(std::time::Duration::from_secs(1)),
            node_name: None,
            control_shards: 1,
            replicas_min: None,
        }
    }
}

impl Default for StrategyConfig {
    /// The defaults of [`crate::PARAMETERS`], for callers without a configuration file.
    fn default() -> Self {
        let seconds = |seconds| Span::new(std::time::Duration::from_secs(seconds));
        Self {
            ttl: seconds(300),
            ttl_jitter: 0.0,
            freshness: Freshness::Origin,
            cache_methods: vec!["GET".into(), "HEAD".into()],
            heuristic: false,
            stale_while_revalidate: Span::ZERO,
            stale_if_error: Span::ZERO,
            refresh_ahead: 0.0,
            negative_ttl: Span::ZERO,
            negative_statuses: vec![404, 410],
            load_soft_limit: None,
            load_hard_limit: seconds(60),
            hit_for_miss: seconds(30),
            compression: Compression::Off,
            encode: Coding::ALL.into(),
            encode_min_size: ByteSize::bytes(ENCODE_MIN_BYTES),
            encode_types: ENCODE_TYPES.iter().map(|pattern| (*pattern).to_owned()).collect(),
            range: RangeLoad::FetchParts,
            allow_set_cookie: false,
            allow_authorization: false,
            unverified: WhenUnverified::Load,
            tiers: None,
            replica_reads: true,
            encryption: false,
        }
    }
}

impl Default for Settings {
    /// One strategy and one namespace, both called `default`.
    fn default() -> Self {
        Self {
            cache: CacheConfig::default(),
            strategies: BTreeMap::from([(DEFAULT_NAME.to_owned(), StrategyConfig::default())]),
            namespaces: BTreeMap::from([(DEFAULT_NAME.to_owned(), NamespaceConfig::default())]),
            quotas: TenantQuotas::default(),
            tenants: BTreeMap::new(),
            redis: false,
        }
    }
}

impl CacheConfig {
    /// The bound of bodies under way: what is set, a quarter of `memory` otherwise; never more than a quarter.
    #[must_use]
    pub fn in_flight_bound(&self) -> u64 {
        let quarter = self.memory.as_u64() / 4;
        self.in_flight_max.map_or(quarter, |set| set.as_u64().min(quarter))
    }

    /// A node's name stands in receipts, in labels of metrics and in Redis.
    fn check_node_name(&self, complaints: &mut Vec<Complaint>) {
        let Some(name) = &self.node_name else { return };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NODE_NAME_BYTES_MAX || !name.chars().all(is_plain) {
            complaints.push(Complaint::new(
                "cache.node_name",
                format!("is `{name}`"),
                format!("use 1 to {NODE_NAME_BYTES_MAX} letters, digits, `-`, `_` and `.`"),
            ));
        }
    }
}

impl Settings {
    /// Whether the fields go together.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut complaints = Vec::new();
        self.check_memory(&mut complaints);
        self.cache.check_node_name(&mut complaints);
        for (name, strategy) in &self.strategies {
            strategy.check(name, self.redis, &mut complaints);
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }

    fn check_memory(&self, complaints: &mut Vec<Complaint>) {
        let memory = self.cache.memory.as_u64();
        // The last quarter may be needed for bodies under way, which no namespace's part may have to give up.
        let available = memory - memory / 4;
        let parts: u64 = self
            .namespaces
            .values()
            .filter_map(|n| n.memory_max)
            .fold(0, |sum, m| sum.saturating_add(m.as_u64()));
        if parts > available {
            let largest = self
                .namespaces
                .iter()
                .filter_map(|(name, n)| Some((n.memory_max?, name)))
                .max();
            let name = largest.map_or(DEFAULT_NAME, |(_, name)| name.as_str());
            complaints.push(Complaint::new(
                format!("namespace.{name}.memory_max"),
                format!(
                    "and the parts of the other namespaces come to {}, but three quarters of cache.memory ({}) are {}",
                    ByteSize::bytes(parts),
                    self.cache.memory,
                    ByteSize::bytes(available)
                ),
                "lower the parts or raise cache.memory",
            ));
        }
        if let Some(set) = self.cache.in_flight_max
            && set.as_u64() > memory / 4
        {
            complaints.push(Complaint::new(
                "cache.in_flight_max",
                format!(
                    "is {set}, but at most a quarter of cache.memory ({}) can be used",
                    self.cache.memory
                ),
                "lower it or raise cache.memory",
            ));
        }
    }
}

impl StrategyConfig {
    /// The tiers that keep the entries, where `redis` says whether there is one.
    #[must_use]
    pub fn tiers(&self, redis: bool) -> Vec<Tier> {
        match &self.tiers {
            Some(tiers) => tiers.clone(),
            None if redis => vec![Tier::Memory, Tier::Redis],
            None => vec![Tier::Memory],
        }
    }

    fn check(&self, name: &str, redis: bool, complaints: &mut Vec<Complaint>) {
        let mut complain = |field: &str, problem: String, help: &str| {
            complaints.push(Complaint::new(format!("strategy.{name}.{field}"), problem, help));
        };
        let tiers = self.tiers(redis);
        if !redis && tiers.contains(&Tier::Redis) {
            complain(
                "tiers",
                "names `redis`, a tier that is not configured".into(),
                "set redis.url = \"redis://HOST:6379\", or the environment's REDIS_URL, or use tiers = [\"memory\"]",
            );
        }
        for (index, coding) in self.encode.iter().enumerate() {
            if self.encode[..index].contains(coding) {
                complain(
                    "encode",
                    format!("names `{}` twice", coding.as_str()),
                    "name each coding once",
                );
            }
        }
        if tiers.is_empty() {
            complain("tiers", "is empty".into(), "use tiers = [\"memory\"]");
        }
        if !(0.0..=0.5).contains(&self.ttl_jitter) {
            complain(
                "ttl_jitter",
                format!("is {}", self.ttl_jitter),
                "choose a share from 0 to 0.5",
            );
        }
        if !(0.0..1.0).contains(&self.refresh_ahead) {
            complain(
                "refresh_ahead",
                format!("is {}", self.refresh_ahead),
                "choose a share below 1, such as 0.8; 0 turns it off",
            );
        }
        if let Some(soft) = self.load_soft_limit
            && soft >= self.load_hard_limit
        {
            complain(
                "load_soft_limit",
                format!("is {soft}, not below load_hard_limit ({})", self.load_hard_limit),
                "lower it",
            );
        }
    }
}
