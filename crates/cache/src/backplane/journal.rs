//! The journal: invalidations that Redis has not confirmed yet, in a file, so that they are told again after a kill -9.
//!
//! Each program has a file of its own in the state directory and holds a lock on it. Files that nobody holds were left by a
//! program that ended before Redis confirmed everything: who finds one takes what it holds over into its own file, and then
//! removes it. So two programs that hand over to each other never write to the same file, and what either leaves behind is
//! told by the other.
//!
//! A file is a row of records, each with its length and a checksum. What was appended is synced before [`Journal::add`]
//! returns. A record that is cut or damaged ends the file: after a crash that is the one that was being written, about which
//! nothing had been promised. Confirmations are not synced: one that is lost lets something be told twice, which is harmless.
//! When confirmed records make up most of the file, it is written anew.
//!
//! A record stays until it was confirmed as often as it was added. A confirmation may arrive behind the next invalidation of
//! the same target, which it says nothing about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of a file: what it is, and the version of its records.
const MAGIC: &[u8; 8] = b"PGJRNL01";
/// How the names of journals begin and end.
const NAME: (&str, &str) = ("backplane-", ".journal");
/// The bytes of a record before its body: length and checksum.
const HEAD_BYTES: usize = 12;
/// The longest body of a record: a target is a hash, or a pattern of at most this length.
const BODY_BYTES_MAX: usize = 16 << 10;
/// A file of fewer bytes is not worth writing anew.
const REWRITE_BYTES_MIN: u64 = 64 << 10;
/// A file that is larger than any of ours is not read: nobody knows who made it.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// An invalidation of one target, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    /// The control shard that is to be told.
    pub(crate) shard: u16,
    /// The target as Redis knows it.
    pub(crate) target: Box<[u8]>,
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Pending = 1,
    Confirmed = 2,
}

/// What has been written and read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalCounts {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Records that are not confirmed.
    pub(crate) records: u64,
    /// Times that the file was written anew.
    pub(crate) rewrites: u64,
    /// Records that were taken over from programs before.
    pub(crate) adopted: u64,
    /// Files of programs before that ended in the middle of a record.
    pub(crate) damaged: u64,
}

/// The journal of this program.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    /// What is not confirmed, and how often it was added.
    live: BTreeMap<Record, usize>,
    counts: JournalCounts,
}

impl Journal {
    /// A journal of its own in `directory`, called by `name`, which no other program has.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub(crate) fn create(directory: &Path, name: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = directory.join(format!("{}{name}{}", NAME.0, NAME.1));
        let file = begin(&path)?;
        sync_directory(directory)?;
        let bytes = MAGIC.len() as u64;
        Ok(Self {
            directory: directory.to_owned(),
            path,
            file,
            live: BTreeMap::new(),
            counts: JournalCounts {
                bytes,
                ..JournalCounts::default()
            },
        })
    }

    /// Takes over what programs before have left. Each of the records is to be confirmed once more than before.
    ///
    /// # Errors
    /// When what was found cannot be kept here; then it stays where it is.
    pub(crate) fn adopt(&mut self) -> io::Result<Vec<Record>> {
        let mut adopted = Vec::new();
        for path in self.left_behind()? {
            match self.take_over(&path) {
                Ok(found) => adopted.extend(found),
                // What was taken over so far has to be told; the rest is found again.
                Err(_) if !adopted.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(adopted)
    }

    fn take_over(&mut self, path: &Path) -> io::Result<Vec<Record>> {
        // What cannot be read is not ours, or not to be mended here. The lock is held until the file is gone.
        let Ok(Some((_lock, found, whole))) = read_abandoned(path) else {
            return Ok(Vec::new());
        };
        let found: Vec<Record> = found.into_iter().collect();
        self.add(&found)?;
        if let Err(error) = std::fs::remove_file(path) {
            let _ = self.confirm(&found);
            return Err(error);
        }
        self.counts.damaged += u64::from(!whole);
        self.counts.adopted += found.len() as u64;
        Ok(found)
    }

    /// The journals in the directory that are not this one.
    fn left_behind(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(NAME.0) && name.ends_with(NAME.1) && path != self.path {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Adds `records`; when this returns, they outlive a loss of power.
    ///
    /// # Errors
    /// When they cannot be written; they are not in the journal then.
    pub(crate) fn add(&mut self, records: &[Record]) -> io::Result<()> {
        let is_new = |record: &&Record| !self.live.contains_key(*record);
        let new: Vec<&Record> = records.iter().filter(is_new).collect();
        if !new.is_empty() {
            let written = self.append(Act::Pending, &new).and_then(|()| self.file.sync_data());
            if let Err(error) = written {
                self.cut();
                return Err(error);
            }
        }
        for record in records {
            *self.live.entry(record.clone()).or_default() += 1;
        }
        self.note();
        Ok(())
    }

    /// Removes `records`, each as it was added once: Redis has confirmed them, or others stand for them.
    ///
    /// # Errors
    /// When that cannot be written. They are told again after the next start.
    pub(crate) fn confirm(&mut self, records: &[Record]) -> io::Result<()> {
        let mut over = Vec::new();
        for record in records {
            let Some(count) = self.live.get_mut(record) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.live.remove(record);
                over.push(record);
            }
        }
        if over.is_empty() {
            return Ok(());
        }
        let written = self.append(Act::Confirmed, &over);
        if written.is_err() {
            self.cut();
        }
        self.note();
        let live: u64 = self.live.keys().map(Record::bytes).sum();
        if self.counts.bytes > REWRITE_BYTES_MIN.max(4 * live) {
            return written.and(self.rewrite());
        }
        written
    }

    /// Writes what is live into a new file, which takes the place of this one.
    fn rewrite(&mut self) -> io::Result<()> {
        let unfinished = self.path.with_extension("new");
        let _ = std::fs::remove_file(&unfinished);
        let mut file = begin(&unfinished)?;
        let mut text = Vec::new();
        self.live
            .keys()
            .for_each(|record| record.write(Act::Pending, &mut text));
        let written = file
            .write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&unfinished, &self.path))
            .and_then(|()| sync_directory(&self.directory));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
        self.file = file;
        self.counts.bytes = (MAGIC.len() + text.len()) as u64;
        self.counts.rewrites += 1;
        Ok(())
    }

    fn append(&mut self, act: Act, records: &[&Record]) -> io::Result<()> {
        let mut text = Vec::new();
        records.iter().for_each(|record| record.write(act, &mut text));
        self.file.write_all(&text)?;
        self.counts.bytes += text.len() as u64;
        Ok(())
    }

    /// Takes off what a write that failed may have left, so that what is added later is not behind it.
    fn cut(&mut self) {
        let _ = self.file.set_len(self.counts.bytes);
    }

    fn note(&mut self) {
        self.counts.records = self.live.len() as u64;
    }

    /// What has been written and read so far.
    pub(crate) fn counts(&self) -> JournalCounts {
        self.counts
    }

    /// The end: the file goes away if it holds nothing that somebody has to tell.
    pub(crate) fn close(&mut self) {
        if self.live.is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Record {
    fn bytes(&self) -> u64 {
        (HEAD_BYTES + 3 + self.target.len()) as u64
    }

    fn write(&self, act: Act, out: &mut Vec<u8>) {
        let mut body = vec![act as u8];
        body.extend_from_slice(&self.shard.to_le_bytes());
        body.extend_from_slice(&self.target);
        let length = u32::try_from(body.len()).expect("a target is short");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&xxh3_64(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }

    /// The record at the beginning of `text`, and what follows it; nothing where it is cut or damaged.
    fn read(text: &[u8]) -> Option<(Act, Self, &[u8])> {
        let (length, rest) = text.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length > BODY_BYTES_MAX {
            return None;
        }
        let (body, rest) = rest.split_at_checked(length)?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return None;
        }
        let (act, body) = body.split_first()?;
        let (shard, target) = body.split_first_chunk::<2>()?;
        let act = match act {
            1 => Act::Pending,
            2 => Act::Confirmed,
            _ => return None,
        };
        let record = Self {
            shard: u16::from_le_bytes(*shard),
            target: target.into(),
        };
        Some((act, record, rest))
    }
}

/// A new file at `path`, held by this program.
fn begin(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.try_lock()?;
    file.write_all(MAGIC)?;
    // Somebody who looked between both steps has found nobody's file.
    if file.metadata()?.nlink() == 0 {
        return Err(io::Error::other("another program took the file away"));
    }
    Ok(file)
}

/// What the file at `path` holds, and whether it is whole; nothing while a program holds it. The file stays locked as long as
/// the first part of the answer is held.
fn read_abandoned(path: &Path) -> io::Result<Option<(File, BTreeSet<Record>, bool)>> {
    let Some(file) = open_found(path)? else {
        return Ok(None);
    };
    read_if_abandoned(file, path)
}

/// The file at `path`, if it may be one of ours.
fn open_found(path: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let about = file.metadata()?;
    let ours = about.is_file() && about.uid() == rustix::process::geteuid().as_raw() && about.len() <= FILE_BYTES_MAX;
    Ok(ours.then_some(file))
}

fn read_if_abandoned(mut file: File, path: &Path) -> io::Result<Option<(File, BTreeSet<Record>, bool)>> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // A program that wrote its journal anew since this one was opened holds the file that lies there now, and not this one.
    let (held, there) = (file.metadata()?, std::fs::symlink_metadata(path)?);
    if (held.dev(), held.ino()) != (there.dev(), there.ino()) {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let (records, whole) = replay(&text);
    Ok(Some((file, records, whole)))
}

/// What is pending after everything in `text` has happened, and whether it could be read to its end.
fn replay(text: &[u8]) -> (BTreeSet<Record>, bool) {
    let mut live = BTreeSet::new();
    let Some(mut rest) = text.strip_prefix(MAGIC) else {
        return (live, text.is_empty());
    };
    while !rest.is_empty() {
        let Some((act, record, after)) = Record::read(rest) else {
            return (live, false);
        };
        match act {
            Act::Pending => live.insert(record),
            Act::Confirmed => live.remove(&record),
        };
        rest = after;
    }
    (live, true)
}

/// What the directory says of its files holds after a loss of power too.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;
