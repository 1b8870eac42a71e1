//! Chores of the repository, run as `cargo xtask NAME`. Each prints what it found as `file:line: what; what would be
//! right` and exits 1 on a fault, 2 on wrong usage. Nothing here is part of the program.

mod fault;
mod metrics;
mod reference;
mod rust;
mod tidy;
mod tree;

use std::io::Write;
use std::process::ExitCode;
use tree::Tree;

const USAGE: &str = "usage: cargo xtask CHORE
  tidy                check the house rules over every file that is tracked or about to be
  reference           write docs/reference/configuration.md anew from the program's parameter table, openapi.json from the
                      calls of its API and their types, and from the table of metrics its page, the dashboard for
                      Grafana and the rules for Prometheus
  reference --check   only say whether they are up to date, and fit the tables
  metrics             write only what is made from the table of metrics
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => run_tidy(),
        ["reference"] => both(reference::write(), metrics::write()),
        ["reference", "--check"] => both(reference::check(), metrics::check()),
        ["metrics"] => metrics::write(),
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

/// What both say; a fault of one is one of both.
fn both(one: Result<String, String>, other: Result<String, String>) -> Result<String, String> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(one + &other),
        (Err(one), Err(other)) => Err(one + &other),
        (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
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
