//! Range requests (RFC 9110 §14): which bytes of a response a request gets. Several ranges are put in the order in which
//! they were asked for, and those that overlap or lie close together are made one; what only makes work gets the whole
//! response, which a server may always send (§14.2, §17.15).

use super::date;
use super::etag::EntityTag;
use super::fields::Fields;
use http::header;
use peregrine_base::WallTime;
use peregrine_cache::ByteSpan;

/// The most ranges that are read; a request with more gets the whole.
pub const RANGES_MAX: usize = 32;
/// How many pairs of ranges may overlap; a request with more of them gets the whole (§14.2).
const OVERLAPS_MAX: usize = 2;
/// What a part of a multipart answer costs beside its bytes, about. Ranges that lie closer are made one (§15.3.7.2).
const PART_OVERHEAD_BYTES: u64 = 80;

/// What a request gets of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// All of it, with its own status.
    Whole,
    /// 206 with these bytes, which lie within the length and do not overlap. At least one.
    Parts(Vec<ByteSpan>),
    /// 416: no byte of it was asked for.
    Unsatisfiable,
}

/// The ranges that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<Wanted>);

/// One range of bytes as a request asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// From a position on, to the last position if that is said.
    From(u64, Option<u64>),
    /// So many of the last bytes.
    Last(u64),
}

/// Which part of a stored response of `length` bytes a request gets. Only for GET and a stored 200: elsewhere Range means
/// nothing (RFC 9110 §14.2).
#[must_use]
pub fn select_range(request: &impl Fields, stored: &impl Fields, length: u64) -> RangeAnswer {
    match Ranges::of(request) {
        Some(ranges) if if_range_holds(request, stored) => ranges.select(length),
        _ => RangeAnswer::Whole,
    }
}

impl Ranges {
    /// The ranges of a request; nothing where there is no Range, or one that is ignored: another unit, more than one line,
    /// or one that cannot be read (RFC 9110 §14.2).
    #[must_use]
    pub fn of(request: &impl Fields) -> Option<Self> {
        let mut lines = request.lines(header::RANGE.as_str());
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let line = line.trim_ascii();
        let equals = line.iter().position(|byte| *byte == b'=')?;
        let (unit, set) = line.split_at(equals);
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let members = set.get(1..)?.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let mut ranges = Vec::new();
        for member in members.filter(|member| !member.is_empty()) {
            if ranges.len() == RANGES_MAX {
                return None;
            }
            ranges.push(read(member)?);
        }
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// Whether it is one range.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }

    /// What there is of them in `length` bytes (RFC 9110 §14.1.2).
    #[must_use]
    pub fn select(&self, length: u64) -> RangeAnswer {
        let mut parts: Vec<ByteSpan> = Vec::new();
        let mut overlaps = 0;
        for wanted in &self.0 {
            match cut(*wanted, length) {
                Cut::Nothing => {}
                Cut::Everything => return RangeAnswer::Whole,
                Cut::Bytes(span) => {
                    overlaps += parts.iter().filter(|part| part.overlap(span).is_some()).count();
                    add(&mut parts, span);
                }
            }
        }
        let cost = parts.iter().fold(0u64, |sum, part| {
            // An origin may claim any length.
            sum.saturating_add(part.length()).saturating_add(PART_OVERHEAD_BYTES)
        });
        if parts.is_empty() {
            RangeAnswer::Unsatisfiable
        } else if overlaps > OVERLAPS_MAX || (parts.len() > 1 && cost >= length) {
            RangeAnswer::Whole
        } else {
            RangeAnswer::Parts(parts)
        }
    }
}

/// Adds `span` to `parts`, or makes it one with those that it overlaps or comes close to, in the place of the first of them.
fn add(parts: &mut Vec<ByteSpan>, mut span: ByteSpan) {
    let near = |part: &ByteSpan, span: ByteSpan| {
        part.start <= span.end.saturating_add(PART_OVERHEAD_BYTES)
            && span.start <= part.end.saturating_add(PART_OVERHEAD_BYTES)
    };
    let mut place = parts.len();
    while let Some(index) = parts.iter().position(|part| near(part, span)) {
        let part = parts.remove(index);
        span = ByteSpan {
            start: span.start.min(part.start),
            end: span.end.max(part.end),
        };
        place = place.min(index);
    }
    parts.insert(place.min(parts.len()), span);
}

/// Reads `0-499`, `500-` or `-500`.
fn read(range: &[u8]) -> Option<Wanted> {
    let hyphen = range.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (range.get(..hyphen)?, range.get(hyphen + 1..)?);
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
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// What there is of one range.
enum Cut {
    Nothing,
    Bytes(ByteSpan),
    /// The last bytes of nothing: satisfiable, but no Content-Range can say so.
    Everything,
}

fn cut(wanted: Wanted, length: u64) -> Cut {
    let (start, end) = match wanted {
        Wanted::Last(0) => return Cut::Nothing,
        Wanted::Last(_) if length == 0 => return Cut::Everything,
        Wanted::Last(count) => (length.saturating_sub(count), length),
        Wanted::From(first, last) => (first, last.map_or(length, |last| last.saturating_add(1).min(length))),
    };
    ByteSpan::new(start, end).map_or(Cut::Nothing, Cut::Bytes)
}

/// Whether If-Range, if there is one, names the stored response, by strong comparison (RFC 9110 §13.1.5).
#[must_use]
pub fn if_range_holds(request: &impl Fields, stored: &impl Fields) -> bool {
    let mut lines = request.lines(header::IF_RANGE.as_str());
    let line = match (lines.next(), lines.next()) {
        (None, _) => return true,
        (Some(line), None) => line.trim_ascii(),
        (Some(_), Some(_)) => return false,
    };
    if line.contains(&b'"') {
        let stored = stored.first(header::ETAG.as_str()).map(EntityTag::read);
        return stored.is_some_and(|stored| stored.equals_strongly(EntityTag::read(line)));
    }
    stored.first(header::LAST_MODIFIED.as_str()) == Some(line) && modified_is_strong(stored)
}

/// Whether Last-Modified identifies a version: it could have changed twice within its second unless Date is at least one
/// second later (RFC 9110 §8.8.2.2).
pub(super) fn modified_is_strong(stored: &impl Fields) -> bool {
    let date = date::field(stored, header::DATE, WallTime::default());
    let modified = date::field(stored, header::LAST_MODIFIED, date.unwrap_or_default());
    matches!((modified, date), (Some(modified), Some(date)) if modified.as_secs() < date.as_secs())
}
