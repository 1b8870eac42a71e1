//! One connection. Requests of many askers share it; the library below writes them as they come and hands out the replies in
//! their order. Whoever stops waiting leaves a place in that order, so a late reply reaches nobody else.
//!
//! A wire knows when it last heard from the server, which tells a server that is slow from one that says nothing. It ends when
//! the server ends it, when [`Wire::close`] is called, and when the last one who holds it goes away; whatever the server still
//! says then is thrown away with the socket.

use peregrine_base::{Clock, Instant};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// Why a wire ended; `None` while it has not.
type End = Option<Arc<str>>;

/// A connection to a server.
pub(crate) struct Wire {
    connection: MultiplexedConnection,
    end: Arc<watch::Sender<End>>,
    heard: Arc<AtomicU64>,
    /// Requests that were sent, and the newest of them that was replied to: replies come in order, so the difference is what
    /// waits, whether somebody still waits for it or not.
    sent: AtomicU64,
    answered: AtomicU64,
    /// How many replicas the server said that it has when it was asked for its role.
    pub(crate) replicas: u32,
}

/// What is asked: one command, or several that are written together.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

impl Ask<'_> {
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Many(pipeline) => u64::try_from(pipeline.len()).unwrap_or(u64::MAX),
        }
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum NoReply {
    /// The connection ended.
    Lost(Arc<str>),
    /// The limit passed; `silent`: the server said nothing at all since the request was sent.
    TimedOut { silent: bool },
}

impl Wire {
    pub(crate) fn new(connection: MultiplexedConnection, end: Arc<watch::Sender<End>>, heard: Arc<AtomicU64>) -> Self {
        Self {
            connection,
            end,
            heard,
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            replicas: 0,
        }
    }

    /// Sends and waits at most `limit`. A pipeline's replies come as one array; a server's error is a value like others.
    pub(crate) async fn ask(&self, ask: Ask<'_>, limit: Duration, parts: &crate::Parts) -> Result<Value, NoReply> {
        let count = ask.count();
        let place = self.sent.fetch_add(count, Ordering::Relaxed) + count;
        let sent_at = parts.clock.now();
        let mut connection = self.connection.clone();
        let reply = async {
            match ask {
                Ask::One(command) => connection.send_packed_command(command).await,
                Ask::Many(pipeline) => connection
                    .send_packed_commands(pipeline, 0, pipeline.len())
                    .await
                    .map(Value::Array),
            }
        };
        let reply = tokio::select! {
            biased;
            reply = reply => reply,
            () = parts.runtime.sleep(limit) => {
                return Err(NoReply::TimedOut { silent: self.heard() < sent_at });
            }
        };
        self.answered.fetch_max(place, Ordering::Relaxed);
        reply.map_err(|error| {
            let why = self.ended().unwrap_or_else(|| error.category().into());
            NoReply::Lost(why)
        })
    }

    /// How many requests wait for their replies.
    pub(crate) fn in_flight(&self) -> u64 {
        let answered = self.answered.load(Ordering::Relaxed);
        self.sent.load(Ordering::Relaxed).saturating_sub(answered)
    }

    /// When the server last said anything.
    pub(crate) fn heard(&self) -> Instant {
        Instant::from_nanos(self.heard.load(Ordering::Relaxed))
    }

    /// Ends it; the first reason stays.
    pub(crate) fn close(&self, why: &str) {
        end(&self.end, why);
    }

    /// Why it ended.
    pub(crate) fn ended(&self) -> End {
        self.end.borrow().clone()
    }

    /// Waits until it has ended.
    pub(crate) async fn until_ended(&self) -> Arc<str> {
        let mut end = self.end.subscribe();
        match end.wait_for(Option::is_some).await {
            Ok(why) => why.clone().expect("the condition was that there is a reason"),
            Err(_) => "closed".into(),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.close("no longer needed");
    }
}

/// Says that a wire has ended, unless that was said already.
pub(crate) fn end(end: &watch::Sender<End>, why: &str) {
    end.send_if_modified(|end| {
        let first = end.is_none();
        if first {
            *end = Some(why.into());
        }
        first
    });
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A stream that notes when bytes came.
pub(crate) struct Heard {
    inner: Box<dyn Duplex>,
    clock: Arc<dyn Clock>,
    at: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn new(inner: Box<dyn Duplex>, clock: Arc<dyn Clock>) -> (Self, Arc<AtomicU64>) {
        let at = Arc::new(AtomicU64::new(clock.now().as_nanos()));
        let whole = Self {
            inner,
            clock,
            at: Arc::clone(&at),
        };
        (whole, at)
    }
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.at.store(self.clock.now().as_nanos(), Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
