//! `docs/reference/configuration.md`, which the program prints from its parameter table. It is kept in the repository so
//! that it can be read without a build; this writes it anew and says when it has fallen behind.

use crate::fault::Fault;
use crate::tree;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/reference/configuration.md";

/// Writes the page anew.
pub(crate) fn write() -> Result<String, String> {
    let root = tree::root()?;
    let page = root.join(PAGE);
    let wanted = generate(&root)?;
    if let Some(folder) = page.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}\n", folder.display()))?;
    }
    std::fs::write(&page, wanted).map_err(|error| format!("{PAGE}: {error}\n"))?;
    Ok(format!("reference: wrote {PAGE}\n"))
}

/// Says whether the page is what the program would print.
pub(crate) fn check() -> Result<String, String> {
    let root = tree::root()?;
    let wanted = generate(&root)?;
    let found = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    match first_difference(&found, &wanted) {
        None => Ok(format!("reference: {PAGE} is up to date\n")),
        Some(line) => Err(format!(
            "{}\n",
            Fault::new(PAGE, line, "is not what the program prints", "run `make reference`")
        )),
    }
}

/// The page as the program of this checkout prints it.
fn generate(root: &Path) -> Result<String, String> {
    let command = ["run", "--quiet", "--package", "peregrine", "--", "config", "reference"];
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
    String::from_utf8(output.stdout).map_err(|_| "`peregrine config reference` did not print text\n".to_owned())
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
