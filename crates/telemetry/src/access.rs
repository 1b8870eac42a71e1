//! The access log: one line for every request, from the one event that a plane seals when a request is over.
//!
//! Recording renders the line and puts it into a buffer of [`BUFFER_MAX_BYTES`]; a thread of its own writes the buffer out.
//! A plane therefore never waits for a disk or a pipe: while those do not keep up, lines are left out and counted.
//!
//! Secrets do not get here: headers other than `User-Agent` are no part of [`Access`], and the values of query parameters
//! that carry secrets are replaced (see [`Redaction`]). What clients wrote cannot end a line or leave its field.

mod redact;
mod render;
#[cfg(test)]
mod tests;
mod writer;

pub use redact::{REDACTED, Redaction};
pub(crate) use render::{TARGET_MAX_BYTES, TEXT_MAX_BYTES, cut, without_credentials};
pub use writer::BUFFER_MAX_BYTES;

use crate::config::{AccessFormat, LogConfig};
use crate::trace::TraceId;
use crate::{Exposition, config};
use arc_swap::ArcSwap;
use peregrine_base::WallTime;
use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use writer::{Destination, Writer};

/// What happened to one request.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// When it arrived.
    pub time: WallTime,
    /// The request id that the client and the origin see too.
    pub request_id: &'a str,
    /// Who asked, as far as trusted proxies say.
    pub client: IpAddr,
    /// The method.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port that were asked for.
    pub host: &'a str,
    /// Path and query as they arrived; the log redacts them.
    pub target: &'a str,
    /// Whose request it is, where tenants are told apart.
    pub tenant: Option<&'a str>,
    /// The status that the client got.
    pub status: u16,
    /// Bytes of the request's body.
    pub received_bytes: u64,
    /// Bytes of the answer's body that were sent.
    pub sent_bytes: u64,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// How long the upstream took, where it was asked.
    pub upstream_duration: Option<Duration>,
    /// The route.
    pub route: Option<&'a str>,
    /// The strategy.
    pub strategy: Option<&'a str>,
    /// What the cache did.
    pub cache: &'a str,
    /// Why it did so.
    pub reason: Option<&'a str>,
    /// The upstream's target that answered.
    pub upstream: Option<&'a str>,
    /// What went wrong.
    pub error: Option<&'a str>,
    /// `User-Agent` as it arrived.
    pub user_agent: Option<&'a [u8]>,
    /// The trace that it belongs to.
    pub trace: Option<TraceId>,
}

/// What the access log did so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessStatistics {
    /// Lines that were written.
    pub written: u64,
    /// Lines that were left out because the buffer was full.
    pub dropped: u64,
    /// Lines that were lost because writing failed.
    pub failed: u64,
}

/// Writes a line for every request.
#[derive(Debug)]
pub struct AccessLog {
    rendering: ArcSwap<Rendering>,
    writer: Writer,
}

/// How a request becomes a line.
#[derive(Debug)]
struct Rendering {
    format: AccessFormat,
    redaction: Redaction,
    path: String,
}

impl Rendering {
    fn new(config: &LogConfig) -> Self {
        let redaction = Redaction::new(&config.redact);
        Self {
            format: config.access,
            redaction,
            path: config.access_path.clone(),
        }
    }

    /// Opens what it writes to; nothing while the log is off.
    fn open(&self) -> io::Result<Destination> {
        if self.format == config::AccessFormat::Off {
            Ok(Destination::None)
        } else {
            Destination::open(&self.path)
        }
    }
}

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn start(config: &LogConfig) -> io::Result<Self> {
        let rendering = Rendering::new(config);
        let writer = Writer::start(rendering.open()?)?;
        Ok(Self {
            rendering: ArcSwap::from_pointee(rendering),
            writer,
        })
    }

    /// Applies a changed configuration.
    ///
    /// # Errors
    /// When the file cannot be opened; the log then goes on as before.
    pub fn reconfigure(&self, config: &LogConfig) -> io::Result<()> {
        let rendering = Rendering::new(config);
        self.writer.replace(rendering.open()?);
        self.rendering.store(rendering.into());
        Ok(())
    }

    /// Opens the file anew, after something moved it away.
    ///
    /// # Errors
    /// When it cannot be opened; the log then goes on into the old one.
    pub fn reopen(&self) -> io::Result<()> {
        self.writer.replace(self.rendering.load().open()?);
        Ok(())
    }

    /// Whether requests are logged, so that a plane need not gather what nobody reads.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.rendering.load().format != AccessFormat::Off
    }

    /// Logs a request. Never waits.
    pub fn record(&self, access: &Access<'_>) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let rendering = self.rendering.load();
        LINE.with_borrow_mut(|line| {
            line.clear();
            match rendering.format {
                AccessFormat::Off => return,
                AccessFormat::Json => render::json(access, &rendering.redaction, line),
                AccessFormat::Text => render::text(access, &rendering.redaction, line),
            }
            self.writer.push(line.as_bytes());
        });
    }

    /// Waits until everything that was recorded before is written, at most for `limit`; says whether it is.
    pub fn flush(&self, limit: Duration) -> bool {
        self.writer.flush(limit)
    }

    /// What it did so far.
    #[must_use]
    pub fn statistics(&self) -> AccessStatistics {
        self.writer.statistics()
    }

    /// Its metrics.
    pub fn expose(&self, exposition: &mut Exposition) {
        let statistics = self.statistics();
        for (outcome, lines) in [
            ("written", statistics.written),
            ("dropped", statistics.dropped),
            ("failed", statistics.failed),
        ] {
            exposition.counter("peregrine_access_log_lines_total", &[("outcome", outcome)], lines);
        }
        let buffered = self.writer.buffered_bytes();
        exposition.gauge("peregrine_access_log_buffered_bytes", &[], buffered);
    }
}
