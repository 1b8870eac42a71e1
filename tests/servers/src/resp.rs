//! As much of Redis's protocol as a test needs to ask a server something itself: nothing of what is tested stands between.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest that an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing there.
    Nil,
    /// A number.
    Int(i64),
    /// Bytes, or a status such as `OK`.
    Text(Vec<u8>),
    /// Several answers.
    List(Vec<Said>),
    /// A refusal, with its first word.
    Error(String),
}

impl Said {
    /// The text; empty for nothing, the digits of a number.
    pub fn text(&self) -> String {
        match self {
            Self::Nil => String::new(),
            Self::Int(number) => number.to_string(),
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::List(_) | Self::Error(_) => panic!("expected a text, got {self:?}"),
        }
    }

    /// The number.
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            Self::Text(_) => self.text().parse().unwrap(),
            Self::Nil | Self::List(_) | Self::Error(_) => panic!("expected a number, got {self:?}"),
        }
    }

    /// The members of a list.
    pub fn list(self) -> Vec<Said> {
        match self {
            Self::List(members) => members,
            Self::Nil => Vec::new(),
            Self::Int(_) | Self::Text(_) | Self::Error(_) => panic!("expected a list, got {self:?}"),
        }
    }
}

/// A connection to a server.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_TIME_MAX)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.set_write_timeout(Some(ANSWER_TIME_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends one command and reads its answer.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Result<Said> {
        let mut text = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            text.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            text.extend_from_slice(word);
            text.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&text)?;
        self.read()
    }

    fn read(&mut self) -> Result<Said> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&line[1..]).trim_end().to_owned();
        let number = || text.parse::<i64>().map_err(Error::other);
        match line[0] {
            b'+' => Ok(Said::Text(text.into_bytes())),
            b'-' => Ok(Said::Error(text)),
            b':' => Ok(Said::Int(number()?)),
            b'$' => {
                let Ok(length) = usize::try_from(number()?) else {
                    return Ok(Said::Nil);
                };
                let mut bytes = vec![0; length + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Said::Text(bytes))
            }
            b'*' => {
                let Ok(count) = usize::try_from(number()?) else {
                    return Ok(Said::Nil);
                };
                (0..count)
                    .map(|_| self.read())
                    .collect::<Result<Vec<_>>>()
                    .map(Said::List)
            }
            other => Err(Error::other(format!("an answer of type {other:?}"))),
        }
    }
}
