//! Trailers (RFC 9110 §6.5) of an answer that is being stored: they come after the body, for the client whose request loads it and
//! who takes them, and are stored with it, apart from its other fields (RFC 9111 §3.1). Whoever takes trailers gets them from the
//! stored answer too: with the whole content as the origin sent it, since they may be about its very bytes.

use crate::head::StoredHead;
use crate::policy::{self, Rules};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use peregrine_net::http::{Body, BodyError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The most bytes of trailers that are stored, and the most fields.
const STORED_BYTES_MAX: usize = 8 << 10;
const STORED_FIELDS_MAX: usize = 32;
/// Fields that are somebody's, beside those that nobody may send so late (RFC 9110 §6.5.1), which go no further anyway.
static NOT_STORED: [HeaderName; 3] = [header::SET_COOKIE, header::AUTHORIZATION, header::WWW_AUTHENTICATE];

/// What came after the body of a load, on its way past the cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trailers(Arc<Mutex<Option<HeaderMap>>>);

impl Trailers {
    /// `body`, whose trailers are kept here.
    pub(crate) fn keep(&self, body: Body) -> Body {
        Body::stream(Keeping {
            body,
            trailers: self.clone(),
        })
    }

    /// What of them is stored beside fields of these names; nothing where they are too many.
    fn to_store(&self, left_out: &[HeaderName]) -> HeaderMap {
        let mut fields = self.0.lock().clone().unwrap_or_default();
        let names = NOT_STORED.iter().chain(left_out);
        names.for_each(|name| _ = fields.remove(name));
        let bytes: usize = fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if bytes > STORED_BYTES_MAX || fields.len() > STORED_FIELDS_MAX {
            return HeaderMap::new();
        }
        fields
    }

    /// Those of a stored answer.
    pub(crate) fn stored(fields: HeaderMap) -> Self {
        Self(Arc::new(Mutex::new(Some(fields))))
    }

    /// `body`, which ends after the one that is kept, with the trailers of that.
    pub(crate) fn follow(self, body: Body) -> Body {
        Body::stream(Followed {
            body,
            trailers: Some(self),
        })
    }
}

/// An answer that is being stored, and what comes after its body.
pub(crate) struct Trailed {
    head: StoredHead,
    trailers: Trailers,
    /// What is not stored of the one is not stored of the other: `private="…"` means a field wherever it stands.
    left_out: Vec<HeaderName>,
}

impl Trailed {
    /// `head` is what is stored of the fields `said`, and `trailers` are kept from the body.
    pub(crate) fn new(head: StoredHead, trailers: Trailers, said: &HeaderMap, rules: &Rules) -> Self {
        Self {
            head,
            trailers,
            left_out: policy::left_out(said, rules).collect(),
        }
    }

    /// The head with what came after the body; nothing where none of that is stored.
    pub(crate) fn into_stored(mut self) -> Option<StoredHead> {
        self.head.trailers = self.trailers.to_store(&self.left_out);
        (!self.head.trailers.is_empty()).then_some(self.head)
    }
}

struct Keeping {
    body: Body,
    trailers: Trailers,
}

struct Followed {
    body: Body,
    trailers: Option<Trailers>,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl http_body::Body for Keeping {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(fields) = frame.trailers_ref()
        {
            *self.trailers.0.lock() = Some(fields.clone());
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

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if !matches!(polled, Poll::Ready(None)) {
            return polled;
        }
        let fields = self.trailers.take().and_then(|trailers| trailers.0.lock().take());
        Poll::Ready(fields.map(|fields| Ok(Frame::trailers(fields))))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
