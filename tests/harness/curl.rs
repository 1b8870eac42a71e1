//! curl as a client: it speaks TLS, HTTP/2 and Unix sockets, and none of it is ours.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::Path;
use std::process::Command;

/// What curl says about an answer.
#[derive(Clone, Debug)]
pub(crate) struct Curled {
    /// Whether there was an answer at all.
    pub(crate) ok: bool,
    /// `1.1` or `2`.
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Fields, as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// What it complains about.
    pub(crate) complaint: String,
}

impl Curled {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Runs curl in `folder`.
pub(crate) fn curl(folder: &Path, arguments: &[&str]) -> Curled {
    let head = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "60",
            "--dump-header",
        ])
        .arg(head.path())
        .args(["--write-out", "%{stderr}|%{http_version} %{http_code}"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("curl is there: scripts/setup installs it");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let (complaint, last) = told.rsplit_once('|').unwrap_or((&told, "0 0"));
    let (version, status) = last.split_once(' ').unwrap();
    Curled {
        ok: output.status.success(),
        version: version.to_owned(),
        status: status.trim().parse().unwrap_or(0),
        head: std::fs::read_to_string(head.path()).unwrap().to_ascii_lowercase(),
        body: output.stdout,
        complaint: complaint.to_owned(),
    }
}

/// An authority for certificates of servers and clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than those it signs: OpenSSL takes a certificate by its own name for signed by itself.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Writes its certificate to `folder` as `NAME.pem`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.pem).unwrap();
    }

    /// Writes a certificate for `host` to `folder` as `NAME.pem`, and its key as `NAME.key`, the key first.
    pub(crate) fn issue(&self, folder: &Path, name: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        for (extension, text) in [("key", key.serialize_pem()), ("pem", certificate.pem())] {
            // As careful programs do it: whole or not at all.
            let unfinished = folder.join(format!("{name}.{extension}.new"));
            std::fs::write(&unfinished, text).unwrap();
            std::fs::rename(&unfinished, folder.join(format!("{name}.{extension}"))).unwrap();
        }
    }
}
