//! An origin behind TLS with an authority of its own, which speaks HTTP/1.1 or HTTP/2 as the handshake agrees. It answers
//! with the version, the host and the path that it was asked by.

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A TLS origin for the name `localhost`.
pub(crate) struct SecureOrigin {
    pub(crate) address: SocketAddr,
    /// The authority's certificate, as a PEM file holds it.
    pub(crate) authority: String,
    heard: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl SecureOrigin {
    /// Starts one that agrees on one of `protocols`, as ALPN names them.
    pub(crate) fn start(protocols: &[&str]) -> Self {
        let (authority, acceptor) = identity(protocols);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, acceptor.clone(), Arc::clone(&counter)));
            }
        });
        Self {
            address,
            authority,
            heard,
            _runtime: runtime,
        }
    }

    /// How many requests were heard.
    pub(crate) fn count(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    /// Its URL by the name in its certificate.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Writes the authority's certificate to `folder` as `authority.pem`.
    pub(crate) fn write_authority(&self, folder: &Path) {
        std::fs::write(folder.join("authority.pem"), &self.authority).unwrap();
    }
}

fn identity(protocols: &[&str]) -> (String, TlsAcceptor) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = config
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (root, TlsAcceptor::from(Arc::new(config)))
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, heard: Arc<AtomicUsize>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let service = service_fn(move |request| {
        heard.fetch_add(1, Ordering::SeqCst);
        async move { answer(&request) }
    });
    let _ = if speaks_http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(stream, service)
            .await
    };
}

fn answer(request: &Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let field = || {
        request
            .headers()
            .get("host")
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
    };
    let host = request
        .uri()
        .authority()
        .map_or_else(field, |authority| authority.as_str());
    let text = format!("{:?} {host} {}", request.version(), request.uri().path());
    Ok(Response::builder()
        .header("cache-control", "max-age=60")
        .body(Full::from(text))
        .unwrap())
}
