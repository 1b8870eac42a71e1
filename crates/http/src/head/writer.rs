//! A stored head on its way to a client: edited as a map of fields is, but as lines, and without allocating.

use super::{CHANGED, Line, StoredLines, lines_of};
use crate::names::Names;
use crate::policy::{EditFields, Fields};
use http::{HeaderName, header};
use std::cell::OnceCell;
use std::fmt::{self, Display, Write as _};

/// How many stored lines can be told apart.
const LINES_MAX: usize = u64::BITS as usize;

/// Writes a stored head with edits.
#[derive(Debug)]
pub(crate) struct LineWriter<'a> {
    stored: StoredLines<'a>,
    /// A bit for each of the stored lines that are left out: those that answers change from the highest bit downwards, the
    /// others from the lowest upwards.
    gone: u64,
    /// The names among those that few answers change: read once somebody asks for one of them.
    others_names: OnceCell<Names>,
    /// Lines behind the stored ones.
    added: &'a mut Vec<u8>,
    /// The names among those: most that are taken off were never added.
    added_names: Names,
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
            others_names: OnceCell::new(),
            added,
            added_names: Names::default(),
            dated: stored.dated,
        })
    }

    /// Whether there is a `Date`.
    pub(crate) const fn is_dated(&self) -> bool {
        self.dated
    }

    /// Appends the lines to `out`.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let mut gone = self.gone;
        for (line, bit) in self.changed() {
            if gone & bit == 0 {
                out.extend_from_slice(line.whole);
            }
            gone &= !bit;
        }
        if gone == 0 {
            out.extend_from_slice(self.stored.others);
        } else {
            for (line, _) in with_bits(self.stored.others).filter(|(_, bit)| gone & bit == 0) {
                out.extend_from_slice(line.whole);
            }
        }
        out.extend_from_slice(self.added);
    }

    /// The stored lines that most answers change, with their bits.
    fn changed(&self) -> impl Iterator<Item = (Line<'a>, u64)> + use<'a> {
        let bits = (0..LINES_MAX).map(|index| 1 << (LINES_MAX - 1 - index));
        self.stored.changed().zip(bits)
    }

    /// The other ones, if `name` may be among them, with their bits.
    fn others(&self, name: &[u8]) -> impl Iterator<Item = (Line<'a>, u64)> + use<'a> {
        let read = || Names::of(lines_of(self.stored.others).map(|line| line.name));
        let may_have = self.others_names.get_or_init(read).may_share(Names::one(name));
        with_bits(if may_have { self.stored.others } else { &[] })
    }

    /// The lines that were added, if `name` may be among them.
    fn added(&self, name: &[u8]) -> &[u8] {
        if self.added_names.may_share(Names::one(name)) {
            self.added
        } else {
            &[]
        }
    }
}

impl Fields for LineWriter<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_bytes();
        let stored = self.changed().chain(self.others(name));
        let left = stored.filter(|(_, bit)| self.gone & bit == 0).map(|(line, _)| line);
        left.chain(lines_of(self.added(name)))
            .filter(move |line| line.name == name)
            .map(|line| line.value)
    }
}

impl EditFields for LineWriter<'_> {
    fn remove(&mut self, name: &HeaderName) {
        let called = name.as_str().as_bytes();
        let mut gone = bits_of(self.changed(), called);
        // What answers change stands apart and nowhere else.
        if gone == 0 && !CHANGED.contains(name) {
            gone = bits_of(self.others(called), called);
            self.dated &= *name != header::DATE;
        }
        self.gone |= gone;
        if self.added(called).is_empty() {
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
        self.added_names = self.added_names.with(Names::one(name.as_str().as_bytes()));
        self.dated |= *name == header::DATE;
    }

    fn append_text(&mut self, name: &HeaderName, value: impl Display) {
        self.append(name, b"");
        self.added.truncate(self.added.len() - b"\r\n".len());
        // Writing to a Vec cannot fail.
        let _ = write!(Text(self.added), "{value}\r\n");
    }
}

/// The lines in `others`, with their bits.
fn with_bits(others: &[u8]) -> impl Iterator<Item = (Line<'_>, u64)> {
    lines_of(others).zip((0..LINES_MAX).map(|index| 1 << index))
}

/// The bits of those of `lines` that are called `name`.
fn bits_of<'l>(lines: impl Iterator<Item = (Line<'l>, u64)>, name: &[u8]) -> u64 {
    lines
        .filter(|(line, _)| line.name == name)
        .fold(0, |bits, (_, bit)| bits | bit)
}

/// Text into bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
