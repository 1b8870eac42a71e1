//! The environment as an argument, and what it sets: `PEREGRINE__SECTION__FIELD` for every field, and a few variables with
//! names of their own that platforms set.

use super::fault::Fault;
use super::names;
use super::node::{Fields, Node, Source, Value};
use super::shape::Shape;
use std::collections::BTreeMap;

/// The variables of the process, or those that a test makes up.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that are UTF-8.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The variable `name`, if it is set to something.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Environment {
    /// The same without what sets fields, for a configuration that only a command uses.
    pub(crate) fn without_fields(&self) -> Self {
        let sets = |name: &str| name.starts_with(PREFIX) || NAMED.iter().any(|(named, _)| *named == name);
        Self(
            self.0
                .iter()
                .filter(|(name, _)| !sets(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

/// The prefix of variables that set a field.
const PREFIX: &str = "PEREGRINE__";

/// Variables that set a field under a name of their own. `PEREGRINE__…` goes over them.
const NAMED: &[(&str, &str)] = &[
    ("CACHE_ENABLED", "cache.enabled"),
    ("REDIS_URL", "redis.url"),
    ("PEREGRINE_ENCRYPTION_KEY", "encryption.keys"),
];

/// Variables that the commands read themselves.
const OF_COMMANDS: &[(&str, &str)] = &[
    (
        "PEREGRINE_CONFIG",
        "the configuration file, where `--config` names none",
    ),
    (
        "PEREGRINE_ADMIN_TOKEN",
        "the token of the admin API, for the server and for the commands that ask it",
    ),
];

/// Variables that belong to parts which this version does not have.
const IGNORED: &[(&str, &str)] = &[("RATE_LIMIT_MULTIPLIER", "this version has no rate limits")];

/// Writes what `environment` sets into `root`.
pub(crate) fn apply(environment: &Environment, shape: &Shape, root: &mut Node, faults: &mut Vec<Fault>) {
    for (name, field) in NAMED {
        if let Some(value) = environment.get(name) {
            let steps: Vec<&str> = field.split('.').collect();
            // The table of a test may lack the field; a unit test proves that the real one has it.
            let _ = set(root, shape, &steps, value, name);
        }
    }
    for (name, value) in &environment.0 {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let steps: Vec<&str> = path.split("__").collect();
        if let Err(Unknown { step, nearest }) = set(root, shape, &steps, value, name) {
            let nearest = nearest.map(|word| {
                let mut steps: Vec<String> = steps.iter().map(|step| (*step).to_owned()).collect();
                steps[step] = word.to_uppercase();
                format!("{PREFIX}{}", steps.join("__"))
            });
            let problem = match steps.get(step) {
                Some(word) if !word.is_empty() => format!("`{word}` names no field"),
                _ => "names a table; go on to one of its fields".to_owned(),
            };
            faults.push(Fault::new(&Source::Environment(name.clone()), "", problem).nearest(nearest.as_deref()));
        }
    }
}

/// What to say about variables that are set and have no effect.
pub(crate) fn warnings(environment: &Environment) -> Vec<String> {
    let ignored = IGNORED.iter().filter(|(name, _)| environment.get(name).is_some());
    ignored
        .map(|(name, why)| format!("environment {name} is ignored: {why}"))
        .collect()
}

/// Every variable with a name of its own and what it does, for the reference.
pub(crate) fn named() -> impl Iterator<Item = (&'static str, String)> {
    let fields = NAMED.iter().map(|(name, field)| (*name, format!("sets `{field}`")));
    let commands = OF_COMMANDS.iter().map(|(name, about)| (*name, (*about).to_owned()));
    let ignored = IGNORED
        .iter()
        .map(|(name, why)| (*name, format!("nothing yet, with a warning: {why}")));
    fields.chain(commands).chain(ignored)
}

/// The step of a variable's name that leads nowhere, and the word that it may have meant.
struct Unknown {
    step: usize,
    nearest: Option<String>,
}

/// Sets the field at `steps` to `value`, making tables and one more array element on the way as needed.
fn set(root: &mut Node, shape: &Shape, steps: &[&str], value: &str, variable: &str) -> Result<(), Unknown> {
    let source = Source::Environment(variable.to_owned());
    let (mut node, mut shape) = (root, shape);
    for (index, step) in steps.iter().enumerate() {
        let unknown = |nearest: Option<&str>| Unknown {
            step: index,
            nearest: nearest.map(str::to_owned),
        };
        let missing = || Node::new(Value::Table(Fields::new()), source.clone());
        match shape {
            Shape::Value(_) => return Err(unknown(None)),
            Shape::Table(fields) => {
                let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(step));
                let (name, inside) = found.ok_or_else(|| {
                    unknown(names::nearest(
                        &step.to_lowercase(),
                        fields.iter().map(|(name, _)| *name),
                    ))
                })?;
                // A value of the wrong type on the way is the file's fault, and reported as such.
                let Some(fields) = node.fields_mut() else { return Ok(()) };
                let empty = || match inside {
                    Shape::Array(_) => Node::new(Value::List(Vec::new()), source.clone()),
                    _ => missing(),
                };
                (node, shape) = (fields.entry((*name).to_owned()).or_insert_with(empty), inside);
            }
            Shape::Named(inside) => {
                let Some(fields) = node.fields_mut() else { return Ok(()) };
                let plain = |name: &str| name.to_lowercase().replace('-', "_");
                let name = fields.keys().find(|name| plain(name) == plain(step)).cloned();
                let name = name.unwrap_or_else(|| step.to_lowercase());
                (node, shape) = (fields.entry(name).or_insert_with(missing), inside);
            }
            Shape::Array(inside) => {
                let Value::List(elements) = &mut node.value else {
                    return Ok(());
                };
                let position = step.parse().ok().filter(|position| *position <= elements.len());
                let position: usize = position.ok_or_else(|| unknown(Some(&elements.len().to_string())))?;
                if position == elements.len() {
                    elements.push(missing());
                }
                (node, shape) = (&mut elements[position], inside);
            }
        }
    }
    if !matches!(shape, Shape::Value(_)) {
        return Err(Unknown {
            step: steps.len(),
            nearest: None,
        });
    }
    *node = Node::new(Value::Raw(value.to_owned()), source);
    Ok(())
}
