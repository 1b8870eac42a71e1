//! What holds for any input: nothing panics, and what is written is what holds.

use super::*;
use crate::config::TABLE;
use peregrine_base::{ByteSize, Span};
use proptest::prelude::*;

/// A value of `kind` as TOML, chosen by `chance`.
fn value_of(kind: Kind, chance: u64) -> String {
    let between = |min: i64, max: i64| min + i64::try_from(chance % u64::try_from(max - min + 1).unwrap()).unwrap();
    let word = |words: &[&str]| format!("{:?}", words[usize::try_from(chance).unwrap_or(0) % words.len()]);
    match kind {
        Kind::Flag => chance.is_multiple_of(2).to_string(),
        Kind::Integer { min, max } => between(min, max).to_string(),
        #[expect(clippy::cast_precision_loss, reason = "any number will do")]
        Kind::Number { min, max } => format!("{:?}", min + (max - min) * (chance % 1000) as f64 / 1000.0),
        Kind::Duration { min, max } => {
            let nanos = |text: &str| i64::try_from(text.parse::<Span>().unwrap().get().as_nanos()).unwrap();
            let span = std::time::Duration::from_nanos(u64::try_from(between(nanos(min), nanos(max))).unwrap());
            format!("\"{}\"", Span::new(span))
        }
        Kind::Size { min, max } => {
            let bytes = |text: &str| i64::try_from(text.parse::<ByteSize>().unwrap().as_u64()).unwrap();
            format!(
                "\"{}\"",
                ByteSize::bytes(u64::try_from(between(bytes(min), bytes(max))).unwrap())
            )
        }
        Kind::Text | Kind::Secret => toml::Value::String(format!("text {chance} \"\\\n'")).to_string(),
        Kind::Choice(words) => word(words),
        Kind::Texts => format!("[\"a{chance}\", \"b\"]"),
        Kind::TextsOrTables(rows) => {
            let fields = rows
                .iter()
                .map(|row| format!("{} = {}", row.name, value_of(row.kind, chance)));
            format!("[\"a{chance}\", {{ {} }}]", fields.collect::<Vec<_>>().join(", "))
        }
        Kind::Choices(words) => format!("[{}]", word(words)),
        Kind::Integers { min, max } => format!("[{}]", between(min, max)),
        Kind::TextMap => format!("{{ x-{chance} = \"1\" }}"),
    }
}

/// A whole configuration in dotted names, as (field, value); names that must fit each other are fixed.
fn configuration(chances: &[u64]) -> Vec<(String, String)> {
    let fixed = |name: &str| match name {
        "upstream[].name" | "route[].upstream" => Some("\"api\""),
        "route[].strategy" | "route[].namespace" => Some("\"own\""),
        _ => None,
    };
    // Arrays of tables inside others are written in a way of their own.
    let flat = |row: &&Parameter| !row.name.split_once('.').is_some_and(|(_, rest)| rest.contains("[]"));
    // What holds is not shown.
    let open = |row: &&Parameter| row.kind != Kind::Secret;
    let rows = TABLE
        .iter()
        .copied()
        .flatten()
        .filter(flat)
        .filter(open)
        .zip(chances.iter().cycle());
    rows.map(|(row, chance)| {
        let value = fixed(row.name).map_or_else(|| value_of(row.kind, *chance), str::to_owned);
        (row.name.replace("[]", "[0]").replace('*', "own"), value)
    })
    .collect()
}

/// The same as a file: a section for each first name, the rest dotted.
fn file(fields: &[(String, String)]) -> String {
    let mut text = String::new();
    let mut section = String::new();
    for (field, value) in fields {
        let (first, rest) = field.split_once('.').unwrap();
        let (title, rest) = match first.strip_suffix("[0]") {
            Some(array) => (format!("[[{array}]]"), rest),
            None if ["strategy", "namespace", "tenant", "notify"].contains(&first) => {
                (format!("[{first}.own]"), rest.split_once('.').unwrap().1)
            }
            None => (format!("[{first}]"), rest),
        };
        if title != section {
            text.push_str(&format!("{title}\n"));
            // A secret that must be there, and is not shown.
            text.push_str(if first == "notify" {
                "url = \"https://hooks.example\"\n"
            } else {
                ""
            });
            section = title;
        }
        text.push_str(&format!("{rest} = {value}\n"));
    }
    text
}

/// The table lists `[server]` twice, once for each of its owners; TOML wants it once.
fn in_order(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    fields.sort_by_key(|(field, _)| field.split_once('.').map(|(first, _)| first.to_owned()));
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_input_panics(text in ".*", lines in prop::collection::vec("(\\[{1,2}[a-z.]{1,12}\\]{1,2}|[a-z.]{1,12} = [\\[\\]{}\"${}a-z0-9., =-]{0,20})", 0..12)) {
        for text in [text, lines.join("\n")] {
            if let Err(faults) = read(&text, &Environment::default()) {
                prop_assert!(!faults.to_string().is_empty());
            }
        }
    }

    #[test]
    fn no_change_of_a_good_file_panics(at in 0..GOOD.len(), cut in 0..8usize, put in ".{0,4}") {
        let mut text: Vec<u8> = GOOD.bytes().collect();
        text.splice(at..(at + cut).min(GOOD.len()), put.bytes());
        if let Ok(text) = String::from_utf8(text)
            && let Err(faults) = read(&text, &Environment::default())
        {
            prop_assert!(!faults.to_string().is_empty());
        }
    }

    #[test]
    fn no_variable_panics(name in "[A-Z_0-9]{0,20}", value in ".{0,20}", known in 0..ROWS.len()) {
        let known = ROWS[known].name.replace("[]", ".0").replace('*', "NAME").replace('.', "__").to_uppercase();
        for name in [format!("PEREGRINE__{name}"), format!("PEREGRINE__{known}")] {
            let environment = Environment::from([(name.as_str(), value.as_str())]);
            if let Err(faults) = read(GOOD, &environment) {
                prop_assert!(!faults.to_string().is_empty());
            }
        }
    }

    #[test]
    fn what_is_written_is_what_holds(chances in prop::collection::vec(0..u64::MAX / 2, 8)) {
        let fields = in_order(configuration(&chances));
        let origin = Origin::Text { name: "f".to_owned(), text: file(&fields) };
        let resolved = resolve(TABLE, &origin, &Overrides::default(), &Environment::default());
        let resolved = resolved.map_err(|faults| TestCaseError::fail(faults.to_string()))?;
        let effective = resolved.effective();
        for (field, written) in fields {
            let Effective { value: held, source, .. } = effective.iter().find(|one| one.field == field).unwrap();
            let parse = |text: &str| format!("v = {text}").parse::<toml::Table>().unwrap();
            prop_assert_eq!(parse(held), parse(&written), "{}", &field);
            prop_assert!(source.starts_with("f:"), "{}: {}", field, source);
        }
    }
}
