//! The body of a message: bytes at hand, or a stream of them. Whatever it is made of, its end is only ever clean when the
//! whole body was there; everything else is a [`BodyError`].

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use peregrine_base::{Blame, Party};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A message body.
#[derive(Default)]
pub struct Body(Source);

#[derive(Default)]
enum Source {
    #[default]
    Empty,
    Full(Bytes),
    /// None of the chunks is empty; the number is that of all bytes left.
    Chunks(VecDeque<Bytes>, u64),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Source::Empty)
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(if bytes.is_empty() {
            Source::Empty
        } else {
            Source::Full(bytes)
        })
    }

    /// These bytes, written without being joined first.
    #[must_use]
    pub fn chunks(chunks: impl IntoIterator<Item = Bytes>) -> Self {
        let chunks: VecDeque<Bytes> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self(if length == 0 {
            Source::Empty
        } else {
            Source::Chunks(chunks, length)
        })
    }

    /// What `body` yields. Its size hint decides how the message is framed: an exact one becomes `Content-Length`, and
    /// a body that then yields less is cut off with the connection.
    #[must_use]
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self(Source::Stream(Box::pin(body)))
    }

    /// What `poll` yields until `None`; `length` is the number of bytes if that is known beforehand.
    #[must_use]
    pub fn from_poll<F>(length: Option<u64>, poll: F) -> Self
    where
        F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> + Send + Unpin + 'static,
    {
        Self::stream(Polled {
            poll,
            remaining: length,
        })
    }

    /// The number of bytes left, when it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        http_body::Body::is_end_stream(self)
    }

    /// Whether all bytes are here already, so that nothing can go wrong with them any more.
    #[must_use]
    pub const fn is_at_hand(&self) -> bool {
        !matches!(self.0, Source::Stream(_))
    }

    /// All bytes, when they are at hand in one piece.
    #[must_use]
    pub fn at_hand(&self) -> Option<Bytes> {
        match &self.0 {
            Source::Empty => Some(Bytes::new()),
            Source::Full(bytes) => Some(bytes.clone()),
            Source::Chunks(..) | Source::Stream(_) => None,
        }
    }

    /// The same bytes once more, when they are at hand; `None` for a stream.
    #[must_use]
    pub fn replay(&self) -> Option<Self> {
        match &self.0 {
            Source::Empty => Some(Self::empty()),
            Source::Full(bytes) => Some(Self(Source::Full(bytes.clone()))),
            Source::Chunks(chunks, length) => Some(Self(Source::Chunks(chunks.clone(), *length))),
            Source::Stream(body) => body.is_end_stream().then(Self::empty),
        }
    }

    /// The next bytes; `None` at the clean end. Trailers are passed over.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match self.frame().await? {
                Err(error) => return Some(Err(error)),
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(_trailers) => {}
                },
            }
        }
    }

    /// All bytes in one piece, when there are at most `limit`.
    ///
    /// # Errors
    /// [`BodyFault::TooLarge`] as soon as there are more; otherwise what the stream reports.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError {
            fault: BodyFault::TooLarge,
            party: Party::Downstream,
        };
        let mut whole: Vec<u8> = Vec::new();
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(too_large);
        }
        while let Some(bytes) = self.next().await.transpose()? {
            if whole.len() + bytes.len() > limit {
                return Err(too_large);
            }
            if whole.is_empty() && self.is_empty() {
                return Ok(bytes);
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.into())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            Source::Empty => None,
            Source::Full(bytes) => Some(std::mem::take(bytes)),
            Source::Stream(body) => return body.as_mut().poll_frame(cx),
            Source::Chunks(chunks, length) => {
                let next = chunks.pop_front();
                *length -= next.as_ref().map_or(0, |chunk| chunk.len() as u64);
                next
            }
        };
        if matches!(self.0, Source::Full(_) | Source::Chunks(_, 0)) {
            self.0 = Source::Empty;
        }
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Full(_) | Source::Chunks(..) => false,
            Source::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Chunks(_, length) => SizeHint::with_exact(*length),
            Source::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length())
            .finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

/// A body made from a function.
struct Polled<F> {
    poll: F,
    remaining: Option<u64>,
}

impl<F> http_body::Body for Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = (self.poll)(cx);
        if let (Poll::Ready(Some(Ok(bytes))), Some(remaining)) = (&next, &mut self.remaining) {
            *remaining = remaining.saturating_sub(bytes.len() as u64);
        }
        next.map(|next| next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Why a body did not come to its end, and from which side it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the {} body {}", if matches!(.party, Party::Downstream) { "request" } else { "response" }, .fault.sentence())]
pub struct BodyError {
    /// What happened.
    pub fault: BodyFault,
    /// The side that the body came from.
    pub party: Party,
}

/// What can happen to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyFault {
    /// The sender ended it before its announced length or its last chunk.
    Truncated,
    /// The connection broke.
    Broken,
    /// Its chunks are not well formed.
    Malformed,
    /// Nothing came for longer than the idle limit.
    IdleTimeout,
    /// It took longer than the exchange may take.
    TotalTimeout,
    /// It is larger than allowed.
    TooLarge,
    /// Whoever produces it gave up.
    Abandoned,
}

impl BodyFault {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Truncated,
        Self::Broken,
        Self::Malformed,
        Self::IdleTimeout,
        Self::TotalTimeout,
        Self::TooLarge,
        Self::Abandoned,
    ];

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "body_truncated",
            Self::Broken => "body_broken",
            Self::Malformed => "body_malformed",
            Self::IdleTimeout => "body_idle_timeout",
            Self::TotalTimeout => "body_total_timeout",
            Self::TooLarge => "body_too_large",
            Self::Abandoned => "body_abandoned",
        }
    }

    /// Its place in [`BodyFault::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Truncated => "ended before it was complete",
            Self::Broken => "broke off with the connection",
            Self::Malformed => "is not well formed",
            Self::IdleTimeout => "stalled for too long",
            Self::TotalTimeout => "took too long",
            Self::TooLarge => "is larger than allowed",
            Self::Abandoned => "was given up by its producer",
        }
    }
}

impl BodyError {
    /// `fault` of a body that came from `party`.
    #[must_use]
    pub const fn new(fault: BodyFault, party: Party) -> Self {
        Self { fault, party }
    }
}

impl Blame for BodyError {
    fn party(&self) -> Party {
        self.party
    }

    fn retry_helps(&self) -> bool {
        !matches!(self.fault, BodyFault::TooLarge)
    }

    fn public(&self) -> Cow<'static, str> {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests;
