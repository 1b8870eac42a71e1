//! The only way to the terminal: results to the standard output, everything else to the standard error output. A reader who
//! leaves early (`peregrine stats | head`) is an end, not a panic.

use crate::Failure;
use comfy_table::{CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use peregrine_base::Span;
use peregrine_lab::report::units;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Prints `text` as the result, or a line of it, with a line break at its end.
///
/// # Errors
/// When it cannot be written.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Prints `value` as the result, as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(io::Error::other)?)
}

/// Tells a person something that is not the result.
pub fn note(text: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a person watches, so that progress makes sense.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// The look of the laboratory's tables: one line below the header, none between rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('╭', '─', '┬', '╮'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('╰', '─', '┴', '╯'));

/// A table whose first column is text and whose others are numbers, to the right.
#[must_use]
pub fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `part` of `whole` as `81.2%`; a dash of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn share_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        "–".to_owned()
    } else {
        units::share(part as f64 / whole as f64)
    }
}

/// `1.23 ms`, `45.6 s`, `1h5m`.
#[must_use]
pub fn time(span: Duration) -> String {
    match span.as_secs() {
        0..60 => units::micros(span.as_secs_f64() * 1e6),
        60..3600 => Span::new(Duration::from_secs(span.as_secs())).to_string(),
        seconds => Span::new(Duration::from_secs(seconds / 60 * 60)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_read_well() {
        assert_eq!(time(Duration::from_micros(1_230)), "1.23 ms");
        assert_eq!(time(Duration::from_millis(45_600)), "45.6 s");
        assert_eq!(time(Duration::from_millis(252_900)), "4m12s");
        assert_eq!(time(Duration::from_secs(3_959)), "1h5m");
        assert_eq!(share_of(812, 1000), "81.2%");
        assert_eq!(share_of(1, 0), "–");
    }
}
