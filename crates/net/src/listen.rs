//! Listening sockets. Binding fails with a sentence that says what is wrong and what to do about it.

mod stream;

pub(crate) use stream::Stream;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use tokio::net::TcpListener;

/// How many connections the kernel keeps for us before we take them.
const BACKLOG: i32 = 4096;

/// A bound socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("{0} is already taken by another program: stop it, or choose another address")]
    Taken(SocketAddr),
    /// The system reserves this port.
    #[error("{0} may not be bound by this user: choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE")]
    NotAllowed(SocketAddr),
    /// No interface of this machine has that address.
    #[error("{0} is not an address of this machine: use 127.0.0.1 for this machine only, 0.0.0.0 for every interface")]
    NotHere(SocketAddr),
    /// Anything else that the system reports.
    #[error("{0} cannot be bound: {1}")]
    Other(SocketAddr, #[source] io::Error),
}

impl BindError {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::NotAllowed(_) => "not_allowed",
            Self::NotHere(_) => "not_here",
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
        let wrong = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken(address),
            io::ErrorKind::PermissionDenied => BindError::NotAllowed(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
            _ => BindError::Other(address, error),
        };
        let socket = listening_socket(address).map_err(wrong)?;
        let address = socket.local_addr().map_err(wrong)?;
        Ok(Self { socket, address })
    }

    /// A socket that listens already: from the program before, or from whoever started this one. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it is no socket that takes TCP connections.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        if !socket.is_listener()? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket does not listen",
            ));
        }
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The socket once more, for a program that goes on listening on it: as long as one of both is open, clients are let in.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn share(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsFd;
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Where it listens, with the port that the system chose for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let (stream, address) = self.socket.accept().await?;
        Ok((stream.into(), address))
    }
}

fn listening_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
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
}
