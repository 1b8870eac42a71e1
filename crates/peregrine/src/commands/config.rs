//! `peregrine config …`: what can be configured, in words, as a file and as a schema.

use super::found;
use crate::cli::Output;
use crate::config::{self, Environment, Explanation, Origin, Overrides, TABLE, generate};
use crate::{Failure, print};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What can be said to `config`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a parameter does, what it can be, what holds, and what set it.
    #[command(after_help = "Examples:\n  \
        peregrine config explain cache.memory\n  \
        peregrine config explain strategy           everything that begins so\n  \
        peregrine config explain ttl                everything that ends so\n  \
        peregrine config explain '*timeout*'        everything that matches")]
    Explain(ExplainArguments),
    /// Write the JSON Schema of the file, for editors and pipelines.
    #[command(after_help = "Example:\n  peregrine config schema > peregrine.schema.json")]
    Schema,
    /// Write a complete file with every default in it.
    #[command(after_help = "Example:\n  peregrine config default > peregrine.toml")]
    Default,
    /// Write the OpenAPI description of the admin API, for tools that make clients of it.
    #[command(after_help = "Example:\n  peregrine config openapi > openapi.json")]
    Openapi,
    /// Write the reference page.
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Args)]
struct ExplainArguments {
    /// A parameter's name, the beginning or end of one, or a pattern with `*`.
    name: String,
    /// The file that says what holds; without it PEREGRINE_CONFIG, or peregrine.toml in this directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When a name means nothing, or a configuration that was named has mistakes.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        Command::Explain(arguments) => explain(arguments, environment),
        Command::Schema => print::json(&generate::schema(TABLE)),
        Command::Default => print::line(&generate::default_file(TABLE)),
        Command::Openapi => print::line(peregrine_admin::openapi::text().trim_end()),
        Command::Reference => print::line(&generate::reference(TABLE)),
    }
}

fn explain(arguments: &ExplainArguments, environment: &Environment) -> Result<(), Failure> {
    let effective = match found::file(arguments.config.as_deref(), environment) {
        None => Vec::new(),
        Some(found) => {
            let origin = Origin::File(found.path);
            match config::resolve(TABLE, &origin, &Overrides::default(), environment) {
                Ok(resolved) => resolved.effective(),
                // A file that merely lies here must not keep anybody from reading about a parameter.
                Err(_) if !found.is_named => {
                    print::note(
                        "peregrine.toml has mistakes, so what holds is not shown; `peregrine check` lists them",
                    );
                    Vec::new()
                }
                Err(faults) => return Err(faults.into()),
            }
        }
    };
    let explanations = generate::explain(TABLE, &arguments.name, &effective).map_err(|near| {
        let near = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        Failure::Usage(format!("no parameter is called `{}`{near}", arguments.name))
    })?;
    if arguments.output.json {
        return print::json(&explanations);
    }
    let texts: Vec<String> = explanations.iter().map(in_words).collect();
    print::line(&texts.join("\n"))
}

fn in_words(explanation: &Explanation) -> String {
    let takes_effect = if explanation.reload {
        "on reload"
    } else {
        "after a restart"
    };
    let mut text = format!(
        "{}\n  {}\n  Type          {}\n  Default       {}\n  Takes effect  {takes_effect}\n  Environment   {}\n",
        explanation.name, explanation.about, explanation.kind, explanation.default, explanation.environment,
    );
    for now in &explanation.now {
        text.push_str(&format!(
            "  Now           {} = {} ({})\n",
            now.field, now.value, now.source
        ));
    }
    text
}
