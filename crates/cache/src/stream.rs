//! A body under way: what arrived of it and is still held. While it is being stored everything is held, in allocations of its
//! own: what arrives may be a slice of a much larger network buffer, which a kept slice would keep alive. Whole segments are
//! copied together as they fill up, so that a stored body is not a heap of scraps. Once it is not stored any more, only what
//! some reader has not yet seen is held.
//!
//! Nothing here knows of threads; [`crate::flight`] puts a lock around it.

use crate::budget::{Charge, PIECE_OVERHEAD_BYTES};
use crate::entry::SEGMENT_BYTES;
use crate::hit::{Body, Slice};
use bytes::Bytes;
use std::collections::VecDeque;

/// How much of a body that is not stored is held for readers before its source has to wait.
pub(crate) const WINDOW_BYTES: u64 = 256 << 10;

/// What is held of a body under way.
pub(crate) struct Stream {
    pieces: VecDeque<Piece>,
    /// How many pieces from the front on are whole segments.
    sealed: usize,
    /// The bytes of the others.
    open_bytes: usize,
    received: u64,
    storing: bool,
    charge: Charge,
    /// What holds the body once it is stored.
    read: Option<Body>,
}

struct Piece {
    start: u64,
    bytes: Bytes,
    /// What is to be given back when it is dropped.
    charged: u64,
}

impl Stream {
    pub(crate) fn new(charge: Charge) -> Self {
        Self {
            pieces: VecDeque::new(),
            sealed: 0,
            open_bytes: 0,
            received: 0,
            storing: true,
            charge,
            read: None,
        }
    }

    /// How many bytes arrived.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether everything is held, to be stored.
    pub(crate) fn storing(&self) -> bool {
        self.storing
    }

    /// Holds a copy of `chunk`; whether there was room within the bound. If not, nothing happened.
    pub(crate) fn keep(&mut self, chunk: &[u8]) -> bool {
        let pieces = (chunk.len() / SEGMENT_BYTES + 2) as u64;
        if !self.charge.grow(chunk.len() as u64 + pieces * PIECE_OVERHEAD_BYTES) {
            return false;
        }
        let mut rest = chunk;
        let mut overhead = pieces * PIECE_OVERHEAD_BYTES;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(SEGMENT_BYTES - self.open_bytes));
            self.open_bytes += piece.len();
            self.append(Bytes::copy_from_slice(piece), piece.len() as u64 + PIECE_OVERHEAD_BYTES);
            overhead -= PIECE_OVERHEAD_BYTES;
            if self.open_bytes == SEGMENT_BYTES {
                self.seal();
            }
            rest = later;
        }
        self.charge.shrink(overhead);
        true
    }

    fn append(&mut self, bytes: Bytes, charged: u64) {
        let start = self.received;
        self.received += bytes.len() as u64;
        self.pieces.push_back(Piece { start, bytes, charged });
    }

    /// Copies the open pieces into one segment.
    fn seal(&mut self) {
        let length = std::mem::take(&mut self.open_bytes);
        if self.pieces.len() > self.sealed + 1 {
            let open = self.pieces.split_off(self.sealed);
            let start = open.front().map_or(self.received, |piece| piece.start);
            let mut segment = Vec::with_capacity(length);
            open.iter().for_each(|piece| segment.extend_from_slice(&piece.bytes));
            self.charge.shrink((open.len() as u64 - 1) * PIECE_OVERHEAD_BYTES);
            let charged = length as u64 + PIECE_OVERHEAD_BYTES;
            self.pieces.push_back(Piece {
                start,
                bytes: segment.into(),
                charged,
            });
        }
        self.sealed = self.pieces.len();
    }

    /// The whole body as segments, to be kept beside an entry. Nothing may be appended afterwards.
    pub(crate) fn segments(&mut self) -> Box<[Bytes]> {
        if self.open_bytes > 0 {
            self.seal();
        }
        self.pieces.iter().map(|piece| piece.bytes.clone()).collect()
    }

    /// The whole body in the pieces in which it arrived.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        self.pieces.iter().map(|piece| piece.bytes.clone()).collect()
    }

    /// From now on the body belongs to an entry, which accounts for it: `chunks` are the same bytes there. Should it leave, it
    /// is still read here.
    pub(crate) fn hand_over(&mut self, chunks: Slice) {
        let received = std::mem::take(&mut self.received);
        self.pieces.clear();
        self.charge.clear();
        self.read = Some(chunks.body());
        chunks.for_each(|bytes| self.append(bytes, 0));
        debug_assert_eq!(self.received, received, "an entry holds the body that was loaded");
        (self.sealed, self.open_bytes) = (self.pieces.len(), 0);
    }

    /// Stops storing.
    pub(crate) fn stop_storing(&mut self) {
        self.storing = false;
        (self.sealed, self.open_bytes) = (self.pieces.len(), 0);
    }

    /// Whether `length` more bytes may be passed on before readers catch up.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        let held = self.received - self.start() + self.pieces.len() as u64 * PIECE_OVERHEAD_BYTES;
        held == 0 || held + length as u64 <= WINDOW_BYTES
    }

    /// Passes `chunk` on to the readers without storing it. It is counted where there is room to count it; a single piece
    /// that is on its way through is let pass.
    pub(crate) fn pass_on(&mut self, chunk: Bytes) {
        let charged = chunk.len() as u64 + PIECE_OVERHEAD_BYTES;
        let charged = if self.charge.grow(charged) { charged } else { 0 };
        self.append(chunk, charged);
        (self.sealed, self.open_bytes) = (self.pieces.len(), 0);
    }

    /// Drops what lies wholly before `upto`.
    pub(crate) fn release(&mut self, upto: u64) {
        while let Some(first) = self.pieces.front()
            && first.start + first.bytes.len() as u64 <= upto
        {
            self.charge.shrink(first.charged);
            self.pieces.pop_front();
            self.sealed = self.sealed.saturating_sub(1);
        }
    }

    /// The first byte that is still held, or the end.
    pub(crate) fn start(&self) -> u64 {
        self.pieces.front().map_or(self.received, |piece| piece.start)
    }

    /// Where the first piece that is still held ends, or the end.
    pub(crate) fn first_end(&self) -> u64 {
        let end = |piece: &Piece| piece.start + piece.bytes.len() as u64;
        self.pieces.front().map_or(self.received, end)
    }

    /// What is held from `offset` on, up to the end of a piece.
    pub(crate) fn at(&self, offset: u64) -> Option<Bytes> {
        let after = self.pieces.partition_point(|piece| piece.start <= offset);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(offset - piece.start).ok()?;
        (skip < piece.bytes.len()).then(|| piece.bytes.slice(skip..))
    }
}
