//! `peregrine completions SHELL`: a completion script.

use crate::cli::Cli;
use crate::{Failure, print};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// What can be said to `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    peregrine completions bash > /etc/bash_completion.d/peregrine\n  \
    peregrine completions zsh > ~/.zfunc/_peregrine\n  \
    peregrine completions fish > ~/.config/fish/completions/peregrine.fish")]
pub struct Arguments {
    /// The shell to write it for.
    pub shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// When the output cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "peregrine", &mut script);
    print::line(&String::from_utf8_lossy(&script))
}
