//! The token that every call of the admin API carries: 32 random bytes in hex, made at the first start and kept in a file
//! that only its owner can read.
//!
//! Guarantees: the file is there whole or not at all, also when two processes start at once; a file or directory that
//! others could read or exchange is refused with the command that mends it, and never silently mended, because the token
//! may be known by then.

#[cfg(test)]
mod tests;

use peregrine_base::Secret;
use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
pub const FILE_NAME: &str = "admin.token";
/// Random bytes of a new token.
const TOKEN_BYTES: usize = 32;
/// The shortest token that is taken from elsewhere. Wrong ones are slowed down, so this holds for a long time.
const LENGTH_MIN: usize = 16;
/// The longest; a file that is larger is something else.
const LENGTH_MAX: usize = 512;

/// A token, and where it came from.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Where it came from.
    pub source: TokenSource,
}

/// Where a token came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The environment.
    Environment,
    /// A file that was there.
    File(PathBuf),
    /// A file that was made just now.
    Created(PathBuf),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Others may read the file.
    #[error(
        "{path} can be read or changed by others (mode {mode:03o}): take those rights away (chmod 600 {path}), or remove it \
         to get a new token, since this one may be known",
        path = .path.display()
    )]
    FileTooOpen {
        /// The file.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// Others may exchange what is in the directory.
    #[error(
        "{path} can be changed by others (mode {mode:03o}), who could put a token of their own there: chmod go-w {path}, or \
         choose another server.state_dir",
        path = .path.display()
    )]
    DirectoryTooOpen {
        /// The directory.
        path: PathBuf,
        /// Its rights.
        mode: u32,
    },
    /// The file belongs to somebody else.
    #[error("{path} belongs to another user (uid {uid}): remove it, or start Peregrine as its owner", path = .path.display())]
    NotOurs {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// What is there is no token.
    #[error(
        "{origin} holds no usable token: it must be {LENGTH_MIN} to {LENGTH_MAX} visible ASCII characters without blanks"
    )]
    Unusable {
        /// Where it was found.
        origin: String,
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

/// The token from the environment, if it is set there, else from the file in `state_dir`, which is made when it is absent.
///
/// # Errors
/// When the file or its directory can be read or changed by others, or holds no token, or cannot be made.
pub fn load_or_create(state_dir: &Path, environment: Option<Secret>) -> Result<Token, TokenError> {
    if let Some(secret) = environment {
        check(secret.expose(), "PEREGRINE_ADMIN_TOKEN")?;
        return Ok(Token {
            secret,
            source: TokenSource::Environment,
        });
    }
    prepare_directory(state_dir)?;
    let path = state_dir.join(FILE_NAME);
    if let Some(secret) = load(&path)? {
        return Ok(Token {
            secret,
            source: TokenSource::File(path),
        });
    }
    let secret = generate(&path)?;
    if create(state_dir, &path, &secret)? {
        return Ok(Token {
            secret,
            source: TokenSource::Created(path),
        });
    }
    // Another process was faster: its token counts.
    let secret = load(&path)?.ok_or_else(|| TokenError::Unusable {
        origin: path.display().to_string(),
    })?;
    Ok(Token {
        secret,
        source: TokenSource::File(path),
    })
}

/// The token in `path`, for a command that calls a running Peregrine; `None` when there is no such file.
///
/// # Errors
/// When it can be read or changed by others, or holds no token.
pub fn load(path: &Path) -> Result<Option<Secret>, TokenError> {
    let failed = |source| TokenError::System {
        what: "read",
        path: path.to_owned(),
        source,
    };
    // A link could lead to any file, and a pipe would be waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    check_owner(path, &metadata)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::FileTooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    let read = file.take(LENGTH_MAX as u64 + 2).read_to_string(&mut text);
    let origin = path.display().to_string();
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(TokenError::Unusable { origin }),
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    let text = text.trim_end_matches(['\n', '\r']);
    check(text, &origin)?;
    Ok(Some(Secret::new(text)))
}

/// Makes the directory, for its owner only, unless it is there and safe.
fn prepare_directory(directory: &Path) -> Result<(), TokenError> {
    let failed = |what| {
        move |source| TokenError::System {
            what,
            path: directory.to_owned(),
            source,
        }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed("make the directory"))?;
    let metadata = fs::metadata(directory).map_err(failed("examine"))?;
    check_owner(directory, &metadata)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(TokenError::DirectoryTooOpen {
            path: directory.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Whether `metadata` is of something that belongs to this user or to root.
fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), TokenError> {
    let uid = metadata.uid();
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(TokenError::NotOurs {
        path: path.to_owned(),
        uid,
    })
}

/// Writes the token beside its place and then links it there, which fails when something is there by now; says whether it
/// was placed.
fn create(directory: &Path, path: &Path, secret: &Secret) -> Result<bool, TokenError> {
    let failed = |source| TokenError::System {
        what: "write",
        path: path.to_owned(),
        source,
    };
    // By chance, not by process number: two containers that share a volume may both be process 1.
    let beside = directory.join(format!("{FILE_NAME}.{:016x}", u64::from_ne_bytes(random(path)?)));
    let placed = write(&beside, secret).and_then(|()| match fs::hard_link(&beside, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without links. Renaming is as whole, only a race would end with the later one's token.
        Err(_) => fs::rename(&beside, path).map(|()| true),
    });
    let _ = fs::remove_file(&beside);
    let placed = placed.map_err(failed)?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    Ok(placed)
}

fn write(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", secret.expose())?;
    file.sync_all()
}

/// A new token.
fn generate(path: &Path) -> Result<Secret, TokenError> {
    let bytes: [u8; TOKEN_BYTES] = random(path)?;
    Ok(Secret::new(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    ))
}

/// Bytes that nobody can foretell, for the file at `path`.
fn random<const COUNT: usize>(path: &Path) -> Result<[u8; COUNT], TokenError> {
    let failed = |source| TokenError::System {
        what: "get random bytes for",
        path: path.to_owned(),
        source,
    };
    let mut bytes = [0u8; COUNT];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(bytes)
}

/// Whether `text` can be a token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    (LENGTH_MIN..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check(text: &str, origin: &str) -> Result<(), TokenError> {
    if is_token(text) {
        Ok(())
    } else {
        Err(TokenError::Unusable {
            origin: origin.to_owned(),
        })
    }
}
