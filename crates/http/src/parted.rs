//! Several ranges that the origin answers in one (multipart/byteranges, RFC 9110 §14.6): passed on as they come, and kept as
//! parts of what they are of (RFC 9111 §3.3), if all of them arrived whole, at a certain place, and of one version. What is
//! damaged is passed on as it is, and nothing of it is kept.

use crate::encode;
use crate::identify::Asking;
use crate::load;
use crate::plane::Parts;
use crate::policy::{self, Arrived, ByteRanges, StrongValidator, Times};
use crate::store;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use peregrine_base::Instant;
use peregrine_cache::{Gathering, Hit};
use peregrine_net::http::{Body, BodyError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request for several ranges on its way to the origin.
pub(crate) struct Parted<'a> {
    parts: &'a Parts,
    asking: &'a Arc<Asking>,
    gathering: Gathering,
    sent: Instant,
}

impl<'a> Parted<'a> {
    /// Begins, before the request is sent, where the answer's parts may be kept.
    pub(crate) fn begin(parts: &'a Parts, asking: &'a Arc<Asking>) -> Option<Self> {
        let several = asking.ranges.as_ref().is_some_and(|ranges| !ranges.is_single());
        let may_be = several && asking.part.is_some() && asking.facts.method == Method::GET && !asking.asked.no_store;
        if !may_be || !asking.route.key.are_those_of_a_load(&asking.facts.headers) {
            return None;
        }
        let (sent, variants) = (parts.clock.now(), asking.variants());
        let lies_in = |_: &Hit| false;
        let ask = asking.ask(&variants, &lies_in, sent);
        let lease = parts.engine.lead_alone(&asking.key, &ask);
        // A whole is confirmed or replaced by a load.
        let has_whole = lease.stale().is_some_and(|hit| hit.parts().is_none());
        (!has_whole).then(|| Self {
            parts,
            asking,
            gathering: lease.gather(),
            sent,
        })
    }

    /// The origin's answer, whose parts are kept while the client reads it.
    pub(crate) fn answered(self, response: Response<Body>) -> Response<Body> {
        let headers = response.headers();
        let (Some(ranges), Some(validator)) = (ByteRanges::of(headers), policy::strong_validator(headers)) else {
            return response;
        };
        if response.status() != StatusCode::PARTIAL_CONTENT || headers.contains_key(header::CONTENT_RANGE) {
            return response;
        }
        let arrived = self.parts.clock.now();
        let reading = Reading {
            parts: self.parts.clone(),
            asking: Arc::clone(self.asking),
            gathering: self.gathering,
            ranges,
            validator,
            headers: headers.clone(),
            times: Times {
                received: self.parts.clock.wall(),
                delay: arrived.since(self.sent),
            },
            arrived,
        };
        let left = response.body().length();
        response.map(|body| {
            Body::stream(Passing {
                body,
                left,
                reading: Some(reading),
            })
        })
    }
}

/// What was read of an answer so far.
struct Reading {
    parts: Parts,
    asking: Arc<Asking>,
    gathering: Gathering,
    ranges: ByteRanges,
    validator: StrongValidator,
    headers: HeaderMap,
    times: Times,
    arrived: Instant,
}

impl Reading {
    /// Reads more; nothing where it cannot be kept any more.
    fn read(mut self, bytes: &[u8]) -> Option<Self> {
        let gathering = &mut self.gathering;
        let heeded = self.ranges.read(bytes, |arrived| match arrived {
            Arrived::Part(span) => {
                gathering.begin(span.start);
                true
            }
            Arrived::Content(bytes) => gathering.push(bytes),
        });
        heeded.is_ok().then_some(self)
    }

    /// Keeps what was read, if it is all that there is. It is stored like the 200 that it is of (RFC 9111 §3.3).
    fn keep(self) -> Option<()> {
        let Self {
            parts,
            asking,
            gathering,
            ranges,
            validator,
            mut headers,
            times,
            arrived,
        } = self;
        let (complete, kind) = ranges.finish().ok()?;
        headers.remove(header::CONTENT_LENGTH);
        policy::remove_digests(&mut headers);
        match kind {
            Some(kind) => _ = headers.insert(header::CONTENT_TYPE, kind),
            None => _ = headers.remove(header::CONTENT_TYPE),
        }
        encode::keep_apart(&mut headers);
        let mut whole = Response::new(Body::empty());
        *whole.headers_mut() = headers;
        let (head, plan, _) = load::plan(&asking, &whole, times).ok()?;
        let mut meta = store::meta(&asking, &head, &plan, policy::tags(whole.headers()))?;
        meta.grow_older(parts.clock.now().since(arrived));
        gathering.keep(meta, complete, &validator.text, &asking.variants()).ok()
    }
}

/// An answer that is passed on and read.
struct Passing {
    body: Body,
    /// How much of it is still to come, where that is known.
    left: Option<u64>,
    reading: Option<Reading>,
}

impl Passing {
    fn read(&mut self, bytes: &Bytes) {
        self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
        self.reading = self.reading.take().and_then(|reading| reading.read(bytes));
        // Whoever got all that was announced may not ask for more.
        if self.left == Some(0) || http_body::Body::is_end_stream(&self.body) {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.keep();
        }
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    self.read(bytes);
                }
            }
            Poll::Ready(Some(Err(_))) => self.reading = None,
            Poll::Ready(None) if self.left.is_none_or(|left| left == 0) => self.end(),
            Poll::Ready(None) => self.reading = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
