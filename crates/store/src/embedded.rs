//! The embedded store: named tables of keys and values in one file, on redb. What a call of [`Embedded::apply`] did is on
//! the disk when it answers, as a whole or not at all, whatever happens to the process or the machine meanwhile.
//!
//! Every call occupies its thread and may wait for the disk. The file holds no more than a small cache of its pages in
//! memory. Another process that has the file open keeps this one out ([`OpenError::Busy`]); a file that cannot be understood
//! is set aside under another name, and a new one begun, because what is kept here is worth less than a start.

#[cfg(test)]
mod tests;

use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableError};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of pages that are held in memory.
const CACHE_BYTES: usize = 1 << 20;

/// From which size of the file on it is packed when it is opened.
const PACK_FROM_BYTES: u64 = 64 << 20;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// This value lies under this key from now on.
    Put {
        /// Where.
        table: &'a str,
        /// The key; keys are in order of their bytes.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Nothing lies under this key any more.
    Remove {
        /// Where.
        table: &'a str,
        /// The key.
        key: &'a [u8],
    },
    /// Nothing lies from `from` (included) to `until` (excluded) any more.
    RemoveRange {
        /// Where.
        table: &'a str,
        /// The first key that goes.
        from: &'a [u8],
        /// The first key behind that stays.
        until: &'a [u8],
    },
}

/// Why a file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open; try again later.
    #[error("another process has {} open", .0.display())]
    Busy(PathBuf),
    /// The system does not let it be opened, or what was damaged be set aside.
    #[error("{}: {error}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
}

/// Why a change could not be made, or something not be read.
#[derive(Debug, Error)]
#[error("{}: {error}", path.display())]
pub struct Fault {
    path: PathBuf,
    error: String,
}

/// A store in a file.
#[derive(Debug)]
pub struct Embedded {
    database: Database,
    path: PathBuf,
    set_aside: Option<PathBuf>,
}

impl Embedded {
    /// Opens the file at `path`, or begins it. A file that cannot be understood is renamed to `<path>.damaged`, over one
    /// that was damaged before; [`Embedded::set_aside`] tells.
    ///
    /// # Errors
    /// When another process has it open, or the system refuses.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        match open(path) {
            Ok(database) => Ok(Self::of(database, path, None)),
            Err(Refused::Busy) => Err(OpenError::Busy(path.to_owned())),
            Err(Refused::System(error)) => Err(failed(path, &error)),
            Err(Refused::Damaged(_)) => {
                let aside = beside(path);
                fs::rename(path, &aside).map_err(|error| failed(path, &error.to_string()))?;
                let database = open(path).map_err(|refused| failed(path, &refused.to_string()))?;
                Ok(Self::of(database, path, Some(aside)))
            }
        }
    }

    fn of(mut database: Database, path: &Path, set_aside: Option<PathBuf>) -> Self {
        if fs::metadata(path).is_ok_and(|file| file.len() >= PACK_FROM_BYTES) {
            // A file that stays large is no reason not to use it.
            let _ = database.compact();
        }
        Self {
            database,
            path: path.to_owned(),
            set_aside,
        }
    }

    /// Where the file went that was here and could not be understood.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Makes all of `changes`, in order, or none of them.
    ///
    /// # Errors
    /// When they could not be made; then none of them was.
    pub fn apply<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> Result<(), Fault> {
        self.guarded(|| {
            let transaction = self.database.begin_write()?;
            for change in changes {
                match change {
                    Change::Put { table, key, value } => {
                        transaction.open_table(named(table))?.insert(key, value)?;
                    }
                    Change::Remove { table, key } => {
                        transaction.open_table(named(table))?.remove(key)?;
                    }
                    Change::RemoveRange { table, from, until } => {
                        if from < until {
                            transaction
                                .open_table(named(table))?
                                .retain_in(from..until, |_, _| false)?;
                        }
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Shows `visit` each key of `table` from `from` (included) to `until` (excluded) with its value, in order, until it
    /// answers false. A table that was never written is empty.
    ///
    /// # Errors
    /// When it could not be read; what was shown until then is right.
    pub fn scan(
        &self,
        table: &str,
        from: &[u8],
        until: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Fault> {
        self.guarded(|| {
            let transaction = self.database.begin_read()?;
            let table = match transaction.open_table(named(table)) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            if from >= until {
                return Ok(());
            }
            for entry in table.range(from..until)? {
                let (key, value) = entry?;
                if !visit(key.value(), value.value()) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Runs `work`; that redb gives up on a page that makes no sense to it is an error like any other.
    fn guarded(&self, work: impl FnOnce() -> Result<(), redb::Error>) -> Result<(), Fault> {
        let fault = |error: String| Fault {
            path: self.path.clone(),
            error,
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => done.map_err(|error| fault(error.to_string())),
            Err(_) => Err(fault("the file is damaged".to_owned())),
        }
    }
}

/// The table that is called so.
fn named(table: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(table)
}

/// Why redb does not open a file.
#[derive(Debug, Error)]
enum Refused {
    #[error("another process has it open")]
    Busy,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    System(String),
}

fn open(path: &Path) -> Result<Database, Refused> {
    let opened = catch_unwind(|| Database::builder().set_cache_size(CACHE_BYTES).create(path));
    let Ok(opened) = opened else {
        return Err(Refused::Damaged("it makes no sense".to_owned()));
    };
    opened.map_err(|error| match &error {
        DatabaseError::DatabaseAlreadyOpen => Refused::Busy,
        DatabaseError::Storage(StorageError::Io(of_system)) if !speaks_of_content(of_system) => {
            Refused::System(error.to_string())
        }
        _ => Refused::Damaged(error.to_string()),
    })
}

/// Whether the content is at fault, not the system.
fn speaks_of_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn failed(path: &Path, error: &str) -> OpenError {
    OpenError::Failed {
        path: path.to_owned(),
        error: error.to_owned(),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".damaged");
    name.into()
}
