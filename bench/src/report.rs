//! What was measured, as plain data: sections with tables, and budgets with a verdict. Knows nothing about how it is shown;
//! [`crate::render`] makes tables for people, Markdown or JSON of it.

use crate::machine::Machine;
use serde::{Serialize, Serializer};

/// One run of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// On what it ran.
    pub(crate) machine: Machine,
    /// Whether it was a short run, whose numbers only tell that everything works.
    pub(crate) quick: bool,
    /// What was measured.
    pub(crate) sections: Vec<Section>,
}

/// One subject: the engine, memory, hit ratios, HTTP.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// The heading.
    pub(crate) title: &'static str,
    /// What was done, in a few sentences.
    pub(crate) about: String,
    /// The numbers.
    pub(crate) tables: Vec<Table>,
    /// The budgets that belong to them.
    pub(crate) budgets: Vec<Budget>,
    /// What a reader of the numbers must know; also what could not be measured, and why.
    pub(crate) notes: Vec<String>,
}

/// Rows of numbers under named columns.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// The heading; empty where the section has only this one.
    pub(crate) title: String,
    /// The first names the rows.
    pub(crate) columns: Vec<String>,
    /// A name and one cell for every further column.
    pub(crate) rows: Vec<Row>,
}

/// A subject and its numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Whose numbers they are.
    pub(crate) name: String,
    /// One for each column but the first.
    pub(crate) cells: Vec<Cell>,
}

/// One number, with the digits behind the point that it deserves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// As it is.
    Number(f64, usize),
    /// A share, shown in percent.
    Share(f64),
    /// Times as much as the first row's.
    Ratio(f64),
    /// Nothing was measured here.
    Missing,
}

/// A number that must not lie above, or below, another.
#[derive(Debug, Serialize)]
pub(crate) struct Budget {
    /// What is bounded.
    pub(crate) name: String,
    /// The unit of both numbers.
    pub(crate) unit: &'static str,
    /// On which side of `bound` it must lie.
    pub(crate) side: Side,
    /// The budget.
    pub(crate) bound: f64,
    /// What was measured; `None` where it could not be.
    pub(crate) measured: Option<f64>,
    /// How the two compare.
    pub(crate) verdict: Verdict,
}

/// On which side of its bound a number must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// Smaller is better.
    AtMost,
    /// Larger is better.
    AtLeast,
}

/// How a number compares with its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Within it.
    Ok,
    /// Not within it.
    Over,
    /// Not known.
    NotMeasured,
}

impl Section {
    /// A section without numbers yet.
    pub(crate) fn new(name: &'static str, title: &'static str, about: impl Into<String>) -> Self {
        Self {
            name,
            title,
            about: about.into(),
            tables: Vec::new(),
            budgets: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Table {
    /// A table without rows yet.
    pub(crate) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self {
            title: title.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has not one cell for each column but the first.
    pub(crate) fn row(&mut self, name: impl Into<String>, cells: Vec<Cell>) {
        assert_eq!(
            cells.len() + 1,
            self.columns.len(),
            "a cell for every column of {}",
            self.title
        );
        self.rows.push(Row {
            name: name.into(),
            cells,
        });
    }
}

impl Budget {
    /// Smaller than `bound` is better.
    pub(crate) fn at_most(name: impl Into<String>, bound: f64, unit: &'static str, measured: Option<f64>) -> Self {
        Self::new(name.into(), Side::AtMost, bound, unit, measured)
    }

    /// Larger than `bound` is better.
    pub(crate) fn at_least(name: impl Into<String>, bound: f64, unit: &'static str, measured: Option<f64>) -> Self {
        Self::new(name.into(), Side::AtLeast, bound, unit, measured)
    }

    fn new(name: String, side: Side, bound: f64, unit: &'static str, measured: Option<f64>) -> Self {
        let verdict = match (measured, side) {
            (None, _) => Verdict::NotMeasured,
            (Some(value), Side::AtMost) if value <= bound => Verdict::Ok,
            (Some(value), Side::AtLeast) if value >= bound => Verdict::Ok,
            // Also what is no number: a measurement that divides by nothing has failed.
            (Some(_), _) => Verdict::Over,
        };
        Self {
            name,
            unit,
            side,
            bound,
            measured,
            verdict,
        }
    }
}

impl Verdict {
    /// The word for people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Over => "over",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Serialize for Cell {
    /// The bare number, or null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Number(value, _) | Self::Share(value) | Self::Ratio(value) => serializer.serialize_f64(value),
            Self::Missing => serializer.serialize_none(),
        }
    }
}

/// The middle of `values`; the lower one of two. Zero of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_met_on_its_own_side_only() {
        let verdict = |budget: Budget| budget.verdict;
        assert_eq!(verdict(Budget::at_most("a", 10.0, "µs", Some(10.0))), Verdict::Ok);
        assert_eq!(verdict(Budget::at_most("a", 10.0, "µs", Some(10.1))), Verdict::Over);
        assert_eq!(verdict(Budget::at_least("a", 10.0, "/s", Some(10.0))), Verdict::Ok);
        assert_eq!(verdict(Budget::at_least("a", 10.0, "/s", Some(9.9))), Verdict::Over);
        assert_eq!(verdict(Budget::at_least("a", 10.0, "/s", None)), Verdict::NotMeasured);
        assert_eq!(verdict(Budget::at_most("a", 10.0, "µs", Some(f64::NAN))), Verdict::Over);
    }

    #[test]
    fn the_median_is_not_moved_by_one_bad_round() {
        assert!((median(&[3.0, 1000.0, 1.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
