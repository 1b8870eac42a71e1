//! An authority of a test's own, a certificate for the server and one for its clients.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;

/// Where the PEM files of a client lie.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority that signed the server's certificate, for `localhost` and 127.0.0.1.
    pub ca: PathBuf,
    /// A certificate of the same authority for clients that show one.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// An authority and what it signed. Servers that share one trust each other.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(crate) files: TlsFiles,
    /// A server's certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    _folder: Arc<tempfile::TempDir>,
}

/// Makes one, with the files of both sides.
pub(crate) fn make() -> Authority {
    let folder = tempfile::Builder::new().prefix("peregrine-tls-").tempdir().unwrap();
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    // A name of its own: OpenSSL takes a certificate whose subject is its issuer's for one that signed itself.
    authority
        .distinguished_name
        .push(DnType::CommonName, "an authority for tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pair = |name: &str, names: &[&str]| {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        (
            write(&format!("{name}.pem"), &leaf.pem()),
            write(&format!("{name}.key"), &key.serialize_pem()),
        )
    };
    let ca = write("ca.pem", &root);
    let (server_certificate, server_key) = pair("server", &["localhost", "127.0.0.1"]);
    let (certificate, key) = pair("client", &["client.test"]);
    Authority {
        files: TlsFiles { ca, certificate, key },
        certificate: server_certificate,
        key: server_key,
        _folder: Arc::new(folder),
    }
}
