//! Takes connections and serves HTTP on them: HTTP/1 with the codec of [`crate::http::codec`], HTTP/2 with an
//! engine of our own.

mod arrival;
mod connection;
mod farewell;
mod h2;
mod status;
mod transport;
mod turns;

pub use arrival::{Believed, Spoken};
pub use status::ServerStatus;

use crate::config::ServerConfig;
use crate::drain::{Active, DrainWatch};
use crate::http::codec::HeadLimits;
use crate::http::hygiene::TrustedProxies;
use crate::http::{Handler, Peer, Refusal};
use crate::listen::{Address, Listener, Stream};
use crate::tls::Tls;
use crate::wheel::Wheel;
use parking_lot::RwLock;
use peregrine_base::{Clock, Instant, Runtime, Task};
use status::Statistics;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use turns::Turns;

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
    /// What a client of HTTP/2 may do.
    pub http2: Http2Limits,
    /// TLS handshakes.
    pub tls: HandshakeLimits,
}

/// What a client of HTTP/2 may do on one connection; see the parameters `server.http2.*`.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// The most requests at the same time.
    pub streams_max: u32,
    /// How much of a request body is taken before it is read, in bytes.
    pub window: u32,
    /// The most requests that are taken back, in a minute.
    pub resets_max: u32,
    /// The most frames that carry nothing, in a minute.
    pub control_frames_max: u32,
    /// The most pieces of a head after its first.
    pub continuations_max: u32,
}

/// Limits of TLS handshakes; see the parameters `server.tls.*`.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeLimits {
    /// How long one may take.
    pub handshake_timeout: Duration,
    /// The most at the same time.
    pub handshakes_max: usize,
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
            http2: Http2Limits {
                streams_max: config.http2.streams_max,
                window: u32::try_from(config.http2.window.as_u64()).unwrap_or(u32::MAX),
                resets_max: config.http2.resets_max,
                control_frames_max: config.http2.control_frames_max,
                continuations_max: config.http2.continuations_max,
            },
            tls: HandshakeLimits {
                handshake_timeout: config.tls.handshake_timeout.get(),
                handshakes_max: config.tls.handshakes_max as usize,
            },
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
    handshakes: Turns,
    /// Whose PROXY headers are believed.
    trusted: RwLock<TrustedProxies>,
}

/// A listener that is being served. Dropping this changes nothing about that.
#[derive(Clone, Debug)]
pub struct ServeHandle {
    place: Address,
    address: SocketAddr,
    /// Gone once it is closed.
    listener: Weak<Listener>,
    close: watch::Sender<bool>,
    tls: Option<Arc<Tls>>,
}

impl ServeHandle {
    /// Where it listens.
    #[must_use]
    pub const fn place(&self) -> &Address {
        &self.place
    }

    /// The address where it listens; for a Unix socket that of this machine, without a port.
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

    /// Its socket once more, for this program to serve it in another way; nothing when it is closed already.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn again(&self) -> std::io::Result<Option<Listener>> {
        self.listener.upgrade().map(|listener| listener.again()).transpose()
    }

    /// Whether there is the file of a Unix socket whose permissions are this program's to set.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.listener.upgrade().is_some_and(|listener| listener.has_file())
    }

    /// Takes no further connections. Those that are open stay.
    pub fn close(&self) {
        self.close.send_replace(true);
    }

    /// Its TLS.
    #[must_use]
    pub const fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }
}

impl std::fmt::Display for ServeHandle {
    /// As a client writes it: `https://192.0.2.1:443`, `unix:/run/peregrine.sock`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.place, &self.tls) {
            (Address::Unix(_), None) => write!(f, "{}", self.place),
            (Address::Unix(_), Some(_)) => write!(f, "{} (https)", self.place),
            (Address::Ip(address), None) => write!(f, "http://{address}"),
            (Address::Ip(address), Some(_)) => write!(f, "https://{address}"),
        }
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
            handshakes: Turns::new(limits.tls.handshakes_max),
            trusted: RwLock::new(TrustedProxies::none()),
        }))
    }

    /// Answers what arrives at `listener` with `handler` until `drain` starts: then the listener is closed, connections
    /// without a request too, and the others after their response. The drain waits for them. When it only retires, the
    /// listener is closed and every answer is the last of its connection.
    pub fn serve<H: Handler>(&self, listener: Listener, handler: Arc<H>, drain: DrainWatch) -> ServeHandle {
        self.serve_as(listener, Spoken::default(), handler, drain)
    }

    /// As [`Server::serve`], where more than plain HTTP/1.1 is spoken. The files of its TLS are watched meanwhile.
    pub fn serve_as<H: Handler>(
        &self,
        listener: Listener,
        spoken: Spoken,
        handler: Arc<H>,
        drain: DrainWatch,
    ) -> ServeHandle {
        let listener = Arc::new(listener);
        let (close, closing) = watch::channel(false);
        let handle = ServeHandle {
            place: listener.place().clone(),
            address: listener.address(),
            listener: Arc::downgrade(&listener),
            close,
            tls: spoken.tls.clone(),
        };
        let runtime = &self.0.parts.runtime;
        if let Some(tls) = &spoken.tls {
            tls.watch(runtime, drain.clone());
        }
        runtime.spawn(Box::pin(Arc::clone(&self.0).wake_at(drain.clone())));
        let accepting = Arc::clone(&self.0).accept(listener, Arc::new(spoken), handler, drain, closing);
        runtime.spawn(Box::pin(accepting));
        handle
    }

    /// Believes the PROXY headers of `trusted`, from the next connection on.
    pub fn trust(&self, trusted: TrustedProxies) {
        *self.0.trusted.write() = trusted;
    }

    /// What happened so far.
    #[must_use]
    pub fn status(&self) -> ServerStatus {
        self.0.statistics.status(self.0.limits.connections_max)
    }
}

impl Shared {
    /// Tells the connections that have nothing to do when answers are to be the last, and when the drain starts.
    async fn wake_at(self: Arc<Self>, drain: DrainWatch) {
        let wheel = Arc::clone(&self.wheel);
        drop(self);
        drain.retiring().await;
        wheel.wake_all();
        drain.started().await;
        wheel.wake_all();
    }

    async fn accept<H: Handler>(
        self: Arc<Self>,
        listener: Arc<Listener>,
        spoken: Arc<Spoken>,
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
        // Whoever waits for the end also waits until nobody is let in any more.
        let _active = drain.active();
        let mut said: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = retiring.as_mut() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.take(stream, address, &spoken, &handler, &drain),
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

    fn take<H: Handler>(
        self: &Arc<Self>,
        stream: Stream,
        address: SocketAddr,
        spoken: &Arc<Spoken>,
        handler: &Arc<H>,
        drain: &DrainWatch,
    ) {
        self.statistics.accepted.increment();
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.refuse(stream, spoken);
        };
        stream.send_at_once();
        let local = stream.local().unwrap_or(address);
        let open = Open::new(Arc::clone(self), permit, drain.active());
        let peer = Peer {
            address,
            local,
            tls: false,
        };
        let (handler, drain) = (Arc::clone(handler), drain.clone());
        let spoken = Arc::clone(spoken);
        let serve = move |stream: Stream| -> Task {
            if spoken.is_plain() {
                Box::pin(connection::serve(stream, peer, open, handler, drain))
            } else {
                Box::pin(arrival::serve(stream, peer, spoken, open, handler, drain))
            }
        };
        let runtime = &self.parts.runtime;
        if !runtime.has_several_loops() {
            runtime.spawn(serve(stream));
            return;
        }
        // Either way it fails only for want of descriptors or memory, and the client sees its connection closed.
        let Ok(detached) = stream.detach() else { return };
        runtime.settle(Box::new(move || match detached.attach() {
            Ok(stream) => serve(stream),
            Err(_) => Box::pin(async {}),
        }));
    }

    /// Tells a client that there are too many connections, unless too many are being told already, or telling it would
    /// take a handshake.
    fn refuse(self: &Arc<Self>, stream: Stream, spoken: &Spoken) {
        self.statistics.refuse(Refusal::ConnectionsMax);
        if spoken.tls.is_some() {
            return;
        }
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
    /// From the moment it is taken: a drain that begins before its first byte is read waits for it too.
    _active: Active,
}

impl Open {
    fn new(shared: Arc<Shared>, permit: OwnedSemaphorePermit, active: Active) -> Self {
        shared.statistics.open.add(1);
        Self {
            shared,
            _permit: permit,
            _active: active,
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
