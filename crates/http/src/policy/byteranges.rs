//! Reading multipart/byteranges (RFC 9110 §14.6, RFC 2046 §5.1.1) while it passes. The length of each part is that of its
//! Content-Range, so that no content is searched for a boundary. Whatever is not exactly as it should be is damaged, and says so
//! before its parts are believed: text before the first part or after the last, a part without a place, two that overlap or tell
//! of wholes of different lengths or types, lines that do not end in CRLF.

use super::part::content_range;
use http::HeaderValue;
use http::header::{self, HeaderMap};
use peregrine_cache::ByteSpan;

/// The most parts that are read; no request asks for more.
const PARTS_MAX: usize = super::RANGES_MAX;
/// The longest line, and the most bytes of lines before a part.
const LINES_BYTES_MAX: usize = 4096;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// It is no good multipart/byteranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived<'a> {
    /// A part begins.
    Part(ByteSpan),
    /// More of its content.
    Content(&'a [u8]),
}

/// A multipart/byteranges that is being read.
#[derive(Clone, Debug)]
pub struct ByteRanges {
    boundary: Vec<u8>,
    place: Place,
    line: Vec<u8>,
    /// Bytes of lines since the last content.
    lines_bytes: usize,
    spans: Vec<ByteSpan>,
    complete: Option<u64>,
    /// The type of the parts, once one is known.
    kind: Option<Option<HeaderValue>>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The line of the first boundary, with an empty one before it at most.
    Begin { skipped: bool },
    /// The fields of a part.
    Fields {
        range: Option<(ByteSpan, u64)>,
        kind: Option<HeaderValue>,
    },
    /// So many bytes of its content.
    Content(u64),
    /// The end of the line behind the content.
    Behind,
    /// The line of a boundary.
    Boundary,
    /// Nothing any more.
    End,
}

impl ByteRanges {
    /// For an answer with these fields; nothing where it is not multipart/byteranges.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        Some(Self {
            boundary: [b"--", &*boundary(line.as_bytes())?].concat(),
            place: Place::Begin { skipped: false },
            line: Vec::new(),
            lines_bytes: 0,
            spans: Vec::new(),
            complete: None,
            kind: None,
        })
    }

    /// What stands before each part.
    #[cfg(test)]
    pub(crate) fn delimiter(&self) -> String {
        String::from_utf8_lossy(&self.boundary).into_owned()
    }

    /// Reads `bytes` and tells `heed` what they are. `heed` answers whether to go on.
    ///
    /// # Errors
    /// What came so far is not as it should be, or `heed` said so.
    pub fn read(&mut self, bytes: &[u8], mut heed: impl FnMut(Arrived<'_>) -> bool) -> Result<(), Damaged> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if let Place::Content(left) = &mut self.place {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                let (content, after) = rest.split_at(now);
                *left -= content.len() as u64;
                if *left == 0 {
                    self.place = Place::Behind;
                }
                if !heed(Arrived::Content(content)) {
                    return Err(Damaged);
                }
                rest = after;
                continue;
            }
            self.line.push(*first);
            self.lines_bytes += 1;
            rest = rest.get(1..).unwrap_or_default();
            if self.lines_bytes > LINES_BYTES_MAX {
                return Err(Damaged);
            }
            if *first == b'\n' {
                let line = std::mem::take(&mut self.line);
                if let Some(span) = self.take_line(line.strip_suffix(b"\r\n").ok_or(Damaged)?)?
                    && !heed(Arrived::Part(span))
                {
                    return Err(Damaged);
                }
            }
        }
        Ok(())
    }

    /// Whether the last boundary has come.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        // Its line need not end.
        let closed = || self.line.strip_prefix(&*self.boundary) == Some(b"--");
        (self.place == Place::End && self.line.is_empty()) || (self.place == Place::Boundary && closed())
    }

    /// The length of the whole, and the type of the parts, once all of them are there.
    ///
    /// # Errors
    /// It ends before its end.
    pub fn finish(self) -> Result<(u64, Option<HeaderValue>), Damaged> {
        match self.complete {
            Some(complete) if self.is_at_end() => Ok((complete, self.kind.flatten())),
            _ => Err(Damaged),
        }
    }

    /// Takes a line, without its end; the place of the part whose content begins behind it.
    fn take_line(&mut self, line: &[u8]) -> Result<Option<ByteSpan>, Damaged> {
        let next = match &mut self.place {
            Place::Begin { skipped } if line.is_empty() && !*skipped => Place::Begin { skipped: true },
            Place::Begin { .. } | Place::Boundary => self.take_boundary(line)?,
            Place::Behind if line.is_empty() => Place::Boundary,
            Place::Fields { range, kind } if line.is_empty() => {
                let part = (range.ok_or(Damaged)?, kind.take());
                return self.begin_part(part).map(Some);
            }
            Place::Fields { range, kind } => return take_field(line, range, kind).map(|()| None),
            Place::End if line.is_empty() => Place::End,
            Place::Content(_) | Place::Behind | Place::End => return Err(Damaged),
        };
        self.place = next;
        Ok(None)
    }

    fn take_boundary(&self, line: &[u8]) -> Result<Place, Damaged> {
        let rest = line.strip_prefix(&*self.boundary).ok_or(Damaged)?;
        let (rest, is_last) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
        if rest.iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            return Err(Damaged);
        }
        match is_last {
            true if self.spans.is_empty() => Err(Damaged),
            true => Ok(Place::End),
            false if self.spans.len() == PARTS_MAX => Err(Damaged),
            false => Ok(Place::Fields {
                range: None,
                kind: None,
            }),
        }
    }

    fn begin_part(&mut self, part: ((ByteSpan, u64), Option<HeaderValue>)) -> Result<ByteSpan, Damaged> {
        let ((span, complete), kind) = part;
        let fits = self.complete.is_none_or(|other| other == complete)
            && self.kind.as_ref().is_none_or(|other| *other == kind)
            && self.spans.iter().all(|other| other.overlap(span).is_none());
        if !fits {
            return Err(Damaged);
        }
        (self.complete, self.kind) = (Some(complete), Some(kind));
        self.spans.push(span);
        self.place = Place::Content(span.length());
        self.lines_bytes = 0;
        Ok(span)
    }
}

/// Takes a field of a part.
fn take_field(line: &[u8], range: &mut Option<(ByteSpan, u64)>, kind: &mut Option<HeaderValue>) -> Result<(), Damaged> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Damaged)?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        return Err(Damaged);
    }
    if name.eq_ignore_ascii_case(b"content-range") {
        let read = content_range(value).ok_or(Damaged)?;
        if range.replace(read).is_some() {
            return Err(Damaged);
        }
    } else if name.eq_ignore_ascii_case(b"content-type") {
        let read = HeaderValue::from_bytes(value).map_err(|_| Damaged)?;
        if kind.replace(read).is_some() {
            return Err(Damaged);
        }
    } else if name.eq_ignore_ascii_case(b"content-encoding") {
        // That of the whole stands in the head.
        return Err(Damaged);
    }
    Ok(())
}

/// The boundary that the type `multipart/byteranges` names.
fn boundary(kind: &[u8]) -> Option<Vec<u8>> {
    let semicolon = kind.iter().position(|byte| *byte == b';')?;
    let (essence, parameters) = kind.split_at(semicolon);
    if !essence.trim_ascii().eq_ignore_ascii_case(b"multipart/byteranges") {
        return None;
    }
    let mut quoted = false;
    let separate = |byte: &u8| {
        quoted ^= *byte == b'"';
        *byte == b';' && !quoted
    };
    let mut found = None;
    for parameter in parameters.split(separate).map(<[u8]>::trim_ascii) {
        let Some(equals) = parameter.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = parameter.split_at(equals);
        if name.eq_ignore_ascii_case(b"boundary") {
            let value = value.get(1..)?;
            let inner = value
                .strip_prefix(b"\"")
                .map_or(Some(value), |open| open.strip_suffix(b"\""))?;
            if found.replace(inner.to_vec()).is_some() {
                return None;
            }
        }
    }
    // RFC 2046 §5.1.1 has fewer; what none of them is could be read in two ways.
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'"' | b'\\');
    let good = |boundary: &Vec<u8>| {
        (1..=BOUNDARY_MAX).contains(&boundary.len()) && boundary.iter().all(is_plain) && !boundary.ends_with(b" ")
    };
    found.filter(good)
}
