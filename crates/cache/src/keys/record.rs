//! The record of an owner's data keys, as it lies in its place: a line for each key, the newest first.
//!
//! ```text
//! pgk1 KEY_ID CREATED_MS MASTER_ID WRAPPED
//! pgx1 KEY_ID ERASED_MS
//! ```
//!
//! A line of the second kind remembers a key that was erased: wherever a copy of that key turns up again, it is none. These
//! lines stand last and outlive the keys.
//!
//! The wrapped key is bound to everything before it and to the owner: no line works in another's record, or under another
//! id. A line whose master key is not in the ring is kept as it is.

use super::ring::KeyRing;
use super::seal::{DataKey, SealFault, fill, new_key};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::collections::HashSet;
use std::fmt::Write as _;

/// The first word of a line.
const FORM: &str = "pgk1";
/// The first word of the line of an erased key.
const ERASED: &str = "pgx1";
/// How many erased keys of an owner are remembered, the latest.
const ERASED_MAX: usize = 64;
/// How many data keys of an owner are kept: the newest seals, and what the oldest sealed has long expired.
pub(super) const KEYS_MAX: usize = 8;
/// The longest record that is read.
pub(super) const BYTES_MAX: usize = 4096;

/// A line of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key_id: u32,
    /// Civil time, in milliseconds.
    pub(super) created_ms: u64,
    /// The id of the master key.
    pub(super) master: String,
    wrapped: Vec<u8>,
}

/// The keys of a record; lines that are none are left out.
pub(super) fn lines(record: &str) -> Vec<Line> {
    record.lines().filter_map(Line::read).take(KEYS_MAX).collect()
}

/// The record of `lines`, without those for which there is no room, that remembers what `before` does.
pub(super) fn write(lines: &[Line], before: &str) -> String {
    let gone = erased(before);
    let keys = lines
        .iter()
        .filter(|line| !gone.iter().any(|(id, _)| *id == line.key_id));
    let mut record: String = keys.take(KEYS_MAX).map(Line::to_text).collect();
    for (key_id, when_ms) in gone {
        let _ = writeln!(record, "{ERASED} {key_id:08x} {when_ms}");
    }
    record
}

/// `record` without any key, each of which it remembers as erased.
pub(super) fn erase(record: &str, now_ms: u64) -> String {
    let mut gone: String = lines(record)
        .iter()
        .map(|line| format!("{ERASED} {:08x} {now_ms}\n", line.key_id))
        .collect();
    gone.push_str(record);
    write(&[], &gone)
}

/// `record` with what `other` remembers as erased.
pub(super) fn remembering(record: &str, other: &str) -> String {
    write(&lines(record), &format!("{record}{other}"))
}

/// Whether `record` remembers keys as erased that `other` does not.
pub(super) fn knows_more(record: &str, other: &str) -> bool {
    let known: HashSet<u32> = erased(other).into_iter().map(|(key_id, _)| key_id).collect();
    let lost = erased(record).into_iter().any(|(key_id, _)| !known.contains(&key_id));
    lost || lines(other).iter().any(|line| known.contains(&line.key_id))
}

/// The ids of erased keys and when they were erased, the latest first; each once.
pub(super) fn erased(record: &str) -> Vec<(u32, u64)> {
    let line = |text: &str| {
        let mut words = text.split(' ');
        let (form, key_id, when_ms) = (words.next()?, words.next()?, words.next()?);
        let key_id = u32::from_str_radix(key_id, 16).ok()?;
        (form == ERASED).then_some((key_id, when_ms.parse().ok()?))
    };
    let mut gone: Vec<(u32, u64)> = record.lines().filter_map(line).collect();
    gone.sort_unstable_by_key(|(key_id, when_ms)| (std::cmp::Reverse(*when_ms), *key_id));
    let mut known = HashSet::new();
    gone.retain(|(key_id, _)| known.insert(*key_id));
    gone.truncate(ERASED_MAX);
    gone
}

impl Line {
    /// A new data key for `owner`, whose other keys are `others`.
    pub(super) fn create(ring: &KeyRing, owner: &str, others: &[Self], now_ms: u64) -> Result<Self, SealFault> {
        let mut key_id = 0;
        while key_id == 0 || others.iter().any(|other| other.key_id == key_id) {
            let mut drawn = [0; 4];
            fill(&mut drawn)?;
            key_id = u32::from_be_bytes(drawn);
        }
        Self::wrap(ring, owner, (key_id, now_ms), &*new_key()?)
    }

    fn wrap(
        ring: &KeyRing,
        owner: &str,
        (key_id, created_ms): (u32, u64),
        secret: &[u8; 32],
    ) -> Result<Self, SealFault> {
        let mut line = Self {
            key_id,
            created_ms,
            master: ring.active().to_owned(),
            wrapped: Vec::new(),
        };
        line.wrapped = ring.wrap(line.bound(owner).as_bytes(), secret)?;
        Ok(line)
    }

    /// The same key, wrapped by the active master key.
    pub(super) fn rewrap(&self, ring: &KeyRing, owner: &str) -> Result<Self, SealFault> {
        let secret = ring.unwrap(&self.master, self.bound(owner).as_bytes(), &self.wrapped)?;
        Self::wrap(ring, owner, (self.key_id, self.created_ms), &secret)
    }

    /// The key.
    pub(super) fn unwrap(&self, ring: &KeyRing, owner: &str) -> Result<DataKey, SealFault> {
        let secret = ring.unwrap(&self.master, self.bound(owner).as_bytes(), &self.wrapped)?;
        Ok(DataKey::new(self.key_id, &secret))
    }

    /// What the wrapped key cannot be separated from.
    fn bound(&self, owner: &str) -> String {
        format!("{owner} {}", self.head())
    }

    fn head(&self) -> String {
        format!("{FORM} {:08x} {} {}", self.key_id, self.created_ms, self.master)
    }

    fn to_text(&self) -> String {
        format!("{} {}\n", self.head(), BASE64_STANDARD_NO_PAD.encode(&self.wrapped))
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (form, key_id, created_ms) = (words.next()?, words.next()?, words.next()?);
        let (master, wrapped) = (words.next()?, words.next()?);
        let line = Self {
            key_id: u32::from_str_radix(key_id, 16).ok().filter(|id| *id != 0)?,
            created_ms: created_ms.parse().ok()?,
            master: master.to_owned(),
            wrapped: BASE64_STANDARD_NO_PAD.decode(wrapped).ok()?,
        };
        (form == FORM && words.next().is_none()).then_some(line)
    }
}
