//! The text of the configuration file: reading it within limits, and finding the line and column of a byte.

use super::fault::{Fault, Faults};
use super::node::Source;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The largest configuration file that is read. The largest real ones are a few hundred KiB.
const FILE_SIZE_MAX: u64 = 1 << 20;

/// How much of a line is quoted under a fault.
const QUOTE_WIDTH_MAX: usize = 120;

/// A text and the name that faults give it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    name: Arc<str>,
    text: Arc<str>,
}

impl SourceText {
    /// `text`, called `name`.
    pub(crate) fn new(name: &str, text: String) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is larger than 1 MiB or is not UTF-8.
    pub(crate) fn read(path: &Path) -> Result<Self, Faults> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Faults::single(
                &name,
                "no such file",
                "write one with `peregrine config default > peregrine.toml`",
            ),
            _ => Faults::single(&name, format!("cannot be read: {error}"), ""),
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_SIZE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > FILE_SIZE_MAX {
            return Err(Faults::single(
                &name,
                "is larger than 1 MiB, the most that a configuration may have",
                "",
            ));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(&name, text)),
            Err(error) => Err(Self::not_utf8(&name, error)),
        }
    }

    fn not_utf8(name: &str, error: std::string::FromUtf8Error) -> Faults {
        let valid = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(valid);
        let text = Self::new(name, String::from_utf8(bytes).unwrap_or_default());
        let fault =
            Fault::new(&Source::File(valid..valid), "", "is not UTF-8 from here on").help("save the file as UTF-8");
        Faults::new(text, vec![fault.unquoted()])
    }

    /// The text itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The line and column of byte `offset`, both from 1; columns count characters.
    pub(crate) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// `source` as a person writes it.
    pub(crate) fn place(&self, source: &Source) -> String {
        match source {
            Source::File(range) => {
                let (line, column) = self.line_and_column(range.start);
                format!("{}:{line}:{column}", self.name)
            }
            Source::Environment(name) => format!("environment {name}"),
            Source::CommandLine(option) => format!("command line {option}"),
            Source::Default => self.name.to_string(),
        }
    }

    /// The line in which `range` starts, with a mark under the part of it that belongs to the range.
    pub(crate) fn quote(&self, range: &Range<usize>) -> String {
        let start = self.text.floor_char_boundary(range.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..]
            .find(['\n', '\r'])
            .map_or(self.text.len(), |length| start + length);
        let marked_end = self.text.floor_char_boundary(range.end).clamp(start, line_end);
        let before = self.text[line_start..start].chars().count();
        // A long line is shown from a little before the mark on.
        let skipped = if before > QUOTE_WIDTH_MAX - 20 { before - 20 } else { 0 };
        let shown: String = self.text[line_start..line_end]
            .chars()
            .skip(skipped)
            .take(QUOTE_WIDTH_MAX)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let marked = self.text[start..marked_end].chars().count();
        let width = marked.clamp(1, (shown.chars().count() + skipped).saturating_sub(before).max(1));
        let number = self.line_and_column(start).0.to_string();
        let gutter = " ".repeat(number.len());
        let (pad, mark) = (" ".repeat(before - skipped), "^".repeat(width));
        format!("\n  {number} | {}\n  {gutter} | {pad}{mark}", shown.trim_end())
    }
}
