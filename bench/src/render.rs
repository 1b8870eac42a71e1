//! Shows a report: tables for the terminal, Markdown for docs/performance.md, JSON for programs.

use crate::report::{Budget, Cell, Report, Section, Side, Table};
use std::fmt::Write as _;

/// A table as text: the header and the rows.
type Grid = (Vec<String>, Vec<Vec<String>>);

/// For a person at a terminal.
pub(crate) fn terminal(report: &Report) -> String {
    let draw = |(header, rows): Grid| {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(header);
        table.add_rows(rows);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        format!("{table}\n")
    };
    show(report, &draw, "== ", "-- ")
}

/// For docs/performance.md.
pub(crate) fn markdown(report: &Report) -> String {
    let draw = |(header, rows): Grid| {
        let rule = std::iter::once("---")
            .chain(std::iter::repeat_n("---:", header.len() - 1))
            .collect::<Vec<_>>();
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&header);
        let _ = writeln!(text, "|{}|", rule.join("|"));
        rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    };
    show(report, &draw, "### ", "#### ")
}

/// For programs.
pub(crate) fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report is plain data");
    text.push('\n');
    text
}

fn show(report: &Report, draw: &dyn Fn(Grid) -> String, heading: &str, heading_of_table: &str) -> String {
    let mut text = format!("{}\n", report.machine);
    if report.quick {
        text.push_str("A short run (--quick): it shows that everything works; its numbers are not for comparison.\n");
    }
    for section in &report.sections {
        let Section {
            title,
            about,
            tables,
            budgets,
            notes,
            ..
        } = section;
        let _ = write!(text, "\n{heading}{title}\n\n{about}\n");
        for table in tables {
            let _ = match table.title.as_str() {
                "" => writeln!(text),
                title => write!(text, "\n{heading_of_table}{title}\n\n"),
            };
            text.push_str(&draw(grid(table)));
        }
        if !budgets.is_empty() {
            let _ = writeln!(text);
            text.push_str(&draw(budget_grid(budgets)));
        }
        if !notes.is_empty() {
            let _ = writeln!(text);
        }
        for note in notes {
            let _ = writeln!(text, "- {note}");
        }
    }
    text
}

fn grid(table: &Table) -> Grid {
    let rows = table.rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| match *cell {
            Cell::Number(value, digits) => number(value, digits),
            Cell::Share(value) => format!("{:.1}%", value * 100.0),
            Cell::Ratio(value) => format!("{value:.2}×"),
            Cell::Missing => "–".to_owned(),
        });
        std::iter::once(row.name.clone()).chain(cells).collect()
    });
    (table.columns.clone(), rows.collect())
}

fn budget_grid(budgets: &[Budget]) -> Grid {
    let header = ["budget", "measured", "bound", "verdict"].map(str::to_owned).to_vec();
    let rows = budgets.iter().map(|budget| {
        let sign = if budget.side == Side::AtMost { "≤" } else { "≥" };
        let with_unit = |value: f64| format!("{} {}", number(value, digits_for(value)), budget.unit);
        vec![
            budget.name.clone(),
            budget.measured.map_or_else(|| "–".to_owned(), with_unit),
            format!("{sign} {}", with_unit(budget.bound)),
            budget.verdict.as_str().to_owned(),
        ]
    });
    (header, rows.collect())
}

/// Digits behind the point that leave three that mean something.
fn digits_for(value: f64) -> usize {
    match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    }
}

/// `value` with its thousands apart.
pub(crate) fn number(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn report() -> Report {
        let mut section = Section::new("engine", "Engine", "What was done.");
        let mut table = Table::new("Speed", &["cache", "lookups/s", "beside"]);
        table.row("one", vec![Cell::Number(1_234_567.0, 0), Cell::Ratio(1.0)]);
        table.row("other", vec![Cell::Missing, Cell::Share(0.5)]);
        section.tables.push(table);
        section
            .budgets
            .push(Budget::at_least("lookups", 5e6, "/s", Some(1_234_567.0)));
        section.notes.push("a note".to_owned());
        Report {
            machine: Machine::example(),
            quick: true,
            sections: vec![section],
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(number(1_234_567.891, 2), "1,234,567.89");
        assert_eq!(number(-123_456.0, 0), "-123,456");
        assert_eq!(number(999.5, 1), "999.5");
    }

    #[test]
    fn a_person_sees_the_number_the_budget_and_the_verdict() {
        let text = terminal(&report());
        for word in ["1,234,567", "≥ 5,000,000 /s", "over", "50.0%", "- a note", "short run"] {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }

    #[test]
    fn markdown_has_whole_rows() {
        let text = markdown(&report());
        assert!(
            text.contains("| cache | lookups/s | beside |\n|---|---:|---:|\n| one | 1,234,567 | 1.00× |\n"),
            "{text}"
        );
    }

    #[test]
    fn json_has_bare_numbers() {
        let value: serde_json::Value = serde_json::from_str(&json(&report())).unwrap();
        let cells = &value["sections"][0]["tables"][0]["rows"][0]["cells"];
        assert_eq!(cells[0], 1_234_567.0);
        assert_eq!(value["sections"][0]["budgets"][0]["verdict"], "over");
        assert_eq!(
            value["sections"][0]["tables"][0]["rows"][1]["cells"][0],
            serde_json::Value::Null
        );
    }
}
