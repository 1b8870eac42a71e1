//! What is made from a table, held against the program that reads it.

use super::*;
use crate::config::{Environment, Origin, Overrides, TABLE, load};
use serde_json::{Value, json};

fn check(text: &str) -> Result<crate::config::Resolved, crate::config::Faults> {
    let origin = Origin::Text {
        name: "default".to_owned(),
        text: text.to_owned(),
    };
    load(&origin, &Overrides::default(), &Environment::default()).map(|loaded| loaded.resolved)
}

#[test]
fn the_default_file_is_complete_and_without_faults() {
    let file = default_file(TABLE);
    check(&file).unwrap_or_else(|faults| panic!("{faults}"));
    for row in TABLE.iter().copied().flatten() {
        let field = row.name.rsplit(['.', ']', '*']).find(|part| !part.is_empty()).unwrap();
        assert!(file.contains(&format!("{field} = ")), "{} is not in it", row.name);
    }
}

#[test]
fn every_line_of_the_default_file_is_valid_when_its_mark_is_taken_off() {
    let file = default_file(TABLE);
    let lines: Vec<&str> = file.lines().collect();
    let commented = |line: &&str| line.starts_with("# ") && line.contains(" = ") && !line.contains("PEREGRINE__");
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| commented(line)) {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        // Neither is of use alone.
        let pairs = [
            ["# tls.certificate = ", "# tls.key = "],
            ["# username = ", "# password = "],
            ["# sentinel_username = ", "# sentinel_password = "],
        ];
        let pair = pairs
            .iter()
            .find(|pair| pair.iter().any(|begin| line.starts_with(begin)));
        let belongs = |other: &str| pair.is_some_and(|pair| pair.iter().any(|begin| other.starts_with(begin)));
        let is_title = |line: &&str| line.trim_start_matches("# ").starts_with('[') && line.ends_with(']');
        let section = |at: usize| lines[..=at].iter().rposition(is_title);
        // A section that is not there comes with what it must have; an objective of a route with the route's name.
        let is_absent = section(index).is_some_and(|title| lines[title].starts_with('#'));
        let needed = ["# [", "# name = ", "# metric = ", "# above = ", "# url = "];
        let comes_along = |text: &str| is_absent && needed.iter().any(|begin| text.starts_with(begin));
        let names_route = |text: &str| line.starts_with("# route = ") && text == "# name = \"products\"";
        for (other, text) in lines.iter().enumerate() {
            let same = section(other) == section(index);
            if other == index || same && (belongs(text) || comes_along(text)) || names_route(text) {
                changed[other] = text.trim_start_matches("# ").to_owned();
            } else if same && text.starts_with("# url = \"redis://") {
                // Of use only with a server, and some with one kind of them.
                let kind = match line.trim_start_matches("# ") {
                    line if line.starts_with("tls.") => "rediss://h",
                    line if line.starts_with("sentinel_") => "redis+sentinel://h/name",
                    _ => "redis://h",
                };
                changed[other] = format!("url = \"{kind}\"");
            }
        }
        check(&changed.join("\n")).unwrap_or_else(|faults| panic!("{line}: {faults}"));
    }
}

#[test]
fn the_schema_accepts_the_default_file_and_refuses_what_the_program_refuses() {
    let schema = schema(TABLE);
    let file: Value = toml::from_str(&default_file(TABLE)).unwrap();
    assert_eq!(violations(&schema, &schema, &file, "file"), Vec::<String>::new());
    for (wrong, expected) in [
        (json!({ "servr": {} }), "file.servr is unknown"),
        (
            json!({ "server": { "workers": "four" } }),
            "file.server.workers fits none",
        ),
        (
            json!({ "server": { "workers": 1_000_000 } }),
            "file.server.workers fits none",
        ),
        (json!({ "server": [] }), "file.server is no object"),
    ] {
        let found = violations(&schema, &schema, &wrong, "file");
        assert!(found.iter().any(|found| found == expected), "{expected}: {found:?}");
    }
}

/// The part of JSON Schema that the schema uses, patterns left out.
fn violations(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return violations(root, root.pointer(&reference[1..]).unwrap(), value, path);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = |choice| violations(root, choice, value, path).is_empty();
        return if choices.iter().any(fits) {
            Vec::new()
        } else {
            vec![format!("{path} fits none")]
        };
    }
    let mut found = Vec::new();
    let is_type = match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => {
            value.is_string()
                && (schema.get("pattern") != Some(&json!(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"))
                    || value.as_str().is_some_and(|text| text.contains("${")))
        }
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !is_type {
        found.push(format!("{path} is no {}", schema["type"].as_str().unwrap_or_default()));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        found.push(format!("{path} is none of the words"));
    }
    let number = |name| schema.get(name).and_then(Value::as_f64);
    if let Some(value) = value.as_f64()
        && (number("minimum").is_some_and(|min| value < min) || number("maximum").is_some_and(|max| value > max))
    {
        found.push(format!("{path} is out of bounds"));
    }
    for element in value.as_array().into_iter().flatten() {
        found.extend(violations(root, &schema["items"], element, &format!("{path}[]")));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match schema.get("properties").and_then(|properties| properties.get(name)) {
            Some(inside) => found.extend(violations(root, inside, field, &path)),
            None if schema["additionalProperties"].is_object() => {
                found.extend(violations(root, &schema["additionalProperties"], field, &path));
            }
            None => found.push(format!("{path} is unknown")),
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    found.extend(
        required
            .filter(|name| value.get(name.as_str().unwrap()).is_none())
            .map(|name| format!("{path}: {name}")),
    );
    found
}

#[test]
fn explanations_are_found_however_the_name_is_written() {
    let names = |query: &str| -> Vec<&str> {
        explain(TABLE, query, &[])
            .unwrap()
            .into_iter()
            .map(|explanation| explanation.name)
            .collect()
    };
    assert_eq!(names("server.workers"), ["server.workers"]);
    assert_eq!(names("workers"), ["server.workers"]);
    assert_eq!(names("*state*"), ["server.state_dir"]);
    assert!(names("server").len() > 1);
    assert_eq!(explain(TABLE, "server.worker", &[]), Err(Some("server.workers")));
    assert_eq!(explain(TABLE, "wrkers", &[]), Err(Some("server.workers")));
    assert_eq!(explain(TABLE, "zzzzzz", &[]), Err(None));
}

#[test]
fn an_explanation_tells_what_holds_and_what_set_it() {
    let file = default_file(TABLE).replace("# workers = 0", "workers = 3");
    let effective = check(&file).unwrap().effective();
    let explanation = explain(TABLE, "server.workers", &effective).unwrap().remove(0);
    assert_eq!(explanation.now[0].value, "3");
    assert!(
        explanation.now[0].source.starts_with("default:"),
        "{}",
        explanation.now[0].source
    );
    assert_eq!(explanation.environment, "PEREGRINE__SERVER__WORKERS");
    assert_eq!(explanation.kind, "a whole number from 0 to 1024");
}

#[test]
fn the_reference_has_every_parameter() {
    let page = reference(TABLE);
    for row in TABLE.iter().copied().flatten() {
        assert!(page.contains(row.about.replace('|', "\\|").as_str()), "{}", row.name);
    }
    assert!(page.contains("`CACHE_ENABLED`"));
}
