//! `peregrine keys …`: the keys of encryption.

mod generate;

use crate::Failure;
use crate::config::Environment;
use clap::{Args, Subcommand};

/// What can be said to `keys`.
#[derive(Debug, Args)]
#[command(
    long_about = "Strategies with `encryption = true` leave memory sealed: by a data key for each tenant, which a master key \
                  wraps. These commands make master keys.",
    after_help = "Examples:\n  \
        peregrine keys generate                         a new master key, for the configuration\n  \
        peregrine keys generate --env >> secrets.env    the same as an environment variable"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make a master key and print it as it is written into the configuration.
    Generate(generate::Arguments),
}

/// Runs the command.
///
/// # Errors
/// As the command says.
pub fn run(arguments: &Arguments, _: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::Generate(arguments) => generate::run(arguments),
    }
}
