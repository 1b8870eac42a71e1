//! The certificates of a listener, read from files, and the choice among them for a name.

use super::expiry;
use crate::config::CertificateConfig;
use peregrine_base::Complaint;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A certificate that is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// The file.
    pub file: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970; `None` when that cannot be read.
    pub not_after_s: Option<i64>,
}

/// Chooses by the name that the client asks for: a certificate for exactly that name, else one for `*.` and the rest of it,
/// else the first of all. Of several for one name, the first whose kind of key the client can check.
#[derive(Debug)]
pub(super) struct Certificates {
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    first: Arc<CertifiedKey>,
    pub(super) statuses: Vec<CertificateStatus>,
}

impl Certificates {
    /// Reads `files`, of which there is at least one; each comes with the name of its field.
    pub(super) fn read(
        files: &[(String, CertificateConfig)],
        provider: &CryptoProvider,
    ) -> Result<Self, Vec<Complaint>> {
        let (mut read, mut complaints) = (Vec::new(), Vec::new());
        for (field, config) in files {
            match certified(config, field, provider) {
                Ok(key) => read.push((Arc::new(key), config)),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if !complaints.is_empty() {
            return Err(complaints);
        }
        let (first, _) = read.first().expect("a listener with TLS has a certificate");
        let mut whole = Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            first: Arc::clone(first),
            statuses: Vec::new(),
        };
        for (key, config) in &read {
            whole.add(key, config);
        }
        Ok(whole)
    }

    fn add(&mut self, key: &Arc<CertifiedKey>, config: &CertificateConfig) {
        let end_entity = key.cert.first().expect("a certified key has a certificate");
        let parsed = webpki::EndEntityCert::try_from(end_entity).ok();
        let names: Vec<String> = parsed
            .iter()
            .flat_map(|parsed| parsed.valid_dns_names())
            .map(str::to_ascii_lowercase)
            .collect();
        for name in &names {
            let (table, name) = match name.strip_prefix("*.") {
                Some(rest) => (&mut self.wildcard, rest),
                None => (&mut self.exact, name.as_str()),
            };
            table.entry(name.to_owned()).or_default().push(Arc::clone(key));
        }
        self.statuses.push(CertificateStatus {
            file: config.certificate.display().to_string(),
            names,
            not_after_s: expiry::not_after(end_entity),
        });
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> &Arc<CertifiedKey> {
        let name = name.unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let rest = name.split_once('.').map_or("", |(_, rest)| rest);
        let fitting = self.exact.get(&name).or_else(|| self.wildcard.get(rest));
        let fitting = fitting.map_or(&[] as &[Arc<CertifiedKey>], Vec::as_slice);
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        fitting.iter().find(usable).or(fitting.first()).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.choose(hello.server_name(), hello.signature_schemes())))
    }
}

/// The certificate and the key of one pair of files; the complaint is about a field under `field`.
fn certified(config: &CertificateConfig, field: &str, provider: &CryptoProvider) -> Result<CertifiedKey, Complaint> {
    let (certificate, key) = (format!("{field}certificate"), format!("{field}key"));
    let chain = certificates_of(&config.certificate).map_err(|problem| {
        Complaint::new(
            &certificate,
            problem,
            "name a PEM file with the certificate, then those between it and its root",
        )
    })?;
    let private = private_key_of(&config.key).map_err(|problem| {
        let help = "name the PEM file with the private key of the certificate, readable for this user";
        Complaint::new(&key, problem, help)
    })?;
    let (certificate_file, key_file) = (config.certificate.display(), config.key.display());
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => Complaint::new(
            key,
            format!("is not the key of the certificate: {key_file} does not belong to {certificate_file}"),
            "name the key that the certificate was requested with",
        ),
        Error::InvalidCertificate(_) => Complaint::new(
            certificate,
            format!("holds no certificate that can be used: {certificate_file}: {error}"),
            "name a PEM file with an X.509 certificate",
        ),
        other => Complaint::new(
            key,
            format!("is no key that can be used: {key_file}: {other}"),
            "use an ECDSA (P-256, P-384), Ed25519 or RSA key",
        ),
    })
}

/// Every certificate in the PEM file at `path`, at least one; or what is wrong with the file.
pub(super) fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(format!("holds no certificate: {shown}")),
        Ok(found) => Ok(found),
        Err(pem::Error::Io(error)) => Err(format!("cannot be read: {shown}: {error}")),
        Err(error) => Err(format!("is no PEM file: {shown}: {error}")),
    }
}

fn private_key_of(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::Io(error) => format!("cannot be read: {shown}: {error}"),
        pem::Error::NoItemsFound if is_encrypted(path) => format!("is encrypted and would need a password: {shown}"),
        pem::Error::NoItemsFound => format!("holds no private key: {shown}"),
        error => format!("is no PEM file: {shown}: {error}"),
    })
}

fn is_encrypted(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("ENCRYPTED PRIVATE KEY"))
}
