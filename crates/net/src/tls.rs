//! TLS towards clients: rustls with ring as its only provider, certificates from files that are read again when they change.
//!
//! What it guarantees: a listener always has certificates that work. Files that changed and cannot be used leave those in
//! use that were there before, and the log and the status say why. Sessions are resumed by tickets whose keys change with
//! the files, so that no session outlives the certificates and authorities under which it was agreed.

mod certificates;
mod expiry;
mod watch;

pub use certificates::CertificateStatus;

use crate::config::{ClientAuth, ListenerTlsConfig, TlsVersion};
use certificates::Certificates;
use parking_lot::{Mutex, RwLock};
use peregrine_base::Complaint;
use peregrine_telemetry::Counter;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use watch::Stamp;

/// What ALPN calls HTTP/2.
const ALPN_H2: &[u8] = b"h2";
/// What ALPN calls HTTP/1.1.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The TLS of one listener.
#[derive(Debug)]
pub struct Tls {
    http2: bool,
    current: RwLock<Current>,
    /// The configuration, and the files as they were when they were last looked at.
    seen: Mutex<(ListenerTlsConfig, Vec<Stamp>)>,
    reloads: Counter,
    reload_failures: Counter,
}

#[derive(Clone, Debug)]
struct Current {
    server: Arc<ServerConfig>,
    certificates: Arc<[CertificateStatus]>,
    /// What is wrong with the files that are there now, while those from before are in use.
    problem: Option<String>,
}

/// Files that were read and can be used, for [`Tls::adopt`].
#[derive(Debug)]
pub struct Prepared {
    current: Current,
    seen: (ListenerTlsConfig, Vec<Stamp>),
}

/// What a listener's TLS is like.
#[derive(Clone, Debug, Serialize)]
pub struct TlsStatus {
    /// The certificates in use.
    pub certificates: Vec<CertificateStatus>,
    /// How often changed files were taken into use.
    pub reloads: u64,
    /// How often changed files could not be used.
    pub reload_failures: u64,
    /// What is wrong with the files that are there now; the certificates in use are those from before.
    pub problem: Option<String>,
}

impl Tls {
    /// Reads the files of `config`. `http2`: whether clients may agree on HTTP/2.
    ///
    /// # Errors
    /// What is wrong with which file, each about a field of the listener: `tls.key`.
    pub fn load(config: &ListenerTlsConfig, http2: bool) -> Result<Arc<Self>, Vec<Complaint>> {
        // Looked at before they are read: a change between the two is then seen later, not missed.
        let stamps = watch::stamps(config);
        let current = read(config, http2)?;
        Ok(Arc::new(Self {
            http2,
            current: RwLock::new(current),
            seen: Mutex::new((config.clone(), stamps)),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
        }))
    }

    /// What handshakes that begin now go by.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().server)
    }

    /// What it is like.
    #[must_use]
    pub fn status(&self) -> TlsStatus {
        let current = self.current.read();
        TlsStatus {
            certificates: current.certificates.to_vec(),
            reloads: self.reloads.value(),
            reload_failures: self.reload_failures.value(),
            problem: current.problem.clone(),
        }
    }

    /// Reads what it takes to go by `config`. Nothing changes before [`Tls::adopt`], so that everything is as it was where
    /// what else is asked for is refused. Where it goes by that already, it is looked at as ever, and nothing is to be adopted:
    /// files that cannot be used leave those in use that were there before, and hold up nothing else.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn prepare(&self, config: &ListenerTlsConfig) -> Result<Option<Prepared>, Vec<Complaint>> {
        if self.seen.lock().0 == *config {
            self.look();
            return Ok(None);
        }
        let stamps = watch::stamps(config);
        Ok(Some(Prepared {
            current: read(config, self.http2)?,
            seen: (config.clone(), stamps),
        }))
    }

    /// Goes by what was prepared from now on.
    pub fn adopt(&self, prepared: Prepared) {
        let mut seen = self.seen.lock();
        *self.current.write() = prepared.current;
        *seen = prepared.seen;
        self.reloads.increment();
    }

    /// Reads the files again if they have changed since they were last looked at, or could not be used then; says in the log
    /// what came of it.
    pub(crate) fn look(&self) {
        let mut seen = self.seen.lock();
        let stamps = watch::stamps(&seen.0);
        let problem = self.current.read().problem.clone();
        // What was wrong may be over although the files are the same: no descriptors, a folder that nobody could enter.
        if stamps == seen.1 && problem.is_none() {
            return;
        }
        let read = read(&seen.0, self.http2);
        // Held to the end: what a reload configures meanwhile must not be replaced by what was before.
        seen.1 = stamps;
        match read {
            Ok(current) => {
                let files: Vec<&str> = current.certificates.iter().map(|status| &*status.file).collect();
                tracing::info!(certificates = files.join(", "), "certificates changed and are in use");
                *self.current.write() = current;
                self.reloads.increment();
            }
            Err(complaints) => self.note_problem(&complaints, problem.as_deref()),
        }
    }

    /// The files cannot be used: said and counted once for each reason, not each time they are looked at.
    fn note_problem(&self, complaints: &[Complaint], before: Option<&str>) {
        let said: Vec<String> = complaints
            .iter()
            .map(|it| format!("{} {}", it.field, it.problem))
            .collect();
        let problem = said.join("; ");
        if before == Some(problem.as_str()) {
            return;
        }
        tracing::error!(reason = %problem, "changed certificates cannot be used: those from before stay in use");
        self.current.write().problem = Some(problem);
        self.reload_failures.increment();
    }
}

/// What handshakes go by, from the files as they are now.
fn read(config: &ListenerTlsConfig, http2: bool) -> Result<Current, Vec<Complaint>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = Certificates::read(&config.pairs(), &provider)?;
    let statuses = certificates.statuses.clone();
    let versions: &[&rustls::SupportedProtocolVersion] = match config.min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("ring supports both versions");
    let builder = match client_verifier(config, provider).map_err(|complaint| vec![complaint])? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(certificates));
    server.alpn_protocols = if http2 {
        vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()]
    } else {
        vec![ALPN_HTTP1.to_vec()]
    };
    server.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| {
        let help = "see whether the system gives random numbers";
        vec![Complaint::new(
            "tls",
            format!("cannot make keys for session tickets: {error}"),
            help,
        )]
    })?;
    Ok(Current {
        server: Arc::new(server),
        certificates: statuses.into(),
        problem: None,
    })
}

/// Who checks the certificates of clients; nobody when they are not asked for any.
fn client_verifier(
    config: &ListenerTlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Complaint> {
    let Some(file) = config
        .client_ca
        .as_deref()
        .filter(|_| config.client_auth != ClientAuth::Off)
    else {
        return Ok(None);
    };
    let complaint = |problem| {
        let help = "name a PEM file with the certificates of the authorities that clients' certificates come from";
        Complaint::new("tls.client_ca", problem, help)
    };
    let roots = authorities(file).map_err(complaint)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match config.client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::Off | ClientAuth::Required => builder,
    };
    let built = builder.build();
    built
        .map(Some)
        .map_err(|error: VerifierBuilderError| complaint(format!("cannot be used: {error}")))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates::certificates_of(path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be used: {}: {error}", path.display()))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
