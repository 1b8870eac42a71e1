//! What is counted.

use crate::error::{ErrorKind, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that only grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commands: AtomicU64,
    errors: [AtomicU64; ErrorKind::ALL.len()],
    pub(crate) reconnects: AtomicU64,
    pub(crate) failovers: AtomicU64,
    pub(crate) redirects: AtomicU64,
    pub(crate) refreshes: AtomicU64,
}

impl Counters {
    pub(crate) fn failed(&self, error: &StoreError) {
        self.errors[error.kind() as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how an operation ended.
    pub(crate) fn ended<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.commands.fetch_add(1, Ordering::Relaxed);
        result.inspect_err(|error| self.failed(error))
    }

    pub(crate) fn errors(&self) -> Vec<(ErrorKind, u64)> {
        let count = |kind: ErrorKind| self.errors[kind as usize].load(Ordering::Relaxed);
        ErrorKind::ALL.into_iter().map(|kind| (kind, count(kind))).collect()
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
