//! Why an operation did not succeed: who failed, whether it may have been executed all the same, and whether asking again can
//! help. No variant holds a credential, and none is something that a client should see.

use peregrine_base::{Blame, Party};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Why an operation did not succeed. `server` is a host and port, or `cluster` where no server could be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was sent: there is no connection, or nobody owns the slot. Said at once, without waiting.
    #[error("redis {server} is away: {why}")]
    Away {
        /// The server.
        server: Arc<str>,
        /// What happened to the last connection, or to the last attempt.
        why: Arc<str>,
    },
    /// Sent, but the connection ended before the reply.
    #[error("redis {server} was lost before it replied: {why}")]
    Lost {
        /// The server.
        server: Arc<str>,
        /// Why the connection ended.
        why: Arc<str>,
    },
    /// Sent, but there was no reply within the limit.
    #[error("redis {server} did not reply within {limit:?}")]
    TimedOut {
        /// The server.
        server: Arc<str>,
        /// The limit.
        limit: Duration,
    },
    /// Nothing was sent: `redis.in_flight_max` requests wait for their replies already.
    #[error("redis.in_flight_max is reached: {limit} requests wait for their replies on one connection")]
    Busy {
        /// The limit.
        limit: u32,
    },
    /// The server answered with an error of its own.
    #[error("redis {server} refused: {code} {message}")]
    Refused {
        /// The server.
        server: Arc<str>,
        /// The first word of the error: `OOM`, `NOPERM`, `READONLY`, `ERR`.
        code: Arc<str>,
        /// The rest of it.
        message: Arc<str>,
    },
    /// The nodes of the cluster sent the request from one to the other too often.
    #[error("redis {server} and others sent the request around")]
    Redirected {
        /// The last server that was asked.
        server: Arc<str>,
    },
    /// The reply was of another type than the command has.
    #[error("redis {server} replied with something else than {wanted}")]
    Unexpected {
        /// The server.
        server: Arc<str>,
        /// What it should have been.
        wanted: &'static str,
    },
}

/// The kinds of [`StoreError`], in words for logs and metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// See [`StoreError::Away`].
    Away,
    /// See [`StoreError::Lost`].
    Lost,
    /// See [`StoreError::TimedOut`].
    TimedOut,
    /// See [`StoreError::Busy`].
    Busy,
    /// See [`StoreError::Refused`].
    Refused,
    /// See [`StoreError::Redirected`].
    Redirected,
    /// See [`StoreError::Unexpected`].
    Unexpected,
}

impl ErrorKind {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::Away,
        Self::Lost,
        Self::TimedOut,
        Self::Busy,
        Self::Refused,
        Self::Redirected,
        Self::Unexpected,
    ];

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Redirected => "redirected",
            Self::Unexpected => "unexpected",
        }
    }
}

impl StoreError {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Away { .. } => ErrorKind::Away,
            Self::Lost { .. } => ErrorKind::Lost,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Refused { .. } => ErrorKind::Refused,
            Self::Redirected { .. } => ErrorKind::Redirected,
            Self::Unexpected { .. } => ErrorKind::Unexpected,
        }
    }

    /// Whether the server may have executed the request although there is no reply.
    #[must_use]
    pub const fn maybe_executed(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::TimedOut { .. } | Self::Unexpected { .. }
        )
    }
}

/// Errors of a server that pass by themselves.
const PASSING: [&str; 7] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "UNBLOCKED",
];

impl Blame for StoreError {
    fn party(&self) -> Party {
        Party::Peregrine
    }

    fn retry_helps(&self) -> bool {
        match self {
            Self::Refused { code, .. } => PASSING.contains(&&**code),
            Self::Unexpected { .. } => false,
            _ => true,
        }
    }

    fn public(&self) -> Cow<'static, str> {
        Cow::Borrowed("the shared cache is not available")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_the_order_of_their_counters() {
        for (index, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn an_error_says_whether_asking_again_can_help() {
        let refused = |code: &str| StoreError::Refused {
            server: "r:1".into(),
            code: code.into(),
            message: "…".into(),
        };
        assert!(refused("LOADING").retry_helps());
        assert!(!refused("NOPERM").retry_helps());
        assert!(!refused("OOM").maybe_executed());
        let lost = StoreError::Lost {
            server: "r:1".into(),
            why: "cut".into(),
        };
        assert!(lost.retry_helps() && lost.maybe_executed());
    }
}
