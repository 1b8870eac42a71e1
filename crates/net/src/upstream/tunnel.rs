//! A connection that changed its protocol at the client's wish, such as to WebSocket: from the 101 on its bytes are nobody's
//! business but the two ends'. It counts as a request under way, towards every limit, until both ends are done.

use super::error::{UpstreamError, UpstreamErrorKind};
use super::pool::{Connection, Lane};
use super::ticket::{Failed, Ticket};
use crate::http::{Body, Tunnel};
use ::http::Response;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The origin's end of a tunnel.
struct Far {
    connection: Connection,
    _ticket: Ticket,
}

/// Makes the [`Tunnel`] of a 101.
pub(crate) fn open<B>(
    response: Response<B>,
    connection: Connection,
    ticket: Ticket,
) -> Result<Response<Body>, Box<Failed>> {
    // Only HTTP/1.1 knows it, and only behind the whole request.
    if !matches!(&connection.lane, Lane::Http1(link) if link.is_sent()) {
        let error = UpstreamError::because(UpstreamErrorKind::Protocol, "it switches protocols before it was asked");
        return Err(Box::new(ticket.failed(error, None, false)));
    }
    ticket.succeeded();
    let far = Far {
        connection,
        _ticket: ticket,
    };
    let mut response = response.map(|_nothing| Body::empty());
    response.extensions_mut().insert(Tunnel::new(far));
    Ok(response)
}

impl Far {
    fn io(&mut self) -> Pin<&mut super::http1::Link> {
        match &mut self.connection.lane {
            Lane::Http1(link) => Pin::new(link),
            Lane::Http2 { .. } => unreachable!("a tunnel is opened over HTTP/1.1 only"),
        }
    }
}

impl AsyncRead for Far {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Far {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}
