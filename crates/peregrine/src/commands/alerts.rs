//! `peregrine alerts …`: what is wrong now, for people and for scripts; keeping an alert quiet; saying who looks after it.

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::CellAlignment;
use peregrine_base::Span;
use peregrine_insight::model::{Alert, AlertState, AlertsReport, Severity};
use serde_json::{Value, json};
use std::fmt::Write;

/// What can be said to `alerts`.
#[derive(Debug, Args)]
#[command(
    about = "What is wrong now, and what to do about it",
    long_about = "Lists what fires or is about to, the worst first, with what to do about it. With --fail-on the exit code is 1 \
                  while an alert of at least that severity fires, so that a deployment can stop.",
    after_help = "Examples:\n  \
        peregrine alerts\n  \
        peregrine alerts --fail-on high                                 for a step of a deployment\n  \
        peregrine alerts silence --rule hit_ratio --for 1h --reason 'cold cache after the move'\n  \
        peregrine alerts acknowledge 4f1c --note 'looking at it'",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

/// What can be done beside listing them.
#[derive(Debug, Subcommand)]
enum Command {
    /// Tell nobody about some alerts for a while.
    Silence(SilenceArguments),
    /// Say that somebody looks after an alert.
    Acknowledge(Acknowledge),
}

#[derive(Debug, Args)]
struct List {
    /// Those that are over, too.
    #[arg(long)]
    all: bool,
    /// Exit with 1 while an alert of at least this severity fires.
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<AtLeast>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// How bad an alert must be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AtLeast {
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Args)]
struct SilenceArguments {
    /// Alerts of this rule; without it those of all rules.
    #[arg(long, value_name = "NAME", required_unless_present = "label")]
    rule: Option<String>,
    /// Only alerts with this label, as NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// For how long, such as 30m or 8h.
    #[arg(long = "for", value_name = "TIME")]
    span: Span,
    /// Why, for whoever wonders later.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Acknowledge {
    /// The alert, as the list calls it.
    id: String,
    /// What to tell the others.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When no Peregrine answers, or something as bad as `--fail-on` says fires.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    match &arguments.command {
        None => list(&arguments.list, environment),
        Some(Command::Silence(arguments)) => silence(arguments, environment),
        Some(Command::Acknowledge(arguments)) => acknowledge(arguments, environment),
    }
}

fn list(arguments: &List, environment: &Environment) -> Result<(), Failure> {
    let client = Client::new(&arguments.address, environment)?;
    let mut report: AlertsReport = commands::block_on(client.get("alerts"))??;
    if !arguments.all {
        report.alerts.retain(|alert| alert.state != AlertState::Resolved);
    }
    report
        .alerts
        .sort_by_key(|alert| (alert.state != AlertState::Firing, alert.severity, alert.since));
    if arguments.output.json {
        print::json(&report)?;
    } else {
        print::line(&in_words(&report))?;
    }
    let is_too_bad = |alert: &Alert| {
        let limit = arguments.fail_on.map(AtLeast::severity);
        // The worst comes first.
        alert.state == AlertState::Firing && limit.is_some_and(|limit| alert.severity <= limit)
    };
    match report.alerts.iter().any(is_too_bad) {
        true => Err(Failure::Told),
        false => Ok(()),
    }
}

fn silence(arguments: &SilenceArguments, environment: &Environment) -> Result<(), Failure> {
    let mut labels = serde_json::Map::new();
    for label in &arguments.label {
        let (name, value) = label.split_once('=').ok_or_else(|| {
            Failure::Usage(format!(
                "--label {label}: write it as NAME=VALUE, such as route=products"
            ))
        })?;
        labels.insert(name.to_owned(), value.into());
    }
    let asked = json!({
        "rule": arguments.rule,
        "labels": labels,
        "for_s": arguments.span.get().as_secs_f64(),
        "reason": arguments.reason,
    });
    let client = Client::new(&arguments.address, environment)?;
    let answer: Value = commands::block_on(client.post("alerts/silence", &asked))??;
    if arguments.output.json {
        return print::json(&answer);
    }
    let (id, until) = (text(&answer, "id"), text(&answer, "until"));
    print::line(&format!("silent until {until} (silence {id})"))
}

fn acknowledge(arguments: &Acknowledge, environment: &Environment) -> Result<(), Failure> {
    let asked = json!({ "id": arguments.id, "note": arguments.note });
    let client = Client::new(&arguments.address, environment)?;
    let answer: Value = commands::block_on(client.post("alerts/acknowledge", &asked))??;
    if arguments.output.json {
        return print::json(&answer);
    }
    print::line(&format!("acknowledged: {}", text(&answer, "text")))
}

fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer.get(field).and_then(Value::as_str).unwrap_or("–")
}

impl AtLeast {
    const fn severity(self) -> Severity {
        match self {
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

fn in_words(report: &AlertsReport) -> String {
    if report.alerts.is_empty() {
        let rules = report.rules.iter().filter(|rule| rule.enabled).count();
        return format!("nothing fires; {rules} rules look");
    }
    let mut table = print::table(["alert", "severity", "state", "since", "what"]);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for alert in &report.alerts {
        table.add_row([
            alert.id.clone(),
            alert.severity.as_str().to_owned(),
            state(alert),
            alert.since.to_string(),
            alert.text.clone(),
        ]);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    for alert in report
        .alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Firing && !alert.next_step.is_empty())
    {
        let _ = writeln!(text, "{}: {}", alert.rule, alert.next_step);
    }
    text
}

fn state(alert: &Alert) -> String {
    let mut state = match alert.state {
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    }
    .to_owned();
    if let Some(acknowledged) = &alert.acknowledged {
        let _ = write!(state, ", with {}", acknowledged.by);
    }
    if alert.silenced_by.is_some() {
        state.push_str(", silenced");
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_read_as_a_table_with_what_to_do() {
        let report: AlertsReport = serde_json::from_value(json!({
            "alerts": [{
                "id": "4f1c", "rule": "errors", "severity": "critical", "state": "firing", "metric": "error_ratio", "labels": {},
                "value": 0.2, "threshold": 0.05, "text": "20.0% of requests end in an error", "since": "2026-01-01T00:00:00.000Z",
                "fired": null, "resolved": null, "acknowledged": { "by": "ada", "at": "2026-01-01T00:01:00.000Z", "note": null },
                "silenced_by": null, "next_step": "look at the upstreams",
            }],
            "rules": [], "silences": [],
        }))
        .unwrap();
        let text = in_words(&report);
        for expected in [
            "4f1c",
            "critical",
            "firing, with ada",
            "20.0% of requests",
            "errors: look at the upstreams",
        ] {
            assert!(text.contains(expected), "`{expected}` is not in\n{text}");
        }
        assert_eq!(in_words(&AlertsReport::default()), "nothing fires; 0 rules look");
    }
}
