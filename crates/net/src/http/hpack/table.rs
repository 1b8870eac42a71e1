//! The table of fields that the client builds up (RFC 7541 §2.3.2, §4): the newest first, the oldest going when there is no
//! room. Their bytes follow each other in one buffer, which never holds more than two tables.

use super::known::KNOWN;
use std::collections::VecDeque;

/// The largest that a client may make it: what holds while nothing else is said (RFC 9113 §6.5.2), and we say nothing.
pub const TABLE_BYTES: usize = 4096;
/// What an entry counts for beside its bytes (RFC 7541 §4.1).
pub(super) const ENTRY_BYTES: usize = 32;

/// The name of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum EntryName<'t> {
    /// One that both sides know.
    Known(&'static str),
    /// The bytes of another.
    Other(&'t [u8]),
}

#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    bytes: Vec<u8>,
    /// How many bytes have stood before those that are there.
    gone: usize,
    size: usize,
    size_max: usize,
}

#[derive(Debug)]
struct Entry {
    /// The name, when it is one that both sides know; it has no bytes then.
    known: Option<&'static str>,
    begin: usize,
    name_length: usize,
    value_length: usize,
}

impl Entry {
    fn size(&self) -> usize {
        ENTRY_BYTES + self.known.map_or(self.name_length, str::len) + self.value_length
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: Vec::new(),
            gone: 0,
            size: 0,
            size_max: TABLE_BYTES,
        }
    }
}

impl Table {
    /// The field with this number: those that both sides know first, then the newest (RFC 7541 §2.3.3).
    pub(super) fn get(&self, number: usize) -> Option<(EntryName<'_>, &[u8])> {
        let index = number.checked_sub(1)?;
        if let Some((name, value)) = KNOWN.get(index) {
            return Some((EntryName::Known(name), value.as_bytes()));
        }
        let entry = self.entries.get(index - KNOWN.len())?;
        let bytes = &self.bytes[entry.begin - self.gone..][..entry.name_length + entry.value_length];
        let (name, value) = bytes.split_at(entry.name_length);
        Some((entry.known.map_or(EntryName::Other(name), EntryName::Known), value))
    }

    /// Puts a field in front. One that is larger than the table empties it and is not kept (RFC 7541 §4.4).
    pub(super) fn insert(&mut self, name: EntryName<'_>, value: &[u8]) {
        let (known, bytes) = match name {
            EntryName::Known(name) => (Some(name), &[][..]),
            EntryName::Other(name) => (None, name),
        };
        let mut entry = Entry {
            known,
            begin: 0,
            name_length: bytes.len(),
            value_length: value.len(),
        };
        let size = entry.size();
        self.shrink(self.size_max.saturating_sub(size));
        if size > self.size_max {
            return;
        }
        if self.bytes.len() + bytes.len() + value.len() > 2 * TABLE_BYTES {
            self.forget();
        }
        entry.begin = self.gone + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(value);
        self.size += size;
        self.entries.push_front(entry);
    }

    /// Makes the table as large as the client says; false when that is more than it may be (RFC 7541 §6.3).
    pub(super) fn resize(&mut self, size_max: usize) -> bool {
        if size_max > TABLE_BYTES {
            return false;
        }
        self.size_max = size_max;
        self.shrink(size_max);
        true
    }

    /// Lets the oldest go until what is left takes no more than `size`.
    fn shrink(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }

    /// Gives up the bytes of entries that have gone.
    fn forget(&mut self) {
        let begin = self
            .entries
            .back()
            .map_or(self.gone + self.bytes.len(), |entry| entry.begin);
        self.bytes.drain(..begin - self.gone);
        self.gone = begin;
    }

    /// What the entries count for.
    #[cfg(test)]
    pub(super) const fn size(&self) -> usize {
        self.size
    }
}
