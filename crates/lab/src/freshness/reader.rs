//! One connection to one node, which is opened again when it is lost.

use super::history::Read;
use super::origin::{Truth, Value};
use crate::load::Failure;
use crate::load::connection::{Connection, Kept};
use crate::load::{Answer, Limits, Target};
use peregrine_base::{Clock, Instant, SystemClock};
use std::time::Duration;

/// How long a node may take to answer. A hit takes no time; a load takes that of the origin.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What is read of an answer.
const LIMITS: Limits = Limits {
    head_bytes_max: 64 << 10,
    body_bytes_max: 64 << 10,
};

/// What came of asking.
pub(super) enum Heard {
    /// A value of this key, and whether a cache answered.
    Value(Read, bool),
    /// An answer with another status: its `Cache-Status` and the beginning of its body.
    Refused(u16, String),
    /// An answer that is no value of this key.
    Damaged(String),
    /// No answer.
    Nothing(Failure),
}

/// Reads from one node.
pub(super) struct Reader {
    node: usize,
    target: Target,
    host: String,
    connection: Option<Connection>,
    kept: Kept,
}

impl Reader {
    pub(super) fn new(node: usize, target: Target, host: &str) -> Self {
        Self {
            node,
            target,
            host: host.to_owned(),
            connection: None,
            kept: Kept::default(),
        }
    }

    /// Asks for `key`.
    pub(super) async fn read(&mut self, key: usize, truth: &Truth) -> Heard {
        let wire = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: peregrine-verify\r\n\r\n",
            truth.path(key),
            self.host
        );
        match self.exchange(&wire).await {
            Ok((status, is_hit, sent)) => self.understand(key, truth, status, is_hit, sent),
            Err(failure) => {
                self.connection = None;
                Heard::Nothing(failure)
            }
        }
    }

    async fn exchange(&mut self, wire: &str) -> Result<(u16, bool, Instant), Failure> {
        loop {
            let is_old = self.connection.is_some();
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => within(Connection::open(&self.target)).await?,
            };
            let sent = SystemClock.now();
            let exchange = connection.exchange(wire.as_bytes(), false, &LIMITS, Some(&mut self.kept));
            match within(exchange).await {
                // An idle connection may have been closed just now, which is nobody's fault.
                Err(Failure::Closed) if is_old => {}
                Err(failure) => return Err(failure),
                Ok(received) => {
                    self.connection = received.reusable.then_some(connection);
                    let is_hit = received.cache == crate::load::CacheUse::Hit;
                    return Ok((received.status, is_hit, sent));
                }
            }
        }
    }

    fn understand(&self, key: usize, truth: &Truth, status: u16, is_hit: bool, sent: Instant) -> Heard {
        let answer = Answer {
            status,
            head: &self.kept.head,
            body: &self.kept.body,
            started: sent,
            answered: SystemClock.now(),
        };
        let cache_status = answer.header("cache-status").unwrap_or("no Cache-Status").to_owned();
        if status != 200 {
            let body = String::from_utf8_lossy(&self.kept.body);
            let body: String = body.chars().take(200).collect();
            return Heard::Refused(status, format!("{cache_status} {body}"));
        }
        match serde_json::from_slice::<Value>(&self.kept.body) {
            Ok(value) if value.run == truth.run && value.key == key => Heard::Value(
                Read {
                    node: self.node,
                    sent,
                    version: value.version,
                    unverified: cache_status.contains("unverified"),
                    cache_status,
                },
                is_hit,
            ),
            Ok(value) => Heard::Damaged(format!("{value:?} for key {key} ({cache_status})")),
            Err(error) => Heard::Damaged(format!("{error} ({cache_status})")),
        }
    }
}

async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(ANSWER_TIME_MAX, work)
        .await
        .unwrap_or(Err(Failure::TimedOut))
}
