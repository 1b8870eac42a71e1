//! Takes connections and serves HTTP/1 on them, with the codec of [`crate::http::codec`].

mod connection;
mod farewell;
mod status;
mod transport;

pub use status::ServerStatus;

use crate::config::ServerConfig;
use crate::drain::DrainWatch;
use crate::http::codec::HeadLimits;
use crate::http::{Handler, Peer, Refusal};
use crate::listen::{Listener, Stream};
use crate::wheel::Wheel;
use peregrine_base::{Clock, Instant, Runtime};
use status::Statistics;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many refused connections are told why at the same time; further ones are just closed.
const REFUSALS_MAX: usize = 64;
/// How long to leave the listener alone when the system has no file descriptors or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// How often that is said while it lasts.
const EXHAUSTED_SAID_EVERY: Duration = Duration::from_secs(60);

/// The limits of the client's side; see the parameters `server.*`.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The largest request head, in bytes.
    pub header_size_max: usize,
    /// The most fields of a request.
    pub header_count_max: usize,
    /// How long a request head may take.
    pub header_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keepalive_timeout: Duration,
    /// How long a client may neither send a body that is waited for nor take what it is sent.
    pub stall_timeout: Duration,
    /// The most connections at the same time, over all listeners.
    pub connections_max: usize,
    /// How long a connection that changed its protocol is kept while nothing moves.
    pub tunnel_idle_timeout: Duration,
    /// The longest request target, in bytes.
    pub uri_length_max: usize,
    /// The largest request body, in bytes.
    pub request_body_max: u64,
}

impl From<&ServerConfig> for ServerLimits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            header_size_max: config.header_size_max.as_usize(),
            header_count_max: config.header_count_max as usize,
            header_timeout: config.header_timeout.get(),
            keepalive_timeout: config.keepalive_timeout.get(),
            stall_timeout: config.stall_timeout.get(),
            connections_max: config.connections_max as usize,
            tunnel_idle_timeout: config.tunnel_idle_timeout.get(),
            uri_length_max: config.uri_length_max.as_usize(),
            request_body_max: config.request_body_max.as_u64(),
        }
    }
}

impl From<&ServerLimits> for HeadLimits {
    fn from(limits: &ServerLimits) -> Self {
        Self {
            size_max: limits.header_size_max,
            count_max: limits.header_count_max,
            uri_length_max: limits.uri_length_max,
            body_max: limits.request_body_max,
        }
    }
}

impl Default for ServerLimits {
    /// Those of the parameter table.
    fn default() -> Self {
        Self::from(&ServerConfig::defaults())
    }
}

/// What a server needs from outside.
#[derive(Clone)]
pub struct ServerParts {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where connections run.
    pub runtime: Arc<dyn Runtime>,
}

/// Serves any number of listeners within common limits.
pub struct Server(Arc<Shared>);

/// What the connections of a server share.
struct Shared {
    limits: ServerLimits,
    parts: ServerParts,
    statistics: Statistics,
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// The deadlines of all connections.
    wheel: Arc<Wheel>,
}

/// A listener that is being served. Dropping this changes nothing about that.
#[derive(Debug)]
pub struct ServeHandle {
    address: SocketAddr,
    /// Gone once it is closed.
    listener: Weak<Listener>,
    close: watch::Sender<bool>,
}

impl ServeHandle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its socket once more, for a program that goes on listening on it; nothing when it is closed already.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn share(&self) -> std::io::Result<Option<OwnedFd>> {
        self.listener.upgrade().map(|listener| listener.share()).transpose()
    }

    /// Takes no further connections. Those that are open stay.
    pub fn close(&self) {
        self.close.send_replace(true);
    }
}

impl Server {
    /// A server that takes no connections yet.
    #[must_use]
    pub fn new(limits: ServerLimits, parts: ServerParts) -> Self {
        let connections = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        let wheel = Wheel::new(Arc::clone(&parts.clock), Arc::clone(&parts.runtime));
        Self(Arc::new(Shared {
            limits,
            parts,
            statistics: Statistics::default(),
            connections,
            refusals,
            wheel,
        }))
    }

    /// Answers what arrives at `listener` with `handler` until `drain` starts: then the listener is closed, connections
    /// without a request too, and the others after their response. The drain waits for them. When it only retires, the
    /// listener is closed and every answer is the last of its connection.
    pub fn serve<H: Handler>(&self, listener: Listener, handler: Arc<H>, drain: DrainWatch) -> ServeHandle {
        let address = listener.address();
        let shared = Arc::clone(&self.0);
        let listener = Arc::new(listener);
        let (close, closing) = watch::channel(false);
        let handle = ServeHandle {
            address,
            listener: Arc::downgrade(&listener),
            close,
        };
        self.0.parts.runtime.spawn(Box::pin(shared.wake_at(drain.clone())));
        let shared = Arc::clone(&self.0);
        self.0
            .parts
            .runtime
            .spawn(Box::pin(shared.accept(listener, handler, drain, closing)));
        handle
    }

    /// What happened so far.
    #[must_use]
    pub fn status(&self) -> ServerStatus {
        self.0.statistics.status(self.0.limits.connections_max)
    }
}

impl Shared {
    /// Tells the connections that have nothing to do when the drain starts.
    async fn wake_at(self: Arc<Self>, drain: DrainWatch) {
        let wheel = Arc::clone(&self.wheel);
        drop(self);
        drain.started().await;
        wheel.wake_all();
    }

    async fn accept<H: Handler>(
        self: Arc<Self>,
        listener: Arc<Listener>,
        handler: Arc<H>,
        drain: DrainWatch,
        mut closing: watch::Receiver<bool>,
    ) {
        let mut retiring = pin!(async {
            let closed = async {
                // Nobody is left who could close it.
                if closing.wait_for(|closing| *closing).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = drain.retiring() => {}
                () = closed => {}
            }
        });
        let mut said: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = retiring.as_mut() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.take(stream, address, &handler, &drain),
                // The client was gone before it was taken: nothing to do about that.
                Err(error) if is_about_the_connection(&error) => {}
                Err(error) => {
                    self.statistics.accept_failures.increment();
                    let now = self.parts.clock.now();
                    if said.is_none_or(|at| now.since(at) >= EXHAUSTED_SAID_EVERY) {
                        tracing::error!(%error, "no connection can be taken; trying again until it works");
                        said = Some(now);
                    }
                    self.parts.runtime.sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    fn take<H: Handler>(self: &Arc<Self>, stream: Stream, address: SocketAddr, handler: &Arc<H>, drain: &DrainWatch) {
        self.statistics.accepted.increment();
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.refuse(stream);
        };
        stream.send_at_once();
        let local = stream.local().unwrap_or(address);
        let open = Open::new(Arc::clone(self), permit);
        let peer = Peer {
            address,
            local,
            tls: false,
        };
        let connection = connection::serve(stream, peer, open, Arc::clone(handler), drain.clone());
        self.parts.runtime.spawn(Box::pin(connection));
    }

    /// Tells a client that there are too many connections, unless too many are being told already.
    fn refuse(self: &Arc<Self>, stream: Stream) {
        self.statistics.refuse(Refusal::ConnectionsMax);
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            let shared = Arc::clone(self);
            self.parts.runtime.spawn(Box::pin(async move {
                connection::refuse(stream, Refusal::ConnectionsMax, &shared).await;
                drop(permit);
            }));
        }
    }
}

/// Whether an error of accepting concerns the one connection, not the listener.
fn is_about_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// A connection that counts as open until it is dropped.
struct Open {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(shared: Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        shared.statistics.open.add(1);
        Self {
            shared,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.statistics.open.add(-1);
    }
}

#[cfg(test)]
mod tests;
