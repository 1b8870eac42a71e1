//! The trailers of a response while it is being stored: the client whose request loads it gets them after the body. They are
//! not stored (RFC 9111 §3.1 lets a cache discard them), so nobody else does.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use peregrine_net::http::{Body, BodyError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

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

    /// `body`, which ends after the one that is kept, with the trailers of that.
    pub(crate) fn follow(self, body: Body) -> Body {
        Body::stream(Followed {
            body,
            trailers: Some(self),
        })
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
