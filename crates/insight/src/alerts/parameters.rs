//! The rows of `alerts.*` and `alert[].*` in the table of parameters.

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

const BOUND: Kind = Kind::Number { min: -1e15, max: 1e15 };

/// What can be set about alerts.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "alerts.defaults",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether the rules that come with Peregrine hold; an `[[alert]]` of the same name takes the place of one of them.",
    ),
    row(
        "alerts.group_wait",
        Kind::Duration { min: "0s", max: "1h" },
        Fallback::Toml("\"10s\""),
        "How long news of an alert waits for news of others of its group, so that they are one message.",
    ),
    row("alert[].name", Kind::Text, Fallback::Required, "The name of the rule."),
    row(
        "alert[].metric",
        Kind::Text,
        Fallback::Required,
        "The series that is watched, of those that the admin API lists under `history`.",
    ),
    row(
        "alert[].labels",
        Kind::TextMap,
        Fallback::Toml("{}"),
        "Whose number it is: { route = \"products\" }, { upstream = \"api\" }, \"*\" for an alert for each; without labels, that of all together.",
    ),
    row(
        "alert[].above",
        BOUND,
        Fallback::Absent,
        "The alert fires when the number is above this.",
    ),
    row(
        "alert[].below",
        BOUND,
        Fallback::Absent,
        "The alert fires when the number is below this.",
    ),
    row(
        "alert[].clear",
        BOUND,
        Fallback::Absent,
        "A firing alert ends when the number is back here, not already at the threshold, so that one that swings is one alert.",
    ),
    row(
        "alert[].for",
        Kind::Duration { min: "0s", max: "1d" },
        Fallback::Toml("\"1m\""),
        "How long the number must be past the threshold before the alert fires.",
    ),
    row(
        "alert[].keep_firing",
        Kind::Duration { min: "0s", max: "1d" },
        Fallback::Toml("\"1m\""),
        "How long the number must be well again before the alert ends.",
    ),
    row(
        "alert[].severity",
        Kind::Choice(&["critical", "high", "medium", "low"]),
        Fallback::Toml("\"medium\""),
        "How bad it is.",
    ),
    row(
        "alert[].min_events",
        Kind::Integer {
            min: 0,
            max: 1_000_000_000,
        },
        Fallback::Toml("20"),
        "With fewer requests within `for` (at least ten seconds), a number that is computed from requests raises no alert.",
    ),
    row(
        "alert[].missing",
        Kind::Choice(&["keep", "ok", "breach"]),
        Fallback::Toml("\"keep\""),
        "What it means when there is no number: nothing, that all is well, or that it is past the threshold.",
    ),
    row(
        "alert[].group",
        Kind::Text,
        Fallback::Absent,
        "Alerts of one group are told in one message; without it, those of one rule are.",
    ),
    row(
        "alert[].notify",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Which [notify.NAME] are told; an empty list is all of them, [\"nobody\"] none.",
    ),
    row(
        "alert[].text",
        Kind::Text,
        Fallback::Absent,
        "What the alert says instead of the usual sentence; {value}, {threshold} and {labels} are replaced.",
    ),
    row(
        "alert[].next_step",
        Kind::Text,
        Fallback::Absent,
        "What a person should do, instead of the usual advice: a link to your runbook, say.",
    ),
    row(
        "alert[].enabled",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether the rule is looked at.",
    ),
];
