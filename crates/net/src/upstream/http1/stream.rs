//! The socket of a connection, with or without TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A stream to an origin.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What an unused stream has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Nothing: it can be used.
    Quiet,
    /// Something that nobody asked for.
    Spoke,
    /// That it ended, or is about to.
    Closed,
}

impl Stream {
    /// Looks whether something waits to be read, without waiting for it.
    pub(crate) fn look(&mut self) -> Idle {
        match self {
            Self::Plain(stream) => peek(stream),
            Self::Tls(stream) => {
                // What TLS has read already; its own records (tickets) come to nothing.
                let mut byte = [0; 1];
                let mut buffer = ReadBuf::new(&mut byte);
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(&mut **stream).poll_read(&mut cx, &mut buffer) {
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Idle::Spoke,
                    Poll::Ready(_) => Idle::Closed,
                    // A record that comes now is most likely the one that says goodbye.
                    Poll::Pending if peek(stream.get_ref().0) != Idle::Quiet => Idle::Closed,
                    Poll::Pending => Idle::Quiet,
                }
            }
        }
    }

    /// Whether anything may be there before a request was sent: TLS has records of its own.
    pub(crate) const fn may_speak_first(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// Whether bytes, or the end, wait to be read, without taking them.
fn peek(stream: &TcpStream) -> Idle {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    match socket2::SockRef::from(stream).peek(&mut byte) {
        Ok(0) => Idle::Closed,
        Ok(_) => Idle::Spoke,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Idle::Quiet,
        Err(_) => Idle::Closed,
    }
}

impl Drop for Stream {
    /// RFC 8446 §6.1: who writes no more says so, as far as that is possible without waiting.
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            let (socket, session) = stream.get_mut();
            session.send_close_notify();
            let _ = session.write_tls(&mut Now(socket));
        }
    }
}

/// Writes what the system takes at once.
struct Now<'a>(&'a TcpStream);

impl io::Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
