//! An entry: one allocation that holds the head of the entry, the texts it is found by, its tags, the caller's head and, up to
//! [`PACKED_MAX`], the body. Larger bodies lie beside it in segments, and so do further encodings of it, made for clients that
//! take them: they come and go with the entry, which counts them. What is not a value is an entry too: a selector says by
//! which names the variants of a key differ, a marker that answers under the key could not be stored lately. So they count
//! against the bound and make room like everything else.
//!
//! Times are kept as one instant in milliseconds and spans after it. The instant may lie before the clock's zero (a response
//! that was a day old when it arrived on a machine that started an hour ago), so it is biased.

use crate::ledger::Position;
use crate::outcome::PassReason;
use crate::sync::{AtomicU32, Ordering};
use crate::turnover::RouteId;
use bytes::Bytes;
use peregrine_base::Instant;
use std::time::Duration;
use triomphe::ThinArc;

mod coded;
mod origin;
mod spot;
mod times;

pub(crate) use coded::Coded;
use origin::Origin;
pub(crate) use spot::{Place, Spot};
use times::{BIAS_MS, LOAD_STARTS, NANOS_PER_MS, join, pack, pack_start, signed, split, unpack};

/// The largest body that lies in the same allocation as its entry.
pub(crate) const PACKED_MAX: usize = 64 << 10;
/// The size of the segments of larger bodies.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;
/// The longest tag, and the most bytes of all tags of an entry with a byte for each.
pub(crate) const TAG_MAX: usize = 255;
const TAGS_MAX: usize = u16::MAX as usize;
/// What an entry occupies beside its tail: reference count and length (16), the allocator's own (8), and its place in the
/// tier at most: a share of a bucket (28 when the table has just doubled), a place in a queue (8, likewise) and one of a ghost.
const OVERHEAD_BYTES: usize = size_of::<EntryHead>() + 16 + 8 + 40;
/// What a segment occupies beside its bytes.
const SEGMENT_OVERHEAD_BYTES: usize = size_of::<Bytes>() + 48;
/// What the number of the route takes, between the tags and the caller's head: nobody on the way of a hit reads it.
const ROUTE_BYTES: usize = size_of::<RouteId>();
/// A renewal is under way; nobody else begins one.
const RENEWING: u32 = u32::MAX;
/// Bit of [`EntryHead::state`]: a soft invalidation reached the entry.
const SOFTENED: u32 = 1 << 31;
/// The bits that say how far past its position an entry was found good; those between are the encodings'.
const PAST: u32 = (1 << 25) - 1;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value.
    Value,
    /// A part of a value: its head begins with what is held.
    Part,
    /// The names by which the variants of the key differ; they are the entry's variant text.
    Selector,
    /// An answer under the key could not be stored.
    Marker(PassReason),
}

/// How the body of an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Zstd,
    Gzip,
    Lz4,
    Brotli,
}

/// What is fixed about an entry, before its texts.
#[derive(Debug)]
pub(crate) struct EntryHead {
    bodies: Option<Box<Bodies>>,
    /// Position and creation have 48 bits each, so that the beginning of the load has its place.
    position_low: u32,
    created_low: u32,
    /// Zero: not known here.
    load_start: u32,
    /// How far past its position it was found good ([`PAST`]), [`SOFTENED`], and what is known of its encodings.
    state: AtomicU32,
    lifetime: u32,
    stale_while_revalidate: u32,
    stale_if_error: u32,
    hits: AtomicU32,
    renew_after: AtomicU32,
    head_len: u32,
    origin: Origin,
    spot: Spot,
    position_high: u16,
    created_high: u16,
    key_len: u16,
    variant_len: u16,
    tags_len: u16,
    kind: Kind,
    flags: Flags,
}

/// The bodies that do not lie in the entry itself.
#[derive(Clone, Debug, Default)]
struct Bodies {
    segments: Option<Box<[Bytes]>>,
    coded: Box<[Coded]>,
}

/// Encoding and rules of an entry in one byte.
#[derive(Clone, Copy, Debug)]
struct Flags(u8);

#[cfg(not(feature = "shuttle"))]
const _: () = assert!(
    size_of::<EntryHead>() <= 72,
    "the budget of memory per entry counts on this"
);
const _: () = assert!(
    crate::namespace::NAMESPACES_MAX <= 1 << (u32::BITS - Origin::COST_BITS),
    "the number of a namespace has its place in `Origin`"
);

/// An entry; cloning it counts a reference.
#[derive(Debug)]
pub(crate) struct Entry(ThinArc<EntryHead, u8>);

/// Where in the tail of an entry [`Entry::clone`] looks: the cache lines that hold key, tags and the beginning of the head.
const TOUCHED: [usize; 3] = [32, 96, 160];

impl Clone for Entry {
    /// Whoever finds an entry clones it and then reads its key. Counting the reference is an atomic step, which waits for
    /// the first cache line and lets nothing behind it begin; so the lines that are read next are asked for before it, and
    /// a lookup waits for memory once and not three times.
    #[inline]
    fn clone(&self) -> Self {
        for place in TOUCHED {
            std::hint::black_box(self.0.slice.get(place).copied());
        }
        Self(ThinArc::clone(&self.0))
    }
}

/// Everything that an entry is made of.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: Kind,
    pub(crate) namespace: u16,
    /// For which route it is stored.
    pub(crate) route: RouteId,
    pub(crate) key: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) tags: &'a [String],
    pub(crate) head: &'a [u8],
    pub(crate) body: BodyDraft<'a>,
    pub(crate) encoding: Encoding,
    /// Further encodings of the body.
    pub(crate) coded: Box<[Coded]>,
    /// Read before the load began.
    pub(crate) position: Position,
    /// When the load began, where it did so here.
    pub(crate) load_start: Option<Instant>,
    pub(crate) now: Instant,
    /// How old the value is already.
    pub(crate) age: Duration,
    /// How long it is fresh from now on.
    pub(crate) fresh_for: Duration,
    /// For how long it has not been fresh any more.
    pub(crate) overdue: Duration,
    /// These count from now on, or from the end of its freshness where that is later.
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// How long the load took.
    pub(crate) cost: Duration,
    pub(crate) must_validate: bool,
    pub(crate) never_stale: bool,
    pub(crate) negative: bool,
    pub(crate) compressible: bool,
    /// Whether it may leave memory sealed only.
    pub(crate) confidential: bool,
}

/// What an entry brings along that a new one does not have.
#[derive(Debug)]
pub(crate) struct Carried {
    /// As [`Entry::flags`] gave them.
    pub(crate) flags: u8,
    /// From creation to the end of its freshness.
    pub(crate) lifetime: Duration,
    pub(crate) hits: u32,
    pub(crate) softened: bool,
}

/// The body of an entry to be made.
#[derive(Debug)]
pub(crate) enum BodyDraft<'a> {
    /// To be copied into the entry.
    Packed(&'a [Bytes]),
    /// To be kept as they are.
    Segments(Box<[Bytes]>),
}

impl Flags {
    fn of(draft: &Draft<'_>) -> Self {
        let flag = |set: bool, bit: u8| u8::from(set) << bit;
        let rules = flag(draft.must_validate, 3) | flag(draft.never_stale, 4) | flag(draft.confidential, 7);
        Self(draft.encoding as u8 | rules | flag(draft.negative, 5) | flag(draft.compressible, 6))
    }

    fn encoding(self) -> Encoding {
        match self.0 & 0b111 {
            0 => Encoding::Identity,
            1 => Encoding::Zstd,
            2 => Encoding::Gzip,
            3 => Encoding::Lz4,
            _ => Encoding::Brotli,
        }
    }

    fn with(self, encoding: Encoding) -> Self {
        Self(self.0 & !0b111 | encoding as u8)
    }

    fn has(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }
}

/// Whether `tags` fit an entry.
pub(crate) fn tags_fit(tags: &[String]) -> bool {
    tags.iter().all(|tag| tag.len() <= TAG_MAX) && tags.iter().map(|tag| tag.len() + 1).sum::<usize>() <= TAGS_MAX
}

impl Entry {
    /// Makes the entry; nothing when a part is longer than its field or memory is refused.
    pub(crate) fn new(mut draft: Draft<'_>) -> Option<Self> {
        let lifetime = draft.age.saturating_add(draft.fresh_for).saturating_sub(draft.overdue);
        // An entry counts them from the end of its freshness. The longer one also says for how long it is kept.
        if !draft.stale_while_revalidate.is_zero() {
            draft.stale_while_revalidate = draft.stale_while_revalidate.saturating_add(draft.overdue);
        }
        draft.stale_if_error = draft.stale_if_error.saturating_add(draft.overdue);
        let carried = Carried {
            flags: Flags::of(&draft).0,
            lifetime,
            hits: 0,
            softened: false,
        };
        Self::carried(draft, &carried)
    }

    /// As [`Entry::new`] for an entry of another engine: what `carried` says goes over `draft`.
    pub(crate) fn carried(draft: Draft<'_>, carried: &Carried) -> Option<Self> {
        let tags_len: usize = draft.tags.iter().map(|tag| tag.len() + 1).sum();
        let packed = match &draft.body {
            BodyDraft::Packed(chunks) => chunks.iter().map(Bytes::len).sum(),
            BodyDraft::Segments(_) => 0,
        };
        let mut tail = Vec::new();
        tail.try_reserve_exact(
            draft.key.len() + draft.variant.len() + tags_len + ROUTE_BYTES + draft.head.len() + packed,
        )
        .ok()?;
        tail.extend_from_slice(draft.key.as_bytes());
        tail.extend_from_slice(draft.variant.as_bytes());
        for tag in draft.tags {
            tail.push(u8::try_from(tag.len()).ok()?);
            tail.extend_from_slice(tag.as_bytes());
        }
        tail.extend_from_slice(&draft.route.to_bytes());
        tail.extend_from_slice(draft.head);
        if let BodyDraft::Packed(chunks) = &draft.body {
            chunks.iter().for_each(|chunk| tail.extend_from_slice(chunk));
        }
        let age = i64::try_from(draft.age.as_nanos()).unwrap_or(i64::MAX);
        let created_ms = signed(draft.now).saturating_sub(age).div_euclid(NANOS_PER_MS);
        let (created_low, created_high) = split(u64::try_from(created_ms + BIAS_MS).unwrap_or(0));
        let (position_low, position_high) = split(draft.position.lc);
        let head = EntryHead {
            position_low,
            position_high,
            created_low,
            created_high,
            load_start: draft.load_start.map_or(0, pack_start),
            state: AtomicU32::new(if carried.softened { SOFTENED } else { 0 }),
            lifetime: pack(carried.lifetime),
            stale_while_revalidate: pack(draft.stale_while_revalidate),
            stale_if_error: pack(draft.stale_if_error),
            hits: AtomicU32::new(carried.hits),
            renew_after: AtomicU32::new(0),
            head_len: u32::try_from(draft.head.len()).ok()?,
            key_len: u16::try_from(draft.key.len()).ok()?,
            variant_len: u16::try_from(draft.variant.len()).ok()?,
            tags_len: u16::try_from(tags_len).ok()?,
            origin: Origin::of(draft.namespace, draft.cost),
            spot: Spot::new(),
            kind: draft.kind,
            flags: Flags(carried.flags),
            bodies: Bodies {
                segments: match draft.body {
                    BodyDraft::Packed(_) => None,
                    BodyDraft::Segments(segments) => Some(segments),
                },
                coded: draft.coded,
            }
            .boxed(),
        };
        ThinArc::try_from_header_and_slice(head, &tail).ok().map(Self)
    }

    fn head_part(&self) -> &EntryHead {
        &self.0.header.header
    }

    /// The part of the tail from `start` on that is `len` long.
    fn part(&self, start: usize, len: usize) -> &[u8] {
        self.0.slice.get(start..start + len).unwrap_or_default()
    }

    fn text(&self, start: usize, len: usize) -> &str {
        // Written from texts by `new`; were it not so, nothing would match it, which is a miss.
        std::str::from_utf8(self.part(start, len)).unwrap_or_default()
    }

    /// The notes of the tier that it is in.
    #[inline]
    pub(crate) fn spot(&self) -> &Spot {
        &self.head_part().spot
    }

    pub(crate) fn kind(&self) -> Kind {
        self.head_part().kind
    }

    pub(crate) fn namespace(&self) -> u16 {
        self.head_part().origin.namespace()
    }

    /// The route that it was stored for.
    pub(crate) fn route(&self) -> RouteId {
        let bytes = self.part(self.head_start() - ROUTE_BYTES, ROUTE_BYTES);
        bytes
            .try_into()
            .map_or_else(|_| RouteId::default(), RouteId::from_bytes)
    }

    pub(crate) fn key(&self) -> &str {
        self.text(0, usize::from(self.head_part().key_len))
    }

    /// The variant; of a selector its names.
    pub(crate) fn variant(&self) -> &str {
        let head = self.head_part();
        self.text(usize::from(head.key_len), usize::from(head.variant_len))
    }

    /// Whether it is stored under this key and variant.
    #[inline]
    pub(crate) fn is_under(&self, key: &str, variant: &str) -> bool {
        let head = self.head_part();
        let (key_len, variant_len) = (usize::from(head.key_len), usize::from(head.variant_len));
        self.part(0, key_len) == key.as_bytes() && self.part(key_len, variant_len) == variant.as_bytes()
    }

    pub(crate) fn tags(&self) -> Tags<'_> {
        let head = self.head_part();
        Tags {
            rest: self.part(
                usize::from(head.key_len) + usize::from(head.variant_len),
                usize::from(head.tags_len),
            ),
        }
    }

    /// The caller's head.
    pub(crate) fn head(&self) -> &[u8] {
        let len = usize::try_from(self.head_part().head_len).unwrap_or(usize::MAX);
        self.part(self.head_start(), len)
    }

    fn head_start(&self) -> usize {
        let head = self.head_part();
        usize::from(head.key_len) + usize::from(head.variant_len) + usize::from(head.tags_len) + ROUTE_BYTES
    }

    /// The body as it is written, where it lies in the entry; empty where it lies in segments.
    pub(crate) fn packed_body(&self) -> &[u8] {
        let start = self.head_start() + self.head().len();
        self.0.slice.get(start..).unwrap_or_default()
    }

    /// The body as it is written, where it lies in segments.
    pub(crate) fn segments(&self) -> Option<&[Bytes]> {
        self.head_part().bodies.as_ref()?.segments.as_deref()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.head_part().flags.encoding()
    }

    /// Encoding and rules in one byte, for [`Entry::carried`].
    pub(crate) fn flags(&self) -> u8 {
        self.head_part().flags.0
    }

    pub(crate) fn must_validate(&self) -> bool {
        self.head_part().flags.has(3)
    }

    pub(crate) fn never_stale(&self) -> bool {
        self.head_part().flags.has(4)
    }

    pub(crate) fn negative(&self) -> bool {
        self.head_part().flags.has(5)
    }

    /// Whether its type promises a gain from compression.
    pub(crate) fn compressible(&self) -> bool {
        self.head_part().flags.has(6)
    }

    /// Whether it may leave memory sealed only.
    pub(crate) fn confidential(&self) -> bool {
        self.head_part().flags.has(7)
    }

    pub(crate) fn position(&self) -> Position {
        let head = self.head_part();
        Position::local(join(head.position_low, head.position_high))
    }

    /// When the load began, told at `now`, to the millisecond before. Nothing where it did not begin here, or so long ago that
    /// it cannot be told any more.
    #[inline]
    pub(crate) fn load_start(&self, now: Instant) -> Option<Instant> {
        let packed = u64::from(self.head_part().load_start.checked_sub(1)?);
        let now_ms = now.as_nanos() / 1_000_000;
        let ago = (now_ms % LOAD_STARTS + LOAD_STARTS - packed) % LOAD_STARTS;
        // An entry is as old as its load at least, but for how long that took. What is older than half of what can be told
        // may be older than all of it.
        let told = ago < LOAD_STARTS / 2 && self.age(now).as_millis() < u128::from(LOAD_STARTS / 2);
        told.then(|| Instant::from_nanos((now_ms.saturating_sub(ago)) * 1_000_000))
    }

    /// How long the load took, in microseconds.
    pub(crate) fn cost_us(&self) -> u64 {
        self.head_part().origin.cost_us()
    }

    /// Nanoseconds after the clock's zero, or before it.
    #[inline]
    fn created_ns(&self) -> i64 {
        let head = self.head_part();
        let biased = i64::try_from(join(head.created_low, head.created_high)).unwrap_or(i64::MAX);
        (biased - BIAS_MS).saturating_mul(NANOS_PER_MS)
    }

    /// How old the value is.
    #[inline]
    pub(crate) fn age(&self, now: Instant) -> Duration {
        let age = signed(now).saturating_sub(self.created_ns());
        Duration::from_nanos(u64::try_from(age).unwrap_or(0))
    }

    /// When the value was made; the clock's zero if that was earlier.
    pub(crate) fn created(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.created_ns()).unwrap_or(0))
    }

    /// From creation to the end of its freshness.
    pub(crate) fn lifetime(&self) -> Duration {
        unpack(self.head_part().lifetime)
    }

    pub(crate) fn stale_while_revalidate(&self) -> Duration {
        unpack(self.head_part().stale_while_revalidate)
    }

    pub(crate) fn stale_if_error(&self) -> Duration {
        unpack(self.head_part().stale_if_error)
    }

    /// Up to which position it was found good.
    pub(crate) fn checked(&self) -> u64 {
        let head = self.head_part();
        self.position().lc + u64::from(head.state.load(Ordering::Acquire) & PAST)
    }

    /// Notes that it was found good, or soft, up to `lc`.
    pub(crate) fn set_checked(&self, lc: u64, softened: bool) {
        let head = self.head_part();
        // An entry that outlives thirty million invalidations is checked again at each look.
        let past = u32::try_from(lc.saturating_sub(self.position().lc))
            .unwrap_or(PAST)
            .min(PAST);
        let softened = if softened { SOFTENED } else { 0 };
        let join = |before: u32| Some(before & !PAST | softened | past.max(before & PAST));
        // Release: who skips the check because of this also sees what it found. It cannot fail, since `join` always answers.
        let _ = head.state.fetch_update(Ordering::Release, Ordering::Relaxed, join);
    }

    /// Makes it stale before its time.
    pub(crate) fn soften(&self) {
        self.head_part().state.fetch_or(SOFTENED, Ordering::Relaxed);
    }

    /// Whether a soft invalidation reached it. To be asked after [`Entry::checked`].
    pub(crate) fn softened(&self) -> bool {
        self.head_part().state.load(Ordering::Relaxed) & SOFTENED != 0
    }

    /// Counts a hit. Two at the same moment may count as one: an atomic addition costs more than that is worth.
    pub(crate) fn hit(&self) {
        let hits = &self.head_part().hits;
        hits.store(hits.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u32 {
        self.head_part().hits.load(Ordering::Relaxed)
    }

    /// Whether a renewal may begin now: none is under way, and none failed a moment ago.
    pub(crate) fn renewal_due(&self, now: Instant) -> bool {
        let after = self.head_part().renew_after.load(Ordering::Relaxed);
        after != RENEWING && (after == 0 || self.age(now) >= unpack(after))
    }

    /// Notes that a renewal began.
    pub(crate) fn renewing(&self) {
        self.head_part().renew_after.store(RENEWING, Ordering::Relaxed);
    }

    /// Notes that a renewal ended without a new entry; the next may begin after `pause`.
    pub(crate) fn renewal_failed(&self, now: Instant, pause: Duration) {
        self.head_part()
            .renew_after
            .store(pack(self.age(now).saturating_add(pause)), Ordering::Relaxed);
    }

    /// The bytes that it occupies, with everything that belongs to it.
    pub(crate) fn weight(&self) -> u64 {
        let segments = self.segments().unwrap_or_default().iter();
        let segments: usize = segments.map(|segment| segment.len() + SEGMENT_OVERHEAD_BYTES).sum();
        let coded: usize = self.all_coded().iter().map(Coded::weight).sum();
        (OVERHEAD_BYTES + self.0.slice.len() + segments + coded) as u64
    }

    /// Whether anybody else has it.
    pub(crate) fn is_shared(&self) -> bool {
        ThinArc::strong_count(&self.0) > 1
    }

    /// Whether both are the same entry, not only the same content.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.ptr() == other.0.ptr()
    }
}

impl Bodies {
    fn boxed(self) -> Option<Box<Self>> {
        (self.segments.is_some() || !self.coded.is_empty()).then(|| Box::new(self))
    }
}

/// The tags of an entry.
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (len, rest) = self.rest.split_first()?;
        let (tag, rest) = rest.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        std::str::from_utf8(tag).ok()
    }
}
