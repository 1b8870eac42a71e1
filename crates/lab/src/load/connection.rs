//! One keep-alive connection of the load generator: writes a request, reads its response, and keeps its buffers for the next.

use crate::load::cache_status::CacheUse;
use crate::load::response::{BodyReader, Framing, Head, Limits, Malformed};
use crate::load::target::Target;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The read buffer of a connection in bytes; it grows only for longer heads.
const INPUT_BYTES: usize = 16 << 10;
/// How many interim responses may precede the real one.
const INTERIM_MAX: usize = 16;
/// A kept body larger than this gives its memory back before the next request.
const KEPT_BYTES_IDLE_MAX: usize = 1 << 20;

/// Why a request got no answer. The words are those of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Neither connected nor answered within the time limit.
    TimedOut,
    /// The connection closed before any byte of an answer.
    Closed,
    /// The connection broke in the middle of an answer.
    CutShort,
    /// The answer is not HTTP/1.1, or its length is in doubt.
    Malformed,
    /// The answer is longer than allowed.
    TooLarge,
}

impl Failure {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Tls,
        Self::TimedOut,
        Self::Closed,
        Self::CutShort,
        Self::Malformed,
        Self::TooLarge,
    ];

    /// The word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::CutShort => "cut_short",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Head | Malformed::Framing | Malformed::Chunk => Self::Malformed,
            Malformed::HeadTooLarge | Malformed::BodyTooLarge => Self::TooLarge,
        }
    }
}

/// What came back, in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) cache: CacheUse,
    pub(crate) body_bytes: u64,
    /// Bytes on the wire (inside TLS), heads and codings included.
    pub(crate) wire_bytes: u64,
    /// Whether the connection can be used again.
    pub(crate) reusable: bool,
}

/// Head and body of the last answer, kept for an observer.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Kept {
    fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.body.shrink_to(KEPT_BYTES_IDLE_MAX);
    }
}

/// An open connection.
pub(crate) struct Connection {
    stream: Stream,
    /// Bytes that have come and are not yet used lie at `start..end`.
    input: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    /// Connects to `target`.
    pub(crate) async fn open(target: &Target) -> Result<Self, Failure> {
        let stream = TcpStream::connect(target.address).await.map_err(|_| Failure::Connect)?;
        // Without it, a small request waits for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        let stream = match &target.tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let connector = tokio_rustls::TlsConnector::from(tls.config.clone());
                let stream = connector
                    .connect(tls.name.clone(), stream)
                    .await
                    .map_err(|_| Failure::Tls)?;
                Stream::Tls(Box::new(stream))
            }
        };
        Ok(Self {
            stream,
            input: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
        })
    }

    /// Sends `wire`, a whole request, and reads its response. After an error the connection is of no more use.
    pub(crate) async fn exchange(
        &mut self,
        wire: &[u8],
        to_head: bool,
        limits: &Limits,
        mut keep: Option<&mut Kept>,
    ) -> Result<Received, Failure> {
        if self.start != self.end {
            // Bytes that nobody asked for: whose answer they are can no longer be told.
            return Err(Failure::Malformed);
        }
        if let Some(keep) = keep.as_deref_mut() {
            keep.clear();
        }
        let sent = self.stream.write_all(wire).await;
        if sent.is_ok() {
            // TLS buffers what it writes.
            self.stream.flush().await.map_err(|_| Failure::Closed)?;
        }
        // A server may answer before it has read everything and then close, so a failed write is no reason not to read.
        let (head, interim_bytes) = self.read_head(to_head, limits).await?;
        if let Some(keep) = keep.as_deref_mut() {
            keep.head
                .extend_from_slice(&self.input[self.start..self.start + head.length]);
        }
        self.start += head.length;
        let (body, body_wire_bytes) = self.read_body(head.framing, limits, keep).await?;
        let wire_bytes = interim_bytes + (head.length as u64) + body_wire_bytes;
        let reusable = head.reusable && sent.is_ok();
        Ok(Received {
            status: head.status,
            cache: head.cache,
            body_bytes: body,
            wire_bytes,
            reusable,
        })
    }

    /// Reads until the final head lies at the front of the input; answers with it and the bytes of interim ones before it.
    async fn read_head(&mut self, to_head: bool, limits: &Limits) -> Result<(Head, u64), Failure> {
        let mut interim_bytes = 0u64;
        let mut interim = 0;
        loop {
            if self.start != self.end
                && let Some(head) = Head::read(&self.input[self.start..self.end], to_head, limits)?
            {
                if !head.is_interim() {
                    return Ok((head, interim_bytes));
                }
                interim += 1;
                if interim > INTERIM_MAX || head.status == 101 {
                    return Err(Failure::Malformed);
                }
                self.start += head.length;
                interim_bytes += head.length as u64;
                continue;
            }
            let is_first = interim == 0 && self.start == self.end;
            if self.fill().await.unwrap_or(0) == 0 {
                return Err(if is_first { Failure::Closed } else { Failure::CutShort });
            }
        }
    }

    /// Reads the body; answers with its length and its bytes on the wire.
    async fn read_body(
        &mut self,
        framing: Framing,
        limits: &Limits,
        mut keep: Option<&mut Kept>,
    ) -> Result<(u64, u64), Failure> {
        let mut reader = BodyReader::new(framing, *limits);
        let mut wire_bytes = 0u64;
        loop {
            let kept = keep.as_deref_mut().map(|keep| &mut keep.body);
            let used = reader.take(&self.input[self.start..self.end], kept)?;
            self.start += used;
            wire_bytes += used as u64;
            if reader.is_done() {
                return Ok((reader.length(), wire_bytes));
            }
            match self.fill().await {
                Ok(0) if reader.may_end() => return Ok((reader.length(), wire_bytes)),
                Ok(0) | Err(_) => return Err(Failure::CutShort),
                Ok(_) => {}
            }
        }
    }

    /// Reads once into the free part of the input, made by moving what is unused to the front, or by growing.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 && self.end == self.input.len() {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.input.len() {
            // Only a head or a chunk line can be this long unused, and both have limits.
            self.input.resize(self.input.len() * 2, 0);
        }
        let count = self.stream.read(&mut self.input[self.end..]).await?;
        self.end += count;
        Ok(count)
    }
}

/// Plain or TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
