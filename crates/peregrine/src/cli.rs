//! The command line: what can be asked of the program, and the way from the arguments to the exit code.

use crate::commands::{
    alerts, apikeys, audit, bench, check, completions, config, demo, explain, invalidate, keys, report, serve, stats,
    top, verify, warm,
};
use crate::config::Environment;
use crate::{Failure, print};
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "peregrine",
    version,
    about = "Makes what you already run faster, and shows why.",
    long_about = "Peregrine stands in front of an HTTP API or site, answers from its cache what may be answered from it, lets \
                  duplicate work happen once, and shows what it did and why.",
    after_help = "Examples:\n  \
        peregrine demo                                        see it work on a sample shop\n  \
        peregrine serve --upstream http://127.0.0.1:3000      in front of a real API, without a file\n  \
        peregrine explain http://127.0.0.1:8080/products      why was this served so\n  \
        peregrine invalidate --tag products                   what carries this tag is gone\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.",
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "what a command does its arguments say, at length too")]
pub enum Command {
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Check(check::Arguments),
    /// Explain, describe or write configuration.
    Config(config::Arguments),
    Explain(explain::Arguments),
    Invalidate(invalidate::Arguments),
    Keys(keys::Arguments),
    Apikeys(apikeys::Arguments),
    Audit(audit::Arguments),
    Warm(warm::Arguments),
    Stats(stats::Arguments),
    Top(top::Arguments),
    Alerts(alerts::Arguments),
    Report(report::Arguments),
    Bench(bench::Arguments),
    /// Whether running nodes keep their promises about freshness.
    #[command(subcommand)]
    Verify(verify::Arguments),
    /// Write a completion script for a shell.
    Completions(completions::Arguments),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs what the command line of this process asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A reader of the help who has left is no failure.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    match run(cli.command, &Environment::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                print::note(&message);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command: Command, environment: &Environment) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments, environment),
        Command::Demo(arguments) => demo::run(&arguments, environment),
        Command::Check(arguments) => check::run(&arguments, environment),
        Command::Config(arguments) => config::run(&arguments, environment),
        Command::Explain(arguments) => explain::run(&arguments, environment),
        Command::Invalidate(arguments) => invalidate::run(&arguments, environment),
        Command::Keys(arguments) => keys::run(&arguments, environment),
        Command::Apikeys(arguments) => apikeys::run(&arguments, environment),
        Command::Audit(arguments) => audit::run(&arguments, environment),
        Command::Warm(arguments) => warm::run(&arguments, environment),
        Command::Stats(arguments) => stats::run(&arguments, environment),
        Command::Top(arguments) => top::run(&arguments, environment),
        Command::Alerts(arguments) => alerts::run(&arguments, environment),
        Command::Report(arguments) => report::run(&arguments, environment),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments, environment),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
