//! A client of HTTP/2 that sends whatever frames a scenario wants, good or bad, over a plain connection (RFC 9113 §3.3), and
//! sees every frame that comes.

use super::PATIENCE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Types of frames (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// Flags.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// Codes of errors (RFC 9113 §7).
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection.
pub(crate) struct Frames(TcpStream);

impl Frame {
    /// The code of an error, as a RST_STREAM begins with it and a GOAWAY has it behind the number of a stream.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let bytes = self.payload.get(at..at + 4).expect("a code of an error");
        u32::from_be_bytes(bytes.try_into().unwrap())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of fields, each written out and none indexed (RFC 7541 §6.2.2), for texts shorter than 127 bytes.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "{text} is too long for one byte");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The block of a request.
pub(crate) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "shop.example"),
        (":path", path),
    ];
    block(&[&pseudo, more].concat())
}

impl Frames {
    /// Connects and agrees on HTTP/2 with these settings (identifier and value).
    pub(crate) fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut payload = Vec::new();
        for (identifier, value) in settings {
            payload.extend(identifier.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut frames = Self(stream);
        frames.send(PREFACE);
        frames.send(&frame(SETTINGS, 0, 0, &payload));
        frames
    }

    /// Sends bytes that the other side may refuse to read; whether it took them.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Sends a GET on `stream`.
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        let block = request("GET", path, &[]);
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
    }

    /// The next frame; nothing once the other side has closed the connection.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.fill(&mut payload)?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.0.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if is_over(&error) => None,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }

    /// Reads until a frame of `kind` comes.
    #[track_caller]
    pub(crate) fn until(&mut self, kind: u8) -> Frame {
        let mut seen = Vec::new();
        while let Some(frame) = self.read() {
            if frame.kind == kind {
                return frame;
            }
            seen.push((frame.kind, frame.stream));
        }
        panic!("the connection was closed without a frame of kind {kind}; before that came {seen:?}");
    }

    /// Reads until the first piece of the body of the answer on `stream` comes.
    #[track_caller]
    pub(crate) fn body(&mut self, stream: u32) -> Vec<u8> {
        loop {
            let data = self.until(DATA);
            if data.stream == stream {
                return data.payload;
            }
        }
    }

    /// Reads until the connection is closed: the code that the server gave as its reason.
    #[track_caller]
    pub(crate) fn reason(&mut self) -> u32 {
        let code = self.until(GOAWAY).code();
        while self.read().is_some() {}
        code
    }

    /// Waits until everything that was sent has been read, by a PING and its answer.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.send(&frame(PING, 0, 0, b"settled?"));
        while self.until(PING).payload != b"settled?" {}
    }
}

/// Whether the other side has closed the connection.
fn is_over(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
