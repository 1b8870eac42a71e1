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
    Parameter {
        name: "otlp.endpoint",
        kind: Kind::Text,
        fallback: Fallback::Absent,
        reload: false,
        about: "Where an OpenTelemetry collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` and \
                `/v1/metrics` are added. Without it nothing is sent or traced.",
    },
    Parameter {
        name: "otlp.headers",
        kind: Kind::TextMap,
        fallback: Fallback::Toml("{}"),
        reload: false,
        about: "Fields of each request to the collector; what is secret belongs into `otlp.authorization`.",
    },
    Parameter {
        name: "otlp.authorization",
        kind: Kind::Secret,
        fallback: Fallback::Absent,
        reload: false,
        about: "The value of `authorization` in them, such as `Bearer ${OTLP_TOKEN}`.",
    },
    Parameter {
        name: "otlp.interval",
        kind: Kind::Duration { min: "1s", max: "1h" },
        fallback: Fallback::Toml("\"10s\""),
        reload: false,
        about: "How often metrics are sent. Spans wait no longer than a second unless the collector does not keep up.",
    },
    Parameter {
        name: "otlp.sample",
        kind: Kind::Number { min: 0.0, max: 1.0 },
        fallback: Fallback::Toml("0.1"),
        reload: false,
        about: "How many of the traces that begin here are recorded, from 0 to 1; for those that a caller began, the caller's \
                decision holds.",
    },
    Parameter {
        name: "otlp.metrics",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: false,
        about: "Whether metrics are sent.",
    },
    Parameter {
        name: "otlp.traces",
        kind: Kind::Flag,
        fallback: Fallback::Toml("true"),
        reload: false,
        about: "Whether traces are continued or begun, passed on to origins, and sent.",
    },
    Parameter {
        name: "otlp.service_name",
        kind: Kind::Text,
        fallback: Fallback::Toml("\"peregrine\""),
        reload: false,
        about: "`service.name` of what is sent.",
    },
    Parameter {
        name: "otlp.attributes",
        kind: Kind::TextMap,
        fallback: Fallback::Toml("{}"),
        reload: false,
        about: "More attributes of the resource, such as `deployment.environment.name`.",
    },
];
