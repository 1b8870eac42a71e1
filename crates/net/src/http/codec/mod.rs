//! HTTP/1 as bytes: our own codec, the only one that clients of HTTP/1 meet.
//!
//! The pure parts (`head`, `fields`, `host`, `scan`, `chunked`, `respond`) decide about bytes and do no I/O;
//! `input`, `output` and `wire` move bytes and decide nothing; `exchange` takes a request the long way. The story of
//! a connection is told in `serve/connection.rs`.
//!
//! What it promises: a request reaches a handler only if there is one way to read it, so that no server behind us can read
//! another one out of the same bytes; what is refused ends the connection. An idle connection holds no buffer. A request
//! that is answered at once costs one read, one write, and no allocation.

pub(crate) mod chunked;
pub(crate) mod exchange;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod input;
pub(crate) mod intake;
pub(crate) mod output;
pub(crate) mod pages;
pub(crate) mod receive;
pub(crate) mod relay;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod scan;
pub(crate) mod transport;
pub(crate) mod wire;

pub use chunked::{ChunkedDecoder, Decoded, NotChunked};
pub use head::HeadLimits;
pub(crate) use head::is_path;
pub(crate) use host::is_host;

use crate::http::Refusal;
use std::mem::MaybeUninit;

/// For fuzzers: the length of the request head at the beginning of `bytes`, and whether it goes the long way well; nothing
/// while its end is missing.
///
/// # Errors
/// Why it is refused.
pub fn parse_request_head(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
    let mut room = [const { MaybeUninit::uninit() }; 128];
    let Some(head) = head::parse(bytes, &mut room, limits)? else {
        return Ok(None);
    };
    request::parts(&head, bytes)?;
    Ok(Some(head.length))
}

#[cfg(test)]
mod tests;
