//! The W3C's trace context: which trace a request belongs to, and what its own span is called. A trace is continued where a
//! request brings one that can be read, else begun; whether it is recorded is the caller's decision, or chance's where nobody
//! decided (W3C Trace Context, §3.2 and §4).

use peregrine_base::{Instant, Random, WallTime};
use std::fmt;

/// The field that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// The field with what vendors add to it; worth nothing without the other.
pub const TRACESTATE: &str = "tracestate";

/// The number of a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// The number of a span; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub u64);

/// What a request says of its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Whether the caller records it.
    pub sampled: bool,
}

/// A request's part of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The request's own span.
    pub span: SpanId,
    /// The caller's, if it has one.
    pub parent: Option<SpanId>,
    /// Whether it is recorded.
    pub sampled: bool,
    /// When the request had been parsed.
    pub began: Instant,
    /// The same in civil time; [`WallTime::UNKNOWN`] where nobody asked.
    pub began_wall: WallTime,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl SpanId {
    /// A new one.
    #[must_use]
    pub fn new(random: &dyn Random) -> Self {
        Self(random.next_u64().max(1))
    }
}

impl TraceId {
    /// A new one.
    #[must_use]
    pub fn new(random: &dyn Random) -> Self {
        Self((u128::from(random.next_u64()) << 64) | u128::from(random.next_u64().max(1)))
    }
}

impl TraceParent {
    /// Reads the field; nothing where it is none. A version that is not known is read as far as it is (§3.2.2.1).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let mut parts = text.splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = version == "00";
        if hex(version, 2)? == 0xff || is_known && parts.next().is_some() {
            return None;
        }
        let (trace, span) = (hex(trace, 32)?, hex(span, 16)?);
        let sampled = hex(flags, 2)? & 1 == 1;
        let span = u64::try_from(span).ok()?;
        (trace != 0 && span != 0).then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            sampled,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span, flags) = (self.trace, self.span.0, u8::from(self.sampled));
        write!(f, "00-{trace}-{span:016x}-{flags:02x}")
    }
}

/// A number in lower-case hexadecimal digits, exactly so many.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(is_lower))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_as_it_was_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent::parse(text.as_bytes()).unwrap();
        assert!(parent.sampled);
        assert_eq!(parent.to_string(), text);
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more-of-it";
        assert_eq!(
            TraceParent::parse(later.as_bytes()).map(|parent| parent.sampled),
            Some(false)
        );
    }

    #[test]
    fn what_is_no_trace_is_not_continued() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
        ] {
            assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(TraceParent::parse(b"\xff\xfe"), None);
    }
}
