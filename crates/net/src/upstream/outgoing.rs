//! A request on its way to a target: kept apart from any connection until one is there, then written for the version that
//! the connection speaks.

use super::sending::Sending;
use super::target::Target;
use super::trailers;
use crate::config::HostRule;
use crate::http::codec::respond::{write_fields, write_number};
use crate::http::hygiene::strip_hop_by_hop;
use crate::http::{Body, BodyError, Interim};
use ::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use ::http::uri::{Authority, Parts as UriParts, PathAndQuery};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use peregrine_base::Clock;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A request that belongs to no connection yet.
pub(crate) struct Outgoing {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    /// The host that the client asked for.
    asked: Option<HeaderValue>,
    /// The protocol that the connection may change to.
    upgrade: Option<HeaderValue>,
    /// The client waits for 100 before it sends its body.
    expects: bool,
    /// Where interim responses go.
    interim: Option<Interim>,
    body: Body,
    /// The body is with a connection, and there is no other of it.
    lent: bool,
    /// Nothing follows it on its connection.
    closes: bool,
}

impl Outgoing {
    pub(crate) fn new(request: Request<Body>, interim: Option<Interim>) -> Self {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        let is_continue = |value: HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        // A body at hand is sent as soon as the target takes it.
        let expects = headers.remove(EXPECT).is_some_and(is_continue) && !body.is_at_hand();
        let asked = headers.remove(HOST);
        headers.remove(CONNECTION);
        let upgrade = headers.remove(UPGRADE);
        let path = head.uri.into_parts().path_and_query;
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self {
            method: head.method,
            path,
            headers,
            asked,
            upgrade,
            expects,
            interim,
            body,
            lent: false,
            closes: false,
        }
    }

    /// Nothing is to follow it on its connection.
    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Whether its answer has no body, whatever that says of one.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Where interim responses go.
    pub(crate) const fn interim(&self) -> Option<&Interim> {
        self.interim.as_ref()
    }

    /// The protocol that the connection may change to.
    pub(crate) const fn upgrade(&self) -> Option<&HeaderValue> {
        self.upgrade.as_ref()
    }

    /// Whether it may be sent once more, because that does no harm (RFC 9110 §9.2.2) and its body is at hand.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && self.body.is_at_hand() && !self.lent
    }

    /// The same request once more, if its body is at hand.
    pub(crate) fn replay(&self) -> Option<Self> {
        let body = self.body.replay()?;
        let (method, path) = (self.method.clone(), self.path.clone());
        Some(Self {
            method,
            path,
            headers: self.headers.clone(),
            asked: self.asked.clone(),
            upgrade: self.upgrade.clone(),
            expects: self.expects,
            interim: self.interim.clone(),
            body,
            lent: false,
            closes: self.closes,
        })
    }

    /// A message that the connection gave back before a byte of it was written.
    pub(crate) fn unsent(message: Request<SentBody>) -> Self {
        let (asked, interim) = (message.body().asked.clone(), message.body().interim.clone());
        Self {
            asked,
            ..Self::new(message.map(|sent| sent.body), interim)
        }
    }

    /// Writes its head for HTTP/1.1: the target in origin form, one `Host`, and framing that leaves no doubt.
    pub(crate) fn write_http1(&self, text: &mut Vec<u8>, target: &Target, rule: &HostRule) {
        let (method, path) = (self.method.as_str(), self.path.as_str());
        line(text, &[method.as_bytes(), b" ", path.as_bytes(), b" HTTP/1.1"]);
        line(text, &[b"host: ", self.host(target, rule).as_bytes()]);
        let length = self.length();
        let is_framing = |name: &HeaderName| *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
        // Only chunks have a place for trailers.
        let is_idle = |name: &HeaderName| *name == TRAILER && length.is_some();
        write_fields(text, &self.headers, |name| is_framing(name) || is_idle(name));
        if length.is_none() {
            line(text, &[b"transfer-encoding: chunked"]);
        }
        if self.expects {
            line(text, &[b"expect: 100-continue"]);
        }
        if let Some(upgrade) = &self.upgrade {
            line(text, &[b"upgrade: ", upgrade.as_bytes()]);
        }
        if let Some(options) = self.options() {
            line(text, &[b"connection: ", options]);
        }
        if let Some(length) = length.filter(|length| *length > 0 || self.expects_body()) {
            text.extend_from_slice(b"content-length: ");
            write_number(text, length);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
    }

    /// What `Connection` says.
    fn options(&self) -> Option<&'static [u8]> {
        match (self.closes, &self.upgrade, self.headers.contains_key(TE)) {
            (true, _, true) => Some(b"close, te"),
            (true, _, false) => Some(b"close"),
            (false, Some(_), true) => Some(b"upgrade, te"),
            (false, Some(_), false) => Some(b"upgrade"),
            (false, None, true) => Some(b"te"),
            (false, None, false) => None,
        }
    }

    /// The number of bytes of its body, when it is known.
    fn length(&self) -> Option<u64> {
        if self.body.is_empty() {
            Some(0)
        } else {
            self.body.length()
        }
    }

    /// Whether its method means something to be sent, so that a body of no bytes is worth a word (RFC 9110 §8.6).
    const fn expects_body(&self) -> bool {
        matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
    }

    /// Gives its body to a connection, if there is one; what is at hand stays here as well.
    pub(crate) fn lend_body(&mut self, clock: &Arc<dyn Clock>) -> Option<SentBody> {
        if self.body.is_empty() {
            return None;
        }
        let stays = self.body.replay();
        self.lent = stays.is_none();
        let body = std::mem::replace(&mut self.body, stays.unwrap_or_default());
        Some(SentBody {
            body,
            sending: Some(Arc::new(Sending::new(Arc::clone(clock), self.expects))),
            asked: None,
            interim: None,
        })
    }

    /// Takes back what it lent, of which nothing was used.
    pub(crate) fn take_back(&mut self, sent: SentBody) {
        if std::mem::take(&mut self.lent) {
            self.body = sent.body;
        }
    }

    /// Whether it has all that belongs to it.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.lent
    }

    /// For HTTP/2: the host as `:authority`. Nothing waits for 100 there, and the connection does not change its protocol.
    pub(crate) fn into_http2(mut self, target: &Target, rule: &HostRule, clock: &Arc<dyn Clock>) -> Request<SentBody> {
        let host = self.host(target, rule);
        self.frame();
        self.expects = false;
        let mut parts = UriParts::default();
        parts.scheme = Some(target.scheme());
        parts.authority = Authority::try_from(host.as_bytes()).ok();
        parts.path_and_query = Some(self.path.clone());
        let uri = Uri::from_parts(parts).unwrap_or_default();
        self.into_request(uri, Version::HTTP_2, clock)
    }

    fn host(&self, target: &Target, rule: &HostRule) -> HeaderValue {
        let set = match rule {
            HostRule::Keep => self.asked.clone(),
            HostRule::Fixed(name) => HeaderValue::from_str(name).ok(),
            HostRule::Target => None,
        };
        set.unwrap_or_else(|| target.authority().clone())
    }

    /// `Content-Length` says what the body knows of itself, whatever the client wrote (RFC 9110 §8.6).
    fn frame(&mut self) {
        self.headers.remove(CONTENT_LENGTH);
        self.headers.remove(TRANSFER_ENCODING);
        match self.body.length() {
            Some(0) if !self.expects_body() => {}
            Some(length) => {
                self.headers.insert(CONTENT_LENGTH, length.into());
            }
            None => {}
        }
    }

    fn into_request(self, uri: Uri, version: Version, clock: &Arc<dyn Clock>) -> Request<SentBody> {
        let sending = (!self.body.is_empty()).then(|| Arc::new(Sending::new(Arc::clone(clock), self.expects)));
        let mut request = Request::new(SentBody {
            body: self.body,
            sending,
            asked: self.asked,
            interim: self.interim,
        });
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = self.headers;
        request
    }
}

/// Appends a line made of `parts`.
fn line(text: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| text.extend_from_slice(part));
    text.extend_from_slice(b"\r\n");
}

/// Hands an interim response on to whoever asked.
pub(crate) fn pass_on_interim(interim: &Interim, status: StatusCode, mut headers: HeaderMap) {
    strip_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    interim.send(status, headers);
}

/// The request body as the connection takes it.
pub(crate) struct SentBody {
    body: Body,
    sending: Option<Arc<Sending>>,
    /// The host that the client asked for, in case the message comes back.
    asked: Option<HeaderValue>,
    /// Where interim responses go, for the same case.
    interim: Option<Interim>,
}

impl SentBody {
    /// Where interim responses go.
    pub(crate) fn interim(&self) -> Option<Interim> {
        self.interim.clone()
    }

    /// The number of bytes that it has, when that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.length()
    }

    /// `None` when there is nothing to send.
    pub(crate) fn sending(&self) -> Option<Arc<Sending>> {
        self.sending.clone()
    }
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(sending) = &self.sending {
            // Not a byte is asked of the client before the target wants it.
            ready!(sending.poll_released(cx))?;
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let polled = polled.map_ok(|frame| match frame.into_trailers() {
            Ok(fields) => Frame::trailers(trailers::permitted(fields)),
            Err(frame) => frame,
        });
        if let Some(sending) = &self.sending {
            sending.polled(&polled, self.body.is_end_stream());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peregrine_base::ManualClock;

    fn outgoing(method: Method, body: Body) -> Outgoing {
        let request = Request::builder()
            .method(method)
            .uri("/a?b")
            .header("host", "shop")
            .header("content-length", "99");
        Outgoing::new(request.header("expect", "100-continue").body(body).unwrap(), None)
    }

    fn stream() -> Body {
        Body::from_poll(None, |_| Poll::Ready(None))
    }

    #[test]
    fn host_and_framing_are_written_anew() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let target = Target::parse("https://origin:8443").unwrap();
        let fixed = HostRule::Fixed("fixed".into());
        let table = [
            (Method::GET, Body::empty(), &HostRule::Keep, "shop", None, false),
            (
                Method::GET,
                Body::empty(),
                &HostRule::Target,
                "origin:8443",
                None,
                false,
            ),
            (Method::GET, Body::full("abc"), &fixed, "fixed", Some("3"), false),
            (Method::POST, Body::empty(), &HostRule::Keep, "shop", Some("0"), false),
            (Method::GET, stream(), &HostRule::Keep, "shop", None, true),
            (Method::POST, stream(), &HostRule::Keep, "shop", None, true),
        ];
        for (method, body, rule, host, length, chunked) in table {
            let mut text = Vec::new();
            outgoing(method.clone(), body).write_http1(&mut text, &target, rule);
            let text = String::from_utf8(text).unwrap();
            let lines: Vec<&str> = text.split("\r\n").collect();
            let field = |name: &str| {
                let mut values = lines.iter().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
                let first = values.next();
                assert_eq!(values.next(), None, "{text}");
                first
            };
            assert_eq!(lines[0], format!("{method} /a?b HTTP/1.1"));
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            assert_eq!((field("host"), field("content-length")), (Some(host), length), "{text}");
            // A body that is at hand already waits for nothing.
            let expect = chunked.then_some("100-continue");
            assert_eq!(
                (field("transfer-encoding").is_some(), field("expect")),
                (chunked, expect)
            );
        }
        let request = outgoing(Method::GET, Body::empty()).into_http2(&target, &HostRule::Keep, &clock);
        assert_eq!(request.uri(), "https://shop/a?b");
        assert!(!request.headers().contains_key("host"));
        // A message that comes back still knows what the client asked for.
        let target = Target::parse("http://another").unwrap();
        let mut text = Vec::new();
        Outgoing::unsent(request).write_http1(&mut text, &target, &HostRule::Keep);
        assert!(text.starts_with(b"GET /a?b HTTP/1.1\r\nhost: shop\r\n"));
    }

    #[test]
    fn a_body_is_lent_and_comes_back() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        assert!(outgoing(Method::GET, Body::empty()).lend_body(&clock).is_none());
        let mut at_hand = outgoing(Method::PUT, Body::full("abc"));
        let lent = at_hand.lend_body(&clock).unwrap();
        assert_eq!(
            (lent.length(), at_hand.is_whole(), at_hand.is_repeatable()),
            (Some(3), true, true)
        );
        let mut streamed = outgoing(Method::PUT, Body::from_poll(Some(5), |_| Poll::Pending));
        let lent = streamed.lend_body(&clock).unwrap();
        assert_eq!((streamed.is_whole(), streamed.is_repeatable()), (false, false));
        streamed.take_back(lent);
        assert_eq!((streamed.is_whole(), streamed.length()), (true, Some(5)));
    }

    #[test]
    fn what_may_be_sent_twice() {
        let table = [
            (Method::GET, Body::empty(), true, true),
            (Method::PUT, Body::full("x"), true, true),
            (Method::PUT, stream(), false, false),
            (Method::POST, Body::empty(), true, false),
            (Method::PATCH, Body::full("x"), true, false),
        ];
        for (method, body, is_at_hand, is_repeatable) in table {
            let outgoing = outgoing(method.clone(), body);
            let found = (outgoing.replay().is_some(), outgoing.is_repeatable());
            assert_eq!(found, (is_at_hand, is_repeatable), "{method}");
        }
    }
}
