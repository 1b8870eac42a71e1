//! Counts what a client of HTTP/2 makes the server do without asking for anything: requests taken back (rapid reset,
//! CVE-2023-44487) or broken so that we have to (CVE-2025-8671), frames that carry nothing, heads in endless pieces
//! (CVE-2024-27316). It sees the header of every frame (RFC 9113 §4.1) and judges nothing else about it.

use super::super::ServerLimits;
use crate::http::frames::{Header, PAYLOAD_BYTES_MAX, flag, kind};
use peregrine_base::Instant;
use std::time::Duration;

/// What a client may do too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Excess {
    /// Requests taken back, or broken.
    Resets,
    /// Frames that carry nothing.
    ControlFrames,
    /// Pieces of a head.
    Continuations,
    /// Bytes of a head that is not even whole.
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
/// A padded DATA frame up to this size may be nothing but padding.
const PADDING_BYTES_MAX: usize = 256;
/// A client that takes what it is sent may open its window once for so many bytes, beside once for each frame.
const BYTES_PER_WINDOW_UPDATE: u64 = 1024;

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
    u32::try_from(bytes / PAYLOAD_BYTES_MAX).unwrap_or(u32::MAX)
}

/// What was written of bodies.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Sent {
    pub(in super::super) bytes: u64,
    /// How many frames of that were as large as what there was to send, or large anyway.
    pub(in super::super) frames: u64,
}

/// The count for one connection.
#[derive(Clone, Debug)]
pub(in super::super) struct Meter {
    allowed: Allowed,
    since: Instant,
    resets: u32,
    control_frames: u32,
    window_updates: u64,
    pings: u64,
    sent: Sent,
    continuations: u32,
    excess: Option<Excess>,
}

impl Meter {
    pub(in super::super) const fn new(allowed: Allowed, now: Instant) -> Self {
        Self {
            allowed,
            since: now,
            resets: 0,
            control_frames: 0,
            window_updates: 0,
            pings: 0,
            sent: Sent { bytes: 0, frames: 0 },
            continuations: 0,
            excess: None,
        }
    }

    /// What the client has done too much of; from then on it stays so.
    pub(in super::super) const fn excess(&self) -> Option<Excess> {
        self.excess
    }

    /// So much was written for the client.
    pub(in super::super) const fn sent(&mut self, more: &Sent) {
        self.sent.bytes = self.sent.bytes.saturating_add(more.bytes);
        self.sent.frames = self.sent.frames.saturating_add(more.frames);
    }

    /// A stream had to be reset for what the client did.
    pub(in super::super) const fn reset(&mut self) {
        self.resets += 1;
        if self.resets > self.allowed.resets {
            self.excess = Some(Excess::Resets);
        }
    }

    /// It is `now`: after some time counting begins anew.
    pub(in super::super) fn turn(&mut self, now: Instant) {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            (self.resets, self.control_frames) = (0, 0);
            (self.window_updates, self.pings, self.sent) = (0, 0, Sent::default());
        }
    }

    /// A frame arrived.
    pub(in super::super) fn frame(&mut self, header: &Header) {
        let Header {
            length, kind, flags, ..
        } = *header;
        match kind {
            kind::DATA => {
                let padding = flags & flag::PADDED != 0 && length <= PADDING_BYTES_MAX;
                if (length == 0 || padding) && flags & flag::END_STREAM == 0 {
                    self.control_frame();
                }
            }
            kind::HEADERS => self.continuations = 0,
            kind::CONTINUATION => {
                self.continuations += 1;
                if self.continuations > self.allowed.continuations {
                    self.excess = Some(Excess::Continuations);
                }
            }
            kind::RST_STREAM => self.reset(),
            kind::WINDOW_UPDATE => {
                self.window_updates += 1;
                // One for each level, at once with each piece of data.
                let earned = self.sent.bytes / BYTES_PER_WINDOW_UPDATE + 2 * self.sent.frames;
                if self.window_updates > earned + u64::from(self.allowed.control_frames) {
                    self.excess = Some(Excess::ControlFrames);
                }
            }
            // Clients of gRPC measure by one with each message that they get.
            kind::PING if self.pings < self.sent.frames => self.pings += 1,
            _ => self.control_frame(),
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
    use super::kind::{CONTINUATION, DATA, HEADERS, RST_STREAM, WINDOW_UPDATE};
    use super::*;

    const ALLOWED: Allowed = Allowed {
        resets: 3,
        control_frames: 5,
        continuations: 2,
    };

    const fn frame(kind: u8, flags: u8, length: usize) -> Header {
        Header {
            length,
            kind,
            flags,
            stream: 1,
        }
    }

    fn excess(frames: impl IntoIterator<Item = Header>) -> Option<Excess> {
        let mut meter = Meter::new(ALLOWED, Instant::ZERO);
        for header in frames {
            meter.frame(&header);
        }
        meter.excess()
    }

    #[test]
    fn what_is_too_much_is_named() {
        let repeat = |frame: Header, count| std::iter::repeat_n(frame, count).collect::<Vec<_>>();
        let ping = frame(kind::PING, 0, 8);
        let with_head = |count| [vec![frame(HEADERS, 0, 20)], repeat(frame(CONTINUATION, 0, 0), count)].concat();
        let table = [
            (repeat(frame(RST_STREAM, 0, 4), 3), None),
            (repeat(frame(RST_STREAM, 0, 4), 4), Some(Excess::Resets)),
            (repeat(ping, 5), None),
            (repeat(ping, 6), Some(Excess::ControlFrames)),
            (repeat(frame(kind::SETTINGS, 0, 6), 6), Some(Excess::ControlFrames)),
            (repeat(frame(kind::PRIORITY, 0, 5), 6), Some(Excess::ControlFrames)),
            (repeat(frame(0xbb, 0, 1), 6), Some(Excess::ControlFrames)),
            (repeat(frame(WINDOW_UPDATE, 0, 4), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, 0, 0), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, flag::PADDED, 9), 6), Some(Excess::ControlFrames)),
            (repeat(frame(DATA, 0, 9), 60), None),
            (repeat(frame(DATA, flag::END_STREAM, 0), 60), None),
            (repeat(frame(HEADERS, flag::END_HEADERS, 30), 60), None),
            (with_head(2), None),
            (with_head(3), Some(Excess::Continuations)),
        ];
        for (frames, expected) in table {
            assert_eq!(excess(frames.clone()), expected, "{:?}", frames.last());
        }
    }

    #[test]
    fn it_begins_anew_and_windows_may_be_opened_for_what_was_sent() {
        let mut meter = Meter::new(ALLOWED, Instant::ZERO);
        let many = |meter: &mut Meter, header: Header, count| (0..count).for_each(|_| meter.frame(&header));
        for round in 0..10 {
            meter.turn(Instant::ZERO.after(PERIOD * round));
            many(&mut meter, frame(RST_STREAM, 0, 4), 2);
            meter.reset();
            meter.sent(&Sent {
                bytes: 100 * 1024,
                frames: 10,
            });
            many(&mut meter, frame(WINDOW_UPDATE, 0, 4), 125);
            many(&mut meter, frame(kind::PING, 0, 8), 15);
        }
        assert_eq!(meter.excess(), None);
        for header in [frame(WINDOW_UPDATE, 0, 4), frame(kind::PING, 0, 8)] {
            let mut meter = meter.clone();
            meter.turn(Instant::ZERO.after(PERIOD * 9));
            meter.frame(&header);
            assert_eq!(meter.excess(), Some(Excess::ControlFrames));
        }
    }
}
