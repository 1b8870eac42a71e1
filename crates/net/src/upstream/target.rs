//! A target: where one server of an upstream is.

use ::http::uri::{PathAndQuery, Scheme};
use ::http::{HeaderValue, Uri};
use rustls_pki_types::ServerName;
use std::sync::Arc;

/// The URL of a server, taken apart.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it stands in logs, metrics and errors: `http://10.0.0.7:3000`.
    name: Arc<str>,
    host: String,
    port: u16,
    authority: HeaderValue,
    /// The name that its certificate must be for; `None` without TLS.
    server_name: Option<ServerName<'static>>,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No URL at all.
    #[error("is no URL with a scheme and a host")]
    Url,
    /// Another scheme.
    #[error("has a scheme other than http and https")]
    Scheme,
    /// Something beside scheme, host and port.
    #[error("has more than scheme, host and port; paths are kept as they are")]
    Extra,
    /// A host that no certificate can be for.
    #[error("has a host that is neither a name nor an address")]
    Host,
}

impl Target {
    /// Reads `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// What is wrong with `url`, to be read after its name.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let uri: Uri = url.trim().parse().map_err(|_| TargetError::Url)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(TargetError::Url);
        };
        let https = *scheme == Scheme::HTTPS;
        if !https && *scheme != Scheme::HTTP {
            return Err(TargetError::Scheme);
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if path != "/" || authority.as_str().contains('@') || url.contains('#') {
            return Err(TargetError::Extra);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let server_name = ServerName::try_from(host.clone()).map_err(|_| TargetError::Host)?;
        Ok(Self {
            name: format!("{scheme}://{authority}").into(),
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| TargetError::Host)?,
            server_name: https.then_some(server_name),
            host,
        })
    }

    /// As it stands in logs, metrics and errors.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name or address to connect to.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in its URL.
    pub(crate) const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    pub(crate) const fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    pub(crate) const fn is_tls(&self) -> bool {
        self.server_name.is_some()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.is_tls() { Scheme::HTTPS } else { Scheme::HTTP }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_or_refused() {
        type Parts = (&'static str, u16, bool);
        let table: &[(&str, Result<Parts, TargetError>)] = &[
            ("http://127.0.0.1:3000", Ok(("127.0.0.1", 3000, false))),
            ("http://api", Ok(("api", 80, false))),
            ("https://api/", Ok(("api", 443, true))),
            ("https://[::1]:8443", Ok(("::1", 8443, true))),
            ("127.0.0.1:3000", Err(TargetError::Url)),
            ("api", Err(TargetError::Url)),
            ("ftp://api", Err(TargetError::Scheme)),
            ("http://api/v1", Err(TargetError::Extra)),
            ("http://api/?a", Err(TargetError::Extra)),
            ("http://api#a", Err(TargetError::Extra)),
            ("http://u:p@api", Err(TargetError::Extra)),
            ("http://a_b:1", Ok(("a_b", 1, false))),
        ];
        for (url, expected) in table {
            let found = Target::parse(url);
            let found = found
                .as_ref()
                .map(|target| (target.host(), target.port(), target.is_tls()))
                .map_err(|error| *error);
            assert_eq!(found, *expected, "{url}");
        }
    }
}
