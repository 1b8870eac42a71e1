//! Putting parts of a value together: new bytes beside those that are held already. Whole segments are shared between the
//! old entry and the new one; what is cut is copied, so that no entry keeps alive more than it accounts for.

use crate::entry::{Entry, SEGMENT_BYTES, tags_fit};
use crate::hit::Hit;
use crate::lookup::Meta;
use crate::spans::{ByteSpan, PartMap, Piece, SPANS_MAX};
use bytes::{Bytes, BytesMut};

/// Shorter segments are copied together.
const SHARED_BYTES_MIN: usize = SEGMENT_BYTES / 4;

/// What is held of a value after a part was added.
pub(crate) struct Joined {
    pub(crate) parts: PartMap,
    pub(crate) chunks: Vec<Bytes>,
    /// Those of both: an invalidation of either reaches what is put together.
    pub(crate) tags: Vec<String>,
}

impl Joined {
    /// `old` with `body`, which is `span` of the value, added; nothing when they do not belong together or become too much.
    /// Where both have the same bytes the new ones count.
    pub(crate) fn of(
        old: &Entry,
        new: &PartMap,
        span: ByteSpan,
        body: &[Bytes],
        meta: &Meta,
        limit: u64,
    ) -> Option<Self> {
        let held = crate::hit::parts(old).filter(|held| held.belong_together(new))?;
        let mut parts = held.clone();
        parts.spans.insert(span);
        if parts.spans.count() > SPANS_MAX || parts.spans.total() > limit {
            return None;
        }
        let mut tags = meta.tags.clone();
        tags.extend(
            old.tags()
                .filter(|tag| !meta.tags.iter().any(|new| new == tag))
                .map(str::to_owned),
        );
        if !tags_fit(&tags) {
            return None;
        }
        // Segments stand for themselves; a body that lies in its entry would keep the entry alive.
        let shareable = old.segments().is_some();
        let old = Hit(old.clone());
        let mut chunks = Vec::new();
        for joined in parts.spans.iter() {
            let new_here = crate::spans::ByteSpans::one(span);
            for piece in new_here.pieces(joined) {
                match piece {
                    Piece::Held(new) => chunks.extend(cut(body, span.start, new)),
                    Piece::New(kept) => {
                        for one in held.spans.pieces(kept) {
                            let Piece::Held(one) = one else { return None };
                            let whole = |chunk: &Bytes| shareable && old.is_segment(chunk);
                            chunks.extend(old.slice(one)?.map(|chunk| {
                                let whole = whole(&chunk);
                                (chunk, whole)
                            }));
                        }
                    }
                }
            }
        }
        Some(Self {
            parts,
            chunks: compact(chunks.into_iter()),
            tags,
        })
    }
}

/// The bytes of `span` out of `body`, which begins at `start`; with each piece, whether it is one of the body's own.
fn cut(body: &[Bytes], start: u64, span: ByteSpan) -> Vec<(Bytes, bool)> {
    let mut at = start;
    let mut pieces = Vec::new();
    for chunk in body {
        let here = ByteSpan {
            start: at,
            end: at + chunk.len() as u64,
        };
        at = here.end;
        let Some(overlap) = here.overlap(span) else { continue };
        let offset = |position: u64| usize::try_from(position - here.start).unwrap_or(chunk.len());
        let piece = chunk.slice(offset(overlap.start)..offset(overlap.end));
        pieces.push((piece, overlap == here));
    }
    pieces
}

/// `pieces` as segments: long ones that are nobody's slice stay what they are, everything else is copied together.
pub(crate) fn compact(pieces: impl Iterator<Item = (Bytes, bool)>) -> Vec<Bytes> {
    let mut segments = Vec::new();
    let mut open = BytesMut::new();
    for (piece, whole) in pieces {
        if whole && piece.len() >= SHARED_BYTES_MIN {
            seal(&mut segments, &mut open);
            segments.push(piece);
            continue;
        }
        let mut rest = &*piece;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(SEGMENT_BYTES - open.len()));
            open.extend_from_slice(now);
            rest = later;
            if open.len() == SEGMENT_BYTES {
                seal(&mut segments, &mut open);
            }
        }
    }
    seal(&mut segments, &mut open);
    segments
}

/// Ends the open segment, with nothing allocated beyond its bytes.
fn seal(segments: &mut Vec<Bytes>, open: &mut BytesMut) {
    if !open.is_empty() {
        segments.push(Bytes::copy_from_slice(open));
        open.clear();
    }
}
