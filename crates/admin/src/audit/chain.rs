//! The files of the audit log: `audit.log`, the older `audit.log.1` to `audit.log.N`, and `audit.head`, which says where the
//! log ends, so that a part that is cut off its end is missed.
//!
//! Guarantees: a record that was written is there after kill -9, and after a power loss unless it was of the last second; a
//! line that a crash tore is taken away and that is noted; the chain goes on from file to file; the head is written after
//! what it says has reached the disk, so that it never promises what a power loss took.

use super::record::{self, AuditRecord, Entry, LINE_MAX_BYTES, NOTHING};
use crate::secrets::Digest;
use crate::state::{self, StateError};
use serde::{Deserialize, Serialize};
#[cfg(test)]
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The newest file's name in the state directory.
pub(crate) const FILE: &str = "audit.log";
/// Where it ends.
const HEAD: &str = "audit.head";
/// Held by the program that writes: while a successor takes over there are two.
const LOCK: &str = "audit.lock";
/// The head is always as long, so that it is written in one go over the one before.
const HEAD_BYTES: usize = 160;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest file.
    pub(crate) file_max: u64,
    /// The most files.
    pub(crate) files_max: u32,
}

/// Where the log begins and ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Head {
    /// The oldest record that is kept.
    pub(crate) first: u64,
    /// The newest.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
}

/// The log, open for writing.
pub(crate) struct Chain {
    directory: PathBuf,
    limits: Limits,
    file: File,
    length: u64,
    first: u64,
    seq: u64,
    hash: Digest,
    dirty: bool,
    _lock: File,
}

/// What has to reach the disk.
pub(crate) struct Unsynced {
    file: File,
    head: Head,
    directory: PathBuf,
}

/// The path of the file that was the newest `age` files ago.
pub(crate) fn path(directory: &Path, age: u32) -> PathBuf {
    match age {
        0 => directory.join(FILE),
        age => directory.join(format!("{FILE}.{age}")),
    }
}

/// The head; nothing when there is none that can be read.
pub(crate) fn head(directory: &Path) -> Option<Head> {
    let bytes = fs::read(directory.join(HEAD)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Chain {
    /// Opens the log in `directory`; nothing while another program writes it. What had to be mended is noted in it.
    pub(crate) fn open(directory: &Path, limits: Limits, at: &str) -> Result<Option<Self>, StateError> {
        let lock_path = directory.join(LOCK);
        let mut options = state::private();
        let lock = options.write(true).create(true).open(&lock_path);
        let lock = lock.map_err(StateError::system("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(StateError::system("lock", &lock_path)(error)),
        }
        let log = path(directory, 0);
        let mut file = open_log(&log)?;
        let (torn, mut last) = tail(&mut file, &log)?;
        if last.is_none()
            && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
            && let Ok(mut older) = File::open(path(directory, 1))
        {
            last = tail(&mut older, &path(directory, 1))?.1;
        }
        let head = head(directory);
        let (seq, hash) = last.unwrap_or((0, NOTHING));
        let mut chain = Self {
            directory: directory.to_owned(),
            limits,
            length: file.metadata().map_err(StateError::system("examine", &log))?.len(),
            file,
            first: head.as_ref().map_or(1, |head| head.first),
            seq,
            hash,
            dirty: true,
            _lock: lock,
        };
        chain.mend(torn, head, at);
        // There is a head before there is a record, so that one that is missing was taken away.
        if let Some(unsynced) = chain.unsynced() {
            unsynced.sync()?;
        }
        Ok(Some(chain))
    }

    /// Notes what is not as it was left.
    fn mend(&mut self, torn: u64, head: Option<Head>, at: &str) {
        let note = |chain: &mut Self, what: &str, target: String| {
            tracing::error!(what, target, "the audit log is not as it was left");
            let entry = Entry {
                who: "peregrine".to_owned(),
                role: "system".to_owned(),
                what: what.to_owned(),
                target,
                outcome: "done".to_owned(),
                ..Entry::default()
            };
            let _ = chain.append(at.to_owned(), entry);
        };
        match head {
            Some(head) if head.seq > self.seq => {
                // The numbers go on after those that are missing, so that the gap stays visible.
                let missing = format!("records {} to {}", self.seq + 1, head.seq);
                self.seq = head.seq;
                self.hash = Digest::from_hex(&head.hash).unwrap_or(NOTHING);
                note(self, "audit_records_missing", missing);
            }
            None if self.seq > 0 => note(self, "audit_head_missing", HEAD.to_owned()),
            _ => {}
        }
        if torn > 0 {
            note(
                self,
                "audit_healed",
                format!("{torn} bytes of a line that was not written to its end"),
            );
        }
    }

    /// Writes `entry`; when it returns, it outlives this program.
    pub(crate) fn append(&mut self, at: String, entry: Entry) -> Result<AuditRecord, StateError> {
        let (record, hash, line) = record::written(self.seq + 1, at, entry, self.hash);
        let log = path(&self.directory, 0);
        if let Err(error) = self.file.write_all(&line) {
            // Nothing of it may stay: the next line would follow a torn one.
            let _ = self.file.set_len(self.length);
            return Err(StateError::system("write", &log)(error));
        }
        self.length += line.len() as u64;
        (self.seq, self.hash, self.dirty) = (record.seq, hash, true);
        if self.length >= self.limits.file_max
            && let Err(error) = self.rotate()
        {
            tracing::error!(%error, "the audit log stays in a file that is larger than admin.audit_file_max");
        }
        Ok(record)
    }

    /// Begins a new file and lets go of the oldest.
    fn rotate(&mut self) -> Result<(), StateError> {
        let log = path(&self.directory, 0);
        self.file.sync_data().map_err(StateError::system("write", &log))?;
        let oldest = self.limits.files_max.max(1) - 1;
        if oldest == 0 {
            fs::remove_file(&log).map_err(StateError::system("remove", &log))?;
        } else {
            for age in (0..oldest).rev() {
                let (from, to) = (path(&self.directory, age), path(&self.directory, age + 1));
                match fs::rename(&from, &to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(StateError::system("rename", &from)(error));
                    }
                    _ => {}
                }
            }
        }
        // A smaller number of files than before leaves some behind.
        for age in oldest + 1.. {
            if fs::remove_file(path(&self.directory, age)).is_err() {
                break;
            }
        }
        self.file = open_log(&log)?;
        self.length = 0;
        self.first = (1..=oldest)
            .rev()
            .find_map(|age| first(&path(&self.directory, age)))
            .unwrap_or(self.seq + 1);
        Ok(())
    }

    /// What has to reach the disk, if anything has; for the one who will see to it.
    pub(crate) fn unsynced(&mut self) -> Option<Unsynced> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        Some(Unsynced {
            file: self.file.try_clone().ok()?,
            head: self.head(),
            directory: self.directory.clone(),
        })
    }

    fn head(&self) -> Head {
        Head {
            first: self.first,
            seq: self.seq,
            hash: self.hash.hex(),
        }
    }
}

impl Unsynced {
    /// Takes it to the disk: the records first, then the head that speaks of them.
    pub(crate) fn sync(&self) -> Result<(), StateError> {
        let place = self.directory.join(HEAD);
        let written = (|| {
            self.file.sync_data()?;
            let mut text = serde_json::to_vec(&self.head)?;
            text.resize(HEAD_BYTES.max(text.len() + 1) - 1, b' ');
            text.push(b'\n');
            let head = state::private().write(true).create(true).truncate(false).open(&place)?;
            head.write_all_at(&text, 0)?;
            head.sync_data()
        })();
        written.map_err(StateError::system("write", &place))
    }
}

fn open_log(log: &Path) -> Result<File, StateError> {
    let file = state::private().read(true).append(true).create(true).open(log);
    let file = file.map_err(StateError::system("open", log))?;
    state::check(log, &file)?;
    Ok(file)
}

/// The number of the first record in the file at `path`.
fn first(path: &Path) -> Option<u64> {
    let mut start = vec![0; LINE_MAX_BYTES];
    let read = File::open(path).ok()?.read_at(&mut start, 0).ok()?;
    let line = start.get(..read)?.split(|byte| *byte == b'\n').next()?;
    record::parse(line).ok().map(|parsed| parsed.record.seq)
}

/// The end of a log: how many bytes of it were a torn line, which are gone now, and the number and hash of the last record.
fn tail(file: &mut File, log: &Path) -> Result<(u64, Option<(u64, Digest)>), StateError> {
    let failed = |error| StateError::system("read", log)(error);
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let from = length.saturating_sub(2 * LINE_MAX_BYTES as u64);
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut end = Vec::new();
    Read::by_ref(file)
        .take(length - from)
        .read_to_end(&mut end)
        .map_err(failed)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = (end.len() - whole) as u64;
    if torn > 0 {
        file.set_len(length - torn).map_err(StateError::system("mend", log))?;
    }
    let lines = end.get(..whole.saturating_sub(1)).unwrap_or_default();
    let last = lines
        .rsplit(|byte| *byte == b'\n')
        .next()
        .filter(|line| !line.is_empty());
    let Some(last) = last else { return Ok((torn, None)) };
    match record::parse(last) {
        Ok(parsed) => {
            let hash = Digest::from_hex(&parsed.record.hash).unwrap_or(NOTHING);
            Ok((torn, Some((parsed.record.seq, hash))))
        }
        Err(problem) => {
            tracing::error!(file = %log.display(), problem, "the last record of the audit log was changed");
            // Whatever stands there, its number is told by the head; the chain shows the break.
            Ok((torn, None))
        }
    }
}

/// An entry of the log about itself, for tests.
#[cfg(test)]
pub(crate) fn entry(what: &str) -> Entry {
    Entry {
        who: "admin token".to_owned(),
        what: what.to_owned(),
        after: json!({ "n": what }),
        outcome: "done".to_owned(),
        ..Entry::default()
    }
}
