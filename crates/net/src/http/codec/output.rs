//! What is to be written: text of ours (heads, chunk sizes) gathered in one buffer, and bodies in pieces that are never
//! copied. All of it goes out together, in as few calls as the system allows.

use super::pages;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// How many pieces go out with one call.
const SLICES_MAX: usize = 32;
/// How much room for pieces an idle connection may hold.
const PIECES_KEPT_MAX: usize = 8;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(crate) struct Output {
    text: Vec<u8>,
    /// How much of the text has been written.
    text_start: usize,
    pieces: VecDeque<Piece>,
    length: usize,
    /// How much was written ever.
    written: u64,
}

#[derive(Debug)]
enum Piece {
    /// So many bytes of the text.
    Text(usize),
    Body(Bytes),
}

impl Piece {
    /// Its bytes; those of a text are taken from what is left of it.
    fn bytes<'a>(&'a self, text: &mut &'a [u8]) -> &'a [u8] {
        match self {
            Self::Text(length) => {
                let (now, later) = text.split_at(*length);
                *text = later;
                now
            }
            Self::Body(bytes) => bytes,
        }
    }
}

impl Output {
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of bytes that wait.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// How many bytes went out so far.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// How many will have gone out once those that wait have.
    pub(crate) const fn end(&self) -> u64 {
        self.written + self.length as u64
    }

    /// Appends what `write` appends to the text.
    pub(crate) fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.text.capacity() == 0 {
            self.text = pages::take_empty();
        }
        let before = self.text.len();
        write(&mut self.text);
        let written = self.text.len() - before;
        self.length += written;
        match self.pieces.back_mut() {
            Some(Piece::Text(length)) => *length += written,
            _ if written > 0 => self.pieces.push_back(Piece::Text(written)),
            _ => {}
        }
    }

    /// Appends bytes as they are.
    pub(crate) fn body(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(Piece::Body(bytes));
        }
    }

    /// Writes once; the number of bytes that went out. There must be something to write.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut text = &self.text[self.text_start..];
        let written = match self.pieces.front() {
            // One piece costs less to look at, here and in the system.
            Some(piece) if self.pieces.len() == 1 => ready!(Pin::new(stream).poll_write(cx, piece.bytes(&mut text)))?,
            _ => {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                    *slice = IoSlice::new(piece.bytes(&mut text));
                    count += 1;
                }
                ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?
            }
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut written: usize) {
        self.length -= written;
        self.written += written as u64;
        while written > 0 {
            let Some(piece) = self.pieces.front_mut() else { break };
            let now = match piece {
                Piece::Text(length) => {
                    let now = written.min(*length);
                    *length -= now;
                    self.text_start += now;
                    now
                }
                Piece::Body(bytes) => {
                    let now = written.min(bytes.len());
                    bytes.advance(now);
                    now
                }
            };
            written -= now;
            if matches!(piece, Piece::Text(0)) || matches!(piece, Piece::Body(bytes) if bytes.is_empty()) {
                self.pieces.pop_front();
            }
        }
        if self.is_empty() {
            self.release();
        } else if self.text_start == self.text.len() {
            // A long body: what its chunk sizes took does not pile up.
            self.text.clear();
            self.text_start = 0;
        } else if self.text_start >= pages::PAGE_BYTES && self.text_start * 2 >= self.text.len() {
            // Nor does it where there is always something left to write. At most as much is moved as was written.
            self.text.drain(..self.text_start);
            self.text_start = 0;
        }
    }

    fn release(&mut self) {
        self.text_start = 0;
        pages::give_empty(std::mem::take(&mut self.text));
        if self.pieces.capacity() > PIECES_KEPT_MAX {
            self.pieces = VecDeque::new();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes a little of what it is given.
    struct Slow;

    impl AsyncWrite for Slow {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len().min(1000)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_was_written_is_not_kept_though_there_is_always_more() {
        let (mut output, mut cx) = (Output::default(), Context::from_waker(Waker::noop()));
        for _ in 0..10_000 {
            while output.len() < 64 << 10 {
                output.text(|text| text.extend_from_slice(&[b'x'; 100]));
            }
            assert!(output.poll_write(&mut Slow, &mut cx).is_ready());
        }
        assert!(output.text.capacity() < 1 << 20, "{}", output.text.capacity());
    }
}
