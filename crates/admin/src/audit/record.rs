//! One record of the audit log, and the line that holds it.
//!
//! A line is a JSON object whose last two fields chain it: `prev` is the hash of the line before, `hash` the SHA-256 of the
//! line as it would be without it. The hash is over the bytes that are there, so that no two ways of writing the same JSON
//! matter.

use crate::secrets::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write as _;
use utoipa::ToSchema;

/// The longest text of a field, in bytes.
const TEXT_MAX_BYTES: usize = 1024;
/// The largest `before` or `after`, in bytes; of a larger one its size is kept.
const VALUE_MAX_BYTES: usize = 16 << 10;
/// The longest line: both values, the texts, and what JSON adds to them where every character is escaped.
pub(crate) const LINE_MAX_BYTES: usize = 128 << 10;
/// What the first record follows.
pub(crate) const NOTHING: Digest = Digest([0; 32]);

/// What is to be noted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Who did it: `admin token`, `key deploy`, `signal`.
    pub who: String,
    /// What they may.
    pub role: String,
    /// Where they are.
    pub address: String,
    /// What was done: the word of the call.
    pub what: String,
    /// To what.
    pub target: String,
    /// What held before, where that says something.
    pub before: Value,
    /// What holds now.
    pub after: Value,
    /// How it ended: `done`, or why not.
    pub outcome: String,
}

/// What was noted.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct AuditRecord {
    /// Its number, without gaps.
    pub seq: u64,
    /// When it was.
    pub at: String,
    /// Who did it.
    pub who: String,
    /// What they may.
    pub role: String,
    /// Where they are.
    pub address: String,
    /// What was done.
    pub what: String,
    /// To what.
    pub target: String,
    /// What held before, where that says something.
    pub before: Value,
    /// What holds now.
    pub after: Value,
    /// How it ended: `done`, or why not.
    pub outcome: String,
    /// The hash of the line, which the next one carries.
    pub hash: String,
}

/// A line, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) record: AuditRecord,
    pub(crate) prev: String,
}

/// As it is written, in this order.
#[derive(Serialize)]
struct Body<'a> {
    seq: u64,
    at: &'a str,
    who: &'a str,
    role: &'a str,
    address: &'a str,
    what: &'a str,
    target: &'a str,
    before: &'a Value,
    after: &'a Value,
    outcome: &'a str,
    prev: &'a str,
}

/// Bounds what a request may have put in.
pub(crate) fn bounded(mut entry: Entry) -> Entry {
    for text in [
        &mut entry.who,
        &mut entry.role,
        &mut entry.address,
        &mut entry.what,
        &mut entry.target,
        &mut entry.outcome,
    ] {
        if text.len() > TEXT_MAX_BYTES {
            text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
            text.push('…');
        }
    }
    for value in [&mut entry.before, &mut entry.after] {
        let size = value.to_string().len();
        if size > VALUE_MAX_BYTES {
            *value = serde_json::json!({ "omitted_bytes": size });
        }
    }
    entry
}

/// The record of `entry`, which follows `prev`, and its line with the line break.
pub(crate) fn written(seq: u64, at: String, entry: Entry, prev: Digest) -> (AuditRecord, Digest, Vec<u8>) {
    let body = Body {
        seq,
        at: &at,
        who: &entry.who,
        role: &entry.role,
        address: &entry.address,
        what: &entry.what,
        target: &entry.target,
        before: &entry.before,
        after: &entry.after,
        outcome: &entry.outcome,
        prev: &prev.hex(),
    };
    let mut line = serde_json::to_vec(&body).expect("texts and JSON values are written as JSON");
    let hash = Digest::of(&line);
    line.pop();
    let _ = writeln!(line, ",\"hash\":\"{}\"}}", hash.hex());
    let record = AuditRecord {
        seq,
        at,
        who: entry.who,
        role: entry.role,
        address: entry.address,
        what: entry.what,
        target: entry.target,
        before: entry.before,
        after: entry.after,
        outcome: entry.outcome,
        hash: hash.hex(),
    };
    (record, hash, line)
}

/// Reads a line without its line break.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(line: &[u8]) -> Result<Parsed, &'static str> {
    #[derive(Deserialize)]
    struct Chained {
        prev: String,
    }
    const ENDING: usize = ",\"hash\":\"".len() + 64 + "\"}".len();
    let cut = line.len().checked_sub(ENDING).ok_or("it is no record")?;
    let (text, ending) = line.split_at(cut);
    let hash = ending
        .strip_prefix(b",\"hash\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .ok_or("it is no record")?;
    let mut body = text.to_vec();
    body.push(b'}');
    if Digest::of(&body).hex().as_bytes() != hash {
        return Err("it was changed: its hash is of another text");
    }
    let record: AuditRecord = serde_json::from_slice(line).map_err(|_| "it is no record")?;
    let chained: Chained = serde_json::from_slice(line).map_err(|_| "it is no record")?;
    Ok(Parsed {
        record,
        prev: chained.prev,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_read_back_and_no_byte_of_it_can_change() {
        let entry = Entry {
            who: "key \"deploy\"".to_owned(),
            what: "cache_invalidate".to_owned(),
            after: json!({ "matched": 2 }),
            outcome: "done".to_owned(),
            ..Entry::default()
        };
        let (record, _, line) = written(7, "2026-01-02T03:04:05.000Z".to_owned(), entry, NOTHING);
        let line = line.strip_suffix(b"\n").unwrap();
        let parsed = parse(line).unwrap();
        assert_eq!(
            (&parsed.record, parsed.prev.as_str()),
            (&record, "0".repeat(64).as_str())
        );
        for at in 0..line.len() {
            let mut other = line.to_vec();
            other[at] ^= 1;
            assert!(parse(&other).is_err(), "byte {at}");
        }
        assert!(parse(b"").is_err() && parse(b"{}").is_err());
    }

    #[test]
    fn what_a_request_put_in_is_bounded() {
        let long = "ü".repeat(1000);
        let entry = bounded(Entry {
            target: long.clone(),
            before: json!([long.repeat(20)]),
            ..Entry::default()
        });
        assert!(entry.target.len() <= TEXT_MAX_BYTES + 4 && entry.target.ends_with('…'));
        assert!(entry.before["omitted_bytes"].as_u64().unwrap() > 16_384);
    }
}
