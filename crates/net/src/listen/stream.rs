//! A connection as the listener hands it out: TCP or a Unix socket, and what was read of it ahead of time to find out what it
//! speaks.

use super::direct;
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Where a client on a Unix socket counts as coming from: it is on this machine, and there is no port.
pub(crate) const ON_THIS_MACHINE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Read before, and to be read again.
    ahead: Bytes,
    socket: Socket,
    /// How many bytes the system took.
    sent: u64,
    /// Whether the next write is tried though the system did not say that there is room.
    insists: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Our end; that of a Unix socket is this machine.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(stream) => stream.local_addr().ok(),
            Socket::Unix(_) => Some(ON_THIS_MACHINE),
        }
    }

    /// Sends without waiting for more to send: answers are written whole.
    pub(crate) fn send_at_once(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            // It fails when the client is gone already, which the first read will notice.
            let _ = stream.set_nodelay(true);
        }
    }

    /// Lets the close that follows be a reset, so that the client sees a failure and not an end: a body delimited by the
    /// end of the connection would look whole. On a Unix socket there is no such thing.
    pub(crate) fn reset(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Lets the close that follows be an end after all, behind everything that was written.
    pub(crate) fn keep(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            let _ = socket2::SockRef::from(stream).set_linger(None);
        }
    }

    /// Lets the next write be tried though the system did not say that there is room.
    pub(crate) const fn insist(&mut self) {
        self.insists = true;
    }

    /// How many bytes the system took so far.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes it out of the event loop that it was accepted in.
    ///
    /// # Errors
    /// When the system refuses; the connection is closed then.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        Ok(Detached {
            ahead: self.ahead,
            socket: match self.socket {
                Socket::Tcp(stream) => DetachedSocket::Tcp(stream.into_std()?),
                Socket::Unix(stream) => DetachedSocket::Unix(stream.into_std()?),
            },
        })
    }

    /// Gives back what was read of it, to be read again before anything else.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.ahead = if self.ahead.is_empty() {
            bytes
        } else {
            [&bytes[..], &self.ahead[..]].concat().into()
        };
    }
}

/// A connection on its way from one event loop to another.
#[derive(Debug)]
pub(crate) struct Detached {
    ahead: Bytes,
    socket: DetachedSocket,
}

#[derive(Debug)]
enum DetachedSocket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Detached {
    /// Puts it into the event loop of the caller.
    ///
    /// # Errors
    /// When the system refuses; the connection is closed then.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        let mut stream = Stream::from(match self.socket {
            DetachedSocket::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            DetachedSocket::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        });
        stream.ahead = self.ahead;
        Ok(stream)
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self {
            ahead: Bytes::new(),
            socket,
            sent: 0,
            insists: false,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::from(Socket::Tcp(stream))
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::from(Socket::Unix(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            return Poll::Ready(Ok(()));
        }
        match &mut self.socket {
            // What would have to be cleared first is not worth it.
            Socket::Tcp(stream) if buffer.initialized().len() == buffer.capacity() => {
                let received = ready!(direct::poll_recv(stream, buffer.initialize_unfilled(), cx))?;
                buffer.advance(received);
                Poll::Ready(Ok(()))
            }
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let insists = std::mem::take(&mut self.insists);
        let sent = match &mut self.socket {
            Socket::Tcp(stream) if insists => ready!(direct::poll_insist(stream, bytes, cx))?,
            Socket::Tcp(stream) => ready!(direct::poll_send(stream, bytes, cx))?,
            Socket::Unix(stream) => ready!(Pin::new(stream).poll_write(cx, bytes))?,
        };
        self.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.insists
            && let Some(slice) = slices.iter().find(|slice| !slice.is_empty())
        {
            return self.poll_write(cx, slice);
        }
        let sent = match &mut self.socket {
            Socket::Tcp(stream) => ready!(Pin::new(stream).poll_write_vectored(cx, slices))?,
            Socket::Unix(stream) => ready!(Pin::new(stream).poll_write_vectored(cx, slices))?,
        };
        self.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
