//! What arrived and was not used yet.

use super::pages;
use bytes::{BufMut, Bytes, BytesMut};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// How much of a body is read at once past the buffer.
const BODY_READ_BYTES_MAX: u64 = 64 << 10;

/// The bytes, in a buffer that is only there while they are.
#[derive(Debug, Default)]
pub(crate) struct Input {
    page: Vec<u8>,
    start: usize,
    /// Where they end; what lies behind that is room.
    end: usize,
}

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.page[self.start..self.end]
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `length` bytes are done with.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start += length;
        debug_assert!(self.start <= self.end, "no more than there is");
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
        let mut room = ReadBuf::new(&mut self.page[self.end..]);
        let polled = Pin::new(stream).poll_read(cx, &mut room);
        let read = room.filled().len();
        self.end += read;
        if self.is_empty() {
            self.release();
        }
        polled.map_ok(|()| read)
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
        if self.page.is_empty() {
            self.page = pages::take_full();
        } else if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.page.len() {
            self.page.copy_within(self.start.., 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == self.page.len() {
                let doubled = (self.page.len() * 2).min(size_max).max(self.page.len() + 1);
                self.page.reserve_exact(doubled - self.page.len());
                self.page.resize(doubled, 0);
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
        (self.start, self.end) = (0, 0);
        pages::give_full(std::mem::take(&mut self.page));
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn what_is_read_grows_past_a_page_and_stays_in_order() {
        let sent: Vec<u8> = (0u32..100_000).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        let (mut stream, mut input) = (&sent[..], Input::default());
        let mut cx = Context::from_waker(Waker::noop());
        let mut fill = |input: &mut Input, size_max| match input.poll_fill(&mut stream, size_max, &mut cx) {
            Poll::Ready(Ok(read)) => read,
            other => panic!("{other:?}"),
        };
        let mut read = fill(&mut input, 40_000);
        assert_eq!(read, pages::PAGE_BYTES);
        input.consume(1000);
        while input.bytes().len() < 40_000 {
            read += fill(&mut input, 40_000);
            assert_eq!(input.bytes(), &sent[1000..read]);
        }
        // There is always room for one.
        assert_eq!(fill(&mut input, 40_000), 1);
        input.consume(40_001);
        assert!(input.is_empty());
        let kept = fill(&mut input, 40_000);
        assert_eq!(input.bytes(), &sent[41_001..41_001 + kept]);
    }
}
