//! A connection that changed its protocol: after the 101 its bytes are nobody's business but the two ends'.

use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An extension of a response with status 101: the other end of the tunnel. The server writes the 101 and then passes
/// bytes both ways until both sides have ended, or nothing has moved for `server.tunnel_idle_timeout`.
#[derive(Clone)]
pub struct Tunnel(Arc<Mutex<Option<Box<dyn Duplex>>>>);

impl Tunnel {
    /// A tunnel to `io`.
    #[must_use]
    pub fn new(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(io)))))
    }

    /// The other end, for the one who asks first.
    pub(crate) fn take(&self) -> Option<Box<dyn Duplex>> {
        self.0.lock().take()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}
