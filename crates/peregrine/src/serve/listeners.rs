//! The sockets that the program serves, so that they can be told apart: given to a successor, added and closed by a reload.

use super::handover::{Role, Shared};
use parking_lot::Mutex;
use peregrine_net::config::ListenerConfig;
use peregrine_net::http::ServeHandle;
use std::io;
use std::net::SocketAddr;

/// What is being served.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    served: Mutex<Vec<Served>>,
    admin: Mutex<Option<(String, ServeHandle)>>,
}

/// One that is being served.
#[derive(Debug)]
struct Served {
    config: ListenerConfig,
    handle: ServeHandle,
}

impl Listeners {
    /// Notes one that takes requests.
    pub(super) fn add(&self, config: ListenerConfig, handle: ServeHandle) {
        self.served.lock().push(Served { config, handle });
    }

    /// Notes that of the admin API.
    pub(super) fn set_admin(&self, configured: String, handle: ServeHandle) {
        *self.admin.lock() = Some((configured, handle));
    }

    /// Where requests are taken, in the order of the configuration.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.served
            .lock()
            .iter()
            .map(|served| served.handle.address())
            .collect()
    }

    /// Where the admin API is.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.admin.lock().as_ref().map(|(_, handle)| handle.address())
    }

    /// All sockets once more, for a successor.
    pub(super) fn share(&self) -> io::Result<Shared> {
        let mut shared = Shared::default();
        for served in self.served.lock().iter() {
            shared.add(Role::Listener, &served.config.address, &served.handle)?;
        }
        if let Some((configured, handle)) = &*self.admin.lock() {
            shared.add(Role::Admin, configured, handle)?;
        }
        Ok(shared)
    }
}
