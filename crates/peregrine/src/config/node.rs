//! The configuration as a tree of values that remember where they were set. Every layer (file, environment, command line,
//! defaults) writes into the same tree, so that a fault and `config explain` can both say where a value comes from.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the file, at these bytes.
    File(Range<usize>),
    /// In the environment, under this name.
    Environment(String),
    /// On the command line, by this option.
    CommandLine(&'static str),
    /// Nowhere: the default of the parameter table.
    Default,
}

/// A value and where it was set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// What was set.
    pub value: Value,
    /// Where.
    pub source: Source,
    /// Where the name of the field stands, for faults about the name; the same as `source` when there is no name.
    pub name: Source,
}

/// The fields of a table.
pub(crate) type Fields = BTreeMap<String, Node>;

/// What a field may hold before it is checked against its row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Number(f64),
    /// A text between quotes.
    Text(String),
    /// A text from the environment, whose type its row decides.
    Raw(String),
    /// Something that no field holds: a date, or a number too large to be one. The word names it.
    Other(&'static str),
    /// A list, or an array of tables.
    List(Vec<Node>),
    /// A table.
    Table(Fields),
}

impl Value {
    /// The word for it in an error message.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Flag(_) => "true or false",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) | Self::Raw(_) => "a text",
            Self::Other(noun) => noun,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// A value whose name stands where it does.
    pub(crate) fn new(value: Value, source: Source) -> Self {
        Self {
            value,
            name: source.clone(),
            source,
        }
    }

    /// An empty table that nobody wrote.
    pub(crate) fn empty_table() -> Self {
        Self::new(Value::Table(Fields::new()), Source::Default)
    }

    /// Its fields, if it is a table.
    pub(crate) fn fields(&self) -> Option<&Fields> {
        match &self.value {
            Value::Table(fields) => Some(fields),
            _ => None,
        }
    }

    /// Its fields, if it is a table.
    pub(crate) fn fields_mut(&mut self) -> Option<&mut Fields> {
        match &mut self.value {
            Value::Table(fields) => Some(fields),
            _ => None,
        }
    }

    /// Its elements; none if it is not a list.
    pub(crate) fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    /// Its text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Raw(text) => Some(text),
            _ => None,
        }
    }

    /// The field `name` of this table.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.fields()?.get(name)
    }

    /// The value at `path`, written as in a fault: `route[0].match.path`.
    pub(crate) fn at(&self, path: &str) -> Option<&Node> {
        let mut node = self;
        for step in steps(path) {
            node = node.step(&step)?;
        }
        Some(node)
    }

    /// The deepest value on the way to `path` that exists and was set by somebody: where a person looks for it.
    pub(crate) fn nearest(&self, path: &str) -> &Node {
        let mut found = self;
        let mut node = self;
        for step in steps(path) {
            let Some(next) = node.step(&step) else { break };
            node = next;
            if node.source != Source::Default {
                found = node;
            }
        }
        found
    }

    fn step(&self, step: &Step<'_>) -> Option<&Node> {
        match step {
            Step::Field(name) => self.get(name),
            Step::Element(index) => self.elements().get(*index),
        }
    }
}

/// One step of a path.
enum Step<'a> {
    Field(&'a str),
    Element(usize),
}

/// The steps of `route[0].match.path`: `route`, 0, `match`, `path`. A step that is not well formed finds nothing.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_suffix(']') {
            Some(index) => Step::Element(index.parse().unwrap_or(usize::MAX)),
            None => Step::Field(part),
        })
}

/// The path of the field `name` under `path`.
pub(crate) fn field(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of element `index` of `path`.
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

impl From<&Node> for serde_json::Value {
    /// For the typed configuration, once every value has the type of its row.
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Flag(flag) => Self::from(*flag),
            Value::Integer(number) => Self::from(*number),
            Value::Number(number) => Self::from(*number),
            Value::Text(text) | Value::Raw(text) => Self::from(text.as_str()),
            Value::Other(_) => Self::Null,
            Value::List(elements) => elements.iter().map(Self::from).collect(),
            Value::Table(fields) => fields
                .iter()
                .map(|(name, node)| (name.clone(), Self::from(node)))
                .collect(),
        }
    }
}
