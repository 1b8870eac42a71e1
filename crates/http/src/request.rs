//! What is known of a request once it has been received: the effective URL, its fields after hygiene, and who asked.

use http::{HeaderMap, HeaderName, Method};
use std::net::IpAddr;

/// A received request without its body. The URL is the effective one (RFC 9110 §7.1): the scheme that the client used
/// (a trusted proxy may say so), the authority in lower case without a default port, path and query as they came.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// The method.
    pub method: Method,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and, unless it is the scheme's own, port; lower case.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub target: String,
    /// The fields, without those that end at this hop.
    pub headers: HeaderMap,
    /// Who asked, through trusted proxies.
    pub client: IpAddr,
    /// The number that follows the request through logs.
    pub request_id: String,
    /// How many bytes the request's body has, where that is known.
    pub body_length: Option<u64>,
}

impl RequestFacts {
    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// The path, beginning with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query without its question mark, where there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The names and values of the query's parameters, undecoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.query().unwrap_or_default();
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first value of a query parameter.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query_pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The names and values of all cookies.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        cookies(&self.headers)
    }

    /// The effective URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.target)
    }
}

/// The names and values of the cookies in `headers`.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers
        .get_all(http::header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    fields.flat_map(|field| field.split(';')).filter_map(|pair| {
        let pair = pair.trim();
        (!pair.is_empty()).then(|| pair.split_once('=').unwrap_or((pair, "")))
    })
}

/// The host in an authority, without its port; an IPv6 literal keeps its brackets.
fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

/// An authority in lower case, without the port that its scheme has anyway (RFC 9110 §4.2.3).
#[must_use]
pub(crate) fn normal_authority(scheme: &str, authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    match authority.strip_suffix(default_port) {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => authority,
    }
}

/// The first value of a field as text; empty where there is none.
#[must_use]
pub(crate) fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Facts made from a method, a URL and fields, for tests of this crate.
#[cfg(test)]
pub(crate) fn facts_for_tests(method: &str, url: &str, fields: &[(&str, &str)]) -> RequestFacts {
    let uri: http::Uri = url.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let scheme = if uri.scheme_str() == Some("https") {
        "https"
    } else {
        "http"
    };
    RequestFacts {
        method: method.parse().unwrap(),
        scheme,
        authority: normal_authority(scheme, uri.authority().unwrap().as_str()),
        target: uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned(),
        headers,
        client: IpAddr::from([127, 0, 0, 1]),
        request_id: "test".to_owned(),
        body_length: Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_lose_their_default_port_and_their_capitals() {
        for (scheme, authority, normal) in [
            ("http", "Shop.Example:80", "shop.example"),
            ("https", "shop.example:443", "shop.example"),
            ("http", "shop.example:443", "shop.example:443"),
            ("http", "[::1]:80", "[::1]"),
            ("http", ":80", ":80"),
        ] {
            assert_eq!(normal_authority(scheme, authority), normal);
        }
        assert_eq!(host_of("[::1]:8080"), "[::1]");
        assert_eq!(host_of("[::1]"), "[::1]");
        assert_eq!(host_of("a:1"), "a");
    }

    #[test]
    fn cookies_are_read_from_all_fields() {
        let facts = facts_for_tests("GET", "http://a/", &[("cookie", "a=1; b=2=3;;c"), ("cookie", "d=4")]);
        assert_eq!(
            facts.cookies().collect::<Vec<_>>(),
            [("a", "1"), ("b", "2=3"), ("c", ""), ("d", "4")]
        );
    }
}
