//! Records of data keys as files in a directory of this machine: one for each owner, readable by their owner alone.
//!
//! Guarantees: a record is there whole or not at all, also after a loss of power; processes that change records at the same
//! time wait for each other.

use super::place::{KeyPlace, KeyRecord, Listed, PlaceFault, Placing};
use super::record::{self, BYTES_MAX};
use crate::promise::promise;
use peregrine_base::Runtime;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the names of records end.
const SUFFIX: &str = ".key";
/// A record while it is written. There is one at a time.
const UNFINISHED: &str = "record.new";
/// Held while records change.
const LOCK: &str = "lock";
/// When copies were last known to be good.
const CONFIRMED: &str = "confirmed";
/// The longest name of an owner.
const OWNER_LENGTH_MAX: usize = 128;
/// How many records are listed at once.
const PAGE: usize = 256;

/// A directory with records.
#[derive(Clone)]
pub struct Files {
    directory: PathBuf,
    runtime: Arc<dyn Runtime>,
}

impl Files {
    /// Records in `directory`, which is made when the first one is.
    #[must_use]
    pub fn new(directory: PathBuf, runtime: Arc<dyn Runtime>) -> Self {
        Self { directory, runtime }
    }

    /// As [`KeyPlace::get`], on this thread.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get_now(&self, owner: &str) -> Result<Option<String>, PlaceFault> {
        self.path(owner)
            .and_then(|path| read(&path))
            .map_err(|error| self.fault(&error))
    }

    /// As [`KeyPlace::replace`], on this thread.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace_now(&self, owner: &str, was: Option<&str>, now: &str) -> Result<bool, PlaceFault> {
        self.changing(|| {
            let path = self.path(owner)?;
            let same = read(&path)?.as_deref() == was;
            if same {
                self.write(&path, now)?;
            }
            Ok(same)
        })
    }

    /// Makes the record of `owner` a copy of `there`, which another place has, but for keys that this one remembers as
    /// erased; what it is then.
    pub(super) fn copy_now(&self, owner: &str, there: Option<&str>) -> Result<String, PlaceFault> {
        let copy = |here: &str| record::remembering(there.unwrap_or_default(), here);
        let here = self.get_now(owner)?.unwrap_or_default();
        let now = copy(&here);
        if now == here {
            return Ok(now);
        }
        self.changing(|| {
            let path = self.path(owner)?;
            // Somebody may have erased keys since the look.
            let now = copy(&read(&path)?.unwrap_or_default());
            if now.is_empty() {
                remove(&path)?;
                sync(&self.directory)?;
            } else {
                self.write(&path, &now)?;
            }
            Ok(now)
        })
    }

    /// Notes that the copies were what the other place had at `wall_ms`.
    pub(super) fn confirm_now(&self, wall_ms: u64) -> Result<(), PlaceFault> {
        self.changing(|| self.write(&self.directory.join(CONFIRMED), &wall_ms.to_string()))
    }

    /// When they were, in milliseconds of civil time; nothing where they never were.
    pub(super) fn confirmed_ms(&self) -> Option<u64> {
        read(&self.directory.join(CONFIRMED)).ok()??.parse().ok()
    }

    fn list_now(&self, cursor: &str) -> Result<Listed, PlaceFault> {
        let listed = || {
            let mut owners = Vec::new();
            let entries = match fs::read_dir(&self.directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listed::default()),
                entries => entries?,
            };
            for entry in entries {
                let name = entry?.file_name();
                let owner = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
                owners.extend(owner.filter(|owner| *owner > cursor).map(str::to_owned));
            }
            owners.sort_unstable();
            let next = (owners.len() > PAGE).then(|| owners.get(PAGE - 1).cloned()).flatten();
            let mut records = Vec::new();
            for owner in owners.into_iter().take(PAGE) {
                if let Some(record) = read(&self.path(&owner)?)? {
                    records.push(KeyRecord { owner, record });
                }
            }
            Ok(Listed { records, next })
        };
        listed().map_err(|error: io::Error| self.fault(&error))
    }

    /// Runs `change` while nobody else changes anything.
    fn changing<T>(&self, change: impl FnOnce() -> io::Result<T>) -> Result<T, PlaceFault> {
        let changed = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let lock = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(self.directory.join(LOCK))?;
            lock.lock()?;
            change()
        };
        changed().map_err(|error| self.fault(&error))
    }

    fn write(&self, path: &Path, record: &str) -> io::Result<()> {
        let unfinished = self.directory.join(UNFINISHED);
        // Left by a process that was killed while it wrote.
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(record.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync(&self.directory)
    }

    /// Where the record of `owner` lies. Whatever a caller takes for an owner, it leads nowhere else.
    fn path(&self, owner: &str) -> io::Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let whole = !owner.is_empty() && owner.len() <= OWNER_LENGTH_MAX && !owner.starts_with('.');
        if whole && owner.bytes().all(plain) {
            Ok(self.directory.join(format!("{owner}{SUFFIX}")))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "its name cannot be a file's",
            ))
        }
    }

    fn fault(&self, error: &io::Error) -> PlaceFault {
        PlaceFault {
            place: self.name(),
            why: error.to_string(),
        }
    }

    /// Does `work` on a thread that may wait for a disk.
    pub(super) fn away<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(Self) -> Result<T, PlaceFault> + Send + 'static,
    ) -> Placing<'a, T> {
        let (giver, done) = promise();
        let files = self.clone();
        self.runtime.spawn_blocking(Box::new(move || giver.give(work(files))));
        Box::pin(async move {
            let ended = || PlaceFault {
                place: self.name(),
                why: "the program is being stopped".to_owned(),
            };
            done.await.unwrap_or_else(|| Err(ended()))
        })
    }
}

impl KeyPlace for Files {
    fn name(&self) -> String {
        self.directory.display().to_string()
    }

    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>> {
        let owner = owner.to_owned();
        self.away(move |files| files.get_now(&owner))
    }

    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool> {
        let (owner, was, now) = (owner.to_owned(), was.map(str::to_owned), now.to_owned());
        self.away(move |files| files.replace_now(&owner, was.as_deref(), &now))
    }

    fn list<'a>(&'a self, cursor: &'a str) -> Placing<'a, Listed> {
        let cursor = cursor.to_owned();
        self.away(move |files| files.list_now(&cursor))
    }

    fn files(&self) -> Option<&Files> {
        Some(self)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut record = String::new();
    file.take(BYTES_MAX as u64).read_to_string(&mut record)?;
    Ok(Some(record))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// What the directory says of its files holds after a loss of power too.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
