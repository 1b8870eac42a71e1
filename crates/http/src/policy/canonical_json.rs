//! One form for JSON texts that every reader takes for the same: no white space, members in the order of their names. Numbers
//! and strings stay as they are written, because readers differ in what they make of them; a text in which readers could see
//! different members has no such form, and is its own.

/// How deep values may be nested.
const DEPTH_MAX: usize = 64;

/// The canonical form of `text`; `None` if it is no JSON (RFC 8259), or some readers would see other members in it than others:
/// names that occur twice, that differ by case alone, or that are escaped or beyond ASCII.
#[must_use]
pub fn canonical_json(text: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(text).ok()?;
    let mut reader = Reader { rest: text };
    let mut out = Vec::with_capacity(text.len());
    reader.value(&mut out, DEPTH_MAX)?;
    reader.space();
    reader.rest.is_empty().then_some(out)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[wanted])?;
        Some(())
    }

    /// The next `length` bytes.
    fn split(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.space();
        match self.rest.first()? {
            b'{' => self.object(out, depth.checked_sub(1)?),
            b'[' => self.array(out, depth.checked_sub(1)?),
            b'"' => {
                out.extend_from_slice(self.string()?);
                Some(())
            }
            b'-' | b'0'..=b'9' => {
                out.extend_from_slice(self.number()?);
                Some(())
            }
            _ => {
                let word = [&b"true"[..], b"false", b"null"]
                    .into_iter()
                    .find(|word| self.rest.starts_with(word))?;
                out.extend_from_slice(self.split(word.len()));
                Some(())
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.take(b'{')?;
        let mut members: Vec<(&[u8], Vec<u8>)> = Vec::new();
        self.space();
        if self.take(b'}').is_none() {
            loop {
                self.space();
                let name = self.string()?;
                if !name.is_ascii() || name.contains(&b'\\') {
                    return None;
                }
                self.space();
                self.take(b':')?;
                let mut value = Vec::new();
                self.value(&mut value, depth)?;
                members.push((name, value));
                self.space();
                if self.take(b',').is_none() {
                    self.take(b'}')?;
                    break;
                }
            }
        }
        members.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
        if members.windows(2).any(|pair| pair[0].0.eq_ignore_ascii_case(pair[1].0)) {
            return None;
        }
        out.push(b'{');
        for (index, (name, value)) in members.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b"," } else { b"" });
            out.extend_from_slice(name);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.take(b'[')?;
        out.push(b'[');
        self.space();
        if self.take(b']').is_none() {
            loop {
                self.value(out, depth)?;
                self.space();
                if self.take(b',').is_none() {
                    self.take(b']')?;
                    break;
                }
                out.push(b',');
            }
        }
        out.push(b']');
        Some(())
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let mut at = 1;
        self.rest.strip_prefix(b"\"")?;
        loop {
            match self.rest.get(at)? {
                b'"' => return Some(self.split(at + 1)),
                b'\\' => match self.rest.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                    b'u' if self.rest.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<&'a [u8]> {
        let digits = |from: usize| {
            let rest = self.rest.get(from..).unwrap_or_default();
            from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let begin = usize::from(self.rest.first() == Some(&b'-'));
        let mut at = digits(begin);
        if at == begin || (self.rest.get(begin) == Some(&b'0') && at > begin + 1) {
            return None;
        }
        if self.rest.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            at = (end > at + 1).then_some(end)?;
        }
        if let Some(b'e' | b'E') = self.rest.get(at) {
            let sign = usize::from(matches!(self.rest.get(at + 1), Some(b'+' | b'-')));
            let end = digits(at + 1 + sign);
            at = (end > at + 1 + sign).then_some(end)?;
        }
        Some(self.split(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn canonical(text: &str) -> Option<String> {
        canonical_json(text.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn space_and_order_mean_nothing_and_all_else_stays() {
        for (text, form) in [
            (
                " { \"b\" : 1 , \"a\":[ 1.0, {\"y\":null,\"x\":true} ] }\n",
                "{\"a\":[1.0,{\"x\":true,\"y\":null}],\"b\":1}",
            ),
            ("[]", "[]"),
            ("{}", "{}"),
            ("\"a b\"", "\"a b\""),
            ("-0.5e+10", "-0.5e+10"),
            ("[1e2,100]", "[1e2,100]"),
            ("\"\\u0061\\n\"", "\"\\u0061\\n\""),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(form), "{text}");
        }
    }

    #[test]
    fn what_readers_may_read_differently_has_no_form() {
        for text in [
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"A\":2}",
            "{\"\\u0061\":1}",
            "{\"\u{e9}\":1}",
            "{a:1}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "NaN",
            "'a'",
            "// no\n1",
            "",
            " ",
            "1 2",
            "\"\u{1}\"",
            "\"\\x\"",
            "\u{feff}1",
            "[",
            "{\"a\"",
            "tru",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert_eq!(canonical(&"[".repeat(100_000)), None);
        assert_eq!(canonical_json(b"\"\xff\""), None);
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_reader(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = canonical_json(&text);
        }

        #[test]
        fn a_form_means_what_its_text_meant_and_is_its_own_form(text in "[\\[\\]{}\":,a-c0-9 .e-]{0,24}") {
            if let Some(form) = canonical(&text) {
                prop_assert_eq!(canonical(&form), Some(form.clone()));
                prop_assert_eq!(serde_json::from_str::<Value>(&form).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
