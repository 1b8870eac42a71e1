//! How a command ends when it does not end well, and the exit code for it.

use crate::config::Faults;
use std::io;

/// Why a command ended. The text says what to do next where that can be known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong: exit code 2. Each fault is a line of its own.
    #[error("{0}")]
    Configuration(#[from] Faults),
    /// It did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It did not work, and what is to be said about it was printed as the result: exit code 1.
    #[error("failed")]
    Told,
    /// The configuration is wrong, and what is to be said about it was printed as the result: exit code 2.
    #[error("the configuration is wrong")]
    ToldConfiguration,
    /// The output cannot be written. Whoever reads it may have seen enough and left.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code: 1 failed, 2 wrong usage or configuration, and 0 when the reader of the output has left.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::ToldConfiguration => 2,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Failed(_) | Self::Told | Self::Output(_) => 1,
        }
    }

    /// What to print on the standard error output; `None` when there is nothing to say or nobody to say it to.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Told | Self::ToldConfiguration => None,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Configuration(faults) => Some(faults.to_string()),
            other => Some(format!("peregrine: {other}")),
        }
    }
}
