//! HTTP towards the client: what a request and a response are made of here, who answers, and the hygiene that every
//! message passes through.

pub mod at_once;
pub mod body;
#[doc(hidden)]
pub mod codec;
#[doc(hidden)]
pub mod frames;
pub(crate) mod framing;
#[doc(hidden)]
pub mod hpack;
pub mod hygiene;
pub mod interim;
pub(crate) mod last_hop;
pub mod problem;
pub mod serve;
pub mod tunnel;

pub use at_once::{Answer, HeadView};
pub use body::{Body, BodyError, BodyFault};
pub use framing::Refusal;
pub use interim::Interim;
pub use problem::{Fault, Problem};
pub use serve::{Believed, ServeHandle, Server, ServerLimits, ServerParts, ServerStatus, Spoken};
pub use tunnel::Tunnel;

use std::future::Future;
use std::net::SocketAddr;

/// Answers requests.
///
/// The server guarantees that the framing of the request is beyond doubt, that its target is in origin form (`/path?query`
/// or `*`), and that `Host` is there exactly once, valid, and that of an absolute target if the request line had one
/// (except that a request of HTTP/1.0 may have none). Everything else is as the client sent it: the handler takes hop-by-hop
/// fields off ([`hygiene::strip_hop_by_hop`]) and decides whom to believe ([`hygiene::Forwarded`]).
///
/// The future is dropped when the client goes away.
pub trait Handler: Send + Sync + 'static {
    /// The short way: `true` when `answer` holds the whole answer to `head`. It must neither block nor wait. With `false`,
    /// whatever is in `answer` is forgotten and [`Handler::handle`] is asked. A request that announces a body, or wants its
    /// connection for something else, goes the long way without being asked here.
    fn at_once(&self, head: &HeadView<'_>, peer: &Peer, answer: &mut Answer) -> bool {
        let _ = (head, peer, answer);
        false
    }

    /// The answer to `request`, which came from `peer`.
    fn handle(&self, request: ::http::Request<Body>, peer: Peer)
    -> impl Future<Output = ::http::Response<Body>> + Send;
}

/// Where a request came from: the other end of the connection, which may be a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Peer {
    /// `https` or `http`, as this connection is.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}
