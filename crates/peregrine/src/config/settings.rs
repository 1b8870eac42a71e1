//! The typed settings that the program hands to the rooms.

use super::fault::Fault;
use super::node::{self, Fields, Node, Source, Value};
use super::parameters::PARAMETERS;
use peregrine_base::{Complaint, Parameter};
use peregrine_telemetry::LogConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the program itself takes from `[server]`.
    pub server: ServerSettings,
    /// `[log]`.
    pub log: LogConfig,
}

/// What the program itself takes from `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The directory for what outlives a restart.
    pub state_dir: PathBuf,
    /// How many threads serve requests; 0 means one per core.
    pub workers: usize,
}

/// Turns the checked tree into types and lets each room check its rules between fields.
///
/// # Errors
/// With every fault that only the rooms know, such as an address that cannot be one.
pub(super) fn typed(root: &Node) -> Result<Settings, Vec<Fault>> {
    let mut reader = Reader { root, faults: Vec::new() };
    let server = reader.part("server", PARAMETERS);
    let log = reader.one("log");
    match (server, log) {
        (Some(server), Some(log)) if reader.faults.is_empty() => Ok(Settings { server, log }),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    root: &'a Node,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The value at `path` as a `T`.
    fn one<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let node = self.root.at(path)?.clone();
        self.read(&node, path)
    }

    /// Those fields of the table at `path` that `rows` own, as a `T`: several rooms share `[server]`.
    fn part<T: DeserializeOwned>(&mut self, path: &str, rows: &[Parameter]) -> Option<T> {
        let node = self.root.at(path)?;
        let owned = |name: &str| rows.iter().any(|row| row.name.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')) == Some(name));
        let fields: Fields = node.fields()?.iter().filter(|(name, _)| owned(name)).map(|(name, node)| (name.clone(), node.clone())).collect();
        self.read(&Node { value: Value::Table(fields), ..node.clone() }, path)
    }

    fn read<T: DeserializeOwned>(&mut self, node: &Node, path: &str) -> Option<T> {
        serde_path_to_error::deserialize(serde_json::Value::from(node))
            .map_err(|error| {
                let inside = error.path().to_string();
                let field = if inside == "." { path.to_owned() } else { node::field(path, &inside) };
                self.fault(&field, error.inner().to_string(), "");
            })
            .ok()
    }

    /// Notes what a room complains about in the value at `path`.
    fn complain(&mut self, path: &str, checked: Result<(), Vec<Complaint>>) {
        for complaint in checked.err().unwrap_or_default() {
            self.fault(&node::field(path, &complaint.field), complaint.problem, &complaint.help);
        }
    }

    fn fault(&mut self, field: &str, problem: String, help: &str) {
        let node = self.root.nearest(field);
        // The name of a field that exists is the better mark when its value is a whole table.
        let source = if matches!(node.value, Value::Table(_)) { &node.name } else { &node.source };
        let source = if *source == Source::File(0..0) { &Source::Default } else { source };
        self.faults.push(Fault::new(source, field, problem).help(help));
    }
}
