//! Making a connection to a target: name, TCP, TLS, and the protocol that both agree on. One time limit covers all of it.

use super::UpstreamParts;
use super::error::{UpstreamError, UpstreamErrorKind};
use super::http1::{HeadRule, Link, Stream};
use super::streams::{self, Streams};
use super::target::Target;
use super::tls::{ALPN_H2, Connectors};
use crate::config::{HttpVersion, UpstreamConfig};
use crate::timer::Timer;
use parking_lot::Mutex;
use peregrine_base::Instant;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// So many bytes of requests may wait in the system until they are sent for the first time; it takes more as soon as half of
/// them have gone. Left to itself it wakes the sender only when a third of its buffer is free, often more than a megabyte: an
/// origin that takes an upload steadily but slowly would look for all that time as if it took nothing.
const UNSENT_BYTES_MAX: u32 = 512 << 10;

/// How long addresses are gone by that nobody confirms: a name that leads nowhere any more may be another's by then.
const KNOWN_FOR: Duration = Duration::from_secs(600);

/// A connection ready for requests.
pub(crate) enum Dialed {
    Http1(Box<Link>),
    Http2(Streams),
}

/// How to connect to a target.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) version: HttpVersion,
    pub(crate) timeout: Duration,
    pub(crate) tls: Option<Connectors>,
    pub(crate) heads: HeadRule,
    pub(crate) parts: UpstreamParts,
    /// The addresses of the target as they were known last: while nobody tells them, they are the best guess.
    known: Arc<Mutex<Known>>,
}

/// The addresses of a target, and when they were told.
#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    told: Instant,
}

impl Known {
    /// Those that were told not long ago.
    fn recent(&self, now: Instant) -> Option<Vec<SocketAddr>> {
        let is_recent = !self.addresses.is_empty() && now < self.told.after(KNOWN_FOR);
        is_recent.then(|| self.addresses.clone())
    }
}

impl Dialer {
    /// How connections to the targets of an upstream are made.
    pub(crate) fn new(config: &UpstreamConfig, tls: Option<&Connectors>, parts: &UpstreamParts) -> Self {
        Self {
            version: config.http_version,
            timeout: config.connect_timeout.get(),
            tls: tls.cloned(),
            heads: HeadRule {
                bytes_max: config.response_head_max.as_usize(),
                fields_max: config.response_fields_max as usize,
                interim_max: config.interim_max as usize,
            },
            parts: parts.clone(),
            known: Arc::default(),
        }
    }

    /// What tells connections that it makes from those of another configuration.
    pub(crate) fn way(&self) -> impl std::fmt::Debug {
        let roots = self.tls.as_ref().map(|tls| tls.roots);
        (self.version, roots, self.timeout, self.heads)
    }

    /// Connects neither past `limit`, which is the connection's own, nor past `deadline`, which is the exchange's; `own` for a
    /// connection that nobody shares.
    pub(crate) async fn dial(
        &self,
        target: &Target,
        limit: Instant,
        deadline: Instant,
        own: bool,
    ) -> Result<Dialed, UpstreamError> {
        let mut timer = Timer::new(Arc::clone(&self.parts.clock), Arc::clone(&self.parts.runtime));
        tokio::select! {
            biased;
            dialed = self.dial_by(target, limit.min(deadline), own) => dialed.map_err(|error| {
                let is_late = error.kind == UpstreamErrorKind::ConnectTimeout && timer.now() >= limit.min(deadline);
                if is_late { overdue(limit, deadline) } else { error }
            }),
            () = timer.until(limit.min(deadline)) => Err(overdue(limit, deadline)),
        }
    }

    async fn dial_by(&self, target: &Target, end: Instant, own: bool) -> Result<Dialed, UpstreamError> {
        let addresses = self.addresses(target, end).await?;
        let stream = self.connect(&addresses, end).await?;
        let (Some(tls), Some(name)) = (&self.tls, target.server_name()) else {
            return match self.version {
                HttpVersion::Http2 => self.http2(stream).await,
                HttpVersion::Auto | HttpVersion::Http1 => Ok(self.http1(Stream::Plain(stream))),
            };
        };
        let tls = if own { &tls.http1 } else { &tls.any };
        let stream = tls.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| UpstreamError::because(UpstreamErrorKind::Tls, error))?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
        match (h2, self.version) {
            (true, _) => self.http2(stream).await,
            (false, HttpVersion::Http2) => Err(UpstreamError::because(
                UpstreamErrorKind::Protocol,
                "TLS did not agree on HTTP/2",
            )),
            (false, HttpVersion::Auto | HttpVersion::Http1) => Ok(self.http1(Stream::Tls(Box::new(stream)))),
        }
    }

    /// The same after a reload of the target that `before` connects to.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        self.known = Arc::clone(&before.known);
        self
    }

    /// The addresses of a target, asked for anew each time so that a change of the name is noticed. Where nobody tells them in
    /// half of the time until `end`, those that were told last are taken, for a while.
    async fn addresses(&self, target: &Target, end: Instant) -> Result<Vec<SocketAddr>, UpstreamError> {
        let now = self.parts.clock.now();
        let known = self.known.lock().recent(now);
        let found = if known.is_some() {
            tokio::select! {
                biased;
                found = resolve(target) => found,
                () = self.parts.runtime.sleep(end.since(now) / 2) => Err(UpstreamError::new(UpstreamErrorKind::Resolve)),
            }
        } else {
            resolve(target).await
        };
        if let Ok(addresses) = &found {
            *self.known.lock() = Known {
                addresses: addresses.clone(),
                told: now,
            };
        }
        found.or_else(|error| known.ok_or(error))
    }

    /// Tries `addresses` one after the other; each gets its share of the time until `end`, so that one which does not answer
    /// leaves some to the next.
    async fn connect(&self, addresses: &[SocketAddr], end: Instant) -> Result<TcpStream, UpstreamError> {
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            let share = end.since(self.parts.clock.now()) / left.max(1);
            left -= 1;
            let connected = tokio::select! {
                biased;
                connected = TcpStream::connect(address) => connected,
                () = self.parts.runtime.sleep(share) => Err(io::ErrorKind::TimedOut.into()),
            };
            match connected {
                Ok(stream) => {
                    prepare(&stream);
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        let timed_out = last.kind() == io::ErrorKind::TimedOut;
        let kind = if timed_out {
            UpstreamErrorKind::ConnectTimeout
        } else {
            UpstreamErrorKind::Connect
        };
        Err(UpstreamError::because(kind, last))
    }

    fn http1(&self, stream: Stream) -> Dialed {
        Dialed::Http1(Box::new(Link::new(stream, self.heads)))
    }

    async fn http2<S>(&self, stream: S) -> Result<Dialed, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let begun = streams::begin(stream, self.heads, Arc::clone(&self.parts.runtime)).await;
        let failed = |error| UpstreamError::because(UpstreamErrorKind::Protocol, error);
        begun.map(Dialed::Http2).map_err(failed)
    }
}

/// Requests are written whole, so waiting for more to send only costs time. A failure shows at the first use.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
}

/// There is no connection in time: neither at `limit`, the connection's own, nor at `deadline`, the exchange's.
pub(crate) fn overdue(limit: Instant, deadline: Instant) -> UpstreamError {
    UpstreamError::new(if deadline < limit {
        UpstreamErrorKind::TotalTimeout
    } else {
        UpstreamErrorKind::ConnectTimeout
    })
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, UpstreamError> {
    let found = tokio::net::lookup_host((target.host(), target.port())).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| UpstreamError::because(UpstreamErrorKind::Resolve, error))?
        .collect();
    if addresses.is_empty() {
        Err(UpstreamError::new(UpstreamErrorKind::Resolve))
    } else {
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_base::{Clock as _, ManualClock, SeededRandom, SystemClock, TokioRuntime};

    #[tokio::test]
    async fn what_connecting_goes_by_when_addresses_do_not_answer_or_are_not_told() {
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        // The line of who waits to be accepted is full: nobody else is answered.
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(silent)).await {
            waiting.push(stream);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let parts = UpstreamParts {
            clock: Arc::new(SystemClock),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SeededRandom::new(1)),
        };
        let dialer = Dialer::new(&UpstreamConfig::defaults("test", &["http://shop"]), None, &parts);
        let dialer = Dialer {
            timeout: Duration::from_secs(3600),
            ..dialer
        };
        let addresses = [silent, listener.local_addr().unwrap()];
        let end = parts.clock.now().after(Duration::from_secs(1));
        let connected = tokio::time::timeout(crate::tests::PATIENCE, dialer.connect(&addresses, end)).await;
        let connected = connected.expect("the first had a share of this limit").unwrap();
        assert_eq!(connected.peer_addr().unwrap(), addresses[1]);

        let silent = Target::parse(&format!("http://{silent}")).unwrap();
        let (now, far) = (parts.clock.now(), parts.clock.now().after(dialer.timeout));
        let dialed = dialer
            .dial(&silent, far, now.after(Duration::from_millis(100)), false)
            .await;
        let kind = dialed.err().map(|error| error.kind);
        assert_eq!(
            kind,
            Some(UpstreamErrorKind::TotalTimeout),
            "the exchange had no time left"
        );

        let unknown = Target::parse("http://shop.invalid").unwrap();
        let clock = Arc::new(ManualClock::default());
        let parts = UpstreamParts {
            clock: clock.clone(),
            ..parts
        };
        let dialer = Dialer { parts, ..dialer };
        *dialer.known.lock() = Known {
            addresses: Vec::new(),
            told: clock.now(),
        };
        assert!(dialer.addresses(&unknown, Instant::FAR).await.is_err());
        dialer.known.lock().addresses = addresses.to_vec();
        for is_known in [true, false] {
            let found = dialer
                .addresses(&unknown, clock.now().after(crate::tests::PATIENCE))
                .await;
            assert_eq!(found.ok(), is_known.then(|| addresses.to_vec()), "for a while");
            clock.advance(KNOWN_FOR);
        }
    }
}
