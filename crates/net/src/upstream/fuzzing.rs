//! What fuzzers call and nobody else: the heads of a response on the way that they take from an origin's bytes to the plane.

use super::head;
use super::http1::{HeadRule, Heads};
use ::http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use ::http::{Response, StatusCode};

const RULE: HeadRule = HeadRule {
    bytes_max: 8 << 10,
    fields_max: 64,
    interim_max: 4,
};

/// What is read of the heads in some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The statuses, of which all but the last are interim.
    pub statuses: Vec<StatusCode>,
    /// The bytes that they take.
    pub length: usize,
    /// The last of them is final.
    pub over: bool,
    /// The connection is not to be used again.
    pub doubtful: bool,
    /// The fields that say where the body ends, once it was let through.
    pub framing: Option<(Vec<HeaderValue>, Vec<HeaderValue>)>,
}

/// What is read of `pieces` that come one after the other; nothing where they end the connection.
#[must_use]
pub fn read(pieces: &[&[u8]]) -> Option<Read> {
    let (mut heads, mut here, mut read) = (Heads::default(), Vec::new(), Read::default());
    for piece in pieces {
        here.extend_from_slice(piece);
        while !read.over && !here.is_empty() {
            let Some(head) = heads.next(&here, RULE).ok()? else {
                break;
            };
            here.drain(..head.length);
            read.length += head.length;
            read.statuses.push(head.status);
            read.doubtful |= head.is_doubtful;
            read.over = !head.is_interim();
            if read.over {
                read.framing = framing(head.status, head.headers);
            }
        }
    }
    Some(read)
}

fn framing(status: StatusCode, headers: HeaderMap) -> Option<(Vec<HeaderValue>, Vec<HeaderValue>)> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let (response, _) = head::check(response, None).ok()?;
    let all = |headers: &HeaderMap, name| headers.get_all(name).iter().cloned().collect();
    Some((
        all(response.headers(), CONTENT_LENGTH),
        all(response.headers(), TRANSFER_ENCODING),
    ))
}
