//! The head of a stored response as the bytes that the engine keeps: its fields as the lines that a client gets, so that
//! answering from it copies them. Written and read only here; the engine sees bytes.
//!
//! The status, whether there is a `Date`, then the lines that nearly every answer changes ([`CHANGED`]), each behind the
//! lengths of name and value, then the fields that came after the content, kept apart from the others (RFC 9111 §3.1), then the
//! others as they stand in a message.

mod writer;

pub(crate) use writer::LineWriter;

use crate::policy::Fields;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The most that a stored head may measure, in bytes. A response with a larger one is passed on and not stored.
pub(crate) const STORED_HEAD_MAX_BYTES: usize = 64 * 1024;

/// The version in which heads, keys and variants are stored. Raised with every change of what is written, so that nobody reads
/// what an older Peregrine left in a way in which it was not meant.
pub const STORED_VERSION: u32 = 4;

/// Fields that an answer has otherwise than they were stored, or not at all.
static CHANGED: [HeaderName; 6] = [
    header::AGE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("cache-tag"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("x-request-id"),
];
/// The bytes before the lines: the status, whether there is a date, the length of the first lines, and that of the trailers.
const PREFIX: usize = 2 + 1 + 4 + 4;

/// A stored response's status and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredHead {
    /// The status.
    pub(crate) status: StatusCode,
    /// The fields that are stored with it.
    pub(crate) headers: HeaderMap,
    /// The fields that came after the content.
    pub(crate) trailers: HeaderMap,
}

impl StoredHead {
    /// A head whose content nothing follows.
    pub(crate) fn new(status: StatusCode, headers: HeaderMap) -> Self {
        Self {
            status,
            headers,
            trailers: HeaderMap::new(),
        }
    }

    /// The head as bytes; nothing when it is larger than [`STORED_HEAD_MAX_BYTES`].
    #[must_use]
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let (mut changed, mut others) = (BytesMut::with_capacity(256), BytesMut::with_capacity(512));
        for (name, value) in &self.headers {
            let lines = if CHANGED.contains(name) {
                changed.put_u16(u16::try_from(name.as_str().len()).ok()?);
                changed.put_u16(u16::try_from(value.len()).ok()?);
                &mut changed
            } else {
                &mut others
            };
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                lines.put_slice(part);
            }
            if changed.len() + others.len() > STORED_HEAD_MAX_BYTES {
                return None;
            }
        }
        let mut trailers = BytesMut::new();
        for (name, value) in &self.trailers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                trailers.put_slice(part);
            }
        }
        if trailers.len() > STORED_HEAD_MAX_BYTES {
            return None;
        }
        let mut out = BytesMut::with_capacity(PREFIX + changed.len() + trailers.len() + others.len());
        out.put_u16(self.status.as_u16());
        out.put_u8(u8::from(self.headers.contains_key(header::DATE)));
        out.put_u32(u32::try_from(changed.len()).ok()?);
        out.put_u32(u32::try_from(trailers.len()).ok()?);
        out.put_slice(&changed);
        out.put_slice(&trailers);
        out.put_slice(&others);
        Some(out.freeze())
    }

    /// The head that `bytes` hold; nothing when they are damaged, which makes the entry a miss.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        // One copy that all values share.
        let bytes = Bytes::copy_from_slice(bytes);
        let lines = StoredLines::read(&bytes)?;
        let append = |headers: &mut HeaderMap, line: Line<'_>| {
            let name = HeaderName::from_bytes(line.name).ok()?;
            headers.append(name, HeaderValue::from_maybe_shared(bytes.slice_ref(line.value)).ok()?);
            Some(())
        };
        let (mut headers, mut trailers) = (HeaderMap::with_capacity(16), HeaderMap::new());
        for line in lines.iter() {
            append(&mut headers, line)?;
        }
        for line in lines_of(lines.trailers) {
            append(&mut trailers, line)?;
        }
        Some(Self {
            status: lines.status,
            headers,
            trailers,
        })
    }
}

/// A stored head where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredLines<'a> {
    /// The status.
    pub(crate) status: StatusCode,
    /// Whether there is a `Date`.
    dated: bool,
    changed: &'a [u8],
    trailers: &'a [u8],
    others: &'a [u8],
}

/// One field line.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// All of it, with its end.
    whole: &'a [u8],
}

impl<'a> StoredLines<'a> {
    /// The head in `bytes`; nothing when they do not begin as one.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (status, rest) = bytes.split_first_chunk()?;
        let ([dated], rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (behind, rest) = rest.split_first_chunk()?;
        let (changed, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let (trailers, others) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*behind)).ok()?)?;
        Some(Self {
            status: StatusCode::from_u16(u16::from_be_bytes(*status)).ok()?,
            dated: *dated != 0,
            changed,
            trailers,
            others,
        })
    }

    /// Whether fields came after the content.
    pub(crate) const fn has_trailers(&self) -> bool {
        !self.trailers.is_empty()
    }

    /// The lines that most answers change.
    fn changed(self) -> impl Iterator<Item = Line<'a>> {
        let mut rest = self.changed;
        std::iter::from_fn(move || {
            let (name, after) = rest.split_first_chunk()?;
            let (value, after) = after.split_first_chunk()?;
            let name = usize::from(u16::from_be_bytes(*name));
            let value = usize::from(u16::from_be_bytes(*value));
            let (whole, after) = after.split_at_checked(name + value + ": \r\n".len())?;
            rest = after;
            Some(Line {
                name: whole.get(..name)?,
                value: whole.get(name + 2..name + 2 + value)?,
                whole,
            })
        })
    }

    /// All lines.
    fn iter(self) -> impl Iterator<Item = Line<'a>> {
        self.changed().chain(lines_of(self.others))
    }
}

/// The field lines in `text`.
fn lines_of(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == b'\n')? + 1;
        let (whole, after) = rest.split_at_checked(end)?;
        rest = after;
        let name = whole.iter().position(|byte| *byte == b':')?;
        let value = whole.get(name + 2..end.checked_sub(2)?)?;
        Some(Line {
            name: whole.get(..name)?,
            value,
            whole,
        })
    })
}

impl Fields for StoredLines<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let called = move |line: &Line<'a>| line.name == name.as_bytes();
        self.iter().filter(called).map(|line| line.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::EditFields;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_head_survives_the_way_to_bytes_and_back() {
        let mut headers = HeaderMap::new();
        headers.append("etag", "\"a\"".parse().unwrap());
        headers.append("link", "<a>".parse().unwrap());
        headers.append("link", "<b>".parse().unwrap());
        headers.append("cache-tag", "a".parse().unwrap());
        headers.append("x-latin", HeaderValue::from_bytes(b"\xe9").unwrap());
        headers.append("x-empty", HeaderValue::from_static(""));
        let mut head = StoredHead::new(StatusCode::NOT_FOUND, headers);
        assert_eq!(StoredHead::decode(&head.encode().unwrap()).as_ref(), Some(&head));
        head.trailers.append("x-sum", "1".parse().unwrap());
        head.trailers.append("x-sum", "2".parse().unwrap());
        assert!(StoredLines::read(&head.encode().unwrap()).unwrap().has_trailers());
        assert_eq!(StoredHead::decode(&head.encode().unwrap()), Some(head));
    }

    #[test]
    fn an_endless_head_is_not_stored() {
        let mut headers = HeaderMap::new();
        for _ in 0..STORED_HEAD_MAX_BYTES / 1000 {
            headers.append("x-filler", "a".repeat(1000).parse().unwrap());
        }
        assert_eq!(StoredHead::new(StatusCode::OK, headers).encode(), None);
    }

    /// Names, some of them such that answers change them, each in any case.
    fn any_name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "age",
            "cache-tag",
            "content-length",
            "content-type",
            "date",
            "etag",
            "last-modified",
            "x-a",
            // Of these two the rough set of names says the same.
            "x-one-name",
            "x-two-name",
            "x-request-id",
        ])
    }

    /// An edit of a head.
    #[derive(Clone, Debug)]
    enum Edit {
        Remove(&'static str),
        Append(&'static str, String),
        Insert(&'static str, u64),
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            any_name().prop_map(Edit::Remove),
            (any_name(), "[ -~]{0,9}").prop_map(|(name, value)| Edit::Append(name, value)),
            (any_name(), any::<u64>()).prop_map(|(name, value)| Edit::Insert(name, value)),
        ]
    }

    fn apply(edits: &[Edit], head: &mut impl EditFields) {
        for edit in edits {
            match edit {
                Edit::Remove(name) => head.remove(&HeaderName::from_static(name)),
                Edit::Append(name, value) => head.append(&HeaderName::from_static(name), value.as_bytes()),
                Edit::Insert(name, value) => head.insert_number(&HeaderName::from_static(name), *value),
            }
        }
    }

    /// The lines of a message by name, in their order.
    fn by_name(lines: impl Iterator<Item = (String, Vec<u8>)>) -> BTreeMap<String, Vec<Vec<u8>>> {
        lines.fold(BTreeMap::new(), |mut all, (name, value)| {
            all.entry(name).or_default().push(value);
            all
        })
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = StoredHead::decode(&bytes);
            if let Some(lines) = StoredLines::read(&bytes) {
                let mut added = Vec::new();
                if let Some(mut writer) = LineWriter::new(lines, &mut added) {
                    writer.remove(&header::AGE);
                    writer.remove(&header::ETAG);
                    writer.finish(&mut Vec::new());
                }
            }
        }

        #[test]
        fn lines_are_edited_as_a_map_is(
            stored in prop_oneof![
                proptest::collection::vec((any_name(), "[!-~]{0,9}"), 0..9),
                proptest::collection::vec((any_name(), "[!-~]{0,9}"), 60..70),
            ],
            edits in proptest::collection::vec(any_edit(), 0..9),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &stored {
                headers.append(*name, value.parse().unwrap());
            }
            let head = StoredHead::new(StatusCode::OK, headers);
            let bytes = head.encode().unwrap();
            let StoredHead { mut headers, .. } = head;
            let lines = StoredLines::read(&bytes).unwrap();
            for (name, _) in &stored {
                prop_assert!(Fields::lines(&lines, name).eq(Fields::lines(&headers, name)));
            }
            apply(&edits, &mut headers);
            let (mut added, mut out) = (Vec::new(), Vec::new());
            let writer = LineWriter::new(lines, &mut added);
            prop_assert_eq!(writer.is_some(), stored.len() <= 64);
            let Some(mut writer) = writer else { return Ok(()) };
            apply(&edits, &mut writer);
            prop_assert!(headers.keys().all(|name| Fields::lines(&writer, name.as_str()).eq(Fields::lines(&headers, name.as_str()))));
            prop_assert_eq!(writer.is_dated(), headers.contains_key("date"));
            writer.finish(&mut out);
            let text = out.split_inclusive(|byte| *byte == b'\n').map(|line| {
                let line = line.strip_suffix(b"\r\n").unwrap();
                let colon = line.iter().position(|byte| *byte == b':').unwrap();
                (String::from_utf8(line[..colon].to_vec()).unwrap(), line[colon + 2..].to_vec())
            });
            let map = headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            prop_assert_eq!(by_name(text), by_name(map));
        }
    }
}
