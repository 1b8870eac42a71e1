//! `peregrine audit`: who changed what; `peregrine audit verify`: whether the record of it is whole.

use crate::cli::Output;
use crate::client::{self, Address, Client};
use crate::config::Environment;
use crate::{Failure, commands, print};
use clap::{Args, Subcommand};
use peregrine_admin::audit::{self, AuditPage, AuditRecord};
use peregrine_lab::report::units;
use std::path::PathBuf;

/// What can be said to `audit`.
#[derive(Debug, Args)]
#[command(
    about = "Who changed what, and whether the record of it is whole",
    long_about = "Shows what was changed on a running Peregrine, by whom, and how it ended: changes through the admin API, \
                  logins, refused attempts, reloads. `verify` reads the log's own files, beside a running Peregrine or without \
                  one, and names the first record that was changed, removed, swapped or cut off.",
    after_help = "Examples:\n  \
        peregrine audit\n  \
        peregrine audit --who deploy --what invalidate --json\n  \
        peregrine audit verify\n  \
        peregrine audit verify /backup/audit.log.3",
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
enum Command {
    /// Whether every record is as it was written, and none is missing.
    Verify(Verify),
}

#[derive(Debug, Args)]
struct List {
    /// The most records, newest first.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only of those whose names have this in them.
    #[arg(long, value_name = "TEXT")]
    who: Option<String>,
    /// Only calls whose words have this in them.
    #[arg(long, value_name = "TEXT")]
    what: Option<String>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Verify {
    /// The log, or the directory that it lies in; without it the state directory of the configuration.
    file: Option<PathBuf>,
    /// The configuration file, which says where the state directory is; without it PEREGRINE_CONFIG, or peregrine.toml in
    /// this directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or the log is not as it was written.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Some(Command::Verify(verify)) => verify_files(verify, environment),
        None => list(&arguments.list, environment),
    }
}

fn verify_files(arguments: &Verify, environment: &Environment) -> Result<(), Failure> {
    let place = match &arguments.file {
        Some(file) => file.clone(),
        None => client::state_dir(&Address::in_file(arguments.config.clone()), environment)?,
    };
    let found = audit::verify(&place).map_err(|error| Failure::Failed(format!("{}: {error}", place.display())))?;
    if arguments.output.json {
        print::json(&found)?;
    }
    match &found.fault {
        Some(_) if arguments.output.json => Err(Failure::Told),
        Some(fault) => Err(Failure::Failed(format!("the audit log was tampered with: {fault}"))),
        None if arguments.output.json => Ok(()),
        None => {
            let note = found.note.map(|note| format!(" ({note})")).unwrap_or_default();
            print::line(&format!(
                "{} records, each as it was written{note}",
                units::count(found.records)
            ))
        }
    }
}

fn list(arguments: &List, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let mut path = format!("audit?limit={}", arguments.limit);
    for (name, value) in [("who", &arguments.who), ("what", &arguments.what)] {
        if let Some(value) = value {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            path.push_str(&format!("&{name}={value}"));
        }
    }
    let page: AuditPage = commands::block_on(client.get(&path))??;
    if arguments.output.json {
        return print::json(&page);
    }
    if let Some(fault) = &page.verified.fault {
        print::note(&format!("the audit log was tampered with: {fault}"));
    }
    print::line(&in_words(&page.records))
}

fn in_words(records: &[AuditRecord]) -> String {
    if records.is_empty() {
        return "nothing of that kind was noted".to_owned();
    }
    let mut table = print::table(["record", "when", "who", "from", "what", "to what", "outcome"]);
    for record in records {
        table.add_row([
            record.seq.to_string(),
            record.at.clone(),
            record.who.clone(),
            record.address.clone(),
            record.what.clone(),
            record.target.clone(),
            record.outcome.clone(),
        ]);
    }
    table.trim_fmt()
}
