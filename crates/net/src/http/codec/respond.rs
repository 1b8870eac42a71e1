//! The head of a response: how its body is framed (RFC 9112 §6.3), whether the connection goes on (§9.3), and the bytes of
//! it all. No I/O.

use crate::http::Body;
use ::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use ::http::{HeaderMap, Method, StatusCode, Version};
use peregrine_base::WallTime;
use std::cell::RefCell;
use std::time::{Duration, SystemTime};

/// How a body goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Not at all, whatever there is of it.
    Nothing,
    /// So many bytes, still.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Until the connection ends, which is all that HTTP/1.0 has for a length that is not known.
    UntilClose,
}

/// What the head says beside what the handler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) sending: Sending,
    /// The `Content-Length`, which an answer to HEAD and a 304 may have without a body.
    pub(crate) length: Option<u64>,
}

impl Framed {
    /// The framing of `body` under `status`, for a request with `method` and `version`. What the body knows of its length
    /// counts, and where it knows nothing, what the fields say.
    pub(crate) fn of(method: &Method, version: Version, status: StatusCode, headers: &HeaderMap, body: &Body) -> Self {
        let announced = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        // RFC 9110 §8.6, §15.3.5, §15.4.5.
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            return Self {
                sending: Sending::Nothing,
                length: None,
            };
        }
        if *method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            let own = body
                .length()
                .filter(|length| *length > 0 && status != StatusCode::NOT_MODIFIED);
            return Self {
                sending: Sending::Nothing,
                length: announced().or(own),
            };
        }
        let length = body.length().or_else(announced);
        let sending = match length {
            Some(length) => Sending::Length(length),
            None if version == Version::HTTP_10 => Sending::UntilClose,
            None => Sending::Chunked,
        };
        Self { sending, length }
    }
}

/// What `Connection` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Nothing: it goes on, as is usual.
    Open,
    /// It goes on, which a client of HTTP/1.0 has to be told.
    KeepAlive,
    /// It ends.
    Close,
    /// It changes its protocol.
    Upgrade,
}

impl Onward {
    /// For a client of `version`, when the connection is to stay open or not.
    pub(crate) const fn of(version: Version, open: bool) -> Self {
        match (open, version) {
            (false, _) => Self::Close,
            (true, Version::HTTP_10) => Self::KeepAlive,
            (true, _) => Self::Open,
        }
    }

    const fn line(self) -> &'static [u8] {
        match self {
            Self::Open => b"",
            Self::KeepAlive => b"connection: keep-alive\r\n",
            Self::Close => b"connection: close\r\n",
            Self::Upgrade => b"connection: upgrade\r\n",
        }
    }
}

/// Appends a whole head to `text`.
pub(crate) fn write_head(
    text: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    framed: Framed,
    onward: Onward,
    wall: WallTime,
) {
    write_status(text, status);
    write_fields(text, headers, is_ours);
    if let Some(length) = framed.length {
        text.extend_from_slice(b"content-length: ");
        write_number(text, length);
        text.extend_from_slice(b"\r\n");
    }
    if framed.sending == Sending::Chunked {
        text.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    end_head(text, headers.contains_key(DATE), onward, || wall);
}

/// Appends what is missing to a head whose fields are there.
pub(crate) fn end_head(text: &mut Vec<u8>, dated: bool, onward: Onward, wall: impl FnOnce() -> WallTime) {
    if !dated {
        write_date(text, wall());
    }
    text.extend_from_slice(onward.line());
    text.extend_from_slice(b"\r\n");
}

/// Appends the head of an interim response, which has no body and says nothing of the connection.
pub(crate) fn write_interim(text: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap) {
    write_status(text, status);
    write_fields(text, headers, is_ours);
    text.extend_from_slice(b"\r\n");
}

/// Appends the fields but for those that `skip` names.
pub(crate) fn write_fields(text: &mut Vec<u8>, headers: &HeaderMap, skip: impl Fn(&HeaderName) -> bool) {
    for (name, value) in headers {
        if !skip(name) {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
    }
}

/// Fields that say how a message is framed are this connection's and never the handler's.
fn is_ours(name: &HeaderName) -> bool {
    *name == CONNECTION || *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING || name.as_str() == "keep-alive"
}

/// Appends the line of `status`.
pub(crate) fn write_status(text: &mut Vec<u8>, status: StatusCode) {
    text.extend_from_slice(b"HTTP/1.1 ");
    text.extend_from_slice(status.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    text.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal digits.
pub(crate) fn write_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] += u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// Appends the line that begins a chunk of `length` bytes.
pub(crate) fn write_chunk_size(text: &mut Vec<u8>, length: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let shift_max = usize::BITS - 4 - (length.leading_zeros() & !3).min(usize::BITS - 4);
    for shift in (0..=shift_max).rev().step_by(4) {
        text.push(DIGITS[(length >> shift) & 15]);
    }
    text.extend_from_slice(b"\r\n");
}

/// Appends the `Date` of `wall`. The text is made once for each second.
fn write_date(text: &mut Vec<u8>, wall: WallTime) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    LAST.with_borrow_mut(|(second, line)| {
        if *second != wall.as_secs() {
            *second = wall.as_secs();
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(wall.as_secs());
            *line = format!("date: {}\r\n", httpdate::fmt_http_date(date));
        }
        text.extend_from_slice(line.as_bytes());
    });
}
