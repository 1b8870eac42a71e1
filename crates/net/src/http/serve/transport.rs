//! What a connection is carried by: TCP, a Unix socket, TLS over either.

use crate::listen::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

/// Bytes both ways, and a way to break off.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Lets the close that follows look like a failure to the client, not like an end.
    fn reset(&self);
}

impl Transport for Stream {
    fn reset(&self) {
        Self::reset(self);
    }
}

impl Transport for TlsStream<Stream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}
