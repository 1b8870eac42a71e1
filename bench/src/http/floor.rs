//! The floor: the least that answering a request over a kept connection can cost. One thread, one epoll, one read and one
//! write per request; it looks for the end of the head and at nothing else. It stands in for the origin too, with the
//! fields that make its answer storable.
//!
//! Not a server for anything else: a client that asks for more than it takes, or sends a head that fits no buffer, is cut
//! off.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The longest head that is taken, with those that follow it at once.
const HEADS_BYTES_MAX: usize = 16 << 10;
/// How many events are taken at a time.
const EVENTS_MAX: usize = 256;
/// What stands for the listener among the connections.
const LISTENER: u64 = u64::MAX;

/// What is answered.
#[derive(Debug, clap::Args)]
pub(crate) struct Floor {
    /// Where to listen; port 0 takes a free one. The address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long the body is.
    #[arg(long, default_value_t = 1024)]
    body_bytes: usize,
    /// Fields of the answer, such as "Cache-Control: max-age=60".
    #[arg(long)]
    field: Vec<String>,
}

impl Floor {
    /// Answers until the process is ended.
    ///
    /// # Errors
    /// When the address cannot be listened on, or epoll fails.
    pub(crate) fn run(&self) -> io::Result<()> {
        let listener = TcpListener::bind(self.listen)?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;

        let answer = self.answer();
        let mut connections = Connections::default();
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            match epoll::wait(&epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let token = event.data.u64();
                if token != LISTENER {
                    connections.serve(token, &answer);
                    continue;
                }
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let (token, stream) = connections.add(stream);
                    epoll::add(&epoll, stream, EventData::new_u64(token), EventFlags::IN)?;
                }
            }
        }
    }

    /// The whole answer.
    fn answer(&self) -> Vec<u8> {
        let mut head = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
        for field in &self.field {
            let _ = write!(head, "{field}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body_bytes);
        let body = (b'a'..=b'z').cycle().take(self.body_bytes);
        head.into_bytes().into_iter().chain(body).collect()
    }
}

/// The open connections; the token of one is its place.
#[derive(Default)]
struct Connections {
    places: Vec<Option<Connection>>,
    free: Vec<u64>,
}

/// A connection and what came of a head that is not complete.
struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
    filled: usize,
}

impl Connections {
    fn add(&mut self, stream: TcpStream) -> (u64, &TcpStream) {
        let token = self.free.pop().unwrap_or(self.places.len() as u64);
        let place = usize::try_from(token).expect("tokens are places");
        if place == self.places.len() {
            self.places.push(None);
        }
        let connection = Connection {
            stream,
            head: vec![0; HEADS_BYTES_MAX],
            filled: 0,
        };
        (token, &self.places[place].insert(connection).stream)
    }

    /// Answers what has come; closes the connection when that is not possible.
    fn serve(&mut self, token: u64, answer: &[u8]) {
        let place = usize::try_from(token).expect("tokens are places");
        let Some(connection) = self.places.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        if connection.serve(answer).is_err() {
            self.places[place] = None;
            self.free.push(token);
        }
    }
}

impl Connection {
    fn serve(&mut self, answer: &[u8]) -> io::Result<()> {
        let read = match self.stream.read(&mut self.head[self.filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.filled += read;
        let (heads, rest) = complete_heads(&self.head[..self.filled]);
        for _ in 0..heads {
            self.stream.write_all(answer)?;
        }
        self.head.copy_within(rest..self.filled, 0);
        self.filled -= rest;
        Ok(())
    }
}

/// How many heads `bytes` holds completely, and where what follows them begins.
fn complete_heads(bytes: &[u8]) -> (usize, usize) {
    let (mut heads, mut rest) = (0, 0);
    while let Some(length) = head_length(&bytes[rest..]) {
        heads += 1;
        rest += length;
    }
    (heads, rest)
}

/// The length of the head that `bytes` begins with, its empty line included. Looks at every fourth byte only (Boyer-Moore).
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 3;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' if bytes[at - 3..=at] == *b"\r\n\r\n" => return Some(at + 1),
            b'\n' => at += 2,
            b'\r' => at += 1,
            _ => at += 4,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_counted_however_they_are_cut() {
        let one: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(complete_heads(one), (1, one.len()));
        assert_eq!(complete_heads(&one[..one.len() - 1]), (0, 0));
        assert_eq!(complete_heads(&[one, one].concat()), (2, 2 * one.len()));
        assert_eq!(complete_heads(&[one, b"GET"].concat()), (1, one.len()));
        assert_eq!(complete_heads(b""), (0, 0));
        // The end is found wherever it falls.
        for length in 0..40 {
            let head = [&vec![b'x'; length], &b"\r\n\r\n"[..]].concat();
            assert_eq!(complete_heads(&head), (1, head.len()));
            assert_eq!(complete_heads(&[&head[..], b"\n\r\n"].concat()), (1, head.len()));
        }
    }

    #[test]
    fn the_answer_says_how_long_it_is() {
        let floor = Floor {
            listen: ([127, 0, 0, 1], 0).into(),
            body_bytes: 3,
            field: vec!["Cache-Control: max-age=60".to_owned()],
        };
        let answer = String::from_utf8(floor.answer()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(answer.contains("\r\nCache-Control: max-age=60\r\n"));
        assert!(answer.ends_with("\r\nContent-Length: 3\r\n\r\nabc"));
    }
}
