//! The program's own rows of the parameter table, and the joined table.

use peregrine_base::{Fallback, Kind, Parameter};

/// The rows of the program itself.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "server.state_dir",
        kind: Kind::Text,
        fallback: Fallback::Toml("\"./.peregrine\""),
        reload: false,
        about: "The directory for what outlives a restart: the admin token, the snapshot of the cache, the socket for a successor. It is created if it does not exist.",
    },
    Parameter {
        name: "server.workers",
        kind: Kind::Integer { min: 0, max: 1024 },
        fallback: Fallback::Toml("0"),
        reload: false,
        about: "How many threads serve requests; 0 means one per core.",
    },
    Parameter {
        name: "server.watch_config",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: true,
        about: "Whether a change of the configuration file is applied by itself, a few seconds later; a faulty file changes nothing.",
    },
];

/// The rows of every crate, in the order in which the reference shows them.
pub const TABLE: &[&[Parameter]] = &[
    PARAMETERS,
    peregrine_net::PARAMETERS,
    peregrine_admin::PARAMETERS,
    peregrine_http::PARAMETERS,
    peregrine_http::TENANT_PARAMETERS,
    peregrine_cache::TENANT_PARAMETERS,
    peregrine_cache::PARAMETERS,
    peregrine_store::PARAMETERS,
    peregrine_telemetry::PARAMETERS,
    peregrine_insight::PARAMETERS,
    peregrine_insight::alerts::PARAMETERS,
    peregrine_insight::slo::PARAMETERS,
    peregrine_insight::notify::PARAMETERS,
];
