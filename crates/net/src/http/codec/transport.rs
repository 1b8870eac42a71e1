//! What a connection of a client is carried by, as far as the codecs know.

use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways, a way to break off, and a way to tell who is slow from who is gone.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Lets the close that follows look like a failure to the client, not like an end.
    fn reset(&self);

    /// Takes [`Transport::reset`] back: the close that follows is an end.
    fn keep(&self);

    /// Lets the next write be tried though the system did not say that there is room.
    fn insist(&mut self);

    /// How many bytes the system took so far.
    fn sent(&self) -> u64;
}
