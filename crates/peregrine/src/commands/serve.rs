//! `peregrine serve`: reads the configuration and serves until it is told to stop.

use super::found;
use crate::Failure;
use crate::config::{self, Environment, Origin, Overrides};
use clap::Args;
use std::path::PathBuf;

/// What can be said to `serve`.
#[derive(Debug, Args)]
#[command(
    about = "Serve: answer requests in front of an upstream",
    long_about = "Answers requests in front of an upstream, from the cache where it may. SIGHUP reloads the configuration \
                  without dropping a request; a faulty one is refused and the running one stays. SIGUSR2 starts the program \
                  anew, which takes over without refusing a client. SIGTERM lets requests under way finish and ends.",
    after_help = "Examples:\n  \
        peregrine serve --upstream http://127.0.0.1:3000     safe defaults, no file needed\n  \
        peregrine serve --upstream https://api.example.com --listen 0.0.0.0:80\n  \
        peregrine serve peregrine.toml\n  \
        peregrine serve peregrine.toml --take-over           in the place of the one that runs\n\n\
        Without a file and --upstream: PEREGRINE_CONFIG, or peregrine.toml in this directory."
)]
pub struct Arguments {
    /// The configuration file.
    #[arg(conflicts_with_all = ["config", "upstream"])]
    file: Option<PathBuf>,
    /// The same, as other commands take it.
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    config: Option<PathBuf>,
    /// Serve this API with safe defaults, without a file.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The address to listen on: goes over the first listener's. Port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address of the admin API.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Take the place of the program that runs with the same server.state_dir, without refusing a client.
    #[arg(long)]
    take_over: bool,
}

/// Runs the command.
///
/// # Errors
/// When the configuration is faulty, or the server cannot start.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let origin = match &arguments.upstream {
        Some(url) => Origin::Upstream(with_scheme(url)),
        None => match found::file(arguments.file.as_deref().or(arguments.config.as_deref()), environment) {
            Some(found) => Origin::File(found.path),
            None => {
                return Err(Failure::Usage(
                    "nothing to serve: name an API with --upstream http://127.0.0.1:3000, or a file; `peregrine \
                     demo` shows it on a sample shop"
                        .to_owned(),
                ));
            }
        },
    };
    let overrides = Overrides {
        listen: arguments.listen.clone(),
        admin: arguments.admin.clone(),
    };
    let loaded = config::load(&origin, &overrides, environment)?;
    crate::serve::run(loaded, origin, overrides, environment, arguments.take_over)
}

/// `localhost:3000` means `http://localhost:3000`.
fn with_scheme(url: &str) -> String {
    if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    }
}
