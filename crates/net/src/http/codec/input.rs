//! What arrived and was not used yet.

use super::pages;
use bytes::{BufMut, Bytes, BytesMut};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of a body is read at once past the buffer.
const BODY_READ_BYTES_MAX: u64 = 64 << 10;

/// The bytes, in a buffer that is only there while they are.
#[derive(Debug, Default)]
pub(crate) struct Input {
    page: Vec<u8>,
    start: usize,
}

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.page[self.start..]
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.page.len()
    }

    /// The first `length` bytes are done with.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.page.len(), "no more than there is");
    }

    /// The first `length` bytes, taken out.
    pub(crate) fn split(&mut self, length: usize) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.bytes()[..length]);
        self.consume(length);
        bytes
    }

    /// Reads what there is; the number of bytes, 0 at the end of the stream. There may be at most `size_max` bytes then, and
    /// there must be room for one.
    pub(crate) fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        size_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room(size_max);
        let polled = {
            let room = self.page.capacity() - self.page.len();
            let mut room = (&mut self.page).limit(room);
            pin!(stream.read_buf(&mut room)).poll(cx)
        };
        if self.is_empty() {
            self.release();
        }
        polled
    }

    /// Reads up to `length` bytes of a body without a copy; there must be nothing in the buffer.
    pub(crate) fn poll_body<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        length: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        debug_assert!(self.is_empty(), "what is here comes first");
        let length = usize::try_from(length.min(BODY_READ_BYTES_MAX)).unwrap_or(usize::MAX);
        let mut body = BytesMut::with_capacity(length);
        let polled = {
            let mut room = (&mut body).limit(length);
            pin!(stream.read_buf(&mut room)).poll(cx)
        };
        polled.map_ok(|_| body.freeze())
    }

    /// Room for at least one byte more.
    fn make_room(&mut self, size_max: usize) {
        if self.page.capacity() == 0 {
            self.page = pages::take();
        } else if self.is_empty() {
            self.page.clear();
            self.start = 0;
        } else if self.page.len() == self.page.capacity() {
            self.page.drain(..self.start);
            self.start = 0;
            if self.page.len() == self.page.capacity() {
                let doubled = (self.page.capacity() * 2).min(size_max);
                let more = doubled.saturating_sub(self.page.len()).max(1);
                self.page.reserve_exact(more);
            }
        }
    }

    /// Holds no buffer any more, if there is nothing in it.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.release();
        }
    }

    /// Holds no buffer any more; there must be nothing in it.
    fn release(&mut self) {
        self.start = 0;
        pages::give(std::mem::take(&mut self.page));
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.release();
    }
}
