//! The rows of `slo[].*` in the table of parameters.

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

/// What can be set about objectives.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "slo[].name",
        Kind::Text,
        Fallback::Required,
        "The name of the objective. Without any [[slo]] there is one called `responses`, for all routes, with the defaults below.",
    ),
    row(
        "slo[].route",
        Kind::Text,
        Fallback::Absent,
        "The route that it is about; without one, all of them together.",
    ),
    row(
        "slo[].kind",
        Kind::Choice(&["latency", "availability"]),
        Fallback::Toml("\"latency\""),
        "What makes an answer good: that it came within `threshold`, or (`availability`) that it is no server error.",
    ),
    row(
        "slo[].objective",
        Kind::Number {
            min: 0.5,
            max: 0.999_999,
        },
        Fallback::Toml("0.95"),
        "Which part of the answers is to be good.",
    ),
    row(
        "slo[].threshold",
        Kind::Duration { min: "1ms", max: "10m" },
        Fallback::Toml("\"5s\""),
        "Within how long an answer is good; of no meaning for `availability`.",
    ),
    row(
        "slo[].window",
        Kind::Duration { min: "1h", max: "30d" },
        Fallback::Toml("\"30d\""),
        "The time that the objective is about; the windows of its alerts are parts of it (1 h and 5 min of 30 days, and so on).",
    ),
    row(
        "slo[].min_events",
        Kind::Integer {
            min: 1,
            max: 1_000_000_000,
        },
        Fallback::Toml("100"),
        "With fewer requests in the longer window of an alert, it does not fire.",
    ),
    row(
        "slo[].notify",
        Kind::Texts,
        Fallback::Toml("[]"),
        "Which [notify.NAME] are told; an empty list is all of them, [\"nobody\"] none.",
    ),
    row(
        "slo[].enabled",
        Kind::Flag,
        Fallback::Toml("true"),
        "Whether it is computed.",
    ),
];
