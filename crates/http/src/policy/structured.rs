//! Structured fields (RFC 9651), strictly: a field that breaks the syntax anywhere is no field at all, so that two readers of
//! it never see different things. Parameters are checked and dropped; no field that is read here gives them a meaning.

use http::header::{HeaderMap, HeaderName};

/// The most members that a field may have; the RFC wants at least this many read (§3.1, §3.2).
const MEMBERS_MAX: usize = 1024;

/// A bare item (§3.3), as far as anything here wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// A whole number of at most 15 digits.
    Integer(i64),
    /// A string.
    Text(String),
    /// A token.
    Token(String),
    /// True or false.
    Boolean(bool),
    /// A decimal, bytes, a date or a display string: syntax that is right, and no value that is wanted.
    Other,
}

/// A member of a list or of a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// One item.
    Item(Bare),
    /// Several, in parentheses.
    Inner(Vec<Bare>),
}

/// The field `name` as a dictionary (§3.2), each key once with its last value; `None` if it is absent or malformed.
pub(super) fn dictionary(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<(String, Value)>> {
    let text = combined(headers, name)?;
    let mut reader = Reader { rest: &text };
    reader.skip_spaces();
    let mut members: Vec<(String, Value)> = Vec::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let value = if reader.take(b'=') {
            reader.member()?
        } else {
            reader.parameters()?;
            Value::Item(Bare::Boolean(true))
        };
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => members.push((key, value)),
        }
        if members.len() > MEMBERS_MAX {
            return None;
        }
        if !reader.goes_on()? {
            break;
        }
    }
    Some(members)
}

/// The field `name` as a list (§3.1); `None` if it is absent or malformed.
pub(super) fn list(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<Value>> {
    let text = combined(headers, name)?;
    let mut reader = Reader { rest: &text };
    reader.skip_spaces();
    let mut members = Vec::new();
    while !reader.rest.is_empty() {
        members.push(reader.member()?);
        if members.len() > MEMBERS_MAX {
            return None;
        }
        if !reader.goes_on()? {
            break;
        }
    }
    Some(members)
}

/// All lines of a field as one (§4.2).
fn combined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

/// What is still to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    fn take(&mut self, wanted: u8) -> bool {
        let rest = self.rest.strip_prefix(&[wanted]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| !wanted(*byte))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Whether another member follows; `None` where something else does, or nothing follows a comma.
    fn goes_on(&mut self) -> Option<bool> {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        if self.rest.is_empty() {
            return Some(false);
        }
        if !self.take(b',') {
            return None;
        }
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
        (!self.rest.is_empty()).then_some(true)
    }

    /// §4.2.3.3.
    fn key(&mut self) -> Option<String> {
        let begins = self
            .rest
            .first()
            .is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*');
        let key = self.take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        });
        begins.then(|| text_of(key))
    }

    /// An item or an inner list, with its parameters.
    fn member(&mut self) -> Option<Value> {
        if !self.take(b'(') {
            return self.item().map(Value::Item);
        }
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            if self.take(b')') {
                self.parameters()?;
                return Some(Value::Inner(items));
            }
            items.push(self.item()?);
            if items.len() > MEMBERS_MAX || !matches!(self.rest.first()?, b' ' | b')') {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Bare> {
        let bare = self.bare()?;
        self.parameters()?;
        Some(bare)
    }

    /// Reads parameters over (§4.2.3.2).
    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip_spaces();
            self.key()?;
            if self.take(b'=') {
                self.bare()?;
            }
        }
        Some(())
    }

    /// §4.2.3.1.
    fn bare(&mut self) -> Option<Bare> {
        match *self.rest.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Bare::Text),
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => {
                let is_token = |byte| super::directives::is_token(&[byte]) || matches!(byte, b':' | b'/');
                Some(Bare::Token(text_of(self.take_while(is_token))))
            }
            b':' => self.bytes(),
            b'?' => {
                self.next();
                match self.next()? {
                    b'0' => Some(Bare::Boolean(false)),
                    b'1' => Some(Bare::Boolean(true)),
                    _ => None,
                }
            }
            b'@' => {
                self.next();
                matches!(self.number()?, Bare::Integer(_)).then_some(Bare::Other)
            }
            b'%' => self.display_string(),
            _ => None,
        }
    }

    /// §4.2.4.
    fn number(&mut self) -> Option<Bare> {
        let negative = self.take(b'-');
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        if whole.is_empty() {
            return None;
        }
        if self.take(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            return (whole.len() <= 12 && (1..=3).contains(&fraction.len())).then_some(Bare::Other);
        }
        if whole.len() > 15 {
            return None;
        }
        let value = whole.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Bare::Integer(if negative { -value } else { value }))
    }

    /// §4.2.5.
    fn string(&mut self) -> Option<String> {
        self.next();
        let mut text = String::new();
        loop {
            let byte = match self.next()? {
                b'"' => return Some(text),
                b'\\' => self.next().filter(|byte| matches!(byte, b'"' | b'\\'))?,
                byte @ 0x20..=0x7e => byte,
                _ => return None,
            };
            text.push(char::from(byte));
        }
    }

    /// §4.2.7.
    fn bytes(&mut self) -> Option<Bare> {
        self.next();
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.take(b':').then_some(Bare::Other)
    }

    /// §4.2.10.
    fn display_string(&mut self) -> Option<Bare> {
        self.next();
        if !self.take(b'"') {
            return None;
        }
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                b'"' => return std::str::from_utf8(&bytes).is_ok().then_some(Bare::Other),
                b'%' => bytes.push(hex(self.next()?)? << 4 | hex(self.next()?)?),
                byte @ 0x20..=0x7e => bytes.push(byte),
                _ => return None,
            }
        }
    }
}

/// Bytes that were found to be ASCII.
fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A lower-case hexadecimal digit.
const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const X: HeaderName = HeaderName::from_static("x");

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn keys(lines: &[&str]) -> Option<String> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let members = dictionary(&headers(&lines), &X)?;
        Some(members.iter().map(|(key, value)| format!("{key}:{value:?} ")).collect())
    }

    #[test]
    fn what_the_grammar_allows_is_read() {
        for good in [
            "a",
            "a=1",
            "a=-1",
            "a=?0",
            "a=?1;b",
            "a;b=1;c=\"x\"",
            "a=\"x\\\"y\\\\\"",
            "a=tok/en:x",
            "a=*x",
            "a=:YWJj:",
            "a=1.5",
            "a=999999999999999",
            "a=(1 2 \"x\");q",
            "a=()",
            "a=( 1  2 )",
            "*a.b_c-d",
            "a=@1659578233",
            "a=%\"f%c3%bc\"",
            "  a , b\t,\tc  ",
            "",
        ] {
            assert!(keys(&[good]).is_some(), "{good}");
        }
    }

    #[test]
    fn anything_else_is_no_field_at_all() {
        for bad in [
            "A=1",
            "a=1,",
            ",a",
            "a,,b",
            "a b",
            "a =1",
            "a= 1",
            "a=",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\u{e9}\"",
            "a=1.",
            "a=.5",
            "a=1.2345",
            "a=1234567890123456",
            "a=1234567890123.0",
            "a=--1",
            "a=-",
            "a=?2",
            "a=?",
            "a=(1",
            "a=(1,2)",
            "a=(1\"x\")",
            "a=:a",
            "a=@1.5",
            "a=%x",
            "a=%\"%C3\"",
            "a=%\"%ff\"",
            "a=&",
            "a=1, &&&&&",
            "a;B",
            "a;b=",
            "1",
            "-a",
        ] {
            assert_eq!(keys(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn lines_are_one_field_and_the_last_value_of_a_key_counts() {
        assert_eq!(keys(&["a=1, b", "a=2"]), keys(&["a=2, b"]));
        assert_eq!(keys(&["a=1", "&"]), None, "one bad line spoils all");
        assert_eq!(dictionary(&HeaderMap::new(), &X), None);
        let many = (0..=MEMBERS_MAX).map(|n| format!("k{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(keys(&[&many]), None);
    }

    #[test]
    fn lists_hold_items_and_inner_lists() {
        let read = |text: &str| list(&headers(&[text.as_bytes()]), &X);
        let text = |text: &str| Bare::Text(text.to_owned());
        assert_eq!(
            read("\"a\", (\"b\" 1);x, t"),
            Some(vec![
                Value::Item(text("a")),
                Value::Inner(vec![text("b"), Bare::Integer(1)]),
                Value::Item(Bare::Token("t".to_owned())),
            ])
        );
        assert_eq!(read("\"a\" \"b\""), None);
        assert_eq!(read(""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(line in proptest::collection::vec(0x20u8..=0xff, 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.insert(X, value);
                let _ = (dictionary(&headers, &X), list(&headers, &X));
            }
        }

        #[test]
        fn a_string_is_read_as_it_was_meant(text in "[ -~]{0,40}") {
            let written = format!("k=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let members = dictionary(&headers(&[written.as_bytes()]), &X);
            prop_assert_eq!(members, Some(vec![("k".to_owned(), Value::Item(Bare::Text(text)))]));
        }

        #[test]
        fn a_number_is_read_as_it_was_meant(number in -999_999_999_999_999i64..=999_999_999_999_999) {
            let members = dictionary(&headers(&[format!("k={number}").as_bytes()]), &X);
            prop_assert_eq!(members, Some(vec![("k".to_owned(), Value::Item(Bare::Integer(number)))]));
        }
    }
}
