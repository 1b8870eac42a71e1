//! The short way of a request: its head where it was read, and an answer that is all there. A handler that can answer so
//! costs no task, no map of fields and no allocation.

use ::http::{StatusCode, Version};
use bytes::Bytes;
use std::cell::RefCell;

/// A request head where it was read. Nothing is copied, and everything that [`crate::http::Handler`] promises of a request
/// holds for it as well.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// The target in origin form (`/path?query`), or `*`.
    pub target: &'a str,
    /// The authority: that of an absolute target, else `Host`; empty for a request of HTTP/1.0 without one.
    pub host: &'a str,
    /// 1.0, 1.1 or 2.
    pub version: Version,
    /// The fields as they were sent, `Host` among them, in whose place HTTP/2 may have had an `:authority`.
    pub fields: &'a [httparse::Header<'a>],
    /// Whether a body was announced, be it an empty one.
    pub body: bool,
}

impl<'a> HeadView<'a> {
    /// The value of the first field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        let mut fields = self.fields.iter();
        fields
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }
}

/// A whole answer, in buffers that are used again for the next one. They come empty.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields as lines, each `name: value` with its CRLF and the name in lower case; `Content-Length` among them where
    /// the status has a body. `Connection`, the line of the status and the empty one are not the handler's, nor is `Date`,
    /// unless it is [`Answer::dated`].
    pub head: Vec<u8>,
    /// Whether the head holds a `Date` already: a stored response keeps that of its origin.
    pub dated: bool,
    /// The beginning of the body, or all of it, copied: below some length that costs less than a piece does. Nothing for
    /// HEAD, 204 and 304.
    pub copied: Vec<u8>,
    /// The body behind that, in pieces that are written without being joined.
    pub body: Vec<Bytes>,
}

impl Answer {
    /// Calls `fill` with this thread's answer, emptied.
    pub(crate) fn with<T>(fill: impl FnOnce(&mut Self) -> T) -> T {
        thread_local! {
            static ANSWER: RefCell<Answer> = RefCell::default();
        }
        ANSWER.with_borrow_mut(|answer| {
            answer.clear();
            fill(answer)
        })
    }

    /// Empty again, with the buffers kept.
    pub fn clear(&mut self) {
        self.status = StatusCode::OK;
        self.head.clear();
        self.dated = false;
        self.copied.clear();
        self.body.clear();
    }
}
