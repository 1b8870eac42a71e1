//! What is made from the parameter table, so that it cannot tell anything else than what the program does: explanations of
//! single parameters, the default file, the JSON Schema and the reference page.

mod default_file;
mod explain;
mod reference;
mod schema;

#[cfg(test)]
mod tests;

pub use default_file::default_file;
pub use explain::{Explanation, explain};
pub use reference::reference;
pub use schema::schema;

use peregrine_base::{Fallback, Kind, Parameter};

/// The type of a parameter with its bounds, in words.
fn type_in_words(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true or false".to_owned(),
        Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Number { min, max } => format!("a number from {min} to {max}"),
        Kind::Duration { min, max } => format!("a duration from {min} to {max}"),
        Kind::Size { min, max } => format!("a size from {min} to {max}"),
        Kind::Text => "a text".to_owned(),
        Kind::Secret => "a text that is never shown".to_owned(),
        Kind::Choice(words) => format!("one of {}", quoted(words)),
        Kind::Texts => "a list of texts".to_owned(),
        Kind::TextsOrTables(rows) => format!("a list of texts, or of tables with {}", fields_in_words(rows)),
        Kind::Choices(words) => format!("a list of any of {}", quoted(words)),
        Kind::Integers { min, max } => format!("a list of whole numbers from {min} to {max}"),
        Kind::TextMap => "a table of texts".to_owned(),
    }
}

/// The parts of a type, for a form.
pub(super) struct TypeWords {
    pub(super) kind: &'static str,
    pub(super) unit: Option<&'static str>,
    pub(super) min: Option<String>,
    pub(super) max: Option<String>,
    pub(super) choices: Option<Vec<String>>,
}

/// What a form has to know of a type.
pub(super) fn type_words(kind: Kind) -> TypeWords {
    let plain = |kind| TypeWords {
        kind,
        unit: None,
        min: None,
        max: None,
        choices: None,
    };
    let within = |kind, min: &dyn ToString, max: &dyn ToString| TypeWords {
        min: Some(min.to_string()),
        max: Some(max.to_string()),
        ..plain(kind)
    };
    let of = |kind, words: &[&str]| TypeWords {
        choices: Some(words.iter().map(ToString::to_string).collect()),
        ..plain(kind)
    };
    match kind {
        Kind::Flag => plain("flag"),
        Kind::Integer { min, max } => within("integer", &min, &max),
        Kind::Number { min, max } => within("number", &min, &max),
        Kind::Duration { min, max } => TypeWords {
            unit: Some("duration"),
            ..within("duration", &min, &max)
        },
        Kind::Size { min, max } => TypeWords {
            unit: Some("bytes"),
            ..within("size", &min, &max)
        },
        Kind::Text => plain("text"),
        Kind::Secret => plain("secret"),
        Kind::Choice(words) => of("choice", words),
        Kind::Texts => plain("texts"),
        Kind::TextsOrTables(_) => plain("texts_or_tables"),
        Kind::Choices(words) => of("choices", words),
        Kind::Integers { min, max } => within("integers", &min, &max),
        Kind::TextMap => plain("text_map"),
    }
}

/// The fields of a table within a list.
fn fields_in_words(rows: &[Parameter]) -> String {
    let field = |row: &Parameter| match row.fallback {
        Fallback::Toml(text) => format!("{} ({}, {text})", row.name, type_in_words(row.kind)),
        Fallback::Required | Fallback::Absent => format!("{} ({})", row.name, type_in_words(row.kind)),
    };
    rows.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What holds when a parameter is not set, in words.
fn fallback_in_words(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::Required => "none: it must be set",
        Fallback::Absent => "not set",
        Fallback::Toml(text) => text,
    }
}

/// The environment variable that sets `row`; `NAME` and `0` stand for what the user chooses.
fn variable(row: &Parameter) -> String {
    let name = row.name.replace("[]", ".0").replace(".*", ".NAME").replace('.', "__");
    format!("PEREGRINE__{}", name.to_uppercase())
}

/// Values for rows that have no default, so that an example shows something that works.
const EXAMPLES: &[(&str, &str)] = &[
    ("listener[].address", "\"127.0.0.1:8080\""),
    ("listener[].tls.certificate", "\"/etc/peregrine/tls/certificate.pem\""),
    ("listener[].tls.key", "\"/etc/peregrine/tls/key.pem\""),
    ("listener[].tls.client_ca", "\"/etc/peregrine/tls/clients.pem\""),
    (
        "listener[].tls.certificates[].certificate",
        "\"/etc/peregrine/tls/shop.example.pem\"",
    ),
    (
        "listener[].tls.certificates[].key",
        "\"/etc/peregrine/tls/shop.example.key\"",
    ),
    ("upstream[].name", "\"api\""),
    ("upstream[].targets", "[\"http://127.0.0.1:3000\"]"),
    ("route[].upstream", "\"api\""),
    ("route[].name", "\"products\""),
    ("log.slow", "\"1s\""),
    ("otlp.endpoint", "\"http://127.0.0.1:4318\""),
    ("upstream[].host", "\"keep\""),
    ("upstream[].total_timeout", "\"5m\""),
    ("upstream[].health.path", "\"/healthz\""),
    ("upstream[].health.host", "\"shop.example\""),
    ("upstream[].tls.roots", "\"/etc/ssl/certs/ca-certificates.crt\""),
    ("strategy.*.load_soft_limit", "\"500ms\""),
    ("cache.in_flight_max", "\"64MiB\""),
    ("encryption.active", "\"2026-11\""),
    ("tenants.memory_max", "\"16MiB\""),
    ("tenants.entries_max", "10000"),
    ("tenants.redis_max", "\"256MiB\""),
    ("tenants.redis_entries_max", "50000"),
    ("tenant.*.memory_max", "\"64MiB\""),
    ("tenant.*.entries_max", "100000"),
    ("tenant.*.redis_max", "\"1GiB\""),
    ("tenant.*.redis_entries_max", "500000"),
    ("tenant.*.admin_token", "\"a-token-of-acme-alone\""),
    ("namespace.*.memory_max", "\"64MiB\""),
    ("strategy.*.tiers", "[\"memory\"]"),
    ("cache.node_name", "\"edge\""),
    ("redis.url", "\"redis://127.0.0.1:6379\""),
    ("redis.username", "\"peregrine\""),
    ("redis.password", "\"secret\""),
    ("redis.sentinel_username", "\"peregrine\""),
    ("redis.sentinel_password", "\"secret\""),
    ("redis.tls.ca", "\"/etc/peregrine/tls/redis-ca.pem\""),
    ("redis.tls.certificate", "\"/etc/peregrine/tls/redis.pem\""),
    ("redis.tls.key", "\"/etc/peregrine/tls/redis.key\""),
    ("cache.replicas_min", "1"),
    ("alert[].name", "\"slow_products\""),
    ("alert[].metric", "\"latency_p95_ms\""),
    ("alert[].above", "800.0"),
    ("alert[].below", "1.0"),
    ("alert[].clear", "600.0"),
    ("alert[].group", "\"latency\""),
    ("alert[].text", "\"{labels} answers slowly: {value}\""),
    ("alert[].next_step", "\"https://wiki.example/runbooks/slow\""),
    ("slo[].name", "\"products_fast\""),
    ("slo[].route", "\"products\""),
    ("insight.origin_second_cost", "0.0001"),
    ("insight.gigabyte_cost", "0.08"),
    ("notify.*.url", "\"https://hooks.example/peregrine\""),
    ("notify.*.secret", "\"a-secret-of-32-characters-or-more\""),
    ("notify.*.ca", "\"/etc/peregrine/tls/hooks-ca.pem\""),
];

/// A value of `row` to show: its default, or else an example.
fn sample(row: &Parameter) -> String {
    if let Fallback::Toml(text) = row.fallback {
        return text.to_owned();
    }
    let example = EXAMPLES
        .iter()
        .find(|(name, _)| *name == row.name)
        .map(|(_, text)| *text);
    example.map_or_else(|| sample_of_kind(row.kind), str::to_owned)
}

fn sample_of_kind(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true".to_owned(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Number { min, .. } => format!("{min:?}"),
        Kind::Duration { max, .. } | Kind::Size { max, .. } => format!("\"{max}\""),
        Kind::Text | Kind::Secret => "\"\"".to_owned(),
        Kind::Choice(words) => quoted(&words[..1.min(words.len())]),
        Kind::Texts | Kind::TextsOrTables(_) | Kind::Choices(_) | Kind::Integers { .. } => "[]".to_owned(),
        Kind::TextMap => "{}".to_owned(),
    }
}

/// Breaks `text` into lines of at most `width` characters between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
