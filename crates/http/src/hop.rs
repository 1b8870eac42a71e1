//! What a request says to the next server alone (RFC 9110 §7.6.1), as far as it is said again to the origin: that the
//! protocol may change, that trailers are welcome, where interim responses go. Everything else of that kind ends here.

use http::{HeaderMap, HeaderValue, Method, Version, header, request};
use peregrine_net::http::Interim;

/// What a request says to the next server alone.
#[derive(Clone, Debug, Default)]
pub struct Hop {
    /// The protocols that the client would change to, as it wrote them.
    upgrades: Vec<HeaderValue>,
    /// The client takes trailers.
    wants_trailers: bool,
    /// The trailer fields that the client announces.
    trailer: Option<HeaderValue>,
    /// Where interim responses go.
    interim: Option<Interim>,
}

impl Hop {
    /// Reads it, before it is taken off.
    pub(crate) fn read(head: &request::Parts) -> Self {
        let headers = &head.headers;
        // RFC 9110 §7.8 and §10.1.4: without the option of the same name such a field was left over from another hop. HTTP/2
        // has no options, and `TE` all the same.
        let says = |option: &str| {
            let mut options = tokens(headers, &header::CONNECTION);
            options.any(|said| said.eq_ignore_ascii_case(option.as_bytes()))
        };
        let is_offered = head.version == Version::HTTP_11 && head.method == Method::GET && says("upgrade");
        let takes_te = head.version == Version::HTTP_2 || says("te");
        let upgrades = tokens(headers, &header::UPGRADE).filter(|_| is_offered);
        Self {
            upgrades: upgrades
                .filter_map(|token| HeaderValue::from_bytes(token).ok())
                .collect(),
            wants_trailers: takes_te
                && tokens(headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers")),
            trailer: headers.get(header::TRAILER).cloned(),
            interim: head.extensions.get::<Interim>().cloned(),
        }
    }

    /// The first protocol that the client would change to and that is on the list `allowed`.
    pub(crate) fn upgrade(&self, allowed: &[String]) -> Option<&HeaderValue> {
        self.upgrades.iter().find(|token| {
            let is_it = |name: &String| token.as_bytes().eq_ignore_ascii_case(name.as_bytes());
            allowed.iter().any(is_it)
        })
    }

    /// Whether the client takes trailers.
    pub(crate) const fn wants_trailers(&self) -> bool {
        self.wants_trailers
    }

    /// Where interim responses go.
    pub(crate) fn interim(&self) -> Option<Interim> {
        self.interim.clone()
    }

    /// Says it again, except for a change of protocol.
    pub(crate) fn apply<B>(&self, request: &mut http::Request<B>) {
        if self.wants_trailers {
            let trailers = HeaderValue::from_static("trailers");
            request.headers_mut().insert(header::TE, trailers);
        }
        if let Some(trailer) = &self.trailer {
            request.headers_mut().insert(header::TRAILER, trailer.clone());
        }
    }
}

/// The members of the lists in the fields `name`.
fn tokens<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines = headers.get_all(name).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(version: Version, method: &str, fields: &[(&str, &str)]) -> Hop {
        let mut request = http::Request::builder().version(version).method(method).uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Hop::read(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_protocol_is_offered_only_when_all_says_so() {
        let allowed = ["websocket".to_owned()];
        let table = [
            (Version::HTTP_11, "GET", "Upgrade", "WebSocket", Some("WebSocket")),
            (
                Version::HTTP_11,
                "GET",
                "keep-alive, upgrade",
                "h2c, websocket",
                Some("websocket"),
            ),
            (Version::HTTP_11, "GET", "upgrade, http2-settings", "h2c", None),
            (Version::HTTP_11, "GET", "keep-alive", "websocket", None),
            (Version::HTTP_11, "POST", "upgrade", "websocket", None),
            (Version::HTTP_10, "GET", "upgrade", "websocket", None),
            (Version::HTTP_11, "GET", "upgrade", "websocket2", None),
        ];
        for (version, method, connection, upgrade, expected) in table {
            let hop = hop(version, method, &[("connection", connection), ("upgrade", upgrade)]);
            let found = hop.upgrade(&allowed).map(|token| token.to_str().unwrap());
            assert_eq!(found, expected, "{version:?} {method} {connection} {upgrade}");
            assert!(hop.upgrade(&[]).is_none());
        }
    }

    #[test]
    fn that_trailers_are_welcome_is_said_again_and_nothing_else_of_te() {
        let said = |version: Version, te: &str, connection: &str| {
            let mut request = http::Request::new(());
            hop(version, "GET", &[("te", te), ("connection", connection)]).apply(&mut request);
            request
                .headers()
                .get(header::TE)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let trailers = Some("trailers".to_owned());
        assert_eq!(said(Version::HTTP_11, "gzip;q=0.5, trailers", "te"), trailers);
        assert_eq!(said(Version::HTTP_11, "gzip", "te"), None);
        assert_eq!(said(Version::HTTP_11, "trailers", "close"), None);
        assert_eq!(said(Version::HTTP_2, "trailers", "close"), trailers);
    }
}
