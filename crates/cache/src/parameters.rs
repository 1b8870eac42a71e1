//! The engine's rows of the table of parameters.

use peregrine_base::{Fallback, Kind, Parameter};

/// The largest size that the table accepts: 4 GiB less one page, so that lengths fit 32 bits.
const OBJECT_MAX: &str = "4095MiB";

const fn row(name: &'static str, kind: Kind, fallback: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback: Fallback::Toml(fallback),
        reload: true,
        about,
    }
}

const fn absent(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback: Fallback::Absent,
        reload: true,
        about,
    }
}

/// A row that holds from the start to the end of the program.
const fn at_start(name: &'static str, kind: Kind, fallback: Fallback, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback,
        reload: false,
        about,
    }
}

const fn duration(min: &'static str, max: &'static str) -> Kind {
    Kind::Duration { min, max }
}

/// What compresses well: text in its many names, and fonts without compression of their own.
const ENCODE_TYPES: &str = "[\"text/*\", \"*+json\", \"*+xml\", \"*+text\", \"application/json\", \
    \"application/javascript\", \"application/x-javascript\", \"application/ecmascript\", \"application/xml\", \
    \"application/wasm\", \"application/yaml\", \"application/graphql\", \"application/x-ndjson\", \
    \"application/vnd.ms-fontobject\", \"font/otf\", \"font/ttf\"]";

/// From the smallest that holds anything to any.
const TENANT_MEMORY: Kind = Kind::Size {
    min: "64KiB",
    max: "64TiB",
};
const TENANT_ENTRIES: Kind = Kind::Integer {
    min: 1,
    max: 1_000_000_000,
};

/// Of `[tenants]` what says how much each may hold.
pub const TENANT_PARAMETERS: &[Parameter] = &[
    absent(
        "tenants.memory_max",
        TENANT_MEMORY,
        "The most bytes of memory that the entries of each tenant occupy on a node; past it the tenant's own oldest leave.",
    ),
    absent(
        "tenants.entries_max",
        TENANT_ENTRIES,
        "The most entries that each tenant has in the memory of a node; past it the tenant's own oldest leave.",
    ),
    absent(
        "tenants.redis_max",
        TENANT_MEMORY,
        "The most bytes of values that a node keeps in Redis for each tenant, by what it wrote since its start; further ones stay in memory.",
    ),
    absent(
        "tenants.redis_entries_max",
        TENANT_ENTRIES,
        "The most values that a node keeps in Redis for each tenant, by what it wrote since its start; further ones stay in memory. A million where only bytes are bounded.",
    ),
    row(
        "tenants.tracked_max",
        Kind::Integer { min: 1, max: 1_000_000 },
        "1000",
        "How many tenants have statistics, metrics and quotas of their own at a time; all further ones share one.",
    ),
];

/// `cache.*`, `strategy.*.*`, `encryption.*`, `tenant.*.*` and `namespace.*.*`.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "cache.enabled",
        Kind::Flag,
        "true",
        "Whether anything is cached; `false` sends every request to the origin.",
    ),
    row(
        "cache.memory",
        Kind::Size {
            min: "1MiB",
            max: "64TiB",
        },
        "\"256MiB\"",
        "The bound of all entries and of bodies under way together.",
    ),
    row(
        "cache.eviction",
        Kind::Choice(&["clock-pro"]),
        "\"clock-pro\"",
        "The policy by which entries make room for others.",
    ),
    row(
        "cache.object_size_max",
        Kind::Size {
            min: "1KiB",
            max: OBJECT_MAX,
        },
        "\"32MiB\"",
        "The largest body that is stored, or shared by several askers while it loads.",
    ),
    absent(
        "cache.in_flight_max",
        Kind::Size {
            min: "64KiB",
            max: "16TiB",
        },
        "The bound of bodies under way, a part of cache.memory; a quarter of it where nothing is set.",
    ),
    row(
        "cache.loads_max",
        Kind::Integer {
            min: 16,
            max: 1_000_000,
        },
        "65536",
        "How many loads may be under way; further ones load for themselves alone.",
    ),
    row(
        "cache.reader_stall_max",
        duration("1s", "10m"),
        "\"30s\"",
        "How long a client that takes nothing may hold up the others who read the same body while it is too large to be stored.",
    ),
    row(
        "cache.snapshot",
        Kind::Flag,
        "true",
        "Whether what is in memory is written to server.state_dir when the program is stopped, and read when it starts again; and whether it goes over to a program that takes over.",
    ),
    row(
        "cache.snapshot_max",
        Kind::Size {
            min: "64KiB",
            max: "64TiB",
        },
        "\"1GiB\"",
        "How large that file may become; what was asked for least stays out of it.",
    ),
    at_start(
        "cache.freshness_bound",
        duration("100ms", "1h"),
        Fallback::Toml("\"1s\""),
        "With Redis: how long after an invalidation on another node an older answer may still be served unlabelled; each node asks Redis four times as often.",
    ),
    at_start(
        "cache.node_name",
        Kind::Text,
        Fallback::Absent,
        "With Redis: how this node is called in receipts and statistics, followed by a part of its own that is kept in server.state_dir; the name of the machine where nothing is set.",
    ),
    at_start(
        "cache.control_shards",
        Kind::Integer { min: 1, max: 64 },
        Fallback::Toml("1"),
        "With Redis: over how many logs of invalidations the namespaces are spread; must be the same on all nodes, and another number needs another redis.prefix.",
    ),
    at_start(
        "cache.replicas_min",
        Kind::Integer { min: 0, max: 8 },
        Fallback::Absent,
        "With Redis: how many replicas must have an invalidation before it counts as confirmed; as many as there are at the start where nothing is set.",
    ),
    at_start(
        "cache.lease",
        duration("1s", "10m"),
        Fallback::Toml("\"3s\""),
        "With Redis: after how long without a word of the node that loads for all of them another one loads.",
    ),
    row(
        "cache.redis_object_size_max",
        Kind::Size {
            min: "1KiB",
            max: "512MiB",
        },
        "\"1MiB\"",
        "The largest body, compressed as its strategy says, that is written to Redis; larger ones stay in memory only.",
    ),
    row(
        "strategy.*.ttl",
        duration("0s", "3650d"),
        "\"5m\"",
        "The lifetime that the strategy gives; `freshness` says when.",
    ),
    row(
        "strategy.*.ttl_jitter",
        Kind::Number { min: 0.0, max: 0.5 },
        "0.0",
        "The share by which a lifetime from the strategy is shortened at random, so that entries do not expire together.",
    ),
    row(
        "strategy.*.freshness",
        Kind::Choice(&["origin", "fallback", "force"]),
        "\"origin\"",
        "Who decides about lifetimes: the origin alone, the strategy where the origin says nothing, or the strategy always.",
    ),
    row(
        "strategy.*.cache_methods",
        Kind::Texts,
        "[\"GET\", \"HEAD\"]",
        "The methods whose answers are stored.",
    ),
    row(
        "strategy.*.heuristic",
        Kind::Flag,
        "false",
        "Whether a response with Last-Modified and no lifetime is fresh for a tenth of its age (RFC 9111, 4.2.2).",
    ),
    row(
        "strategy.*.stale_while_revalidate",
        duration("0s", "3650d"),
        "\"0s\"",
        "How long past its lifetime an entry is served while it is renewed in the background (RFC 5861, 3).",
    ),
    row(
        "strategy.*.stale_if_error",
        duration("0s", "3650d"),
        "\"1m\"",
        "How long past its lifetime an entry is served in place of a failure of the origin, unless the response forbids it (RFC 9111, 4.2.4; RFC 5861, 4).",
    ),
    row(
        "strategy.*.refresh_ahead",
        Kind::Number { min: 0.0, max: 0.99 },
        "0.0",
        "From which share of its lifetime on an entry that is asked for is renewed in the background; 0 turns it off.",
    ),
    row(
        "strategy.*.negative_ttl",
        duration("0s", "365d"),
        "\"0s\"",
        "The lifetime of answers that say that something is not there; 0s treats them as any other answer.",
    ),
    row(
        "strategy.*.negative_statuses",
        Kind::Integers { min: 400, max: 599 },
        "[404, 410]",
        "The statuses that say that something is not there.",
    ),
    absent(
        "strategy.*.load_soft_limit",
        duration("1ms", "1h"),
        "How long an asker waits for a load before a stale entry is served while the load goes on.",
    ),
    row(
        "strategy.*.load_hard_limit",
        duration("10ms", "1h"),
        "\"1m\"",
        "How long a load may take until its answer begins; the body that follows has the upstream's own limits.",
    ),
    row(
        "strategy.*.hit_for_miss",
        duration("0s", "1h"),
        "\"30s\"",
        "How long askers do not wait for each other's load after an answer that could not be stored.",
    ),
    row(
        "strategy.*.compression",
        Kind::Choice(&["auto", "zstd", "brotli", "gzip", "lz4", "off"]),
        "\"off\"",
        "How bodies are kept in memory in place of as they were loaded; only where it saves at least a tenth.",
    ),
    row(
        "strategy.*.encode",
        Kind::Choices(&["zstd", "br", "gzip"]),
        "[\"zstd\", \"br\", \"gzip\"]",
        "The content codings that stored answers are offered in, the preferred first; an empty list offers none.",
    ),
    row(
        "strategy.*.encode_min_size",
        Kind::Size {
            min: "0B",
            max: "16TiB",
        },
        "\"1400B\"",
        "The smallest body that is offered encoded.",
    ),
    row(
        "strategy.*.encode_types",
        Kind::Texts,
        ENCODE_TYPES,
        "Patterns of the media types that are worth encoding; `text/event-stream` never is.",
    ),
    row(
        "strategy.*.range",
        Kind::Choice(&["fetch_parts", "fetch_whole", "pass"]),
        "\"fetch_parts\"",
        "What a request for a range of something does that is not stored: fetch and store what is missing of the range, load the whole, or go past the cache.",
    ),
    row(
        "strategy.*.allow_set_cookie",
        Kind::Flag,
        "false",
        "Whether answers that set a cookie may be stored and shared.",
    ),
    row(
        "strategy.*.allow_authorization",
        Kind::Flag,
        "false",
        "Whether answers to authorized requests may be stored and shared where RFC 9111, 3.5 does not allow it.",
    ),
    row(
        "strategy.*.unverified",
        Kind::Choice(&["load", "serve"]),
        "\"load\"",
        "What becomes of a stored answer while Redis is away for longer than cache.freshness_bound, so that other nodes may have invalidated it: it is loaded again (about once for each key, node and bound), or served and labelled `unverified`.",
    ),
    absent(
        "strategy.*.tiers",
        Kind::Choices(&["memory", "redis"]),
        "The tiers that keep the entries; where nothing is set memory, and redis too where redis.url is set.",
    ),
    row(
        "strategy.*.replica_reads",
        Kind::Flag,
        "true",
        "With redis.read_from = \"replica\": whether this strategy's values are read from replicas too; otherwise from primaries only.",
    ),
    row(
        "strategy.*.encryption",
        Kind::Flag,
        "false",
        "Whether entries are encrypted where they leave memory: in Redis and in files; needs a master key in `[encryption]`.",
    ),
    absent(
        "encryption.active",
        Kind::Text,
        "The id of the master key that wraps data keys; the first one where nothing is set. The others still unwrap.",
    ),
    absent(
        "encryption.keys",
        Kind::Secret,
        "Master keys, each `id:secret` with 32 bytes in base64 (`peregrine keys generate`), separated by commas; best as `${NAME}` from the environment.",
    ),
    row(
        "encryption.key_files",
        Kind::Texts,
        "[]",
        "Files with master keys in the same form, readable by their owner alone (mode 0600); these keys come after those of `encryption.keys`.",
    ),
    row(
        "encryption.key_refresh",
        duration("1s", "1h"),
        "\"10s\"",
        "How long a data key is used to open values before it is read again; within this time an erase by one node reaches the others.",
    ),
    row(
        "encryption.copy_max",
        duration("0s", "30d"),
        "\"1h\"",
        "For how long after it compared them with Redis a node that cannot reach it opens with its own copies of data keys; it bounds what a node that is cut off still opens after an erase elsewhere.",
    ),
    absent(
        "tenant.*.memory_max",
        TENANT_MEMORY,
        "The most bytes of memory that this tenant's entries occupy on a node, in place of tenants.memory_max.",
    ),
    absent(
        "tenant.*.entries_max",
        TENANT_ENTRIES,
        "The most entries that this tenant has in the memory of a node, in place of tenants.entries_max.",
    ),
    absent(
        "tenant.*.redis_max",
        TENANT_MEMORY,
        "The most bytes of this tenant's values that a node keeps in Redis, in place of tenants.redis_max.",
    ),
    absent(
        "tenant.*.redis_entries_max",
        TENANT_ENTRIES,
        "The most values of this tenant that a node keeps in Redis, in place of tenants.redis_entries_max.",
    ),
    absent(
        "namespace.*.memory_max",
        Kind::Size {
            min: "1MiB",
            max: "64TiB",
        },
        "The namespace's own part of cache.memory, which no other namespace can take.",
    ),
];
