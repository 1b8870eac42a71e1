//! The rows of `notify.*.*` in the table of parameters.

use peregrine_base::{Fallback, Kind, Parameter};

const fn row(name: &'static str, kind: Kind, fallback: Fallback, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback,
        reload: true,
        about,
    }
}

/// What can be set about who is told.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "notify.*.kind",
        Kind::Choice(&["webhook", "slack"]),
        Fallback::Toml("\"webhook\""),
        "In which words: JSON of Peregrine's own, or a message as Slack's incoming webhooks take it.",
    ),
    row(
        "notify.*.url",
        Kind::Secret,
        Fallback::Required,
        "Where to post. It is never shown: whoever has it can write there.",
    ),
    row(
        "notify.*.secret",
        Kind::Secret,
        Fallback::Absent,
        "What webhooks are signed with, at least 16 characters; without one they carry no signature.",
    ),
    row(
        "notify.*.severity_min",
        Kind::Choice(&["critical", "high", "medium", "low"]),
        Fallback::Toml("\"low\""),
        "The least severity that it is told of.",
    ),
    row(
        "notify.*.resolved",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether it is told that an alert ended.",
    ),
    row(
        "notify.*.timeout",
        Kind::Duration {
            min: "100ms",
            max: "1m",
        },
        Fallback::Toml("\"10s\""),
        "How long one attempt to send may take.",
    ),
    row(
        "notify.*.age_max",
        Kind::Duration { min: "1m", max: "7d" },
        Fallback::Toml("\"1d\""),
        "How long a message is tried that does not arrive; then it is dropped.",
    ),
    row(
        "notify.*.rate_max",
        Kind::Integer { min: 1, max: 600 },
        Fallback::Toml("30"),
        "The most messages in a minute; the others wait.",
    ),
    row(
        "notify.*.ca",
        Kind::Text,
        Fallback::Absent,
        "A file with the certificates that are trusted to be its own, instead of the system's.",
    ),
];
