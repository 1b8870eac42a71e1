//! The tree against the shape: unknown fields, wrong types, impossible values, missing required fields, all of them; and
//! the defaults for what is not set.

use super::fault::Fault;
use super::names;
use super::node::{self, Fields, Node, Source, Value};
use super::parse;
use super::shape::Shape;
use super::value;
use peregrine_base::{Fallback, Kind};

/// Checks `root` against `shape` and fills in what is not set.
pub(crate) fn check(root: &mut Node, shape: &Shape, faults: &mut Vec<Fault>) {
    Checker { shape, faults }.walk(root, shape, "");
}

struct Checker<'a> {
    /// The whole shape, to find where a misplaced field belongs.
    shape: &'a Shape,
    faults: &'a mut Vec<Fault>,
}

impl Checker<'_> {
    fn walk(&mut self, node: &mut Node, shape: &Shape, path: &str) {
        match (shape, &mut node.value) {
            (Shape::Value(row), _) => {
                self.tables(node, row.kind, path);
                value::settle(node, row, path, self.faults);
            }
            (Shape::Table(shapes), Value::Table(fields)) => {
                self.unknown(fields, shapes, path);
                self.fill(fields, &node.source, shapes, path);
            }
            (Shape::Array(inside), Value::List(elements)) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    self.walk(element, inside, &node::element(path, index));
                }
            }
            (Shape::Named(inside), Value::Table(fields)) => {
                for (name, field) in fields {
                    let path = node::field(path, name);
                    if let Some(problem) = names::problem(name) {
                        self.faults.push(Fault::new(&field.name, path.as_str(), problem));
                    }
                    self.walk(field, inside, &path);
                }
            }
            (expected, found) => {
                let (noun, written) = match expected {
                    Shape::Array(_) => ("an array of tables", format!("[[{path}]]")),
                    Shape::Named(_) => ("a table of named tables", format!("[{path}.NAME]")),
                    _ => ("a table", format!("[{path}]")),
                };
                let problem = format!("should be {noun}, is {}", found.noun());
                self.faults
                    .push(Fault::new(&node.name, path, problem).help(format!("write {written}")));
            }
        }
    }

    /// Checks the tables in a list of texts or tables; its texts are for [`value::settle`].
    fn tables(&mut self, node: &mut Node, kind: Kind, path: &str) {
        let (Kind::TextsOrTables(rows), Value::List(elements)) = (kind, &mut node.value) else {
            return;
        };
        let inside = Shape::of([rows]);
        for (index, element) in elements.iter_mut().enumerate() {
            if element.fields().is_some() {
                self.walk(element, &inside, &node::element(path, index));
            }
        }
    }

    fn unknown(&mut self, fields: &Fields, shapes: &[(&'static str, Shape)], path: &str) {
        for (name, node) in fields {
            if shapes.iter().any(|(known, _)| known == name) {
                continue;
            }
            let fault = Fault::new(&node.name, node::field(path, name), "unknown field");
            let belongs = places(self.shape, name, "");
            let near = names::nearest(name, shapes.iter().map(|(known, _)| *known));
            self.faults.push(match (near, belongs.as_slice()) {
                (Some(near), _) => fault.nearest(Some(near)),
                (None, []) => fault,
                (None, [place]) => fault.help(format!("it belongs to {place}")),
                (None, [places @ .., last]) => fault.help(format!("it belongs to {} or {last}", places.join(", "))),
            });
        }
    }

    fn fill(&mut self, fields: &mut Fields, table: &Source, shapes: &[(&'static str, Shape)], path: &str) {
        for (name, shape) in shapes {
            let path = node::field(path, name);
            if let Some(node) = fields.get_mut(*name) {
                self.walk(node, shape, &path);
                continue;
            }
            let missing = match shape {
                Shape::Value(row) => match row.fallback {
                    Fallback::Toml(text) => Some(default_of(row.name, text)),
                    Fallback::Absent => None,
                    Fallback::Required => {
                        let fault = Fault::new(table, path.as_str(), "is missing");
                        self.faults
                            .push(fault.help(format!("set it to {}", value::noun(row.kind))));
                        None
                    }
                },
                Shape::Table(_) if shape.requires() => None,
                Shape::Table(_) | Shape::Named(_) => Some(Node::empty_table()),
                Shape::Array(_) => Some(Node::new(Value::List(Vec::new()), Source::Default)),
            };
            if let Some(mut node) = missing {
                self.walk(&mut node, shape, &path);
                fields.insert((*name).to_owned(), node);
            }
        }
    }
}

/// The default of the row `name`, which a unit test has proven to be readable.
fn default_of(name: &str, text: &str) -> Node {
    parse::parse_value(text, &Source::Default).unwrap_or_else(|| panic!("the default of {name} is not TOML: {text}"))
}

/// The tables in which a field called `name` would be valid, as they are written in the file.
fn places(shape: &Shape, name: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (field, inside) in shape.fields() {
        let path = node::field(path, field);
        match inside {
            Shape::Value(_) => {
                if *field == name && path != *field {
                    found.push(format!("[{}]", &path[..path.len() - field.len() - 1]));
                }
            }
            Shape::Table(_) => found.extend(places(inside, name, &path)),
            Shape::Named(inside) => found.extend(places(inside, name, &format!("{path}.NAME"))),
            Shape::Array(inside) => {
                let direct = inside
                    .fields()
                    .iter()
                    .any(|(field, shape)| *field == name && matches!(shape, Shape::Value(_)));
                found.extend(direct.then(|| format!("[[{path}]]")));
                found.extend(
                    places(inside, name, &path)
                        .into_iter()
                        .filter(|place| *place != format!("[{path}]")),
                );
            }
        }
    }
    found
}
