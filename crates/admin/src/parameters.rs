//! The rows of `admin.*`, and of what tenants may do there, in the table of parameters.

use peregrine_base::{Fallback, Kind, Parameter};

/// What can be set about the admin API.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "admin.enabled",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: false,
        about: "Whether there is an admin API, with the health checks and metrics that it serves.",
    },
    Parameter {
        name: "admin.address",
        kind: Kind::Text,
        fallback: Fallback::Toml("\"127.0.0.1:9180\""),
        reload: false,
        about: "Address and port of the admin API; it needs a token even on loopback.",
    },
    Parameter {
        name: "admin.allowed_hosts",
        kind: Kind::Texts,
        fallback: Fallback::Toml("[]"),
        reload: false,
        about: "Host names under which the admin API may be called, beside IP addresses and `localhost`; others are refused \
                so that a web page cannot reach it through a name of its own (DNS rebinding).",
    },
    Parameter {
        name: "admin.metrics_open",
        kind: Kind::Flag,
        fallback: Fallback::Toml("false"),
        reload: false,
        about: "Whether `/metrics` is served without a token.",
    },
    Parameter {
        name: "admin.body_max",
        kind: Kind::Size {
            min: "4KiB",
            max: "256MiB",
        },
        fallback: Fallback::Toml("\"8MiB\""),
        reload: false,
        about: "The largest request body that the admin API takes.",
    },
    Parameter {
        name: "tenant.*.admin_token",
        kind: Kind::Secret,
        fallback: Fallback::Absent,
        reload: false,
        about: "A token with which this tenant's statistics are read and its entries invalidated, and nothing else; 16 to 512 characters.",
    },
    Parameter {
        name: "admin.token_attempts_max",
        kind: Kind::Integer { min: 1, max: 1_000_000 },
        fallback: Fallback::Toml("10"),
        reload: false,
        about: "After so many different wrong tokens from one address within `admin.token_attempts_window` it has to wait.",
    },
    Parameter {
        name: "admin.token_attempts_window",
        kind: Kind::Duration { min: "1s", max: "1d" },
        fallback: Fallback::Toml("\"1m\""),
        reload: false,
        about: "For how long wrong tokens are counted, and the longest that an address has to wait.",
    },
    Parameter {
        name: "admin.session_idle",
        kind: Kind::Duration { min: "1m", max: "30d" },
        fallback: Fallback::Toml("\"8h\""),
        reload: false,
        about: "A session of the dashboard that asks nothing for so long is over.",
    },
    Parameter {
        name: "admin.session_lifetime",
        kind: Kind::Duration { min: "1m", max: "90d" },
        fallback: Fallback::Toml("\"7d\""),
        reload: false,
        about: "The longest that a session of the dashboard lasts; then one logs in again.",
    },
    Parameter {
        name: "admin.audit_file_max",
        kind: Kind::Size {
            min: "64KiB",
            max: "1GiB",
        },
        fallback: Fallback::Toml("\"16MiB\""),
        reload: false,
        about: "The largest file of the audit log; then a new one is begun.",
    },
    Parameter {
        name: "admin.audit_files",
        kind: Kind::Integer { min: 1, max: 1000 },
        fallback: Fallback::Toml("8"),
        reload: false,
        about: "How many files of the audit log are kept; the oldest goes.",
    },
];
