//! What happens on a connection before its first request: the header of the PROXY protocol, the TLS handshake, and finding
//! out which HTTP is spoken. All of it runs in the connection's own task, within its own time, and counts as a connection
//! from the beginning.

use super::h2::meter::PREFACE;
use super::transport::Transport;
use super::{Open, Shared, connection, h2};
use crate::drain::DrainWatch;
use crate::http::hygiene::TrustedProxies;
use crate::http::{Handler, Peer};
use crate::listen::Stream;
use crate::proxy_protocol::{self, Parsed, ProxyFault, Says};
use crate::tls::Tls;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// What is spoken at a listener beside plain HTTP/1.1.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    /// TLS.
    pub tls: Option<Arc<Tls>>,
    /// HTTP/2 without TLS, for clients that begin with it.
    pub h2c: bool,
    /// The PROXY protocol, and who is believed.
    pub proxy_protocol: Option<Believed>,
}

/// Whose headers of the PROXY protocol are believed. Connections of all others are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Believed {
    /// Those of [`super::Server::trust`].
    Trusted,
    /// Those of everyone who can connect.
    Anyone,
}

impl Spoken {
    /// Whether a connection begins with its first request.
    pub(super) const fn is_plain(&self) -> bool {
        self.tls.is_none() && !self.h2c && self.proxy_protocol.is_none()
    }
}

/// Why a connection ended before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ArrivalFault {
    /// A PROXY header was due, and the connection comes from somebody who is not believed.
    ProxyUntrusted,
    /// No PROXY header came, or none that is one.
    ProxyMalformed,
    /// It did not come in time.
    ProxyTimeout,
    /// The TLS handshake took too long.
    TlsTimeout,
    /// The TLS handshake was the oldest of as many as may be under way, and gave way to another.
    TlsCrowded,
    /// The client left during the handshake.
    TlsClosed,
    /// What came is no TLS: plain HTTP, for one.
    TlsMalformed,
    /// The client speaks no version, cipher or protocol that is spoken here.
    TlsIncompatible,
    /// The client ended the handshake with an alert: it does not trust the certificate, for one.
    TlsAlert,
    /// A client's certificate was needed and none came.
    TlsClientCertificateMissing,
    /// The client's certificate is not from a known authority, or not valid any more.
    TlsClientCertificateInvalid,
    /// Any other failure of the handshake.
    TlsOther,
}

impl ArrivalFault {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 12] = [
        Self::ProxyUntrusted,
        Self::ProxyMalformed,
        Self::ProxyTimeout,
        Self::TlsTimeout,
        Self::TlsCrowded,
        Self::TlsClosed,
        Self::TlsMalformed,
        Self::TlsIncompatible,
        Self::TlsAlert,
        Self::TlsClientCertificateMissing,
        Self::TlsClientCertificateInvalid,
        Self::TlsOther,
    ];

    /// The word for logs and metric labels.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyUntrusted => "proxy_untrusted",
            Self::ProxyMalformed => "proxy_malformed",
            Self::ProxyTimeout => "proxy_timeout",
            Self::TlsTimeout => "tls_timeout",
            Self::TlsCrowded => "tls_crowded",
            Self::TlsClosed => "tls_closed",
            Self::TlsMalformed => "tls_malformed",
            Self::TlsIncompatible => "tls_incompatible",
            Self::TlsAlert => "tls_alert",
            Self::TlsClientCertificateMissing => "tls_client_certificate_missing",
            Self::TlsClientCertificateInvalid => "tls_client_certificate_invalid",
            Self::TlsOther => "tls_other",
        }
    }

    /// Its place in [`ArrivalFault::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// Serves a connection from its first byte to its end.
pub(super) async fn serve<H: Handler>(
    mut stream: Stream,
    mut peer: Peer,
    spoken: Arc<Spoken>,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    let shared = Arc::clone(&open.shared);
    let limit = shared.limits.header_timeout;
    if let Some(believed) = spoken.proxy_protocol {
        let read = introduced(&mut stream, &mut peer, believed, &shared);
        match within(limit, ArrivalFault::ProxyTimeout, read, &shared, &drain).await {
            Some(Ok(())) => {}
            Some(Err(fault)) => return failed(fault, &peer, &shared),
            None => return,
        }
    }
    if let Some(tls) = &spoken.tls {
        let limit = shared.limits.tls.handshake_timeout;
        let handshake = Box::pin(handshake(stream, tls, &shared));
        match within(limit, ArrivalFault::TlsTimeout, handshake, &shared, &drain).await {
            Some(Ok(stream)) => {
                peer.tls = true;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                speak(stream, http2, peer, open, handler, drain).await;
            }
            Some(Err(fault)) => failed(fault, &peer, &shared),
            None => {}
        }
        return;
    }
    let http2 = spoken.h2c && {
        let begins = async { Ok(begins_with_preface(&mut stream).await) };
        // A client that says nothing is closed in silence, as one of HTTP/1 is.
        match within(limit, ArrivalFault::ProxyTimeout, begins, &shared, &drain).await {
            Some(Ok(begins)) => begins,
            Some(Err(_)) | None => return,
        }
    };
    speak(stream, http2, peer, open, handler, drain).await;
}

async fn speak<S: Transport, H: Handler>(
    stream: S,
    http2: bool,
    peer: Peer,
    open: Open,
    handler: Arc<H>,
    drain: DrainWatch,
) {
    if http2 {
        let shared = Arc::clone(&open.shared);
        let _counted = shared.statistics.open_http2();
        Box::pin(h2::serve(stream, peer, open, handler, drain)).await;
    } else {
        Box::pin(connection::serve(stream, peer, open, handler, drain)).await;
    }
}

/// What `work` gives within `limit`, else `late`; nothing when the drain starts before: nothing was asked yet.
async fn within<T>(
    limit: Duration,
    late: ArrivalFault,
    work: impl Future<Output = Result<T, ArrivalFault>>,
    shared: &Shared,
    drain: &DrainWatch,
) -> Option<Result<T, ArrivalFault>> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = shared.parts.runtime.sleep(limit) => Some(Err(late)),
        () = drain.started() => None,
    }
}

fn failed(fault: ArrivalFault, peer: &Peer, shared: &Shared) {
    shared.statistics.fail_arrival(fault);
    tracing::debug!(client = %peer.address, reason = fault.as_str(), "a connection ended before its first request");
}

/// Reads the header of the PROXY protocol and lets `peer` be whom it names.
async fn introduced(
    stream: &mut Stream,
    peer: &mut Peer,
    believed: Believed,
    shared: &Shared,
) -> Result<(), ArrivalFault> {
    let believes = |trusted: &TrustedProxies| believed == Believed::Anyone || trusted.contains(peer.address.ip());
    if !believes(&shared.trusted.read()) {
        return Err(ArrivalFault::ProxyUntrusted);
    }
    let mut buffer = BytesMut::with_capacity(512);
    loop {
        let malformed = |_: ProxyFault| ArrivalFault::ProxyMalformed;
        if let Parsed::Whole { length, says } = proxy_protocol::parse(&buffer).map_err(malformed)? {
            if let Says::From { source, destination } = says {
                (peer.address, peer.local) = (source, destination);
            }
            stream.unread(buffer.split_off(length).freeze());
            return Ok(());
        }
        let read = stream.read_buf(&mut buffer).await;
        if !matches!(read, Ok(1..)) {
            return Err(ArrivalFault::ProxyMalformed);
        }
    }
}

/// Whether the client begins as HTTP/2 does (RFC 9113 §3.4). Every byte can be read again.
async fn begins_with_preface(stream: &mut Stream) -> bool {
    let mut buffer = BytesMut::with_capacity(4096);
    while PREFACE.starts_with(&buffer) && buffer.len() < PREFACE.len() {
        let read = stream.read_buf(&mut buffer).await;
        if !matches!(read, Ok(1..)) {
            break;
        }
    }
    let begins = buffer.starts_with(PREFACE);
    stream.unread(buffer.freeze());
    begins
}

/// The handshake. It counts among those under way once the client has begun it: whoever says nothing holds up nobody.
async fn handshake(stream: Stream, tls: &Tls, shared: &Shared) -> Result<TlsStream<Stream>, ArrivalFault> {
    let fault = |error: io::Error| fault_of(&error);
    let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let begun = acceptor.await.map_err(fault)?;
    let (clock, runtime) = (&*shared.parts.clock, &*shared.parts.runtime);
    let turn = shared.handshakes.take(clock, runtime).await;
    let stream = tokio::select! {
        biased;
        stream = begun.into_stream(tls.server_config()) => stream.map_err(fault)?,
        () = turn.wanted() => return Err(ArrivalFault::TlsCrowded),
    };
    shared.statistics.handshakes.increment();
    if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
        shared.statistics.resumptions.increment();
    }
    Ok(stream)
}

fn fault_of(error: &io::Error) -> ArrivalFault {
    use rustls::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::NoCertificatesPresented) => ArrivalFault::TlsClientCertificateMissing,
        Some(Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_)) => {
            ArrivalFault::TlsClientCertificateInvalid
        }
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => ArrivalFault::TlsIncompatible,
        Some(Error::AlertReceived(_)) => ArrivalFault::TlsAlert,
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::DecryptError) => {
            ArrivalFault::TlsMalformed
        }
        Some(Error::InappropriateHandshakeMessage { .. } | Error::PeerMisbehaved(_)) => ArrivalFault::TlsMalformed,
        Some(_) => ArrivalFault::TlsOther,
        None => ArrivalFault::TlsClosed,
    }
}
