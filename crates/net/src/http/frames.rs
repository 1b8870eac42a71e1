//! Frames of HTTP/2 (RFC 9113 §4, §6): what stands in one, what is no frame, and how those of a server are written. What a
//! frame means for its connection and stream is decided in `serve/h2`. No I/O.

/// The length of a frame's header (§4.1).
pub const HEADER_BYTES: usize = 9;
/// How much a frame holds at most: what holds while nothing else is said (§6.5.2), and neither side needs more.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 10;
/// The largest window (§6.9.1), number of a stream, and increment.
pub const WINDOW_MAX: u32 = 0x7fff_ffff;
/// The window of a connection and of a stream at first (§6.9.2).
pub const WINDOW_FIRST: u32 = 65_535;

/// Kinds of frames (§6).
pub mod kind {
    #![allow(missing_docs, reason = "they are called as the RFC calls them")]

    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames (§6).
pub mod flag {
    #![allow(missing_docs, reason = "they are called as the RFC calls them")]

    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Why a stream or a connection ends (§7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Nothing is wrong.
    NoError = 0,
    /// A rule was broken for which there is no other code.
    Protocol = 1,
    /// Something failed here.
    Internal = 2,
    /// More was sent than a window has room for, or a window grew too large.
    FlowControl = 3,
    /// A frame came for what is closed.
    StreamClosed = 5,
    /// A frame has no length that it can have.
    FrameSize = 6,
    /// Nothing was done for a request.
    Refused = 7,
    /// It is of no use any more.
    Cancel = 8,
    /// A block of fields cannot be read.
    Compression = 9,
    /// Too much of something.
    Calm = 11,
}

/// What is wrong with a frame, and what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection (§5.4.1).
    Connection(Code),
    /// One stream (§5.4.2).
    Stream(u32, Code),
}

/// What stands before every frame (§4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes follow.
    pub length: usize,
    /// What is in them.
    pub kind: u8,
    /// What depends on the kind.
    pub flags: u8,
    /// The stream, or 0 for the connection.
    pub stream: u32,
}

impl Header {
    /// The header at the beginning of `bytes`; nothing while it is not whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [high, middle, low, kind, flags, stream @ ..] = *bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            length: usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            kind,
            flags,
            // The bit before it means nothing (§4.1).
            stream: u32::from_be_bytes(stream) & WINDOW_MAX,
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let [.., high, middle, low] = (self.length as u64).to_be_bytes();
        let [one, two, three, four] = self.stream.to_be_bytes();
        [high, middle, low, self.kind, self.flags, one, two, three, four]
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A piece of a body.
    Data {
        /// Whose.
        stream: u32,
        /// It.
        data: &'a [u8],
        /// What it takes of the windows: with its padding (§6.9.1).
        size: u32,
        /// Whether it is the last.
        end: bool,
    },
    /// The beginning of a head, or of trailers.
    Headers {
        /// Whose.
        stream: u32,
        /// The block, or the beginning of it.
        block: &'a [u8],
        /// Whether nothing follows it but the rest of the block.
        end: bool,
        /// Whether the block is whole.
        whole: bool,
    },
    /// More of a block.
    Continuation {
        /// Whose.
        stream: u32,
        /// The piece.
        block: &'a [u8],
        /// Whether the block is whole.
        whole: bool,
    },
    /// A request is taken back.
    Reset {
        /// Which.
        stream: u32,
    },
    /// What the client can take ([`Settings::read`]).
    Settings(&'a [u8]),
    /// It knows what we can.
    SettingsKnown,
    /// To be sent back.
    Ping([u8; 8]),
    /// Was sent back.
    Pong([u8; 8]),
    /// The client leaves.
    GoAway,
    /// A window grows.
    WindowUpdate {
        /// Whose; 0 for that of the connection.
        stream: u32,
        /// By how much.
        increment: u32,
    },
    /// One that means nothing here: PRIORITY (§5.3), or a kind that we do not know (§4.1).
    Ignored,
}

/// Takes the padding off (§6.1).
fn unpadded<'a>(header: &Header, payload: &'a [u8]) -> Result<&'a [u8], Fault> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(Fault::Connection(Code::FrameSize))?;
    let length = rest.len().checked_sub(usize::from(*padding));
    length
        .map(|length| &rest[..length])
        .ok_or(Fault::Connection(Code::Protocol))
}

/// Four bytes as a number without its first bit.
fn number(payload: &[u8]) -> Option<u32> {
    let bytes = <[u8; 4]>::try_from(payload).ok()?;
    Some(u32::from_be_bytes(bytes) & WINDOW_MAX)
}

impl<'a> Frame<'a> {
    /// The frame of `header`, with all of its `payload`, as a client sends it.
    ///
    /// # Errors
    /// When it can be no frame, or not there, or not of a client.
    pub fn read(header: &Header, payload: &'a [u8]) -> Result<Self, Fault> {
        let stream = header.stream;
        let size = Err(Fault::Connection(Code::FrameSize));
        let protocol = Err(Fault::Connection(Code::Protocol));
        let of_stream = matches!(
            header.kind,
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::PUSH_PROMISE | kind::CONTINUATION
        );
        let of_connection = matches!(header.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if of_stream && stream == 0 || of_connection && stream != 0 {
            return protocol;
        }
        Ok(match header.kind {
            kind::DATA => Self::Data {
                stream,
                data: unpadded(header, payload)?,
                size: u32::try_from(payload.len()).unwrap_or(u32::MAX),
                end: header.has(flag::END_STREAM),
            },
            kind::HEADERS => {
                let mut block = unpadded(header, payload)?;
                if header.has(flag::PRIORITY) {
                    match block.split_at_checked(5) {
                        Some((_, rest)) => block = rest,
                        None => return size,
                    }
                }
                Self::Headers {
                    stream,
                    block,
                    end: header.has(flag::END_STREAM),
                    whole: header.has(flag::END_HEADERS),
                }
            }
            kind::CONTINUATION => Self::Continuation {
                stream,
                block: payload,
                whole: header.has(flag::END_HEADERS),
            },
            kind::PRIORITY if payload.len() != 5 => return Err(Fault::Stream(stream, Code::FrameSize)),
            kind::RST_STREAM if payload.len() != 4 => return size,
            kind::RST_STREAM => Self::Reset { stream },
            kind::SETTINGS if header.has(flag::ACK) => match payload {
                [] => Self::SettingsKnown,
                _ => return size,
            },
            kind::SETTINGS if !payload.len().is_multiple_of(Settings::BYTES) => return size,
            kind::SETTINGS => Self::Settings(payload),
            // A client never promises anything (§8.4).
            kind::PUSH_PROMISE => return protocol,
            kind::PING => match <[u8; 8]>::try_from(payload) {
                Ok(said) if header.has(flag::ACK) => Self::Pong(said),
                Ok(said) => Self::Ping(said),
                Err(_) => return size,
            },
            kind::GOAWAY if payload.len() < 8 => return size,
            kind::GOAWAY => Self::GoAway,
            kind::WINDOW_UPDATE => match number(payload) {
                None => return size,
                // §6.9.
                Some(0) if stream == 0 => return protocol,
                Some(0) => return Err(Fault::Stream(stream, Code::Protocol)),
                Some(increment) => Self::WindowUpdate { stream, increment },
            },
            _ => Self::Ignored,
        })
    }
}

/// What a SETTINGS frame of a client says that means something here (§6.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The window of every stream.
    pub window: Option<u32>,
}

impl Settings {
    /// How many bytes one takes.
    const BYTES: usize = 6;

    /// What stands in `payload`.
    ///
    /// # Errors
    /// When a value is none.
    pub fn read(payload: &[u8]) -> Result<Self, Fault> {
        let mut settings = Self::default();
        let (all, _) = payload.as_chunks::<{ Self::BYTES }>();
        for [high, low, value @ ..] in all {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*high, *low]) {
                // ENABLE_PUSH; we push nothing.
                2 if value > 1 => return Err(Fault::Connection(Code::Protocol)),
                4 if value > WINDOW_MAX => return Err(Fault::Connection(Code::FlowControl)),
                4 => settings.window = Some(value),
                // MAX_FRAME_SIZE; we send none larger than what everyone takes.
                5 if !(1 << 14..1 << 24).contains(&value) => return Err(Fault::Connection(Code::Protocol)),
                // HEADER_TABLE_SIZE and MAX_HEADER_LIST_SIZE among them: we use no table, and the list is only advice.
                _ => {}
            }
        }
        Ok(settings)
    }
}

/// Writes a frame without anything in it but `payload`, which is short.
pub fn write(text: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let header = Header {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    text.extend_from_slice(&header.bytes());
    text.extend_from_slice(payload);
}

/// Writes RST_STREAM (§6.4).
pub fn write_reset(text: &mut Vec<u8>, stream: u32, code: Code) {
    write(text, kind::RST_STREAM, 0, stream, &u32::from(code as u8).to_be_bytes());
}

/// Writes GOAWAY (§6.8): streams up to `last` were looked at.
pub fn write_goaway(text: &mut Vec<u8>, last: u32, code: Code) {
    let [a, b, c, d] = last.to_be_bytes();
    write(text, kind::GOAWAY, 0, 0, &[a, b, c, d, 0, 0, 0, code as u8]);
}

/// Writes WINDOW_UPDATE (§6.9).
pub fn write_window(text: &mut Vec<u8>, stream: u32, increment: u32) {
    write(text, kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
}

/// Writes SETTINGS (§6.5).
pub fn write_settings(text: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let mut payload = Vec::with_capacity(Settings::BYTES * settings.len());
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    write(text, kind::SETTINGS, 0, 0, &payload);
}

/// Writes a block of fields that `fill` appends, in as many frames as it takes (§4.3); `end` when nothing follows. Without a
/// block, when `fill` says so, nothing is written.
pub fn write_block(text: &mut Vec<u8>, stream: u32, end: bool, fill: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let begin = text.len();
    text.extend_from_slice(&[0; HEADER_BYTES]);
    if !fill(text) {
        text.truncate(begin);
        return false;
    }
    let flags = if end { flag::END_STREAM } else { 0 };
    let length = text.len() - begin - HEADER_BYTES;
    let mut header = Header {
        length,
        kind: kind::HEADERS,
        flags: flags | flag::END_HEADERS,
        stream,
    };
    if length <= PAYLOAD_BYTES_MAX {
        text[begin..begin + HEADER_BYTES].copy_from_slice(&header.bytes());
        return true;
    }
    let block = text.split_off(begin + HEADER_BYTES);
    text.truncate(begin);
    let mut pieces = block.chunks(PAYLOAD_BYTES_MAX).peekable();
    header.flags = flags;
    while let Some(piece) = pieces.next() {
        header.length = piece.len();
        if pieces.peek().is_none() {
            header.flags |= flag::END_HEADERS;
        }
        text.extend_from_slice(&header.bytes());
        text.extend_from_slice(piece);
        (header.kind, header.flags) = (kind::CONTINUATION, 0);
    }
    true
}

#[cfg(test)]
mod tests;
