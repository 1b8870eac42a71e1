//! Counts what a client of HTTP/2 makes the server do without asking for anything: requests taken back (rapid reset,
//! CVE-2023-44487), frames that carry nothing, heads in endless pieces (CVE-2024-27316). It reads the headers of frames
//! (RFC 9113 §4.1) as they pass by and judges nothing else about them; that is the codec's work.

use super::super::ServerLimits;
use peregrine_base::Instant;
use std::time::Duration;

/// What a client may do too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Excess {
    /// Requests taken back.
    Resets,
    /// Frames that carry nothing.
    ControlFrames,
    /// Pieces of a head.
    Continuations,
    /// Something that the codec limits by itself, such as tiny pieces of a body.
    Codec,
}

impl Excess {
    /// All of them, in the order of their numbers.
    pub(in super::super) const ALL: [Self; 4] = [Self::Resets, Self::ControlFrames, Self::Continuations, Self::Codec];

    /// The word for logs and metric labels: that of the parameter that limits it.
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets_max",
            Self::ControlFrames => "control_frames_max",
            Self::Continuations => "continuations_max",
            Self::Codec => "codec",
        }
    }

    /// Its place in [`Excess::ALL`].
    pub(in super::super) const fn index(self) -> usize {
        self as usize
    }
}

/// For how long it is counted before it begins anew.
const PERIOD: Duration = Duration::from_secs(60);
/// What a client sends before its first frame (RFC 9113 §3.4).
pub(in super::super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
/// What a frame may hold unless more was agreed on (RFC 9113 §4.2), which it is not.
const FRAME_BYTES: usize = 16 << 10;
/// A padded DATA frame up to this size may be nothing but padding.
const PADDING_BYTES_MAX: usize = 256;
/// A client that takes what it is sent may open its window once for so many bytes.
const BYTES_PER_WINDOW_UPDATE: u64 = 1024;

// RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// How many are allowed; see the parameters `server.http2.*`.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Allowed {
    pub(in super::super) resets: u32,
    pub(in super::super) control_frames: u32,
    pub(in super::super) continuations: u32,
}

impl From<&ServerLimits> for Allowed {
    fn from(limits: &ServerLimits) -> Self {
        Self {
            resets: limits.http2.resets_max,
            control_frames: limits.http2.control_frames_max,
            // A head that is not too large may need more of them than are otherwise too many.
            continuations: limits.http2.continuations_max.max(pieces(limits.header_size_max)),
        }
    }
}

/// How many full frames a head of `bytes` takes, not compressed.
fn pieces(bytes: usize) -> u32 {
    u32::try_from(bytes / FRAME_BYTES).unwrap_or(u32::MAX)
}

/// The count for one connection.
#[derive(Debug)]
pub(in super::super) struct Meter {
    allowed: Allowed,
    /// How much of the preface, or of the current frame's content, is still to come.
    pass_bytes: usize,
    header: [u8; FRAME_HEADER_BYTES],
    header_length: usize,
    since: Instant,
    resets: u32,
    control_frames: u32,
    window_updates: u64,
    sent_bytes: u64,
    continuations: u32,
    /// Since when a head has begun and not ended.
    head_since: Option<Instant>,
    /// The highest number of a request so far (RFC 9113 §5.1.1).
    stream: u32,
    /// The head that arrives is that of a new request, not its trailers.
    begins: bool,
    /// The current frame is the last of such a head.
    completes: bool,
    requests: u64,
    excess: Option<Excess>,
}

impl Meter {
    pub(in super::super) const fn new(allowed: Allowed, now: Instant) -> Self {
        Self {
            allowed,
            pass_bytes: PREFACE.len(),
            header: [0; FRAME_HEADER_BYTES],
            header_length: 0,
            since: now,
            resets: 0,
            control_frames: 0,
            window_updates: 0,
            sent_bytes: 0,
            continuations: 0,
            head_since: None,
            stream: 0,
            begins: false,
            completes: false,
            requests: 0,
            excess: None,
        }
    }

    /// What the client has done too much of; from then on it stays so.
    pub(in super::super) const fn excess(&self) -> Option<Excess> {
        self.excess
    }

    /// Since when a head has begun and not ended.
    pub(in super::super) const fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    /// How many requests there were whose heads are whole.
    pub(in super::super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// `bytes` were sent to the client.
    pub(in super::super) const fn sent(&mut self, bytes: usize) {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes as u64);
    }

    /// `bytes` arrived from the client.
    pub(in super::super) fn received(&mut self, mut bytes: &[u8], now: Instant) {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            (self.resets, self.control_frames) = (0, 0);
            (self.window_updates, self.sent_bytes) = (0, 0);
        }
        while !bytes.is_empty() && self.excess.is_none() {
            if self.pass_bytes > 0 {
                let passed = self.pass_bytes.min(bytes.len());
                self.pass_bytes -= passed;
                bytes = &bytes[passed..];
                self.end_of_head();
                continue;
            }
            let missing = (FRAME_HEADER_BYTES - self.header_length).min(bytes.len());
            self.header[self.header_length..][..missing].copy_from_slice(&bytes[..missing]);
            self.header_length += missing;
            bytes = &bytes[missing..];
            if self.header_length == FRAME_HEADER_BYTES {
                self.header_length = 0;
                self.frame(now);
                self.end_of_head();
            }
        }
    }

    /// The header of a frame is there.
    fn frame(&mut self, now: Instant) {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.pass_bytes = length;
        match kind {
            DATA => {
                let padding = flags & PADDED != 0 && length <= PADDING_BYTES_MAX;
                if (length == 0 || padding) && flags & END_STREAM == 0 {
                    self.control_frame();
                }
            }
            HEADERS => {
                self.continuations = 0;
                self.head_since = (flags & END_HEADERS == 0).then_some(now);
                let stream = u32::from_be_bytes(stream);
                self.begins = stream > self.stream;
                self.stream = self.stream.max(stream);
                self.completes = self.begins && flags & END_HEADERS != 0;
            }
            CONTINUATION => {
                self.continuations += 1;
                if self.continuations > self.allowed.continuations {
                    self.excess = Some(Excess::Continuations);
                }
                if flags & END_HEADERS != 0 {
                    self.head_since = None;
                    self.completes = self.begins;
                }
            }
            RST_STREAM => {
                self.resets += 1;
                if self.resets > self.allowed.resets {
                    self.excess = Some(Excess::Resets);
                }
            }
            WINDOW_UPDATE => {
                self.window_updates += 1;
                let earned = self.sent_bytes / BYTES_PER_WINDOW_UPDATE;
                if self.window_updates > earned + u64::from(self.allowed.control_frames) {
                    self.excess = Some(Excess::ControlFrames);
                }
            }
            _ => self.control_frame(),
        }
    }

    /// Counts a request once the last byte of its head is there.
    const fn end_of_head(&mut self) {
        if self.pass_bytes == 0 && self.completes {
            self.completes = false;
            self.requests += 1;
        }
    }

    const fn control_frame(&mut self) {
        self.control_frames += 1;
        if self.control_frames > self.allowed.control_frames {
            self.excess = Some(Excess::ControlFrames);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed {
        resets: 3,
        control_frames: 5,
        continuations: 2,
    };

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        // Content that would look like frames if it were taken for them.
        frame.extend(std::iter::repeat_n(RST_STREAM, usize::from(length)));
        frame
    }

    fn excess(frames: impl IntoIterator<Item = Vec<u8>>, piece: usize) -> Option<Excess> {
        let bytes: Vec<u8> = PREFACE.iter().copied().chain(frames.into_iter().flatten()).collect();
        let mut meter = Meter::new(ALLOWED, Instant::ZERO);
        for piece in bytes.chunks(piece) {
            meter.received(piece, Instant::ZERO);
        }
        meter.excess()
    }

    #[test]
    fn what_is_too_much_is_named_however_it_arrives() {
        let repeat = |frame: Vec<u8>, count| std::iter::repeat_n(frame, count).collect::<Vec<_>>();
        let ping = frame(6, 0, 8);
        let with_head = |count| [vec![frame(HEADERS, 0, 20)], repeat(frame(CONTINUATION, 0, 0), count)].concat();
        let table = [
            (repeat(frame(RST_STREAM, 0, 4), 3), None),
            (repeat(frame(RST_STREAM, 0, 4), 4), Some(Excess::Resets)),
            (repeat(ping.clone(), 5), None),
            (repeat(ping, 6), Some(Excess::ControlFrames)),
            (repeat(frame(4, 0, 6), 6), Some(Excess::ControlFrames)),
            (repeat(frame(2, 0, 5), 6), Some(Excess::ControlFrames)),
            (repeat(frame(0xbb, 0, 1), 6), Some(Excess::ControlFrames)),
            (repeat(frame(WINDOW_UPDATE, 0, 4), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, 0, 0), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, PADDED, 9), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, 0, 9), 60), None),
            (repeat(frame(DATA, END_STREAM, 0), 60), None),
            (repeat(frame(HEADERS, END_HEADERS, 30), 60), None),
            (with_head(2), None),
            (with_head(3), Some(Excess::Continuations)),
        ];
        for (frames, expected) in table {
            for piece in [1, 7, 100_000] {
                assert_eq!(excess(frames.clone(), piece), expected, "{:?} {piece}", frames.last());
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_count_the_same_in_any_pieces(
            bytes in proptest::collection::vec(0u8..12, 0..400),
            piece in 1usize..50,
        ) {
            let (mut whole, mut pieces) = (Meter::new(ALLOWED, Instant::ZERO), Meter::new(ALLOWED, Instant::ZERO));
            for part in [PREFACE, &bytes] {
                whole.received(part, Instant::ZERO);
                part.chunks(piece).for_each(|part| pieces.received(part, Instant::ZERO));
            }
            proptest::prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        }
    }

    #[test]
    fn it_begins_anew_and_windows_may_be_opened_for_what_was_sent() {
        let mut meter = Meter::new(ALLOWED, Instant::ZERO);
        meter.received(PREFACE, Instant::ZERO);
        for round in 0..10 {
            let now = Instant::ZERO.after(PERIOD * round);
            meter.received(&frame(RST_STREAM, 0, 4).repeat(3), now);
            meter.sent(100 * 1024);
            meter.received(&frame(WINDOW_UPDATE, 0, 4).repeat(105), now);
        }
        assert_eq!(meter.excess(), None);
        meter.received(&frame(WINDOW_UPDATE, 0, 4), Instant::ZERO.after(PERIOD * 9));
        assert_eq!(meter.excess(), Some(Excess::ControlFrames));
    }

    #[test]
    fn a_head_is_open_until_its_last_piece() {
        let (mut meter, now) = (Meter::new(ALLOWED, Instant::ZERO), Instant::from_nanos(7));
        meter.received(PREFACE, now);
        meter.received(&frame(HEADERS, 0, 9), now);
        assert_eq!(meter.head_since(), Some(now));
        meter.received(&frame(CONTINUATION, END_HEADERS, 0), now);
        assert_eq!(meter.head_since(), None);
    }

    #[test]
    fn a_request_counts_once_its_head_is_whole() {
        let mut meter = Meter::new(ALLOWED, Instant::ZERO);
        let requests = |meter: &mut Meter, bytes: &[u8]| {
            meter.received(bytes, Instant::ZERO);
            meter.requests()
        };
        let mut second = frame(HEADERS, 0, 9);
        second[8] = 3;
        assert_eq!(requests(&mut meter, PREFACE), 0);
        let first = frame(HEADERS, END_HEADERS, 9);
        assert_eq!(requests(&mut meter, &first[..first.len() - 1]), 0);
        assert_eq!(requests(&mut meter, &first[first.len() - 1..]), 1);
        assert_eq!(requests(&mut meter, &first), 1, "trailers");
        assert_eq!(requests(&mut meter, &second), 1);
        assert_eq!(requests(&mut meter, &frame(CONTINUATION, END_HEADERS, 0)), 2);
        assert_eq!(requests(&mut meter, &frame(DATA, END_STREAM, 0)), 2);
    }
}
