//! The rows of `log.*` in the table of parameters.

use crate::config::Level;
use peregrine_base::{Fallback, Kind, Parameter};

/// What can be set about logs.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "log.level",
        kind: Kind::Choice(Level::WORDS),
        fallback: Fallback::Toml("\"info\""),
        reload: true,
        about: "The least important events that the program's log holds; `trace` adds those of libraries.",
    },
    Parameter {
        name: "log.format",
        kind: Kind::Choice(&["text", "json"]),
        fallback: Fallback::Toml("\"text\""),
        reload: false,
        about: "How the program's log, which goes to the standard error output, reads.",
    },
    Parameter {
        name: "log.access",
        kind: Kind::Choice(&["off", "text", "json"]),
        fallback: Fallback::Toml("\"off\""),
        reload: true,
        about: "Whether every request is logged, and how its line reads.",
    },
    Parameter {
        name: "log.access_path",
        kind: Kind::Text,
        fallback: Fallback::Toml("\"stdout\""),
        reload: true,
        about: "Where the access log goes: `stdout`, `stderr`, or a file, which SIGHUP opens anew.",
    },
    Parameter {
        name: "log.redact",
        kind: Kind::Texts,
        fallback: Fallback::Toml("[]"),
        reload: true,
        about: "Query parameters whose values are not logged, beside `token`, `key`, `password`, `signature`, `code` and \
                their like, which never are.",
    },
];
