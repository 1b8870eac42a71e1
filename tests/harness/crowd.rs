//! Many clients at the same time. One thread is enough: all of them ask before the first answer is read, and what comes
//! back meanwhile waits in the sockets.

use super::client::{Answer, Client};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Once;

/// Connections of one scenario.
pub(crate) struct Crowd(Vec<Client>);

impl Crowd {
    /// Connects `count` clients.
    pub(crate) fn gather(address: SocketAddr, count: u32) -> Self {
        allow_many_files();
        Self((0..count).map(|_| Client::connect(address)).collect())
    }

    /// Has every client send the request that `text` makes for its number.
    pub(crate) fn ask(mut self, text: impl Fn(usize) -> String) -> Self {
        for (number, client) in self.0.iter_mut().enumerate() {
            client.send(text(number));
        }
        self
    }

    /// The answers in the order of the clients.
    pub(crate) fn answers(&mut self) -> Vec<Answer> {
        self.0.iter_mut().map(|client| client.read("GET")).collect()
    }
}

/// Takes as many file descriptors as the system gives; the processes that a scenario starts inherit that.
pub(crate) fn allow_many_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        let _ = setrlimit(Resource::Nofile, limit);
    });
}
