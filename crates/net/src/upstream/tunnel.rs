//! A connection that changed its protocol at the client's wish, such as to WebSocket: from the 101 on its bytes are nobody's
//! business but the two ends'. It counts as a request under way, towards every limit, until both ends are done.

use super::error::{UpstreamError, UpstreamErrorKind};
use super::incoming::Arriving;
use super::pool::Connection;
use super::ticket::{Failed, Ticket};
use crate::http::{Body, Tunnel};
use crate::timer::Timer;
use ::http::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use peregrine_base::Instant;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The origin's end of a tunnel.
struct Far {
    io: TokioIo<Upgraded>,
    _connection: Connection,
    _ticket: Ticket,
}

/// Makes the [`Tunnel`] of a 101.
pub(crate) async fn open(
    mut response: Response<Arriving>,
    connection: Connection,
    ticket: Ticket,
    timer: &mut Timer,
    limit: Instant,
) -> Result<Response<Body>, Failed> {
    let upgraded = tokio::select! {
        biased;
        upgraded = hyper::upgrade::on(&mut response) => {
            upgraded.map_err(|error| UpstreamError::because(UpstreamErrorKind::Broken, error))
        }
        () = timer.until(limit) => Err(UpstreamError::new(UpstreamErrorKind::FirstByteTimeout)),
    };
    let upgraded = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => return Err(ticket.failed(error, None, connection.reused)),
    };
    ticket.succeeded();
    let far = Far {
        io: TokioIo::new(upgraded),
        _connection: connection,
        _ticket: ticket,
    };
    let mut response = response.map(|_nothing| Body::empty());
    response.extensions_mut().insert(Tunnel::new(far));
    Ok(response)
}

impl AsyncRead for Far {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Far {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
