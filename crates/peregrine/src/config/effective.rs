//! What holds and why: every effective value with the place that set it, and what differs between two configurations.

use super::node::{self, Node, Source, Value};
use super::shape::Shape;
use super::text::SourceText;
use peregrine_base::{Kind, Parameter};
use serde::Serialize;

/// One value that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The field, dotted with indexes.
    pub field: String,
    /// Its value, written as in TOML; a secret is hidden.
    pub value: String,
    /// What set it: `peregrine.toml:12:3`, `environment NAME`, `command line --listen` or `default`.
    pub source: String,
}

/// A value that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The field, dotted with indexes.
    pub field: String,
    /// What held; `None` when the field was not there.
    pub from: Option<String>,
    /// What is to hold; `None` when the field is gone.
    pub to: Option<String>,
    /// Whether a reload applies it; otherwise a restart does.
    pub reload: bool,
}

/// Every value of `root`, in the order of its fields.
pub(crate) fn values(root: &Node, shape: &Shape, text: &SourceText) -> Vec<Effective> {
    leaves(root, shape)
        .into_iter()
        .map(|(field, node, row)| Effective {
            value: if row.kind == Kind::Secret {
                "[redacted]".to_owned()
            } else {
                written(node)
            },
            source: if node.source == Source::Default {
                "default".to_owned()
            } else {
                text.place(&node.source)
            },
            field,
        })
        .collect()
}

/// What differs in `new` from `old`.
pub(crate) fn changes(old: &Node, new: &Node, shape: &Shape) -> Vec<Change> {
    let (before, after) = (leaves(old, shape), leaves(new, shape));
    let shown = |node: &Node, row: &Parameter| match row.kind {
        Kind::Secret => "[redacted]".to_owned(),
        _ => written(node),
    };
    let find = |leaves: &[(String, &Node, &'static Parameter)], field: &str| {
        leaves
            .iter()
            .find(|(other, ..)| other == field)
            .map(|(_, node, _)| written(node))
    };
    let gone = before.iter().filter(|(field, ..)| find(&after, field).is_none());
    let gone = gone.map(|(field, node, row)| (field.clone(), Some(shown(node, row)), None, row.reload));
    let set = after.iter().filter_map(|(field, node, row)| {
        let from = find(&before, field);
        (from.as_deref() != Some(&written(node))).then(|| {
            let from = from.map(|from| {
                if row.kind == Kind::Secret {
                    "[redacted]".to_owned()
                } else {
                    from
                }
            });
            (field.clone(), from, Some(shown(node, row)), row.reload)
        })
    });
    gone.chain(set)
        .map(|(field, from, to, reload)| Change {
            field,
            from,
            to,
            reload,
        })
        .collect()
}

pub(super) fn leaves<'a>(root: &'a Node, shape: &Shape) -> Vec<(String, &'a Node, &'static Parameter)> {
    let mut found = Vec::new();
    collect(root, shape, String::new(), &mut found);
    found
}

fn collect<'a>(node: &'a Node, shape: &Shape, path: String, found: &mut Vec<(String, &'a Node, &'static Parameter)>) {
    match (shape, &node.value) {
        (Shape::Value(row), _) => found.push((path, node, row)),
        (Shape::Table(shapes), Value::Table(fields)) => {
            for (name, shape) in shapes {
                if let Some(field) = fields.get(*name) {
                    collect(field, shape, node::field(&path, name), found);
                }
            }
        }
        (Shape::Array(inside), Value::List(elements)) => {
            for (index, element) in elements.iter().enumerate() {
                collect(element, inside, node::element(&path, index), found);
            }
        }
        (Shape::Named(inside), Value::Table(fields)) => {
            for (name, field) in fields {
                collect(field, inside, node::field(&path, name), found);
            }
        }
        _ => {}
    }
}

/// A value as TOML writes it.
pub(super) fn written(node: &Node) -> String {
    toml_value(node).map(|value| value.to_string()).unwrap_or_default()
}

fn toml_value(node: &Node) -> Option<toml::Value> {
    Some(match &node.value {
        Value::Flag(flag) => toml::Value::Boolean(*flag),
        Value::Integer(number) => toml::Value::Integer(*number),
        Value::Number(number) => toml::Value::Float(*number),
        Value::Text(text) | Value::Raw(text) => toml::Value::String(text.clone()),
        Value::Other(_) => return None,
        Value::List(elements) => toml::Value::Array(elements.iter().filter_map(toml_value).collect()),
        Value::Table(fields) => toml::Value::Table(
            fields
                .iter()
                .filter_map(|(name, node)| Some((name.clone(), toml_value(node)?)))
                .collect(),
        ),
    })
}
