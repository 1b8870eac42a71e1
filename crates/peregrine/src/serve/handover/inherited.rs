//! Sockets that listen already when the program starts: from the program before, or from the service manager
//! (`LISTEN_FDS`, socket activation).

use super::channel::{DESCRIPTORS_MAX, Given, Role};
use peregrine_net::http::ServeHandle;
use peregrine_net::listen::Listener;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// Sockets that wait for the listeners that they are for.
#[derive(Debug, Default)]
pub(in crate::serve) struct Inherited(Vec<(Option<Given>, Listener)>);

/// Sockets on their way to a successor.
#[derive(Debug, Default)]
pub(in crate::serve) struct Shared {
    /// What they are for.
    pub(super) sockets: Vec<Given>,
    /// In the same order.
    pub(super) descriptors: Vec<OwnedFd>,
}

impl Shared {
    /// Adds the socket of `handle`, if it is still open.
    pub(in crate::serve) fn add(&mut self, role: Role, configured: &str, handle: &ServeHandle) -> io::Result<()> {
        if let Some(socket) = handle.share()? {
            if self.descriptors.len() == DESCRIPTORS_MAX {
                return Err(io::Error::other("there are more sockets than can be handed over"));
            }
            self.sockets.push(Given {
                role,
                configured: configured.to_owned(),
                has_file: handle.has_file(),
            });
            self.descriptors.push(socket);
        }
        Ok(())
    }
}

impl Inherited {
    /// Those of the program before.
    pub(super) fn from_predecessor(sockets: Vec<Given>, descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let listening = sockets.into_iter().zip(descriptors).map(|(given, socket)| {
            let mut listener = Listener::from_fd(socket)?;
            if given.has_file {
                listener.take_file();
            }
            Ok((Some(given), listener))
        });
        listening.collect::<io::Result<_>>().map(Self)
    }

    /// Those of the service manager. Needs a tokio runtime.
    pub(in crate::serve) fn from_service_manager(sockets: Vec<OwnedFd>) -> Self {
        let usable = |socket| {
            Listener::from_fd(socket)
                .inspect_err(|error| tracing::warn!(%error, "a socket of the service manager is of no use here"))
                .ok()
        };
        Self(
            sockets
                .into_iter()
                .filter_map(usable)
                .map(|listener| (None, listener))
                .collect(),
        )
    }

    /// The socket for what is configured as `configured`.
    pub(in crate::serve) fn take(&mut self, role: Role, configured: &str) -> Option<Listener> {
        let same = |given: &Given| given.role == role && given.configured == configured;
        let by_name = self.0.iter().position(|(given, _)| given.as_ref().is_some_and(same));
        let is_it = |listener: &Listener| listener.place().to_string() == configured;
        let by_address = || self.0.iter().position(|(_, listener)| is_it(listener));
        let address = configured.parse::<SocketAddr>().ok();
        let means_it = |listener: &Listener| address.is_some_and(|address| leads_to(listener.address(), address));
        let by_meaning = || self.0.iter().position(|(_, listener)| means_it(listener));
        let at = by_name.or_else(by_address).or_else(by_meaning);
        at.map(|at| self.0.swap_remove(at).1)
    }

    /// Closes what nobody took; the addresses.
    pub(in crate::serve) fn rest(self) -> Vec<SocketAddr> {
        self.0.iter().map(|(_, listener)| listener.address()).collect()
    }
}

/// The sockets of the service manager, if it started this program by some. To be called before there are other threads: it
/// takes them out of the environment, so that no child takes them for its own.
pub(in crate::serve) fn of_service_manager() -> Vec<OwnedFd> {
    let mut given = listenfd::ListenFd::from_env();
    let mut taken = Vec::new();
    for index in 0..given.len() {
        if let Ok(Some(socket)) = given.take_tcp_listener(index) {
            taken.push(OwnedFd::from(socket));
        } else if let Ok(Some(socket)) = given.take_unix_listener(index) {
            taken.push(OwnedFd::from(socket));
        }
    }
    taken
}

/// Whether a socket on `here` is what `wanted` means: a service manager listens on `[::]` where every interface is meant. One
/// on `0.0.0.0` is not what `[::]` means: nobody would be let in by IPv6.
fn leads_to(here: SocketAddr, wanted: SocketAddr) -> bool {
    let everywhere = here.ip().is_unspecified() && here.is_ipv6() && wanted.ip().is_unspecified();
    here.port() == wanted.port() && (here.ip() == wanted.ip() || everywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_are_found_by_their_configuration_or_their_address() {
        let bind = || Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (one, two, three) = (bind(), bind(), bind());
        let addresses = [one.address(), two.address(), three.address()];
        let given = |role| Given {
            role,
            configured: "127.0.0.1:0".to_owned(),
            has_file: false,
        };
        let mut inherited = Inherited(vec![
            (Some(given(Role::Admin)), one),
            (Some(given(Role::Listener)), two),
            (None, three),
        ]);
        let mut take = |role, configured: &str| inherited.take(role, configured).map(|listener| listener.address());
        assert_eq!(take(Role::Listener, "127.0.0.1:0"), Some(addresses[1]));
        assert_eq!(take(Role::Admin, "127.0.0.1:0"), Some(addresses[0]));
        assert_eq!(take(Role::Listener, "127.0.0.1:0"), None);
        assert_eq!(inherited.take(Role::Listener, "127.0.0.1:1").map(|_| ()), None);
        let third = addresses[2].to_string();
        assert_eq!(inherited.rest(), [addresses[2]]);
        assert!(leads_to("[::]:80".parse().unwrap(), "0.0.0.0:80".parse().unwrap()));
        assert!(!leads_to("0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()));
        assert!(!leads_to("[::]:80".parse().unwrap(), third.parse().unwrap()));
    }
}
