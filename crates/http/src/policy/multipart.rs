//! Writing multipart/byteranges (RFC 9110 §14.6): what stands before each part, and after the last one. The bytes of the parts
//! themselves are the caller's.

use http::HeaderValue;
use http::header::{self, HeaderMap};
use peregrine_cache::ByteSpan;

/// The frame of a multipart answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    /// What stands before each part.
    pub before: Vec<String>,
    /// What stands after the last.
    pub end: String,
}

impl Multipart {
    /// The frame for `parts` of a response with `headers` and `complete` bytes. `chance` makes the boundary one that the
    /// content does not hold, nor anybody can foresee.
    #[must_use]
    pub fn new(headers: &HeaderMap, parts: &[ByteSpan], complete: u64, chance: [u64; 2]) -> Self {
        let boundary = format!("{:016x}{:016x}", chance[0], chance[1]);
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.map_or(String::new(), |kind| format!("Content-Type: {kind}\r\n"));
        let before = parts.iter().enumerate().map(|(index, span)| {
            let line = if index == 0 { "" } else { "\r\n" };
            let range = content_range(*span, complete);
            format!("{line}--{boundary}\r\n{kind}Content-Range: {range}\r\n\r\n")
        });
        Self {
            before: before.collect(),
            end: format!("\r\n--{boundary}--\r\n"),
            boundary,
        }
    }

    /// The type of the answer.
    #[must_use]
    pub fn content_type(&self) -> HeaderValue {
        let kind = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(kind).unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"))
    }

    /// The length of the answer, for parts of `total` bytes.
    #[must_use]
    pub fn length(&self, total: u64) -> u64 {
        let frame: usize = self.before.iter().map(String::len).sum::<usize>() + self.end.len();
        total + frame as u64
    }
}

/// `bytes 0-4/10`.
#[must_use]
pub fn content_range(span: ByteSpan, complete: u64) -> String {
    format!("bytes {}-{}/{complete}", span.start, span.end.saturating_sub(1))
}
