//! Accept-Language (RFC 9110 §12.5.4): a normal form for fields that mean the same, and the choice among the languages that a
//! site offers (the lookup of RFC 4647 §3.4), after which there are no more variants than languages.

use super::fields::Fields;
use super::vary::push_escaped;
use http::header;
use std::fmt::Write as _;

/// The most ranges that are read of one request; further ones are the client's least wanted, and count as not there.
const RANGES_MAX: usize = 32;

/// A language range and its weight in thousandths.
struct Range {
    /// In lower case: ranges have none (RFC 4647 §2).
    tag: Vec<u8>,
    weight: u16,
}

/// Appends the normal form to `out`: in lower case, heaviest first, without white space and without weights of 1. The order of
/// equal weights stays, because some origins read it as a preference. False where the
/// field is no such list.
pub(super) fn normalise(headers: &impl Fields, out: &mut String) -> bool {
    let Some(ranges) = ranges(headers) else { return false };
    for (index, range) in ranges.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        push_escaped(&range.tag, out);
        if range.weight < 1000 {
            // Writing to a String cannot fail.
            let _ = write!(out, ";{}", range.weight);
        }
    }
    true
}

/// Which of the languages `offered` the request gets: the heaviest of its ranges that finds one, by the lookup of RFC 4647
/// §3.4. Among ranges of one weight, to which HTTP gives no order, the site's own order decides; where nothing is found, its
/// first language that the client does not refuse. `None` if nothing is offered or the request does not say.
#[must_use]
pub fn choose_language<'a>(headers: &impl Fields, offered: &'a [String]) -> Option<&'a str> {
    if !headers.has(header::ACCEPT_LANGUAGE.as_str()) {
        return None;
    }
    let ranges = ranges(headers).unwrap_or_default();
    let refused = |tag: &str| {
        ranges
            .iter()
            .any(|range| range.weight == 0 && range.tag != b"*" && tag.as_bytes().eq_ignore_ascii_case(&range.tag))
    };
    let found = |range: &Range| {
        let index = lookup(&range.tag, offered)?;
        (!refused(&offered[index])).then_some((std::cmp::Reverse(range.weight), index))
    };
    let best = ranges.iter().filter(|range| range.weight > 0).filter_map(found).min();
    let chosen = match best {
        Some((_, index)) => offered.get(index),
        None => offered.iter().find(|tag| !refused(tag)).or_else(|| offered.first()),
    };
    chosen.map(String::as_str)
}

/// The place of the longest of the tags `offered` that `range` begins with, subtag by subtag.
fn lookup(range: &[u8], offered: &[String]) -> Option<usize> {
    let mut range = range;
    loop {
        if let Some(index) = offered
            .iter()
            .position(|tag| tag.as_bytes().eq_ignore_ascii_case(range))
        {
            return Some(index);
        }
        range = &range[..range.iter().rposition(|byte| *byte == b'-')?];
        // A single letter or digit introduces the subtag that was cut off.
        if let [shorter @ .., b'-', _] = range {
            range = shorter;
        }
    }
}

/// The ranges of a request, heaviest first; `None` if a member is none.
fn ranges(headers: &impl Fields) -> Option<Vec<Range>> {
    let lines = headers.lines(header::ACCEPT_LANGUAGE.as_str());
    let members = lines
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty());
    let mut ranges = members.take(RANGES_MAX).map(range).collect::<Option<Vec<Range>>>()?;
    ranges.sort_by_key(|range| std::cmp::Reverse(range.weight));
    Some(ranges)
}

fn range(member: &[u8]) -> Option<Range> {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let tag = parts.next()?.to_ascii_lowercase();
    let is_range = tag == b"*"
        || tag.split(|byte| *byte == b'-').all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'*')
        });
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => weight(parameter)?,
    };
    (is_range && parts.next().is_none()).then_some(Range { tag, weight })
}

/// `q=0.8` in thousandths (RFC 9110 §12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), fraction @ ..] = parameter else {
        return None;
    };
    let digits = match fraction {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let thousandths = [100u16, 10, 1].iter().zip(digits);
    let fraction: u16 = thousandths.map(|(unit, digit)| unit * u16::from(digit - b'0')).sum();
    match (whole, fraction) {
        (b'0', fraction) => Some(fraction),
        (_, 0) => Some(1000),
        _ => None,
    }
}
