//! A request on its way to a target: kept apart from any connection until one is there, then written for the version that
//! the connection speaks.

use super::target::Target;
use crate::config::HostRule;
use crate::http::{Body, BodyError, BodyFault};
use ::http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use ::http::uri::{Authority, Parts as UriParts, PathAndQuery};
use ::http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use peregrine_base::{Clock, Instant};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request that belongs to no connection yet.
pub(crate) struct Outgoing {
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    /// The host that the client asked for.
    asked: Option<HeaderValue>,
    body: Body,
}

impl Outgoing {
    pub(crate) fn new(request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        // Nobody waits for `100 Continue` on this side: the body is sent as soon as the target takes it.
        headers.remove(EXPECT);
        let asked = headers.remove(HOST);
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
            body,
        }
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
            body,
        })
    }

    /// A message that the connection gave back before a byte of it was written.
    pub(crate) fn unsent(message: Request<SentBody>) -> Self {
        let asked = message.body().asked.clone();
        Self {
            asked,
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
        }
        let uri = Uri::from(self.path.clone());
        self.into_request(uri, Version::HTTP_11, clock)
    }

    /// For HTTP/2: the host as `:authority`.
    pub(crate) fn into_http2(mut self, target: &Target, rule: &HostRule, clock: &Arc<dyn Clock>) -> Request<SentBody> {
        let host = self.host(target, rule);
        self.frame();
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
        let sending = (!self.body.is_empty()).then(|| Arc::new(Sending::new(Arc::clone(clock))));
        let mut request = Request::new(SentBody {
            body: self.body,
            sending,
            asked: self.asked,
        });
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = self.headers;
        request
    }
}

/// How far the sending of a request body is, for whoever waits for the response.
pub(crate) struct Sending {
    clock: Arc<dyn Clock>,
    state: Mutex<SendingState>,
}

struct SendingState {
    /// The last time that the target took a piece.
    moved: Instant,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The target may take the next piece.
    Offered,
    /// The client has to send the next piece.
    Awaited,
    Whole,
    Failed(BodyFault),
}

impl Sending {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(SendingState {
            moved: clock.now(),
            stage: Stage::Offered,
        });
        Self { clock, state }
    }

    fn enter(&self, stage: Stage) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if matches!(state.stage, Stage::Failed(_)) {
            return;
        }
        if !matches!(stage, Stage::Awaited) || !matches!(state.stage, Stage::Awaited) {
            state.moved = now;
        }
        state.stage = stage;
    }

    /// Since when the target is the one who is waited for; `None` while it is the client.
    pub(crate) fn target_due_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        match state.stage {
            Stage::Awaited => None,
            Stage::Offered | Stage::Whole | Stage::Failed(_) => Some(state.moved),
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Whole)
    }

    /// Why the body could not be sent, when it was not the target's fault.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        match self.state.lock().stage {
            Stage::Failed(fault) => Some(fault),
            Stage::Offered | Stage::Awaited | Stage::Whole => None,
        }
    }
}

/// The request body as the connection takes it.
pub(crate) struct SentBody {
    body: Body,
    sending: Option<Arc<Sending>>,
    /// The host that the client asked for, in case the message comes back.
    asked: Option<HeaderValue>,
}

impl SentBody {
    /// `None` when there is nothing to send.
    pub(crate) fn sending(&self) -> Option<Arc<Sending>> {
        self.sending.clone()
    }
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(sending) = &self.sending {
            sending.enter(match &polled {
                Poll::Pending => Stage::Awaited,
                Poll::Ready(Some(Err(error))) => Stage::Failed(error.fault),
                Poll::Ready(None) => Stage::Whole,
                Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => Stage::Whole,
                Poll::Ready(Some(Ok(_))) => Stage::Offered,
            });
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
            assert_eq!((field("transfer-encoding").is_some(), field("expect")), (chunked, None));
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
