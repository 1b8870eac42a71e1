//! What an origin sends over HTTP/1.1, watched on its way to hyper. hyper's parser keeps to the framing, but is lenient where
//! a proxy should not be, and bounds nothing before the final head. So that a doubt is never shared with the next request:
//!
//! - heads are bounded in bytes, interim ones (1xx) also in number, as they arrive;
//! - bytes that were there before a request was written are no answer to it;
//! - line ends other than CRLF, and empty lines before a head (RFC 9112 §2.2 lets a recipient accept both), mark the
//!   connection as one not to be used again.
//!
//! Bodies pass unseen.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::ThreadId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How large the head of a response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadRule {
    pub(crate) bytes_max: usize,
    pub(crate) fields_max: usize,
    pub(crate) interim_max: usize,
}

/// What is told about a connection from one side to the other.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The thread that opened the connection. Where each core has an event loop, that is the loop which drives it.
    opened_by: ThreadId,
    /// A request was written, and its answer was not read to the end yet.
    busy: AtomicBool,
    /// What came was not beyond doubt.
    doubtful: AtomicBool,
    /// Something came that nobody had asked for.
    unsolicited: AtomicBool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            opened_by: std::thread::current().id(),
            busy: AtomicBool::default(),
            doubtful: AtomicBool::default(),
            unsolicited: AtomicBool::default(),
        }
    }
}

impl Watch {
    /// Whether this thread opened the connection.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.opened_by == std::thread::current().id()
    }

    /// The answer was read to its end.
    pub(crate) fn rest(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Whether something came that nobody had asked for.
    pub(crate) fn was_unsolicited(&self) -> bool {
        self.unsolicited.load(Ordering::Acquire)
    }

    /// Whether the connection is not to be used again.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }
}

/// Why a connection is not read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    TooLarge,
    TooManyInterim,
    Unsolicited,
}

impl fmt::Display for HeadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the head is larger than response_head_max, or has more fields than response_fields_max",
            Self::TooManyInterim => "there are more interim responses than interim_max",
            Self::Unsolicited => "bytes came before the request was sent",
        })
    }
}

impl std::error::Error for HeadFault {}

impl From<HeadFault> for io::Error {
    fn from(fault: HeadFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// A connection to an origin.
pub(crate) struct Checked<S> {
    inner: S,
    rule: HeadRule,
    watch: std::sync::Arc<Watch>,
    scan: Scan,
    /// Whether bytes wait to be read, where that can be asked.
    early: Option<fn(&S) -> bool>,
}

impl<S> Checked<S> {
    pub(crate) const fn new(
        inner: S,
        rule: HeadRule,
        watch: std::sync::Arc<Watch>,
        early: Option<fn(&S) -> bool>,
    ) -> Self {
        Self {
            inner,
            rule,
            watch,
            scan: Scan::new(),
            early,
        }
    }

    /// Something is to be written: the first of a request finds nothing waiting to be read.
    fn before_write(&mut self) -> io::Result<()> {
        if self.watch.busy.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.scan = Scan::new();
        if self.early.is_some_and(|early| early(&self.inner)) {
            self.watch.unsolicited.store(true, Ordering::Release);
            return Err(HeadFault::Unsolicited.into());
        }
        Ok(())
    }
}

/// Whether bytes wait to be read, without taking them. The end of the stream is none.
pub(crate) fn has_bytes(stream: &TcpStream) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    matches!(socket2::SockRef::from(stream).peek(&mut byte), Ok(1))
}

/// Where in the heads of a response the reading is.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Bytes of this head so far.
    bytes: usize,
    /// Lines of this head so far that are not empty.
    lines: usize,
    /// Bytes of this line so far.
    line: usize,
    /// The last byte was CR.
    cr: bool,
    /// The status code of this head, as it was written.
    status: [u8; 3],
    /// Interim heads so far.
    interim: usize,
    /// The final head was seen.
    over: bool,
}

/// Where the status code stands in a status line.
const STATUS: std::ops::Range<usize> = 9..12;

impl Scan {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: 0,
            lines: 0,
            line: 0,
            cr: false,
            status: [0; 3],
            interim: 0,
            over: false,
        }
    }

    /// Reads on; true when something is doubtful.
    pub(crate) fn read(&mut self, bytes: &[u8], rule: HeadRule) -> Result<bool, HeadFault> {
        let mut doubtful = false;
        for byte in bytes {
            if self.over {
                break;
            }
            self.bytes += 1;
            if self.bytes > rule.bytes_max {
                return Err(HeadFault::TooLarge);
            }
            if *byte != b'\n' {
                if self.lines == 0 && STATUS.contains(&self.line) {
                    self.status[self.line - STATUS.start] = *byte;
                }
                self.cr = *byte == b'\r';
                self.line += 1;
                continue;
            }
            doubtful |= !self.cr;
            let is_empty = self.line == usize::from(self.cr);
            (self.line, self.cr) = (0, false);
            match (is_empty, self.lines) {
                (true, 0) => doubtful = true,
                (true, _) => self.end_of_head(rule)?,
                (false, _) => self.lines += 1,
            }
            // One of them is the status line.
            if self.lines > rule.fields_max + 1 {
                return Err(HeadFault::TooLarge);
            }
        }
        Ok(doubtful)
    }

    fn end_of_head(&mut self, rule: HeadRule) -> Result<(), HeadFault> {
        let interim = self.interim + 1;
        if self.status[0] != b'1' || self.status == *b"101" {
            self.over = true;
            return Ok(());
        }
        if interim > rule.interim_max {
            return Err(HeadFault::TooManyInterim);
        }
        *self = Self { interim, ..Self::new() };
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Checked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let is_busy = self.watch.busy.load(Ordering::Acquire);
        if !is_busy && buffer.filled().len() > before {
            // hyper finds the same, but only says that the connection is not to be had.
            self.watch.unsolicited.store(true, Ordering::Release);
        }
        if is_busy && !self.scan.over {
            let rule = self.rule;
            if self.scan.read(&buffer.filled()[before..], rule)? {
                self.watch.doubtful.store(true, Ordering::Release);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Checked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.before_write()?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.before_write()?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: HeadRule = HeadRule {
        bytes_max: 60,
        fields_max: 2,
        interim_max: 2,
    };

    /// What the scan says of `text`, read in pieces of `size`.
    fn scan(text: &str, size: usize) -> Result<(bool, bool), HeadFault> {
        let (mut scan, mut doubtful) = (Scan::new(), false);
        for piece in text.as_bytes().chunks(size) {
            doubtful |= scan.read(piece, RULE)?;
        }
        Ok((doubtful, scan.over))
    }

    #[test]
    fn heads_are_bounded_and_doubts_noticed_however_they_are_cut() {
        let table = [
            ("HTTP/1.1 200 OK\r\na: b\r\n\r\n\nbody\n\n", Ok((false, true))),
            ("HTTP/1.1 200 OK\r\na: b\r\n", Ok((false, false))),
            ("HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok((false, true))),
            ("HTTP/1.1 103 X\r\n\r\n", Ok((false, false))),
            ("HTTP/1.1 101 X\r\n\r\n", Ok((false, true))),
            ("HTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n", Ok((false, false))),
            (
                "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n",
                Err(HeadFault::TooManyInterim),
            ),
            ("HTTP/1.1 200 OK\na: b\r\n\r\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\r\na: b\n\n", Ok((true, true))),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", Ok((true, true))),
            ("HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\n\r\n", Ok((false, true))),
            (
                "HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\na: 3\r\n\r\n",
                Err(HeadFault::TooLarge),
            ),
            (
                "HTTP/1.1 200 OK\r\na: 0123456789012345678901234567890123456789\r\n\r\n",
                Err(HeadFault::TooLarge),
            ),
        ];
        for (text, expected) in table {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(scan(text, size), expected, "{text:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_there_before_the_request_is_no_answer_to_it() {
        for (early, text) in [(true, "HTTP/1.1 200 OK\r\n\r\n"), (false, "")] {
            let origin = crate::tests::Origin::start(move |mut wire, _| async move {
                wire.send(text).await;
                let _ = wire.rest().await;
            })
            .await;
            let stream = TcpStream::connect(origin.address).await.unwrap();
            if early {
                stream.readable().await.unwrap();
            }
            let watch = std::sync::Arc::new(Watch::default());
            let mut checked = Checked::new(stream, RULE, std::sync::Arc::clone(&watch), Some(has_bytes));
            let written = tokio::io::AsyncWriteExt::write(&mut checked, b"GET / HTTP/1.1\r\n\r\n").await;
            assert_eq!((written.is_err(), watch.was_unsolicited()), (early, early));
        }
    }
}
