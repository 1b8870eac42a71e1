//! The file of history: the embedded store behind the trait through which the core reads and writes.

use peregrine_insight::store::{Store, StoreFault, Write};
use peregrine_store::embedded::{Change, Embedded, OpenError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The file, open.
pub(super) struct Kept {
    file: Embedded,
    /// Whether the last write did not succeed, so that the log is told of changes only.
    failing: AtomicBool,
    /// How often a write did not succeed.
    failures: AtomicU64,
}

/// What came of opening it.
pub(super) enum Opened {
    /// It is open.
    Open(Arc<Kept>),
    /// Another process has it open.
    Busy,
    /// It cannot be opened; the log says why.
    Refused,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Opened {
        match Embedded::open(path) {
            Ok(file) => {
                if let Some(aside) = file.set_aside() {
                    let (path, aside) = (path.display(), aside.display());
                    tracing::error!(%path, %aside, "the file of history was damaged: it was set aside and a new one begun");
                }
                Opened::Open(Arc::new(Self {
                    file,
                    failing: AtomicBool::new(false),
                    failures: AtomicU64::new(0),
                }))
            }
            Err(OpenError::Busy(_)) => Opened::Busy,
            Err(error) => {
                tracing::error!(%error, "history cannot be kept");
                Opened::Refused
            }
        }
    }

    /// How often a write did not succeed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Writes all or nothing. Says so in the log where that does not work any more, and where it does again.
    pub(super) fn write(&self, writes: &[Write]) {
        let written = self.apply(writes);
        if written.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        match written {
            Ok(()) if self.failing.swap(false, Ordering::SeqCst) => tracing::info!("history is written again"),
            Ok(()) => {}
            Err(error) if !self.failing.swap(true, Ordering::SeqCst) => {
                tracing::error!(%error, "history cannot be written; what happens meanwhile is lost at the next restart");
            }
            Err(_) => {}
        }
    }
}

impl Store for Kept {
    fn apply(&self, writes: &[Write]) -> Result<(), StoreFault> {
        let changes = writes.iter().map(|write| match write {
            Write::Put { table, key, value } => Change::Put { table, key, value },
            Write::Remove { table, key } => Change::Remove { table, key },
            Write::RemoveRange { table, from, until } => Change::RemoveRange { table, from, until },
        });
        self.file.apply(changes).map_err(|error| StoreFault(error.to_string()))
    }

    fn scan(
        &self,
        table: &'static str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFault> {
        let scanned = self.file.scan(table, from, until, visit);
        scanned.map_err(|error| StoreFault(error.to_string()))
    }
}
