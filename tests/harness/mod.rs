//! What scenarios are made of: an origin that does as told, the program in front of it, and clients.

pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod curl;
pub(crate) mod described;
pub(crate) mod fleet;
pub(crate) mod frames;
pub(crate) mod origin;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod secure;
pub(crate) mod terminal;

pub(crate) use client::{Answer, Client, get, request};
pub(crate) use crowd::Crowd;
pub(crate) use fleet::Fleet;
pub(crate) use origin::{Gate, Origin, Reply};
pub(crate) use peregrine_test_servers::{eventually, until};
pub(crate) use process::{Process, Shop};
pub(crate) use program::Peregrine;
pub(crate) use rustix::process::Signal;
pub(crate) use terminal::Terminal;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest that a condition is waited for. Only a failing test ever waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Tells the threads of a load to stop once a test is done with them, and also when it fails: a scope waits for its threads, and
/// would wait for ever.
pub(crate) struct Stopping<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
