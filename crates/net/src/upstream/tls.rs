//! TLS towards origins: rustls with ring as its only provider, the system's roots or given ones, and no way to switch
//! verification off.

use super::UpstreamConfigError;
use crate::config::{HttpVersion, UpstreamConfig};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// What ALPN calls HTTP/2.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// What ALPN calls HTTP/1.1.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The side of TLS that connects, for all targets of an upstream.
#[derive(Clone)]
pub(crate) struct Connectors {
    /// Offers the versions that the configuration names.
    pub(crate) any: TlsConnector,
    /// Offers HTTP/1.1 only, for a connection that is to change its protocol.
    pub(crate) http1: TlsConnector,
    /// What tells the certificates that it trusts from others.
    pub(crate) roots: u64,
}

pub(crate) fn connectors(config: &UpstreamConfig) -> Result<Connectors, UpstreamConfigError> {
    let roots = match &config.tls.roots {
        Some(path) => file_roots(path).map_err(|problem| UpstreamConfigError::Roots {
            upstream: config.name.clone(),
            path: path.clone(),
            problem,
        })?,
        None => system_roots().ok_or_else(|| UpstreamConfigError::NoSystemRoots(config.name.clone()))?,
    };
    let mut hasher = DefaultHasher::new();
    for root in &roots.roots {
        (&*root.subject, &*root.subject_public_key_info).hash(&mut hasher);
    }
    let fingerprint = hasher.finish();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the versions that rustls defaults to")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = match config.http_version {
        HttpVersion::Auto => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
        HttpVersion::Http1 => vec![ALPN_HTTP1.to_vec()],
        HttpVersion::Http2 => vec![ALPN_H2.to_vec()],
    };
    let mut http1 = client.clone();
    http1.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(Connectors {
        any: TlsConnector::from(Arc::new(client)),
        http1: TlsConnector::from(Arc::new(http1)),
        roots: fingerprint,
    })
}

fn file_roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| format!("cannot be read: {error}"))? {
        let certificate = certificate.map_err(|error| format!("is no PEM file: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be trusted: {error}"))?;
    }
    if roots.is_empty() {
        Err("holds no certificate".to_owned())
    } else {
        Ok(roots)
    }
}

/// The system's, without those that rustls cannot read: old stores hold some.
fn system_roots() -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    (!roots.is_empty()).then_some(roots)
}
