//! Range requests answered from a whole stored response (RFC 9110 §14): one range of bytes. Several ranges get the whole
//! response, which a server may always send.

use super::date;
use super::etag::EntityTag;
use http::header::{self, HeaderMap};
use peregrine_base::WallTime;

/// What a request gets of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// All of it, with its own status.
    Whole,
    /// 206 with these bytes. Never empty, never beyond the length.
    Part {
        /// The first byte.
        start: u64,
        /// The byte after the last one.
        end_exclusive: u64,
    },
    /// 416: no byte of it was asked for.
    Unsatisfiable,
}

/// Which part of a stored response of `length` bytes a request gets. Only for GET and a stored 200: elsewhere Range means
/// nothing (RFC 9110 §14.2).
#[must_use]
pub fn select_range(request: &HeaderMap, stored: &HeaderMap, length: u64) -> RangeAnswer {
    if !if_range_holds(request, stored) {
        return RangeAnswer::Whole;
    }
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return RangeAnswer::Whole;
    };
    match read(line.as_bytes()) {
        Some(wanted) => cut(wanted, length),
        None => RangeAnswer::Whole,
    }
}

/// One range of bytes as a request asks for it.
#[derive(Clone, Copy)]
enum Wanted {
    /// From a position on, to the last position if that is said.
    From(u64, Option<u64>),
    /// So many of the last bytes.
    Last(u64),
}

/// Reads `bytes=0-499`, `bytes=500-` or `bytes=-500`. `None` for other units, several ranges and what cannot be read, all
/// of which are ignored.
fn read(line: &[u8]) -> Option<Wanted> {
    let line = line.trim_ascii();
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (unit, set) = line.split_at(equals);
    let set = set.get(1..)?.trim_ascii();
    let hyphen = set.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (set.get(..hyphen)?, set.get(hyphen + 1..)?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    match (first, last) {
        ([], last) => Some(Wanted::Last(number(last)?)),
        (first, []) => Some(Wanted::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From(first, Some(last)))
        }
    }
}

/// A number of one or more digits; one too large for 64 bits counts as the largest.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// What there is of the wanted bytes (RFC 9110 §14.1.2).
fn cut(wanted: Wanted, length: u64) -> RangeAnswer {
    match wanted {
        Wanted::Last(0) => RangeAnswer::Unsatisfiable,
        // The last bytes of nothing are satisfiable, but no Content-Range can say so.
        Wanted::Last(_) if length == 0 => RangeAnswer::Whole,
        Wanted::Last(count) => RangeAnswer::Part {
            start: length.saturating_sub(count),
            end_exclusive: length,
        },
        Wanted::From(first, _) if first >= length => RangeAnswer::Unsatisfiable,
        Wanted::From(first, last) => {
            let end_exclusive = last.map_or(length, |last| last.saturating_add(1).min(length));
            RangeAnswer::Part {
                start: first,
                end_exclusive,
            }
        }
    }
}

/// Whether If-Range, if there is one, names the stored response, by strong comparison (RFC 9110 §13.1.5).
fn if_range_holds(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(header::IF_RANGE).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return true,
        (Some(line), None) => line.as_bytes().trim_ascii(),
        (Some(_), Some(_)) => return false,
    };
    if line.contains(&b'"') {
        let stored = stored.get(header::ETAG).map(|etag| EntityTag::read(etag.as_bytes()));
        return stored.is_some_and(|stored| stored.equals_strongly(EntityTag::read(line)));
    }
    stored
        .get(header::LAST_MODIFIED)
        .is_some_and(|modified| modified.as_bytes() == line)
        && modified_is_strong(stored)
}

/// Whether Last-Modified identifies a version: it could have changed twice within its second unless Date is at least one
/// second later (RFC 9110 §8.8.2.2).
fn modified_is_strong(stored: &HeaderMap) -> bool {
    let date = date::field(stored, header::DATE, WallTime::default());
    let modified = date::field(stored, header::LAST_MODIFIED, date.unwrap_or_default());
    matches!((modified, date), (Some(modified), Some(date)) if modified.as_secs() < date.as_secs())
}
