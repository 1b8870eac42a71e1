//! What a run of `bench` showed, as a table: one column per URL, and how the second compares with the first.

use crate::print::{self, units};
use comfy_table::{CellAlignment, Table};
use peregrine_lab::load::{Latency, LoadReport};
use std::time::Duration;

/// One row: what it is, and how it reads and compares.
struct Row {
    name: &'static str,
    text: fn(&LoadReport) -> String,
    /// The number to compare; `None` for rows that are not compared.
    number: fn(&LoadReport) -> Option<f64>,
}

const ROWS: &[Row] = &[
    Row {
        name: "requests/s",
        text: |r| units::count(whole(r.requests_per_s)),
        number: |r| Some(r.requests_per_s),
    },
    Row {
        name: "p50",
        text: |r| micros(r.latency.p50_us),
        number: |r| Some(r.latency.p50_us),
    },
    Row {
        name: "p90",
        text: |r| micros(r.latency.p90_us),
        number: |r| Some(r.latency.p90_us),
    },
    Row {
        name: "p95",
        text: |r| micros(r.latency.p95_us),
        number: |r| Some(r.latency.p95_us),
    },
    Row {
        name: "p99",
        text: |r| micros(r.latency.p99_us),
        number: |r| Some(r.latency.p99_us),
    },
    Row {
        name: "p99.9",
        text: |r| micros(r.latency.p999_us),
        number: |r| Some(r.latency.p999_us),
    },
    Row {
        name: "longest",
        text: |r| micros(r.latency.max_us),
        number: |r| Some(r.latency.max_us),
    },
    Row {
        name: "p99, corrected",
        text: |r| corrected(r, |l| l.p99_us),
        number: |r| Some(r.latency_corrected.as_ref()?.p99_us),
    },
    Row {
        name: "answers",
        text: |r| units::count(r.answers),
        number: |_| None,
    },
    Row {
        name: "from the cache",
        text: |r| r.hit_ratio().map_or_else(dash, units::share),
        number: |_| None,
    },
    Row {
        name: "errors",
        text: |r| units::count(r.errors()),
        number: |_| None,
    },
    Row {
        name: "received",
        text: |r| units::bytes(r.bytes_in),
        number: |_| None,
    },
];

/// The reports side by side, and below what went wrong.
pub(super) fn in_words(reports: &[LoadReport]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    let mut head = vec![String::new()];
    head.extend(reports.iter().map(|report| report.name.clone()));
    head.extend((reports.len() == 2).then(|| "second to first".to_owned()));
    table.set_header(head);
    for row in ROWS {
        if row.name.ends_with("corrected") && reports.iter().all(|report| report.latency_corrected.is_none()) {
            continue;
        }
        let mut cells = vec![row.name.to_owned()];
        cells.extend(reports.iter().map(row.text));
        if let [first, second] = reports {
            cells.push(ratio((row.number)(first), (row.number)(second)));
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.trim_fmt();
    for report in reports {
        text.push_str(&details(report));
    }
    text
}

/// How it was measured, and every status and failure by its count.
fn details(report: &LoadReport) -> String {
    let pace = match report.rate_per_s {
        Some(rate) => format!("open loop at {rate} requests/s"),
        None => "closed loop".to_owned(),
    };
    let statuses = report
        .statuses
        .iter()
        .map(|(status, count)| format!("{status}: {}", units::count(*count)));
    let failures = report
        .failures
        .iter()
        .map(|(kind, count)| format!("{kind}: {}", units::count(*count)));
    let unsent =
        (report.unsent > 0).then(|| format!("never sent, no connection was free: {}", units::count(report.unsent)));
    let counts: Vec<String> = statuses.chain(failures).chain(unsent).collect();
    format!(
        "\n{}: {} connections, {pace}, {:.1} s measured; {}",
        report.name,
        report.connections,
        report.elapsed_s,
        if counts.is_empty() {
            "no answer".to_owned()
        } else {
            counts.join(", ")
        }
    )
}

fn corrected(report: &LoadReport, of: fn(&Latency) -> f64) -> String {
    report
        .latency_corrected
        .as_ref()
        .map_or_else(dash, |latency| micros(of(latency)))
}

fn micros(micros: f64) -> String {
    print::units::time(Duration::try_from_secs_f64(micros / 1e6).unwrap_or_default())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

fn ratio(first: Option<f64>, second: Option<f64>) -> String {
    match (first, second) {
        (Some(first), Some(second)) if first > 0.0 => format!("{:.2} ×", second / first),
        _ => String::new(),
    }
}

fn dash() -> String {
    "–".to_owned()
}
