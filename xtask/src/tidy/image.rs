//! The image: what it is built from is there, and it is built by the compiler that the profile is of.

use super::manifest;
use crate::fault::Fault;
use crate::tree::Tree;
use toml::Value;

const CONTEXT: &str = ".dockerignore";
const RECIPE: &str = "deploy/docker/Dockerfile";
const WORKSPACE: &str = "Cargo.toml";

/// Members of the workspace that the image is built without, and another compiler than the profile's.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let (Some(context), Some(recipe), Some(workspace)) = (tree.text(CONTEXT), tree.text(RECIPE), tree.text(WORKSPACE))
    else {
        return Vec::new();
    };
    let mut faults = missing_members(context, workspace);
    faults.extend(other_compiler(tree, recipe));
    faults
}

/// Cargo reads the manifest of every member, whatever is built.
fn missing_members(context: &str, workspace: &str) -> Vec<Fault> {
    let workspace = match manifest::parse(WORKSPACE, workspace) {
        Ok(workspace) => workspace,
        Err(fault) => return vec![fault],
    };
    let members = workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("members"));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    let folders = members
        .filter_map(Value::as_str)
        .filter_map(|member| member.split('/').next());
    folders
        .filter(|folder| context.lines().all(|line| line.strip_prefix('!') != Some(folder)))
        .map(|folder| {
            let what = format!("`{folder}`, which the workspace needs, is not among what the image is built from");
            Fault::new(CONTEXT, 1, what, format!("add `!{folder}`"))
        })
        .collect()
}

fn other_compiler(tree: &Tree, recipe: &str) -> Option<Fault> {
    let profile = tree
        .paths()
        .find_map(|path| path.strip_prefix("crates/peregrine/rustc-"))?;
    let (release, _) = profile.split_once("-llvm-")?;
    let image = format!("FROM rust:{release}-");
    (!recipe.lines().any(|line| line.starts_with(&image))).then(|| {
        let what = format!("the program is built by another compiler than Rust {release}, which its profile is of");
        Fault::new(RECIPE, 1, what, format!("begin the stage with `{image}…`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(context: &str, recipe: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (WORKSPACE, "[workspace]\nmembers = [\"crates/*\", \"fuzz\"]\n"),
            ("crates/peregrine/rustc-1.95.0-llvm-22.1.2.profdata.gz", ""),
            (CONTEXT, context),
            (RECIPE, recipe),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_member_and_the_right_compiler_are_there() {
        assert_eq!(
            faults_of("*\n!crates\n!fuzz\n", "FROM rust:1.95.0-slim AS build\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_member_that_is_left_out_is_named() {
        let faults = faults_of("*\n!crates\n", "FROM rust:1.95.0-slim AS build\n");
        assert!(faults[0].contains("`fuzz`"), "{faults:?}");
    }

    #[test]
    fn another_compiler_is_a_fault() {
        let faults = faults_of("*\n!crates\n!fuzz\n", "FROM rust:1.95-slim AS build\n");
        assert!(faults[0].contains("1.95.0"), "{faults:?}");
    }
}
