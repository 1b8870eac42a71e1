//! A stored head on its way to a client: edited as a map of fields is, but as lines, and without allocating.

use super::{CHANGED, StoredLines, lines_of};
use crate::policy::{EditFields, Fields};
use http::{HeaderName, header};
use std::fmt::{self, Display, Write as _};

/// How many stored lines can be told apart.
const LINES_MAX: usize = u64::BITS as usize;

/// Writes a stored head with edits.
#[derive(Debug)]
pub(crate) struct LineWriter<'a> {
    stored: StoredLines<'a>,
    /// A bit for each of the stored lines that are left out, those that answers change first.
    gone: u64,
    /// Lines behind the stored ones.
    added: &'a mut Vec<u8>,
    /// A bit for each length of the names among those: most names that are taken off were never added.
    added_lengths: u64,
    dated: bool,
}

impl<'a> LineWriter<'a> {
    /// A head as it was stored, with `added` as room for further lines; nothing for one of so many lines that they cannot
    /// be told apart here.
    pub(crate) fn new(stored: StoredLines<'a>, added: &'a mut Vec<u8>) -> Option<Self> {
        added.clear();
        // Few bytes hold few lines; an empty one has five.
        let few = stored.changed.len() + stored.others.len() < LINES_MAX * 5 || stored.iter().nth(LINES_MAX).is_none();
        few.then_some(Self {
            stored,
            gone: 0,
            added,
            added_lengths: 0,
            dated: stored.dated,
        })
    }

    /// Whether there is a `Date`.
    pub(crate) const fn is_dated(&self) -> bool {
        self.dated
    }

    /// Appends the lines to `out`.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let mut others = 0;
        for line in self.stored.changed() {
            if self.gone & (1 << others) == 0 {
                out.extend_from_slice(line.whole);
            }
            others += 1;
        }
        if self.gone.checked_shr(others).unwrap_or(0) == 0 {
            out.extend_from_slice(self.stored.others);
        } else {
            let lines = lines_of(self.stored.others).zip(others..);
            for (line, _) in lines.filter(|(_, index)| self.gone & (1 << index) == 0) {
                out.extend_from_slice(line.whole);
            }
        }
        out.extend_from_slice(self.added);
    }
}

impl Fields for LineWriter<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let stored = self
            .stored
            .iter()
            .zip(0u32..)
            .filter(|(_, index)| self.gone & (1 << index) == 0);
        let lines = stored.map(|(line, _)| line).chain(lines_of(self.added));
        lines
            .filter(move |line| line.name == name.as_bytes())
            .map(|line| line.value)
    }
}

impl EditFields for LineWriter<'_> {
    fn remove(&mut self, name: &HeaderName) {
        let called = name.as_str().as_bytes();
        let (mut changes, mut first) = (false, 0);
        for line in self.stored.changed() {
            if line.name == called {
                self.gone |= 1 << first;
                changes = true;
            }
            first += 1;
        }
        if !(changes || CHANGED.contains(name)) {
            for (line, index) in lines_of(self.stored.others).zip(first..) {
                if line.name == called {
                    self.gone |= 1 << index;
                }
            }
            self.dated &= *name != header::DATE;
        }
        if self.added_lengths & length_bit(name) == 0 {
            return;
        }
        let mut from = 0;
        loop {
            let line = lines_of(&self.added[from..]).next();
            let Some((length, is_gone)) = line.map(|line| (line.whole.len(), line.name == called)) else {
                break;
            };
            if is_gone {
                self.added.drain(from..from + length);
            } else {
                from += length;
            }
        }
    }

    fn append(&mut self, name: &HeaderName, value: &[u8]) {
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            self.added.extend_from_slice(part);
        }
        self.added_lengths |= length_bit(name);
        self.dated |= *name == header::DATE;
    }

    fn append_text(&mut self, name: &HeaderName, value: impl Display) {
        self.append(name, b"");
        self.added.truncate(self.added.len() - b"\r\n".len());
        // Writing to a Vec cannot fail.
        let _ = write!(Text(self.added), "{value}\r\n");
    }
}

/// The bit of the length of `name`.
fn length_bit(name: &HeaderName) -> u64 {
    1 << (name.as_str().len() % 64)
}

/// Text into bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
