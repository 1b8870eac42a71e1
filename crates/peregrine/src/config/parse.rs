//! From TOML to the tree: every syntax fault at once, and `${NAME}` in texts replaced from the environment.

use super::environment::Environment;
use super::fault::{Fault, Faults};
use super::node::{self, Fields, Node, Source, Value};
use super::text::SourceText;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads `text`; `${NAME}` comes from `environment`. Faults of single values go to `faults`.
///
/// # Errors
/// When it is not TOML; nothing else can be said about it then.
pub(crate) fn parse(text: &SourceText, environment: &Environment, faults: &mut Vec<Fault>) -> Result<Node, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text.as_str());
    if !errors.is_empty() {
        let end = text.as_str().len();
        let of = |error: &toml::de::Error| {
            Fault::new(
                &Source::File(error.span().unwrap_or(end..end)),
                "",
                error.message().trim_end(),
            )
        };
        return Err(Faults::new(text.clone(), errors.iter().map(of).collect()));
    }
    let mut reader = Reader { environment, faults };
    Ok(reader.table(table.get_ref(), 0..0, ""))
}

/// Reads one value written as in TOML, such as a default of the parameter table or a list in the environment.
pub(crate) fn parse_value(text: &str, source: &Source) -> Option<Node> {
    let document = format!("value = {text}\n");
    let table = DeTable::parse(&document).ok()?;
    let mut faults = Vec::new();
    let none = Environment::default();
    let mut reader = Reader {
        environment: &none,
        faults: &mut faults,
    };
    let mut root = reader.table(table.get_ref(), 0..0, "");
    // More than the one field means that the text had lines of its own.
    let fields = root.fields_mut()?;
    let mut node = fields
        .remove("value")
        .filter(|_| fields.is_empty() && faults.is_empty())?;
    set_source(&mut node, source);
    Some(node)
}

/// Says of `node` and all in it that `source` set it.
pub(crate) fn set_source(node: &mut Node, source: &Source) {
    (node.source, node.name) = (source.clone(), source.clone());
    match &mut node.value {
        Value::List(elements) => elements.iter_mut().for_each(|element| set_source(element, source)),
        Value::Table(fields) => fields.values_mut().for_each(|field| set_source(field, source)),
        _ => {}
    }
}

struct Reader<'a> {
    environment: &'a Environment,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, span: Range<usize>, path: &str) -> Node {
        let mut fields = Fields::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let mut node = self.value(value, &node::field(path, &name));
            node.name = Source::File(key.span());
            fields.insert(name, node);
        }
        Node::new(Value::Table(fields), Source::File(span))
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Node {
        let span = value.span();
        let source = Source::File(span.clone());
        let value = match value.get_ref() {
            DeValue::String(text) => self.text(text, &source, path),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number that is too large"), Value::Integer),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map_or(Value::Other("a number that is too large"), Value::Number),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(elements) => {
                let element = |(index, value)| self.value(value, &node::element(path, index));
                Value::List(elements.iter().enumerate().map(element).collect())
            }
            DeValue::Table(table) => return self.table(table, span, path),
        };
        Node::new(value, source)
    }

    /// A text; one in which `${NAME}` was replaced may stand for a value of any type.
    fn text(&mut self, text: &str, source: &Source, path: &str) -> Value {
        if !text.contains("${") {
            return Value::Text(text.to_owned());
        }
        match expand(text, self.environment) {
            Ok(expanded) => Value::Raw(expanded),
            Err(problem) => {
                self.faults
                    .push(Fault::new(source, path, problem).help("write $${ for a literal ${"));
                Value::Text(text.to_owned())
            }
        }
    }
}

/// `text` with every `${NAME}` replaced by the variable NAME, and `$${` by `${`.
fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(escaped) = before.strip_suffix('$') {
            expanded.push_str(escaped);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        let end = after.find('}').ok_or("`${` without `}`")?;
        let name = &after[..end];
        if !is_variable_name(name) {
            return Err(format!("`${{{name}}}` does not name an environment variable"));
        }
        expanded.push_str(before);
        expanded.push_str(
            environment
                .get(name)
                .ok_or_else(|| format!("environment variable {name} is not set"))?,
        );
        rest = &after[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
