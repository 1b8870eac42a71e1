//! Files of the admin API in `server.state_dir`: for their owner only, written whole or not at all.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why a file of the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Others may read or change it.
    #[error(
        "{path} can be read or changed by others (mode {mode:03o}): chmod 600 {path}, and look at what is in it",
        path = .path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// What is in it is not what was written.
    #[error("{path} is damaged ({problem}): put back a copy, or move it away to begin anew", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system refused something.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateError {
    pub(crate) fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { what, path, source }
    }

    pub(crate) fn damaged(path: &Path, problem: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// Flags that lead neither to another file nor into waiting for one.
fn careful() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// Options that open a file of the state and make one that only its owner reads.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(careful());
    options
}

/// What is in the file at `path`, at most `max` bytes; nothing when there is none.
pub(crate) fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, StateError> {
    let file = match private().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::system("read", path)(error)),
    };
    check(path, &file)?;
    let mut bytes = Vec::new();
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(StateError::system("read", path))?;
    if bytes.len() as u64 > max {
        return Err(StateError::damaged(path, format!("it is larger than {max} bytes")));
    }
    Ok(Some(bytes))
}

/// Refuses a file that others may read or change.
pub(crate) fn check(path: &Path, file: &File) -> Result<(), StateError> {
    let metadata = file.metadata().map_err(StateError::system("examine", path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StateError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Puts `bytes` at `path`: who reads it meanwhile, or after a crash, finds what was there before or all of them.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let failed = StateError::system("write", path);
    let written = (|| {
        let _ = fs::remove_file(&beside);
        let mut file = private().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    })();
    written.map_err(failed)
}
