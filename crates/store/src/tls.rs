//! TLS towards servers and sentinels: rustls with ring as its only provider, the system's roots or given ones, a certificate of
//! our own where one is configured, and no way to switch verification off.

use crate::config::RedisTlsConfig;
use peregrine_base::Complaint;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The side that connects. Reads the files that the configuration names; complaints are about fields of `[redis]`.
pub(crate) fn connector(config: &RedisTlsConfig) -> Result<TlsConnector, Vec<Complaint>> {
    let roots = match &config.ca {
        Some(path) => file_roots(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the versions that rustls defaults to")
        .with_root_certificates(roots);
    let client = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "tls.certificate")?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                let problem = format!("cannot be used: {}: {error}", key.display());
                complaint(
                    "tls.key",
                    problem,
                    "name the PEM file with the private key, readable for this user",
                )
            })?;
            builder.with_client_auth_cert(chain, private).map_err(|error| {
                let problem = format!("does not go with tls.certificate: {error}");
                complaint(
                    "tls.key",
                    problem,
                    "name the key that the certificate was requested with",
                )
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

fn complaint(field: &str, problem: String, help: &str) -> Vec<Complaint> {
    vec![Complaint::new(field, problem, help)]
}

fn certificates(path: &Path, field: &str) -> Result<Vec<CertificateDer<'static>>, Vec<Complaint>> {
    let help = "name a PEM file with certificates, readable for this user";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(complaint(
            field,
            format!("holds no certificate: {}", path.display()),
            help,
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(complaint(
            field,
            format!("cannot be read: {}: {error}", path.display()),
            help,
        )),
    }
}

fn file_roots(path: &Path) -> Result<RootCertStore, Vec<Complaint>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "tls.ca")? {
        roots.add(certificate).map_err(|error| {
            let problem = format!(
                "holds a certificate that cannot be trusted: {}: {error}",
                path.display()
            );
            complaint("tls.ca", problem, "name the certificate of the authority")
        })?;
    }
    Ok(roots)
}

/// The system's, without those that rustls cannot read: old stores hold some.
fn system_roots() -> Result<RootCertStore, Vec<Complaint>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let problem = "is not set, and the system has no trusted certificates".to_owned();
        return Err(complaint(
            "tls.ca",
            problem,
            "name a PEM file with those that are to be trusted",
        ));
    }
    Ok(roots)
}
