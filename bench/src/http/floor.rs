//! The floor: the least that answering a request over a kept connection can cost. One thread, one epoll, one read and one
//! write per request; it looks for the end of the head, and in a path `/bytes/N/…` at how long the body is to be. It stands
//! in for the origin too, with the fields that make its answer storable.
//!
//! Not a server for anything else: a client that asks for more than it takes, or sends a head that fits no buffer, is cut
//! off.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The longest head that is taken, with those that follow it at once.
const HEADS_BYTES_MAX: usize = 16 << 10;
/// The longest body that is made.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How many events are taken at a time.
const EVENTS_MAX: usize = 256;
/// How long a client may take nothing.
const CLIENT_SECONDS_MAX: i64 = 5;
/// What stands for the listener among the connections.
const LISTENER: u64 = u64::MAX;

/// What is answered.
#[derive(Debug, clap::Args)]
pub(crate) struct Floor {
    /// Where to listen; port 0 takes a free one. The address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long the body is where the path does not say.
    #[arg(long, default_value_t = 1024)]
    body_bytes: usize,
    /// Answer everything with 304 and no body.
    #[arg(long)]
    not_modified: bool,
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

        let mut answers = Answers::new(self);
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
                    connections.serve(token, &mut answers);
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

    /// The whole answer with a body of `bytes`.
    fn answer(&self, bytes: usize) -> Vec<u8> {
        let status = if self.not_modified {
            "304 Not Modified"
        } else {
            "200 OK"
        };
        let mut head = format!("HTTP/1.1 {status}\r\n");
        for field in &self.field {
            let _ = write!(head, "{field}\r\n");
        }
        if self.not_modified {
            return (head + "\r\n").into_bytes();
        }
        let _ = write!(head, "Content-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n");
        let body = (b'a'..=b'z').cycle().take(bytes);
        head.into_bytes().into_iter().chain(body).collect()
    }
}

/// The answers that were asked for so far, by the length of their bodies.
struct Answers<'a> {
    floor: &'a Floor,
    made: Vec<(usize, Vec<u8>)>,
}

impl<'a> Answers<'a> {
    fn new(floor: &'a Floor) -> Self {
        Self {
            floor,
            made: Vec::new(),
        }
    }

    fn of(&mut self, head: &[u8]) -> &[u8] {
        let bytes = wanted(head).unwrap_or(self.floor.body_bytes).min(BODY_BYTES_MAX);
        let place = self.made.iter().position(|(made, _)| *made == bytes);
        let place = place.unwrap_or_else(|| {
            self.made.push((bytes, self.floor.answer(bytes)));
            self.made.len() - 1
        });
        &self.made[place].1
    }
}

/// The length that the path `/bytes/N/…` asks for.
fn wanted(head: &[u8]) -> Option<usize> {
    let digits = head.strip_prefix(b"GET /bytes/")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
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
    fn serve(&mut self, token: u64, answers: &mut Answers<'_>) {
        let place = usize::try_from(token).expect("tokens are places");
        let Some(connection) = self.places.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        if connection.serve(answers).is_err() {
            self.places[place] = None;
            self.free.push(token);
        }
    }
}

impl Connection {
    fn serve(&mut self, answers: &mut Answers<'_>) -> io::Result<()> {
        let read = match self.stream.read(&mut self.head[self.filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.filled += read;
        let mut rest = 0;
        while let Some(length) = head_length(&self.head[rest..self.filled]) {
            let answer = answers.of(&self.head[rest..self.filled]);
            write_all(&mut self.stream, answer)?;
            rest += length;
        }
        self.head.copy_within(rest..self.filled, 0);
        self.filled -= rest;
        Ok(())
    }
}

/// Writes everything; waits for the client where its buffer is full, and so for it alone.
fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waiting = [PollFd::new(stream, PollFlags::OUT)];
                let patience = Timespec {
                    tv_sec: CLIENT_SECONDS_MAX,
                    tv_nsec: 0,
                };
                if rustix::event::poll(&mut waiting, Some(&patience))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
    fn the_end_of_a_head_is_found_wherever_it_falls() {
        for length in 0..40 {
            let head = [&vec![b'x'; length], &b"\r\n\r\n"[..]].concat();
            assert_eq!(head_length(&head), Some(head.len()));
            assert_eq!(head_length(&[&head[..], b"\n\r\n"].concat()), Some(head.len()));
            assert_eq!(head_length(&head[..head.len() - 1]), None);
        }
    }

    #[test]
    fn the_path_says_how_long_the_body_is() {
        assert_eq!(wanted(b"GET /bytes/16/product/1 HTTP/1.1\r\n"), Some(16));
        assert_eq!(wanted(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(wanted(b"GET /bytes/x HTTP/1.1\r\n"), None);
    }

    #[test]
    fn the_answer_says_how_long_it_is() {
        let floor = Floor {
            listen: ([127, 0, 0, 1], 0).into(),
            body_bytes: 3,
            not_modified: false,
            field: vec!["Cache-Control: max-age=60".to_owned()],
        };
        let answer = String::from_utf8(floor.answer(3)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(answer.contains("\r\nCache-Control: max-age=60\r\n"));
        assert!(answer.ends_with("\r\nContent-Length: 3\r\n\r\nabc"));
    }
}
