//! What the fields of a request say about its connection and its body, where that has to be beyond doubt: RFC 9112 §3.2,
//! §6.1 to §6.3, §9.3, RFC 9110 §7.6, §10.1.1.

use super::head::HeadLimits;
use super::host::is_host;
use crate::http::Refusal;
use ::http::Version;
use httparse::Header;

/// Where the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body, or one of no bytes.
    Nothing,
    /// After so many bytes.
    Length(u64),
    /// Where its chunks say so.
    Chunked,
}

/// What the fields say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) framing: Framing,
    /// Whether a body was announced, be it an empty one.
    pub(crate) announces_body: bool,
    /// Whether the connection may stay open after the answer.
    pub(crate) keep_alive: bool,
    /// Whether the client waits to be asked for its body.
    pub(crate) expects_continue: bool,
    /// Whether the client takes trailers.
    pub(crate) takes_trailers: bool,
    /// Whether the connection is to change its protocol.
    pub(crate) upgrade: bool,
    /// Whether there is a `Max-Forwards`.
    pub(crate) max_forwards: bool,
    /// Which field is `Host`.
    pub(crate) host: Option<usize>,
}

/// What `Connection` says, over all its lines.
#[derive(Clone, Copy, Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl Facts {
    /// Reads them in one go over `fields`.
    pub(crate) fn read(fields: &[Header<'_>], version: Version, limits: &HeadLimits) -> Result<Self, Refusal> {
        let (mut host, mut length, mut chunked) = (None, None, false);
        let (mut expects_continue, mut takes_trailers, mut upgrade, mut max_forwards) = (false, false, false, false);
        let mut connection = Connection::default();
        for (at, Header { name, value }) in fields.iter().enumerate() {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match name.len() {
                2 if is("te") => takes_trailers |= tokens(value).any(is_trailers),
                4 if is("host") => match host.replace(at) {
                    Some(_) => return Err(Refusal::HostTwice),
                    None if !is_host(value) => return Err(Refusal::HostInvalid),
                    None => {}
                },
                6 if is("expect") => {
                    if !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Refusal::Expectation);
                    }
                    expects_continue = true;
                }
                7 if is("upgrade") => upgrade = true,
                10 if is("connection") => connection.read(value),
                12 if is("max-forwards") => max_forwards = true,
                14 if is("content-length") && length.replace(number(value)?).is_some() => {
                    return Err(Refusal::ContentLength);
                }
                17 if is("transfer-encoding") => {
                    // One single coding, once, and not where the version knows none (RFC 9112 §6.1).
                    if chunked || version == Version::HTTP_10 || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Refusal::TransferEncoding);
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        let framing = match (chunked, length) {
            // RFC 9112 §6.3 has two ways out of this, one of which is to refuse; the other has been the attack.
            (true, Some(_)) => return Err(Refusal::TransferEncoding),
            (true, None) => Framing::Chunked,
            (false, Some(length)) if length > limits.body_max => return Err(Refusal::BodyTooLarge),
            (false, None | Some(0)) => Framing::Nothing,
            (false, Some(length)) => Framing::Length(length),
        };
        let newer = version == Version::HTTP_11;
        Ok(Self {
            framing,
            announces_body: chunked || length.is_some(),
            keep_alive: !connection.close && (newer || connection.keep_alive),
            // RFC 9110 §10.1.1: an expectation in HTTP/1.0 is ignored, and one without a body has nothing to wait for.
            expects_continue: expects_continue && newer && framing != Framing::Nothing,
            takes_trailers: takes_trailers && newer,
            upgrade: upgrade && newer && connection.upgrade,
            max_forwards,
            host,
        })
    }
}

impl Connection {
    fn read(&mut self, value: &[u8]) {
        for token in tokens(value) {
            match token.len() {
                5 => self.close |= token.eq_ignore_ascii_case(b"close"),
                7 => self.upgrade |= token.eq_ignore_ascii_case(b"upgrade"),
                10 => self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }
}

/// The members of a list.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn is_trailers(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"trailers")
}

/// RFC 9110 §8.6: digits, and nothing else: no sign, no list of equal numbers, no white space within.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Refusal::ContentLength)
}
