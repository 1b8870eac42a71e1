//! The fields of one block, in buffers that are used again for the next one.

use super::table::{ENTRY_BYTES, EntryName};
use std::cell::RefCell;
use std::ops::Range;

/// The most bytes of buffers that a thread keeps.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Names and values in the order in which they stood.
#[derive(Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    list: Vec<Field>,
    size: usize,
    size_max: usize,
}

#[derive(Clone, Debug)]
struct Field {
    name: Name,
    value: Range<usize>,
}

#[derive(Clone, Debug)]
enum Name {
    Known(&'static str),
    At(Range<usize>),
}

impl Fields {
    /// Calls `work` with this thread's fields, emptied, with room for a list of `size_max` (RFC 9113 §6.5.2: 32 bytes for
    /// each beside its own).
    pub fn with<T>(size_max: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        thread_local! {
            static FIELDS: RefCell<Fields> = RefCell::default();
        }
        FIELDS.with_borrow_mut(|fields| {
            if fields.text.capacity() > KEPT_BYTES_MAX {
                *fields = Self::default();
            }
            fields.text.clear();
            fields.list.clear();
            (fields.size, fields.size_max) = (0, size_max);
            work(fields)
        })
    }

    /// Whether the list was larger than there was room for; only its beginning is here then.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.size > self.size_max
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The name of a field.
    #[must_use]
    pub fn name(&self, index: usize) -> &[u8] {
        match &self.list[index].name {
            Name::Known(name) => name.as_bytes(),
            Name::At(range) => &self.text[range.clone()],
        }
    }

    /// The name of a field that was found to be text.
    pub(crate) fn name_text(&self, index: usize) -> &str {
        match &self.list[index].name {
            Name::Known(name) => name,
            Name::At(range) => std::str::from_utf8(&self.text[range.clone()]).unwrap_or_default(),
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn value(&self, index: usize) -> &[u8] {
        &self.text[self.list[index].value.clone()]
    }

    /// Where the value of a field stands in [`Fields::text`].
    pub(crate) fn value_range(&self, index: usize) -> Range<usize> {
        self.list[index].value.clone()
    }

    /// All bytes.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends a field whose value is that of another.
    pub(crate) fn push_same(&mut self, name: &'static str, index: usize) {
        let value = self.value_range(index);
        self.list.push(Field {
            name: Name::Known(name),
            value,
        });
    }

    /// Gives a field the value of another.
    pub(crate) fn set_same(&mut self, index: usize, other: usize) {
        self.list[index].value = self.value_range(other);
    }

    /// Makes one field of all that are called `name`, with `between` between their values.
    pub(crate) fn join(&mut self, name: &[u8], between: &[u8]) {
        let (mut first, begin) = (None, self.text.len());
        for index in 0..self.list.len() {
            if self.name(index) != name {
                continue;
            }
            if first.is_some() {
                self.text.extend_from_slice(between);
            }
            first.get_or_insert(index);
            self.text.extend_from_within(self.value_range(index));
        }
        let Some(first) = first else { return };
        self.list[first].value = begin..self.text.len();
        let (text, mut index) = (&self.text, 0);
        self.list.retain(|field| {
            let other = match &field.name {
                Name::Known(known) => known.as_bytes() != name,
                Name::At(range) => &text[range.clone()] != name,
            };
            index += 1;
            other || index - 1 == first
        });
    }

    /// The end of the text, where the next name or value is written.
    pub(super) fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Appends a field of the table, while there is room.
    pub(super) fn push_entry(&mut self, name: EntryName<'_>, value: &[u8]) {
        let name_length = match name {
            EntryName::Known(name) => name.len(),
            EntryName::Other(name) => name.len(),
        };
        self.size = self.size.saturating_add(name_length + value.len() + ENTRY_BYTES);
        if self.is_cut() {
            return;
        }
        let name = self.push_name(name);
        let begin = self.text.len();
        self.text.extend_from_slice(value);
        self.list.push(Field {
            name: name.0,
            value: begin..self.text.len(),
        });
    }

    /// Writes a name that a literal field refers to.
    pub(super) fn push_name(&mut self, name: EntryName<'_>) -> LiteralName {
        LiteralName(match name {
            EntryName::Known(name) => Name::Known(name),
            EntryName::Other(name) => {
                let begin = self.text.len();
                self.text.extend_from_slice(name);
                Name::At(begin..self.text.len())
            }
        })
    }

    /// The name that was written to the text from `begin` on.
    pub(super) fn name_from(&self, begin: usize) -> LiteralName {
        LiteralName(Name::At(begin..self.text.len()))
    }

    /// Name and value of a literal field whose value was written to the text from `begin` on.
    pub(super) fn literal(&self, name: &LiteralName, begin: usize) -> (EntryName<'_>, &[u8]) {
        let entry = match &name.0 {
            Name::Known(name) => EntryName::Known(name),
            Name::At(range) => EntryName::Other(&self.text[range.clone()]),
        };
        (entry, &self.text[begin..])
    }

    /// Takes the literal field up into the list while there is room; otherwise what was written since `mark` goes again.
    pub(super) fn push_literal(&mut self, name: LiteralName, begin: usize, mark: usize) {
        let length = match &name.0 {
            Name::Known(name) => name.len(),
            Name::At(range) => range.len(),
        };
        let value = begin..self.text.len();
        self.size = self.size.saturating_add(length + value.len() + ENTRY_BYTES);
        if self.is_cut() {
            self.text.truncate(mark);
        } else {
            self.list.push(Field { name: name.0, value });
        }
    }
}

/// The name of a field whose value is still to come.
pub(super) struct LiteralName(Name);
