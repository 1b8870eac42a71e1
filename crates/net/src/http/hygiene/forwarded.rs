//! Whom a request came from. What proxies in front say about it is believed only when they are trusted; anyone else could
//! write it, so from anyone else it is taken off and written anew.

use crate::http::Peer;
use ::http::header::{FORWARDED, HOST};
use ::http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, SocketAddr};

/// The addresses that a request came through, the client's first.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the client used.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Taken off a request that does not come from a trusted proxy.
pub static CLAIMS: [HeaderName; 8] = [
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
    FORWARDED,
];

/// Whose forwarded fields are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<ipnet::IpNet>);

/// A text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network such as \"10.0.0.0/8\"")]
pub struct NetworkError(String);

impl TrustedProxies {
    /// Nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }

    /// Addresses (`10.0.0.7`) and networks (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NetworkError> {
        let parse = |text: &str| {
            let address = text
                .parse::<IpAddr>()
                .map(|address| ipnet::IpNet::from(address.to_canonical()));
            address
                .or_else(|_| text.parse::<ipnet::IpNet>())
                .map_err(|_| NetworkError(text.to_owned()))
        };
        texts.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is one of them. An IPv4 address counts as itself when it is written as IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What is believed about a request's way to this proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client: the last address on the way that no trusted proxy stands for.
    pub client: IpAddr,
    /// Whether the client used `https`.
    pub https: bool,
    /// The host that the client asked for, when it asked for one.
    pub host: Option<HeaderValue>,
    /// Whether it came from a trusted proxy.
    trusted: bool,
}

impl Forwarded {
    /// Reads it from the fields of a request that came from `peer`. `X-Forwarded-*` count before `Forwarded` (RFC 7239):
    /// a proxy that knows only the older ones passes what the client wrote into the newer one.
    #[must_use]
    pub fn read(headers: &HeaderMap, peer: &Peer, trusted: &TrustedProxies) -> Self {
        let address = peer.address.ip().to_canonical();
        let own = Self {
            client: address,
            https: peer.tls,
            host: headers.get(HOST).cloned(),
            trusted: false,
        };
        if !trusted.contains(address) {
            return own;
        }
        let elements = if knows_older_only(headers) {
            Vec::new()
        } else {
            elements(headers)
        };
        let way: Vec<Option<IpAddr>> = if headers.contains_key(X_FORWARDED_FOR) {
            listed(headers, &X_FORWARDED_FOR).map(address_of).collect()
        } else {
            elements
                .iter()
                .map(|element| parameter(element, "for").and_then(|node| address_of(&node)))
                .collect()
        };
        let proto = listed(headers, &X_FORWARDED_PROTO).next().map(str::to_owned);
        let proto = proto.or_else(|| elements.first().and_then(|element| parameter(element, "proto")));
        let host = listed(headers, &X_FORWARDED_HOST).next().map(str::to_owned);
        let host = host.or_else(|| elements.first().and_then(|element| parameter(element, "host")));
        let host = host.filter(|host| crate::http::framing::is_host(host));
        Self {
            client: client_of(address, &way, trusted),
            https: proto.map_or(own.https, |proto| proto.eq_ignore_ascii_case("https")),
            host: host.and_then(|host| HeaderValue::from_str(&host).ok()).or(own.host),
            trusted: true,
        }
    }

    /// Writes it into the fields of the request that goes on: what a trusted proxy said is continued, what anyone else said
    /// is taken off.
    pub fn write(&self, headers: &mut HeaderMap, peer: &Peer) {
        let address = peer.address.ip().to_canonical();
        let way = self.trusted.then(|| joined(headers, &X_FORWARDED_FOR)).flatten();
        // A proxy that writes the older fields may have passed the newer one as the client wrote it, for origins to believe.
        if knows_older_only(headers) {
            headers.remove(FORWARDED);
        }
        let element = self.trusted.then(|| joined(headers, &FORWARDED)).flatten();
        // Nobody writes what only looks like a claim in good faith, and what is written here would not replace it.
        remove_where(headers, |name| {
            is_claim(name) && (!self.trusted || is_odd_name(name.as_str()))
        });
        let way = way.map_or_else(|| address.to_string(), |way| format!("{way}, {address}"));
        insert(headers, X_FORWARDED_FOR, way);
        let scheme = HeaderValue::from_static(if self.https { "https" } else { "http" });
        headers.insert(X_FORWARDED_PROTO, scheme);
        if let Some(host) = &self.host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
        if let Some(element) = element {
            insert(headers, FORWARDED, format!("{element}, for={}", node(address)));
        }
    }
}

/// Whether a request came from a proxy that writes the older fields, for all that is known.
fn knows_older_only(headers: &HeaderMap) -> bool {
    let mut older = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST].into_iter();
    older.any(|name| headers.contains_key(name))
}

/// Whether origins that know fields by the names that CGI gives them (RFC 3875 §4.1.18) cannot tell `name` from `other`:
/// whatever is no letter and no digit is `_` there, for some of them a dot too.
#[must_use]
pub fn is_alike(name: &str, other: &str) -> bool {
    let pairs = || name.bytes().zip(other.bytes());
    name.len() == other.len()
        && pairs().all(|(a, b)| a.eq_ignore_ascii_case(&b) || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric()))
}

/// Whether the name has other signs than letters, digits and `-`, as hardly any has.
#[must_use]
pub fn is_odd_name(name: &str) -> bool {
    name.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-'))
}

/// Whether an origin may look under `name` for where a request came from, or which one it is.
#[must_use]
pub fn is_claim(name: &HeaderName) -> bool {
    let is_meant = |claim: &HeaderName| is_alike(claim.as_str(), name.as_str());
    is_meant(&super::X_REQUEST_ID) || CLAIMS.iter().any(is_meant)
}

/// Takes off the fields whose names are so.
pub fn remove_where(headers: &mut HeaderMap, is: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| is(name)).cloned().collect();
    for name in &names {
        headers.remove(name);
    }
}

/// The address of the client: from the end of the way, the first one that is not trusted. A hop that hides its address ends
/// what can be known.
fn client_of(peer: IpAddr, way: &[Option<IpAddr>], trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    for hop in way.iter().rev() {
        let Some(address) = hop else { return client };
        client = *address;
        if !trusted.contains(client) {
            return client;
        }
    }
    client
}

/// The elements of a field that is a list, over all its lines; without empty ones.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let elements: Vec<&str> = listed(headers, name).collect();
    (!elements.is_empty()).then(|| elements.join(", "))
}

/// The elements of `Forwarded`; commas within quotes do not separate.
fn elements(headers: &HeaderMap) -> Vec<String> {
    let mut elements = Vec::new();
    for line in headers
        .get_all(FORWARDED)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        let mut quoted = false;
        for element in line.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        }) {
            elements.push(element.trim().to_owned());
        }
    }
    elements
}

/// The value of a parameter of an element of `Forwarded`, without its quotes.
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim());
    values.next().map(|value| value.trim_matches('"').to_owned())
}

/// The address in `10.0.0.7`, `10.0.0.7:4711`, `fd00::7`, `[fd00::7]`, `[fd00::7]:4711`.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|address| address.to_canonical())
}

/// An address as a node of `Forwarded` (RFC 7239 §6).
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
