//! Words that may stand in no file: places that exist on one machine only, and addresses of package registries, which a
//! checkout must not depend on.

use crate::fault::Fault;
use crate::tree::Tree;

/// A word and why it may not be there. Written in halves, or this file would be a fault itself.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/ro", "ot/", MACHINE),
    ("/ho", "me/", MACHINE),
    ("/Use", "rs/", MACHINE),
    ("/work/ma", "in", MACHINE),
    ("/work/sha", "red", MACHINE),
    ("index.crates", ".io", REGISTRY),
    ("static.crates", ".io", REGISTRY),
    ("pypi", ".org", REGISTRY),
    ("pythonhosted", ".org", REGISTRY),
    ("registry.npmjs", ".org", REGISTRY),
    ("deb.debian", ".org", REGISTRY),
];
const MACHINE: &str = "a path from the checkout's root, or a folder that the reader chooses";
const REGISTRY: &str = "the package's name alone: each machine knows its registries";

/// Every forbidden word in every text.
pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let forbidden: Vec<(String, &str)> = FORBIDDEN
        .iter()
        .map(|(half, other, right)| (format!("{half}{other}"), *right))
        .collect();
    let mut faults = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            for (word, right) in forbidden.iter().filter(|(word, _)| names(line, word)) {
                faults.push(Fault::new(path, index + 1, format!("`{word}`"), *right));
            }
        }
    }
    faults
}

/// Whether the line names the word itself; what is only a part of a longer path names no machine.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !word.starts_with('/') || !before.is_some_and(|before| before.is_alphanumeric() || "._-$}*)".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str) -> Vec<String> {
        check(&Tree::of(&[("a.md", text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn places_of_one_machine_are_faults() {
        let home = ["/ho", "me/ann/x"].concat();
        assert!(faults_of(&format!("a\nsee {home}"))[0].starts_with("a.md:2: `"));
        assert!(faults_of(&format!("\"{}", ["/ro", "ot/.cargo"].concat()))[0].starts_with("a.md:1: `"));
    }

    #[test]
    fn what_only_ends_like_one_is_fine() {
        for fine in ["http://shop.test{}/x", "a/b{}x", "$prefix{}x"] {
            assert_eq!(
                faults_of(&fine.replace("{}", &["/ho", "me/"].concat())),
                [""; 0],
                "{fine}"
            );
        }
    }

    #[test]
    fn registries_are_faults() {
        assert!(faults_of(&["https://pypi", ".org/simple"].concat())[0].contains("the package's name alone"));
    }
}
