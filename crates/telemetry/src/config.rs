//! The typed form of `[log]`. Every default stands in [`crate::PARAMETERS`].

use peregrine_base::Span;
use serde::{Deserialize, Serialize};

/// What is logged, how, and where to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The least important events that are logged.
    pub level: Level,
    /// How an event of the program's log reads.
    pub format: LogFormat,
    /// How a request reads in the access log, or that there is none.
    pub access: AccessFormat,
    /// Where the access log goes: `stdout`, `stderr` or a file.
    pub access_path: String,
    /// How many of the requests that went well and fast are logged: 1 is all of them.
    pub access_sample: f64,
    /// From what time to the answer's head on a request is slow: it is always logged, and warned of.
    pub slow: Option<Span>,
    /// Query parameters whose values are not logged, beside those that never are.
    pub redact: Vec<String>,
}

/// How important an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something failed that a person should look at.
    Error,
    /// Something is wrong that Peregrine copes with.
    Warn,
    /// What an operator wants to read of a normal day.
    Info,
    /// What helps to find out why.
    Debug,
    /// Everything, of Peregrine's libraries too.
    Trace,
}

impl Level {
    /// The words of all levels, as the configuration writes them.
    pub const WORDS: &[&str] = &["error", "warn", "info", "debug", "trace"];

    /// The word in configuration and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How an event of the program's log reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object to a line.
    Json,
}

/// How a request reads in the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// Requests are not logged.
    Off,
    /// For people.
    Text,
    /// One JSON object to a line.
    Json,
}
