//! `peregrine check [FILE]`: every mistake in a configuration, and what it amounts to if there is none.

use super::found::{self, Found};
use crate::cli::Output;
use crate::config::{self, Effective, Environment, Faults, Loaded, Origin, Overrides};
use crate::serve::spoken;
use crate::{Failure, print};
use clap::Args;
use peregrine_base::{Complaint, SystemClock, SystemRandom, TokioRuntime};
use peregrine_cache::Engine;
use peregrine_http::{RouteTable, Surroundings};
use peregrine_net::upstream::{Upstream, UpstreamParts};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What can be said to `check`.
#[derive(Debug, Args)]
#[command(
    about = "Find every mistake in a configuration file",
    long_about = "Reads a configuration as `serve` would, with the environment, and lists every mistake with its file, line \
                  and column: unknown fields with the nearest valid name, wrong types, impossible values, names that do not \
                  exist. Nothing is started.",
    after_help = "Examples:\n  \
        peregrine check                     peregrine.toml in this directory, or PEREGRINE_CONFIG\n  \
        peregrine check staging.toml\n  \
        peregrine check --json staging.toml"
)]
pub struct Arguments {
    /// The file; without it PEREGRINE_CONFIG, or peregrine.toml in this directory.
    pub file: Option<PathBuf>,
    /// The same, as other commands take it.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// The result as JSON.
#[derive(Serialize)]
struct Report {
    file: String,
    valid: bool,
    errors: Vec<Problem>,
    warnings: Vec<String>,
    values: Vec<Effective>,
}

#[derive(Serialize)]
struct Problem {
    place: String,
    field: String,
    problem: String,
    help: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When the configuration has mistakes, or there is none.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let Found { path, .. } = found::file(arguments.file.as_deref().or(arguments.config.as_deref()), environment)
        .ok_or_else(|| Failure::Usage("there is no peregrine.toml here: name the file to check".to_owned()))?;
    let file = path.display().to_string();
    let loaded = config::load(&Origin::File(path), &Overrides::default(), environment).and_then(rehearsed);
    if arguments.output.json {
        let valid = loaded.is_ok();
        let errors = loaded.as_ref().err().map(problems).unwrap_or_default();
        let resolved = loaded.ok().map(|loaded| loaded.resolved);
        let warnings = resolved
            .as_ref()
            .map(|resolved| resolved.warnings.clone())
            .unwrap_or_default();
        let values = resolved.map(|resolved| resolved.effective()).unwrap_or_default();
        print::json(&Report {
            file,
            valid,
            errors,
            warnings,
            values,
        })?;
        return if valid { Ok(()) } else { Err(Failure::ToldConfiguration) };
    }
    let loaded = loaded?;
    loaded
        .resolved
        .warnings
        .iter()
        .for_each(|warning| print::note(&format!("warning: {warning}")));
    print::line(&format!("{file} is valid: {}", loaded.settings.summary()))
}

/// Makes of `loaded` what the rooms make of it, without serving: patterns, templates and certificates are read.
fn rehearsed(loaded: Loaded) -> Result<Loaded, Faults> {
    let settings = &loaded.settings;
    let (clock, runtime, random) = (Arc::new(SystemClock), Arc::new(TokioRuntime), Arc::new(SystemRandom));
    let parts = peregrine_cache::Parts {
        clock: clock.clone(),
        runtime: runtime.clone(),
        random: random.clone(),
    };
    let engine = Engine::new(parts, settings.engine()).map_err(|error| loaded.resolved.refuse(&error.0))?;
    let mut upstreams = BTreeMap::new();
    for (index, config) in settings.upstreams.iter().enumerate() {
        let parts = UpstreamParts {
            clock: clock.clone(),
            runtime: runtime.clone(),
            random: random.clone(),
        };
        let upstream = Upstream::new(config, parts).map_err(|error| {
            loaded
                .resolved
                .refuse(&[Complaint::new(format!("upstream[{index}]"), error.to_string(), "")])
        })?;
        upstreams.insert(config.name.clone(), upstream);
    }
    spoken::all(&settings.listeners).map_err(|complaints| loaded.resolved.refuse(&complaints))?;
    let surroundings = Surroundings {
        engine: &engine,
        upstreams: &upstreams,
        before: None,
    };
    match RouteTable::new(&settings.routes, surroundings) {
        Ok(_) => Ok(loaded),
        Err(complaints) => Err(loaded.resolved.refuse(&complaints)),
    }
}

fn problems(faults: &Faults) -> Vec<Problem> {
    let problem = |fault: &config::Fault| Problem {
        place: faults.place(fault),
        field: fault.field.clone(),
        problem: fault.problem.clone(),
        help: fault.help.clone(),
    };
    faults.all().iter().map(problem).collect()
}
