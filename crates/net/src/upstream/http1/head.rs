//! The heads of an answer: the interim ones and the final one, read by `httparse` after bounds of our own and checked for
//! what leaves a doubt. Nothing here does I/O.
//!
//! `httparse` guarantees the grammar of RFC 9112 §4 and §5: a version of HTTP/1, three digits, a token as every field name
//! with the colon right behind it, no folded lines, no control bytes in values. It lets a bare LF end a line and passes over
//! empty lines before the head, which RFC 9112 §2.2 permits and which we note as a doubt.

use super::fault::Fault;
use ::http::header::{CONNECTION, HeaderName, HeaderValue};
use ::http::{HeaderMap, StatusCode, Version};
use bytes::Bytes;
use httparse::{Error, Header, Status};
use std::mem::MaybeUninit;

/// For how many fields there is room on the stack.
const FIELDS_USUAL_MAX: usize = 128;
/// How many fields may be added on the way to the client without the map growing.
const FIELDS_TO_ADD: usize = 4;

/// How large the head of a response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadRule {
    pub(crate) bytes_max: usize,
    pub(crate) fields_max: usize,
    pub(crate) interim_max: usize,
}

/// A head that was read.
#[derive(Debug)]
pub(crate) struct Head {
    /// Its length in bytes, with the empty line.
    pub(crate) length: usize,
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// Whether the origin keeps the connection open.
    pub(crate) keeps_open: bool,
    /// Whether it can be read, but perhaps in two ways.
    pub(crate) is_doubtful: bool,
}

impl Head {
    /// Whether another head follows: 101 is final, since what follows it is no HTTP.
    pub(crate) fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// The heads of one answer, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    scan: Scan,
    interim: usize,
}

impl Heads {
    /// The next head, which begins where `bytes` do; nothing while its end is missing. The next call gets more bytes of it, or
    /// what follows it.
    ///
    /// # Errors
    /// As soon as it is clear that there will be none.
    pub(crate) fn next(&mut self, bytes: &[u8], rule: HeadRule) -> Result<Option<Head>, Fault> {
        // A head that comes in pieces is parsed with its first and with its last one; in between, each byte is looked at once.
        let searched = self.scan.has_begun();
        if searched && !self.scan.search(bytes, rule)? {
            return Ok(None);
        }
        let Some(head) = parse(bytes, rule)? else {
            return match self.scan.search(bytes, rule)? {
                false if !searched => Ok(None),
                _ => Err(Fault::Malformed("it has no end where it should")),
            };
        };
        self.scan = Scan::default();
        if head.is_interim() {
            self.interim += 1;
            if self.interim > rule.interim_max {
                return Err(Fault::TooManyInterim);
            }
        }
        Ok(Some(head))
    }
}

/// A search for the empty line, which goes on where it stopped, and counts.
#[derive(Debug, Default)]
struct Scan {
    /// All before it has been looked at.
    at: usize,
    /// Where the line begins that has no end yet.
    line: usize,
    /// Lines so far that are not empty, the first of which is that of the status.
    lines: usize,
}

impl Scan {
    /// Whether the empty line is there.
    fn search(&mut self, bytes: &[u8], rule: HeadRule) -> Result<bool, Fault> {
        while let Some(found) = bytes[self.at..].iter().position(|byte| *byte == b'\n') {
            let end = self.at + found;
            let is_empty = matches!(&bytes[self.line..end], [] | [b'\r']);
            (self.at, self.line) = (end + 1, end + 1);
            if end >= rule.bytes_max {
                return Err(Fault::HeadTooLarge);
            }
            match (is_empty, self.lines) {
                (true, 0) => {}
                (true, _) => return Ok(true),
                (false, _) => self.lines += 1,
            }
            if self.lines > rule.fields_max + 1 {
                return Err(Fault::HeadTooLarge);
            }
        }
        self.at = bytes.len();
        if bytes.len() > rule.bytes_max {
            return Err(Fault::HeadTooLarge);
        }
        Ok(false)
    }

    /// Whether anything was looked at.
    const fn has_begun(&self) -> bool {
        self.at > 0
    }
}

/// The head at the beginning of `bytes`; nothing while its end is missing.
fn parse(bytes: &[u8], rule: HeadRule) -> Result<Option<Head>, Fault> {
    let mut usual = [const { MaybeUninit::uninit() }; FIELDS_USUAL_MAX];
    match parse_in(bytes, rule, &mut usual[..rule.fields_max.min(FIELDS_USUAL_MAX)]) {
        Err(Fault::HeadTooLarge) if rule.fields_max > FIELDS_USUAL_MAX => {
            let mut many = Vec::with_capacity(rule.fields_max);
            parse_in(bytes, rule, &mut many.spare_capacity_mut()[..rule.fields_max])
        }
        parsed => parsed,
    }
}

/// The same, with `room` for the fields.
fn parse_in<'b>(bytes: &'b [u8], rule: HeadRule, room: &mut [MaybeUninit<Header<'b>>]) -> Result<Option<Head>, Fault> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut response, bytes, room) {
        Ok(Status::Complete(length)) if length <= rule.bytes_max => length,
        Ok(Status::Complete(_)) | Err(Error::TooManyHeaders) => return Err(Fault::HeadTooLarge),
        Ok(Status::Partial) => return Ok(None),
        Err(Error::HeaderName) => return Err(Fault::Malformed("a field has no valid name")),
        Err(Error::HeaderValue) => return Err(Fault::Malformed("a field has no valid value")),
        Err(Error::NewLine) => return Err(Fault::Malformed("a CR stands alone")),
        Err(Error::Status) => return Err(Fault::Malformed("its status is none")),
        Err(Error::Version | Error::Token) => return Err(Fault::Malformed("it is not of HTTP/1")),
    };
    let text = &bytes[..length];
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Fault::Malformed("its status is none"))?;
    let version = if response.version == Some(0) {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let headers = map(text, response.headers)?;
    Ok(Some(Head {
        length,
        status,
        version,
        keeps_open: keeps_open(version, &headers),
        is_doubtful: !lines_end_well(text, response.headers),
        headers,
    }))
}

/// Whether every line of `head` ends with CRLF and none before the first is empty. A value cannot hold a CR or LF, so what
/// stands before a name, and at the end, is all there is to look at.
fn lines_end_well(head: &[u8], fields: &[Header<'_>]) -> bool {
    let begin = head.as_ptr().addr();
    let ends_before = |field: &Header<'_>| {
        let at = field.name.as_ptr().addr() - begin;
        head[..at].ends_with(b"\r\n")
    };
    !head.starts_with(b"\r")
        && !head.starts_with(b"\n")
        && head.ends_with(b"\r\n\r\n")
        && fields.iter().all(ends_before)
}

/// The fields in the type that everybody knows. All values share one copy of the head.
fn map(text: &[u8], fields: &[Header<'_>]) -> Result<HeaderMap, Fault> {
    let invalid = || Fault::Malformed("a field is not valid");
    let begin = text.as_ptr().addr();
    let whole = if fields.is_empty() {
        Bytes::new()
    } else {
        Bytes::copy_from_slice(text)
    };
    let mut headers = HeaderMap::with_capacity(fields.len() + FIELDS_TO_ADD);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| invalid())?;
        let value = if field.value.is_empty() {
            HeaderValue::from_static("")
        } else {
            let at = field.value.as_ptr().addr() - begin;
            HeaderValue::from_maybe_shared(whole.slice(at..at + field.value.len())).map_err(|_| invalid())?
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// RFC 9112 §9.3: whether the connection persists, as far as its head says.
fn keeps_open(version: Version, headers: &HeaderMap) -> bool {
    let (mut close, mut keep_alive) = (false, false);
    for line in headers.get_all(CONNECTION) {
        for option in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            close |= option.eq_ignore_ascii_case(b"close");
            keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    !close && (version == Version::HTTP_11 || keep_alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: HeadRule = HeadRule {
        bytes_max: 60,
        fields_max: 2,
        interim_max: 2,
    };

    /// What is read of `text` that comes in pieces of `size`: whether it is doubtful, and whether it is over.
    fn read(text: &str, size: usize) -> Result<(bool, bool), &'static str> {
        let (mut heads, mut here, mut doubtful) = (Heads::default(), Vec::new(), false);
        for piece in text.as_bytes().chunks(size) {
            here.extend_from_slice(piece);
            loop {
                match heads.next(&here, RULE) {
                    Ok(Some(head)) if head.is_interim() => {
                        doubtful |= head.is_doubtful;
                        here.drain(..head.length);
                    }
                    Ok(Some(head)) => return Ok((doubtful | head.is_doubtful, true)),
                    Ok(None) => break,
                    Err(fault) => return Err(fault.kind().as_str()),
                }
            }
        }
        Ok((doubtful, false))
    }

    #[test]
    fn heads_are_bounded_and_doubts_noticed_however_they_are_cut() {
        let (large, many) = (Err("response_head_too_large"), Err("too_many_interim"));
        let table = [
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\n\nbody\n\n", Ok((false, true))),
            ("HTTP/1.1 200 OK\r\na: b\r\n", Ok((false, false))),
            ("HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok((false, true))),
            ("HTTP/1.1 103 X\r\n\r\n", Ok((false, false))),
            ("HTTP/1.1 101 X\r\n\r\n", Ok((false, true))),
            ("HTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n", Ok((false, false))),
            (
                "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n",
                many,
            ),
            ("HTTP/1.1 200 OK\na: b\r\n\r\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\r\na: b\n\r\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\r\na: b\r\n\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\n\n", Ok((true, true))),
            ("HTTP/1.1 103 X\n\nHTTP/1.1 200 OK\r\n\r\n", Ok((true, true))),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", Ok((true, true))),
            ("\nHTTP/1.1 200 OK\r\n\r\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\n\r\n", Ok((false, true))),
            ("HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\na: 3\r\n\r\n", large),
            (
                "HTTP/1.1 200 OK\r\na: 0123456789012345678901234567890123456789\r\n\r\n",
                large,
            ),
            ("HTTP/1.1 200 OK\r\na: 01234567890123456789012345678901234567890", large),
            (
                "HTTP/1.1 200 012345678901234567890123456789012345678901234567\r\n",
                large,
            ),
            (&"\r\n".repeat(40), large),
            ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", Err("protocol")),
            ("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", Err("protocol")),
            ("SSH-2.0", Err("protocol")),
        ];
        for (text, expected) in table {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(read(text, size), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn a_connection_persists_as_its_version_and_options_say() {
        let table = [
            ("HTTP/1.1 200 X\r\n", true),
            ("HTTP/1.1 200 X\r\nConnection: Close\r\n", false),
            ("HTTP/1.1 200 X\r\nConnection: keep-alive, close\r\n", false),
            ("HTTP/1.1 200 X\r\nConnection: closed\r\n", true),
            ("HTTP/1.0 200 X\r\n", false),
            ("HTTP/1.0 200 X\r\nConnection: Keep-Alive\r\n", true),
            (
                "HTTP/1.0 200 X\r\nConnection: keep-alive\r\nConnection: close\r\n",
                false,
            ),
        ];
        let rule = HeadRule { bytes_max: 200, ..RULE };
        for (text, expected) in table {
            let head = parse(format!("{text}\r\n").as_bytes(), rule).unwrap().unwrap();
            assert_eq!(head.keeps_open, expected, "{text:?}");
        }
    }
}
