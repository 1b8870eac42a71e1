//! As much of Rust's lexis as the checks need: what is code, what is only said in a comment or a text, and what is built
//! for tests alone. It parses nothing; rustc and clippy do that.

use std::ops::Range;

/// The source with every comment and the inside of every text and character replaced by blanks. Bytes and lines stay where
/// they were, so a place found here is a place in the source.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest[0] {
            b'/' if rest.starts_with(b"//") => line_comment(rest),
            b'/' if rest.starts_with(b"/*") => block_comment(rest),
            b'"' => text(rest),
            b'r' if !continues_word(bytes, at) => raw_text(rest).unwrap_or(0),
            b'\'' => character(&source[at..]).unwrap_or(0),
            _ => 0,
        };
        for byte in &mut code[at..at + length] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += length.max(1);
    }
    // Whole characters were blanked, never parts of one.
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the source is built for tests only: what stands under a `#[cfg(… test …)]`. Takes what [`code`] returned.
pub(crate) fn test_regions(code: &str) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let Some(end) = code[start..].find(")]") else { continue };
        let condition = &code[start..start + end];
        if !has_word(condition, "test") || condition.contains("not(test") {
            continue;
        }
        regions.push(start..start + end + item_length(&code[start + end..]));
    }
    regions
}

/// The line, from 1, of a place in the source.
pub(crate) fn line_of(source: &str, place: usize) -> usize {
    source.as_bytes()[..place].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// How far an item reaches: to its first `;` or over its first block.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !part(before) && !part(bytes.get(at + word.len()))
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether the `r` at this place ends a longer word, and so begins no raw text. `br` and `cr` begin one.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).map(|at| bytes[at]);
    match before(1) {
        Some(b'b' | b'c') => before(2).is_some_and(is_word),
        Some(byte) => is_word(byte),
        None => false,
    }
}

fn line_comment(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn text(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_text(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(1 + hashes, b'#');
    let inside = 2 + hashes;
    let end = rest[inside..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(end.map_or(rest.len(), |end| inside + end + closing.len()))
}

/// A character, as against a lifetime: `'a'`, not `'a`.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        let (escaped, _) = chars.next()?;
        let end = rest[escaped + 1..].find('\'')?;
        return Some(escaped + 1 + end + 1);
    }
    let (at, closing) = chars.next()?;
    (closing == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_said_is_blanked_and_code_stays() {
        for (source, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", 1)"#, "f(      , 1)"),
            ("f(r#\"a \" b\"#);", "f(          );"),
            ("f(br\"a\");", "f(b    );"),
            ("let bar = 'x';", "let bar =    ;"),
            (r"let quote = '\'';", "let quote =     ;"),
            (r"let tab = '\u{9}';", "let tab =        ;"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for \"open", "for      "),
        ] {
            assert_eq!(code(source), expected, "{source}");
        }
    }

    #[test]
    fn places_stay_where_they_were() {
        let source = "let ä = \"ö\"; // ü\nlet x = '\u{1f980}';\n";
        let blanked = code(source);
        assert_eq!(blanked.len(), source.len());
        assert_eq!(blanked.find("let x"), source.find("let x"));
    }

    #[test]
    fn test_regions_cover_what_is_built_for_tests_only() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { { } } }\nfn c() {}\n#[cfg(test)]\nmod t;\nfn d() {}\n\
                      #[cfg(all(test, feature = \"x\"))]\nimpl A {}\n#[cfg(not(test))]\nfn e() {}\n#[cfg(contest)]\nfn f() {}";
        let regions = test_regions(&code(source));
        let covered = |what: &str| {
            let at = source.find(what).unwrap();
            regions.iter().any(|region| region.contains(&at))
        };
        for inside in ["fn b()", "mod t;", "impl A"] {
            assert!(covered(inside), "{inside}");
        }
        for outside in ["fn a()", "fn c()", "fn d()", "fn e()", "fn f()"] {
            assert!(!covered(outside), "{outside}");
        }
    }
}
