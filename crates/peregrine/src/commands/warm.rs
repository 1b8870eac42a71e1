//! `peregrine warm SOURCE`: loads pages into the cache of a running Peregrine before anybody asks for them.

mod source;

use crate::cli::Output;
use crate::client::{Address, Client};
use crate::config::Environment;
use crate::print;
use crate::{Failure, commands};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use peregrine_admin::api::preload::{PreloadReport, PreloadRequest};
use peregrine_lab::report::units;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many problems are kept for the result.
const PROBLEMS_MAX: usize = 20;

/// What can be said to `warm`.
#[derive(Debug, Args)]
#[command(
    about = "Load pages into the cache before anybody asks for them",
    long_about = "Has a running Peregrine ask its origin for every page of a list, at a bounded rate, and keep what may be \
                  kept. The list is a file with a URL or a path on each line (blank lines and lines that begin with # are \
                  passed over), `-` for the standard input, or a sitemap: a file or a URL, also of a sitemap index.",
    after_help = "Examples:\n  \
        peregrine warm urls.txt\n  \
        peregrine warm https://shop.example/sitemap.xml --rate 20\n  \
        cut -d' ' -f7 access.log | sort -u | peregrine warm -"
)]
pub struct Arguments {
    /// A file, `-`, or the URL of a sitemap.
    source: String,
    /// At most so many pages per second.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// At most so many pages at a time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrency: u32,
    /// A header of the requests, as "Name: value", such as the Accept-Encoding that selects a variant; may be given several
    /// times.
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    output: Output,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct Summary {
    pages: usize,
    #[serde(flatten)]
    report: PreloadReport,
}

/// Runs the command.
///
/// # Errors
/// When the list cannot be read, no Peregrine answers, or a page failed.
pub fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let headers: BTreeMap<String, String> = arguments
        .header
        .iter()
        .map(|text| commands::header(text))
        .collect::<Result<_, _>>()?;
    let client = Client::new(&arguments.address, environment)?;
    let summary = commands::block_on(async {
        let pages = source::pages(&arguments.source, environment).await?;
        warm(arguments, &client, &pages, &headers).await
    })??;
    if arguments.output.json {
        print::json(&summary)?;
    } else {
        print::line(&in_words(&summary))?;
    }
    match summary.report.failed {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{} of {} pages failed", failed, summary.pages))),
    }
}

/// Sends the list in portions: each is short enough to see progress, and to be done within the time an answer may take.
async fn warm(
    arguments: &Arguments,
    client: &Client,
    pages: &[String],
    headers: &BTreeMap<String, String>,
) -> Result<Summary, Failure> {
    let portion = arguments
        .rate
        .saturating_mul(2)
        .min(arguments.concurrency.saturating_mul(4))
        .clamp(1, 500);
    let bar = progress_bar(pages.len() as u64);
    let mut total = PreloadReport::default();
    for urls in pages.chunks(usize::try_from(portion).unwrap_or(1)) {
        let request = PreloadRequest {
            urls: urls.to_vec(),
            rate: arguments.rate,
            concurrency: arguments.concurrency,
            headers: headers.clone(),
        };
        let request = serde_json::to_value(&request).map_err(|error| Failure::Failed(error.to_string()))?;
        let report: PreloadReport = client.post("cache/preload", &request).await?;
        add(&mut total, report);
        bar.inc(urls.len() as u64);
        bar.set_message(format!("{} stored, {} failed", total.stored, total.failed));
    }
    bar.finish_and_clear();
    Ok(Summary {
        pages: pages.len(),
        report: total,
    })
}

fn add(total: &mut PreloadReport, part: PreloadReport) {
    total.stored += part.stored;
    total.fresh += part.fresh;
    total.not_stored += part.not_stored;
    total.failed += part.failed;
    total.took_ms += part.took_ms;
    let room = PROBLEMS_MAX - total.problems.len();
    total.problems.extend(part.problems.into_iter().take(room));
}

fn progress_bar(pages: u64) -> ProgressBar {
    if !print::is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("warming [{bar:30}] {pos}/{len}  {msg}");
    ProgressBar::new(pages).with_style(style.expect("the template is well formed").progress_chars("=> "))
}

fn in_words(summary: &Summary) -> String {
    let Summary { pages, report } = summary;
    let mut table = print::table(["pages", "stored", "fresh already", "not storable", "failed", "took"]);
    table.add_row([
        units::count(*pages as u64),
        units::count(report.stored),
        units::count(report.fresh),
        units::count(report.not_stored),
        units::count(report.failed),
        print::time(Duration::from_millis(report.took_ms)),
    ]);
    let mut text = table.trim_fmt();
    for problem in &report.problems {
        let status = problem.status.map(|status| format!(" ({status})")).unwrap_or_default();
        text.push_str(&format!("\n{}: {}{status}", problem.url, problem.reason));
    }
    text
}
