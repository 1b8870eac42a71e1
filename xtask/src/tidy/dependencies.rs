//! Every dependency stands once in the root manifest, is used, and is answered for in `docs/dependencies.md`.

use super::manifest::{self, Dependency};
use crate::fault::Fault;
use crate::tree::Tree;
use std::collections::BTreeSet;

const ROOT: &str = "Cargo.toml";
const PAGE: &str = "docs/dependencies.md";
/// Columns of the page: name, what it does here, why this one, licence, who keeps it.
const COLUMNS: usize = 5;

/// Dependencies that are nobody's, unexplained, or set in a member's own way.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(text) = tree.text(ROOT) else { return Vec::new() };
    let root = match manifest::parse(ROOT, text) {
        Ok(root) => root,
        Err(fault) => return vec![fault],
    };
    let (used, mut faults) = members(tree);
    let offered = manifest::offered(&root);
    for dependency in offered.iter().filter(|dependency| !used.contains(dependency.name)) {
        let line = manifest::line_of(text, dependency.name);
        faults.push(Fault::new(
            ROOT,
            line,
            format!("nobody uses `{}`", dependency.name),
            "remove the line",
        ));
    }
    let foreign: Vec<_> = offered
        .into_iter()
        .filter(|dependency| dependency.value.get("path").is_none())
        .collect();
    faults.extend(explained(tree, text, &foreign));
    faults
}

/// The names that members use, and a fault for each that is not taken from the workspace.
fn members(tree: &Tree) -> (BTreeSet<String>, Vec<Fault>) {
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        let manifest = match manifest::parse(path, text) {
            Ok(manifest) => manifest,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        for Dependency { name, value } in manifest::dependencies(&manifest) {
            used.insert(name.to_owned());
            if value.get("workspace").is_none() {
                let right = format!("write `{name}.workspace = true` and its version into the root's Cargo.toml");
                let what = format!("`{name}` has a version of its own");
                faults.push(Fault::new(path, manifest::line_of(text, name), what, right));
            }
        }
    }
    (used, faults)
}

/// Compares the page's rows with the manifest, both ways.
fn explained(tree: &Tree, manifest: &str, foreign: &[Dependency<'_>]) -> Vec<Fault> {
    let page = tree.text(PAGE).unwrap_or_default();
    let rows: Vec<Row<'_>> = page
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Row::read(index + 1, line))
        .collect();
    let mut faults = Vec::new();
    for Dependency { name, .. } in foreign {
        if !rows.iter().any(|row| row.name == *name) {
            let what = format!("`{name}` is not in {PAGE}");
            let right = "add its row: what it does here, why this one, licence, who keeps it";
            faults.push(Fault::new(ROOT, manifest::line_of(manifest, name), what, right));
        }
    }
    for row in rows {
        if !foreign.iter().any(|dependency| dependency.name == row.name) {
            let what = format!("`{}` is no dependency of the workspace", row.name);
            faults.push(Fault::new(PAGE, row.line, what, "remove the row"));
        } else if !row.complete {
            let what = format!("the row of `{}` has an empty cell", row.name);
            faults.push(Fault::new(PAGE, row.line, what, format!("fill all {COLUMNS} of them")));
        }
    }
    faults
}

/// A row of the page: one whose first cell is a name in backticks.
struct Row<'a> {
    name: &'a str,
    line: usize,
    complete: bool,
}

impl<'a> Row<'a> {
    fn read(line: usize, text: &'a str) -> Option<Self> {
        let mut cells = text
            .trim()
            .strip_prefix('|')?
            .strip_suffix('|')?
            .split('|')
            .map(str::trim);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let filled = cells.filter(|cell| !cell.is_empty()).count();
        Some(Self {
            name,
            line,
            complete: filled + 1 == COLUMNS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_TEXT: &str = "| crate | for | why | licence | kept by |\n|---|---|---|---|---|\n\
                             | `bytes` | bodies | the field's | MIT | tokio |\n";
    const USER: (&str, &str) = ("crates/net/Cargo.toml", "[dependencies]\nbytes.workspace = true\n");

    fn faults_of(root: &str, page: &str, member: (&str, &str)) -> Vec<String> {
        let tree = Tree::of(&[("Cargo.toml", root), (PAGE, page), member]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_explained_and_used_dependency_is_fine() {
        assert_eq!(
            faults_of("[workspace.dependencies]\nbytes = \"1\"\n", PAGE_TEXT, USER),
            [""; 0]
        );
    }

    #[test]
    fn one_without_a_row_is_a_fault_and_so_is_a_row_without_one() {
        let root = "[workspace.dependencies]\nbytes = \"1\"\n";
        let faults = faults_of(root, &PAGE_TEXT.replace("`bytes`", "`octets`"), USER);
        assert!(
            faults[0].starts_with("Cargo.toml:2: `bytes` is not in docs/dependencies.md"),
            "{faults:?}"
        );
        assert!(
            faults[1].starts_with("docs/dependencies.md:3: `octets` is no dependency"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_row_without_a_licence_is_a_fault() {
        let faults = faults_of(
            "[workspace.dependencies]\nbytes = \"1\"\n",
            &PAGE_TEXT.replace("MIT", " "),
            USER,
        );
        assert!(
            faults[0].starts_with("docs/dependencies.md:3: the row of `bytes` has an empty cell"),
            "{faults:?}"
        );
    }

    #[test]
    fn one_that_nobody_uses_is_a_fault() {
        let faults = faults_of(
            "[workspace.dependencies]\nbytes = \"1\"\n",
            PAGE_TEXT,
            ("crates/a/Cargo.toml", ""),
        );
        assert!(faults[0].starts_with("Cargo.toml:2: nobody uses `bytes`"), "{faults:?}");
    }

    #[test]
    fn one_beside_the_workspace_is_a_fault() {
        let member = ("crates/net/Cargo.toml", "[dependencies]\nbytes = \"1\"\n");
        let faults = faults_of("[workspace.dependencies]\nbytes = \"1\"\n", PAGE_TEXT, member);
        assert!(
            faults[0].starts_with("crates/net/Cargo.toml:2: `bytes` has a version of its own"),
            "{faults:?}"
        );
    }
}
