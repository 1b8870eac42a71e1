//! Watching the configuration file (`server.watch_config`): when its content has changed and stays as it is for a moment, it
//! is read again, as SIGHUP would do. It is looked at rather than waited for: that works for every way in which a file is
//! replaced (written in place, renamed over, a link that is moved as Kubernetes does), on every file system, for one `stat`
//! every two seconds. What was refused is tried again as often, as long as the reason may be over without another content.

use super::program::Program;
use crate::config::Origin;
use peregrine_base::{Runtime, TokioRuntime};
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the file is looked at, and how long it has to stay as it is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why it is read again, for the audit log.
const CAUSE: &str = "change of the file";

/// What tells two states of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Look {
    /// The file that `path` leads to; nothing while there is none.
    fn at(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// What a file held, to tell whether it holds something else.
pub(super) fn content(path: &Path) -> io::Result<u64> {
    std::fs::read(path).map(|bytes| fingerprint(&bytes))
}

/// The same of what was read.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The file that `program` is configured by.
pub(super) fn file(program: &Program) -> Option<PathBuf> {
    match &program.source.as_ref()?.origin {
        Origin::File(path) => Some(path.clone()),
        Origin::Text { .. } | Origin::Upstream(_) => None,
    }
}

/// Watches until the program ends.
pub(super) fn watch(program: &Arc<Program>) {
    let Some(path) = file(program) else { return };
    let program: Weak<Program> = Arc::downgrade(program);
    TokioRuntime.spawn(Box::pin(async move {
        // The file may have changed since it was read, so the first look goes into it.
        let (mut settled, mut before) = (None, Look::at(&path));
        let mut unreadable = None;
        loop {
            TokioRuntime.sleep(LOOK_EVERY).await;
            let Some(program) = program.upgrade() else { return };
            // The successor applies it, to the sockets too.
            if program.succeeded.load(Ordering::SeqCst) {
                return;
            }
            let now = Look::at(&path);
            let stays = now == before;
            before = now;
            // A file that is gone for a moment is being replaced; one that stays away changes nothing.
            if !stays || now.is_none() || (now == settled && program.refused.lock().is_none()) {
                continue;
            }
            let file = path.clone();
            let read = tokio::task::spawn_blocking(move || apply_news(&program, &file)).await;
            match read {
                Ok(Err(error)) => {
                    // Who may read it can change and leave the file as it is, so the next look goes into it again.
                    let error = error.to_string();
                    if unreadable.as_ref() != Some(&error) {
                        tracing::error!(path = %path.display(), error, "the configuration file cannot be read");
                        unreadable = Some(error);
                    }
                }
                // What went wrong with its content was said where it was read.
                _ => (settled, unreadable) = (now, None),
            }
        }
    }));
}

/// Applies the content of the file at `path` if it was never read, or was refused for a reason that may be over.
///
/// # Errors
/// When the file cannot be read.
fn apply_news(program: &Program, path: &Path) -> io::Result<()> {
    if !program.watches() {
        return Ok(());
    }
    if program.is_news(content(path)?) {
        tracing::info!(path = %path.display(), "the configuration file has changed");
        program.reload_and_log(CAUSE);
    } else {
        program.reload_again(CAUSE);
    }
    Ok(())
}
