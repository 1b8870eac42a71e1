//! Vary (RFC 9111 §4.1): the fields that select among the responses stored under one key, and a request's values of them
//! in a normal form, so that requests that mean the same share a response.

use super::decision::Decision;
use super::directives::is_token;
use super::fields::Fields;
use super::reason::Reason;
use http::header::{self, HeaderMap, HeaderName};
use std::fmt::Write as _;

/// The most fields that one response may vary on.
pub const VARY_NAMES_MAX: usize = 16;

/// Fields whose commas separate nothing, so that white space around them matters.
const NOT_LISTS: &[HeaderName] = &[
    header::AUTHORIZATION,
    header::COOKIE,
    header::IF_MODIFIED_SINCE,
    header::ORIGIN,
    header::REFERER,
    header::USER_AGENT,
];

/// The fields that a response varies on, in order and each once.
///
/// # Errors
/// `vary_star` if the response matches no other request, `vary_too_wide` if it varies on more than [`VARY_NAMES_MAX`].
pub fn vary_names(headers: &HeaderMap) -> Result<Vec<HeaderName>, Decision> {
    let mut names = Vec::new();
    for line in headers.get_all(header::VARY) {
        for member in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if member.is_empty() {
                continue;
            }
            match HeaderName::from_bytes(member) {
                Ok(name) if member != b"*" && is_token(member) => names.push(name),
                _ => return Err(Reason::VaryStar.into()),
            }
        }
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    if names.len() > VARY_NAMES_MAX {
        return Err(Reason::VaryTooWide.into());
    }
    Ok(names)
}

/// Appends the request's values of `names` to `out`, in a form that two requests share exactly if they may share a
/// response: one line for each name, with `=` and the field's normalised value where the request has it. The names stand
/// there too: what was stored while the origin varied on other fields answers nobody by an equal value of these.
pub fn vary_value(names: impl IntoIterator<Item = impl AsRef<str>>, headers: &impl Fields, out: &mut String) {
    for name in names {
        let name = name.as_ref();
        out.push_str(name);
        if headers.has(name) {
            // No name holds one.
            out.push('=');
            normalise(name, headers, out);
        }
        out.push('\n');
    }
}

/// Appends the normalised value of the field `name`.
fn normalise(name: &str, headers: &impl Fields, out: &mut String) {
    if name == header::ACCEPT_ENCODING.as_str() {
        super::encodings::normalise(headers, out);
    } else if name == header::ACCEPT_LANGUAGE.as_str() {
        if !super::languages::normalise(headers, out) {
            // Whatever it spells, it is not the normal form of another.
            out.push('\u{1}');
            combine(name, headers, true, out);
        }
    } else {
        combine(name, headers, !NOT_LISTS.iter().any(|not_list| not_list == name), out);
    }
}

/// Appends the lines of the field `name` as one (RFC 9110 §5.3), without white space around commas where `is_list`. Where it
/// is none two lines are no line with a comma, and stay apart by what no field value can hold.
fn combine(name: &str, headers: &impl Fields, is_list: bool, out: &mut String) {
    for (index, line) in headers.lines(name).enumerate() {
        if index > 0 {
            out.push(if is_list { ',' } else { '\u{2}' });
        }
        let line = line.trim_ascii();
        if is_list {
            push_list(line, out)
        } else {
            push_escaped(line, out)
        }
    }
}

/// Appends `line` without white space around the commas that stand outside quoted strings.
fn push_list(line: &[u8], out: &mut String) {
    let mut start = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                push_escaped(line[start..index].trim_ascii(), out);
                out.push(',');
                start = index + 1;
            }
            _ => {}
        }
    }
    push_escaped(line[start..].trim_ascii(), out);
}

/// Appends bytes as text; those that are not ASCII, which a field value may hold, in a form that no field value can have.
pub(super) fn push_escaped(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        if byte.is_ascii() {
            out.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\u{1}{byte:02x}");
        }
    }
}
