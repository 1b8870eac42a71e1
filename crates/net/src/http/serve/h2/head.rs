//! The head of a request over HTTP/2: brought to the form that [`crate::http::Handler`] promises, or refused. What is
//! malformed by itself (RFC 9113 §8.2, §8.3: fields of a connection, upper case, line ends, missing or foreign pseudo fields)
//! the crate `h2` has refused before; this refuses what it lets through and what HTTP/1 is refused for.

use super::super::ServerLimits;
use crate::http::Refusal;
use crate::http::codec::is_path;
use crate::http::framing::is_host;
use ::http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use ::http::request::Parts;
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Method, Uri};

/// What a field counts for beside its name and value, as in HTTP/1: `: ` and a line's end.
const FIELD_BYTES: usize = 4;

/// What the fields say about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its length, when it was announced. The crate `h2` sees that it is kept.
    pub(super) length: Option<u64>,
    /// Whether the client waits to be asked for it.
    pub(super) expects_continue: bool,
}

/// Brings `head` into form.
pub(super) fn admit(head: &mut Parts, limits: &ServerLimits) -> Result<Facts, Refusal> {
    let fields = head.headers.iter();
    let size: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES)
        .sum();
    if size > limits.header_size_max || head.headers.len() > limits.header_count_max {
        return Err(Refusal::HeaderTooLarge);
    }
    // RFC 9113 §8.2.1; written into HTTP/1 such a value would become another one.
    let blank = |byte: Option<&u8>| byte.is_some_and(|byte| *byte == b' ' || *byte == b'\t');
    let padded = |value: &HeaderValue| blank(value.as_bytes().first()) || blank(value.as_bytes().last());
    if head.headers.values().any(padded) {
        return Err(Refusal::Malformed);
    }
    if head.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    admit_host(head)?;
    admit_target(head, limits)?;
    let facts = Facts {
        length: length(&head.headers, limits)?,
        expects_continue: expectation(&head.headers)?,
    };
    join_cookies(&mut head.headers);
    Ok(facts)
}

/// RFC 9113 §8.3.1: `:authority`, or `Host`, or both when they say the same; exactly one `Host` comes out.
fn admit_host(head: &mut Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refusal::HostTwice);
    }
    if host.is_some_and(|host| !is_host(host)) {
        return Err(Refusal::HostInvalid);
    }
    match (head.uri.authority(), host) {
        (None, None) => Err(Refusal::HostMissing),
        (None, Some(_)) => Ok(()),
        (Some(authority), _) if !is_host(authority.as_str()) => Err(Refusal::HostInvalid),
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err(Refusal::HostDisagrees)
        }
        (Some(authority), _) => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::HostInvalid)?;
            head.headers.insert(HOST, host);
            Ok(())
        }
    }
}

/// Leaves of the target what HTTP/1 calls its origin form. A fragment has been taken off by the type for it.
fn admit_target(head: &mut Parts, limits: &ServerLimits) -> Result<(), Refusal> {
    if head
        .uri
        .scheme_str()
        .is_some_and(|scheme| scheme != "http" && scheme != "https")
    {
        return Err(Refusal::Target);
    }
    let path = head
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let target = path.as_str();
    if target.len() > limits.uri_length_max {
        return Err(Refusal::UriTooLong);
    }
    let asterisk = target == "*" && head.method == Method::OPTIONS;
    let origin_form = target.starts_with('/') && is_path(target);
    if !(asterisk || origin_form) {
        return Err(Refusal::Target);
    }
    head.uri = Uri::from(path);
    Ok(())
}

/// RFC 9110 §8.6: digits, and once.
fn length(headers: &HeaderMap, limits: &ServerLimits) -> Result<Option<u64>, Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    let digits = first
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits
        .and_then(|text| text.parse().ok())
        .ok_or(Refusal::ContentLength)?;
    if lengths.next().is_some() {
        return Err(Refusal::ContentLength);
    }
    if length > limits.request_body_max {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(Some(length))
}

/// RFC 9110 §10.1.1.
fn expectation(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut expectations = headers.get_all(EXPECT).iter();
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if expectations.all(known) {
        Ok(headers.contains_key(EXPECT))
    } else {
        Err(Refusal::Expectation)
    }
}

/// RFC 9113 §8.2.3: cookies that were sent in pieces become one field again for whoever does not speak HTTP/2.
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() < 2 {
        return;
    }
    let joined = HeaderValue::from_bytes(&pieces.join(&b"; "[..])).expect("values joined by text are a value");
    headers.insert(COOKIE, joined);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    /// The outcome for a method, a target and fields: target and Host that the handler sees, or the refusal.
    fn outcome(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let limits = ServerLimits {
            uri_length_max: 20,
            request_body_max: 100,
            ..ServerLimits::default()
        };
        admit(&mut head, &limits)?;
        Ok(format!("{} {}", head.uri, head.headers[HOST].to_str().unwrap()))
    }

    #[test]
    fn heads_by_table() {
        type Fields = &'static [(&'static str, &'static str)];
        let table: &[(&str, &str, Fields, Result<&str, Refusal>)] = &[
            ("GET", "http://y/a?b", &[], Ok("/a?b y")),
            ("GET", "https://y:8443/", &[("host", "Y:8443")], Ok("/ y:8443")),
            ("GET", "/a", &[("host", "x")], Ok("/a x")),
            ("OPTIONS", "*", &[("host", "x")], Ok("* x")),
            ("GET", "*", &[("host", "x")], Err(Refusal::Target)),
            ("GET", "ftp://y/", &[], Err(Refusal::Target)),
            ("GET", "http://y/\u{e4}", &[], Err(Refusal::Target)),
            ("GET", "http://y/12345678901234567890", &[], Err(Refusal::UriTooLong)),
            ("CONNECT", "y:80", &[], Err(Refusal::Method)),
            ("GET", "/", &[], Err(Refusal::HostMissing)),
            ("GET", "/", &[("host", "")], Err(Refusal::HostInvalid)),
            ("GET", "http://u:p@y/", &[], Err(Refusal::HostInvalid)),
            ("GET", "http://y/", &[("host", "u@y")], Err(Refusal::HostInvalid)),
            ("GET", "http://y/", &[("host", "z")], Err(Refusal::HostDisagrees)),
            (
                "GET",
                "http://y/",
                &[("host", "y"), ("host", "y")],
                Err(Refusal::HostTwice),
            ),
            ("POST", "http://y/", &[("content-length", "100")], Ok("/ y")),
            (
                "POST",
                "http://y/",
                &[("content-length", "101")],
                Err(Refusal::BodyTooLarge),
            ),
            (
                "POST",
                "http://y/",
                &[("content-length", "+1")],
                Err(Refusal::ContentLength),
            ),
            (
                "POST",
                "http://y/",
                &[("content-length", "1"), ("content-length", "1")],
                Err(Refusal::ContentLength),
            ),
            ("POST", "http://y/", &[("expect", "100-Continue")], Ok("/ y")),
            (
                "POST",
                "http://y/",
                &[("expect", "a miracle")],
                Err(Refusal::Expectation),
            ),
        ];
        for (method, target, fields, expected) in table {
            let expected = expected.map(str::to_owned);
            assert_eq!(
                outcome(method, target, fields),
                expected,
                "{method} {target} {fields:?}"
            );
        }
    }
}
