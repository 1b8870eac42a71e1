//! A client that sees every byte: one connection, requests as text, answers as they came.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end as its framing says.
    pub(crate) complete: bool,
}

impl Answer {
    /// The values of a field, joined as one list.
    pub(crate) fn field(&self, name: &str) -> String {
        let values = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }

    /// Whether the field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the cache answered, by its own word (RFC 9211).
    pub(crate) fn is_hit(&self) -> bool {
        self.field("cache-status").contains("; hit")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends bytes that the other side may refuse to read.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Reads the head of an answer; nothing when the connection was closed before one.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end();
            match line.split_once(':') {
                Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        Some(Answer {
            status,
            fields,
            body: Vec::new(),
            complete: false,
        })
    }

    /// Reads a whole answer to a request of `method`.
    #[track_caller]
    pub(crate) fn read(&mut self, method: &str) -> Answer {
        self.try_read(method)
            .expect("the connection was closed before an answer")
    }

    /// As [`Client::read`]; nothing when the connection was closed before the head of an answer.
    pub(crate) fn try_read(&mut self, method: &str) -> Option<Answer> {
        let mut answer = self.head()?;
        while (100..200).contains(&answer.status) {
            answer = self.head()?;
        }
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            answer.complete = true;
        } else if answer.field("transfer-encoding").eq_ignore_ascii_case("chunked") {
            answer.complete = self.chunks(&mut answer.body);
        } else if let Ok(length) = answer.field("content-length").parse() {
            let read = self.stream.by_ref().take(length).read_to_end(&mut answer.body);
            answer.complete = read.is_ok() && answer.body.len() as u64 == length;
        } else {
            answer.complete = self.stream.read_to_end(&mut answer.body).is_ok();
        }
        Some(answer)
    }

    /// Reads exactly `length` bytes of whatever comes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads whatever comes until the connection ends.
    pub(crate) fn read_to_end(&mut self, bytes: &mut Vec<u8>) {
        let _ = self.stream.read_to_end(bytes);
    }

    /// Whether the other side has closed the connection; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]) | Err(_))
    }

    /// Whether something has arrived, or the connection was closed; does not wait.
    pub(crate) fn has_data(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !self.stream.buffer().is_empty() || peeked.is_ok()
    }

    /// Leaves without a word.
    pub(crate) fn leave(self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return false;
            }
            let Ok(length) = u64::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16) else {
                return false;
            };
            let before = body.len();
            if self.stream.by_ref().take(length).read_to_end(body).is_err() || (body.len() - before) as u64 != length {
                return false;
            }
            let mut end = String::new();
            if self.stream.read_line(&mut end).unwrap_or(0) == 0 {
                return false;
            }
            if length == 0 {
                return true;
            }
        }
    }
}

/// The text of a request without a body.
pub(crate) fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("host: shop.example\r\n");
    }
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n"
}

/// One GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Answer {
    Client::connect(address)
        .send(request("GET", target, fields))
        .read("GET")
}
