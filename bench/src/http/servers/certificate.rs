//! A certificate for the contests over TLS, signed by itself, made anew for each run.

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A certificate for 127.0.0.1, in files and as bytes.
pub(crate) struct Certificate {
    _folder: tempfile::TempDir,
    /// The file with the certificate, in PEM.
    pub(crate) chain: PathBuf,
    /// The file with its key, in PEM.
    pub(crate) key: PathBuf,
    /// The file with both.
    pub(crate) both: PathBuf,
    /// For those who are to trust it.
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one: ECDSA over P-256, as most sites have.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub(crate) fn new() -> Result<Self, String> {
        let say = |error: &dyn std::fmt::Display| format!("no certificate: {error}");
        let pair = KeyPair::generate().map_err(|error| say(&error))?;
        let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(|error| say(&error))?;
        let made = parameters.self_signed(&pair).map_err(|error| say(&error))?;
        let folder = tempfile::tempdir().map_err(|error| say(&error))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).map_err(|error| say(&error))?;
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).map(|()| path).map_err(|error| say(&error))
        };
        Ok(Self {
            chain: write("certificate.pem", made.pem())?,
            key: write("key.pem", pair.serialize_pem())?,
            both: write("both.pem", made.pem() + &pair.serialize_pem())?,
            der: made.der().clone(),
            _folder: folder,
        })
    }
}
