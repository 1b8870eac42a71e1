//! Ports for servers that cannot be asked to choose one themselves. A port is lent for as long as the value lives, to one
//! test of one process: the others see the lock on its file. So a server that was killed can come back on its own port.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below what systems give to outgoing connections and to listeners that ask for any port; the upper half of it, ten
/// thousand further up, is for the bus of a cluster's node.
const PORTS: Range<u16> = 11_000..19_000;

/// How many ports are tried before something else must be wrong.
const TRIES_MAX: u32 = 1000;

/// A port that is ours.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Takes one that nobody else has, nor the one of a node's bus beside it.
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("peregrine-test-ports");
        std::fs::create_dir_all(&folder).unwrap();
        for _ in 0..TRIES_MAX {
            let number = fastrand::u16(PORTS);
            let Ok(lock) = File::create(folder.join(number.to_string())) else {
                continue; // another user's
            };
            match lock.try_lock() {
                Ok(()) if is_free(number) && is_free(bus_of(number)) => return Self { number, _lock: lock },
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{}: {error}", folder.display()),
            }
        }
        panic!("none of {TRIES_MAX} ports was free");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// The port on which a cluster's node talks to the others.
    pub(crate) fn bus(&self) -> u16 {
        bus_of(self.number)
    }
}

fn bus_of(port: u16) -> u16 {
    port + 10_000
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
