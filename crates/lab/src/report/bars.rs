//! Bar charts of Unicode blocks.

use crate::load::LoadReport;
use crate::report::{Look, units};
use std::fmt::Write as _;

/// Eighths of a column, from one to eight.
const BLOCKS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// The colours of the runs, in turn: grey for what it was, green for what it is.
const COLOURS: [&str; 2] = ["\x1b[90m", "\x1b[32m"];
/// Columns for the value behind a bar.
const VALUE_WIDTH: usize = 10;

/// A chart: what it shows, and how it is read and written.
type Chart = (&'static str, fn(&LoadReport) -> f64, fn(f64) -> String);

const CHARTS: [Chart; 4] = [
    ("p50", |report| report.latency.p50_us, units::micros),
    ("p95", |report| report.latency.p95_us, units::micros),
    ("p99", |report| report.latency.p99_us, units::micros),
    ("requests/s", |report| report.requests_per_s, units::rate),
];

/// A group of bars for each of the main numbers, one bar per run, to a scale of its own.
pub(crate) fn runs(reports: &[&LoadReport], look: &Look) -> String {
    let label_width = CHARTS.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let name_width = reports
        .iter()
        .map(|report| report.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(24);
    let room = usize::from(look.width)
        .saturating_sub(label_width + name_width + VALUE_WIDTH + 3)
        .max(10);
    let mut text = String::new();
    for (label, read, write_value) in CHARTS {
        let largest = reports.iter().map(|report| read(report)).fold(0.0, f64::max);
        for (index, report) in reports.iter().enumerate() {
            let value = read(report);
            let share = if largest > 0.0 { value / largest } else { 0.0 };
            let label = if index == 0 { label } else { "" };
            let name: String = report.name.chars().take(name_width).collect();
            let bar = paint(&bar(share, room), index, look);
            writeln!(
                text,
                "{label:>label_width$} {name:<name_width$} {bar} {}",
                write_value(value)
            )
            .expect("a string takes everything");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// A bar of `share` of `room` columns; what is there at all shows.
fn bar(share: f64, room: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1"
    )]
    let eighths = ((share * room as f64 * 8.0).round() as usize).min(room * 8);
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let mut bar: String = std::iter::repeat_n(BLOCKS[7], eighths / 8).collect();
    if eighths % 8 > 0 {
        bar.push(BLOCKS[eighths % 8 - 1]);
    }
    bar
}

fn paint(bar: &str, index: usize, look: &Look) -> String {
    if look.has_colour {
        format!("{}{bar}\x1b[0m", COLOURS[index % COLOURS.len()])
    } else {
        bar.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        for (share, expected) in [
            (0.0, ""),
            (0.0001, "▏"),
            (0.1, "▊"),
            (0.5, "████"),
            (0.55, "████▍"),
            (1.0, "████████"),
        ] {
            assert_eq!(bar(share, 8), expected, "{share}");
        }
    }
}
