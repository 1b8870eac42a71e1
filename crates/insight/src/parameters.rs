//! The rows of `insight.*` in the table of parameters.

use peregrine_base::{Fallback, Kind, Parameter};

/// What can be set about history and reports.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "insight.enabled",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: false,
        about: "Whether history, alerts, objectives and reports are kept at all.",
    },
    Parameter {
        name: "insight.persist",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: false,
        about: "Whether history outlives a restart, in `insight.redb` of the state directory.",
    },
    Parameter {
        name: "insight.sample_interval",
        kind: Kind::Duration { min: "1s", max: "1m" },
        fallback: Fallback::Toml("\"30s\""),
        reload: true,
        about: "How often history is written to its file while nothing happens; in seconds in which requests come it is written at once.",
    },
    Parameter {
        name: "insight.retention",
        kind: Kind::Duration { min: "1h", max: "30d" },
        fallback: Fallback::Toml("\"30d\""),
        reload: false,
        about: "How long history is kept: by the second for an hour, by ten seconds for a day, by the minute for this long.",
    },
    Parameter {
        name: "insight.report_interval",
        kind: Kind::Duration { min: "1m", max: "1d" },
        fallback: Fallback::Toml("\"5m\""),
        reload: true,
        about: "How often a report is made, which compares the time since the one before with the same time before that.",
    },
    Parameter {
        name: "insight.routes_max",
        kind: Kind::Integer { min: 1, max: 256 },
        fallback: Fallback::Toml("32"),
        reload: false,
        about: "How many routes have a history of their own, in the order in which they are first used; the others are in the totals only.",
    },
    Parameter {
        name: "insight.upstreams_max",
        kind: Kind::Integer { min: 1, max: 256 },
        fallback: Fallback::Toml("32"),
        reload: false,
        about: "How many upstreams have a history of their own.",
    },
    Parameter {
        name: "insight.apdex_threshold",
        kind: Kind::Duration { min: "1ms", max: "1m" },
        fallback: Fallback::Toml("\"500ms\""),
        reload: true,
        about: "The longest answer that satisfies a user, from which the Apdex is computed; up to four times as long is tolerated.",
    },
    Parameter {
        name: "insight.origin_second_cost",
        kind: Kind::Number { min: 0.0, max: 1e6 },
        fallback: Fallback::Absent,
        reload: true,
        about: "What a second of the origin's work costs, so that what was saved is shown as money too.",
    },
    Parameter {
        name: "insight.gigabyte_cost",
        kind: Kind::Number { min: 0.0, max: 1e6 },
        fallback: Fallback::Absent,
        reload: true,
        about: "What a gigabyte (a thousand million bytes) from the origin costs, so that what was saved is shown as money too.",
    },
    Parameter {
        name: "insight.currency",
        kind: Kind::Text,
        fallback: Fallback::Toml("\"EUR\""),
        reload: true,
        about: "The currency of these costs, as it is shown.",
    },
];
