//! `peregrine demo`: a sample shop, with and without Peregrine.

use crate::Failure;
use crate::cli::Output;
use crate::config::Environment;
use clap::Args;

/// What can be said to `demo`.
#[derive(Debug, Args)]
#[command(
    long_about = "Starts a sample shop API with realistic latency and Peregrine in front of it, drives the same mix of requests \
                  first straight at the shop and then through Peregrine, compares every answer with the shop's truth, and \
                  shows the difference. Then it keeps serving, so that you can look around.",
    after_help = "Examples:\n  \
        peregrine demo\n  \
        peregrine demo --seconds 30 --once --json\n  \
        peregrine demo --port 9000 --admin-port 9001 --origin-port 9002"
)]
pub struct Arguments {
    /// How long to drive each of the two.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// The shop and the requests are generated from it.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Peregrine's port; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The admin API's port; 0 takes any free one.
    #[arg(long, default_value_t = 9180)]
    pub admin_port: u16,
    /// The shop's port; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    pub origin_port: u16,
    /// End after the report instead of serving on.
    #[arg(long, visible_alias = "no-serve")]
    pub once: bool,
    /// Run the shop alone: for tests that stop or freeze it.
    #[arg(long, hide = true)]
    pub only_origin: bool,
    /// How the report is printed.
    #[command(flatten)]
    pub output: Output,
}

/// Runs the command.
///
/// # Errors
/// When a port is taken, or an answer was wrong.
pub fn run(_arguments: &Arguments, _environment: &Environment) -> Result<(), Failure> {
    Err(Failure::Failed("the shop is not wired".to_owned()))
}
