//! The chunked coding of a body (RFC 9112 §7.1), read strictly: a size is hexadecimal digits and nothing else, every
//! line ends with CRLF, extensions are skipped and bounded, trailers are bounded. Does no I/O and holds nothing but a
//! bounded trailer section; it can be stopped after any byte.

use ::http::{HeaderMap, HeaderName, HeaderValue};

/// The most digits of a size: what 64 bits hold. Leading zeros count.
const SIZE_DIGITS_MAX: u8 = 16;
/// The most bytes of extensions in the body of a request (RFC 9112 §7.1.1), and in one chunk of an answer. Nobody uses them
/// but those who want to keep a parser busy, and origins that pad every size.
const EXTENSIONS_BYTES_MAX: u32 = 4096;
/// The most bytes of trailers.
const TRAILERS_BYTES_MAX: usize = 8192;
/// The most fields in them.
const TRAILERS_COUNT_MAX: usize = 64;

/// Reads one body.
#[derive(Debug)]
pub struct ChunkedDecoder {
    place: Place,
    /// Of the size that is being read, then of the chunk that is being passed on.
    left: u64,
    /// Of the whole body, or of the chunk.
    extension_bytes: u32,
    trailers: Vec<u8>,
    trailers_bytes_max: usize,
    trailers_count_max: usize,
    /// Whether an origin sent it: white space may follow a size, and extensions are bounded chunk by chunk.
    is_answer: bool,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        let mut decoder = Self::of_answer(TRAILERS_BYTES_MAX, TRAILERS_COUNT_MAX);
        decoder.is_answer = false;
        decoder
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// After so many digits.
    Size(u8),
    /// In white space behind a size.
    Padding,
    Extension,
    /// After the CR of a size line.
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    /// In the trailer section, at the beginning of a line.
    TrailerStart,
    Trailer,
    /// After the CR of a trailer.
    TrailerEnd,
    /// After the CR of the empty line.
    LastLf,
    Done,
}

/// What is at the beginning of the bytes that were decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Framing, of this length; more bytes are needed.
    Nothing(usize),
    /// Framing, then as many bytes of the body.
    Data {
        /// The length of the framing in front of it.
        skip: usize,
        /// The number of bytes that belong to the body.
        length: usize,
    },
    /// The end of the body, after as many bytes.
    End(usize),
}

/// The body is not well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotChunked;

impl ChunkedDecoder {
    /// A decoder for the answer of an origin, with trailers of at most so many bytes and fields. White space behind a size is
    /// taken there: RFC 9112 §7.1.1 has it before extensions, and old origins pad sizes with it.
    pub(crate) fn of_answer(bytes_max: usize, count_max: usize) -> Self {
        Self {
            place: Place::Start,
            left: 0,
            extension_bytes: 0,
            trailers: Vec::new(),
            trailers_bytes_max: bytes_max,
            trailers_count_max: count_max,
            is_answer: true,
        }
    }

    /// Decodes what is at the beginning of `bytes`; the next call gets what follows it.
    ///
    /// # Errors
    /// [`NotChunked`] at the first byte that cannot be.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, NotChunked> {
        for (at, byte) in bytes.iter().enumerate() {
            match self.place {
                Place::Data => {
                    let rest = bytes.len() - at;
                    let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest);
                    self.take(length);
                    return Ok(Decoded::Data { skip: at, length });
                }
                Place::Done => return Ok(Decoded::End(at)),
                _ => self.place = self.step(*byte)?,
            }
        }
        Ok(if self.place == Place::Done {
            Decoded::End(bytes.len())
        } else {
            Decoded::Nothing(bytes.len())
        })
    }

    /// How many bytes of the current chunk are still to come: they may be read past the decoder, which is then told.
    pub(crate) const fn data_left(&self) -> u64 {
        match self.place {
            Place::Data => self.left,
            _ => 0,
        }
    }

    /// So many bytes of the current chunk were passed on.
    pub(crate) fn take(&mut self, length: usize) {
        debug_assert!(self.data_left() >= length as u64, "only what belongs to the chunk");
        self.left -= length as u64;
        if self.left == 0 {
            self.place = Place::DataCr;
        }
    }

    fn step(&mut self, byte: u8) -> Result<Place, NotChunked> {
        Ok(match (self.place, byte) {
            (Place::Start, _) => {
                self.left = digit(byte)?;
                if self.is_answer {
                    self.extension_bytes = 0;
                }
                Place::Size(1)
            }
            (Place::Size(_), b'\r') => Place::SizeEnd,
            (Place::Size(_) | Place::Padding, b';') => self.extend()?,
            (Place::Size(_), b' ' | b'\t') if self.is_answer => self.pad()?,
            (Place::Padding, b' ' | b'\t') => self.pad()?,
            (Place::Padding, b'\r') => Place::SizeEnd,
            (Place::Size(digits), _) if digits < SIZE_DIGITS_MAX => {
                self.left = self.left << 4 | digit(byte)?;
                Place::Size(digits + 1)
            }
            (Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.extend()?,
            (Place::SizeEnd, b'\n') if self.left == 0 => Place::TrailerStart,
            (Place::SizeEnd, b'\n') => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Start,
            (Place::TrailerStart, b'\r') => Place::LastLf,
            (Place::TrailerStart | Place::Trailer, b'\t' | b' '..=b'~' | 0x80..) => self.trail(byte)?,
            (Place::Trailer, b'\r') => Place::TrailerEnd,
            (Place::TrailerEnd, b'\n') => {
                self.trailers.extend_from_slice(b"\r\n");
                Place::TrailerStart
            }
            (Place::LastLf, b'\n') => Place::Done,
            _ => return Err(NotChunked),
        })
    }

    fn extend(&mut self) -> Result<Place, NotChunked> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSIONS_BYTES_MAX {
            return Err(NotChunked);
        }
        Ok(Place::Extension)
    }

    fn pad(&mut self) -> Result<Place, NotChunked> {
        self.extend().map(|_| Place::Padding)
    }

    fn trail(&mut self, byte: u8) -> Result<Place, NotChunked> {
        if self.trailers.len() >= self.trailers_bytes_max {
            return Err(NotChunked);
        }
        self.trailers.push(byte);
        Ok(Place::Trailer)
    }

    /// The trailers, once the end was decoded; nothing when there were none. Fields that change where a message ends, where
    /// it goes or who sent it mean nothing behind the body (RFC 9110 §6.5.1) and are left out.
    ///
    /// # Errors
    /// When they are no fields.
    pub(crate) fn trailers(&mut self) -> Result<Option<HeaderMap>, NotChunked> {
        if self.trailers.is_empty() {
            return Ok(None);
        }
        let mut section = std::mem::take(&mut self.trailers);
        section.extend_from_slice(b"\r\n");
        let mut room = vec![httparse::EMPTY_HEADER; self.trailers_count_max];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&section, &mut room) else {
            return Err(NotChunked);
        };
        let mut headers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotChunked)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| NotChunked)?;
            if may_trail(&name) {
                headers.append(name, value);
            }
        }
        Ok(Some(headers))
    }
}

/// Whether a field may stand behind the body.
pub(crate) fn may_trail(name: &HeaderName) -> bool {
    const NEVER: [&str; 19] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NEVER.binary_search(&name.as_str()).is_err()
}

fn digit(byte: u8) -> Result<u64, NotChunked> {
    char::from(byte).to_digit(16).map(u64::from).ok_or(NotChunked)
}
