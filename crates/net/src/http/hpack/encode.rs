//! Writes blocks of fields without a table: statuses by number where there is one (RFC 7541 §6.1), fields as literals that
//! are not to be indexed (§6.2.2), with the number of their name where both sides know it.

use ::http::{HeaderMap, StatusCode};
use peregrine_base::WallTime;
use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use super::known::number_of;

/// The number of `date`, and of `set-cookie`.
const DATE: u8 = 33;
const SET_COOKIE: u8 = 55;
/// A literal that is not indexed, and one that nobody on the way may index (§6.2.3).
const LITERAL: u8 = 0x00;
const LITERAL_NEVER: u8 = 0x10;

/// A table of no bytes (§6.3).
const NO_TABLE: u8 = 0x20;

/// Begins a block. The first one of a connection says that our table has no bytes: a client that allows less than what we
/// might have used waits to be told (§4.2), and then whatever it allows later is enough.
pub(crate) fn begin(block: &mut Vec<u8>, tableless: bool) {
    if !tableless {
        block.push(NO_TABLE);
    }
}

/// Writes the status, which comes first (RFC 9113 §8.3).
pub(crate) fn status(block: &mut Vec<u8>, status: StatusCode) {
    let known = match status.as_u16() {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        _ => {
            block.extend_from_slice(&[LITERAL | 8, 3]);
            block.extend_from_slice(status.as_str().as_bytes());
            return;
        }
    };
    block.push(0x80 | known);
}

/// Writes a field. Its name is in lower case.
pub(crate) fn field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    match number_of(name) {
        // What it holds is a secret of client and server (§7.1.3).
        Some(SET_COOKIE) => integer(block, 4, LITERAL_NEVER, usize::from(SET_COOKIE)),
        Some(number) => integer(block, 4, LITERAL, usize::from(number)),
        None => {
            block.push(LITERAL);
            integer(block, 7, 0, name.len());
            block.extend_from_slice(name);
        }
    }
    integer(block, 7, 0, value.len());
    block.extend_from_slice(value);
}

/// Writes all of `headers`.
pub(crate) fn fields(block: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        field(block, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// Writes fields that stand as lines, each `name: value` with its CRLF; false when something among them is none.
pub(crate) fn lines(block: &mut Vec<u8>, mut lines: &[u8]) -> bool {
    while !lines.is_empty() {
        let colon = lines.iter().position(|byte| *byte == b':');
        let Some((name, rest)) = colon.map(|at| (&lines[..at], &lines[at + 1..])) else {
            return false;
        };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let Some(end) = rest.iter().position(|byte| *byte == b'\r') else {
            return false;
        };
        if name.is_empty() || name.contains(&b'\r') || rest.get(end + 1) != Some(&b'\n') {
            return false;
        }
        field(block, name, &rest[..end]);
        lines = &rest[end + 2..];
    }
    true
}

/// Writes the `Date` of `wall`. It is made once for each second.
pub(crate) fn date(block: &mut Vec<u8>, wall: WallTime) {
    thread_local! {
        static LAST: RefCell<(u64, Vec<u8>)> = const { RefCell::new((u64::MAX, Vec::new())) };
    }
    LAST.with_borrow_mut(|(second, written)| {
        if *second != wall.as_secs() {
            *second = wall.as_secs();
            let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(wall.as_secs()));
            written.clear();
            integer(written, 4, LITERAL, usize::from(DATE));
            integer(written, 7, 0, date.len());
            written.extend_from_slice(date.as_bytes());
        }
        block.extend_from_slice(written);
    });
}

/// RFC 7541 §5.1: `number` with a prefix of `bits` bits, behind what `begin` has in front of them.
fn integer(block: &mut Vec<u8>, bits: u32, begin: u8, number: usize) {
    let prefix = u8::MAX >> (8 - bits);
    if let Ok(small) = u8::try_from(number)
        && small < prefix
    {
        return block.push(begin | small);
    }
    block.push(begin | prefix);
    let mut rest = number - usize::from(prefix);
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        block.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
}
