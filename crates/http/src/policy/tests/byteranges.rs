//! Reading multipart/byteranges: RFC 9110 §14.6, §15.3.7.2, RFC 2046 §5.1.1.

use super::*;
use proptest::prelude::*;

/// Clause, the content (`|` is CRLF, the boundary is `x`), what was read of it: `start:content` for each part, then the length
/// of the whole and the type.
pub(super) const ROWS: &[[&str; 3]] = &[
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||ab|--x--|", "0:ab /9"],
    [
        "9110 §14.6",
        "--x|Content-Type: text/plain|Content-Range: bytes 0-1/9||ab|--x|content-type: text/plain|CONTENT-RANGE: bytes 5-7/9||fgh|--x--|",
        "0:ab 5:fgh /9 text/plain",
    ],
    // In any order; a part may hold what looks like a boundary.
    [
        "9110 §15.3.7.2",
        "--x|Content-Range: bytes 5-9/99|||--x|--x|Content-Range: bytes 0-1/99||ab|--x--|",
        "5:|--x 0:ab /99",
    ],
    ["2046 §5.1.1", "|--x|Content-Range: bytes 0-1/9||ab|--x--|", "0:ab /9"],
    [
        "2046 §5.1.1",
        "--x \t|Content-Range: bytes 0-1/9||ab|--x-- |",
        "0:ab /9",
    ],
    ["2046 §5.1.1", "--x|Content-Range: bytes 0-1/9||ab|--x--", "0:ab /9"],
    [
        "2046 §5.1.1",
        "--x|X-Other: y|Content-Range: bytes 0-1/9||ab|--x--||",
        "0:ab /9",
    ],
    // Cut, or without an end.
    ["9110 §14.6", "", "damaged"],
    ["9110 §14.6", "--x--|", "damaged"],
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||ab", "damaged"],
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||ab|--x", "damaged"],
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||ab|--x|", "damaged"],
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||ab|--x-", "damaged"],
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||a|--x--|", "damaged"],
    // Longer than it says.
    ["9110 §14.6", "--x|Content-Range: bytes 0-1/9||abc|--x--|", "damaged"],
    // Without a certain place.
    ["9110 §14.6", "--x|Content-Type: text/plain||ab|--x--|", "damaged"],
    ["9110 §14.4", "--x|Content-Range: bytes 0-1/*||ab|--x--|", "damaged"],
    ["9110 §14.4", "--x|Content-Range: lines 0-1/9||ab|--x--|", "damaged"],
    ["9110 §14.4", "--x|Content-Range: bytes 8-9/9||ab|--x--|", "damaged"],
    [
        "9110 §5.3",
        "--x|Content-Range: bytes 0-1/9|Content-Range: bytes 0-1/9||ab|--x--|",
        "damaged",
    ],
    // Parts that do not belong together.
    [
        "9110 §14.6",
        "--x|Content-Range: bytes 0-1/9||ab|--x|Content-Range: bytes 5-6/8||fg|--x--|",
        "damaged",
    ],
    [
        "9110 §14.6",
        "--x|Content-Type: a/b|Content-Range: bytes 0-1/9||ab|--x|Content-Range: bytes 5-6/9||fg|--x--|",
        "damaged",
    ],
    [
        "9110 §15.3.7.2",
        "--x|Content-Range: bytes 0-1/9||ab|--x|Content-Range: bytes 1-2/9||bc|--x--|",
        "damaged",
    ],
    [
        "9110 §8.4",
        "--x|Content-Encoding: gzip|Content-Range: bytes 0-1/9||ab|--x--|",
        "damaged",
    ],
    // What is no such message.
    [
        "2046 §5.1.1",
        "hello|--x|Content-Range: bytes 0-1/9||ab|--x--|",
        "damaged",
    ],
    [
        "2046 §5.1.1",
        "--x|Content-Range: bytes 0-1/9||ab|--x--|more",
        "damaged",
    ],
    ["2046 §5.1.1", "--y|Content-Range: bytes 0-1/9||ab|--y--|", "damaged"],
    ["2046 §5.1.1", "--xy|Content-Range: bytes 0-1/9||ab|--xy--|", "damaged"],
    ["9112 §2.2", "--x\nContent-Range: bytes 0-1/9\n\nab\n--x--\n", "damaged"],
    ["9112 §5.2", "--x|Content-Range: bytes|  0-1/9||ab|--x--|", "damaged"],
    ["9112 §5.1", "--x|Content-Range : bytes 0-1/9||ab|--x--|", "damaged"],
];

/// Clause, Content-Type, the boundary.
pub(super) const TYPES: &[[&str; 3]] = &[
    ["2046 §5.1.1", "multipart/byteranges; boundary=x", "--x"],
    ["2046 §5.1.1", "Multipart/ByteRanges;Boundary=\"x y\"", "--x y"],
    ["2046 §5.1.1", "multipart/byteranges; a=\";\"; boundary=x", "--x"],
    ["2046 §5.1.1", "multipart/byteranges", "none"],
    ["2046 §5.1.1", "multipart/byteranges; boundary=", "none"],
    ["2046 §5.1.1", "multipart/byteranges; boundary=\"x", "none"],
    ["2046 §5.1.1", "multipart/byteranges; boundary=\"x \"", "none"],
    ["2046 §5.1.1", "multipart/byteranges; boundary=x; boundary=y", "none"],
    [
        "2046 §5.1.1",
        "multipart/byteranges; boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
        "none",
    ],
    ["9110 §14.6", "multipart/mixed; boundary=x", "none"],
    ["9110 §14.6", "video/mp4", "none"],
];

fn typed(kind: &str) -> Option<ByteRanges> {
    ByteRanges::of(&fields(&format!("Content-Type: {kind}")))
}

/// What is read of `content` in pieces of `size` bytes.
fn read(content: &[u8], size: usize) -> String {
    let mut ranges = typed("multipart/byteranges; boundary=x").unwrap();
    let mut text = String::new();
    for piece in content.chunks(size) {
        let read = ranges.read(piece, |arrived| {
            match arrived {
                Arrived::Part(span) => {
                    write!(text, "{}{}:", if text.is_empty() { "" } else { " " }, span.start).unwrap()
                }
                Arrived::Content(bytes) => text.push_str(
                    &String::from_utf8_lossy(bytes)
                        .replace("\r\n", "|")
                        .replace('\r', "|")
                        .replace('\n', ""),
                ),
            }
            true
        });
        if read.is_err() {
            return "damaged".to_owned();
        }
    }
    match ranges.finish() {
        Ok((complete, kind)) => {
            let kind = kind.map_or(String::new(), |kind| format!(" {}", kind.to_str().unwrap()));
            format!("{text} /{complete}{kind}")
        }
        Err(Damaged) => "damaged".to_owned(),
    }
}

#[test]
fn what_is_read_of_several_ranges_in_one_answer() {
    for size in [1, 3, usize::MAX] {
        check(ROWS, |[_, content, _]| {
            read(content.replace('|', "\r\n").as_bytes(), size)
        });
    }
}

#[test]
fn which_answers_are_several_ranges_in_one() {
    check(TYPES, |[_, kind, _]| {
        typed(kind).map_or("none".to_owned(), |ranges| ranges.delimiter())
    });
    let twice =
        fields("Content-Type: multipart/byteranges; boundary=x | Content-Type: multipart/byteranges; boundary=x");
    assert!(ByteRanges::of(&twice).is_none());
}

#[test]
fn endless_fields_and_endless_parts_are_damaged() {
    let long = format!("--x\r\nX-Long: {}", "y".repeat(5000));
    assert_eq!(read(long.as_bytes(), 100), "damaged");
    let part = |number: usize| format!("--x\r\nContent-Range: bytes {0}-{0}/999\r\n\r\na\r\n", number * 2);
    for (count, is_read) in [(RANGES_MAX, true), (RANGES_MAX + 1, false)] {
        let content: String = (0..count).map(part).chain(["--x--\r\n".to_owned()]).collect();
        assert_eq!(read(content.as_bytes(), 64) != "damaged", is_read, "{count}");
    }
}

proptest! {
    #[test]
    fn whatever_the_bytes_are_reading_them_ends_quietly(content in "(--x|-|x|\r\n|Content-Range: bytes [0-3]-[0-9]/9|[a-c]){0,30}", size in 1usize..9) {
        let at_once = read(content.as_bytes(), usize::MAX);
        prop_assert_eq!(read(content.as_bytes(), size), at_once, "however it is cut");
    }

    #[test]
    fn what_is_written_here_is_read_back(starts in proptest::collection::btree_set(0u64..40, 1..6), chance in any::<[u64; 2]>()) {
        let spans: Vec<_> = starts.iter().map(|start| peregrine_cache::ByteSpan::new(start * 10, start * 10 + 7).unwrap()).collect();
        let head = fields("Content-Type: text/plain");
        let frame = multipart::Multipart::new(&head, &spans, 400, chance);
        let mut content = String::new();
        for before in &frame.before {
            content.push_str(before);
            content.push_str("content");
        }
        content.push_str(&frame.end);
        let kind = HeaderMap::from_iter([(http::header::CONTENT_TYPE, frame.content_type())]);
        let mut ranges = ByteRanges::of(&kind).unwrap();
        let mut seen = Vec::new();
        ranges.read(content.as_bytes(), |arrived| {
            match arrived {
                Arrived::Part(span) => seen.push(span),
                Arrived::Content(bytes) => assert_eq!(bytes, b"content"),
            }
            true
        }).unwrap();
        prop_assert_eq!(seen, spans);
        prop_assert_eq!(ranges.finish().unwrap().0, 400);
    }
}
