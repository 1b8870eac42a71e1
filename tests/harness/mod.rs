//! What scenarios are made of: an origin that does as told, the program in front of it, and clients.

pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod curl;
pub(crate) mod origin;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod secure;

pub(crate) use client::{Answer, Client, get, request};
pub(crate) use crowd::Crowd;
pub(crate) use origin::{Gate, Origin, Reply};
pub(crate) use process::{Process, Shop};
pub(crate) use program::Peregrine;
pub(crate) use rustix::process::Signal;

use std::time::{Duration, Instant};

/// The longest that a condition is waited for. Only a failing test ever waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at before it is given up: a machine that slept meanwhile has not looked often.
const LOOKS_MIN: u32 = 500;

/// Waits until `condition` gives a value.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = 0;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            looks < LOOKS_MIN || Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
        looks += 1;
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
