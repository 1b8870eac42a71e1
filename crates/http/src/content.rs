//! Content of a request as a part of its key: for QUERY (RFC 10008), whose answers may be shared by everybody who sends the
//! same, and for POST where a strategy says that POST reads. The key holds a digest that nobody can find a second text for.

use crate::policy::{self, Fields};
use crate::request::{RequestFacts, RequestView as _};
use crate::route::Route;
use bytes::{Bytes, BytesMut};
use http::header;
use http_body::{Frame, SizeHint};
use peregrine_net::http::{Body, BodyError};
use ring::digest::{Context, SHA256};
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::Poll;

/// The content of a request that is part of its key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// As the client sent it, for the origin.
    pub(crate) bytes: Bytes,
}

/// Takes the content out of `body` where it belongs to the key; gives `body` back, whole, where it does not or is too long.
pub(crate) async fn take(facts: &RequestFacts, route: &Route, body: Body) -> (Option<Content>, Body) {
    if !route.rules.methods.reads_content(&facts.method) || route.bypass(facts).is_some() {
        return (None, body);
    }
    let longest = route.key.content_max();
    if body.length().is_some_and(|length| length > longest as u64) {
        return (None, body);
    }
    let mut body = body;
    let mut bytes = BytesMut::new();
    loop {
        match body.next().await {
            None => return (Some(Content { bytes: bytes.freeze() }), Body::empty()),
            Some(Ok(more)) => {
                bytes.extend_from_slice(&more);
                if bytes.len() > longest {
                    return (None, put_back(bytes.freeze(), Ok(body)));
                }
            }
            Some(Err(error)) => return (None, put_back(bytes.freeze(), Err(error))),
        }
    }
}

/// What was read, and behind it what was not.
fn put_back(read: Bytes, rest: Result<Body, BodyError>) -> Body {
    Body::stream(PutBack {
        read: Some(read).filter(|read| !read.is_empty()),
        rest: rest.map_err(Some),
    })
}

/// A body whose beginning was read, with what comes behind it, trailers included.
struct PutBack {
    read: Option<Bytes>,
    rest: Result<Body, Option<BodyError>>,
}

impl http_body::Body for PutBack {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(read) = self.read.take() {
            return Poll::Ready(Some(Ok(Frame::data(read))));
        }
        match &mut self.rest {
            Ok(rest) => Pin::new(rest).poll_frame(context),
            Err(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let known = self.rest.as_ref().ok().and_then(Body::length);
        let read = self.read.as_ref().map_or(0, Bytes::len) as u64;
        known.map_or_else(SizeHint::default, |known| SizeHint::with_exact(known + read))
    }
}

impl Content {
    /// Appends what the key holds of it: a digest of the content and of the fields that say what it is. JSON counts in its
    /// canonical form.
    /// `target` has the other parts of the key from `begin` on.
    pub(crate) fn append_part(&self, facts: &RequestFacts, begin: usize, target: &mut String) {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
            let lines: Vec<&[u8]> = facts.fields().lines(name.as_str()).collect();
            part(&(lines.len() as u64).to_be_bytes());
            for line in lines {
                // Values of parameters may mean something else in other letters (RFC 9110 §8.3.1).
                let parameters = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
                let mut line = line.to_vec();
                line[..parameters].make_ascii_lowercase();
                part(&line);
            }
        }
        let canonical = is_json(facts).then(|| policy::canonical_json(&self.bytes)).flatten();
        part(&[u8::from(canonical.is_some())]);
        part(canonical.as_deref().unwrap_or(&self.bytes));
        let has_parts = target.get(begin..).is_some_and(|parts| parts.contains('#'));
        target.push_str(if has_parts { "&content:" } else { "#content:" });
        for byte in context.finish().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(target, "{byte:02x}");
        }
    }
}

/// Whether the content says that it is JSON, as it is.
fn is_json(facts: &RequestFacts) -> bool {
    let fields = facts.fields();
    let essence = fields.first(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = essence.split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    (essence == b"application/json" || essence.ends_with(b"+json")) && !fields.has(header::CONTENT_ENCODING.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trailers::Trailers;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use http_body::Body as _;

    #[tokio::test]
    async fn what_was_read_is_put_back_before_all_that_follows() {
        let fields = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))]);
        let rest = Trailers::stored(fields).follow(Body::full("rest"));
        let mut whole = put_back(Bytes::from_static(b"read "), Ok(rest));
        let mut told = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut whole).poll_frame(context)).await {
            told.push(match frame.unwrap().into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Err(frame) => format!("{:?}", frame.into_trailers().unwrap()["x-sum"]),
            });
        }
        assert_eq!(told, ["read ", "rest", "\"1\""]);
        let known = put_back(Bytes::from_static(b"read "), Ok(Body::full("rest")));
        assert_eq!(known.length(), Some(9));
    }
}
