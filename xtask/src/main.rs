//! Chores of the repository, run as `cargo xtask NAME`. Each prints what it found as `file:line: what; what would be
//! right` and exits 1 on a fault, 2 on wrong usage. Nothing here is part of the program.

mod fault;
mod reference;
mod rust;
mod tidy;
mod tree;

use std::io::Write;
use std::process::ExitCode;
use tree::Tree;

const USAGE: &str = "usage: cargo xtask CHORE
  tidy                check the house rules over every file that is tracked or about to be
  reference           write docs/reference/configuration.md anew from the program's parameter table
  reference --check   only say whether it is up to date
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => run_tidy(),
        ["reference"] => reference::write(),
        ["reference", "--check"] => reference::check(),
        _ => {
            tell(USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(words) => {
            tell(&words);
            ExitCode::SUCCESS
        }
        Err(words) => {
            tell(&words);
            ExitCode::FAILURE
        }
    }
}

/// All faults at once, so that one run is enough to mend them.
fn run_tidy() -> Result<String, String> {
    let tree = Tree::read(&tree::root()?)?;
    let faults = tidy::faults(&tree);
    if faults.is_empty() {
        return Ok(format!("tidy: {} files, no faults\n", tree.paths().count()));
    }
    let mut words: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    words.push_str(&format!("tidy: {} faults\n", faults.len()));
    Err(words)
}

fn tell(words: &str) {
    // A reader who left early (`| head`) is no reason to fail.
    let _ = std::io::stdout().lock().write_all(words.as_bytes());
}
