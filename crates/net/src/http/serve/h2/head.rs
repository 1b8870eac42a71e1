//! The head of a request over HTTP/2: brought to the form that [`crate::http::Handler`] promises, or refused. What is
//! malformed (RFC 9113 §8.2, §8.3: fields of a connection, upper case, line ends, missing or foreign pseudo fields) is reset;
//! what is well-formed and refused over HTTP/1 as well is told why.

use super::super::ServerLimits;
use crate::http::codec::is_path;
use crate::http::framing::is_host;
use crate::http::hpack::Fields;
use crate::http::last_hop::may_count_hops;
use crate::http::{HeadView, Refusal};
use ::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::request::Parts;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use bytes::Bytes;

/// What a field counts for beside its name and value, as in HTTP/1: `: ` and a line's end.
const FIELD_BYTES: usize = 4;
/// For how many fields there is room on the stack; a head with more goes the long way.
pub(super) const FIELDS_SHORT_MAX: usize = 32;
/// How many fields a handler may add without the map growing.
const FIELDS_TO_ADD: usize = 8;
/// The longest target that the type for it can hold.
const TARGET_LENGTH_MAX: usize = u16::MAX as usize - 1;

/// Why a head reaches no handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is malformed.
    Malformed,
    /// It is refused.
    Refused(Refusal),
}

/// What the fields say about the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its length, when it was announced.
    pub(super) length: Option<u64>,
    /// Whether the client waits to be asked for it.
    pub(super) expects_continue: bool,
    /// Whether there is a `Max-Forwards`.
    max_forwards: bool,
}

/// A head that is beyond doubt: which of the fields it was read from are what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    method: usize,
    path: usize,
    host: usize,
    /// The first field that is no pseudo field.
    first: usize,
    pub(super) facts: Facts,
}

/// What is found field by field.
#[derive(Default)]
struct Found {
    method: Option<usize>,
    scheme: Option<usize>,
    authority: Option<usize>,
    path: Option<usize>,
    host: Option<usize>,
    length: Option<usize>,
    cookies: usize,
    size: usize,
    expects_continue: bool,
    max_forwards: bool,
    /// Whether a value begins or ends with a blank.
    padded: bool,
    host_twice: bool,
    length_twice: bool,
    other_expectation: bool,
}

/// Reads the head in `fields`, which is changed so that it reads as one of HTTP/1 would: with one `Host` and one `Cookie`.
/// `ended` says that no body follows.
///
/// # Errors
/// Why it is malformed or refused.
pub(super) fn read(fields: &mut Fields, ended: bool, limits: &ServerLimits) -> Result<Head, Wrong> {
    let mut found = Found::default();
    let first = (0..fields.len())
        .find(|index| !fields.name(*index).starts_with(b":"))
        .unwrap_or(fields.len());
    for index in 0..first {
        found.pseudo(fields, index)?;
    }
    for index in first..fields.len() {
        found.field(fields, index)?;
    }
    // RFC 9113 §8.3.1.
    let method = found.method.ok_or(Wrong::Malformed)?;
    if !is_token(fields.value(method)) {
        return Err(Wrong::Malformed);
    }
    let connect = fields.value(method) == b"CONNECT";
    let (scheme, path) = match (connect, found.scheme, found.path) {
        // §8.5.
        (true, None, None) if found.authority.is_some() => (None, method),
        (false, Some(scheme), Some(path)) => (Some(scheme), path),
        _ => return Err(Wrong::Malformed),
    };
    let target = fields.value(path);
    if target.is_empty()
        || target.iter().any(|byte| *byte <= b' ')
        || !scheme.is_none_or(|at| is_scheme(fields.value(at)))
    {
        return Err(Wrong::Malformed);
    }
    let count = fields.len() - first - found.cookies.saturating_sub(1);
    if found.size > limits.header_size_max || count > limits.header_count_max {
        return Err(Wrong::Refused(Refusal::HeaderTooLarge));
    }
    // RFC 9113 §8.2.1; written into HTTP/1 such a value would become another one.
    if found.padded {
        return Err(Wrong::Refused(Refusal::Malformed));
    }
    if connect {
        return Err(Wrong::Refused(Refusal::Method));
    }
    let host = admit_host(&found, fields).map_err(Wrong::Refused)?;
    let ours = |scheme: &[u8]| scheme == b"http" || scheme == b"https";
    if !scheme.is_none_or(|at| ours(fields.value(at))) {
        return Err(Wrong::Refused(Refusal::Target));
    }
    admit_target(fields.value(path), fields.value(method), limits).map_err(Wrong::Refused)?;
    let length = found.length.map(|at| number(fields.value(at)));
    let facts = Facts {
        length: admit_length(length, &found, ended, limits)?,
        expects_continue: found.expects_continue,
        max_forwards: found.max_forwards,
    };
    if found.other_expectation {
        return Err(Wrong::Refused(Refusal::Expectation));
    }
    let mut head = Head {
        method,
        path,
        host,
        first,
        facts,
    };
    if found.cookies > 1 {
        // RFC 9113 §8.2.3: what was sent in pieces is one field for whoever does not speak HTTP/2.
        fields.join(b"cookie", b"; ");
        head.host = (first..fields.len())
            .find(|index| fields.name(*index) == b"host")
            .expect("there is one now");
    }
    Ok(head)
}

impl Found {
    fn pseudo(&mut self, fields: &Fields, index: usize) -> Result<(), Wrong> {
        let place = match fields.name(index) {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return Err(Wrong::Malformed),
        };
        let value = fields.value(index);
        if place.replace(index).is_some() || !is_value(value) {
            return Err(Wrong::Malformed);
        }
        // In HTTP/1 it would stand in the head too, and count.
        self.size += value.len();
        Ok(())
    }

    fn field(&mut self, fields: &Fields, index: usize) -> Result<(), Wrong> {
        let (name, value) = (fields.name(index), fields.value(index));
        if !is_name(name) || !is_value(value) {
            return Err(Wrong::Malformed);
        }
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        self.padded |= blank(value.first()) || blank(value.last());
        self.size += name.len() + value.len() + FIELD_BYTES;
        match name {
            b"host" => self.host_twice |= self.host.replace(index).is_some(),
            b"cookie" => {
                self.cookies += 1;
                if self.cookies > 1 {
                    // It will be a part of the first, behind `; ` (RFC 9113 §8.2.3).
                    self.size -= name.len() + FIELD_BYTES - 2;
                }
            }
            b"content-length" => self.length_twice |= self.length.replace(index).is_some(),
            b"max-forwards" => self.max_forwards = true,
            b"expect" => {
                self.expects_continue = true;
                self.other_expectation |= !value.eq_ignore_ascii_case(b"100-continue");
            }
            // RFC 9113 §8.2.2.
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => return Err(Wrong::Malformed),
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                return Err(Wrong::Malformed);
            }
            _ => {}
        }
        Ok(())
    }
}

/// RFC 9113 §8.3.1: `:authority`, or `Host`, or both when they say the same; exactly one `Host` comes out. Its number.
fn admit_host(found: &Found, fields: &mut Fields) -> Result<usize, Refusal> {
    if found.host_twice {
        return Err(Refusal::HostTwice);
    }
    if found.host.is_some_and(|at| !is_host(fields.value(at))) {
        return Err(Refusal::HostInvalid);
    }
    match (found.authority, found.host) {
        (None, None) => Err(Refusal::HostMissing),
        (None, Some(host)) => Ok(host),
        (Some(authority), _) if !is_host(fields.value(authority)) => Err(Refusal::HostInvalid),
        (Some(authority), Some(host)) => {
            if !fields.value(host).eq_ignore_ascii_case(fields.value(authority)) {
                return Err(Refusal::HostDisagrees);
            }
            fields.set_same(host, authority);
            Ok(host)
        }
        (Some(authority), None) => {
            fields.push_same("host", authority);
            Ok(fields.len() - 1)
        }
    }
}

/// What HTTP/1 calls the origin form, or `*`.
fn admit_target(target: &[u8], method: &[u8], limits: &ServerLimits) -> Result<(), Refusal> {
    if target.len() > limits.uri_length_max.min(TARGET_LENGTH_MAX) {
        return Err(Refusal::UriTooLong);
    }
    let asterisk = target == b"*" && method == b"OPTIONS";
    let origin_form = target.starts_with(b"/") && std::str::from_utf8(target).is_ok_and(is_path);
    if asterisk || origin_form {
        Ok(())
    } else {
        Err(Refusal::Target)
    }
}

/// RFC 9110 §8.6: digits, and once. Another length than that of a body that is over already is malformed (RFC 9113 §8.1.1).
fn admit_length(
    length: Option<Option<u64>>,
    found: &Found,
    ended: bool,
    limits: &ServerLimits,
) -> Result<Option<u64>, Wrong> {
    let Some(length) = length else { return Ok(None) };
    let refused = Wrong::Refused(Refusal::ContentLength);
    let length = length.filter(|_| !found.length_twice).ok_or(refused)?;
    if ended && length > 0 {
        return Err(Wrong::Malformed);
    }
    if length > limits.request_body_max {
        return Err(Wrong::Refused(Refusal::BodyTooLarge));
    }
    Ok(Some(length))
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

impl Head {
    /// Whether a handler may answer without a body being read or hops being counted.
    pub(super) fn may_be_short(&self, fields: &Fields, ended: bool) -> bool {
        let counts_hops = self.facts.max_forwards && may_count_hops(text(fields.value(self.method)));
        ended && self.facts.length.is_none() && !self.facts.expects_continue && !counts_hops
    }

    /// Whether it asks for a head without a body.
    pub(super) fn is_head(&self, fields: &Fields) -> bool {
        fields.value(self.method) == b"HEAD"
    }

    /// What a handler sees of it on the short way, with `room` for its fields; nothing when there are too many.
    pub(super) fn view<'a>(
        &self,
        fields: &'a Fields,
        room: &'a mut [httparse::Header<'a>; FIELDS_SHORT_MAX],
    ) -> Option<HeadView<'a>> {
        let count = fields.len() - self.first;
        let places = room.get_mut(..count)?;
        for (place, index) in places.iter_mut().zip(self.first..) {
            *place = httparse::Header {
                name: fields.name_text(index),
                value: fields.value(index),
            };
        }
        Some(HeadView {
            method: text(fields.value(self.method)),
            target: text(fields.value(self.path)),
            host: text(fields.value(self.host)),
            version: Version::HTTP_2,
            fields: places,
            body: false,
        })
    }

    /// The head in the types that handlers know. All values share one copy.
    ///
    /// # Errors
    /// When a type takes less than what was let through; there is no such case that we know of.
    pub(super) fn parts(&self, fields: &Fields) -> Result<Parts, Refusal> {
        let whole = Bytes::copy_from_slice(fields.text());
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::from_bytes(fields.value(self.method)).map_err(|_| Refusal::Malformed)?;
        let target = PathAndQuery::from_maybe_shared(whole.slice(fields.value_range(self.path)));
        parts.uri = Uri::from(target.map_err(|_| Refusal::Target)?);
        parts.version = Version::HTTP_2;
        parts.headers = headers(fields, self.first, &whole).ok_or(Refusal::Malformed)?;
        Ok(parts)
    }
}

/// The fields from `first` on, whose values are parts of `whole`.
fn headers(fields: &Fields, first: usize, whole: &Bytes) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len() - first + FIELDS_TO_ADD);
    for index in first..fields.len() {
        let name = HeaderName::from_bytes(fields.name(index)).ok()?;
        let value = if fields.value(index).is_empty() {
            HeaderValue::from_static("")
        } else {
            HeaderValue::from_maybe_shared(whole.slice(fields.value_range(index))).ok()?
        };
        headers.append(name, value);
    }
    Some(headers)
}

/// The trailers in `fields`, without what tells where a message ends or goes (RFC 9110 §6.5.1); nothing when they are
/// malformed (RFC 9113 §8.1, §8.2), or more than a head may have.
pub(super) fn trailers(fields: &Fields, limits: &ServerLimits) -> Option<HeaderMap> {
    let mut found = Found::default();
    for index in 0..fields.len() {
        found.field(fields, index).ok()?;
    }
    if found.padded || found.size > limits.header_size_max || fields.len() > limits.header_count_max {
        return None;
    }
    let mut headers = headers(fields, 0, &Bytes::copy_from_slice(fields.text()))?;
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, HOST] {
        headers.remove(name);
    }
    Some(headers)
}

/// What was found to be ASCII.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What bytes may be: in a token (RFC 9110 §5.6.2), in the name of a field here, which is in lower case, in a value.
const TOKEN: u8 = 1;
const NAME: u8 = 2;
const VALUE: u8 = 4;
const BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (is_lower, is_upper) = (byte >= 97 && byte <= 122, byte >= 65 && byte <= 90);
        let is_digit = byte >= 48 && byte <= 57;
        // ! # $ % & ' * + - . ^ _ ` | ~
        let is_mark = matches!(byte, 33 | 35..=39 | 42 | 43 | 45 | 46 | 94..=96 | 124 | 126);
        let mut bits = 0;
        if is_lower || is_digit || is_mark {
            bits |= TOKEN | NAME;
        }
        if is_upper {
            bits |= TOKEN;
        }
        if byte == 9 || byte >= 32 && byte != 127 {
            bits |= VALUE;
        }
        table[byte] = bits;
        byte += 1;
    }
    table
};

fn are(bytes: &[u8], bit: u8) -> bool {
    bytes.iter().all(|byte| BYTES[usize::from(*byte)] & bit != 0)
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && are(bytes, TOKEN)
}

fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && are(bytes, NAME)
}

fn is_value(bytes: &[u8]) -> bool {
    are(bytes, VALUE)
}

/// RFC 3986 §3.1.
fn is_scheme(bytes: &[u8]) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.iter().all(rest)
}

#[cfg(test)]
mod tests;
