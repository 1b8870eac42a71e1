//! The program's own log: what Peregrine says about itself, on the standard error output, as text or JSON. Its level can be
//! changed while the program runs.
//!
//! Peregrine's own events follow the configured level. Those of libraries are logged from `warn` on, and all of them at
//! `trace`: a level that helps with Peregrine must not drown it in frames and handshakes. Whatever an event quotes, it
//! stays on its line.

#[cfg(test)]
mod tests;

use crate::config::{Level, LogConfig, LogFormat};
use crate::escape::Visible;
use std::fmt::Write as _;
use tracing::Subscriber;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;

/// The log was begun before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log of this process was begun before")]
pub struct AlreadyBegun;

/// Changes the log while the program runs.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
}

impl LogHandle {
    /// Logs from `level` on.
    pub fn set_level(&self, level: Level) {
        // Fails only when the log is gone, and then there is nothing to change.
        let _ = self.filter.reload(targets(level));
    }
}

/// Begins the log of this process on the standard error output.
///
/// # Errors
/// When it was begun before.
pub fn init(config: &LogConfig) -> Result<LogHandle, AlreadyBegun> {
    let (subscriber, handle) = subscriber(config, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadyBegun)?;
    Ok(handle)
}

/// The log that `config` describes, writing to `out`.
fn subscriber<W>(config: &LogConfig, out: W) -> (Box<dyn Subscriber + Send + Sync>, LogHandle)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(targets(config.level));
    let lines: Box<dyn Layer<_> + Send + Sync> = match config.format {
        LogFormat::Json => Box::new(fmt::layer().json().flatten_event(true).with_writer(out)),
        LogFormat::Text => Box::new(
            fmt::layer()
                .with_ansi(false)
                .fmt_fields(debug_fn(write_field).delimited(" "))
                .with_writer(out),
        ),
    };
    (
        Box::new(tracing_subscriber::registry().with(filter).with(lines)),
        LogHandle { filter: handle },
    )
}

/// One field of an event as `name=value`, the message without its name, nothing unsafe in either.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    let mut writer = Visible(writer);
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name => write!(writer, "{name}={value:?}"),
    }
}

/// Which events pass at `level`.
fn targets(level: Level) -> Targets {
    let (own, others) = match level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        Level::Trace => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    Targets::new().with_default(others).with_target("peregrine", own)
}
