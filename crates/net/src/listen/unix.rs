//! Unix sockets as listeners. Nobody can connect before the file has its mode. One that a killed program left behind is
//! replaced; one on which a program listens, or that is no socket, never is. When the listener goes, the file goes, unless
//! it is another's by then.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UnixListener;

/// The file of a socket, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is: device and number.
    identity: (u64, u64),
    /// Whether it is another's to remove.
    left: AtomicBool,
}

impl SocketFile {
    /// The one at `path`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            left: AtomicBool::new(false),
        })
    }

    /// Gives it the permissions `mode`, unless another file is there by now.
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        if !self.is_there() {
            return Err(io::Error::new(ErrorKind::NotFound, "another file is there by now"));
        }
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))
    }

    fn is_there(&self) -> bool {
        let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        fs::symlink_metadata(&self.path).is_ok_and(ours)
    }

    /// Leaves it to another to remove it.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

/// Why there can be no socket at a path.
#[derive(Debug)]
pub(super) enum UnixFault {
    /// Another program listens there.
    Taken,
    /// Something else is there.
    NotASocket,
    /// What the system says.
    System(io::Error),
}

impl From<io::Error> for UnixFault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Listens at `path`, whose file gets `mode`; `backlog` connections wait in the kernel.
pub(super) fn listen(path: &Path, mode: u32, backlog: i32) -> Result<(UnixListener, SocketFile), UnixFault> {
    make_way(path)?;
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    // From here on it is removed when something fails.
    let file = SocketFile::at(path)?;
    // Nobody can connect before it listens, so nobody can before it has its mode.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(backlog)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Nothing that anybody uses may stand at `path`; what a killed program left is removed.
fn make_way(path: &Path) -> Result<(), UnixFault> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !metadata.file_type().is_socket() {
        return Err(UnixFault::NotASocket);
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(UnixFault::Taken),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(UnixFault::System(error)),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.left.load(Ordering::Relaxed) && self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("peregrine-unix-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_left_behind_socket_is_replaced_and_a_used_one_is_not() {
        let folder = folder("stale");
        let path = folder.join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (listener, file) = listen(&path, 0o640, 16).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(matches!(listen(&path, 0o640, 16), Err(UnixFault::Taken)));
        UnixStream::connect(&path).unwrap();
        drop((listener, file));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "the folder is as it was");
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_stays_and_what_another_put_there_stays() {
        let folder = folder("other");
        let path = folder.join("a.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(listen(&path, 0o600, 16), Err(UnixFault::NotASocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        let first = listen(&path, 0o600, 16).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen(&path, 0o600, 16).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
        assert!(matches!(
            listen(&folder.join("missing/a.sock"), 0o600, 16),
            Err(UnixFault::System(_))
        ));
        fs::remove_dir_all(folder).unwrap();
    }
}
