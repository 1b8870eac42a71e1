//! What scenarios are made of: an origin that does as told, the program in front of it, and clients.

pub mod client;
pub mod crowd;
pub mod origin;
pub mod process;
pub mod program;
pub mod secure;

pub use client::{Answer, Client, get, request};
pub use crowd::Crowd;
pub use origin::{Gate, Heard, Origin, Reply};
pub use process::{Process, Shop};
pub use program::Peregrine;
pub use rustix::process::Signal;

use std::time::{Duration, Instant};

/// The longest that a condition is waited for. Only a failing test ever waits that long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives a value.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
