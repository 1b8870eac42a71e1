//! `peregrine bench URL [URL]`: load on one URL, or on two by turns, and what it showed.

use crate::cli::Output;
use crate::{Failure, commands, print};
use clap::{Args, ValueEnum};
use peregrine_base::Span;
use peregrine_lab::load::{self, BenchPlan, Load, LoadReport, Pace, Roots, Settings, Target};
use peregrine_lab::progress::Show;
use peregrine_lab::report::{self, Look};
use std::sync::Arc;
use std::time::Duration;

/// How long to run before measuring, where nothing says how long.
const WARM_UP: Duration = Duration::from_secs(1);

/// What can be said to `bench`.
#[derive(Debug, Args)]
#[command(
    about = "Measure a URL under load, or two side by side",
    long_about = "Sends the same request again and again over many connections and measures how long the answers take. \
                  Without --rate it is a closed loop: each connection asks again as soon as it is answered, and a second \
                  table puts back what a stall kept from being sent. With --rate it is an open loop: requests come at their \
                  own times, and their latency counts from when they were due. Two URLs are measured one after the other \
                  and shown side by side.",
    after_help = "Examples:\n  \
        peregrine bench http://127.0.0.1:8080/products\n  \
        peregrine bench http://127.0.0.1:3000/products http://127.0.0.1:8080/products\n  \
        peregrine bench --rate 2000 --duration 30s -H 'Accept-Encoding: gzip' http://127.0.0.1:8080/"
)]
pub struct Arguments {
    /// The URL to ask for.
    url: String,
    /// A second URL to set beside it, such as the same page through Peregrine.
    other: Option<String>,
    /// How many connections.
    #[arg(short, long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How long to measure.
    #[arg(short, long, default_value = "10s", value_name = "TIME")]
    duration: Span,
    /// Send this many requests instead, however long it takes.
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    requests: Option<u64>,
    /// How long to run before measuring; without it 1s, and nothing with --requests.
    #[arg(long, value_name = "TIME")]
    warm_up: Option<Span>,
    /// Open loop: so many requests per second, whatever the answers do.
    #[arg(short, long, value_name = "N")]
    rate: Option<f64>,
    /// How the requests of an open loop are spread.
    #[arg(long, value_enum, default_value_t = Arrivals::Even, requires = "rate")]
    arrivals: Arrivals,
    /// How long a request may take.
    #[arg(long, default_value = "30s", value_name = "TIME")]
    timeout: Span,
    /// The method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A header, as "Name: value"; may be given several times.
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,
    /// The body.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// All chance comes from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: Output,
}

/// How the requests of an open loop are spread.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Arrivals {
    /// In equal steps.
    Even,
    /// In bursts and lulls, as users arrive.
    Poisson,
}

/// Runs the command.
///
/// # Errors
/// When a URL cannot be reached, or an argument makes no sense.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let headers: Vec<(String, String)> = arguments
        .header
        .iter()
        .map(|text| commands::header(text))
        .collect::<Result<_, _>>()?;
    let reports = commands::block_on(async {
        let mut reports = Vec::new();
        for (url, name) in named(&arguments.url, arguments.other.as_deref()) {
            reports.push(measure(arguments, url, name, &headers).await?);
        }
        Ok::<_, Failure>(reports)
    })??;
    if arguments.output.json {
        print::json(&reports)?;
    } else {
        print::line(&report::runs(&reports, &Look::of_stdout()))?;
    }
    match reports.iter().find(|report| report.answers == 0) {
        Some(report) => Err(Failure::Failed(format!("{} gave no answer", report.target))),
        None => Ok(()),
    }
}

/// The URLs with what tells them apart: the path where they share the host, the host where they share the path.
fn named<'a>(one: &'a str, other: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let Some(other) = other else { return vec![(one, one)] };
    let parts = |url: &'a str| {
        let authority = url.find("://").map_or(0, |scheme| scheme + 3);
        url.split_at(url[authority..].find('/').map_or(url.len(), |path| authority + path))
    };
    match (parts(one), parts(other)) {
        ((host, path), (same, other_path)) if host == same => vec![(one, path), (other, other_path)],
        ((host, path), (other_host, same)) if path == same => vec![(one, host), (other, other_host)],
        _ => vec![(one, one), (other, other)],
    }
}

async fn measure(
    arguments: &Arguments,
    url: &str,
    name: &str,
    headers: &[(String, String)],
) -> Result<LoadReport, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let (target, path) = Target::from_url(url, &Roots::System)
        .await
        .map_err(|error| match error {
            load::TargetError::Url(_) => usage(&error),
            other => Failure::Failed(other.to_string()),
        })?;
    let body = arguments.data.as_deref().map(str::as_bytes);
    let method = arguments.method.to_ascii_uppercase();
    let plan = BenchPlan::new(&target, &path, &method, headers, body).map_err(|error| usage(&error))?;
    let load = Load {
        name: name.to_owned(),
        target,
        plan: Arc::new(plan),
        observer: Arc::new(()),
        settings: settings(arguments),
        on_progress: Show::Stderr.callback(name),
        stop: None,
    };
    load::run(load).await.map_err(|error| match error {
        load::LoadError::Settings(_) => usage(&error),
        other => Failure::Failed(other.to_string()),
    })
}

fn settings(arguments: &Arguments) -> Settings {
    let arrivals = match arguments.arrivals {
        Arrivals::Even => load::Arrivals::Even,
        Arrivals::Poisson => load::Arrivals::Poisson,
    };
    Settings {
        connections: arguments.connections.into(),
        pace: arguments
            .rate
            .map_or(Pace::Closed, |rate_per_s| Pace::Open { rate_per_s, arrivals }),
        limit: arguments
            .requests
            .map_or(load::Limit::Time(arguments.duration.get()), load::Limit::Requests),
        warm_up: arguments.warm_up.map_or(
            if arguments.requests.is_some() {
                Duration::ZERO
            } else {
                WARM_UP
            },
            Span::get,
        ),
        request_time_max: arguments.timeout.get(),
        seed: arguments.seed,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_called_by_what_tells_them_apart() {
        let names = |one, other| named(one, other).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names("http://a/x", None), ["http://a/x"]);
        assert_eq!(names("http://a/x", Some("http://a/y?z")), ["/x", "/y?z"]);
        assert_eq!(
            names("http://a:1/x", Some("http://b:2/x")),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(names("http://a/x", Some("http://b/y")), ["http://a/x", "http://b/y"]);
        assert_eq!(names("nonsense", Some("http://b/y")), ["nonsense", "http://b/y"]);
    }
}
