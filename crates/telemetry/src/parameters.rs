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
        name: "log.access_sample",
        kind: Kind::Number { min: 0.0, max: 1.0 },
        fallback: Fallback::Toml("1.0"),
        reload: true,
        about: "How many of all requests the access log holds, from 0 to 1; those that failed (5xx or an error) or were slow \
                are always in it. The choice hangs on the request id, so that nodes that share ids log the same requests.",
    },
    Parameter {
        name: "log.slow",
        kind: Kind::Duration { min: "1ms", max: "1h" },
        fallback: Fallback::Absent,
        reload: true,
        about: "Warns in the program's log of requests whose answer takes so long to begin, at most ten times a second; the \
                rest is counted. Without it there are no such warnings.",
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
