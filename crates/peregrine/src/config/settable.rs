//! Every parameter as the admin API shows it, and what of a configuration is a secret.

use super::generate::type_words;
use super::node::{self, Node, Source, Value};
use super::shape::Shape;
use super::{Resolved, effective};
use peregrine_admin::api::config::ParameterReport;
use peregrine_base::{Fallback, Kind, Parameter};
use serde_json::Value as Json;

/// What stands for a secret.
pub(crate) const HIDDEN: &str = "***";

impl Resolved {
    /// Every parameter that holds, and in tables that are there also those that could be set.
    pub(crate) fn parameters(&self) -> Vec<ParameterReport> {
        let mut found = Vec::new();
        walk(Some(&self.root), &self.shape, String::new(), &mut found);
        found
    }

    /// What the file has for fields that are secrets, as it is written there, and for which field.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        let leaves = effective::leaves(&self.root, &self.shape);
        let secret = leaves.into_iter().filter(|(_, _, row)| is_secret(row));
        secret
            .filter_map(|(field, node, _)| match &node.source {
                Source::File(range) => Some((field, self.text.as_str().get(range.clone())?.to_owned())),
                _ => None,
            })
            .collect()
    }

    /// What set `field`, if that is not the file.
    pub(crate) fn shadowed(&self, field: &str) -> Option<String> {
        let node = self.root.at(field)?;
        match &node.source {
            Source::Environment(name) => Some(format!("the environment's {name}")),
            Source::CommandLine(option) => Some(format!("the command line's {option}")),
            Source::File(_) | Source::Default => None,
        }
    }
}

fn walk(node: Option<&Node>, shape: &Shape, path: String, found: &mut Vec<ParameterReport>) {
    match (shape, node.map(|node| &node.value)) {
        (Shape::Value(row), _) => found.push(report(path, node, row)),
        (Shape::Table(shapes), Some(Value::Table(fields))) => {
            for (name, shape) in shapes {
                walk(fields.get(*name), shape, node::field(&path, name), found);
            }
        }
        (Shape::Array(inside), Some(Value::List(elements))) => {
            for (index, element) in elements.iter().enumerate() {
                walk(Some(element), inside, node::element(&path, index), found);
            }
        }
        (Shape::Named(inside), Some(Value::Table(fields))) => {
            for (name, field) in fields {
                walk(Some(field), inside, node::field(&path, name), found);
            }
        }
        _ => {}
    }
}

/// Whether what stands there is never shown.
fn is_secret(row: &Parameter) -> bool {
    match row.kind {
        Kind::Secret => true,
        Kind::TextsOrTables(rows) => rows.iter().any(is_secret),
        _ => false,
    }
}

fn report(name: String, node: Option<&Node>, row: &Parameter) -> ParameterReport {
    let secret = is_secret(row);
    let (value, text) = match node {
        Some(_) if secret => (Json::from(HIDDEN), format!("\"{HIDDEN}\"")),
        Some(node) => (
            without_credentials(Json::from(node)),
            credentials_hidden(&effective::written(node)),
        ),
        None => (Json::Null, String::new()),
    };
    let source = match node.map(|node| &node.source) {
        Some(Source::File(_)) => "file",
        Some(Source::Environment(_)) => "environment",
        Some(Source::CommandLine(_)) => "command line",
        Some(Source::Default) | None => "default",
    };
    let words = type_words(row.kind);
    ParameterReport {
        name,
        value,
        text,
        default: match row.fallback {
            Fallback::Toml(text) => Some(text.to_owned()),
            Fallback::Required | Fallback::Absent => None,
        },
        source: source.to_owned(),
        kind: words.kind.to_owned(),
        unit: words.unit.map(str::to_owned),
        min: words.min,
        max: words.max,
        choices: words.choices,
        reload: row.reload,
        secret,
        about: row.about.to_owned(),
    }
}

fn without_credentials(value: Json) -> Json {
    match value {
        Json::String(text) => credentials_hidden(&text).into(),
        Json::Array(elements) => elements.into_iter().map(without_credentials).collect(),
        Json::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, without_credentials(value)))
            .collect(),
        other => other,
    }
}

/// `text` without what stands between `://` and `@` in a URL.
pub(crate) fn credentials_hidden(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let authority = after
            .find(['/', '?', '#', '"', '\'', ' ', ',', '\n'])
            .unwrap_or(after.len());
        match after[..authority].rfind('@') {
            Some(end) => {
                shown.push_str(HIDDEN);
                rest = &after[end..];
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Origin, Overrides, load};

    #[test]
    fn secrets_and_credentials_are_hidden_and_absent_fields_are_there() {
        let text = "[tenant.acme]\nadmin_token = \"a-token-of-acme-alone\"\n[[upstream]]\nname = \"a\"\ntargets = [\"http://h:1\"]\n\
                    [[route]]\nupstream = \"a\"\n";
        let origin = Origin::Text {
            name: "t".to_owned(),
            text: text.to_owned(),
        };
        let loaded = load(&origin, &Overrides::default(), &Environment::default()).unwrap();
        let all = loaded.resolved.parameters();
        let find = |name: &str| {
            all.iter()
                .find(|row| row.name == name)
                .unwrap_or_else(|| panic!("{name}"))
        };
        let token = find("tenant.acme.admin_token");
        assert_eq!(
            (token.secret, &token.value, token.source.as_str()),
            (true, &Json::from("***"), "file")
        );
        let written = serde_json::to_string(&all).unwrap();
        assert!(!written.contains("a-token-of-acme"), "a secret is shown");
        let memory = find("cache.memory");
        assert_eq!((memory.kind.as_str(), memory.source.as_str()), ("size", "default"));
        assert!(memory.min.is_some() && memory.default.is_some());
        assert_eq!(
            loaded.resolved.secrets(),
            [(
                "tenant.acme.admin_token".to_owned(),
                "\"a-token-of-acme-alone\"".to_owned()
            )]
        );
        assert_eq!(credentials_hidden("a http://x@y/@z b://c"), "a http://***@y/@z b://c");
    }
}
