//! What is asked: plans make requests, observers see the answers.

use crate::load::connection::Failure;
use crate::load::target::Target;
use peregrine_base::Instant;
use std::io::Write as _;

/// Decides about every request of a run.
pub trait Plan: Send + Sync + 'static {
    /// What the plan wants to remember of a request until its answer comes.
    type Note: Send + 'static;

    /// Writes the next request into `wire`, which is empty, and says what it is. All chance comes from `rng`, one generator
    /// per connection, so that a seed repeats the requests of each connection.
    fn next(&self, rng: &mut fastrand::Rng, wire: &mut Vec<u8>) -> Planned<Self::Note>;
}

/// A request that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Planned<N> {
    /// For the observer.
    pub note: N,
    /// Whether it is a HEAD, whose answer has no body.
    pub to_head: bool,
    /// Whether it may be sent again when a reused connection turns out to be closed.
    pub is_repeatable: bool,
}

/// Sees every answer of a run, the warm-up's included, on the connection's own task: it must be quick.
pub trait Observer<N>: Send + Sync + 'static {
    /// Whether heads and bodies are to be kept for it. Without, [`Observer::answer`] is never called.
    const KEEPS: bool = true;

    /// An answer has come completely.
    fn answer(&self, note: N, answer: &Answer<'_>);

    /// No answer came.
    fn failure(&self, note: N, failure: Failure);
}

/// Looks away.
impl<N: Send + 'static> Observer<N> for () {
    const KEEPS: bool = false;

    fn answer(&self, _note: N, _answer: &Answer<'_>) {}

    fn failure(&self, _note: N, _failure: Failure) {}
}

/// An answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The whole head as it was received.
    pub head: &'a [u8],
    /// The body without the chunked coding.
    pub body: &'a [u8],
    /// When its first byte was about to be written.
    pub started: Instant,
    /// When its last byte had been read.
    pub answered: Instant,
}

impl<'a> Answer<'a> {
    /// The value of the last header field called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        let values = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            line[..colon]
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| line[colon + 1..].trim_ascii())
        });
        values.last().and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// Writes one HTTP/1.1 request. `fields` are written as they are; framing is added when there is a body.
pub fn write_request(wire: &mut Vec<u8>, method: &str, path: &str, fields: &[(&str, &str)], body: Option<&[u8]>) {
    for part in [method, " ", path, " HTTP/1.1\r\n"] {
        wire.extend_from_slice(part.as_bytes());
    }
    for (name, value) in fields {
        for part in [name, ": ", value, "\r\n"] {
            wire.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(body) = body {
        write!(wire, "Content-Length: {}\r\n", body.len()).expect("a vector takes everything");
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(body.unwrap_or_default());
}

/// The same request again and again: what `bench URL` sends.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    wire: Vec<u8>,
    to_head: bool,
    is_repeatable: bool,
}

/// Why a request cannot be sent as given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not a token (RFC 9110 §9.1).
    #[error("`{0}` is not a method")]
    Method(String),
    /// Not a field name, or a value with bytes that may not stand in one.
    #[error("`{0}` cannot be sent as a header: write it as \"Name: value\"")]
    Header(String),
    /// A field that the generator sets by itself.
    #[error("`{0}` describes the length of the body and is set by the load generator")]
    Framing(String),
}

impl BenchPlan {
    /// A plan for `path` at `target`. `Host`, `User-Agent` and `Accept` are added where `headers` do not set them.
    ///
    /// # Errors
    /// When the method or a header is none.
    pub fn new(
        target: &Target,
        path: &str,
        method: &str,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<Self, PlanError> {
        if !is_token(method) {
            return Err(PlanError::Method(method.to_owned()));
        }
        for (name, value) in headers {
            let is_value = value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 127));
            if !is_token(name) || !is_value {
                return Err(PlanError::Header(format!(
                    "{}: {}",
                    name.escape_debug(),
                    value.escape_debug()
                )));
            }
            if ["content-length", "transfer-encoding"]
                .iter()
                .any(|framing| name.eq_ignore_ascii_case(framing))
            {
                return Err(PlanError::Framing(name.clone()));
            }
        }
        let defaults = [
            ("Host", target.authority.as_str()),
            ("User-Agent", "peregrine-bench"),
            ("Accept", "*/*"),
        ];
        let is_set = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let mut fields: Vec<(&str, &str)> = defaults.into_iter().filter(|(name, _)| !is_set(name)).collect();
        fields.extend(headers.iter().map(|(name, value)| (name.as_str(), value.trim())));
        let takes_body = matches!(method, "POST" | "PUT" | "PATCH");
        let mut wire = Vec::new();
        write_request(&mut wire, method, path, &fields, body.or(takes_body.then_some(&[])));
        Ok(Self {
            wire,
            to_head: method == "HEAD",
            is_repeatable: matches!(method, "GET" | "HEAD" | "OPTIONS"),
        })
    }
}

/// Whether `text` is a token of HTTP (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl Plan for BenchPlan {
    type Note = ();

    fn next(&self, _rng: &mut fastrand::Rng, wire: &mut Vec<u8>) -> Planned<()> {
        wire.extend_from_slice(&self.wire);
        Planned {
            note: (),
            to_head: self.to_head,
            is_repeatable: self.is_repeatable,
        }
    }
}
