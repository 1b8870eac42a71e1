//! ByteSpans of bytes: which of a value's bytes are held when not all of them are. Pure arithmetic; a value of which only spans are
//! held is a *part*, and its body is the spans one after the other.

/// Bytes `start..end` of a value; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSpan {
    /// The first byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
}

/// ByteSpans in order, of which no two overlap or touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteSpans(Vec<ByteSpan>);

/// What is held of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartMap {
    /// The spans.
    pub spans: ByteSpans,
    /// The length of the whole value.
    pub complete: u64,
    /// What tells this version of the value from every other, byte by byte. PartMap with the same one are put together; parts
    /// without one stay alone.
    pub validator: Option<Vec<u8>>,
}

/// Where a stretch of a value that is put together comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It is held already.
    Held(ByteSpan),
    /// It is new, or still to be asked for.
    New(ByteSpan),
}

/// The most spans that are held of one value. A part that would need more takes the place of what is there.
pub(crate) const SPANS_MAX: usize = 64;

/// The bytes before the validator in the written form.
const FIXED_BYTES: usize = 12;
/// The bytes of a span in the written form.
const SPAN_BYTES: usize = 16;

impl ByteSpan {
    /// `start..end`; nothing when that is empty.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.end - self.start
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// What both have.
    #[must_use]
    pub fn overlap(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl ByteSpans {
    /// One span.
    #[must_use]
    pub fn one(span: ByteSpan) -> Self {
        Self(vec![span])
    }

    /// The spans in order.
    pub fn iter(&self) -> impl Iterator<Item = ByteSpan> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The bytes of all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(ByteSpan::length).sum()
    }

    /// Adds `span`, joined with what it overlaps or touches.
    pub fn insert(&mut self, mut span: ByteSpan) {
        let before = self.0.partition_point(|held| held.end < span.start);
        let after = self.0.partition_point(|held| held.start <= span.end);
        if let Some(joined) = self.0.get(before..after)
            && let (Some(first), Some(last)) = (joined.first(), joined.last())
        {
            span.start = span.start.min(first.start);
            span.end = span.end.max(last.end);
        }
        self.0.splice(before..after.max(before), [span]);
    }

    /// Whether every byte of `span` is held.
    #[must_use]
    pub fn covers(&self, span: ByteSpan) -> bool {
        self.0.iter().any(|held| held.contains(span))
    }

    /// `span` in pieces, in order: what is held of it and what is not.
    #[must_use]
    pub fn pieces(&self, span: ByteSpan) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = span.start;
        for held in self.iter().filter_map(|held| held.overlap(span)) {
            pieces.extend(ByteSpan::new(at, held.start).map(Piece::New));
            pieces.push(Piece::Held(held));
            at = held.end;
        }
        pieces.extend(ByteSpan::new(at, span.end).map(Piece::New));
        pieces
    }

    /// Where the byte at `position` lies in the body of a part; nothing when it is not held.
    #[must_use]
    pub fn offset(&self, position: u64) -> Option<u64> {
        let mut before = 0;
        for held in self.iter() {
            if held.start <= position && position < held.end {
                return Some(before + position - held.start);
            }
            before += held.length();
        }
        None
    }
}

impl PartMap {
    /// Whether both are parts of one and the same value.
    #[must_use]
    pub fn belong_together(&self, other: &Self) -> bool {
        self.complete == other.complete && self.validator.is_some() && self.validator == other.validator
    }

    /// Whether all of the value is held.
    #[must_use]
    pub fn are_everything(&self) -> bool {
        ByteSpan::new(0, self.complete).is_some_and(|whole| self.spans.covers(whole))
    }

    /// Whether it can be what `held` bytes are of a value: in order, neither overlapping nor touching, within the value, and not
    /// all of it.
    pub(crate) fn is_sound(&self, held: u64) -> bool {
        let in_order = self.spans.0.windows(2).all(|two| two[0].end < two[1].start);
        let within = self.spans.0.last().is_some_and(|last| last.end <= self.complete);
        let count = self.spans.count() <= SPANS_MAX;
        in_order && within && count && self.spans.total() == held && held < self.complete
    }

    /// The written form; nothing when it does not fit.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let validator = self.validator.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(FIXED_BYTES + validator.len() + self.spans.count() * SPAN_BYTES);
        out.extend_from_slice(&u16::try_from(self.spans.count()).ok()?.to_le_bytes());
        out.extend_from_slice(&u16::try_from(validator.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&self.complete.to_le_bytes());
        out.extend_from_slice(validator);
        for span in self.spans.iter() {
            out.extend_from_slice(&span.start.to_le_bytes());
            out.extend_from_slice(&span.end.to_le_bytes());
        }
        Some(out)
    }

    /// What [`PartMap::encode`] wrote at the beginning of `bytes`, and the rest of them.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, rest) = bytes.split_first_chunk::<2>()?;
        let (validator, rest) = rest.split_first_chunk::<2>()?;
        let (complete, rest) = rest.split_first_chunk::<8>()?;
        let (validator, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*validator)))?;
        let (spans, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*count)) * SPAN_BYTES)?;
        let mut held = Vec::with_capacity(spans.len() / SPAN_BYTES);
        for span in spans.chunks_exact(SPAN_BYTES) {
            let (start, end) = span.split_first_chunk::<8>()?;
            let end = end.first_chunk::<8>()?;
            held.push(ByteSpan::new(u64::from_le_bytes(*start), u64::from_le_bytes(*end))?);
        }
        let parts = Self {
            spans: ByteSpans(held),
            complete: u64::from_le_bytes(*complete),
            validator: (!validator.is_empty()).then(|| validator.to_vec()),
        };
        Some((parts, rest))
    }
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "positions in tests are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: u64 = 40;

    fn spans() -> impl Strategy<Value = Vec<ByteSpan>> {
        let span = (0..LENGTH, 1..12u64).prop_map(|(start, length)| ByteSpan {
            start,
            end: (start + length).min(LENGTH),
        });
        proptest::collection::vec(span, 0..12)
    }

    /// The same as a vector of one flag a byte.
    fn flags(spans: &[ByteSpan]) -> Vec<bool> {
        let held = |at: u64| spans.iter().any(|span| (span.start..span.end).contains(&at));
        (0..LENGTH).map(held).collect()
    }

    fn gathered(given: &[ByteSpan]) -> ByteSpans {
        let mut held = ByteSpans::default();
        given.iter().for_each(|span| held.insert(*span));
        held
    }

    proptest! {
        #[test]
        fn spans_hold_what_a_vector_of_flags_holds(given in spans(), start in 0..LENGTH, length in 1..LENGTH) {
            let (held, flags) = (gathered(&given), flags(&given));
            let asked = ByteSpan { start, end: (start + length).min(LENGTH) };
            prop_assert_eq!(flags.iter().filter(|flag| **flag).count() as u64, held.total());
            let within = &flags[asked.start as usize..asked.end as usize];
            prop_assert_eq!(held.covers(asked), within.iter().all(|flag| *flag));
            // Neither overlapping nor touching, in order.
            prop_assert!(held.0.windows(2).all(|two| two[0].end < two[1].start));
            let mut at = asked.start;
            for piece in held.pieces(asked) {
                let (span, is_held) = match piece { Piece::Held(span) => (span, true), Piece::New(span) => (span, false) };
                prop_assert_eq!(span.start, at);
                prop_assert!((span.start..span.end).all(|at| flags[at as usize] == is_held));
                at = span.end;
            }
            prop_assert_eq!(at, asked.end);
            // The body of a part is what is held, byte after byte.
            let body: Vec<u64> = (0..LENGTH).filter(|at| flags[*at as usize]).collect();
            for at in 0..LENGTH {
                let found = held.offset(at).map(|offset| body[offset as usize]);
                prop_assert_eq!(found, flags[at as usize].then_some(at));
            }
        }

        #[test]
        fn the_order_of_parts_does_not_matter(given in spans()) {
            let backwards: Vec<ByteSpan> = given.iter().rev().copied().collect();
            prop_assert_eq!(gathered(&given), gathered(&backwards));
        }

        #[test]
        fn parts_survive_the_way_to_bytes_and_back(given in spans(), validator in proptest::option::of("[a-z]{1,9}")) {
            let parts = PartMap { spans: gathered(&given), complete: LENGTH, validator: validator.map(String::into_bytes) };
            let mut bytes = parts.encode().unwrap();
            bytes.extend_from_slice(b"head");
            let (back, rest) = PartMap::decode(&bytes).unwrap();
            prop_assert_eq!((back, rest), (parts, &b"head"[..]));
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = PartMap::decode(&bytes);
        }
    }

    #[test]
    fn only_parts_of_one_version_belong_together() {
        let part = |complete, validator: Option<&str>| PartMap {
            spans: ByteSpans::one(ByteSpan { start: 0, end: 5 }),
            complete,
            validator: validator.map(|text| text.as_bytes().to_vec()),
        };
        assert!(part(10, Some("a")).belong_together(&part(10, Some("a"))));
        assert!(!part(10, Some("a")).belong_together(&part(10, Some("b"))));
        assert!(!part(10, Some("a")).belong_together(&part(11, Some("a"))));
        assert!(!part(10, None).belong_together(&part(10, None)));
        assert!(part(5, None).are_everything() && !part(6, None).are_everything());
    }
}
