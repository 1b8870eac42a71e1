//! Where the one event of a finished request goes: the access log and the live tail. A plane has one of these, asks first
//! whether anybody wants the event, and gathers it only then.

use crate::access::{Access, AccessLog, Redaction};
use crate::config::LogConfig;
use crate::tail::Tail;
use peregrine_base::Instant;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Takes finished requests. Never waits.
#[derive(Debug)]
pub struct Recorder {
    /// A line for every request.
    pub access_log: AccessLog,
    /// The last ones, and whoever watches.
    pub tail: Arc<Tail>,
}

/// Who wants the event of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    log: bool,
    tail: bool,
}

impl Wanted {
    /// Whether anybody does.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.log || self.tail
    }
}

impl Recorder {
    /// Opens what `config` describes.
    ///
    /// # Errors
    /// When the access log's file cannot be opened.
    pub fn start(config: &LogConfig) -> io::Result<Self> {
        Ok(Self {
            access_log: AccessLog::start(config)?,
            tail: Arc::new(Tail::new(Redaction::new(&config.redact))),
        })
    }

    /// Applies a changed configuration.
    ///
    /// # Errors
    /// When the access log's file cannot be opened; everything then goes on as before.
    pub fn reconfigure(&self, config: &LogConfig) -> io::Result<()> {
        self.access_log.reconfigure(config)?;
        self.tail.redact(Redaction::new(&config.redact));
        Ok(())
    }

    /// Who wants the event of a request that ended so at `now`. To be asked once for each.
    #[inline]
    #[must_use]
    pub fn wanted(&self, now: Instant, status: u16, duration: Duration) -> Wanted {
        Wanted {
            log: self.access_log.is_on(),
            tail: self.tail.wants(now, status, duration),
        }
    }

    /// Hands the event to those who want it.
    pub fn record(&self, wanted: Wanted, now: Instant, access: &Access<'_>) {
        if wanted.log {
            self.access_log.record(access);
        }
        if wanted.tail {
            self.tail.record(now, access);
        }
    }
}
