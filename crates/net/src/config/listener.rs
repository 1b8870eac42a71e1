//! `[[listener]]`: where clients come in, and what is spoken there.

use super::table;
use crate::listen::Address;
use peregrine_base::Complaint;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One `[[listener]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Where it listens.
    pub address: String,
    /// The permissions of the file of a Unix socket, in octal digits.
    pub mode: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether clients may agree on HTTP/2 by TLS.
    pub http2: bool,
    /// Whether clients may begin with HTTP/2 without TLS.
    pub h2c: bool,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether that is believed from everyone.
    pub proxy_protocol_from_anyone: bool,
    /// TLS; off without a certificate.
    pub tls: ListenerTlsConfig,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// The LLM gateway; a later part.
    Llm,
    /// The Postgres proxy; a later part.
    Postgres,
    /// The cache for any Redis client; a later part.
    Resp,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerTlsConfig {
    /// A PEM file: the certificate, then those between it and its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file: the private key of `certificate`.
    pub key: Option<PathBuf>,
    /// Further ones, chosen by the name that the client asks for.
    pub certificates: Vec<CertificateConfig>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// A PEM file with the authorities that these come from.
    pub client_ca: Option<PathBuf>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// A PEM file: the certificate, then those between it and its root.
    pub certificate: PathBuf,
    /// A PEM file: its private key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// Who shows one must show a good one.
    Optional,
    /// Who shows no good one is not served.
    Required,
}

impl ListenerTlsConfig {
    /// Whether there is TLS at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.certificate.is_some() || !self.certificates.is_empty()
    }

    /// Every certificate with its key, the default first, and what stands before the names of their fields.
    pub(crate) fn pairs(&self) -> Vec<(String, CertificateConfig)> {
        let single = self.certificate.clone().zip(self.key.clone());
        let single = single.map(|(certificate, key)| ("tls.".to_owned(), CertificateConfig { certificate, key }));
        let several = self.certificates.iter().enumerate();
        let several = several.map(|(index, pair)| (format!("tls.certificates[{index}]."), pair.clone()));
        single.into_iter().chain(several).collect()
    }

    fn check(&self, complaints: &mut Vec<Complaint>) {
        let mut complain = |field: &str, problem: &str, help: &str| {
            complaints.push(Complaint::new(format!("tls.{field}"), problem, help));
        };
        match (&self.certificate, &self.key) {
            (Some(_), None) => complain("certificate", "has no key", "name the file with its key: tls.key"),
            (None, Some(_)) => complain("key", "has no certificate", "name the file with it: tls.certificate"),
            _ => {}
        }
        let asked = self.client_auth != ClientAuth::Off;
        if asked && self.client_ca.is_none() {
            let help = "name the PEM file with the authorities that clients' certificates come from: tls.client_ca";
            complain("client_auth", "needs tls.client_ca, which is not set", help);
        }
        if asked && !self.is_on() {
            complain("client_auth", "needs TLS", "set tls.certificate and tls.key");
        }
    }
}

impl ListenerConfig {
    /// A listener at `address` with every other parameter at its default.
    #[must_use]
    pub fn defaults(address: &str) -> Self {
        table::defaults("listener[].", &[("address", address.into())])
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The complaint about an address that is none.
    pub fn place(&self) -> Result<Address, Complaint> {
        self.address.parse().map_err(|error| {
            let help = "write an IP address and a port: \"127.0.0.1:8080\", \"[::1]:8080\"; or a path: \
                        \"unix:/run/peregrine.sock\"";
            Complaint::new("address", format!("{error}: {:?}", self.address), help)
        })
    }

    /// The IP address and port where it listens; none for a Unix socket.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        self.place().ok()?.ip()
    }

    /// Whether this is every interface by IPv6 and another of `all` has the same port of every interface by IPv4.
    #[must_use]
    pub fn is_beside_ipv4(&self, all: &[Self]) -> bool {
        let is_everywhere = |address: &SocketAddr| address.ip().is_unspecified() && address.port() != 0;
        let everywhere = |config: &Self| config.socket_address().filter(is_everywhere);
        let Some(here) = everywhere(self).filter(SocketAddr::is_ipv6) else {
            return false;
        };
        let mut others = all.iter().filter_map(everywhere);
        others.any(|other| other.is_ipv4() && other.port() == here.port())
    }

    /// The permissions of the file of a Unix socket.
    ///
    /// # Errors
    /// The complaint about permissions that are none.
    pub fn file_mode(&self) -> Result<u32, Complaint> {
        let mode = u32::from_str_radix(&self.mode, 8).ok();
        let digits = self.mode.bytes().all(|byte| byte.is_ascii_digit());
        mode.filter(|mode| digits && *mode <= 0o777).ok_or_else(|| {
            let problem = format!("is no permission of a file: {:?}", self.mode);
            Complaint::new(
                "mode",
                problem,
                "write three octal digits: \"660\" for owner and group, \"666\" for everyone",
            )
        })
    }

    /// # Errors
    /// What is wrong across fields, or cannot be said by a bound.
    pub fn check(&self) -> Result<(), Vec<Complaint>> {
        let mut complaints: Vec<Complaint> = self.place().err().into_iter().collect();
        complaints.extend(self.file_mode().err());
        if self.protocol != Protocol::Http {
            complaints.push(Complaint::new("protocol", "is not built yet", "use \"http\""));
        }
        if self.h2c && self.tls.is_on() {
            let help = "remove h2c: with TLS, http2 lets clients choose HTTP/2";
            complaints.push(Complaint::new(
                "h2c",
                "is HTTP/2 without TLS, and this listener has TLS",
                help,
            ));
        }
        if self.proxy_protocol_from_anyone && !self.proxy_protocol {
            let help = "set proxy_protocol = true, or remove it";
            complaints.push(Complaint::new(
                "proxy_protocol_from_anyone",
                "means nothing without proxy_protocol",
                help,
            ));
        }
        self.tls.check(&mut complaints);
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }
}
