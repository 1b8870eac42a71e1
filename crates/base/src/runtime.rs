//! Spawning, sleeping and chance as arguments, so that a test or a simulation can own them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

/// A future that a [`Runtime`] runs by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Makes a future where it is to run.
pub type MakeTask = Box<dyn FnOnce() -> Task + Send + 'static>;

/// Runs work in the background and waits.
pub trait Runtime: Send + Sync + 'static {
    /// Starts `task`; it goes on when the caller goes away.
    fn spawn(&self, task: Task);
    /// Starts what `make` makes, which will stay where it is started: one connection, say. A runtime of several event loops
    /// chooses the one with the least of them and calls `make` there.
    fn settle(&self, make: MakeTask) {
        self.spawn(make());
    }
    /// Whether [`Runtime::settle`] may start it in another event loop than the caller's, so that a socket has to be taken along.
    fn has_several_loops(&self) -> bool {
        false
    }
    /// Runs work that occupies a thread, such as compressing a large body, away from the event loop.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>);
    /// Completes after `span`.
    fn sleep(&self, span: Duration) -> Task;
}

/// The tokio runtime in whose context it is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

impl Runtime for TokioRuntime {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) {
        tokio::task::spawn_blocking(work);
    }

    fn sleep(&self, span: Duration) -> Task {
        Box::pin(tokio::time::sleep(span))
    }
}

/// Where chance comes from. Not for secrets.
pub trait Random: Send + Sync + 'static {
    /// Any number, all equally likely.
    fn next_u64(&self) -> u64;

    /// A number from 0 (included) to 1 (excluded).
    fn next_unit(&self) -> f64 {
        // 53 bits are what a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let unit = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }
}

/// Chance from the thread's own generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Chance that repeats itself from a seed.
#[derive(Debug)]
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_units_stay_in_range() {
        let (one, two) = (SeededRandom::new(7), SeededRandom::new(7));
        for _ in 0..1000 {
            assert_eq!(one.next_u64(), two.next_u64());
            assert!((0.0..1.0).contains(&SystemRandom.next_unit()));
        }
    }
}
