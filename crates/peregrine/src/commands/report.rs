//! `peregrine report`: what changed, what it means and what to do about it, as the running Peregrine wrote it last.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::{Args, ValueEnum};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use peregrine_insight::model::ReportTitles;
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

/// What can be said to `report`.
#[derive(Debug, Args)]
#[command(
    about = "What changed, what it means, and what would make it better",
    long_about = "A running Peregrine writes a report every few minutes: what changed, trends, the routes that cost their origins \
                  most, what was saved, and recommendations with their evidence. This prints the newest, or another of those \
                  that it kept.",
    after_help = "Examples:\n  \
        peregrine report\n  \
        peregrine report --list\n  \
        peregrine report --format html --output report.html     prints well\n  \
        peregrine report --json | jq '.recommendations[].toml'"
)]
pub struct Arguments {
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// The report with this id instead of the newest.
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    id: Option<String>,
    /// List the reports that were kept.
    #[arg(long)]
    list: bool,
    /// Write it to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    output: Option<PathBuf>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    result: Output,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, in a terminal or a chat.
    Markdown,
    /// A page.
    Html,
    /// For programs.
    Json,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, it has no such report, or the file cannot be written.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    if arguments.list {
        return list(&client, arguments.result.json);
    }
    let format = if arguments.result.json {
        Format::Json
    } else {
        arguments.format
    };
    let word = match format {
        Format::Markdown => "markdown",
        Format::Html => "html",
        Format::Json => "json",
    };
    let mut path = format!("report?format={word}");
    if let Some(id) = &arguments.id {
        let _ = write!(path, "&id={}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    }
    let text = match format {
        Format::Json => {
            let report: Value = commands::block_on(client.get(&path))??;
            serde_json::to_string_pretty(&report).map_err(std::io::Error::other)? + "\n"
        }
        _ => commands::block_on(client.get_text(&path))??,
    };
    match &arguments.output {
        None => print::line(&text),
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
        }
    }
}

fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let titles: ReportTitles = commands::block_on(client.get("reports"))??;
    if json {
        return print::json(&titles);
    }
    let mut table = print::table(["report", "written", "title"]);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    for title in &titles.reports {
        table.add_row([title.id.clone(), title.at.to_string(), title.title.clone()]);
    }
    print::line(&table.trim_fmt())
}
