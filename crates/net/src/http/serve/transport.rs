//! What a connection is carried by: TCP, a Unix socket, TLS over either.

pub(super) use crate::http::codec::transport::Transport;
use crate::listen::Stream;
use tokio_rustls::server::TlsStream;

impl Transport for Stream {
    fn reset(&self) {
        Self::reset(self);
    }

    fn keep(&self) {
        Self::keep(self);
    }

    fn insist(&mut self) {
        Self::insist(self);
    }

    fn sent(&self) -> u64 {
        Self::sent(self)
    }
}

impl Transport for TlsStream<Stream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }

    fn keep(&self) {
        self.get_ref().0.keep();
    }

    fn insist(&mut self) {
        self.get_mut().0.insist();
    }

    fn sent(&self) -> u64 {
        self.get_ref().0.sent()
    }
}
