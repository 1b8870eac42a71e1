//! The snapshot of memory as a file in `server.state_dir`: written when everything else has ended, taken away before the
//! first request of the next start. So one that is read was written by the program that ran just before and ended cleanly;
//! after a crash there is none, and none is read twice.
//!
//! Where programs overlap, because one still drains, only the one that began to serve last may leave a snapshot: what is
//! invalidated there the others need not hear of. Its name is in a file beside the snapshot.

use super::program::Program;
use crate::config::Origin;
use parking_lot::Mutex;
use peregrine_base::{Random, SystemRandom};
use peregrine_cache::{CacheConfig, Engine, Expecting, Provenance, Restored, SnapshotLimits, Written};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the file.
const FILE: &str = "cache.snapshot";
/// Its name while it is written.
const UNFINISHED: &str = "cache.snapshot.new";
/// Holds the name of the program that may leave a snapshot.
const OWNER: &str = "cache.owner";
/// How often another program is given the time to change that.
const OWNER_ATTEMPTS: u32 = 50;
/// How long to wait in between.
const OWNER_PAUSE: Duration = Duration::from_millis(100);
/// How long writing may take: whoever stops a program waits for it.
const TIME_MAX: Duration = Duration::from_secs(10);
/// How much is written at once.
const BUFFER_BYTES: usize = 1 << 20;
/// How much may wait for the disk.
const SYNC_BYTES: usize = 8 << 20;

/// Where snapshots are kept, and what became of the one from before.
pub(super) struct Snapshots {
    directory: PathBuf,
    provenance: Provenance,
    before: Mutex<Before>,
    /// What no other program is called.
    name: String,
}

/// What became of the snapshot of the program before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// What was taken from it.
    pub(super) restored: Restored,
    /// Why it was not used.
    pub(super) refused: Option<&'static str>,
}

impl Snapshots {
    /// Those of a program that is configured at `origin`, in `directory`.
    pub(super) fn new(directory: &Path, origin: &Origin) -> Self {
        Self {
            directory: directory.to_owned(),
            provenance: Provenance {
                stored: peregrine_http::STORED_VERSION,
                source: source(origin),
                boot: boot(),
            },
            before: Mutex::default(),
            name: format!("{:016x}{:016x}", SystemRandom.next_u64(), SystemRandom.next_u64()),
        }
    }

    /// Where they lie.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What became of the snapshot of the program before.
    pub(super) fn before(&self) -> Before {
        *self.before.lock()
    }

    /// Takes the file away and hands it out, if there is one and it is ours. To be called before the first request: what is
    /// answered from then on must not be forgotten in favour of what it holds. From then on no program that began earlier leaves
    /// one either.
    pub(super) fn take(&self) -> Option<File> {
        let path = self.directory.join(FILE);
        // Held to the end: what another program puts there at this moment is taken away below.
        let owner = self.lock_owner().and_then(|mut owner| {
            owner.set_len(0)?;
            owner.write_all(self.name.as_bytes())?;
            Ok(owner)
        });
        if let Err(error) = &owner {
            tracing::warn!(%error, path = %self.directory.display(), "this program will leave no snapshot");
        }
        // Left by a program that was killed while it wrote.
        let _ = std::fs::remove_file(self.directory.join(UNFINISHED));
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&path);
        if matches!(&opened, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return None;
        }
        // Until the name is gone for good, the same snapshot could be read again after a crash.
        let removed = std::fs::remove_file(&path).and_then(|()| sync_directory(&self.directory));
        let file = match removed.and(opened) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the snapshot cannot be taken over and is not used");
                return None;
            }
        };
        let ours = file.metadata().is_ok_and(|metadata| {
            metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
        });
        if !ours {
            tracing::warn!(path = %path.display(), "the snapshot could have been written by others and is not used");
        }
        ours.then_some(file)
    }

    /// Reads what `file` holds into memory, and says what came of it. Takes its time.
    pub(super) fn load(&self, expecting: Expecting, file: File) {
        let started = Program::clock().now();
        let loaded = expecting.load(file, &self.provenance);
        let took_ms = Program::clock().now().since(started).as_millis();
        let mut before = self.before.lock();
        match loaded {
            Ok(restored) => {
                before.restored = restored;
                let Restored { entries, left_out } = restored;
                tracing::info!(entries, left_out, took_ms, "memory holds again what it held before");
            }
            Err(fault) => {
                before.refused = Some(fault.as_str());
                tracing::warn!(reason = fault.as_str(), "the snapshot is not used: {fault}");
            }
        }
    }

    /// Writes what `engine` holds. To be called when nothing else runs any more.
    pub(super) fn write(&self, engine: &Engine, config: &CacheConfig) {
        if !config.snapshot || !config.enabled {
            return;
        }
        if matches!(self.lock_as_owner(), Ok(None)) {
            tracing::info!("another program has begun here since: no snapshot is written");
            return;
        }
        let unfinished = self.directory.join(UNFINISHED);
        let written = self.create(&unfinished).and_then(|file| {
            let written = self.fill(engine, config, Synced::new(&file))?;
            file.sync_all()?;
            if !engine.is_unchanged_since(written.position) {
                return Err(io::Error::other("something was invalidated while it was written"));
            }
            if !self.put_in_place(&unfinished)? {
                return Err(io::Error::other("another program has begun here since"));
            }
            Ok(written)
        });
        match written {
            Ok(written) => {
                let (entries, bytes, left_out) = (written.entries, written.bytes, written.left_out);
                tracing::info!(entries, bytes, left_out, "snapshot written");
            }
            Err(error) => {
                let _ = std::fs::remove_file(&unfinished);
                tracing::warn!(%error, path = %unfinished.display(), "no snapshot was written: the next start finds an empty cache");
            }
        }
    }

    /// As [`Snapshots::write`], into a file without a name, for a successor; nothing where there is nothing to hand over.
    pub(super) fn write_unnamed(&self, engine: &Engine, config: &CacheConfig) -> io::Result<Option<File>> {
        if !config.snapshot || !config.enabled {
            tracing::info!("cache.snapshot is off: the successor begins with an empty cache");
            return Ok(None);
        }
        let unfinished = self.directory.join(UNFINISHED);
        let mut file = self.create(&unfinished)?;
        std::fs::remove_file(&unfinished)?;
        let written = self.fill(engine, config, &file)?;
        let (entries, bytes, left_out) = (written.entries, written.bytes, written.left_out);
        tracing::info!(entries, bytes, left_out, "memory goes over to the successor");
        file.rewind()?;
        Ok(Some(file))
    }

    /// Lets the snapshot at `unfinished` be the one that the next start reads; false where another program has begun since.
    fn put_in_place(&self, unfinished: &Path) -> io::Result<bool> {
        let Some(_owner) = self.lock_as_owner()? else {
            return Ok(false);
        };
        std::fs::rename(unfinished, self.directory.join(FILE))?;
        sync_directory(&self.directory)?;
        Ok(true)
    }

    /// The file of the owner, if that is this program. Nobody else changes it while it is held.
    fn lock_as_owner(&self) -> io::Result<Option<File>> {
        let mut owner = self.lock_owner()?;
        let mut name = String::new();
        (&mut owner)
            .take(self.name.len() as u64 + 1)
            .read_to_string(&mut name)?;
        Ok((name == self.name).then_some(owner))
    }

    /// The file of the owner, whoever that is. Waits for another program that holds it, for a few seconds.
    fn lock_owner(&self) -> io::Result<File> {
        self.create_directory()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(self.directory.join(OWNER))?;
        let mut attempts = OWNER_ATTEMPTS;
        loop {
            attempts -= 1;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if attempts > 0 => std::thread::sleep(OWNER_PAUSE),
                locked => break locked?,
            }
        }
        Ok(file)
    }

    fn create_directory(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.create_directory()?;
        let _ = std::fs::remove_file(path);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    /// Writes the entries.
    fn fill(&self, engine: &Engine, config: &CacheConfig, out: impl io::Write) -> io::Result<Written> {
        let limits = SnapshotLimits {
            size_max: config.snapshot_max.as_u64(),
            time_max: TIME_MAX,
        };
        let out = BufWriter::with_capacity(BUFFER_BYTES, out);
        engine.write_snapshot(out, &self.provenance, &limits)
    }
}

/// A file that is on the disk as soon as it is written, but for the last few MiB: what the disk takes counts in the time that
/// a snapshot has.
struct Synced<'a> {
    file: &'a File,
    waiting: usize,
}

impl<'a> Synced<'a> {
    const fn new(file: &'a File) -> Self {
        Self { file, waiting: 0 }
    }
}

impl io::Write for Synced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting >= SYNC_BYTES {
            self.file.sync_data()?;
            self.waiting = 0;
        }
        let written = self.file.write(bytes)?;
        self.waiting += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the directory says of its files holds after a loss of power too.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Which configuration a snapshot belongs to: the same file, or the same upstream where there is none. What a reload may
/// change, a restart may change too.
fn source(origin: &Origin) -> u64 {
    let mut hasher = DefaultHasher::new();
    match origin {
        Origin::File(path) => {
            let path = path.canonicalize().unwrap_or_else(|_| path.clone());
            hasher.write(path.as_os_str().as_encoded_bytes());
        }
        Origin::Text { name, .. } => hasher.write(name.as_bytes()),
        Origin::Upstream(url) => {
            hasher.write(b"upstream ");
            hasher.write(url.as_bytes());
        }
    }
    hasher.finish()
}

/// Which run of the machine this is. Where the system does not say, none is the same as another.
fn boot() -> u128 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or_else(|_| u128::from(SystemRandom.next_u64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshots(directory: &Path) -> Snapshots {
        Snapshots::new(directory, &Origin::Upstream("http://h".to_owned()))
    }

    fn leave(directory: &Path, mode: u32) {
        let path = directory.join(FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path);
        io::Write::write_all(&mut file.unwrap(), b"x").unwrap();
    }

    #[test]
    fn a_file_is_taken_once_and_only_if_nobody_else_could_have_written_it() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = snapshots(folder.path());
        assert!(snapshots.take().is_none());
        leave(folder.path(), 0o600);
        assert!(snapshots.take().is_some());
        assert!(snapshots.take().is_none(), "once");
        leave(folder.path(), 0o644);
        assert!(snapshots.take().is_none(), "others could have read it");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join(FILE)).unwrap();
        assert!(snapshots.take().is_none(), "a link");
        assert!(!folder.path().join(FILE).exists() && Path::new("/etc/passwd").exists());
    }

    #[test]
    fn only_the_program_that_began_last_leaves_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let [first, second] = [(); 2].map(|()| snapshots(&path));
        let put = |snapshots: &Snapshots| {
            let unfinished = path.join(UNFINISHED);
            snapshots.create(&unfinished).unwrap();
            snapshots.put_in_place(&unfinished).unwrap() && path.join(FILE).exists()
        };
        assert!(first.take().is_none());
        assert_eq!(std::fs::metadata(path.join(OWNER)).unwrap().mode() & 0o777, 0o600);
        assert!(put(&first) && put(&first));
        assert!(second.take().is_some(), "what the first one left in time");
        assert!(!put(&first) && !path.join(FILE).exists());
        assert!(put(&second));
    }

    #[test]
    fn another_configuration_has_another_source() {
        let of = |url: &str| source(&Origin::Upstream(url.to_owned()));
        assert_eq!(of("http://a"), of("http://a"));
        assert_ne!(of("http://a"), of("http://b"));
        assert_ne!(of("http://a"), source(&Origin::File("http://a".into())));
    }
}
