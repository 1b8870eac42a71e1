//! Where the load goes: a URL, resolved once, with the certificates to trust.

use rustls::pki_types::{CertificateDer, ServerName};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Whom to trust behind `https`.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// The certificate authorities of the system.
    #[default]
    System,
    /// These, and no others.
    Given(Vec<CertificateDer<'static>>),
}

/// An origin to send requests to.
#[derive(Clone)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// Where else the name leads, in the resolver's order; tried when nobody listens at the first.
    pub(crate) alternatives: Vec<SocketAddr>,
    /// What goes into `Host`: name and port as in the URL.
    pub authority: String,
    /// How to speak TLS; `None` for plain `http`.
    pub(crate) tls: Option<Tls>,
}

/// The name to verify and the settings to do it with.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<rustls::ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

/// Why a URL is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("`{0}` is not a URL of the form http://host:port/path or https://host/path")]
    Url(String),
    /// The name has no address.
    #[error("cannot resolve {host}: {error}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        error: std::io::Error,
    },
    /// No certificate authority to trust.
    #[error("no trusted certificate authorities found: {0}")]
    Roots(String),
}

impl Target {
    /// The plain-HTTP server at `address`.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            alternatives: Vec::new(),
            authority: address.to_string(),
            tls: None,
        }
    }

    /// Resolves the origin of `url`, and answers with it and the path and query that follow.
    ///
    /// # Errors
    /// When the URL is none, its host has no address, or there is no root to trust.
    pub async fn from_url(url: &str, roots: &Roots) -> Result<(Self, String), TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let (is_tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ => return Err(wrong()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || authority.contains('@') || !clean(authority) || !clean(path) {
            return Err(wrong());
        }
        let (host, port) = split_port(authority, if is_tls { 443 } else { 80 }).ok_or_else(wrong)?;
        let unresolved = |error| TargetError::Resolve {
            host: host.to_owned(),
            error,
        };
        let mut addresses = tokio::net::lookup_host((host, port)).await.map_err(unresolved)?;
        let address = addresses
            .next()
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        let alternatives = addresses.collect();
        let tls = if is_tls {
            Some(Tls::new(host, roots, &wrong)?)
        } else {
            None
        };
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok((
            Self {
                address,
                alternatives,
                authority: authority.to_owned(),
                tls,
            },
            path,
        ))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.tls.is_some() { "https" } else { "http" },
            self.authority
        )
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self} at {})", self.address)
    }
}

/// Host (without the brackets of an IPv6 literal) and port of an authority.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        let port = if tail.is_empty() {
            default
        } else {
            tail.strip_prefix(':')?.parse().ok()?
        };
        return Some((host, port));
    }
    match authority.split_once(':') {
        None => Some((authority, default)),
        Some((host, port)) if !host.is_empty() => Some((host, port.parse().ok()?)),
        Some(_) => None,
    }
}

impl Tls {
    fn new(host: &str, roots: &Roots, wrong: &dyn Fn() -> TargetError) -> Result<Self, TargetError> {
        let mut store = rustls::RootCertStore::empty();
        let problem = |text: String| TargetError::Roots(text);
        match roots {
            Roots::Given(certificates) => {
                for certificate in certificates {
                    store
                        .add(certificate.clone())
                        .map_err(|error| problem(error.to_string()))?;
                }
            }
            Roots::System => {
                let found = rustls_native_certs::load_native_certs();
                // One unreadable certificate is no reason to trust none.
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                    return Err(problem(errors.join("; ")));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_become_targets() {
        for (url, address, authority, path) in [
            (
                "http://127.0.0.1:3000/a?b=c#d",
                "127.0.0.1:3000",
                "127.0.0.1:3000",
                "/a?b=c",
            ),
            ("HTTP://127.0.0.1", "127.0.0.1:80", "127.0.0.1", "/"),
            ("http://127.0.0.1?q=1", "127.0.0.1:80", "127.0.0.1", "/?q=1"),
            ("http://[::1]:8080/", "[::1]:8080", "[::1]:8080", "/"),
            ("http://[::1]/x", "[::1]:80", "[::1]", "/x"),
        ] {
            let (target, rest) = Target::from_url(url, &Roots::System).await.unwrap();
            assert_eq!(
                (
                    target.address.to_string().as_str(),
                    target.authority.as_str(),
                    rest.as_str()
                ),
                (address, authority, path),
                "{url}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_url_is_refused() {
        for url in [
            "",
            "localhost:80",
            "ftp://host/",
            "http://",
            "http://:80/",
            "http://h:x/",
            "http://a b/",
            "http://u@h/",
            "http://h/a b",
        ] {
            assert!(Target::from_url(url, &Roots::System).await.is_err(), "{url}");
        }
    }
}
