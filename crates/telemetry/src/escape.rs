//! Text that others wrote, on its way into a log: nothing in it may end the line, leave its quotes, or move the cursor of
//! the terminal that shows it.

use std::fmt::{self, Write};

/// Whether `character` could change how the text around it is read: controls (C0, DEL, C1), line and paragraph
/// separators, and marks that turn the direction of writing.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `text` as the inside of a JSON string.
pub(crate) fn json(text: &str, out: &mut String) {
    // Almost every text has nothing to escape.
    if text
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    {
        return out.push_str(text);
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them lie in the basic plane, so that one escape is enough.
            other if is_unsafe(other) => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
}

/// Passes text on to `inner` with everything unsafe made visible as `\n` or `\u{1b}`; quotes stay as they are.
pub(crate) struct Visible<W>(pub(crate) W);

impl<W: Write> Write for Visible<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unsafe) {
            let (safe, tail) = rest.split_at(at);
            self.0.write_str(safe)?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(self.0, "{}", character.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\nb\r\u{1b}[2J\u{9b}31m\u{7f}\u{202e}evil\u{2028}\0\"\\";

    #[test]
    fn json_stays_one_string_on_one_line() {
        let mut out = String::from("\"");
        json(HOSTILE, &mut out);
        out.push('"');
        assert!(!out.chars().any(is_unsafe), "{out:?}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), HOSTILE);
    }

    #[test]
    fn text_shows_what_it_cannot_print() {
        let mut out = String::new();
        Visible(&mut out).write_str(HOSTILE).unwrap();
        assert_eq!(
            out,
            "a\\nb\\r\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{202e}evil\\u{2028}\\u{0}\"\\"
        );
    }
}
