//! `peregrine keys …`: the keys of encryption.

mod erase;
mod generate;
mod list;
mod rotate;

use crate::Failure;
use crate::config::Environment;
use clap::{Args, Subcommand};

/// What can be said to `keys`.
#[derive(Debug, Args)]
#[command(
    about = "Make, list, rotate and destroy the keys of encryption",
    long_about = "Strategies with `encryption = true` leave memory sealed: by a data key for each tenant, which a master key \
                  wraps. `generate` works alone; the others ask a running Peregrine.",
    after_help = "Examples:\n  \
        peregrine keys generate                         a new master key, for the configuration\n  \
        peregrine keys generate --env >> secrets.env    the same as an environment variable\n  \
        peregrine keys list\n  \
        peregrine keys rotate                           after a new master key was put first\n  \
        peregrine keys erase --tenant acme              what was stored for acme can never be read again"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Arguments),
    List(list::Arguments),
    Rotate(rotate::Arguments),
    Erase(erase::Arguments),
}

/// Runs the command.
///
/// # Errors
/// As the command says.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::Generate(arguments) => generate::run(arguments),
        Command::List(arguments) => list::run(arguments, environment),
        Command::Rotate(arguments) => rotate::run(arguments, environment),
        Command::Erase(arguments) => erase::run(arguments, environment),
    }
}
