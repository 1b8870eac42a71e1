//! A request on its way to a target: kept apart from any connection until one is there, then written for the version that
//! the connection speaks.

use super::sending::Sending;
use super::target::Target;
use super::trailers;
use crate::config::HostRule;
use crate::http::hygiene::strip_hop_by_hop;
use crate::http::{Body, BodyError, Interim};
use ::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use ::http::uri::{Authority, Parts as UriParts, PathAndQuery};
use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
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
}

impl Outgoing {
    pub(crate) fn new(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        let is_continue = |value: HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        // A body at hand is sent as soon as the target takes it.
        let expects = headers.remove(EXPECT).is_some_and(is_continue) && !body.is_at_hand();
        let asked = headers.remove(HOST);
        headers.remove(CONNECTION);
        let upgrade = headers.remove(UPGRADE);
        let path = head
            .uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self {
            method: head.method,
            path,
            headers,
            asked,
            upgrade,
            expects,
            interim: head.extensions.get::<Interim>().cloned(),
            body,
        }
    }

    /// The protocol that the connection may change to.
    pub(crate) const fn upgrade(&self) -> Option<&HeaderValue> {
        self.upgrade.as_ref()
    }

    /// Whether [`Outgoing::replay`] gives it once more.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent() && self.body.is_at_hand()
    }

    /// The same request once more, when sending it twice does no harm (RFC 9110 §9.2.2) and its body is at hand.
    pub(crate) fn replay(&self) -> Option<Self> {
        let body = if self.method.is_idempotent() {
            self.body.replay()?
        } else {
            return None;
        };
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
        })
    }

    /// A message that the connection gave back before a byte of it was written.
    pub(crate) fn unsent(message: Request<SentBody>) -> Self {
        let (asked, interim) = (message.body().asked.clone(), message.body().interim.clone());
        Self {
            asked,
            interim,
            ..Self::new(message.map(|sent| sent.body))
        }
    }

    /// For HTTP/1.1: the target in origin form, and framing that leaves no doubt.
    pub(crate) fn into_http1(mut self, target: &Target, rule: &HostRule, clock: &Arc<dyn Clock>) -> Request<SentBody> {
        let host = self.host(target, rule);
        self.headers.insert(HOST, host);
        self.frame();
        if self.body.length().is_none() {
            self.headers
                .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        } else {
            // Only chunks have a place for trailers.
            self.headers.remove(TRAILER);
        }
        if self.expects {
            self.headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        let options = match (&self.upgrade, self.headers.contains_key(TE)) {
            (Some(_), true) => Some("upgrade, te"),
            (Some(_), false) => Some("upgrade"),
            (None, true) => Some("te"),
            (None, false) => None,
        };
        if let Some(options) = options {
            self.headers.insert(CONNECTION, HeaderValue::from_static(options));
        }
        if let Some(upgrade) = self.upgrade.take() {
            self.headers.insert(UPGRADE, upgrade);
        }
        let uri = Uri::from(self.path.clone());
        self.into_request(uri, Version::HTTP_11, clock)
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
        let expects_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        match self.body.length() {
            Some(0) if !expects_body => {}
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
            sending: sending.clone(),
            asked: self.asked,
            interim: self.interim.clone(),
        });
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = self.headers;
        if version == Version::HTTP_11 && (self.interim.is_some() || self.expects) {
            let interim = self.interim;
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    // The client gets its own 100 when its body is asked for.
                    sending.iter().for_each(|sending| sending.release());
                } else if let Some(interim) = &interim {
                    pass_on_interim(interim, response.status(), response.headers().clone());
                }
            });
        }
        request
    }
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
        Outgoing::new(request.header("expect", "100-continue").body(body).unwrap())
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
            let request = outgoing(method, body).into_http1(&target, rule, &clock);
            let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(request.uri(), "/a?b");
            assert_eq!((field("host"), field("content-length")), (Some(host), length));
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
        let request = Outgoing::unsent(request).into_http1(&target, &HostRule::Keep, &clock);
        assert_eq!(
            (request.uri().to_string().as_str(), &request.headers()["host"]),
            ("/a?b", &"shop".parse().unwrap())
        );
    }

    #[test]
    fn only_what_may_be_sent_twice_is_replayed() {
        assert!(outgoing(Method::GET, Body::empty()).replay().is_some());
        assert!(outgoing(Method::PUT, Body::full("x")).replay().is_some());
        assert!(outgoing(Method::PUT, stream()).replay().is_none());
        assert!(outgoing(Method::POST, Body::empty()).replay().is_none());
        assert!(outgoing(Method::PATCH, Body::full("x")).replay().is_none());
    }
}
