//! One value against its row: the type, the bounds, the choices. A text from the environment becomes what the row asks for.

use super::fault::Fault;
use super::names;
use super::node::{self, Node, Value};
use super::parse;
use peregrine_base::{ByteSize, Kind, Parameter, Span};

/// Gives the value at `path` the type of `row`, or says why it cannot have it.
pub(crate) fn settle(node: &mut Node, row: &Parameter, path: &str, faults: &mut Vec<Fault>) {
    if let Value::Raw(text) = &node.value {
        node.value = from_raw(text, row.kind, node);
    }
    let before = faults.len();
    match (row.kind, &mut node.value) {
        (Kind::Texts | Kind::TextsOrTables(_) | Kind::Choices(_) | Kind::Integers { .. }, Value::List(elements)) => {
            for (index, element) in elements.iter_mut().enumerate() {
                if matches!((row.kind, &element.value), (Kind::TextsOrTables(_), Value::Table(_))) {
                    // Checked already, field by field.
                    continue;
                }
                settle_element(element, row.kind, &node::element(path, index), faults);
            }
        }
        (Kind::TextMap, Value::Table(fields)) => {
            for (name, field) in fields {
                settle_element(field, Kind::Texts, &node::field(path, name), faults);
            }
        }
        _ => faults.extend(scalar(node, row.kind, path)),
    }
    if row.kind == Kind::Secret {
        faults[before..].iter_mut().for_each(|fault| fault.quote = false);
    }
}

/// An element of a list of `kind`.
fn settle_element(node: &mut Node, kind: Kind, path: &str, faults: &mut Vec<Fault>) {
    let of_element = match kind {
        Kind::Choices(choices) => Kind::Choice(choices),
        Kind::Integers { min, max } => Kind::Integer { min, max },
        _ => Kind::Text,
    };
    if let Value::Raw(text) = &node.value {
        node.value = from_raw(text, of_element, node);
    }
    faults.extend(scalar(node, of_element, path));
}

/// What a text from outside the file stands for in a field of `kind`; stays a text where it stands for nothing.
fn from_raw(text: &str, kind: Kind, node: &Node) -> Value {
    let trimmed = text.trim();
    let meant = match kind {
        Kind::Flag => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(Value::Flag(true)),
            "false" | "0" | "no" | "off" => Some(Value::Flag(false)),
            _ => None,
        },
        Kind::Integer { .. } => trimmed.parse().ok().map(Value::Integer),
        Kind::Number { .. } => trimmed.parse().ok().map(Value::Number),
        Kind::Texts | Kind::TextsOrTables(_) | Kind::Choices(_) | Kind::Integers { .. }
            if !trimmed.starts_with('[') =>
        {
            let element = |part: &str| Node::new(Value::Raw(part.trim().to_owned()), node.source.clone());
            Some(Value::List(
                trimmed
                    .split(',')
                    .filter(|part| !part.trim().is_empty())
                    .map(element)
                    .collect(),
            ))
        }
        Kind::Texts | Kind::TextsOrTables(_) | Kind::Choices(_) | Kind::Integers { .. } | Kind::TextMap => {
            parse::parse_value(trimmed, &node.source).map(|parsed| parsed.value)
        }
        Kind::Duration { .. } | Kind::Size { .. } | Kind::Text | Kind::Secret | Kind::Choice(_) => None,
    };
    meant.unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// Checks a single value; a whole number in a field for numbers with a fraction becomes one.
fn scalar(node: &mut Node, kind: Kind, path: &str) -> Option<Fault> {
    let fault = |node: &Node, problem: String| Some(Fault::new(&node.source, path, problem));
    let outside = |node: &Node, shown: String, min: &str, max: &str| {
        fault(node, format!("{shown} is out of bounds; it can be from {min} to {max}"))
    };
    if let (Kind::Number { .. }, Value::Integer(number)) = (kind, &node.value) {
        #[expect(clippy::cast_precision_loss, reason = "a number that large is out of every bound")]
        let number = *number as f64;
        node.value = Value::Number(number);
    }
    match (kind, &node.value) {
        (Kind::Flag, Value::Flag(_)) | (Kind::Text | Kind::Secret, Value::Text(_)) => None,
        (Kind::Integer { min, max }, Value::Integer(number)) => (!(min..=max).contains(number))
            .then(|| outside(node, number.to_string(), &min.to_string(), &max.to_string()))
            .flatten(),
        (Kind::Number { min, max }, Value::Number(number)) => (!(min..=max).contains(number))
            .then(|| outside(node, number.to_string(), &min.to_string(), &max.to_string()))
            .flatten(),
        (Kind::Duration { min, max }, Value::Text(text)) => match text.parse::<Span>() {
            Ok(span) if span < limit(min) || span > limit(max) => outside(node, format!("{text:?}"), min, max),
            Ok(_) => None,
            Err(error) => fault(node, error.to_string()),
        },
        (Kind::Size { min, max }, Value::Text(text)) => match text.parse::<ByteSize>() {
            Ok(size) if size < limit(min) || size > limit(max) => outside(node, format!("{text:?}"), min, max),
            Ok(_) => None,
            Err(error) => fault(node, error.to_string()),
        },
        (Kind::Choice(choices), Value::Text(text)) if choices.contains(&text.as_str()) => None,
        (Kind::Choice(choices), Value::Text(text)) => {
            let known = choices.join(", ");
            let fault = Fault::new(&node.source, path, format!("{text:?} is not one of: {known}"));
            Some(fault.nearest(names::nearest(text, choices.iter().copied())))
        }
        (_, value) => Some(wrong_type(node, kind, value, path)),
    }
}

fn wrong_type(node: &Node, kind: Kind, value: &Value, path: &str) -> Fault {
    let fault = Fault::new(
        &node.source,
        path,
        format!("should be {}, is {}", noun(kind), value.noun()),
    );
    match (kind, value) {
        (Kind::Duration { .. }, Value::Integer(number)) => fault.help(format!("with its unit: \"{number}s\"")),
        (Kind::Size { .. }, Value::Integer(number)) => fault.help(format!("with its unit: \"{number}B\"")),
        (Kind::Texts | Kind::TextsOrTables(_) | Kind::Choices(_), Value::Text(text)) => {
            fault.help(format!("in brackets: [{text:?}]"))
        }
        (Kind::Flag | Kind::Integer { .. } | Kind::Number { .. }, Value::Text(_)) => fault.help("without quotes"),
        (Kind::Text | Kind::Choice(_), Value::Integer(_) | Value::Number(_) | Value::Flag(_)) => {
            fault.help("between quotes")
        }
        _ => fault,
    }
}

/// The words for a type in an error message and in the reference.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "true or false",
        Kind::Integer { .. } => "a whole number",
        Kind::Number { .. } => "a number",
        Kind::Duration { .. } => "a duration such as \"5m\"",
        Kind::Size { .. } => "a size such as \"64MiB\"",
        Kind::Text | Kind::Secret | Kind::Choice(_) => "a text",
        Kind::Texts | Kind::Choices(_) => "a list of texts",
        Kind::TextsOrTables(_) => "a list of texts or tables",
        Kind::Integers { .. } => "a list of whole numbers",
        Kind::TextMap => "a table of texts",
    }
}

/// A bound of the table, which a unit test has proven to be readable.
fn limit<T: std::str::FromStr>(text: &'static str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("the bounds of the parameter table are well formed")
}
