//! Waiting for conditions. Only a failing test waits to the end.

use std::time::{Duration, Instant};

/// The longest that a condition is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at before it is given up: a machine that slept meanwhile has not looked often.
const LOOKS_MIN: u32 = 500;

/// Waits until `condition` gives a value.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
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
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
