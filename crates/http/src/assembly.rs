//! Completing what is held of a response (RFC 9111 §3.4): the origin is asked for what is missing, and only if its version is
//! still the stored one (If-Range); what is stored and what comes are passed on in order, and kept together.

use crate::head::StoredHead;
use crate::identify::Asking;
use crate::policy::{self, RangeAnswer, StrongValidator};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use peregrine_cache::{ByteSpan, Fill, Hit, Lease, LoadFailure, PartMeta, Piece};
use peregrine_net::http::Body;

/// The most gaps that are asked for, each by a request of its own. With more of them the origin sends everything.
const GAPS_MAX: usize = 8;

/// A stretch of a response, part of it stored.
pub(crate) struct Assembly {
    /// What is stored.
    pub(crate) held: Hit,
    /// Its head.
    pub(crate) head: StoredHead,
    /// The stretch that is wanted.
    pub(crate) span: ByteSpan,
    /// The length of the whole.
    pub(crate) complete: u64,
    /// The version.
    pub(crate) validator: StrongValidator,
    /// What is stored of the stretch, and what is missing.
    pub(crate) pieces: Vec<Piece>,
}

/// Why a stretch does not come to its end.
pub(crate) enum Stopped {
    /// Nobody reads it, and it is not stored.
    Abandoned,
    /// What is missing did not come.
    Failed(LoadFailure),
}

impl Assembly {
    /// What is to be done for a load that can build on what is stored; nothing where it can not, or need not.
    pub(crate) fn plan(asking: &Asking, lease: &Lease) -> Option<Self> {
        // Whose answers cannot be stored at the moment asks for all of it at once.
        if asking.facts.method == Method::POST || lease.alone() {
            return None;
        }
        let held = if asking.part.is_some() {
            lease.stale()
        } else {
            lease.parts()
        }?;
        let parts = held.parts()?;
        let head = StoredHead::decode(held.head())?;
        let validator = policy::strong_validator(&head.headers)?;
        // Only what the engine put together under this validator.
        parts.validator.as_ref().filter(|text| **text == validator.text)?;
        let span = match &asking.ranges {
            Some(ranges) if asking.part.is_some() => {
                if !policy::if_range_holds(&asking.facts.headers, &head.headers) {
                    return None;
                }
                match ranges.select(parts.complete) {
                    RangeAnswer::Parts(wanted) if wanted.len() == 1 => wanted[0],
                    _ => return None,
                }
            }
            _ => ByteSpan::new(0, parts.complete)?,
        };
        let pieces = parts.spans.pieces(span);
        let gaps = pieces.iter().filter(|piece| matches!(piece, Piece::New(_))).count();
        let is_worth_it = gaps < pieces.len() && (1..=GAPS_MAX).contains(&gaps) && span.length() <= lease.length_max();
        is_worth_it.then(|| Self {
            held: held.clone(),
            head,
            span,
            complete: parts.complete,
            validator,
            pieces,
        })
    }

    /// The first stretch that is missing.
    pub(crate) fn first_gap(&self) -> Option<ByteSpan> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::New(gap) => Some(*gap),
            Piece::Held(_) => None,
        })
    }

    /// The value of Range that asks for `gap`.
    pub(crate) fn range(&self, gap: ByteSpan) -> HeaderValue {
        let range = if gap.end == self.complete {
            format!("bytes={}-", gap.start)
        } else {
            format!("bytes={}-{}", gap.start, gap.end.saturating_sub(1))
        };
        HeaderValue::try_from(range).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
    }

    /// Whether an answer is exactly `gap` of the stored version.
    pub(crate) fn fits(&self, gap: ByteSpan, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        let placed = policy::place_part(headers, length);
        let version = policy::strong_validator(headers);
        status == StatusCode::PARTIAL_CONTENT
            && placed.is_ok_and(|placed| placed.span == gap && placed.complete == self.complete && !placed.is_doubtful)
            && version.is_some_and(|version| version.text == self.validator.text)
    }

    /// How the stretch is stored; nothing when it is the whole.
    pub(crate) fn part(&self) -> Option<PartMeta> {
        let is_whole = self.span.length() == self.complete;
        (!is_whole).then(|| PartMeta {
            start: self.span.start,
            complete: self.complete,
            validator: Some(self.validator.text.clone()),
        })
    }

    /// Passes stored bytes on.
    pub(crate) async fn pass_on(&self, fill: &mut Fill, span: ByteSpan) -> Result<(), Stopped> {
        let bytes = self.held.slice(span).ok_or(Stopped::Failed(LoadFailure::Broken))?;
        let mut left = span.length();
        for chunk in bytes {
            left -= chunk.len() as u64;
            fill.push(chunk).await.map_err(|_| Stopped::Abandoned)?;
        }
        if left == 0 {
            Ok(())
        } else {
            Err(Stopped::Failed(LoadFailure::Broken))
        }
    }
}

/// Passes on `length` bytes that arrive, neither more nor less.
pub(crate) async fn receive(fill: &mut Fill, mut body: Body, length: u64) -> Result<(), Stopped> {
    let mut left = length;
    while let Some(next) = body.next().await {
        let chunk = next.map_err(|error| {
            tracing::debug!(%error, "the missing part of a body ended early");
            Stopped::Failed(LoadFailure::Broken)
        })?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or(Stopped::Failed(LoadFailure::Broken))?;
        fill.push(chunk).await.map_err(|_| Stopped::Abandoned)?;
    }
    if left == 0 {
        Ok(())
    } else {
        Err(Stopped::Failed(LoadFailure::Broken))
    }
}
