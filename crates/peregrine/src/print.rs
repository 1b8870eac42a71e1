//! The only way to the terminal: results to the standard output, everything else to the standard error output. A reader who
//! leaves early (`peregrine stats | head`) is an end, not a panic.

pub mod units;

use crate::Failure;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

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

/// A table whose first column is text and whose others are numbers, to the right.
#[must_use]
pub fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
