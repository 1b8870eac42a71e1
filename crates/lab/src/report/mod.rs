//! Results for people: tables and small bar charts as text. Nothing is printed here.

mod bars;
mod freshness;
mod tables;
pub mod units;

#[cfg(test)]
mod tests;

pub use freshness::freshness;

use crate::drive::Comparison;
use crate::load::LoadReport;
use comfy_table::Table;
use std::io::IsTerminal;

/// How results are to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The columns that there are.
    pub width: u16,
    /// Whether colours may be used.
    pub has_colour: bool,
}

impl Look {
    /// Plain text of 80 columns.
    pub const PLAIN: Self = Self {
        width: 80,
        has_colour: false,
    };

    /// As fits the standard output: colours on a terminal only, and not when `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = Table::new()
            .width()
            .filter(|_| is_terminal)
            .unwrap_or(Self::PLAIN.width);
        Self {
            width: width.clamp(60, 120),
            has_colour: is_terminal && !no_color,
        }
    }
}

/// The result of the demo: a table, bars, and examples of wrong answers if there are any.
#[must_use]
pub fn comparison(comparison: &Comparison, look: &Look) -> String {
    let (direct, proxied) = (&comparison.direct.load, &comparison.proxied.load);
    let mut text = tables::comparison(comparison, look);
    text.push_str("\n\n");
    text.push_str(&bars::runs(&[direct, proxied], look));
    for leg in [&comparison.direct, &comparison.proxied] {
        for example in &leg.findings.examples {
            let (name, wrong) = (&leg.load.name, example.wrong.as_str());
            text.push_str(&format!(
                "\nwrong answer {name}: {wrong}: {}: {}",
                example.request, example.detail
            ));
        }
    }
    text
}

/// The result of a run, or of several side by side, with bars when there is something to compare.
#[must_use]
pub fn runs(reports: &[LoadReport], look: &Look) -> String {
    let reports: Vec<&LoadReport> = reports.iter().collect();
    let mut text = tables::runs(&reports, look);
    if reports.len() > 1 {
        text.push_str("\n\n");
        text.push_str(&bars::runs(&reports, look));
    }
    text
}
