//! Listening sockets. Binding fails with a sentence that says what is wrong and what to do about it.

mod address;
mod direct;
mod stream;
mod unix;

pub use address::{Address, AddressError};
pub(crate) use stream::{ON_THIS_MACHINE, Stream};

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use unix::{SocketFile, UnixFault};

/// How many connections the kernel keeps for us before we take them.
const BACKLOG: i32 = 4096;

/// A bound socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// With its file, unless that is a service manager's. It goes with the last listener that has it.
    Unix(UnixListener, Option<Arc<SocketFile>>),
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("{0} is already taken by another program: stop it, or choose another address")]
    Taken(Address),
    /// The system reserves this port.
    #[error("{0} may not be bound by this user: choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE")]
    NotAllowed(Address),
    /// No interface of this machine has that address.
    #[error("{0} is not an address of this machine: use 127.0.0.1 for this machine only, 0.0.0.0 for every interface")]
    NotHere(Address),
    /// A file that is no socket stands at the path of a Unix socket.
    #[error("{0} is a file and not a socket: it stays; choose another path")]
    NotASocket(Address),
    /// The file of a Unix socket cannot be made.
    #[error("{0} cannot be made: its folder must exist and let this user write")]
    NoFolder(Address),
    /// Anything else that the system reports.
    #[error("{0} cannot be bound: {1}")]
    Other(Address, #[source] io::Error),
}

impl BindError {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::NotAllowed(_) => "not_allowed",
            Self::NotHere(_) => "not_here",
            Self::NotASocket(_) => "not_a_socket",
            Self::NoFolder(_) => "no_folder",
            Self::Other(..) => "other",
        }
    }
}

impl Listener {
    /// Binds `address` and listens; needs a tokio runtime. Port 0 takes a free one, which [`Listener::address`] tells.
    ///
    /// # Errors
    /// [`BindError`], whose text is meant for the person who chose the address.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::bind_for(address, false)
    }

    /// As [`Listener::bind`], for an IPv6 address whose port another listener has for IPv4: this one leaves IPv4 to it.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind_ipv6_only(address: SocketAddr) -> Result<Self, BindError> {
        Self::bind_for(address, true)
    }

    fn bind_for(address: SocketAddr, ipv6_only: bool) -> Result<Self, BindError> {
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken(Address::Ip(address)),
            io::ErrorKind::PermissionDenied => BindError::NotAllowed(Address::Ip(address)),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(Address::Ip(address)),
            _ => BindError::Other(Address::Ip(address), error),
        };
        let socket = listening_socket(address, ipv6_only).map_err(wrong)?;
        let address = socket.local_addr().map_err(wrong)?;
        Ok(Self {
            socket: Socket::Tcp(socket),
            address: Address::Ip(address),
        })
    }

    /// Makes a Unix socket at `path` with the permissions `mode` and listens; needs a tokio runtime. The file is removed
    /// when the listener is dropped.
    ///
    /// # Errors
    /// [`BindError`], whose text is meant for the person who chose the path.
    pub fn bind_unix(path: &Path, mode: u32) -> Result<Self, BindError> {
        let address = || Address::Unix(PathBuf::from(path));
        let wrong = |fault: UnixFault| match fault {
            UnixFault::Taken => BindError::Taken(address()),
            UnixFault::NotASocket => BindError::NotASocket(address()),
            UnixFault::System(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                    BindError::NoFolder(address())
                }
                _ => BindError::Other(address(), error),
            },
        };
        let (socket, file) = unix::listen(path, mode, BACKLOG).map_err(wrong)?;
        Ok(Self {
            socket: Socket::Unix(socket, Some(Arc::new(file))),
            address: address(),
        })
    }

    /// A socket that listens already: from the program before, or from whoever started this one. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it is no socket that takes connections over TCP or at a path.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        let invalid = |problem: &'static str| io::Error::new(io::ErrorKind::InvalidInput, problem);
        if !socket.is_listener()? {
            return Err(invalid("the socket does not listen"));
        }
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        if address.is_unix() {
            let path = address
                .as_pathname()
                .ok_or(invalid("the socket has no path"))?
                .to_owned();
            // A service manager keeps the file for the next start; what a successor leaves, the next one replaces.
            return Ok(Self {
                socket: Socket::Unix(UnixListener::from_std(socket.into())?, None),
                address: Address::Unix(path),
            });
        }
        let socket = TcpListener::from_std(socket.into())?;
        let address = Address::Ip(socket.local_addr()?);
        Ok(Self {
            socket: Socket::Tcp(socket),
            address,
        })
    }

    /// The socket once more, for a program that goes on listening on it: as long as one of both is open, clients are let in.
    /// From then on the file of a Unix socket stays.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            Socket::Unix(socket, file) => {
                let shared = socket.as_fd().try_clone_to_owned()?;
                file.iter().for_each(|file| file.leave());
                Ok(shared)
            }
        }
    }

    /// The socket once more, to serve it in another way. The file of a Unix socket goes with the last of both.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn again(&self) -> io::Result<Self> {
        let socket = match &self.socket {
            Socket::Tcp(socket) => Socket::Tcp(TcpListener::from_std(socket.as_fd().try_clone_to_owned()?.into())?),
            Socket::Unix(socket, file) => {
                let again = socket.as_fd().try_clone_to_owned()?;
                Socket::Unix(UnixListener::from_std(again.into())?, file.clone())
            }
        };
        Ok(Self {
            socket,
            address: self.address.clone(),
        })
    }

    /// Whether there is the file of a Unix socket whose permissions are this program's to set.
    #[must_use]
    pub const fn has_file(&self) -> bool {
        matches!(self.socket, Socket::Unix(_, Some(_)))
    }

    /// Notes that the program before made the file of this Unix socket: its permissions are this program's to set from now
    /// on. The file stays.
    pub fn take_file(&mut self) {
        if let (Socket::Unix(_, file), Address::Unix(path)) = (&mut self.socket, &self.address)
            && let Ok(found) = SocketFile::at(path)
        {
            found.leave();
            *file = Some(Arc::new(found));
        }
    }

    /// Gives the file of a Unix socket the permissions `mode`, if they are this program's to set.
    ///
    /// # Errors
    /// When the system does not let it, or another file is there by now.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        match &self.socket {
            Socket::Unix(_, Some(file)) => file.set_mode(mode),
            Socket::Unix(_, None) | Socket::Tcp(_) => Ok(()),
        }
    }

    /// Where it listens, with the port that the system chose for port 0.
    #[must_use]
    pub const fn place(&self) -> &Address {
        &self.address
    }

    /// The address where it listens; for a Unix socket that of this machine, without a port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self.address {
            Address::Ip(address) => address,
            Address::Unix(_) => ON_THIS_MACHINE,
        }
    }

    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok((stream.into(), address))
            }
            Socket::Unix(socket, _) => {
                let (stream, _) = socket.accept().await?;
                Ok((stream.into(), ON_THIS_MACHINE))
            }
        }
    }
}

fn listening_socket(address: SocketAddr, ipv6_only: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if ipv6_only {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_says_which_and_how_to_choose_another() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(first.address()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.as_str(), "taken");
        assert!(text.contains(&first.address().to_string()), "{text}");
        assert!(text.contains("choose another address"), "{text}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused_with_advice() {
        let error = Listener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("not an address of this machine"), "{error}");
    }

    #[tokio::test]
    async fn a_unix_socket_that_is_handed_on_stays_where_it_is() {
        let folder = crate::tests::Folder::new();
        let path = folder.path("a.sock");
        let first = Listener::bind_unix(&path, 0o660).unwrap();
        let second = Listener::from_fd(first.share().unwrap()).unwrap();
        assert_eq!(second.place(), &Address::Unix(path.clone()));
        drop(first);
        let _client = tokio::net::UnixStream::connect(&path).await.unwrap();
        second.accept().await.unwrap();
        drop(second);
        // The next start replaces it.
        drop(Listener::bind_unix(&path, 0o660).unwrap());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_unix_socket_that_is_served_in_another_way_keeps_its_file_to_the_end() {
        use std::os::unix::fs::PermissionsExt;
        let folder = crate::tests::Folder::new();
        let path = folder.path("a.sock");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let first = Listener::bind_unix(&path, 0o660).unwrap();
        drop(first.again().unwrap());
        assert!(path.exists(), "it was not served after all");
        let second = first.again().unwrap();
        drop(first);
        second.set_mode(0o600).unwrap();
        assert_eq!(mode(), 0o600);
        // A successor sets permissions where this program could, and leaves the file.
        let mut third = Listener::from_fd(second.share().unwrap()).unwrap();
        third.set_mode(0o666).unwrap();
        assert_eq!(mode(), 0o600, "a service manager's");
        third.take_file();
        third.set_mode(0o666).unwrap();
        assert_eq!(mode(), 0o666);
        drop((second, third));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_unix_socket_that_nobody_else_has_goes_with_the_last_that_serves_it() {
        let folder = crate::tests::Folder::new();
        let path = folder.path("a.sock");
        let first = Listener::bind_unix(&path, 0o660).unwrap();
        let second = first.again().unwrap();
        drop(first);
        let _client = tokio::net::UnixStream::connect(&path).await.unwrap();
        second.accept().await.unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_path_without_a_folder_is_refused_with_advice() {
        let error = Listener::bind_unix(Path::new("/nowhere/peregrine.sock"), 0o660).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unix:/nowhere/peregrine.sock cannot be made: its folder must exist and let this user write"
        );
    }
}
