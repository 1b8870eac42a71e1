//! Reading HTTP/1.1 responses, without any I/O: bytes go in, heads and bodies come out (RFC 9112).
//!
//! Strict where framing is at stake: a response whose length is in doubt is [`Malformed`], never guessed. Every part has a
//! limit. What it does not do: decode contents, follow redirects, or keep header fields (an observer finds them in the head).

use crate::load::cache_status::{self, CacheUse};

/// How much of a response is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest head, and the longest section of trailers, in bytes.
    pub head_bytes_max: usize,
    /// The longest body in bytes.
    pub body_bytes_max: u64,
}

impl Default for Limits {
    /// 64 KiB of head; 16 GiB of body, which is counted but not held.
    fn default() -> Self {
        Self {
            head_bytes_max: 64 << 10,
            body_bytes_max: 16 << 30,
        }
    }
}

/// The most header fields that a head may have.
const FIELDS_MAX: usize = 128;
/// The longest line that announces a chunk, with its extensions, in bytes.
const CHUNK_LINE_BYTES_MAX: usize = 4096;

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not HTTP/1.
    #[error("the response head is not HTTP/1.1")]
    Head,
    /// Lengths that contradict each other, or a transfer coding other than chunked.
    #[error("the length of the response body is in doubt")]
    Framing,
    /// A chunk that is not announced or ended as it must be.
    #[error("the chunked coding is broken")]
    Chunk,
    /// The head or the trailers are longer than allowed.
    #[error("the response head is too large")]
    HeadTooLarge,
    /// The body is longer than allowed.
    #[error("the response body is too large")]
    BodyTooLarge,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body: HEAD, 204, 304.
    Empty,
    /// This many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the connection closes.
    UntilClose,
}

/// What the reader needs to know of a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection can carry another request afterwards.
    pub reusable: bool,
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// What the cache in front said about it.
    pub cache: CacheUse,
}

impl Head {
    /// Reads the head at the front of `input`; `None` when more bytes are needed. `to_head`: the request was a HEAD.
    ///
    /// # Errors
    /// When the bytes are no response head, contradict themselves, or are too many.
    pub fn read(input: &[u8], to_head: bool, limits: &Limits) -> Result<Option<Self>, Malformed> {
        let mut fields = [const { std::mem::MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, input, &mut fields);
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) if length <= limits.head_bytes_max => length,
            Ok(httparse::Status::Partial) if input.len() < limits.head_bytes_max => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Malformed::HeadTooLarge),
            Err(_) => return Err(Malformed::Head),
        };
        let status = response
            .code
            .filter(|code| (100..=599).contains(code))
            .ok_or(Malformed::Head)?;
        let mut facts = Facts::of(response.version == Some(1));
        for field in &*response.headers {
            facts.note(field.name, field.value)?;
        }
        let framing = facts.framing(status, to_head)?;
        if matches!(framing, Framing::Length(length) if length > limits.body_bytes_max) {
            return Err(Malformed::BodyTooLarge);
        }
        let reusable = facts.keep_alive && framing != Framing::UntilClose;
        Ok(Some(Self {
            status,
            framing,
            reusable,
            length,
            cache: facts.cache,
        }))
    }

    /// Whether it only announces the real response (RFC 9110 §15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// What the header fields say about framing and reuse.
struct Facts {
    keep_alive: bool,
    length: Option<u64>,
    chunked: bool,
    cache: CacheUse,
}

impl Facts {
    const fn of(is_http_1_1: bool) -> Self {
        Self {
            keep_alive: is_http_1_1,
            length: None,
            chunked: false,
            cache: CacheUse::Unsaid,
        }
    }

    /// Takes in one field. Names are told apart by their length first: most fields are none of these.
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Malformed> {
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => self.note_connection(value),
            12 if name.eq_ignore_ascii_case("cache-status") => self.cache = cache_status::nearest(value),
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = decimal(value).ok_or(Malformed::Framing)?;
                if self.length.is_some_and(|other| other != length) {
                    return Err(Malformed::Framing);
                }
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                // A second coding, or chunked twice, is nothing that a server may send unasked (RFC 9112 §7).
                if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::Framing);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            if option.trim_ascii().eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
            } else if option.trim_ascii().eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            }
        }
    }

    fn framing(&self, status: u16, to_head: bool) -> Result<Framing, Malformed> {
        if self.chunked && self.length.is_some() {
            return Err(Malformed::Framing);
        }
        Ok(match self.length {
            _ if to_head || matches!(status, 100..=199 | 204 | 304) => Framing::Empty,
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }
}

/// A number of digits only, as `Content-Length` must be.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads one body, however it is cut into pieces.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    /// Bytes of body so far, without the coding.
    length: u64,
    /// Bytes of trailers so far.
    trailers: usize,
    limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Counted(u64),
    UntilClose,
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl BodyReader {
    /// A reader for the body that `framing` describes.
    #[must_use]
    pub const fn new(framing: Framing, limits: Limits) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Counted(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            length: 0,
            trailers: 0,
            limits,
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of body read so far.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Whether the body is complete when the connection closes now.
    #[must_use]
    pub fn may_end(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// Takes what it can from the front of `input`, gives the body's bytes to `keep` if there is one, and answers how many
    /// bytes of `input` it used. When it used fewer than there were and is not done, it needs more bytes behind them.
    ///
    /// # Errors
    /// When the coding is broken or a limit is passed.
    pub fn take(&mut self, input: &[u8], mut keep: Option<&mut Vec<u8>>) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let step = match self.state {
                State::Done => return Ok(used),
                State::Counted(left) => {
                    let taken = self.take_bytes(rest, left, keep.as_deref_mut())?;
                    self.state = match left - as_u64(taken) {
                        0 => State::Done,
                        left => State::Counted(left),
                    };
                    taken
                }
                State::UntilClose => self.take_bytes(rest, u64::MAX, keep.as_deref_mut())?,
                State::Chunk(left) => {
                    let taken = self.take_bytes(rest, left, keep.as_deref_mut())?;
                    self.state = match left - as_u64(taken) {
                        0 => State::ChunkEnd,
                        left => State::Chunk(left),
                    };
                    taken
                }
                State::ChunkLine => self.take_chunk_line(rest)?,
                State::ChunkEnd => self.take_chunk_end(rest)?,
                State::Trailers => self.take_trailer(rest)?,
            };
            if step == 0 {
                return Ok(used);
            }
            used += step;
        }
    }

    /// Takes up to `left` bytes of body.
    fn take_bytes(&mut self, input: &[u8], left: u64, keep: Option<&mut Vec<u8>>) -> Result<usize, Malformed> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        self.length += as_u64(count);
        if self.length > self.limits.body_bytes_max {
            return Err(Malformed::BodyTooLarge);
        }
        if let Some(keep) = keep {
            keep.extend_from_slice(&input[..count]);
        }
        Ok(count)
    }

    /// Takes the line that announces a chunk: a hexadecimal size and perhaps extensions, which mean nothing here.
    fn take_chunk_line(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let Some(line) = line(input, CHUNK_LINE_BYTES_MAX).map_err(|_| Malformed::Chunk)? else {
            return Ok(0);
        };
        let size = line
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii_end();
        if size.is_empty() || size.len() > 15 || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err(Malformed::Chunk);
        }
        let text = std::str::from_utf8(size).map_err(|_| Malformed::Chunk)?;
        self.state = match u64::from_str_radix(text, 16).map_err(|_| Malformed::Chunk)? {
            0 => State::Trailers,
            size => State::Chunk(size),
        };
        Ok(line.len() + 2)
    }

    fn take_chunk_end(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        match input {
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkLine;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(Malformed::Chunk),
        }
    }

    /// Takes one line of the trailers; the empty one ends the body.
    fn take_trailer(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let room = self.limits.head_bytes_max.saturating_sub(self.trailers);
        let Some(line) = line(input, room).map_err(|_| Malformed::HeadTooLarge)? else {
            return Ok(0);
        };
        if line.is_empty() {
            self.state = State::Done;
        }
        self.trailers += line.len() + 2;
        Ok(line.len() + 2)
    }
}

/// No line end within the allowed length.
struct TooLong;

/// The line at the front of `input` without its CRLF; `None` when its end has not come yet.
fn line(input: &[u8], length_max: usize) -> Result<Option<&[u8]>, TooLong> {
    let window = &input[..input.len().min(length_max.saturating_add(2))];
    match window.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(Some(&input[..end])),
        None if input.len() >= length_max.saturating_add(2) => Err(TooLong),
        None => Ok(None),
    }
}

/// A length in memory as a count of bytes.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
