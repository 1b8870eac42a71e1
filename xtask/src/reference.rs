//! The files of `docs/reference` that the program prints: its parameters, from their table, and the description of its API,
//! from the calls and their types. They are kept in the repository so that they can be read without a build; this writes them
//! anew and says when one has fallen behind.

use crate::fault::Fault;
use crate::tree;
use std::path::Path;
use std::process::Command;

/// Each file, and the word of `peregrine config` that prints it.
const PAGES: &[(&str, &str)] = &[
    ("docs/reference/configuration.md", "reference"),
    ("docs/reference/openapi.json", "openapi"),
];

/// Writes the files anew.
pub(crate) fn write() -> Result<String, String> {
    let root = tree::root()?;
    let mut words = String::new();
    for (page, word) in PAGES {
        let (file, wanted) = (root.join(page), generate(&root, word)?);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}\n", folder.display()))?;
        }
        std::fs::write(&file, wanted).map_err(|error| format!("{page}: {error}\n"))?;
        words.push_str(&format!("reference: wrote {page}\n"));
    }
    Ok(words)
}

/// Says whether the files are what the program would print.
pub(crate) fn check() -> Result<String, String> {
    let root = tree::root()?;
    let (mut words, mut faults) = (String::new(), String::new());
    for (page, word) in PAGES {
        let wanted = generate(&root, word)?;
        let found = std::fs::read_to_string(root.join(page)).unwrap_or_default();
        match first_difference(&found, &wanted) {
            None => words.push_str(&format!("reference: {page} is up to date\n")),
            Some(line) => {
                let fault = Fault::new(page, line, "is not what the program prints", "run `make reference`");
                faults.push_str(&format!("{fault}\n"));
            }
        }
    }
    if faults.is_empty() { Ok(words) } else { Err(faults) }
}

/// A file as the program of this checkout prints it.
fn generate(root: &Path, word: &str) -> Result<String, String> {
    let command = ["run", "--quiet", "--package", "peregrine", "--", "config", word];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(command)
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo could not be run: {error}\n"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo {}` failed:\n{said}", command.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`peregrine config {word}` did not print text\n"))
}

/// The first line, from 1, on which two texts part; `None` if they are the same.
pub(crate) fn first_difference(found: &str, wanted: &str) -> Option<usize> {
    if found == wanted {
        return None;
    }
    let common = found
        .lines()
        .zip(wanted.lines())
        .take_while(|(left, right)| left == right)
        .count();
    Some(common + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found_even_at_the_end() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(3));
    }
}
