//! An authority of a test's own, a certificate for the server and one for its clients.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

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

/// Makes the files of both sides in `folder`: the client's, then the server's certificate and key.
pub(crate) fn make(folder: &Path) -> (TlsFiles, PathBuf, PathBuf) {
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
        let path = folder.join(name);
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
    (TlsFiles { ca, certificate, key }, server_certificate, server_key)
}
