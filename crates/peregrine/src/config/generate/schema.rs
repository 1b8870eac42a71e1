//! `peregrine config schema`: the JSON Schema (2020-12) of the file, for editors and for checks in a pipeline.

use super::variable;
use crate::config::{parse, shape::Shape};
use peregrine_base::{Fallback, Kind, Parameter};
use serde_json::{Map, Value, json};

/// The schema of a file with the rows of `table`.
#[must_use]
pub fn schema(table: &[&'static [Parameter]]) -> Value {
    let mut schema = of(&Shape::of(table.iter().copied()));
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "peregrine.toml",
        "description": "The configuration of Peregrine.",
        "$defs": {
            "environment": {
                "type": "string",
                "pattern": VARIABLE,
                "description": "A text in which ${NAME} reads the environment.",
            },
        },
    });
    if let (Value::Object(schema), Value::Object(head)) = (&mut schema, head) {
        schema.extend(head);
    }
    schema
}

/// A text with `${NAME}` in it.
const VARIABLE: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}";
/// A duration, and a size.
const DURATION: &str = r"^\s*([0-9]*\.?[0-9]*(d|h|m|s|ms|us|ns)\s*)+$";
const SIZE: &str = r"^\s*[0-9]*\.?[0-9]*\s*([Kk][Ii]?|[Mm][Ii]?|[Gg][Ii]?|[Tt][Ii]?)?[Bb]\s*$";
/// A name that the user chooses.
const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Value(row) => value(row),
        Shape::Array(inside) => json!({ "type": "array", "items": of(inside) }),
        Shape::Named(inside) => {
            json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": of(inside) })
        }
        Shape::Table(fields) => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, inside)| ((*name).to_owned(), of(inside)))
                .collect();
            let required: Vec<&str> = fields
                .iter()
                .filter(|(_, inside)| matches!(inside, Shape::Value(row) if row.fallback == Fallback::Required))
                .map(|(name, _)| *name)
                .collect();
            let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
            if !required.is_empty() {
                table["required"] = json!(required);
            }
            table
        }
    }
}

fn value(row: &Parameter) -> Value {
    let mut schema = of_kind(row.kind);
    let restart = if row.reload { "" } else { " A change needs a restart." };
    schema["description"] = json!(format!("{}{restart} Environment: {}.", row.about, variable(row)));
    if let Fallback::Toml(text) = row.fallback
        && let Some(default) = parse::parse_value(text, &crate::config::node::Source::Default)
    {
        schema["default"] = Value::from(&default);
    }
    schema
}

/// A field of a table within a list.
fn within(row: &Parameter) -> Value {
    let mut schema = of_kind(row.kind);
    schema["description"] = json!(row.about);
    if let Fallback::Toml(text) = row.fallback
        && let Some(default) = parse::parse_value(text, &crate::config::node::Source::Default)
    {
        schema["default"] = Value::from(&default);
    }
    schema
}

fn of_kind(kind: Kind) -> Value {
    let or_variable = |schema: Value| json!({ "anyOf": [schema, { "$ref": "#/$defs/environment" }] });
    match kind {
        Kind::Flag => or_variable(json!({ "type": "boolean" })),
        Kind::Integer { min, max } => or_variable(json!({ "type": "integer", "minimum": min, "maximum": max })),
        Kind::Number { min, max } => or_variable(json!({ "type": "number", "minimum": min, "maximum": max })),
        Kind::Duration { .. } => or_variable(json!({ "type": "string", "pattern": DURATION })),
        Kind::Size { .. } => or_variable(json!({ "type": "string", "pattern": SIZE })),
        Kind::Text | Kind::Secret => json!({ "type": "string" }),
        Kind::Choice(words) => or_variable(json!({ "enum": words })),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::TextsOrTables(rows) => {
            let fields: serde_json::Map<String, Value> =
                rows.iter().map(|row| (row.name.to_owned(), within(row))).collect();
            let required: Vec<&str> = rows
                .iter()
                .filter(|row| row.fallback == Fallback::Required)
                .map(|row| row.name)
                .collect();
            let table = json!({
                "type": "object", "properties": fields, "required": required, "additionalProperties": false,
            });
            json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, table] } })
        }
        Kind::Choices(words) => json!({ "type": "array", "items": or_variable(json!({ "enum": words })) }),
        Kind::Integers { min, max } => {
            json!({ "type": "array", "items": or_variable(json!({ "type": "integer", "minimum": min, "maximum": max })) })
        }
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    }
}
