//! The head of a request: read by `httparse`, and refused by us where the bytes could mean two things. Nothing here does
//! I/O or copies; what comes out points into the bytes that came in.
//!
//! `httparse` guarantees the grammar of RFC 9112 §3 and §5: one space between the parts of the request line, a token as
//! method and as every field name with the colon right behind it, no folded lines, no control bytes in values. It lets a
//! bare LF end a line and high bytes into the target, which we do not, and it knows nothing of what the fields say.

use super::fields::Facts;
use super::host::is_host;
use crate::http::{HeadView, Refusal};
use ::http::Version;
use httparse::{Error, Header, Status};
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// What a head may be at most.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The largest head, in bytes.
    pub size_max: usize,
    /// The most fields.
    pub count_max: usize,
    /// The longest target, in bytes.
    pub uri_length_max: usize,
    /// The largest body that may be announced, in bytes.
    pub body_max: u64,
}

/// Room for the fields of a head. It is not cleared for every request: `httparse` writes what it reads.
pub(crate) type Room<'h> = [MaybeUninit<Header<'h>>];

/// A request head that is beyond doubt.
#[derive(Debug)]
pub(crate) struct Head<'h> {
    /// Its length in bytes, with the empty line.
    pub(crate) length: usize,
    pub(crate) method: &'h str,
    /// In origin form, or `*`.
    pub(crate) target: Cow<'h, str>,
    /// The authority; empty where HTTP/1.0 does without.
    pub(crate) host: &'h str,
    /// Whether the authority comes from the target and not from `Host`.
    pub(crate) absolute: bool,
    pub(crate) version: Version,
    pub(crate) fields: &'h [Header<'h>],
    pub(crate) facts: Facts,
}

impl Head<'_> {
    /// What a handler sees of it on the short way.
    pub(crate) fn view(&self) -> HeadView<'_> {
        HeadView {
            method: self.method,
            target: &self.target,
            host: self.host,
            version: self.version,
            fields: self.fields,
            body: self.facts.announces_body,
        }
    }
}

/// The head at the beginning of `bytes`; nothing while its end is missing.
///
/// # Errors
/// Why it is refused, which may show before its end has come.
pub(crate) fn parse<'h>(
    bytes: &'h [u8],
    room: &'h mut Room<'h>,
    limits: &HeadLimits,
) -> Result<Option<Head<'h>>, Refusal> {
    // Empty lines before it are the caller's to take away; `httparse` would pass over any number of them, and bare LFs.
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err(Refusal::Malformed);
    }
    let room_count = room.len().min(limits.count_max);
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut room[..room_count]) {
        Ok(Status::Complete(length)) if length <= limits.size_max => length,
        Ok(Status::Partial) if bytes.len() < limits.size_max => return Ok(None),
        Ok(_) | Err(Error::TooManyHeaders) => return Err(Refusal::HeaderTooLarge),
        Err(Error::Version) if names_another_version(bytes) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed),
    };
    let fields: &'h [Header<'h>] = request.headers;
    if !lines_end_well(&bytes[..length], fields) {
        return Err(Refusal::Malformed);
    }
    let (Some(method), Some(sent), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    if method == "CONNECT" {
        return Err(Refusal::Method);
    }
    let (authority, target) = split_target(method, sent, limits)?;
    let facts = Facts::read(fields, version, limits)?;
    let host = match (facts.host, authority) {
        (None, _) if version == Version::HTTP_11 => return Err(Refusal::HostMissing),
        // RFC 9112 §3.2.2: the authority of the target replaces Host.
        (_, Some(authority)) => authority,
        (Some(at), None) => std::str::from_utf8(fields[at].value).map_err(|_| Refusal::HostInvalid)?,
        (None, None) => "",
    };
    Ok(Some(Head {
        length,
        method,
        target,
        host,
        absolute: authority.is_some(),
        version,
        fields,
        facts,
    }))
}

/// Whether the third part of the request line, as far as it has come, is a version of HTTP that is not ours.
fn names_another_version(bytes: &[u8]) -> bool {
    let third = bytes.split(|byte| *byte == b' ').nth(2);
    let number = third.and_then(|third| third.strip_prefix(b"HTTP/"));
    number.is_some_and(|number| number.first().is_some_and(u8::is_ascii_digit))
}

/// Whether every line of `head` ends with CRLF. A value cannot hold a CR or LF, so what stands before a name, and at the
/// end, is all there is to look at.
fn lines_end_well(head: &[u8], fields: &[Header<'_>]) -> bool {
    let begin = head.as_ptr().addr();
    let ends_before = |field: &Header<'_>| {
        let at = field.name.as_ptr().addr() - begin;
        head[..at].ends_with(b"\r\n")
    };
    head.ends_with(b"\r\n\r\n") && fields.iter().all(ends_before)
}

/// RFC 9112 §3.2: the authority, if the target is in absolute form, and the target in origin form. A fragment is no part of
/// a target, and whoever strips one and whoever does not see two different requests.
fn split_target<'h>(
    method: &str,
    sent: &'h str,
    limits: &HeadLimits,
) -> Result<(Option<&'h str>, Cow<'h, str>), Refusal> {
    if sent.len() > limits.uri_length_max.min(TARGET_LENGTH_MAX) {
        return Err(Refusal::UriTooLong);
    }
    if sent.starts_with('/') {
        return is_path(sent)
            .then_some((None, Cow::Borrowed(sent)))
            .ok_or(Refusal::Target);
    }
    if sent == "*" {
        return (method == "OPTIONS")
            .then_some((None, Cow::Borrowed(sent)))
            .ok_or(Refusal::Target);
    }
    let (scheme, rest) = sent.split_once("://").ok_or(Refusal::Target)?;
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return Err(Refusal::Target);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = match path.as_bytes().first() {
        Some(b'/') => Cow::Borrowed(path),
        // RFC 9112 §3.2.4: without a path, OPTIONS asks for the server as a whole.
        None if method == "OPTIONS" => Cow::Borrowed("*"),
        None => Cow::Borrowed("/"),
        Some(_) => Cow::Owned(format!("/{path}")),
    };
    if is_host(authority) && (path == "*" || is_path(&path)) {
        Ok((Some(authority), path))
    } else {
        Err(Refusal::Target)
    }
}

/// The longest target that the type for it can hold, less the slash that may be put in front.
const TARGET_LENGTH_MAX: usize = u16::MAX as usize - 2;

/// What may stand in a path, and (with the second bit) in a query: RFC 3986 §3.3 and §3.4, and what browsers send beside.
const TARGET_BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7f {
        table[byte as usize] = match byte {
            b'#' | b'<' | b'>' => 0,
            b'"' => 1,
            b'`' | b'?' => 2,
            _ => 3,
        };
        byte += 1;
    }
    table
};

/// Whether `text` is a path, with or without a query.
pub(crate) fn is_path(text: &str) -> bool {
    let all = |part: &str, bit: u8| part.bytes().all(|byte| TARGET_BYTES[usize::from(byte)] & bit != 0);
    match text.split_once('?') {
        Some((path, query)) => all(path, 1) && all(query, 2),
        None => all(text, 1),
    }
}
