//! The syntax of a list of directives (RFC 9111 §5.2): `name`, `name=token` or `name="quoted string"`, separated by commas.
//! It reads what it can of any bytes and says of each member whether it could be read; what a directive means is
//! `cache_control`'s business.

use std::borrow::Cow;

/// One member of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    /// The name as it was sent.
    pub(super) name: &'a [u8],
    /// What stands after the name.
    pub(super) argument: Argument<'a>,
    /// Whether a quoted string before or in it never ends, so that nobody can tell whether this is a directive or a part
    /// of that string.
    pub(super) doubtful: bool,
}

/// What stands after a directive's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    /// Nothing.
    Absent,
    /// A token, or the text of a quoted string: both forms mean the same.
    Text(Cow<'a, [u8]>),
    /// Something that is neither.
    Malformed,
}

/// The members of one field line; empty members and members without a name are passed over.
pub(super) fn directives(line: &[u8]) -> Directives<'_> {
    Directives {
        rest: line,
        doubtful: false,
    }
}

/// Iterates over the members of one field line.
pub(super) struct Directives<'a> {
    rest: &'a [u8],
    doubtful: bool,
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        while !self.rest.is_empty() {
            let length = self.member_length();
            let (member, after) = self.rest.split_at(length);
            self.rest = after.get(1..).unwrap_or_default();
            let member = member.trim_ascii();
            let name_length = member.iter().position(|byte| !is_tchar(*byte)).unwrap_or(member.len());
            let (name, after_name) = member.split_at(name_length);
            if !name.is_empty() {
                return Some(Directive {
                    name,
                    argument: argument(after_name),
                    doubtful: self.doubtful,
                });
            }
        }
        None
    }
}

impl Directives<'_> {
    /// Where the member that `rest` begins with ends: before the next comma outside a quoted string. A string that never
    /// ends is cut at its first comma, so that a restriction behind it is still seen.
    fn member_length(&mut self) -> usize {
        let mut quoted = false;
        let mut index = 0;
        while let Some(byte) = self.rest.get(index) {
            match byte {
                b'\\' if quoted => index += 1,
                b'"' if quoted => quoted = false,
                b'"' if index > 0 && self.rest.get(index - 1) == Some(&b'=') => quoted = true,
                b',' if !quoted => return index,
                _ => {}
            }
            index += 1;
        }
        if quoted {
            self.doubtful = true;
            return self
                .rest
                .iter()
                .position(|byte| *byte == b',')
                .unwrap_or(self.rest.len());
        }
        self.rest.len()
    }
}

/// Reads what stands after a name. White space around `=` is not allowed (RFC 9111 §5.2).
fn argument(after_name: &[u8]) -> Argument<'_> {
    match after_name {
        [] => Argument::Absent,
        [b'=', b'"', quoted @ ..] => unquote(quoted).map_or(Argument::Malformed, Argument::Text),
        [b'=', token @ ..] if is_token(token) => Argument::Text(Cow::Borrowed(token)),
        _ => Argument::Malformed,
    }
}

/// The text of a quoted string whose opening quote is already taken; `None` unless it ends exactly at its closing quote.
fn unquote(quoted: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (last, inner) = quoted.split_last()?;
    if *last != b'"' {
        return None;
    }
    if !inner.iter().any(|byte| matches!(byte, b'\\' | b'"')) {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => text.push(*bytes.next()?),
            b'"' => return None,
            _ => text.push(*byte),
        }
    }
    Some(Cow::Owned(text))
}

/// Whether `text` is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
