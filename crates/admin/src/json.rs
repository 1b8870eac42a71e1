//! JSON as a checked type. What is wrong names its field, line and column.

use crate::api::Checked;
use crate::refusal::{Refusal, fault};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

/// Reads `text` and checks it.
pub(crate) fn read<T: DeserializeOwned + Checked>(text: &[u8]) -> Result<T, Refusal> {
    let value: T = parse(text)?;
    let mut faults = Vec::new();
    value.check(&mut faults);
    if faults.is_empty() {
        Ok(value)
    } else {
        Err(Refusal::invalid(faults))
    }
}

/// Reads `text`.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refusal> {
    // serde would take an array for an object, its elements as the fields in their order.
    match text.trim_ascii_start().first() {
        Some(b'{') => {}
        Some(_) => return Err(Refusal::invalid(vec![fault("body", "is not a JSON object")])),
        None => {
            return Err(Refusal::invalid(vec![fault(
                "body",
                "is empty; a JSON object is expected",
            )]));
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| wrong(&field_at(error.path()), error.inner()))?;
    deserializer.end().map_err(|error| wrong("body", &error))?;
    Ok(value)
}

/// A place in the text as `tags[1]` or `values.a`.
fn field_at(path: &Path) -> String {
    let mut field = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                field.push_str(if field.is_empty() { "" } else { "." });
                field.push_str(key);
            }
            Segment::Unknown => break,
        }
    }
    if field.is_empty() { "body".to_owned() } else { field }
}

fn wrong(field: &str, error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // serde_json says the place at the end; it is better read first.
    let text = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    Refusal::invalid(vec![fault(field, format!("line {line}, column {column}: {text}"))])
}
