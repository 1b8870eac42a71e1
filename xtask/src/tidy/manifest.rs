//! What the checks need from a `Cargo.toml`.

use crate::fault::Fault;
use toml::{Table, Value};

/// One entry of a table of dependencies.
pub(super) struct Dependency<'a> {
    /// The name it has in the manifest.
    pub(super) name: &'a str,
    /// What is said of it.
    pub(super) value: &'a Value,
}

/// Reads a manifest; one that cannot be read is a fault.
pub(super) fn parse(path: &str, text: &str) -> Result<Table, Fault> {
    text.parse().map_err(|error: toml::de::Error| {
        Fault::new(
            path,
            1,
            format!("cannot be read: {}", error.message()),
            "a manifest is TOML",
        )
    })
}

/// Every dependency of a crate: normal, for tests, for the build, and of single platforms.
pub(super) fn dependencies(manifest: &Table) -> Vec<Dependency<'_>> {
    let platforms = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(|targets| targets.values());
    std::iter::once(manifest)
        .chain(platforms.filter_map(Value::as_table))
        .flat_map(|part| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| part.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flat_map(|table| table.iter().map(|(name, value)| Dependency { name, value }))
        .collect()
}

/// Whether the crate itself, not only its tests, is built with a dependency.
pub(super) fn is_built_in(manifest: &Table, name: &str) -> bool {
    let mut own = manifest.clone();
    own.remove("dev-dependencies");
    dependencies(&own).iter().any(|dependency| dependency.name == name)
}

/// The dependencies that the workspace offers to its members.
pub(super) fn offered(root: &Table) -> Vec<Dependency<'_>> {
    let table = root
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(Value::as_table);
    table
        .into_iter()
        .flatten()
        .map(|(name, value)| Dependency { name, value })
        .collect()
}

/// The line, from 1, on which a key is set. 1 if it is written in a way that hides it.
pub(super) fn line_of(text: &str, key: &str) -> usize {
    let sets = |line: &str| {
        line.trim_start()
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    };
    text.lines().position(sets).map_or(1, |index| index + 1)
}
