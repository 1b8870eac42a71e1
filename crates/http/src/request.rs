//! What is known of a request once it has been received: the effective URL, its fields after hygiene, and who asked.

use crate::hop::Hop;
use crate::policy::Fields;
use crate::tenant::TenantFault;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use peregrine_telemetry::trace::Trace;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

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
    /// What a trusted proxy says of the URL that is not part of it, and the origin may go by: see [`said_by_proxy`].
    pub(crate) said_by_proxy: Vec<(&'static str, String)>,
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
    /// What it says to the next server alone.
    pub hop: Hop,
    /// Whose it is; empty where it is nobody's.
    pub tenant: String,
    /// Why that is not clear.
    pub(crate) tenant_fault: Option<TenantFault>,
    /// Its part of a trace, where requests are traced.
    pub(crate) trace: Option<Trace>,
}

/// What the rules ask of a received request, whether its head was copied ([`RequestFacts`]) or lies where it was read.
pub trait RequestView {
    /// How its fields are at hand.
    type Fields: Fields;

    /// The method.
    fn method(&self) -> &Method;
    /// `http` or `https`.
    fn scheme(&self) -> &'static str;
    /// Host and, unless it is the scheme's own, port; lower case.
    fn authority(&self) -> &str;
    /// Path and query, beginning with `/`.
    fn target(&self) -> &str;
    /// The fields, without those that end at this hop.
    fn fields(&self) -> &Self::Fields;
    /// Who asked, through trusted proxies.
    fn client(&self) -> IpAddr;
    /// The number that follows the request through logs.
    fn request_id(&self) -> &str;
    /// How many bytes the request's body has, where that is known.
    fn body_length(&self) -> Option<u64>;
    /// Whose it is; empty where it is nobody's.
    fn tenant(&self) -> &str;
    /// What a trusted proxy says of the URL that is not part of it: what, and the text.
    fn said_by_proxy(&self) -> &[(&'static str, String)];

    /// The host without its port.
    fn host(&self) -> &str {
        host_of(self.authority())
    }

    /// The path, beginning with `/`.
    fn path(&self) -> &str {
        self.target().split_once('?').map_or(self.target(), |(path, _)| path)
    }

    /// The query without its question mark, where there is one.
    fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The names and values of the query's parameters, undecoded.
    fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.query().unwrap_or_default();
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first value of a query parameter.
    fn query_value(&self, name: &str) -> Option<&str> {
        self.query_pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The names and values of all cookies, as in [`cookies`].
    fn cookies(&self) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
        cookies(self.fields())
    }

    /// The tag of the group `name` of this origin (RFC 9875 §2: the same name at another origin is another group). It holds a
    /// space and a comma, so that no Surrogate-Key and no Cache-Tag can say it.
    fn group_tag(&self, name: &str) -> String {
        format!("group, {}://{} {name}", self.scheme(), self.authority())
    }

    /// The tag of all entries of this path whose key does not hold their whole query: an invalidation of one of its URLs
    /// reaches them by it.
    fn path_tag(&self) -> String {
        format!("path, {}://{}{}", self.scheme(), self.authority(), self.path())
    }

    /// The effective URL.
    fn url(&self) -> String {
        [self.scheme(), "://", self.authority(), self.target()].concat()
    }
}

impl RequestView for RequestFacts {
    type Fields = HeaderMap;

    fn method(&self) -> &Method {
        &self.method
    }

    fn scheme(&self) -> &'static str {
        self.scheme
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn body_length(&self) -> Option<u64> {
        self.body_length
    }

    fn tenant(&self) -> &str {
        &self.tenant
    }

    fn said_by_proxy(&self) -> &[(&'static str, String)] {
        &self.said_by_proxy
    }
}

impl<R: RequestView> RequestView for Arc<R> {
    type Fields = R::Fields;

    fn method(&self) -> &Method {
        R::method(self)
    }

    fn scheme(&self) -> &'static str {
        R::scheme(self)
    }

    fn authority(&self) -> &str {
        R::authority(self)
    }

    fn target(&self) -> &str {
        R::target(self)
    }

    fn fields(&self) -> &R::Fields {
        R::fields(self)
    }

    fn client(&self) -> IpAddr {
        R::client(self)
    }

    fn request_id(&self) -> &str {
        R::request_id(self)
    }

    fn body_length(&self) -> Option<u64> {
        R::body_length(self)
    }

    fn tenant(&self) -> &str {
        R::tenant(self)
    }

    fn said_by_proxy(&self) -> &[(&'static str, String)] {
        R::said_by_proxy(self)
    }
}

/// The names and values of the cookies in `fields`, as they are written: see [`readings`]. Values are bytes, because clients
/// send what is no text and two of them must not look the same; a name that is no text matches no name that could be
/// configured, and counts all the same.
pub(crate) fn cookies(fields: &impl Fields) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    let pairs = fields.lines("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    pairs
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(equals + 1..).unwrap_or_default();
            (String::from_utf8_lossy(&pair[..equals]), value)
        })
}

/// A name in a query, as an origin decodes it: what it says counts, not how it is written.
pub(crate) fn decoded(name: &str) -> Cow<'_, str> {
    percent_decode_str(name).decode_utf8_lossy()
}

/// What of `headers`, those of a request to `authority` behind a trusted proxy, is not in its URL and makes origins answer
/// otherwise: another `Host` than the one that the client asked for, which is `sent`, and where they take themselves to be.
pub(crate) fn said_by_proxy(
    headers: &HeaderMap,
    sent: &str,
    scheme: &str,
    authority: &str,
) -> Vec<(&'static str, String)> {
    let host = (sent != authority).then(|| ("host", sent.to_owned()));
    let said = |name: &str| {
        let lines = headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    let usual_port = if scheme == "https" { "443" } else { "80" };
    let own_port = authority[host_of(authority).len()..].strip_prefix(':');
    let own_port = own_port.unwrap_or(usual_port);
    let port = said("x-forwarded-port")
        .filter(|port| port != own_port)
        .map(|port| ("port", port));
    let prefix = said("x-forwarded-prefix").map(|prefix| ("prefix", prefix));
    host.into_iter().chain(port).chain(prefix).collect()
}

/// Whether every origin takes `name`, of a parameter or a cookie, for what it says.
pub(crate) fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.bytes().all(is_plain)
}

/// The names that one or another origin takes a parameter or a cookie with this name to have: as it is written, without
/// escapes and white space, as PHP has it, and without the brackets that others look between (`[a]` and `a]` are `a`).
/// Some take capitals for small letters besides.
pub(crate) fn readings(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let others = (!is_plain(name)).then(|| {
        let decoded = decoded(name);
        let bare = part(&decoded, |name| {
            let from = name.trim_start_matches(['[', ']']);
            from.split(['[', ']', '\0']).next().unwrap_or_default().trim()
        });
        [part(&decoded, str::trim), bare, Cow::Owned(decoded_by_php(name))]
    });
    std::iter::once(Cow::Borrowed(name)).chain(others.into_iter().flatten())
}

/// The part of `text` that `choose` chooses, copied only where the text is.
fn part<'a>(text: &Cow<'a, str>, choose: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(choose(text)),
        Cow::Owned(text) => Cow::Owned(choose(text).to_owned()),
    }
}

/// Whether some origin takes what is called `spelled` for `name`.
pub(crate) fn may_be(spelled: &str, name: &str) -> bool {
    readings(spelled).any(|reading| reading.eq_ignore_ascii_case(name))
}

/// A name in a query as PHP has it, which makes other names of some: ` a.b[c]` is `a_b` there, and `a[b` too.
pub(crate) fn decoded_by_php(name: &str) -> String {
    let spaced = name.replace('+', " ");
    let name = decoded(&spaced);
    let ended = name.split('\0').next().unwrap_or_default();
    let whole = ended.trim_start_matches(' ');
    let (base, rest) = match whole.find('[').filter(|at| *at > 0) {
        Some(at) if whole[at..].contains(']') => (&whole[..at], ""),
        Some(at) => (&whole[..=at], &whole[at + 1..]),
        None => (whole, ""),
    };
    base.replace([' ', '.', '['], "_") + rest
}

/// The host in an authority, without its port; an IPv6 literal keeps its brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}

/// An authority in lower case, without the port that its scheme has anyway (RFC 9110 §4.2.3).
#[must_use]
pub(crate) fn normal_authority(scheme: &str, authority: &str) -> String {
    let mut normal = String::with_capacity(authority.len());
    push_normal_authority(scheme, authority, &mut normal);
    normal
}

/// Appends what [`normal_authority`] says to `out`.
pub(crate) fn push_normal_authority(scheme: &str, authority: &str, out: &mut String) {
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.strip_suffix(default_port).filter(|host| !host.is_empty());
    let start = out.len();
    out.push_str(host.unwrap_or(authority));
    out[start..].make_ascii_lowercase();
}

/// Facts made from a method, a URL and fields, for tests of this crate.
#[cfg(test)]
pub(crate) fn facts_for_tests(method: &str, url: &str, fields: &[(&str, &str)]) -> RequestFacts {
    let uri: http::Uri = url.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
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
        said_by_proxy: Vec::new(),
        target: uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned(),
        headers,
        client: IpAddr::from([127, 0, 0, 1]),
        request_id: "test".to_owned(),
        body_length: Some(0),
        hop: Hop::default(),
        tenant: String::new(),
        tenant_fault: None,
        trace: None,
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
            [
                ("a".into(), &b"1"[..]),
                ("b".into(), b"2=3"),
                ("c".into(), b""),
                ("d".into(), b"4")
            ]
        );
    }

    #[test]
    fn cookies_that_are_no_text_are_cookies_all_the_same() {
        let mut facts = facts_for_tests("GET", "http://a/", &[]);
        facts
            .headers
            .append("cookie", http::HeaderValue::from_bytes(b"a=\xe9; b=2").unwrap());
        assert_eq!(
            facts.cookies().collect::<Vec<_>>(),
            [("a".into(), &b"\xe9"[..]), ("b".into(), b"2")]
        );
    }
}
